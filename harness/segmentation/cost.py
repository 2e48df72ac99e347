"""How long a unit takes here: all of it is done with a few images of each set, and scaled up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.datasets.segmented import Segmented
from harness.engine.rehearsal import Rehearsal, rehearse
from harness.experiment import Cost, Unit
from harness.segmentation.declare import Measure
from harness.segmentation.desk import NETWORK
from harness.segmentation.recipe import Recipe
from harness.segmentation.sets import Sets, take

STEPS = 4
"""Steps of each timed epoch; the epoch before it warms up."""


def estimate(measure: Measure, unit: Unit, device: str, recipe: Recipe, sets: Sets) -> Cost:
    """Time a unit with two epochs of the network, the first of which warms up.

    It is done with some images and with half as many, which parts what grows with the images from what does not, and
    with each twice. The first time of all warms the process up, and is not counted; the first time of the half makes
    what is kept for other units, such as the feature maps of photographs.
    """
    short = replace(recipe, training=replace(recipe.training, epochs=2))
    share = min(0.5, STEPS * recipe.training.batch / len(sets.train))

    def rehearsed_twice(part: float) -> tuple[Rehearsal, Rehearsal]:
        sample = replace(sets, train=_few(sets.train, part), tuning=_few(sets.tuning, part), test=_few(sets.test, part))
        first, second = (rehearse(lambda context: measure(unit, context, short, sample), device) for _ in range(2))
        return first, second

    _, more = rehearsed_twice(2 * share)
    making, few = rehearsed_twice(share)
    growth = max(0.0, _besides(more) - _besides(few)) / share
    shared = max(0.0, _besides(making) - _besides(few)) / share
    return Cost(_besides(few) + growth * (1 - share), more.epochs.get(NETWORK, 0.0) / (2 * share), shared)


def _besides(seen: Rehearsal) -> float:
    """Seconds of everything but the epochs that a budget can cut."""
    return seen.rest + sum(seconds for phase, seconds in seen.trained.items() if phase != NETWORK)


def _few(images: Segmented, share: float) -> Segmented:
    return take(images, np.arange(max(2, round(share * len(images)))))
