"""Settings of the experiments. Every value here is part of a record. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType

from harness.datasets.scenes import SceneSpec
from harness.engine.recipe import Augmentation, Training
from harness.segmentation.recipe import CrfSearch, PhotoData, Recipe, Scale, SceneData
from harness.segmentation.sets import CAMVID_CLASSES, SCENE_CLASSES
from reproductions.hdc.sequences import Space, Variant, both, res4, res5

CROP = 544
"""Side of a training crop of the baseline (Section 4.1), in pixels."""
GRIDDING_PERIOD = 4
"""The grids of 2 and of 4 cells that the uniform network prints."""

STACKS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "rates [1, 2, 5]": (1, 2, 5),
        "rates [1, 2, 9]": (1, 2, 9),
        "stack of Figure 2 (a)": (2, 2, 2),
        "stack of Figure 2 (b)": (1, 2, 3),
        "layers of the example 2, 4, 8": (2, 4, 8),
        **{
            f"{module} of {variant.value}": rates
            for variant in Variant
            for module, rates in (("res4b", res4(variant)), ("res5b", res5(variant)), ("both modules", both(variant)))
        },
    }
)
"""Stacks of 3x3 convolutions whose coverage is computed: the examples of Section 3.2 and the modules of Section 4.1."""

_RULE = "rule M2 <= K"
RULE_SPACES: Mapping[str, Space] = MappingProxyType(
    {
        f"{_RULE}: all sequences of 2 to 5 rates up to 10": Space(),
        f"{_RULE}: those that begin with 1": Space(from_one=True),
        f"{_RULE}: those that do not decrease": Space(rising=True),
        f"{_RULE}: those that begin with 1 and do not decrease": Space(rising=True, from_one=True),
        f"{_RULE}: the last, rates up to 20": Space(largest=20, rising=True, from_one=True),
        f"{_RULE}: the last but one, K = 2": Space(rising=True, from_one=True, kernel=2),
        f"{_RULE}: the last but one, K = 5": Space(rising=True, from_one=True, kernel=5),
    }
)
"""Where the rule is held against true coverage."""

DECODERS = (
    "Baseline DS=8 ASPP=4 Aug=yes",
    "DUC DS=8 ASPP=4 Aug=yes Cell=1",
    "ResNet-DUC bigger patch",
    "ResNet-101, direct deconvolution",
    "ResNet-101, deconvolution in two steps",
)
"""One trunk under five decoders: bilinear, DUC of two cell sizes, and two deconvolutions as large as the second DUC."""
VARIANTS = ("ResNet-DUC bigger patch", "No dilation", "Dilation-conv", "Dilation-RF", "Dilation-bigger")
"""One decoder on five trunks that differ in their dilations alone."""
REFINED = "ResNet-DUC bigger patch"
"""The network that a CRF is put behind."""

LEARNING_RATE = 0.1
"""Of training from scratch; the paper's 2.5e-4 is for fine-tuning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRecipe(Recipe):
    """A comparison of networks trained from scratch.

    Attributes:
        blocks, strides, channels: Of res2 to res5; the width applies to the channels and the stem.
        rates: Dilations of the paths of the head.
    """

    data: SceneData
    blocks: tuple[int, ...]
    strides: tuple[int, ...]
    channels: tuple[int, ...] = (64, 64, 64, 64)
    rates: tuple[int, ...] = (2,)

    @property
    def stride(self) -> int:
        """Image pixels per cell of the feature map; the stem and its pool make up 4 of them."""
        return 4 * prod(self.strides)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of an image."""
        return self.data.spec.size, self.data.spec.size


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoRecipe(Recipe):
    """A comparison on photographs, of what stands on VGG-16 with ImageNet weights.

    Attributes:
        stages: Of VGG-16, up to its last maps.
        stride: Image pixels per cell of those maps; pools beyond it are left out.
        blocks: Of res4b and res5b that stand on them.
        rates: Dilations of the paths of the head.
        weights: File in the data folder.
    """

    data: PhotoData
    stages: int
    stride: int
    blocks: tuple[int, int] = (0, 0)
    rates: tuple[int, ...] = (2,)
    weights: str = "weights/vgg16_features_fp16.pth"

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of an image."""
        return self.data.height, self.data.width


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenRecipe(PhotoRecipe):
    """A comparison on feature maps that VGG-16 makes once; it does not learn.

    Attributes:
        channels: That the maps are reduced to.
    """

    channels: int = 48


