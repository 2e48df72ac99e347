"""Settings of the experiments. Every value here is part of a record. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from harness.datasets.scenes import SceneSpec
from harness.engine.recipe import Decay, Training
from harness.segmentation.recipe import CrfSearch, PhotoData, Recipe, Scale, SceneData
from harness.segmentation.sets import SCENE_CLASSES, VOC_CLASSES
from reproductions.deeplab.specs import TABLE_3, Geometry

TIMING_BLOCKS = 5
"""How often each system is timed, with all the others in between."""

STEP, POLY = "VGG-16 LargeFOV (step)", "VGG-16 LargeFOV (poly, 30, 6K)"
"""The first two rows of Table 2, which differ in nothing but how the learning rate falls."""
MULTI_SCALE = "ResNet-101 + MSC"
SYSTEMS = (STEP, POLY, *TABLE_3, "ResNet-101", MULTI_SCALE)
"""Compared on scenes: schedules (Table 2), fields of view (Table 3), trunks and scales (Table 4)."""
REFINED = (STEP, *TABLE_3, "ResNet-101")
"""To which a CRF is applied as well: Tables 1 and 3, Figure 10."""
VARIANTS: Mapping[str, str] = MappingProxyType(
    {
        "crf": "{system} + CRF",
        "near": "{system} near boundaries",
        "near-crf": "{system} + CRF near boundaries",
    }
)

RATE = 0.05
"""Largest learning rate of networks that start from nothing."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a row of Table 2 changes in the training of all others.

    Attributes:
        decay: Of the learning rate.
        batch: Factor on the images per step.
        length: Factor on the epochs.
    """

    decay: Decay = "poly"
    batch: float = 1.0
    length: float = 1.0

    def applied(self, training: Training) -> Training:
        """Return ``training`` so changed; a step comes after each third, as after 2K of 6K iterations."""
        epochs, batch = max(1, round(training.epochs * self.length)), round(training.batch * self.batch)
        return replace(training, decay=self.decay, batch=batch, epochs=epochs, stages=3)


POLICIES: Mapping[str, Policy] = MappingProxyType(
    {
        **{system: Policy(batch=1 / 3) for system in SYSTEMS},
        STEP: Policy("step", length=0.9),
        POLY: Policy("poly", length=0.9),
    }
)
"""Batches of 30 for 6K iterations, in proportion to the batches of 10 for 20K iterations that all others have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepLabRecipe(Recipe):
    """One comparison.

    Attributes:
        geometry: Of all networks.
        head: Factor on the channels of ``fc6`` and ``fc7`` besides ``width``.
        dropout: Share of activations dropped after them in training.
        policies: By system, where its training differs from ``training``.
        refined: Systems whose scores a CRF refines.
        band: Pixels from a boundary to which "near" extends.
        weights: File of the trunk's ImageNet weights in the data folder; empty if the trunk is trained.
    """

    geometry: Geometry
    head: float
    dropout: float
    policies: dict[str, Policy]
    refined: tuple[str, ...]
    band: int
    weights: str = ""

    def training_of(self, system: str) -> Training:
        """Return the training of one system."""
        return self.policies.get(system, Policy()).applied(self.training)


@dataclass(frozen=True, slots=True)
class _Extent:
    """How much of everything one scale affords."""

    width: float
    train: int
    tuning: int
    test: int
    epochs: int
    batch: int


_SCENES: Mapping[Scale, _Extent] = MappingProxyType(
    {"toy": _Extent(1 / 16, 32, 2, 8, 2, 6), "cpu": _Extent(1 / 8, 420, 12, 250, 10, 12)}
)
_PHOTOGRAPHS: Mapping[Scale, _Extent] = MappingProxyType(
    {"toy": _Extent(1, 6, 2, 6, 2, 2), "cpu": _Extent(1, 200, 10, 200, 10, 8)}
)


def scenes(scale: Scale, epochs: int | None = None) -> DeepLabRecipe:
    """Return the recipe for procedural scenes; ``epochs`` replaces the number of passes.

    Scenes of 65 pixels at stride 4 give 17 cells, two fifths of the 41 that crops of 321 pixels give at stride 8. All
    rates are halved, and the trunks end after three stages, so that one sees about as much of its image as VGG-16.
    """
    extent = _SCENES[scale]
    spec = SceneSpec(size=65, smallest=60, largest=100, distractors=1, clutter=1)
    return DeepLabRecipe(
        scale=scale,
        width=extent.width,
        data=SceneData(spec, extent.train, extent.tuning, extent.test),
        classes=SCENE_CLASSES,
        training=_training(extent, epochs, shift=6),
        variants=dict(VARIANTS),
        crf=_search(scale, alpha=(6.0, 13.0, 20.0), step=3.0),
        geometry=Geometry(stages=3, blocks=2, stride=4, divisor=2),
        head=1.0,
        dropout=0.0,
        policies=dict(POLICIES),
        refined=REFINED,
        band=2,
    )


def photographs(scale: Scale, epochs: int | None = None) -> DeepLabRecipe:
    """Return the recipe for PASCAL VOC 2012; ``epochs`` replaces the number of passes.

    Photographs of 161 pixels give 21 cells at stride 8, half of the 41 that crops of 321 pixels give; all rates are
    halved.
    """
    extent = _PHOTOGRAPHS[scale]
    return DeepLabRecipe(
        scale=scale,
        width=extent.width,
        data=PhotoData("voc", 161, 161, extent.tuning, limit=extent.train),
        classes=VOC_CLASSES,
        training=_training(extent, epochs, shift=0),
        variants=dict(VARIANTS),
        evaluation_batch=10,
        crf=_search(scale, alpha=(10.0, 30.0), step=10.0),
        geometry=Geometry(divisor=2),
        head=1 / 16,
        dropout=0.0,
        policies={},
        refined=TABLE_3,
        band=5,
        weights="weights/vgg16_features_fp16.pth",
    )


def _training(extent: _Extent, epochs: int | None, shift: int) -> Training:
    """The paper's momentum, weight decay and poly schedule."""
    return Training(
        epochs or extent.epochs, extent.batch, RATE, decay="poly", momentum=0.9, weight_decay=5e-4, shift=shift
    )


def _search(scale: Scale, alpha: tuple[float, ...], step: float) -> CrfSearch:
    """The paper's search with fewer points, its deviation in position in proportion to the image."""
    if scale == "toy":
        return CrfSearch(({"w1": (3.0,), "sigma_alpha": alpha[:1], "sigma_beta": (3.0, 6.0)},), iterations=2)
    coarse = {"w1": (3.0, 6.0), "sigma_alpha": alpha, "sigma_beta": (3.0, 6.0)}
    return CrfSearch((coarse, {"sigma_alpha": (-step, 0.0, step)}))
