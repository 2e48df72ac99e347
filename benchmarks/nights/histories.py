"""Made histories: noise, slow nights and slow runs, and what was planted among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NIGHTS = 60
NOISES = (0.005, 0.01, 0.02, 0.05)
"""Standard deviation of a night's logarithm; metrics have them in turn."""

ROUNDS = 10
SLOWER = (0.10, 0.50)
"""What a slow run or night is slower by, drawn evenly."""

SETTLED = 7
"""Nights that come before any is counted: the check takes its level from them, and every rule gets them."""

NEVER = NIGHTS


@dataclass(frozen=True)
class Plan:
    """What happens in a history.

    Attributes:
        slow_runs: Chance of a run, or its confirmation, to be slow, each for itself.
        slow_nights: Chance of a night to be slow, all metrics and confirmations alike.
        step, drift: Relative change at once, or with every night, of the changed metrics.
        changed: Share of the metrics that change; every noise level has the same share.
        onset: First and last night (counted from 0) that the change may begin with; one draw for each metric.
        devices: Nights that a new device takes over on, named as such; levels move by up to a factor of 2.
        metrics: A multiple of the number of noise levels.
        steady: Whether there is no noise and nothing slow, but jumps to and fro of some bytes, as of memory.
        same_base: Whether a confirmation has the base time of the run it confirms: their logarithms correlate by 0.5.
        wander: How much of a base time stays from one night to the next, as a correlation.
    """

    name: str
    slow_runs: float = 0.02
    slow_nights: float = 0.02
    step: float = 0.0
    drift: float = 0.0
    changed: float = 0.0
    onset: tuple[int, int] = (20, 45)
    devices: tuple[int, ...] = ()
    metrics: int = 40
    steady: bool = False
    same_base: bool = False
    wander: float = 0.0


@dataclass(frozen=True)
class History:
    """What was measured, with the truth beside it.

    Attributes:
        mean, least: Mean and minimum of the rounds of each run, float64 [metrics, nights].
        again: Mean of the rounds of a confirmation that follows at once, had one been asked for, [metrics, nights].
        noise: Of each metric, [metrics].
        onset: The night on which each metric changes, NEVER if it does not, int [metrics].
        segment: Which device measured, int [nights].
    """

    mean: Floats
    least: Floats
    again: Floats
    noise: Floats
    onset: NDArray[np.int64]
    segment: NDArray[np.int64]

    def true_change(self) -> NDArray[np.bool_]:
        """Return on which nights a metric is not what it was, bool [metrics, nights]."""
        changed: NDArray[np.bool_] = np.arange(self.mean.shape[1]) >= self.onset[:, None]
        return changed


def simulate(plan: Plan, rng: np.random.Generator) -> History:
    """Draw a history.

    A run's rounds take its base time and an exponential excess, as timings do; the minimum of the rounds therefore
    varies less than their mean. Half of the mean's variance is the base's (one draw for each run), half the rounds'.
    """
    shape = (plan.metrics, NIGHTS)
    noise = np.tile(NOISES, plan.metrics // len(NOISES))
    onset = _onsets(plan, rng)
    nights = np.arange(NIGHTS)
    elapsed = nights - onset[:, None]
    trend = np.where(elapsed >= 0, np.log1p(plan.step) + np.maximum(elapsed + 1, 0) * np.log1p(plan.drift), 0.0)
    segment = np.searchsorted(np.array(plan.devices, dtype=np.int64), nights, side="right")
    moves = rng.uniform(-np.log(2), np.log(2), (plan.metrics, len(plan.devices) + 1))[:, segment]
    if plan.steady:
        values = np.exp(trend + moves) * _bytes(plan.metrics, rng)
        return History(values, values, values, noise, onset, segment)
    whole = np.log1p(np.where(rng.random(NIGHTS) < plan.slow_nights, rng.uniform(*SLOWER, NIGHTS), 0.0))
    level = trend + moves + whole
    base, later = (_wandering(rng.normal(0.0, 1.0, shape), plan.wander) for _ in range(2))
    mean, least = _run(plan, level, noise, base, rng)
    again, _ = _run(plan, level, noise, base if plan.same_base else later, rng)
    return History(mean, least, again, noise, onset, segment)


def _onsets(plan: Plan, rng: np.random.Generator) -> NDArray[np.int64]:
    onset = np.full(plan.metrics, NEVER, dtype=np.int64)
    changed = round(plan.changed * plan.metrics / len(NOISES)) * len(NOISES)
    onset[:changed] = rng.integers(plan.onset[0], plan.onset[1] + 1, changed)
    return onset


def _wandering(drawn: Floats, correlation: float) -> Floats:
    """Return draws [metrics, nights] of the same variance that neighbouring nights share a part of."""
    if not correlation:
        return drawn
    kept = [drawn[:, 0]]
    for column in drawn.T[1:]:
        kept.append(correlation * kept[-1] + np.sqrt(1 - correlation**2) * column)
    return np.stack(kept, axis=1)


def _run(plan: Plan, level: Floats, noise: Floats, base: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    slow = rng.random(level.shape) < plan.slow_runs
    factor = np.log1p(np.where(slow, rng.uniform(*SLOWER, level.shape), 0.0))
    usual = np.exp(level + factor + base * noise[:, None] * np.sqrt(0.5))
    excess = noise * np.sqrt(0.5 * ROUNDS)
    rounds = usual[..., None] * (1 + rng.exponential(1.0, (*level.shape, ROUNDS)) * excess[:, None, None])
    return rounds.mean(axis=2), rounds.min(axis=2)


def _bytes(metrics: int, rng: np.random.Generator) -> NDArray[Any]:
    """Return peaks of 2 GiB, in turn: never moving; now and then 1 KiB more; to and fro by 2 MiB; by a few pages."""
    peak = np.full((metrics, NIGHTS), 2.0**31)
    chance = rng.random((metrics, NIGHTS))
    kinds = np.arange(metrics) % 4
    peak[kinds == 1] += 2**10 * (chance[kinds == 1] < 0.05)
    peak[kinds == 2] += 2**21 * (chance[kinds == 2] < 0.5)
    peak[kinds == 3] += 2**12 * np.floor(8 * chance[kinds == 3])
    return peak
