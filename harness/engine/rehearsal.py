"""How long training and testing take here, found by doing all of it once with a few images."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.experiment import Context, Outcome


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Seconds of a measurement on few images.

    Attributes:
        epochs: Of each phase's last epoch, which no warm-up slows.
        trained: Of all epochs of each phase.
        rest: Of everything but training.
    """

    epochs: Mapping[str, float]
    trained: Mapping[str, float]
    rest: float


def rehearse(measure: Callable[[Context], Outcome], device: str) -> Rehearsal:
    """Measure in a folder that is thrown away."""
    with TemporaryDirectory() as scratch:
        begun = time.perf_counter()
        outcome = measure(Context(Path(scratch), device, lambda *_: None))
        total = time.perf_counter() - begun
    epochs: dict[str, float] = {}
    trained: dict[str, float] = {}
    for row in outcome.log:
        phase, seconds = str(row["phase"]), float(row["seconds"])
        epochs[phase] = seconds
        trained[phase] = trained.get(phase, 0.0) + seconds
    return Rehearsal(epochs, trained, total - sum(trained.values()))
