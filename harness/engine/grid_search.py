"""Coarse-to-fine search of the best parameters on a grid. No torch, no numpy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Axes = Mapping[str, Sequence[float]]
"""Numbers to try for each parameter, all combinations of them."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A point and its score."""

    point: Mapping[str, float]
    score: float


@dataclass(frozen=True, slots=True)
class Search:
    """Outcome of a search.

    Attributes:
        best: The highest score; of equal ones the first tried.
        trials: All points in the order tried, each once.
    """

    best: Trial
    trials: tuple[Trial, ...]

    def at_edge(self, coarse: Axes) -> tuple[str, ...]:
        """Parameters whose best value is not strictly inside the first stage's range: a wider one may be better."""
        return tuple(
            name
            for name, values in coarse.items()
            if len(values) > 1 and not min(values) < self.best.point[name] < max(values)
        )


def search(score: Callable[[Mapping[str, float]], float], stages: Sequence[Axes]) -> Search:
    """Maximise ``score`` over a grid, then over finer grids around the best point so far.

    DeepLab v2, Section 4.1.1, chooses the parameters of its CRF this way.

    Args:
        score: From a value for each parameter to a number, higher is better; called once for each point.
        stages: Values of each parameter first; then, stage by stage, offsets from its best value so far.
            A later stage may leave parameters out: they stay at their best.

    Raises:
        ValueError: No stage, a parameter without a value, one that the first stage does not have, or a score that is
            not a number.
    """
    if not stages or any(not values for stage in stages for values in stage.values()):
        raise ValueError("a search needs a stage, and each parameter at least one value")
    coarse, *finer = stages
    unknown = {name for stage in finer for name in stage} - coarse.keys()
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: not a parameter of the first stage")
    trials: dict[tuple[float, ...], Trial] = {}
    centre: Mapping[str, float] = dict.fromkeys(coarse, 0.0)
    for stage in stages:
        for point in _around(centre, stage):
            key = tuple(point.values())
            if key not in trials:
                trials[key] = Trial(point, _number(score(point), point))
        best = max(trials.values(), key=lambda trial: trial.score)
        centre = best.point
    return Search(best, tuple(trials.values()))


def _around(centre: Mapping[str, float], offsets: Axes) -> Iterator[dict[str, float]]:
    """All combinations, the last parameter varying fastest."""
    for steps in itertools.product(*offsets.values()):
        step = dict(zip(offsets, steps, strict=True))
        yield {name: value + step.get(name, 0.0) for name, value in centre.items()}


def _number(value: float, point: Mapping[str, float]) -> float:
    if math.isnan(value):
        raise ValueError(f"the score at {dict(point)} is not a number")
    return float(value)
