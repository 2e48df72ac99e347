"""``remeasure nightly``."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import FOLDER, Duration, ledger_option, reports_option
from harness.packages import REPORTS, require

if TYPE_CHECKING:
    from harness.nightly.outcome import NightReport


@click.command()
@click.option("--budget", type=Duration(), help="How long the night may take, such as 8h; what does not fit is listed.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--data", type=FOLDER, help="A folder with real images (a data set's folder, or its parent).")
@click.option("--weights", type=FOLDER, help="A folder with the authors' checkpoints.")
@click.option(
    "--benchmarks",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="A file of the timing session; by default those whose times become records.",
)
@ledger_option
@reports_option
@click.option("--out", type=FOLDER, help="Where the page and the other outputs go; by default into reports/nights.")
def nightly(
    budget: float | None,
    device: str,
    data: Path | None,
    weights: Path | None,
    benchmarks: tuple[Path, ...],
    ledger: Path,
    reports: Path,
    out: Path | None,
) -> None:
    """Measure what is measured every night and what is owed, compare with earlier nights, and say what changed.

    Stop it at any time: within 20 hours the same command goes on with the night.

    \b
    Exit codes, the first that applies:
      2   bad input
      8   nothing was measured; 14 if that is because something failed
      13  a metric got worse, is missing, or could not be compared
      12  the verdict on a claim got worse
      14  something could not be run
      0   none of these
    """
    from harness.claims.papers import packages
    from harness.experiment import Options
    from harness.nightly.night import hold_night
    from harness.nightly.order import Order
    from harness.nightly.session import BENCHMARKS
    from harness.nightly.work import Budget
    from harness.runner.environment import environment
    from harness.runner.options import settle

    require(*REPORTS)
    _check_folders(data, weights)
    settle(Options(device=device, budget=budget))
    options = settle(Options(device=device, data=data, weights=weights))
    order = Order(
        papers=tuple(packages()),
        options=options,
        device="cpu" if options.device == "cpu" else environment(options.device).device,
        ledger=ledger,
        folder=reports / "nights",
        budget=Budget(budget, None if budget is None else time.time() + budget),
        benchmarks=benchmarks or BENCHMARKS,
        command=shlex.join(("remeasure", *sys.argv[1:])),
    )
    report = hold_night(order, lambda sentence: click.echo(sentence, err=True))
    _write(report, out or reports / "nights" / _name(report))
    sys.exit(report.exit_code)


def _check_folders(*folders: Path | None) -> None:
    from harness.errors import UsageError

    for folder in folders:
        if folder is not None and not folder.is_dir():
            raise UsageError(f"{folder} is no folder", "Name one that is there, or leave the option out.")


def _name(report: NightReport) -> str:
    from harness.regression.manifests import path_of

    return path_of(Path(), report.started).stem


def _write(report: NightReport, out: Path) -> None:
    """Write every output, and tell GitHub where it listens."""
    from harness.nightly import github
    from harness.nightly.outputs import write

    page = write(report, out)
    click.echo(f"\n{report.headline}\n{github.what_to_do(report)}")
    for sentence in github.lines(report):
        click.echo(f"  {sentence}")
    click.echo(f"Page: {page}")
    if listening := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(listening).open("a", encoding="utf-8") as file:
            file.write(github.summary(report))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in github.workflow_commands(report):
            click.echo(line)
