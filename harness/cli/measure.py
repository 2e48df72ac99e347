"""``remeasure plan`` and ``remeasure run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import ledger_option, reports_option, run_options

if TYPE_CHECKING:
    from harness.experiment import Options
    from harness.runner.plan import Gap, Plan
    from harness.runner.run import Summary


@click.command()
@click.argument("paper")
@run_options
@ledger_option
@click.option("--again", is_flag=True, help="Plan to measure what is recorded, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(
    paper: str,
    data: Path | None,
    device: str,
    budget: float | None,
    seeds: int | None,
    only: tuple[str, ...],
    toy: bool,
    ledger: Path,
    again: bool,
    as_json: bool,
) -> None:
    """Show what a run of PAPER would do: units, time, the claims it reaches, and what the others would take."""
    from harness.claims.papers import find_paper
    from harness.cli.console import print_json, progress
    from harness.experiment import Options, experiments_of
    from harness.ledger.store import Ledger
    from harness.runner.plan import make_plan
    from harness.runner.prepare import prepare

    options = Options(data, device, budget, seeds, only, toy)
    store, declared = Ledger(ledger), experiments_of(paper)
    with progress() as report:
        job = prepare(paper, declared, options, ledger=store, progress=report, again=again)
        made = make_plan(find_paper(paper), job, ledger=store, progress=report, every=declared(Options(data=data)))
    if as_json:
        print_json(made)
    else:
        _print_plan(made)


@click.command()
@click.argument("papers", nargs=-1, metavar="PAPER...")
@click.option("--all", "every", is_flag=True, help="Run every paper.")
@run_options
@ledger_option
@reports_option
@click.option("--again", is_flag=True, help="Measure here even what the ledger holds; an interrupted round resumes.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON at the end.")
def run(
    papers: tuple[str, ...],
    every: bool,
    data: Path | None,
    device: str,
    budget: float | None,
    seeds: int | None,
    only: tuple[str, ...],
    toy: bool,
    ledger: Path,
    reports: Path,
    again: bool,
    as_json: bool,
) -> None:
    """Measure what the ledger lacks of each PAPER, audit it, and write its report.

    Stop it at any time: the same command goes on where it stopped.
    """
    from harness.claims.papers import packages
    from harness.cli.console import print_json
    from harness.errors import UsageError
    from harness.experiment import Options

    chosen = tuple(packages()) if every else papers
    if not chosen:
        raise UsageError("no paper given", f"Known papers: {', '.join(packages())}; --all runs every one.")
    options = Options(data, device, budget, seeds, only, toy)
    outcomes = {paper: _run_one(paper, options, ledger, reports, again, quiet=as_json) for paper in chosen}
    if as_json:
        print_json(outcomes)


def _run_one(
    paper: str, options: Options, ledger: Path, reports: Path, again: bool, *, quiet: bool
) -> dict[str, object]:
    from harness.claims.papers import find_paper
    from harness.cli.console import progress
    from harness.cli.report import render_paper, say_results
    from harness.experiment import experiments_of
    from harness.ledger.store import Ledger
    from harness.runner.prepare import prepare
    from harness.runner.run import run as measure

    def tell(sentence: str) -> None:
        click.echo(sentence, err=True)

    find_paper(paper)
    store, declared = Ledger(ledger), experiments_of(paper)
    with progress() as report:
        job = prepare(paper, declared, options, ledger=store, progress=report, again=again)
        for sentence in job.sentences:
            tell(sentence)
        summary = measure(job, ledger=store, tell=tell, progress=report)
    results, page = render_paper(paper, store, reports, job.options)
    if not quiet:
        _say_repeats(summary)
        say_results(results, page)
    return {
        "measured": [stored.digest for stored in summary.measured],
        "kept": summary.kept,
        "repeats": summary.repeats,
        "report": str(page),
    }


def _say_repeats(summary: Summary) -> None:
    if summary.repeats:
        count = len(summary.repeats)
        click.echo(f"{count} of {len(summary.measured)} measurements repeat an earlier record bit for bit.")


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
    click.echo(f"{made.outstanding} measurements, about {duration(made.seconds)}.")
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
