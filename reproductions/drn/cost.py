"""How long a unit takes here: all of it is done with a few images, and scaled up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.engine.recipe import Training
from harness.engine.rehearsal import rehearse
from harness.experiment import Cost, Unit
from reproductions.drn.comparison import measure
from reproductions.drn.pictures import Labelled, Pictures
from reproductions.drn.recipes import Recipe, Source

STEPS = 4
"""Steps of each timed epoch; the epoch before it warms up."""
TESTED = 64
"""Images of each set that is evaluated."""


def estimate(unit: Unit, device: str, recipe: Recipe[Source], pictures: Pictures) -> Cost:
    """Time a unit with few images and two epochs, the first of which warms up; all of it twice, for the same reason."""
    few = replace(
        recipe,
        classification=replace(recipe.classification, epochs=2),
        segmentation=None if recipe.segmentation is None else replace(recipe.segmentation, epochs=2),
    )
    sample = _sample(pictures, STEPS * max(t.batch for t in (recipe.classification, recipe.segmentation) if t))
    _, seen = (rehearse(lambda context: measure(unit, context, few, sample), device) for _ in range(2))
    setup = seen.rest * _tested(pictures) / _tested(sample)
    if recipe.segmentation is not None:
        one = _epoch(seen.epochs["segmentation"], recipe.segmentation, sample, pictures)
        setup += recipe.segmentation.epochs * one
    return Cost(setup, _epoch(seen.epochs["classification"], recipe.classification, sample, pictures))


def _epoch(seconds: float, training: Training, sample: Pictures, pictures: Pictures) -> float:
    """Seconds of a whole epoch from those of one on the sample."""
    return seconds * (len(pictures.train.labels) // training.batch) / (len(sample.train.labels) // training.batch)


def _sample(pictures: Pictures, train: int) -> Pictures:
    def few(images: Labelled, count: int = TESTED) -> Labelled:
        return images.take(np.arange(min(count, len(images.labels))))

    test = few(pictures.test)
    boxed = pictures.boxed
    return replace(
        pictures,
        train=few(pictures.train, train),
        test=test,
        boxed=test if boxed is pictures.test else boxed and few(boxed),
        tuning=pictures.tuning and few(pictures.tuning),
        wide=few(pictures.wide),
    )


def _tested(pictures: Pictures) -> int:
    """Pixels that are evaluated."""
    sets = {id(images): images for images in (pictures.test, pictures.boxed, pictures.tuning, pictures.wide) if images}
    return sum(images.pixels[..., 0].size for images in sets.values())
