"""``remeasure bench``."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from harness.cli.options import ledger_option

if TYPE_CHECKING:
    from harness.ledger.store import Stored

BENCHMARKS = Path("benchmarks")
BASELINE = "ResNet-18"


@click.command()
@ledger_option
@click.option("--from", "existing", type=click.Path(path_type=Path), help="Record this pytest-benchmark JSON instead.")
@click.argument("arguments", nargs=-1, metavar="[-- PYTEST ARGUMENTS]")
def bench(ledger: Path, existing: Path | None, arguments: tuple[str, ...]) -> None:
    """Time the networks by pytest-benchmark, print ratios to ResNet-18 in the same run, and record the samples.

    Needs a checkout: the benchmarks stand in its folder benchmarks.
    """
    from harness.engine.timings import read
    from harness.ledger.store import Ledger

    with TemporaryDirectory() as folder:
        path = existing or _timed(Path(folder) / "benchmark.json", arguments)
        store = Ledger(ledger)
        stored = [store.append(record, arrays) for record, arrays in read(path)]
    for experiment in dict.fromkeys(each.record.experiment for each in stored):
        _print_ratios(experiment, [each for each in stored if each.record.experiment == experiment])
    click.echo(f"{len(stored)} records added to {ledger}.")


def _timed(path: Path, arguments: tuple[str, ...]) -> Path:
    from harness.errors import NothingMeasuredError, UsageError

    if not BENCHMARKS.is_dir():
        raise UsageError(f"no folder {BENCHMARKS} here", "Run this in a checkout of Remeasure.")
    if find_spec("pytest_benchmark") is None:
        raise UsageError("pytest-benchmark is not installed", "Install remeasure[test], or run nox -s bench.")
    command = [sys.executable, "-m", "pytest", str(BENCHMARKS), "--benchmark-json", str(path), *arguments]
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise NothingMeasuredError(f"pytest ended with exit code {done.returncode}; nothing is recorded")
    return path


def _print_ratios(experiment: str, stored: list[Stored]) -> None:
    import numpy as np

    from harness.cli.console import print_table
    from harness.engine.timings import by_system, relative

    seconds = by_system([(each.record, each.arrays()) for each in stored], experiment)
    rows = []
    for each in stored:
        samples, batch = seconds[each.record.system], int(each.record.recipe["batch"])
        ratio = relative(samples, seconds[BASELINE])
        rows.append(
            (
                each.record.system,
                f"{batch / float(np.median(samples)):.3g}",
                f"{1000 * float(np.median(samples)):.4g}",
                f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})",
                f"{float(each.record.values['memory']):.0f}",
            )
        )
    device = stored[0].record.environment.device
    title = f"{experiment}: {stored[0].record.recipe['batch']} images at a time on {device}, medians"
    print_table(title, ("system", "images/s", "ms", f"time over {BASELINE} (95 %)", "peak memory, MiB"), rows)
