"""From alarms and the truth to rates: false alarms for each thousand metric-nights, detection, delay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.nights import rules
from benchmarks.nights.histories import NEVER, NIGHTS, SETTLED, History, Plan, simulate
from harness.regression.model import Kind

EARLY = SETTLED + 7
"""Nights before this one rest on few."""

SLOW_RULE = "asv"
SLOW_HISTORIES = 3
SLOW_METRICS = 8


class Rule(NamedTuple):
    """A rule's alarms on a history's metrics, and on which of them it was run."""

    name: str
    alarms: rules.Alarms
    metrics: list[int]


class Find(NamedTuple):
    """A planted change: its metric's noise, and the night it was reported on (1 is its first), None if never."""

    noise: float
    delay: int | None


@dataclass(frozen=True)
class Outcome:
    """What one rule did in one history.

    Attributes:
        false: Metric-nights with an alarm and no change; ``early`` those of them soon after the start.
        nights: Metric-nights without a change; ``early_nights`` likewise.
        finds: One for each metric that changed.
    """

    false: int
    nights: int
    early: int
    early_nights: int
    finds: tuple[Find, ...]


OURS = "remeasure check"
OURS_BETTER = "remeasure check, improvements"


def run(plan: Plan, seed: int, plan_index: int, index: int) -> dict[str, Outcome]:
    """Return every rule's outcome on one history, drawn by the seed, the plan's number and the history's."""
    rng = np.random.default_rng([seed, plan_index, index])
    history = simulate(plan, rng)
    every = list(range(plan.metrics))
    worse, better = rules.watched(history, Kind.MEMORY if plan.steady else Kind.SPEED)
    by_rule = [
        Rule(OURS, worse, every),
        Rule(OURS_BETTER, better, every),
        Rule("5 % above the mean so far", rules.threshold(history, 0.05), every),
        Rule("10 % above the mean so far", rules.threshold(history, 0.10), every),
    ]
    for field in ("min", "mean"):
        for first, against in ((False, "last night"), (True, "the first night")):
            alarms = rules.pytest_benchmark(history, f"{field}:5%", first)
            by_rule.append(Rule(f"pytest-benchmark {field}:5%, against {against}", alarms, every))
    if index < SLOW_HISTORIES:
        half = SLOW_METRICS // 2
        some = sorted({*every[:half], *every[-half:]})
        by_rule.append(Rule(SLOW_RULE, rules.asv(history, some), some))
    return {rule.name: outcome(history, rule) for rule in by_rule}


def outcome(history: History, rule: Rule) -> Outcome:
    """Count one rule's false alarms and finds. Nights until the level is settled are left out for every rule."""
    changed = history.true_change()[rule.metrics]
    alarms = rule.alarms[rule.metrics]
    nights = np.arange(NIGHTS)
    counted = ~changed & (nights >= SETTLED)
    early = counted & (nights < EARLY)
    finds = tuple(
        Find(float(history.noise[metric]), _delay(rule.alarms[metric], int(history.onset[metric])))
        for metric in rule.metrics
        if history.onset[metric] < NEVER
    )
    counts = [int(np.count_nonzero(one)) for one in (alarms & counted, counted, alarms & early, early)]
    return Outcome(counts[0], counts[1], counts[2], counts[3], finds)


def _delay(alarms: rules.Alarms, onset: int) -> int | None:
    after = np.flatnonzero(alarms[onset:])
    return int(after[0]) + 1 if after.size else None


class Rate(NamedTuple):
    """A rate with its 95 % interval."""

    value: float
    low: float
    high: float


def false_alarms(outcomes: Sequence[Outcome], early: bool = False) -> Rate:
    """Return false alarms for each thousand metric-nights.

    Alarms of a history belong together, so the interval is that of a ratio over histories (its linearised standard
    error, 1.96 times); where there was no alarm at all, it ends at three in all metric-nights.
    """
    false = np.array([one.early if early else one.false for one in outcomes], dtype=np.float64)
    nights = np.array([one.early_nights if early else one.nights for one in outcomes], dtype=np.float64)
    rate = false.sum() / nights.sum()
    if not false.any():
        return Rate(0.0, 0.0, 3000 / float(nights.sum()))
    residuals = (false - rate * nights) / nights.mean()
    error = residuals.std(ddof=1) / np.sqrt(len(outcomes)) if len(outcomes) > 1 else rate
    return Rate(*(1000 * float(x) for x in (rate, max(0.0, rate - 1.96 * error), rate + 1.96 * error)))


def found_within(finds: Sequence[Find], nights: int) -> int:
    """Return how many changes were reported within so many nights, the first included."""
    return sum(find.delay is not None and find.delay <= nights for find in finds)


def median_delay(finds: Sequence[Find]) -> float:
    """Return the median delay in nights, infinite if more than half were never reported."""
    return float(np.median([np.inf if find.delay is None else find.delay for find in finds]))
