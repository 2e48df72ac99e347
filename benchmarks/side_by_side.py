"""Ways of doing the same, timed side by side and printed as ratios."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec
import numpy as np
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from harness.engine.timings import Workload, relative


@dataclass(frozen=True)
class SideBySide:
    """Times of ways to do the same; a test that takes it times every way in each block before any is timed again.

    Attributes:
        seconds: For each image, by task, then by way, round after round.
        notes: What else a benchmark has to say.
    """

    seconds: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def measure(
        self,
        benchmark: BenchmarkFixture,
        task: str,
        way: str,
        block: int,
        run: Callable[[], object],
        rounds: int = 5,
        images: int = 1,
        warm_up: int = 1,
    ) -> None:
        """Time ``run``, which does the whole task for so many images, after so many rounds that are not timed."""
        benchmark.pedantic(run, rounds=rounds, iterations=1, warmup_rounds=warm_up)
        times = self.seconds.setdefault(task, {}).setdefault(way, [])
        times.extend(seconds / images for seconds in benchmark.stats.stats.data)
        benchmark.extra_info.update(msgspec.to_builtins(Workload(f"{task}, {way}", images, "images", block)))

    def lines(self) -> Iterator[str]:
        """Yield a line for each way: its time over that of the task's first way (95 %), and its median on a GPU.

        Notes follow. Absolute times of a processor would be taken for more than they are, and are not printed.
        """
        for task, ways in self.seconds.items():
            first, baseline = next((way, np.array(found)) for way, found in ways.items())
            for way, found in ways.items():
                if len(found) != len(baseline) or len(found) < 2:
                    yield f"{task}, {way}: timed {len(found)} times, {first} {len(baseline)} times; no ratio"
                    continue
                ratio = relative(np.array(found), baseline)
                median = f", {1000 * float(np.median(found)):.3g} ms" if torch.cuda.is_available() else ""
                yield f"{task}, {way}: {ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f}) times {first}{median}"
        yield from self.notes


def nothing(device: torch.device) -> str:
    """Return what :func:`harness.engine.profile.waiting` is the share of."""
    return "neither a kernel nor a copy runs" if device.type == "cuda" else "no operator of torch runs"
