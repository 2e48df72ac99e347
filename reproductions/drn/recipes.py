"""Settings of the trained comparisons, at three scales. Every value here is part of a record. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from harness.datasets.imagenette import CLASSES
from harness.datasets.scenes import CLASS_NAMES, SceneSpec
from harness.engine.localise import THRESHOLDS
from harness.engine.recipe import Augmentation, Training
from harness.metrics.localisation import LocalisationProtocol
from reproductions.drn.specs import Schedule, Upsampling

Scale = Literal["toy", "cpu", "gpu"]

SYSTEMS = ("ResNet-18", "DRN-A-18", "DRN-B-26", "DRN-C-26")
"""The sequence of Figure 3: a residual network, dilated, with layers added, without their skip connections."""

RATE = 0.1
"""Largest learning rate of the classification, the paper's initial one (Section 5.1)."""
WARMUP = 0.2
"""Share of the steps in which it rises to that: with small batches and few steps it is too much to begin with."""
SEGMENTATION_RATE = 0.01
"""Largest learning rate of the segmentation, from the authors' code."""

IMAGE_SIDE = 224
"""Of the paper's ImageNet crops (Section 5.1), in pixels."""

TIMING_BLOCKS = 5
"""How often each network is timed, with all the others in between."""

WIDE = 128
"""Pixels a side that give a DRN 16 cells a side, the fewest on which gridding can be measured."""


@dataclass(frozen=True, slots=True)
class SceneRecipe:
    """Procedural scenes to learn from and to be tested on.

    Attributes:
        spec: Of the training and test scenes.
        wide_spec: Of wider scenes with objects of about the same size in pixels, for gridding, whose measure needs maps
            of at least 16 cells a side.
        train, test, wide: Numbers of scenes.
        tuning: The first training scenes on which the localisation threshold is chosen.
        seeds: Of the training, test and wide scenes; the same for all seeds of the training.
    """

    spec: SceneSpec
    wide_spec: SceneSpec
    train: int
    test: int
    wide: int
    tuning: int
    seeds: tuple[int, int, int] = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class PhotoRecipe:
    """Photographs of Imagenette, whole frames stretched to squares.

    Attributes:
        size: Side in pixels for testing and, unless the augmentation cuts pieces out, for training.
        wide_size: Side for gridding, whose measure needs maps of at least 16 cells a side.
        limit: At most so many images of each set, the first of each class in turn; None takes all.
    """

    size: int
    wide_size: int
    limit: int | None = None


Source = SceneRecipe | PhotoRecipe
SourceT = TypeVar("SourceT", bound=Source, covariant=True)


@dataclass(frozen=True, slots=True)
class Recipe(Generic[SourceT]):
    """One comparison.

    Attributes:
        width: Factor on the channels of each network.
        classes: Labels of the segmentation's classes, background first, or of the photographs.
        dilation: Which layers of DRN-A are dilated how much.
        segmentation: Transfer to segmentation; None without label maps.
        evaluation_batch: Images evaluated at a time.
        localisation: The rule; its threshold is replaced by the chosen one.
        thresholds: Among which it is chosen.
        panels: Pictures kept for the report.
    """

    scale: Scale
    width: float
    data: SourceT
    classes: tuple[str, ...]
    classification: Training
    segmentation: Training | None = None
    upsampling: Upsampling = Upsampling.HALF_PIXEL
    dilation: Schedule = Schedule.PAPER
    evaluation_batch: int = 250
    localisation: LocalisationProtocol = field(default_factory=LocalisationProtocol)
    thresholds: tuple[float, ...] = THRESHOLDS
    panels: int = 6


@dataclass(frozen=True, slots=True)
class _Extent:
    """How much of everything one scale affords."""

    size: int
    width: float
    epochs: int
    batch: int
    transfer_epochs: int = 0
    transfer_batch: int = 0
    train: int = 0
    test: int = 0
    wide: int = 0
    tuning: int = 0
    limit: int | None = None


_SCENES: dict[Scale, _Extent] = {
    "toy": _Extent(32, 0.125, 2, 16, transfer_epochs=1, transfer_batch=16, train=64, test=48, wide=12, tuning=32),
    "cpu": _Extent(48, 0.25, 8, 32, transfer_epochs=2, transfer_batch=32, train=3000, test=2000, wide=200, tuning=500),
    "gpu": _Extent(
        128, 1.0, 15, 128, transfer_epochs=5, transfer_batch=64, train=20_000, test=5000, wide=1000, tuning=1000
    ),
}
_PHOTOGRAPHS: dict[Scale, _Extent] = {"toy": _Extent(32, 0.125, 2, 16, limit=48), "cpu": _Extent(48, 0.25, 4, 32)}


def scenes(scale: Scale, epochs: int | None = None) -> Recipe[SceneRecipe]:
    """Return the recipe for procedural scenes; ``epochs`` replaces the number of passes of the classification."""
    extent = _SCENES[scale]
    spec, wide = _spec(extent.size), _wide_spec(extent.size)
    return Recipe(
        scale=scale,
        width=extent.width,
        data=SceneRecipe(spec, wide, extent.train, extent.test, extent.wide, extent.tuning),
        classes=("background", *CLASS_NAMES),
        classification=_training(scale, RATE, epochs or extent.epochs, extent.batch, extent.size),
        segmentation=_training(scale, SEGMENTATION_RATE, extent.transfer_epochs, extent.transfer_batch, extent.size),
    )


def photographs(scale: Literal["toy", "cpu"], epochs: int | None = None) -> Recipe[PhotoRecipe]:
    """Return the recipe for Imagenette without a GPU; ``epochs`` replaces the number of passes."""
    extent = _PHOTOGRAPHS[scale]
    return Recipe(
        scale=scale,
        width=extent.width,
        data=PhotoRecipe(extent.size, WIDE, extent.limit),
        classes=tuple(CLASSES.values()),
        classification=_training(scale, RATE, epochs or extent.epochs, extent.batch, extent.size),
    )


def _spec(size: int) -> SceneSpec:
    """Scenes whose objects are as large as ImageNet's: a box covers 0.41 of the frame on average.

    So does the largest official box of each of the 500 boxed images of Imagenette.
    """
    return SceneSpec(size=size, smallest=50, largest=100)


def _wide_spec(size: int) -> SceneSpec:
    """Scenes of at least 16 cells a side, with objects of the same size in pixels and as densely strewn as allowed."""
    if size >= WIDE:
        return _spec(size)
    return SceneSpec(size=WIDE, smallest=50 * size // WIDE, largest=100 * size // WIDE, distractors=8, clutter=16)


def _training(scale: Scale, rate: float, epochs: int, batch: int, size: int) -> Training:
    """The paper's momentum and weight decay; half a cosine after the warm-up."""
    return Training(
        epochs,
        batch,
        rate,
        warmup=WARMUP,
        momentum=0.9,
        weight_decay=1e-4,
        augmentation=Augmentation(shift=size // 12),
        precision="bfloat16" if scale == "gpu" else "float32",
        repeatable=scale != "gpu",
    )
