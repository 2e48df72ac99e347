"""``remeasure run``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from harness.cli.options import ledger_option, reports_option, run_options, slurm_option
from harness.packages import REPORTS, missing

if TYPE_CHECKING:
    from harness.experiment import Options
    from harness.reports.summary import Summary as PaperSummary
    from harness.runner.request import Request
    from harness.runner.run import Summary
    from harness.runner.together import Company


@click.command()
@run_options
@ledger_option
@reports_option
@click.option("--again", is_flag=True, help="Measure here even what the ledger holds; an interrupted round resumes.")
@slurm_option
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON at the end.")
def run(
    papers: tuple[str, ...],
    options: Options,
    ledger: Path,
    reports: Path,
    again: bool,
    slurm: Request | None,
    as_json: bool,
) -> None:
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

    if slurm is not None:
        from harness.runner.request import require_jobs

        require_jobs(options, again, launched())
    with Company(launched()) as company:
        require_shareable(papers, options, company.shard)
        own_device(options.device, company.shard)
        if not company.shard.leads:
            _help_one(papers[0], options, ledger, again, company)
            return
        one = partial(
            _run_one, options=options, ledger=ledger, reports=reports, again=again, slurm=slurm, quiet=as_json
        )
        done = in_turn(papers, partial(one, company=company))
        summaries = {paper: ran.summary for paper, ran in done.results.items() if ran.summary is not None}
        if not missing(*REPORTS):
            render_papers(Ledger(ledger), reports, summaries)
        if as_json:
            print_json(done.as_json({paper: ran.outcome for paper, ran in done.results.items()}))
    sys.exit(done.exit_code)


class _Ran(NamedTuple):
    """What a run gives to be printed as JSON, and what the index says of the paper, if reports can be made."""

    outcome: dict[str, object]
    summary: PaperSummary | None


def _help_one(paper: str, options: Options, ledger: Path, again: bool, company: Company) -> None:
    """Do this process's share of a paper's run, which another leads."""
    from harness.experiment import experiments_of
    from harness.ledger.store import Ledger
    from harness.runner.prepare import prepare
    from harness.runner.together import help_measure

    declared, store = experiments_of(paper), Ledger(ledger)
    help_measure(prepare(paper, declared, options, ledger=store, progress=company.watch, again=again), company)


def _run_one(
    paper: str,
    options: Options,
    ledger: Path,
    reports: Path,
    again: bool,
    slurm: Request | None,
    quiet: bool,
    company: Company,
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
        job = prepare(paper, declared, options, ledger=store, progress=report, again=again, here=slurm is None)
        for sentence in job.sentences:
            tell(sentence)
        if slurm is None:
            summary = measure(job, ledger=store, tell=tell, progress=report, company=company)
        else:
            from harness.runner.slurm import run_jobs

            summary = run_jobs(job, slurm, ledger=store, tell=tell, progress=report)
    rendered = None if missing(*REPORTS) else render_paper(paper, store, reports, job.options)
    if not quiet:
        _say_repeats(summary)
        if rendered is not None:
            say_results(rendered, reports)
    outcome: dict[str, object] = {
        "measured": [stored.digest for stored in summary.measured],
        "kept": summary.kept,
        "repeats": summary.repeats,
        "report": None if rendered is None else str(reports / paper / "index.html"),
    }
    return _Ran(outcome, None if rendered is None else rendered.summary)


def _say_repeats(summary: Summary) -> None:
    if summary.repeats:
        count = len(summary.repeats)
        click.echo(f"{count} of {len(summary.measured)} measurements repeat an earlier record bit for bit.")
