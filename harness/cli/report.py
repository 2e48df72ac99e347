"""``remeasure report``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import FOLDER, existing_ledger_option, reports_option
from harness.packages import REPORTS, require

if TYPE_CHECKING:
    from harness.experiment import Options
    from harness.ledger.store import Ledger
    from harness.reports.panel_views import ImagesOf
    from harness.reports.publish import Declaration, Source
    from harness.reports.site import Rendered
    from harness.reports.summary import Summary


@click.command()
@click.argument("papers", nargs=-1, metavar="[PAPER]...")
@click.option("--data", type=FOLDER, help="The folder with the photographs that --private shows.")
@click.option("--private", is_flag=True, help="Show photographs, for your own eyes: writes reports/private instead.")
@existing_ledger_option
@reports_option
def report(papers: tuple[str, ...], data: Path | None, private: bool, ledger: Path, reports: Path) -> None:
    """Render the pages of each PAPER (all, if none is given) and the index from the ledger. Measures nothing.

    A paper is rendered again only where something that its pages show has changed. Of all papers, one that cannot be
    read is named in the index, and the others are rendered.
    """
    from harness.claims.papers import packages
    from harness.errors import RemeasureError, UsageError
    from harness.experiment import photographs_of
    from harness.ledger.store import Ledger

    require(*REPORTS)
    if private and data is None:
        raise UsageError("--private needs --data DIR", "Name the folder with the photographs the records were made on.")
    if data is not None and not private:
        raise UsageError("--data shows nothing without --private", "Give both, or neither.")
    if data is not None and not data.is_dir():
        raise UsageError(f"{data} is no folder", "Name the folder with the photographs the records were made on.")
    store, folder = Ledger(ledger), reports / "private" if private else reports
    summaries = {}
    for paper in papers or packages():
        images = photographs_of(paper, data) if private and data is not None else None
        try:
            rendered = render_paper(paper, store, folder, images=images)
        except RemeasureError:
            if papers:
                raise
            continue
        say_results(rendered, folder)
        summaries[paper] = rendered.summary
    render_papers(store, folder, summaries)


def render_paper(
    paper: str, ledger: Ledger, reports: Path, options: Options | None = None, images: ImagesOf | None = None
) -> Rendered:
    """Audit a paper, join it with the ledger, and write its pages.

    Args:
        options: Of the run whose records the pages are to show first.
    """
    from harness.reports.publish import publish

    return publish(_source(paper, options), ledger, reports, images)


def render_papers(ledger: Ledger, reports: Path, summaries: Mapping[str, Summary]) -> None:
    """Write the index of all papers; one that cannot be read is named there.

    Args:
        summaries: Of papers whose pages have just been written, by key.
    """
    from harness.claims.papers import packages
    from harness.errors import RemeasureError
    from harness.reports.publish import brief, publish_index

    listed, unread = [], []
    for paper in packages():
        try:
            listed.append(summaries[paper] if paper in summaries else brief(_source(paper), ledger, reports))
        except RemeasureError as error:
            unread.append(paper)
            click.echo(f"{paper} is not in the index: {error}", err=True)
    publish_index(listed, unread, reports)


def say_results(rendered: Rendered, reports: Path) -> None:
    """Print what the page says in its first lines, and where it is."""
    summary = rendered.summary
    click.echo(f"\n{summary.title} ({summary.venue})\n{summary.headline}")
    for title, items in (("Holds", summary.holds), ("Does not hold", summary.fails), ("Open", summary.unknown)):
        for item in items:
            click.echo(f"  {title}: {item.text}{' [synthetic: not citable]' if item.synthetic else ''}")
    if effort := summary.effort.in_words:
        click.echo(f"Records in use: {effort}")
    for refused in rendered.refused:
        click.echo(f"  Not used: {refused.path}: {refused.reason}", err=True)
    click.echo(f"Report: {reports / summary.key / 'index.html'}")


def _source(paper: str, options: Options | None = None) -> Source:
    from harness.claims.papers import claims_path, find_paper
    from harness.experiment import Options, experiments_of
    from harness.reports.publish import Source

    def load() -> Declaration:
        return find_paper(paper), experiments_of(paper)(options or Options())

    return Source(paper, claims_path(paper).parent, load, "" if options is None else repr(options))
