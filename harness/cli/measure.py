"""``remeasure plan`` and ``remeasure run``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from harness.cli.options import ledger_option, reports_option, run_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.errors import ExitCode
    from harness.experiment import Options
    from harness.reports.summary import Summary as PaperSummary
    from harness.runner.plan import Gap, Plan
    from harness.runner.run import Summary
    from harness.runner.together import Company


@click.command()
@run_options
@ledger_option
@click.option("--again", is_flag=True, help="Plan to measure what is recorded, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(papers: tuple[str, ...], options: Options, ledger: Path, again: bool, as_json: bool) -> None:
    """Show what a run of each PAPER would do: units, time, the claims it reaches, and what the others would take.

    Of several papers, one that fails stops none of the others; the exit code is the worst.
    """
    from harness.cli.console import print_json
    from harness.cli.in_turn import in_turn

    done = in_turn(papers, partial(_plan_one, options=options, ledger=ledger, again=again, quiet=as_json))
    if as_json:
        print_json(done.results[papers[0]] if len(papers) == 1 else {**done.results, **_failures(done.failed)})
    sys.exit(done.exit_code)


@click.command()
@run_options
@ledger_option
@reports_option
@click.option("--again", is_flag=True, help="Measure here even what the ledger holds; an interrupted round resumes.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON at the end.")
def run(papers: tuple[str, ...], options: Options, ledger: Path, reports: Path, again: bool, as_json: bool) -> None:
    """Measure what the ledger lacks of each PAPER, audit it, and write its report and the index.

    Stop it at any time: the same command goes on where it stopped. Of several papers, one that fails stops none of the
    others; the exit code is the worst.
    """
    from harness.cli.console import print_json
    from harness.cli.in_turn import in_turn
    from harness.cli.report import render_papers
    from harness.ledger.store import Ledger
    from harness.runner.together import Company, own_device, require_shareable
    from harness.shards import launched

    with Company(launched()) as company:
        require_shareable(papers, options, company.shard)
        own_device(options.device, company.shard)
        if not company.shard.leads:
            _help_one(papers[0], options, ledger, again, company)
            return
        one = partial(_run_one, options=options, ledger=ledger, reports=reports, again=again, quiet=as_json)
        done = in_turn(papers, partial(one, company=company))
        render_papers(Ledger(ledger), reports, {paper: ran.summary for paper, ran in done.results.items()})
        if as_json:
            print_json({**{paper: ran.outcome for paper, ran in done.results.items()}, **_failures(done.failed)})
    sys.exit(done.exit_code)


class _Ran(NamedTuple):
    """What a run gives to be printed as JSON, and what the index says of the paper."""

    outcome: dict[str, object]
    summary: PaperSummary


def _failures(failed: Mapping[str, ExitCode]) -> dict[str, object]:
    return {paper: {"failed": int(code)} for paper, code in failed.items()}


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


def _help_one(paper: str, options: Options, ledger: Path, again: bool, company: Company) -> None:
    """Do this process's share of a paper's run, which another leads."""
    from harness.experiment import experiments_of
    from harness.ledger.store import Ledger
    from harness.runner.prepare import prepare
    from harness.runner.together import help_measure

    declared, store = experiments_of(paper), Ledger(ledger)
    help_measure(prepare(paper, declared, options, ledger=store, progress=company.watch, again=again), company)


def _run_one(
    paper: str, options: Options, ledger: Path, reports: Path, again: bool, quiet: bool, company: Company
) -> _Ran:
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
        summary = measure(job, ledger=store, tell=tell, progress=report, company=company)
    rendered = render_paper(paper, store, reports, job.options)
    if not quiet:
        _say_repeats(summary)
        say_results(rendered)
    outcome: dict[str, object] = {
        "measured": [stored.digest for stored in summary.measured],
        "kept": summary.kept,
        "repeats": summary.repeats,
        "report": str(rendered.page),
    }
    return _Ran(outcome, rendered.summary)


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