@dataclass(frozen=True, slots=True)
class _Extent:
    """How much of everything one scale affords."""

    size: int
    width: float
    train: int
    tuning: int
    test: int
    epochs: int
    blocks: tuple[int, ...]


_SCENES: dict[Scale, _Extent] = {
    "toy": _Extent(32, 0.0625, 32, 4, 12, 2, (1, 1, 1, 1)),
    "cpu": _Extent(64, 0.25, 1000, 12, 400, 5, (1, 1, 4, 3)),
}
_DILATIONS: dict[Scale, _Extent] = {
    "toy": _Extent(64, 0.0625, 32, 4, 12, 2, (1, 1, 4, 3)),
    "cpu": _Extent(96, 0.1875, 500, 12, 300, 5, (1, 1, 4, 3)),
}
_PHOTO_EPOCHS: dict[Scale, int] = {"toy": 1, "cpu": 10}
_PHOTO_LIMIT: dict[Scale, int] = {"toy": 12, "cpu": 180}
_Axes = dict[str, tuple[float, ...]]
_FEW_POINTS: _Axes = {"w1": (3.0,), "sigma_alpha": (15.0,), "sigma_beta": (3.0, 10.0)}
_POINTS: _Axes = {"w1": (3.0, 6.0, 12.0), "sigma_alpha": (5.0, 15.0, 45.0), "sigma_beta": (3.0, 10.0, 30.0)}
"""Around the paper's values, which are 3, 15 and 3 with w2 = 3 and sigma_gamma = 1 (Section 4.1)."""


def scenes(scale: Scale, epochs: int | None = None) -> NetworkRecipe:
    """Return the recipe of the decoders; ``epochs`` replaces the number of passes."""
    return _recipe(_SCENES[scale], scale, epochs, strides=(1, 2, 1, 1), crf=True)


def dilations(scale: Scale, epochs: int | None = None) -> NetworkRecipe:
    """Return the recipe of the dilations: maps fine enough for most rates to stay inside them."""
    return _recipe(_DILATIONS[scale], scale, epochs, strides=(1, 1, 1, 1), crf=False)


def photographs(scale: Scale, epochs: int | None = None) -> FrozenRecipe:
    """Return the recipe of the decoders on the last maps of VGG-16, 12x16 cells of 8 pixels."""
    return _frozen(scale, epochs or _PHOTO_EPOCHS[scale], stages=5, stride=8)


def photographed_dilations(scale: Scale, epochs: int | None = None) -> FrozenRecipe:
    """Return the recipe of the dilations on the maps of conv3, 24x32 cells of 4 pixels."""
    return _frozen(scale, epochs or _PHOTO_EPOCHS[scale], stages=3, stride=4, blocks=(4, 3))


def _frozen(scale: Scale, epochs: int, *, stages: int, stride: int, blocks: tuple[int, int] = (0, 0)) -> FrozenRecipe:
    crf = not any(blocks)
    return FrozenRecipe(
        scale=scale,
        width=1.0,
        data=PhotoData("camvid", 96, 128, tuning=12, limit=_PHOTO_LIMIT[scale]),
        classes=CAMVID_CLASSES,
        training=_training(epochs, shift=0),
        variants={"crf": f"{REFINED} + CRF"} if crf else {},
        crf=crf_search(scale) if crf else None,
        stages=stages,
        stride=stride,
        blocks=blocks,
    )


def _recipe(extent: _Extent, scale: Scale, epochs: int | None, *, strides: tuple[int, ...], crf: bool) -> NetworkRecipe:
    spec = SceneSpec(size=extent.size, smallest=50, largest=100, distractors=1, clutter=1)
    return NetworkRecipe(
        scale=scale,
        width=extent.width,
        data=SceneData(spec, extent.train, extent.tuning, extent.test),
        classes=SCENE_CLASSES,
        training=_training(epochs or extent.epochs, extent.size // 12),
        variants={"crf": f"{REFINED} + CRF"} if crf else {},
        crf=crf_search(scale) if crf else None,
        blocks=extent.blocks,
        strides=strides,
    )


def crf_search(scale: Scale) -> CrfSearch:
    """Return the search around the paper's parameters."""
    return CrfSearch((_FEW_POINTS if scale == "toy" else _POINTS,), w2=3.0, sigma_gamma=1.0)


def _training(epochs: int, shift: int) -> Training:
    """The paper's schedule, momentum and weight decay (Section 4.1)."""
    varied = Augmentation(shift=shift)
    return Training(
        epochs, 8, LEARNING_RATE, decay="poly", warmup=0.1, momentum=0.9, weight_decay=5e-4, augmentation=varied
    )
