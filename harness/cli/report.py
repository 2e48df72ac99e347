"""``remeasure report``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import FOLDER, place_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.experiment import Experiment
    from harness.ledger.store import Ledger
    from harness.reports.panel_views import ImagesOf
    from harness.results.model import Results


@click.command()
@click.argument("papers", nargs=-1, metavar="[PAPER]...")
@click.option("--data", type=FOLDER, help="The folder with the photographs that --private shows.")
@click.option("--private", is_flag=True, help="Show photographs, for your own eyes: writes reports/private instead.")
@place_options
def report(papers: tuple[str, ...], data: Path | None, private: bool, ledger: Path, reports: Path) -> None:
    """Render the report of each PAPER (all, if none is given) and the index from the ledger. Measures nothing."""
    from harness.claims.papers import packages
    from harness.errors import UsageError
    from harness.ledger.store import Ledger

    if private and data is None:
        raise UsageError("--private needs --data DIR", "Name the folder with the photographs the records were made on.")
    store = Ledger(ledger)
    for paper in papers or packages():
        images = _photographs(paper, data) if private and data is not None else None
        say_results(*render_paper(paper, store, reports / "private" if private else reports, images=images))


def render_paper(
    paper: str,
    ledger: Ledger,
    reports: Path,
    experiments: Sequence[Experiment] = (),
    images: ImagesOf | None = None,
) -> tuple[Results, Path]:
    """Audit a paper, join it with the ledger, and write its page and the index.

    Args:
        experiments: As they just ran; they replace those that the paper declares without options.
    """
    from harness.claims.papers import packages
    from harness.reports.render import render, render_index
    from harness.reports.summary import summarise

    results, arrays = _joined(paper, ledger, experiments)
    page = render(results, arrays, reports, images)
    others = (key for key in packages() if key != paper)
    summaries = [summarise(results), *(summarise(_joined(key, ledger, ())[0]) for key in others)]
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


def _joined(
    paper: str, ledger: Ledger, experiments: Sequence[Experiment]
) -> tuple[Results, Callable[[str], dict[str, NDArray[Any]]]]:
    """Return a paper's results and a function from a record's digest to its arrays."""
    from harness.audit.run import audit
    from harness.claims.papers import find_paper
    from harness.experiment import Options, experiments_of
    from harness.results.join import join

    ran = {experiment.key for experiment in experiments}
    declared = [e for e in experiments_of(paper)(Options()) if e.key not in ran]
    claims = find_paper(paper)
    results = join(claims, audit(claims), [*experiments, *declared], ledger)
    stored = {found.digest: found for found in ledger.records(paper)}
    return results, lambda digest: stored[digest].arrays()
