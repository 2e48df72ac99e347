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
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from harness.ledger.store import Stored

BENCHMARKS = Path("benchmarks")


@click.command()
@ledger_option
@click.option("--from", "existing", type=click.Path(path_type=Path), help="Record this pytest-benchmark JSON instead.")
@click.argument("arguments", nargs=-1, metavar="[-- PYTEST ARGUMENTS]")
def bench(ledger: Path, existing: Path | None, arguments: tuple[str, ...]) -> None:
    """Time what the benchmarks time, print ratios to the first system in the same run, and record the samples.

    The audit is timed too, over papers of growing size; its times are printed and not recorded.

    Needs a checkout: the benchmarks stand in its folder benchmarks.
    """
    from harness.engine.timings import read, read_workloads
    from harness.ledger.store import Ledger

    with TemporaryDirectory() as folder:
        path = existing or _timed(Path(folder) / "benchmark.json", arguments)
        store = Ledger(ledger)
        workloads = read_workloads(path)
        stored = [store.append(record, arrays) for record, arrays in read(path)]
    for experiment in dict.fromkeys(each.record.experiment for each in stored):
        _print_ratios(experiment, [each for each in stored if each.record.experiment == experiment])
    for (task, unit), seconds in workloads.items():
        _print_growth(task, unit, seconds)
    click.echo(f"{len(stored)} records added to {ledger}.")


def _print_growth(task: str, unit: str, seconds: Mapping[int, NDArray[np.float64]]) -> None:
    """Print the time for each unit, and its ratio to that of the smallest size: 1 where time grows linearly."""
    import numpy as np

    from harness.cli.console import print_table
    from harness.engine.timings import relative

    smallest = min(seconds)
    rows = []
    for size, samples in sorted(seconds.items()):
        ratio = relative(samples, seconds[smallest])
        rows.append(
            (
                str(size),
                f"{1e6 * float(np.median(samples)):.3g}",
                f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})",
            )
        )
    print_table(f"{task}: time for each of the {unit}, medians", (unit, "µs", f"over {smallest} (95 %)"), rows)


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
    baseline = stored[0].record.system
    rows = []
    for each in stored:
        samples, batch = seconds[each.record.system], int(each.record.recipe["batch"])
        ratio = relative(samples, seconds[baseline])
        rows.append(
            (
                each.record.system,
                f"{batch / float(np.median(samples)):.3g}",
                f"{1000 * float(np.median(samples)):.4g}",
                f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})",
                f"{float(each.record.values['memory']):.0f}" if "memory" in each.record.values else "",
            )
        )
    device = stored[0].record.environment.device
    title = f"{experiment}: {stored[0].record.recipe['batch']} images at a time on {device}, medians"
    print_table(title, ("system", "images/s", "ms", f"time over {baseline} (95 %)", "peak memory, MiB"), rows)
