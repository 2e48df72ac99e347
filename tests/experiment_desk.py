"""What the tests of every paper's experiments do: declare, run at toy size, and hold declarations to their promises."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from harness.experiment import Context, Experiment, Options, Outcome, Unit, experiments_of
from harness.ledger.store import Ledger
from harness.runner.identity import source_files
from harness.runner.prepare import prepare
from harness.runner.run import Summary, run

ROOT = Path(__file__).parents[1]


def _quiet(*_: object) -> None:
    """Tell and show nothing."""


SILENT = Context(Path(), "cpu", _quiet)
BYSTANDERS = (
    *("harness.claims", "harness.experiment", "harness.errors", "harness.files", "harness.ledger", "harness.memory"),
    *("harness.statistics", "harness.weights", "harness.engine.checkpoint", "harness.architecture", "harness.shards"),
    *("harness.engine.mishaps", "harness.packages"),
)
"""What training imports and no number depends on, or what refuses anything but the very bytes it was given."""


@dataclass(frozen=True)
class ExperimentDesk:
    """The experiments of one paper."""

    paper: str

    def declared(self, **options: object) -> dict[str, Experiment]:
        chosen = Options(**{"device": "cpu", **options})  # type: ignore[arg-type]
        return {experiment.key: experiment for experiment in experiments_of(self.paper)(chosen)}

    def run_toy(self, key: str, system: str, scratch: Path, seed: int = 0, data: Path | None = None) -> Outcome:
        scratch.mkdir(parents=True, exist_ok=True)
        experiment = self.declared(toy=True, data=data)[key]
        return experiment.measure(Unit(key, system, seed), Context(scratch, "cpu", lambda *_: None))

    def record_toy(self, home: Path, data: Path, *only: str) -> Summary:
        """Run at toy size through the runner; its ledger and its state folder lie below ``home``."""
        ledger, state = Ledger(home / "ledger"), home / "state"
        options = Options(data=data, device="cpu", toy=True, only=only)
        job = prepare(self.paper, experiments_of(self.paper), options, ledger=ledger, progress=_quiet, state=state)
        return run(job, ledger=ledger, tell=_quiet, progress=_quiet, state=state)

    def derived(self, key: str, system: str) -> Mapping[str, int | float | str]:
        return _derived(self.paper, key, system)

    def keys_at_once(self, folder: Path | None = None) -> str:
        """Declare in a process of its own; say what can run, given a folder, and whether torch was imported."""
        data = None if folder is None else str(folder)
        code = (
            "import sys; from pathlib import Path; from harness.experiment import Options, experiments_of;"
            "from harness.runner.identity import code_digest;"
            f"data = {data!r};"
            f"found = experiments_of({self.paper!r})(Options(data=data and Path(data)));"
            "[code_digest(e.source) for e in found];"
            "print([e.key for e in found if not e.needs], 'torch' in sys.modules)"
        )
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@cache
def _derived(paper: str, key: str, system: str) -> Mapping[str, int | float | str]:
    return ExperimentDesk(paper).declared()[key].measure(Unit(key, system, 0), SILENT).values


def equal(left: Outcome, right: Outcome) -> bool:
    arrays = left.arrays.keys() == right.arrays.keys() and all(
        np.array_equal(left.arrays[name], right.arrays[name]) for name in left.arrays
    )
    return arrays and left.values == right.values


def vague_deviations(experiments: Iterable[Experiment]) -> list[str]:
    """Return the deviations that leave something unsaid, and topics that an experiment has twice."""
    found = []
    for experiment in experiments:
        topics = [deviation.topic for deviation in experiment.deviations]
        found += [f"{experiment.key}: {topic} twice" for topic in topics if topics.count(topic) > 1]
        for d in experiment.deviations:
            if not all((d.topic, d.paper, d.where, d.ours, d.why, d.effect)) or not d.date.startswith("2026-"):
                found.append(f"{experiment.key}: {d}")
    return found


def uncovered(module: str, source: Iterable[str], *, besides: tuple[str, ...] = ()) -> list[str]:
    """Return the project's modules that importing ``module`` imports and that no digest over ``source`` covers.

    Args:
        besides: Beginnings of the names of more modules that cannot change a number.
    """
    code = (
        f"import sys, {module};"
        "print(*sorted(m for m in sys.modules if m.split('.')[0] in ('harness', 'reproductions')))"
    )
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    covered = source_files(tuple(source))
    return [
        name
        for name in imported
        if not name.startswith((*BYSTANDERS, *besides))
        and (ROOT / f"{name.replace('.', '/')}.py").exists()
        and f"{name.replace('.', '/')}.py" not in covered
    ]
