"""``remeasure bench``."""

from __future__ import annotations

import subprocess
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

    Times of the harness itself are printed and not recorded: of training and evaluation as ratios to a bare loop, and
    of the audit over papers of growing size. Absolute figures are printed of a GPU alone.

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
        if len(seconds) > 1:
            _print_growth(task, unit, seconds)
    click.echo(f"{len(stored)} records added to {ledger}.")


def _print_growth(task: str, unit: str, seconds: Mapping[int, NDArray[np.float64]]) -> None:
    """Print the ratio of the time for each unit to that of the smallest size: 1 where time grows linearly."""
    from harness.cli.console import print_table
    from harness.engine.timings import relative

    smallest = min(seconds)
    rows = []
    for size, samples in sorted(seconds.items()):
        ratio = relative(samples, seconds[smallest])
        rows.append((str(size), f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"))
    print_table(f"{task}: time for each of the {unit}", (unit, f"over {smallest} (95 %)"), rows)


def _timed(path: Path, arguments: tuple[str, ...]) -> Path:
    from harness.errors import NothingMeasuredError, UsageError
    from harness.nightly.session import command

    if not BENCHMARKS.is_dir():
        raise UsageError(f"no folder {BENCHMARKS} here", "Run this in a checkout of Remeasure.")
    if find_spec("pytest_benchmark") is None:
        raise UsageError("pytest-benchmark is not installed", "Install remeasure[test], or run nox -s bench.")
    done = subprocess.run([*command((BENCHMARKS,), path), *arguments], check=False)
    if done.returncode:
        raise NothingMeasuredError(f"pytest ended with exit code {done.returncode}; nothing is recorded")
    return path


def _print_ratios(experiment: str, stored: list[Stored]) -> None:
    import numpy as np

    from harness.cli.console import print_table
    from harness.engine.timings import by_system, relative

    seconds = by_system([(each.record, each.arrays()) for each in stored], experiment)
    first = stored[0].record
    baseline, device, batch = first.system, first.environment.device, int(first.recipe["batch"])
    absolute = device != "cpu"
    heading = ("system", f"time over {baseline} (95 %)", *(("images/s", "ms") if absolute else ()), "peak memory, MiB")
    rows = []
    for each in stored:
        samples = seconds[each.record.system]
        ratio, median = relative(samples, seconds[baseline]), float(np.median(samples))
        rows.append(
            (
                each.record.system,
                f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})",
                *((f"{batch / median:.3g}", f"{1000 * median:.4g}") if absolute else ()),
                f"{float(each.record.values['memory']):.0f}" if "memory" in each.record.values else "",
            )
        )
    print_table(f"{experiment}: {batch} images at a time on {device}, medians", heading, rows)
