"""``remeasure check``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import FOLDER, existing_ledger_option
from harness.errors import ExitCode, LedgerError, NothingMeasuredError, UsageError
from harness.packages import require

if TYPE_CHECKING:
    from harness.regression.history import History
    from harness.regression.model import Level, Series

NIGHTS = Path("reports/nights")


@click.command()
@click.argument("papers", nargs=-1, metavar="[PAPER]...")
@existing_ledger_option
@click.option("--nights", type=FOLDER, default=NIGHTS, show_default=True, help="What each night listed.")
@click.option(
    "--history", type=click.Path(path_type=Path), help="Judge this CSV file or pytest-benchmark JSON instead."
)
@click.option("--all", "every", is_flag=True, help="List every metric, also what is steady or new.")
@click.option("--replay", is_flag=True, help="Say of every recorded night what the check would have said then.")
@click.option(
    "--accept", "accepted", metavar="METRIC", help="Take what METRIC measures now as its level, or its end as meant."
)
@click.option("--since", help="The first night at the new level; --accept then needs no ledger.")
@click.option("--reason", default="", help="Why the new level is meant; --accept needs it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(
    papers: tuple[str, ...],
    ledger: Path,
    nights: Path,
    history: Path | None,
    every: bool,
    replay: bool,
    accepted: str | None,
    since: str | None,
    reason: str,
    as_json: bool,
) -> None:
    """Compare the newest measurement of every metric of each PAPER with its own history. Measures nothing.

    Without a PAPER, of all. Exit code 13 if a metric got worse, disappeared, or could not be compared, 7 if a record
    cannot be used; --replay looks back and always ends with 0. How it decides stands in docs/nightly.md.
    """
    from harness.regression.levels import read_levels

    require("scipy")
    _validate(papers, history, accepted, since, reason, replay)
    if accepted is not None and since is not None:
        _accept_since(accepted, since, reason, nights)
        return
    if nights != NIGHTS and not nights.is_dir():
        raise UsageError(f"there is no folder {nights}", "Leave out --nights where no night was held.")
    found = _recorded(history) if history is not None else _measured(papers, ledger, nights)
    levels = () if history is not None else read_levels(nights)
    if accepted is not None:
        _accept(accepted, reason, found, levels, nights)
    elif replay:
        _replay(found, levels, every, as_json)
    else:
        _judge(found, levels, every, as_json, acceptable=history is None)


def _validate(
    papers: Sequence[str], history: Path | None, accepted: str | None, since: str | None, reason: str, replay: bool
) -> None:
    from harness.claims.papers import package_of

    if history is not None and papers:
        raise UsageError("--history is of no paper", "Leave out the papers, or --history.")
    if accepted is not None and (history is not None or replay):
        raise UsageError("--accept is about the ledger as it is now", "Leave out --history and --replay.")
    if accepted is not None and not reason.strip():
        raise UsageError(f"no reason why the new level of {accepted} is meant", 'Say it: --reason "..."')
    for option, given in (("--reason", reason), ("--since", since)):
        if given and accepted is None:
            raise UsageError(f"{option} without --accept", "Name the metric: --accept METRIC.")
    for paper in papers:
        package_of(paper)


def _measured(papers: Sequence[str], ledger: Path, nights: Path) -> History:
    from harness.ledger.store import Ledger
    from harness.regression.history import read

    found = read(Ledger(ledger), nights, papers)
    if not found.series:
        of = f" of {', '.join(papers)}" if papers else ""
        raise NothingMeasuredError(f"no measurement{of} in {ledger}", "remeasure run measures.")
    return found


def _recorded(path: Path) -> History:
    from harness.regression.recorded import read_recorded

    found = read_recorded(path)
    if not found.series:
        raise NothingMeasuredError(f"no measurement in {path}")
    return found


def _judge(found: History, levels: Sequence[Level], every: bool, as_json: bool, *, acceptable: bool) -> None:
    from harness.cli import checked
    from harness.cli.console import print_json
    from harness.regression.rule import decide

    decisions = decide(found.series, levels, found.tonight)
    if as_json:
        print_json(checked.as_json(found.tonight, decisions, found, every=every))
    else:
        checked.print_decisions(decisions, found, every=every, acceptable=acceptable)
    for refused in (*found.refused, *found.damaged):
        click.echo(f"Not used: {refused.path}: {refused.reason}", err=True)
    for name in _without_metric(found, levels):
        click.echo(f"Not applied: the accepted level of {name}, which no record here measures", err=True)
    if checked.failed(decisions):
        sys.exit(ExitCode.REGRESSION)
    if found.damaged:
        sys.exit(ExitCode.LEDGER)


def _without_metric(found: History, levels: Sequence[Level]) -> list[str]:
    """Return what levels were accepted of that no metric of the papers at hand is named."""
    known = {one.address.id for one in found.series}
    papers = {one.address.paper for one in found.series}
    return [level.address for level in levels if level.address not in known and level.address.split("/")[0] in papers]


def _replay(found: History, levels: Sequence[Level], every: bool, as_json: bool) -> None:
    from harness.cli import checked
    from harness.cli.console import print_json
    from harness.regression.rule import replay

    nights = replay(found.series, levels)
    if as_json:
        print_json([checked.as_json(started, decisions, found, every=every) for started, decisions in nights])
        return
    for started, decisions in nights:
        checked.print_night(started, decisions, every=every)


def _accept(name: str, reason: str, found: History, levels: Sequence[Level], nights: Path) -> None:
    """Write down that a metric's level since it was left, or else since its newest night, is meant."""
    from harness.nightly.wording import day, value
    from harness.regression.model import Word
    from harness.regression.rule import decide

    series = _named(name, found)
    decisions = {one.address: one for one in decide(found.series, levels, found.tonight)}
    decision = decisions.get(series.address)
    if decision is None:
        raise UsageError(f"{name} is neither measured nor expected any more", "There is nothing to accept.")
    if decision.word is Word.MISSING:
        since, said = found.tonight, f"is not expected any more since {day(found.tonight)}"
    else:
        since = decision.since or series.nights[-1].started
        said = f"{value(series.nights[-1].value, series.unit) or 'what it measures'} is its level since {day(since)}"
    _write(name, since, reason, said, nights)


def _accept_since(name: str, since: str, reason: str, nights: Path) -> None:
    """Write down that a metric's level, or its absence, is meant since a night that may have been held elsewhere."""
    from harness.claims.papers import package_of
    from harness.nightly.wording import day
    from harness.regression.history import address_of
    from harness.regression.manifests import utc
    from harness.runner.state import now_utc

    try:
        package_of(address_of(name).paper)
        night = utc(since)
    except LedgerError as error:
        raise UsageError(error.message, error.remedy) from error
    except ValueError as error:
        raise UsageError(f"--since {since!r} is no ISO 8601 time", "The night's report prints it.") from error
    if night > utc(now_utc()):
        raise UsageError(f"--since {since} is yet to come", "Name the first night at the new level.")
    _write(name, night, reason, f"what it measures since {day(night)} is its level", nights)


def _write(name: str, since: str, reason: str, said: str, nights: Path) -> None:
    from harness.regression.levels import NAME, accept

    entry = accept(nights, name, since, reason)
    click.echo(f"{name}: {said}: {entry.reason}")
    click.echo(f"Written to {nights / NAME}; commit it with what it is due to.")


def _named(name: str, found: History) -> Series:
    known = {one.address.id: one for one in found.series}
    if name not in known:
        close = get_close_matches(name, known, n=1)
        raise UsageError(f"no metric {name!r}", f"Did you mean {close[0]}?" if close else "check --all lists them.")
    return known[name]
