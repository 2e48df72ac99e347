"""How long a unit takes here: all of it is done once with a few images of each set, and scaled up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.datasets.segmented import Segmented
from harness.engine.rehearsal import rehearse
from harness.experiment import Cost, Unit
from harness.segmentation.declare import Measure
from harness.segmentation.desk import NETWORK
from harness.segmentation.recipe import Recipe
from harness.segmentation.sets import Sets, take

STEPS = 4
"""Steps of each timed epoch; the epoch before it warms up."""


def estimate(measure: Measure, unit: Unit, device: str, recipe: Recipe, sets: Sets) -> Cost:
    """Time a unit with few images and two epochs of the network, the first of which warms up."""
    share = min(1.0, STEPS * recipe.training.batch / len(sets.train))
    few = replace(recipe, training=replace(recipe.training, epochs=2))
    sample = replace(sets, train=_few(sets.train, share), tuning=_few(sets.tuning, share), test=_few(sets.test, share))
    seen = rehearse(lambda context: measure(unit, context, few, sample), device)
    on_top = sum(seconds for phase, seconds in seen.trained.items() if phase != NETWORK)
    return Cost((seen.rest + on_top) / share, seen.epochs.get(NETWORK, 0.0) / share)


def _few(images: Segmented, share: float) -> Segmented:
    return take(images, np.arange(max(2, round(share * len(images)))))
