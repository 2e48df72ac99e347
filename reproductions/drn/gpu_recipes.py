"""The paper's recipe for ImageNet (Section 5.1) on ten of its classes: what a GPU trains in minutes. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.datasets.imagenette import CLASSES
from harness.engine.recipe import Augmentation, Training
from reproductions.drn.recipes import RATE, WIDE, PhotoRecipe, Recipe

SYSTEMS = ("ResNet-18", "ResNet-34", "DRN-A-18", "DRN-A-34", "DRN-B-26", "DRN-C-26", "DRN-C-42")
"""The networks of Tables 1 and 2 with blocks of two layers: residual, dilated, degridded."""
SEEDS = 5

AREAS = tuple(percent / 100 for percent in range(8, 101, 4))
"""Shares of the frame that a training image shows: from 8 % to all of it, as Szegedy et al. have it (CVPR 2015)."""


@dataclass(frozen=True, slots=True)
class _Extent:
    """What toy size cuts down; frames are 8/7 as large as the pieces trained on, like the paper's 256 and 224."""

    side: int
    crop: int
    width: float
    epochs: int
    batch: int
    limit: int | None = None


_EXTENTS = {"toy": _Extent(32, 28, 0.125, 4, 16, limit=48), "gpu": _Extent(128, 112, 1.0, 120, 256)}


def photographs(scale: Literal["toy", "gpu"], epochs: int | None = None) -> Recipe[PhotoRecipe]:
    """Return the recipe for Imagenette; ``epochs`` replaces the number of passes."""
    extent = _EXTENTS[scale]
    return Recipe(
        scale=scale,
        width=extent.width,
        data=PhotoRecipe(extent.side, WIDE, extent.limit),
        classes=tuple(CLASSES.values()),
        classification=Training(
            epochs=epochs or extent.epochs,
            batch=extent.batch,
            learning_rate=RATE,
            decay="step",
            stages=4,
            momentum=0.9,
            weight_decay=1e-4,
            augmentation=Augmentation(scales=_scales(extent), crop=(extent.crop, extent.crop)),
            precision="bfloat16",
            repeatable=False,
        ),
    )


def _scales(extent: _Extent) -> tuple[float, ...]:
    """Return the factors on a frame's sides at which a piece of the crop's size shows each share of its area."""
    return tuple(round(extent.crop / extent.side / area**0.5, 4) for area in AREAS)
