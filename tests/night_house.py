"""A folder with a paper of its own in which nights are held: tiny trainings, and a clock whose samples are data."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from test_cli_all import CLAIMS, built

from harness.ledger.store import Ledger, Stored
from harness.nightly.kept import NightFile, nights, save

TESTS = Path(__file__).parent
KEY = "gamma"
TIMED = ("Narrow", "Wide", "Deep", "Long", "Short", "Thick", "Thin", "Flat")
"""So many that a night tells one slow system from a slow machine."""
REPEATS = 30
SECONDS = 0.02
NOISE = 0.01
"""Standard deviation of a night's speed, as a share of it."""

EXPERIMENTS = """
from night_house import declared

def experiments(options):
    return declared(options)
"""


def declared(options: Any) -> tuple[Any, ...]:
    """Return the tiny paper's experiments and one that reads the clock of the folder it is run in."""
    from dataclasses import replace

    import tiny_paper

    from harness.experiment import Experiment, Reach
    from harness.statistics.evidence import Evidence

    told = weather(Path())
    setting = told.get("recipe", {})
    trained, exact = (replace(e, command=f"remeasure run {KEY}") for e in tiny_paper.experiments(options, **setting))
    if told.get("fails"):
        trained = replace(trained, measure=failing)
    if told.get("worsened"):
        trained = replace(trained, measure=worsened(trained.measure))
    clock = Experiment(
        key="clock",
        title="Clock",
        evidence=Evidence.TIMING,
        systems=() if told.get("no clock") else TIMED,
        seeds=(0,),
        reaches=(Reach("rate"),),
        recipe={"batch": 8},
        source=("tiny_paper",),
        deviations=(),
        measure=read_clock,
        command=f"remeasure run {KEY} --only clock",
        cost=None,
    )
    return trained, exact, clock


def weather(folder: Path) -> dict[str, Any]:
    """Return what the tests want of the next measurements."""
    path = folder / "weather.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def read_clock(unit: Any, context: Any) -> Any:
    """Return recorded samples: the next of those that the tests laid down for this system."""
    from harness.experiment import Outcome

    told = weather(Path())
    if told.get("interrupted") == unit.system:
        (Path() / "weather.json").unlink()
        os.kill(os.getpid(), signal.SIGINT)
    factors = told.get(unit.system, [1.0])
    played = Path(f"played-{unit.system}")
    turn = len(played.read_text()) if played.exists() else 0
    played.write_text("x" * (turn + 1))
    context.progress("reading the clock", 1, 1)
    factor = factors[min(turn, len(factors) - 1)]
    return Outcome({"memory": 120.0}, {"seconds": samples(factor, turn)})


def samples(factor: float, turn: int) -> NDArray[np.float64]:
    """Return the repeats of one measurement, whose own spread is what a loaded machine has."""
    return SECONDS * factor * np.random.default_rng(turn).lognormal(0.0, 0.002, REPEATS)


def failing(unit: Any, context: Any) -> Any:
    context.progress("about to fail", 0, 1)
    if unit.system == "Narrow":
        os.kill(os.getpid(), signal.SIGKILL)
    raise ZeroDivisionError(f"a defect in {unit.system}")


def worsened(measure: Any) -> Any:
    """Return a training that goes wrong in one image of five, as a defect would make it."""

    def changed(unit: Any, context: Any) -> Any:
        from dataclasses import replace

        outcome = measure(unit, context)
        ranks = outcome.arrays["ranks"].copy()
        ranks[::5] = 3
        return replace(outcome, arrays={**outcome.arrays, "ranks": ranks})

    return changed


@dataclass(frozen=True)
class House:
    """The folder, and what is done in it."""

    folder: Path

    def expect(self, **weather: Any) -> None:
        """Lay down what the next night meets."""
        (self.folder / "weather.json").write_text(json.dumps(weather))
        for played in self.folder.glob("played-*"):
            played.unlink()

    def nightly(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(self.folder), str(TESTS), str(TESTS.parent)])
        variables = {**os.environ, "PYTHONPATH": path, **environment}
        command = [sys.executable, "-m", "harness", "nightly", "--device", "cpu", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=variables, capture_output=True, text=True, timeout=300, check=False
        )

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.folder / "reports/ledger")

    @property
    def nights(self) -> Path:
        return self.folder / "reports/nights"

    def files(self) -> tuple[NightFile, ...]:
        return nights(self.nights, "cpu")

    @property
    def out(self) -> Path:
        """The folder of the newest night's outputs."""
        return max(path.parent for path in self.nights.glob("*/index.html"))

    def records(self, digests: Sequence[str]) -> list[Stored]:
        return [stored for stored in self.ledger.records() if stored.digest in digests]

    def remember(self, count: int) -> None:
        """Put earlier nights into the ledger: the newest night's records, dated back, with samples laid down here."""
        newest = self.files()[-1]
        made = self.records(newest.measured)
        noise = np.random.default_rng(5)
        for night in range(count, 0, -1):
            started = datetime.fromisoformat(newest.started) - timedelta(days=night)
            digests = [self._dated(stored, started, noise) for stored in made]
            earlier = msgspec.structs.replace(newest, started=started.isoformat(), measured=tuple(digests))
            save(self.nights, earlier)

    def _dated(self, stored: Stored, started: datetime, noise: np.random.Generator) -> str:
        arrays = stored.arrays()
        if "seconds" in arrays:
            arrays["seconds"] = samples(float(noise.lognormal(0.0, NOISE)), int(noise.integers(1 << 30)))
        record = msgspec.structs.replace(stored.record, started=started.isoformat(timespec="seconds"))
        return self.ledger.append(record, arrays).digest


def house(folder: Path) -> House:
    """Make a folder with one paper in which nights can be held."""
    built(folder, KEY)
    (folder / "reproductions" / KEY / "experiments.py").write_text(EXPERIMENTS, encoding="utf-8")
    (folder / "reproductions" / KEY / "claims.toml").write_text(CLAIMS.format(key=KEY), encoding="utf-8")
    return House(folder)
