"""Times in one session, in which all systems take turns, what cannot be measured unit by unit: the benchmarks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.engine.timings import read
from harness.errors import ExitCode, RemeasureError
from harness.ledger.store import Ledger, Stored
from harness.nightly.work import Budget, Failed

BENCHMARKS = (Path("benchmarks/test_throughput.py"), Path("benchmarks/test_atrous.py"))
"""Those whose times become records; the others time the harness itself."""
LINES_KEPT = 40
SESSION = "the timing session"


@dataclass(frozen=True)
class Session:
    """The benchmarks of a night.

    Attributes:
        experiments: Paper and key of those that they time.
        device: "cpu" hides the GPUs from them.
    """

    benchmarks: tuple[Path, ...]
    experiments: tuple[tuple[str, str], ...]
    device: str
    ledger: Path

    def present(self) -> tuple[Path, ...]:
        """Return the benchmarks that are here: none outside a checkout."""
        return tuple(path for path in self.benchmarks if path.is_file())


def timed(session: Session, budget: Budget, only: frozenset[tuple[str, str]] | None = None) -> list[Stored] | Failed:
    """Run the benchmarks and record what they timed.

    Args:
        only: Pairs of paper and experiment whose times are kept; None keeps all.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "benchmark.json"
        failure = _run(session, path, budget)
        if failure is not None:
            return failure
        try:
            return list(_recorded(path, Ledger(session.ledger), only))
        except RemeasureError as error:
            return _failed(session, error.exit_code, str(error))


def _recorded(path: Path, ledger: Ledger, only: frozenset[tuple[str, str]] | None) -> Iterator[Stored]:
    for record, arrays in read(path):
        if only is None or (record.paper, record.experiment) in only:
            yield ledger.append(record, arrays)


def _run(session: Session, path: Path, budget: Budget) -> Failed | None:
    """Let pytest write the times to a file; return what it said last if it failed."""
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if session.device == "cpu" else {}
    limit = budget.remaining()
    try:
        done = subprocess.run(
            command(session.present(), path),
            env={**os.environ, **hidden},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=None if limit == float("inf") else max(limit, 0.0),
        )
    except subprocess.TimeoutExpired:
        return _failed(session, ExitCode.INFRASTRUCTURE, "The budget was over before it was done.")
    print(done.stdout, file=sys.stderr, end="")
    if done.returncode == 0:
        return None
    last = "\n".join(done.stdout.splitlines()[-LINES_KEPT:])
    return _failed(session, ExitCode.DEFECT, f"pytest ended with exit code {done.returncode}.\n{last}")


def _failed(session: Session, code: ExitCode, text: str) -> Failed:
    return Failed(SESSION, tuple((*pair, "") for pair in session.experiments), int(code), text)


def command(benchmarks: Sequence[Path], path: Path) -> list[str]:
    """Return the command that runs benchmarks, or a folder of them, and writes the times to a file."""
    quiet = ("--benchmark-quiet", "--benchmark-json", str(path))
    return [sys.executable, "-m", "pytest", *map(str, benchmarks), *quiet]
