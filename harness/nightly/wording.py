"""A decision in words and figures, the same in every output of a night."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from shlex import quote
from typing import TYPE_CHECKING

from harness.regression.model import Decision, Kind, Night, Shape, Word
from harness.regression.wording import points
from harness.wording.numbers import MINUS, exact, fixed, show, with_unit
from harness.wording.words import counted

if TYPE_CHECKING:
    from harness.ledger.record import Code
    from harness.nightly.outcome import NightReport

FIGURES = 5
"""Significant figures of a value that stands for itself; its change says how many of them count."""
SMALLEST = 1e-12
"""Below it, how small a probability is says nothing any more."""
SHORT = 12
"""Digits of a commit or a digest that are shown."""


def value(number: float | None, unit: str) -> str:
    """Write a metric's value with its unit, a whole number in full; empty if there is none, or it is not finite."""
    if number is None or not isfinite(number):
        return ""
    if float(number).is_integer():
        return with_unit(exact(number), unit)
    digits = f"{number:.{FIGURES}g}"
    plain = digits.replace("-", MINUS) if "e" in digits else fixed(number, len(digits.partition(".")[2]))
    return with_unit(plain, unit)


def change(decision: Decision) -> str:
    """Write by how much a metric changed, with its 95 % interval; empty where nothing was compared."""
    found = decision.change
    if found is None:
        return ""
    factor, unit = (1.0, points(decision.unit)) if decision.kind is Kind.ACCURACY else (100.0, "%")
    shown = show(factor * found.estimate, factor * found.low, factor * found.high, signed=True)
    return with_unit(f"{shown.estimate} {shown.interval}".strip(), unit)


def chance(decision: Decision) -> str:
    """Write the one-sided p of the change that the word is about; empty where nothing was compared, or it is open."""
    found = decision.change
    if found is None or decision.word is Word.SUSPECT:
        return ""
    p = found.p_better if decision.word is Word.IMPROVEMENT else found.p_worse
    return f"p = {p:.2g}" if p >= SMALLEST else f"p < {SMALLEST:g}"


def sentence(decision: Decision) -> str:
    """Say in one line what became of a metric."""
    parts = [f"{decision.address.id}: {decision.word.value}"]
    if decision.change is not None and decision.word in (Word.REGRESSION, Word.IMPROVEMENT):
        parts.append(f"{change(decision)} against {value(decision.level, decision.unit)} ({chance(decision)})")
    parts.append(decision.reason)
    return ", ".join(parts[:-1]) + ". " + parts[-1] if parts[-1] else ", ".join(parts[:-1]) + "."


def since(decision: Decision) -> str:
    """Say since when a level has been left; empty if it has not."""
    if not decision.since:
        return ""
    bit_by_bit = "drifting since" if decision.shape is Shape.DRIFT else "since the night of"
    return f"{bit_by_bit} {day(decision.since)}"


def day(started: str) -> str:
    """Write when a night began, ``2026-03-01 02:00``."""
    return started[:16].replace("T", " ")


def commits(report: NightReport, decision: Decision) -> str:
    """Return the commits between the last night on the level and the first off it, as git takes them; empty if unknown.

    Where both nights are of one commit, and nothing was changed in it, it is not the project's code that changed.
    """
    series = report.series.get(decision.address.id)
    if series is None:
        return ""
    first = decision.since or report.started
    good = [night for night in series.nights if night.started < first]
    bad = [night for night in series.nights if night.started >= first]
    before, after = (_code(report, nights) for nights in (good[-1:], bad[:1]))
    if after is None or after.commit is None:
        return ""
    found = after.commit[:SHORT]
    if before is not None and before.commit not in (None, after.commit):
        found = f"{before.commit[:SHORT]}..{found}"
    if after.dirty:
        return f"{found} with changes that were not committed"
    return f"{found}, the same as before" if before == after else found


def repeat(report: NightReport, decision: Decision) -> str:
    """Return the command that measures a metric once more: its record's system and seeds, or the session."""
    paper, experiment, system = decision.address[:3]
    if (paper, experiment) in report.in_session:
        return "remeasure bench"
    series = report.series.get(decision.address.id)
    records = [report.records[digest] for digest in series.nights[-1].records] if series and series.nights else []
    named = records[0].system if records else system
    seeds = (f"--seed {seed}" for seed in sorted({record.seed for record in records}))
    words = ("remeasure run", paper, f"--only {quote(experiment)} --only {quote(named)}", *seeds, report.folders)
    return " ".join(word for word in (*words, "--again") if word)


def accept(decision: Decision, tonight: str = "") -> str:
    """Return the command that takes tonight's value as the metric's level, or that its end is meant.

    Args:
        tonight: When the night began; names the night, so that the command needs no ledger. Empty leaves it out.
    """
    night = f" --since {decision.since or tonight}" if tonight else ""
    return f'remeasure check --accept {quote(decision.address.id)}{night} --reason "..."'


def tally(report: NightReport) -> str:
    """Say what was measured and compared in one line."""
    words = {word: len(report.of(word)) for word in Word}
    said = [f"{word.value} {count}" for word, count in words.items() if count]
    return f"{counted(len(report.made), 'record')}; metrics: {', '.join(said) or 'none'}"


def _code(report: NightReport, nights: Sequence[Night]) -> Code | None:
    records = (report.records[digest] for night in nights for digest in night.records)
    return next((record.code for record in records if record.code.commit), None)
