"""``remeasure export``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import existing_ledger_option
from harness.packages import REPORTS, require

if TYPE_CHECKING:
    from harness.ledger.store import Ledger
    from harness.scoring.model import Results

FILES = ("csv", "parquet", "latex", "citation")
FOLDERS = ("model-index", "eval-results", "every-eval-ever", "ro-crate")
NEEDED: Mapping[str, tuple[str, ...]] = {
    "csv": ("pandas", "scipy"),
    "parquet": ("pandas", "pyarrow", "scipy"),
    "latex": REPORTS,
    "citation": ("scipy", "yaml"),
    "model-index": ("scipy", "yaml"),
    "eval-results": ("scipy", "yaml"),
    "every-eval-ever": ("scipy",),
    "ro-crate": REPORTS,
}
"""Packages that each format takes."""
TAKEN: Mapping[str, tuple[str, ...]] = {
    "--relations": ("csv", "parquet"),
    "--hub": ("model-index", "eval-results", "every-eval-ever"),
    "--site": ("model-index", "eval-results"),
    "--date": ("every-eval-ever", "ro-crate"),
}
"""The formats that options are for."""


@click.command()
@click.argument("form", type=click.Choice((*FILES, *FOLDERS)), metavar="FORMAT")
@click.argument("papers", nargs=-1, metavar="[PAPER]...")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file or folder to write.")
@click.option("--replace", is_flag=True, help="Replace the file that is there.")
@click.option("--relations", is_flag=True, help="csv, parquet: what the prose says about numbers, instead of claims.")
@click.option("--hub", multiple=True, metavar="NAME=OWNER/DATASET", help="A data set's repository on the Hub.")
@click.option("--site", default="", help="model-index, eval-results: where the reports are published.")
@click.option(
    "--date",
    type=click.DateTime(["%Y-%m-%d"]),
    help="every-eval-ever, ro-crate: the export's day where no record gives one.",
)
@existing_ledger_option
def export(
    form: str,
    papers: tuple[str, ...],
    out: Path,
    replace: bool,
    relations: bool,
    hub: tuple[str, ...],
    site: str,
    date: datetime | None,
    ledger: Path,
) -> None:
    """Write claims and what was measured of each PAPER (all, if none is given) in another program's FORMAT.

    \b
    csv, parquet       a row for each claim and measurement, whatever its evidence
    latex              the papers' tables: claimed, measured, verdict
    citation           CITATION.cff of the project with its papers, or of one claim: drn/t1/drn-c-26/params
    model-index        model cards for the Hugging Face Hub
    eval-results       .eval_results for the Hugging Face Hub
    every-eval-ever    logs in the schema of Every Eval Ever, 0.2.1
    ro-crate           reports, claims and records as an RO-Crate 1.2

    Formats for leaderboards hold citable measurements, and printed numbers marked as the paper's. Measures nothing.
    """
    from harness.exports.hub import read_hub
    from harness.ledger.store import Ledger

    require(*NEEDED[form])
    _check_options(form, {"--relations": relations, "--hub": hub, "--site": site, "--date": date})
    repositories = read_hub(hub)
    _check_free(out, folder=form in FOLDERS, replace=replace)
    store = Ledger(ledger)
    match form:
        case "csv" | "parquet":
            _write(out, {"": _table(form, papers, ledger, relations=relations)})
        case "latex":
            _write(out, {"": _latex(_loaded(papers, store))})
        case "citation":
            _write(out, {"": _citation(papers, store)})
        case "ro-crate":
            _write(out, _crate(_loaded(papers, store), date))
        case _:
            _write(out, _scores(form, _loaded(papers, store), repositories, site, date))


def _loaded(papers: tuple[str, ...], ledger: Ledger) -> list[Results]:
    from harness.claims.papers import packages
    from harness.scoring.load import load_results

    return [load_results(paper, ledger) for paper in dict.fromkeys(papers or packages())]


def _table(form: str, papers: tuple[str, ...], ledger: Path, *, relations: bool) -> bytes:
    import harness
    from harness.exports.table import csv_bytes, parquet_bytes

    table = harness.results(papers or None, ledger, kind="relations" if relations else "claims")
    return csv_bytes(table) if form == "csv" else parquet_bytes(table)


def _latex(results: list[Results]) -> bytes:
    from harness.exports.latex import latex_tables

    return "\n".join(map(latex_tables, results)).encode()


def _citation(papers: tuple[str, ...], ledger: Ledger) -> bytes:
    from harness.citation.cited import cite
    from harness.claims.papers import find_paper, packages
    from harness.errors import UsageError
    from harness.exports.citation_file import project_file, result_file
    from harness.scoring.load import load_results

    claims = [paper for paper in papers if "/" in paper]
    if not claims:
        return project_file(find_paper(paper) for paper in papers or packages()).encode()
    if len(papers) > 1:
        raise UsageError("a citation file is about one claim, or about papers", "Export each claim to a file.")
    return result_file(cite(load_results(claims[0].partition("/")[0], ledger), claims[0])).encode()


def _scores(
    form: str, results: list[Results], hub: Mapping[str, str], site: str, date: datetime | None
) -> dict[str, bytes]:
    """Return the files of a leaderboard's format.

    Raises:
        UsageError: The papers have no score that it can hold.
    """
    from harness.errors import UsageError
    from harness.exports.eval_results import eval_results, left_out
    from harness.exports.every_eval_ever import evaluation_logs
    from harness.exports.model_index import model_cards

    files: dict[str, bytes] = {}
    for each in results:
        match form:
            case "model-index":
                files |= model_cards(each, hub=hub, site=site)
            case "eval-results":
                files |= eval_results(each, hub=hub, site=site)
                _say_left_out(each.paper.key, left_out(each, hub))
            case _:
                files |= evaluation_logs(each, _state([each], date), hub=hub)
    if not files:
        keys = ", ".join(each.paper.key for each in results)
        raise UsageError(f"{keys}: no score that {form} can hold", "Other formats hold every number: csv, ro-crate.")
    return files


def _say_left_out(paper: str, data_sets: tuple[str, ...]) -> None:
    if data_sets:
        click.echo(
            f"{paper}: left out, for no repository on the Hub is known: {', '.join(data_sets)} (--hub names one)",
            err=True,
        )


def _crate(results: list[Results], date: datetime | None) -> dict[str, bytes]:
    from harness.exports.ro_crate import ro_crate
    from harness.reports.pages import index_pages
    from harness.reports.summary import summarise

    pages = index_pages([summarise(each) for each in results])
    for each in results:
        pages |= _pages(each)
    shown = {path: content for path, content in pages.items() if not path.startswith(".")}
    return ro_crate(results, shown, _state(results, date))


def _pages(results: Results) -> dict[str, bytes]:
    from harness.experiment import Options, experiments_of
    from harness.reports.history import histories
    from harness.reports.pages import paper_pages

    history = histories(results, experiments_of(results.paper.key)(Options()))
    return paper_pages(results, lambda digest: results.stored[digest].arrays(), history)


def _state(results: list[Results], date: datetime | None) -> datetime:
    """Return the moment that an export shows: when the newest record in use was begun, or the given day.

    Raises:
        UsageError: There is neither.
    """
    from harness.errors import UsageError

    begun = [datetime.fromisoformat(record.started) for each in results for record in each.records.values()]
    if begun:
        return max(begun)
    if date is None:
        keys = ", ".join(each.paper.key for each in results)
        raise UsageError(f"{keys}: no record gives the export its date", "Measure something, or give --date DAY.")
    return date.replace(tzinfo=UTC)


def _check_options(form: str, given: Mapping[str, object]) -> None:
    """Check that every option that is given has a meaning for the format.

    Raises:
        UsageError: One has none.
    """
    from harness.errors import UsageError

    for option, value in given.items():
        if value and form not in TAKEN[option]:
            raise UsageError(f"{option} means nothing for {form}", f"It is for {', '.join(TAKEN[option])}.")


def _check_free(out: Path, *, folder: bool, replace: bool) -> None:
    """Check that nothing would be lost.

    Raises:
        UsageError: Something is there already.
    """
    from harness.errors import UsageError

    if folder and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not an empty folder", "Name one that is not there yet.")
    if not folder and out.is_dir():
        raise UsageError(f"{out} is a folder", "Name the file to write.")
    if not folder and out.exists() and not replace:
        raise UsageError(f"{out} is there already", "Name another file, or give --replace.")


def _write(out: Path, files: Mapping[str, bytes]) -> None:
    from harness.files import write_atomically

    for name, content in files.items():
        write_atomically(out / name if name else out, content)
    click.echo(f"{out}: {len(files)} file{'' if len(files) == 1 else 's'}")
