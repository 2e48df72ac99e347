"""Rules that say on which nights a metric got worse, each from the same history and never looking ahead.

All return bool [metrics, nights]. Each compares within a device only, as the tools that keep a history per machine do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from asv.step_detect import detect_regressions, detect_steps
from numpy.typing import NDArray
from pytest_benchmark.utils import parse_compare_fail

from benchmarks.nights.histories import Floats, History
from harness.regression.model import Address, Kind, Night, Series, Word
from harness.regression.watch import Watch

Alarms = NDArray[np.bool_]

ASV_THRESHOLD = 0.05
"""asv's own default of regressions_thresholds."""


def watched(history: History, kind: Kind) -> tuple[Alarms, Alarms]:
    """Return on which nights the nightly check says regression, and on which improvement.

    What it asks for is measured again, as in a real night; what it does not ask for is not shown to it.
    """
    metrics, nights = history.mean.shape
    addresses = [Address("simulation", "nights", f"s{index}", "time") for index in range(metrics)]
    watch = Watch([Series(address, kind, "s", "lower", ()) for address in addresses], [])
    worse = np.zeros((metrics, nights), dtype=np.bool_)
    better = np.zeros_like(worse)
    for night in range(nights):
        started, segment = f"{night:04d}", str(history.segment[night])
        tonight = {
            address: Night(started, float(history.mean[index, night]), segment)
            for index, address in enumerate(addresses)
        }
        place = {address: index for index, address in enumerate(addresses)}
        for address in watch.suspects(tonight):
            tonight[address] = replace(tonight[address], again=float(history.again[place[address], night]))
        for decision in watch.judge(tonight):
            worse[place[decision.address], night] = decision.word is Word.REGRESSION
            better[place[decision.address], night] = decision.word is Word.IMPROVEMENT
    return worse, better


def threshold(history: History, share: float) -> Alarms:
    """Fixed threshold: the mean is that share above the mean of all nights before."""
    return _pairwise(history, lambda now, before: now > (1 + share) * float(np.mean(before)), history.mean)


def pytest_benchmark(history: History, expression: str, first: bool) -> Alarms:
    """``--benchmark-compare-fail`` against the first saved run (``--benchmark-compare=0001``) or the newest."""
    check = parse_compare_fail(expression)
    values = {"mean": history.mean, "min": history.least}[check.field]

    def fails(now: float, before: Floats) -> bool:
        return check.fails({check.field: now}, {check.field: before[0 if first else -1]}) is not None

    return _pairwise(history, fails, values)


def asv(history: History, metrics: Iterable[int]) -> Alarms:
    """Whether asv, run on all nights so far, publishes a regression; only of the named metrics, since it takes long."""
    alarms = np.zeros(history.mean.shape, dtype=np.bool_)
    for metric in metrics:
        for night, start in _nights(history):
            steps = detect_steps(history.mean[metric, start : night + 1].tolist())
            alarms[metric, night] = detect_regressions(steps, ASV_THRESHOLD)[2] is not None
    return alarms


def _pairwise(history: History, fails: Callable[[float, Floats], bool], values: Floats) -> Alarms:
    alarms = np.zeros(values.shape, dtype=np.bool_)
    for night, start in _nights(history):
        for metric in range(len(values)):
            alarms[metric, night] = fails(float(values[metric, night]), values[metric, start:night])
    return alarms


def _nights(history: History) -> list[tuple[int, int]]:
    """Return every night that has one before it on its device, and the device's first night."""
    starts = np.searchsorted(history.segment, history.segment)
    return [(night, int(start)) for night, start in enumerate(starts) if night > start]
