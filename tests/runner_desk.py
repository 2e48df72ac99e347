"""Running the tiny paper: a ledger, a state folder, and what was said and asked on the way."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tiny_paper import Calls, experiments

from harness.experiment import Experiment, Options
from harness.ledger.record import ArrayInfo
from harness.ledger.store import Ledger
from harness.runner.prepare import Job, prepare
from harness.runner.run import Summary, run
from harness.runner.state import State

UNITS = 7
OPTIONS = Options(device="cpu")
Identity = tuple[str, str, int]


def quiet(*_: object) -> None:
    """Show no progress."""


@dataclass
class Desk:
    """A ledger, a state folder, and what was said and asked while running."""

    folder: Path
    calls: Calls = field(default_factory=Calls)
    said: list[str] = field(default_factory=list)
    progress: Callable[[str, int, int], None] = quiet

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.folder / "ledger")

    @property
    def state(self) -> State:
        return State(self.folder / "state" / "tiny")

    def job(self, options: Options = OPTIONS, again: bool = False, **recipe: Any) -> Job:
        def factory(chosen: Options) -> tuple[Experiment, ...]:
            return experiments(chosen, self.calls, **recipe)

        return prepare(
            "tiny",
            factory,
            options,
            ledger=self.ledger,
            progress=self.progress,
            state=self.state.folder.parent,
            again=again,
        )

    def run(self, job: Job | None = None, **settings: Any) -> Summary:
        return run(
            job or self.job(**settings),
            ledger=self.ledger,
            tell=self.said.append,
            progress=self.progress,
            state=self.state.folder.parent,
        )

    def outcomes(self) -> dict[Identity, tuple[dict[str, ArrayInfo], dict[str, Any], list[float]]]:
        """Return what was measured of each unit, without what may differ between two runs: dates and durations."""
        found = {}
        for stored in self.ledger.records(verify_arrays=True):
            record = stored.record
            unit = record.experiment, record.system, record.seed
            assert unit not in found, f"{unit} is recorded twice"
            found[unit] = record.arrays, record.values, [float(row["loss"]) for row in record.log]
        return found

    def is_tidy(self) -> bool:
        left = [*self.state.folder.glob("units/*"), *self.state.folder.glob("rounds/*")]
        return not left and not list(self.state.outbox.records())


class Interrupt:
    """Presses Ctrl-C, really, after so many steps of progress."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)
