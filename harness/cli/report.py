"""``remeasure report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import FOLDER, ledger_option, reports_option

if TYPE_CHECKING:
    from harness.experiment import Options
    from harness.ledger.store import Ledger
    from harness.reports.panel_views import ImagesOf
    from harness.results.model import Results


@click.command()
@click.argument("papers", nargs=-1, metavar="[PAPER]...")
@click.option("--data", type=FOLDER, help="The folder with the photographs that --private shows.")
@click.option("--private", is_flag=True, help="Show photographs, for your own eyes: writes reports/private instead.")
@ledger_option
@reports_option
def report(papers: tuple[str, ...], data: Path | None, private: bool, ledger: Path, reports: Path) -> None:
    """Render the report of each PAPER (all, if none is given) and the index from the ledger. Measures nothing."""
    from harness.claims.papers import packages
    from harness.errors import UsageError
    from harness.experiment import photographs_of
    from harness.ledger.store import Ledger

    if private and data is None:
        raise UsageError("--private needs --data DIR", "Name the folder with the photographs the records were made on.")
    store = Ledger(ledger)
    for paper in papers or packages():
        images = photographs_of(paper, data) if private and data is not None else None
        say_results(*render_paper(paper, store, reports / "private" if private else reports, images=images))


def render_paper(
    paper: str, ledger: Ledger, reports: Path, options: Options | None = None, images: ImagesOf | None = None
) -> tuple[Results, Path]:
    """Audit a paper, join it with the ledger, and write its page and the index.

    Args:
        options: Of the run whose records the page is to show first.
    """
    from harness.claims.papers import packages
    from harness.reports.render import render, render_index
    from harness.reports.summary import summarise

    results = _joined(paper, ledger, options)
    stored = {found.digest: found for found in ledger.records(paper)}
    page = render(results, lambda digest: stored[digest].arrays(), reports, images)
    others = (_joined(key, ledger) for key in packages() if key != paper)
    summaries = [summarise(each) for each in (results, *others)]
    render_index(sorted(summaries, key=lambda summary: summary.key), reports)
    return results, page


def say_results(results: Results, page: Path) -> None:
    """Print what the page says in its first lines, and where it is."""
    from harness.reports.summary import summarise

    summary = summarise(results)
    click.echo(f"\n{summary.title} ({summary.venue})\n{summary.headline}")
    for title, items in (("Holds", summary.holds), ("Does not hold", summary.fails), ("Open", summary.unknown)):
        for item in items:
            click.echo(f"  {title}: {item.text}{' [synthetic: not citable]' if item.synthetic else ''}")
    for refused in results.refused:
        click.echo(f"  Not used: {refused.path}: {refused.reason}", err=True)
    click.echo(f"Report: {page}")


def _joined(paper: str, ledger: Ledger, options: Options | None = None) -> Results:
    from harness.audit.run import audit
    from harness.claims.papers import find_paper
    from harness.experiment import Options, experiments_of
    from harness.results.join import join

    claims = find_paper(paper)
    return join(claims, audit(claims), experiments_of(paper)(options or Options()), ledger)
