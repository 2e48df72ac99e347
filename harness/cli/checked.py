"""What the check said, as lines, a table and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec

from harness.cli.console import print_table
from harness.nightly.wording import accept, change, day, sentence, value
from harness.regression.history import History
from harness.regression.model import FAILURES, Decision, Series, Word
from harness.wording.words import counted

COLUMNS = ("metric", "word", "level", "tonight", "change (95 %)", "why")
QUIET = frozenset({Word.STEADY, Word.NEW_SEGMENT})
"""What is counted and not listed unless all is asked for."""
MOST_CHANGES_SHOWN = 3


def failed(decisions: Sequence[Decision]) -> bool:
    """Return whether a metric got worse, disappeared or could not be compared."""
    return any(one.word in FAILURES for one in decisions)


def print_decisions(decisions: Sequence[Decision], history: History, *, every: bool, acceptable: bool) -> None:
    """Print what is not steady, or all of it, and a line that counts the rest.

    Args:
        acceptable: Whether a level can be accepted: not that of a history that others recorded.
    """
    if listed := _listed(decisions, every):
        print_table(f"The night of {day(history.tonight)}", COLUMNS, list(map(_row, listed)))
    for conditions, count in _new_conditions(decisions, history).most_common():
        metrics = counted(count, "metric")
        click.echo(f"Under new conditions, so not compared with the nights before: {metrics}. {conditions}")
    for one in decisions if acceptable else ():
        if one.word in (Word.REGRESSION, Word.IMPROVEMENT):
            click.echo(f"If this {one.word.value} is meant: {accept(one)}")
    click.echo(f"{counts_in_words(decisions)}.")


def print_night(started: str, decisions: Sequence[Decision], *, every: bool) -> None:
    """Print a line for a night and one for each metric that was not steady, or for every one."""
    click.echo(f"{day(started)}: {counts_in_words(decisions)}")
    for decision in _listed(decisions, every):
        click.echo(f"  {sentence(decision)}")


def as_json(started: str, decisions: Sequence[Decision], history: History, *, every: bool) -> Mapping[str, Any]:
    """Return a night as plain JSON data: counts of all words, and the metrics that are not steady, or every one."""
    counts = Counter(one.word.value for one in decisions)
    return {
        "night": started,
        "failed": failed(decisions),
        "counts": dict(sorted(counts.items())),
        "metrics": [
            {**msgspec.to_builtins(one), "address": one.address.id, "code": _code(one, started, history)}
            for one in _listed(decisions, every)
        ],
    }


def counts_in_words(decisions: Sequence[Decision]) -> str:
    """Return ``40 metrics: 38 steady, 1 regression, 1 missing``."""
    counts = Counter(one.word.value for one in decisions)
    words = ", ".join(f"{count} {word}" for word, count in counts.most_common())
    return f"{counted(len(decisions), 'metric')}: {words}"


def _listed(decisions: Sequence[Decision], every: bool) -> list[Decision]:
    """Return what has a line of its own, failures first."""
    loud = (one for one in decisions if every or one.word not in QUIET)
    return sorted(loud, key=lambda one: one.word not in FAILURES)


def _row(one: Decision) -> tuple[str, ...]:
    level, tonight = value(one.level, one.unit), value(one.tonight, one.unit)
    return one.address.id, one.word.value, level, tonight, change(one), one.reason


def _code(decision: Decision, started: str, history: History) -> tuple[str, ...]:
    """Name the code that the newest night of a metric, up to one, was measured with."""
    nights = [night for night in _series(decision, history).nights if night.started <= started]
    return history.code(nights[-1]) if nights and history.records else ()


def _new_conditions(decisions: Sequence[Decision], history: History) -> Counter[str]:
    """Count the metrics whose newest nights are under conditions without a level, by what changed."""
    fresh = (_series(one, history) for one in decisions if one.word is Word.NEW_SEGMENT)
    return Counter(text for series in fresh if (text := _changed(series, history)))


def _changed(series: Series, history: History) -> str:
    last = series.nights[-1]
    before = next((night for night in reversed(series.nights) if night.segment != last.segment), None)
    if before is None:
        return ""
    changes = history.changed(before, last)
    more = len(changes) - MOST_CHANGES_SHOWN
    return "; ".join(changes[:MOST_CHANGES_SHOWN]) + (f"; {more} more" if more > 0 else "")


def _series(decision: Decision, history: History) -> Series:
    return history.by_address[decision.address]
