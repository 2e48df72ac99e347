"""Settings of the experiments. Every value here is part of a record. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from harness.datasets.scenes import SceneSpec
from harness.engine.crf import DEEPLAB_SEARCH
from harness.engine.recipe import Augmentation, Decay, Group, Training
from harness.segmentation.recipe import CAFFE_BIASES, CrfSearch, PhotoData, Recipe, Scale, SceneData
from harness.segmentation.sets import SCENE_CLASSES, VOC_CLASSES
from reproductions.deeplab.specs import CROP, TABLE_1, TABLE_3, Geometry

TIMING_BLOCKS = 5
"""How often each system is timed, with all the others in between."""

STEP, POLY = "VGG-16 LargeFOV (step)", "VGG-16 LargeFOV (poly, 30, 6K)"
"""The first two rows of Table 2, which differ in nothing but how the learning rate falls."""
MULTI_SCALE = "ResNet-101 + MSC"
SYSTEMS = (STEP, POLY, *TABLE_3, "ResNet-101", MULTI_SCALE)
"""Compared on scenes: schedules (Table 2), fields of view (Table 3), trunks and scales (Table 4)."""
REFINED = (STEP, *TABLE_3, "ResNet-101")
"""To which a CRF is applied as well: Tables 1 and 3, Figure 10."""
FINE_TUNED = (*TABLE_1, POLY, *TABLE_3)
"""Trained end to end on photographs: kernels and rates (Table 1), schedules (Table 2), fields of view (Table 3)."""
VARIANTS: Mapping[str, str] = MappingProxyType(
    {
        "crf": "{system} + CRF",
        "near": "{system} near boundaries",
        "near-crf": "{system} + CRF near boundaries",
    }
)

RATE = 0.05
"""Largest learning rate of networks that start from nothing."""
FINE_RATE = 1e-3
"""That of layers with ImageNet weights (Section 4.1.1)."""
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5)
"""By which training images are scaled (released code)."""
ENOUGH_IMAGES = 20
"""A class enters the mean IoU on photographs if so many test images show it. A bootstrap resample holds none of 20
images less than once in 400 million times, none of three once in twenty: the IoU of a class in so few says more of its
images than of the network. No score was looked at."""


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
FINE_POLICIES: Mapping[str, Policy] = MappingProxyType(
    {**dict.fromkeys(TABLE_1, POLICIES[STEP]), POLY: POLICIES[POLY], **dict.fromkeys(TABLE_3, Policy(batch=1 / 3))}
)
"""The same on photographs: the networks of Table 1 were trained before the paper turned from step to poly."""


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
        trunk: "random": trained from random weights; "frozen": ImageNet weights, not trained any further;
            "fine-tuned": ImageNet weights to begin with. Batch norm follows what is trained from random weights or on
            frozen maps; a fine-tuned network has none, as VGG-16.
        weights: File of the ImageNet weights in the data folder; empty without.
        filler: Standard deviation of the initial weights of ``fc6``, ``fc7`` and the classifier; 0: He's rule by
            fan-in, and 0.01 for the classifier.
    """

    geometry: Geometry
    head: float
    dropout: float
    policies: dict[str, Policy]
    refined: tuple[str, ...]
    band: int
    trunk: Literal["random", "frozen", "fine-tuned"]
    weights: str = ""
    filler: float = 0.0

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
_FINE_TUNED: Mapping[Scale, _Extent] = MappingProxyType(
    {"toy": _Extent(1, 12, 2, 12, 2, 6), "gpu": _Extent(1, 1000, 10, 1000, 30, 30)}
)
WEIGHTS = "weights/vgg16_features_fp16.pth"
"""The convolutions of torchvision's VGG-16, in the data folder."""


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
        trunk="random",
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
        crf=_search(scale, alpha=(10.0, 30.0), step=5.0),
        geometry=Geometry(divisor=2),
        head=1 / 16,
        dropout=0.0,
        policies={},
        refined=TABLE_3,
        band=5,
        trunk="frozen",
        weights=WEIGHTS,
    )


def fine_tuned(scale: Scale, epochs: int | None = None) -> DeepLabRecipe:
    """Return the recipe for networks trained end to end on PASCAL VOC 2012; ``epochs`` replaces the number of passes.

    Networks, crops, scales, dropout, optimiser, rates and schedules are the paper's. ``fc6`` and ``fc7`` start at
    random and learn as fast as the classifier. A toy run has crops of 65 pixels, and few channels in these two layers.
    """
    extent, whole = _FINE_TUNED[scale], scale == "gpu"
    side = CROP if whole else 65
    training = Training(
        epochs or extent.epochs,
        extent.batch,
        FINE_RATE,
        decay="poly",
        momentum=0.9,
        weight_decay=5e-4,
        augmentation=Augmentation(scales=SCALES, crop=(side, side), outside="mean"),
        groups=(
            Group(r"network\.head\..*\.weight", rate=10.0),
            Group(r"network\.head\..*\.bias", rate=20.0, decay=0.0),
            CAFFE_BIASES,
        ),
        precision="bfloat16",
        repeatable=False,
    )
    return DeepLabRecipe(
        scale=scale,
        width=extent.width,
        data=PhotoData("voc", side, side, extent.tuning, limit=extent.train),
        classes=VOC_CLASSES,
        training=training,
        variants=dict(VARIANTS),
        evaluation_batch=10,
        crf=CrfSearch(DEEPLAB_SEARCH) if whole else _search(scale, alpha=(6.0,), step=3.0),
        least_images=ENOUGH_IMAGES if whole else 1,
        geometry=Geometry(),
        head=1.0 if whole else 1 / 64,
        dropout=0.5,
        policies=dict(FINE_POLICIES),
        refined=(*TABLE_1, *TABLE_3),
        band=side // 32,
        trunk="fine-tuned",
        weights=WEIGHTS,
        filler=0.01,
    )


def _training(extent: _Extent, epochs: int | None, shift: int) -> Training:
    """The paper's momentum, weight decay and poly schedule."""
    varied = Augmentation(shift=shift)
    return Training(
        epochs or extent.epochs, extent.batch, RATE, decay="poly", momentum=0.9, weight_decay=5e-4, augmentation=varied
    )


def _search(scale: Scale, alpha: tuple[float, ...], step: float) -> CrfSearch:
    """The paper's search with fewer points, its deviation in position in proportion to the image."""
    if scale == "toy":
        return CrfSearch(({"w1": (3.0,), "sigma_alpha": alpha[:1], "sigma_beta": (3.0, 6.0)},), iterations=2)
    coarse = {"w1": (3.0, 6.0), "sigma_alpha": alpha, "sigma_beta": (3.0, 6.0)}
    return CrfSearch((coarse, {"sigma_alpha": (-step, 0.0, step)}))
