"""Ways of doing the same, timed side by side and printed as ratios."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec
import numpy as np
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
    ) -> None:
        """Time ``run``, which does the whole task for so many images."""
        benchmark.pedantic(run, rounds=rounds, iterations=1, warmup_rounds=1)
        times = self.seconds.setdefault(task, {}).setdefault(way, [])
        times.extend(seconds / images for seconds in benchmark.stats.stats.data)
        benchmark.extra_info.update(msgspec.to_builtins(Workload(f"{task}, {way}", images, "images", block)))

    def lines(self) -> Iterator[str]:
        """Yield a line for each way: its median, and its time over that of the task's first way (95 %); then notes."""
        for task, ways in self.seconds.items():
            baseline = np.array(next(iter(ways.values())))
            for way, found in ways.items():
                ratio = relative(np.array(found), baseline)
                yield (
                    f"{task}, {way}: {1000 * float(np.median(found)):.3g} ms, "
                    f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f}) times {next(iter(ways))}"
                )
        yield from self.notes
