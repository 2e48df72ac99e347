"""``remeasure plan``."""

from __future__ import annotations

import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import ledger_option, run_options

if TYPE_CHECKING:
    from harness.experiment import Options
    from harness.runner.calibration import Calibration
    from harness.runner.owed import Owed
    from harness.runner.plan import Gap, Plan


@click.command()
@run_options
@ledger_option
@click.option("--again", is_flag=True, help="Plan to measure what is recorded, too.")
@click.option("--owed", is_flag=True, help="List all that has no current record, also what cannot run here.")
@click.option("--check", is_flag=True, help="Hold what a plan would predict against what records of this machine took.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(
    papers: tuple[str, ...], options: Options, ledger: Path, again: bool, owed: bool, check: bool, as_json: bool
) -> None:
    """Show what a run of each PAPER would do: units, time, the claims it reaches, and what the others would take.

    Of several papers, one that fails stops none of the others; the exit code is the worst.
    """
    from harness.cli.console import print_json
    from harness.cli.in_turn import in_turn
    from harness.errors import UsageError

    if sum((again, owed, check)) > 1 or (owed and options.budget is not None):
        raise UsageError("--again, --owed and --check, or --owed and --budget, do not go together", "Give one of them.")
    show = _owed_of_one if owed else _check_one if check else partial(_plan_one, again=again)
    done = in_turn(papers, partial(show, options=options, ledger=ledger, quiet=as_json))
    if as_json:
        print_json(done.results[papers[0]] if len(papers) == 1 else done.as_json(done.results))
    sys.exit(done.exit_code)


def _plan_one(paper: str, options: Options, ledger: Path, again: bool, quiet: bool) -> Plan:
    from harness.claims.papers import find_paper
    from harness.cli.console import progress
    from harness.experiment import Options, experiments_of
    from harness.ledger.store import Ledger
    from harness.runner.plan import make_plan
    from harness.runner.prepare import prepare

    store, declared = Ledger(ledger), experiments_of(paper)
    with progress() as report:
        job = prepare(paper, declared, options, ledger=store, progress=report, again=again)
        every = declared(Options(data=options.data, weights=options.weights))
        made = make_plan(find_paper(paper), job, ledger=store, progress=report, every=every)
    if not quiet:
        _print_plan(made)
    return made


def _owed_of_one(paper: str, options: Options, ledger: Path, quiet: bool) -> tuple[Owed, ...]:
    from harness.experiment import experiments_of
    from harness.ledger.store import Ledger
    from harness.runner.owed import owed

    found = owed(paper, experiments_of(paper), options, Ledger(ledger))
    if not quiet:
        _print_owed(paper, found)
    return found


def _check_one(paper: str, options: Options, ledger: Path, quiet: bool) -> Calibration:
    from harness.cli.console import progress
    from harness.experiment import experiments_of
    from harness.ledger.store import Ledger
    from harness.runner.calibration import calibrate
    from harness.runner.prepare import prepare

    store = Ledger(ledger)
    with progress() as report:
        job = prepare(paper, experiments_of(paper), options, ledger=store, progress=report)
        found = calibrate(job, ledger=store, progress=report)
    if not quiet:
        _print_calibration(found)
    return found


def _print_plan(made: Plan) -> None:
    from harness.cli.console import print_table
    from harness.durations import duration

    rows = [
        (
            step.experiment,
            step.system,
            str(step.seed),
            step.evidence.value,
            step.why or f"recorded ({step.record})",
            "?" if step.seconds is None else duration(step.seconds),
            step.source,
        )
        for step in made.steps
    ]
    columns = ("experiment", "system", "seed", "evidence", "why", "time", "estimated from")
    print_table(f"What a run of {made.paper} would do on {made.device}", columns, rows)
    longest = max((step.seconds for step in made.steps if step.seconds), default=0.0)
    each = f", the longest {duration(longest)}" if longest else ""
    click.echo(f"{made.outstanding} measurements, about {duration(made.seconds)}{each}.")
    if made.unknown:
        click.echo(f"How long these take is not known, and not counted: {', '.join(made.unknown)}.")
    for sentence in made.sentences:
        click.echo(sentence)
    click.echo(
        f"\nIt gives a verdict on {len(made.claims)} claims and on the direction of {len(made.relations)} relations."
    )
    _print_gaps("Claims it gives no verdict on", made.missing_claims)
    _print_gaps("Relations it gives no verdict on", made.missing_relations)


def _print_gaps(title: str, gaps: tuple[Gap, ...]) -> None:
    from harness.cli.console import print_table

    if gaps:
        rows = [
            (str(len(gap.ids)), gap.reason, gap.command or "no command of this version", gap.ids[0]) for gap in gaps
        ]
        print_table(title, ("how many", "what is missing", "command", "for example"), rows)


def _print_owed(paper: str, found: tuple[Owed, ...]) -> None:
    """Print a paragraph for each experiment: a command has to be copied whole, which a table would break."""
    count = sum(len(one.pieces) for one in found)
    click.echo(f"{paper}: {count} measurements have no current record.")
    for one in found:
        reasons = "; ".join(f"{count} {why}" for why, count in Counter(piece.why for piece in one.pieces).items())
        lacks = {piece.system: piece.lacks for piece in one.pieces if piece.lacks}
        click.echo(f"\n{one.experiment}: {one.title} ({one.evidence.value})")
        click.echo(f"  owed:    {len(one.pieces)} of {one.units}; {reasons}")
        if one.needs:
            click.echo(f"  needs:   {one.needs}")
        for system, what in lacks.items():
            click.echo(f"  lacks:   {what}, for {system}")
        click.echo(f"  time:    {_time(one)}")
        click.echo(f"  command: {one.command}")
    click.echo()


def _time(owed: Owed) -> str:
    from harness.durations import duration

    known = [piece.seconds for piece in owed.pieces if piece.seconds is not None]
    if not known:
        return "unknown until a plan on that device times it"
    devices = ", ".join(sorted({piece.device for piece in owed.pieces if piece.device}))
    rest = f"; that of {owed.unknown} is unknown" if owed.unknown else ""
    return f"about {duration(owed.seconds)}, the longest {duration(max(known))}, by records made on {devices}{rest}"


def _print_calibration(found: Calibration) -> None:
    from harness.cli.console import print_table
    from harness.durations import duration

    rows = [
        (
            one.experiment,
            one.system,
            duration(one.predicted),
            duration(one.recorded),
            f"{one.ratio:.2f}",
            str(len(one.records)),
        )
        for one in found.systems
    ]
    columns = ("experiment", "system", "predicted", "recorded", "ratio", "records")
    print_table(f"A calibration of {found.paper} on {found.device}, held against its records", columns, rows)
    click.echo(f"Predicted over recorded: {found.median:.2f} (median of {len(rows)} systems).")
