"""Settings of the experiments that train whole networks on photographs, which takes a GPU. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from harness.engine.recipe import Augmentation, Group, Training
from harness.segmentation.recipe import CAFFE_BIASES, PhotoData, Scale
from harness.segmentation.sets import CAMVID_CLASSES
from reproductions.hdc.recipes import REFINED, PhotoRecipe, crf_search
from reproductions.hdc.sequences import RES4, RES5

LEARNING_RATE = 2.5e-4
"""The paper's (Section 4.1)."""
RATES = (6, 12, 18, 24)
"""Of the baseline's ASPP module (Section 4.1)."""
THIN_CLASSES = ("pole", "sign", "pedestrian", "bicyclist")
"""What is few pixels wide on CamVid: small objects as the paper has them, "such as poles, traffic lights, and traffic
signs" (Section 4.1), and people."""

_NEW = r".*\.(head|res4b|res5b)\."
GROUPS = (Group(rf"{_NEW}.*\.bias", rate=20.0, decay=0.0), Group(rf"{_NEW}.*", rate=10.0), CAFFE_BIASES)
"""Factors of DeepLab v2's published networks, the framework of the baseline: layers without ImageNet weights learn ten
times as fast as the others, and biases twice as fast as weights, without decay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeRecipe(PhotoRecipe):
    """A comparison of networks of which every layer learns; the width applies to res4b and res5b.

    Attributes:
        channels: Of the 3x3 convolutions of res4b and of res5b.
        means: Classes that metrics besides the mean IoU are the mean IoU of, by metric.
    """

    channels: tuple[int, int]
    means: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Extent:
    """How much of everything one scale affords; ``size`` is of the frames, and ``crop`` the side of a piece of them."""

    size: tuple[int, int]
    crop: int
    batch: int
    tuning: int
    limit: int | None
    width: float
    blocks: tuple[int, int]
    evaluation_batch: int


_EXTENTS: dict[Scale, _Extent] = {
    "toy": _Extent((128, 144), 64, 2, 2, 4, 0.125, (4, 3), 2),
    "gpu": _Extent((360, 480), 320, 12, 12, None, 1.0, (RES4[101], RES5), 10),
}
_DECODER_EPOCHS: dict[Scale, int] = {"toy": 1, "gpu": 200}
_DILATION_EPOCHS: dict[Scale, int] = {"toy": 1, "gpu": 100}


def decoders(scale: Scale, epochs: int | None = None) -> WholeRecipe:
    """Return the recipe of the decoders on all of VGG-16; ``epochs`` replaces the number of passes."""
    return _recipe(scale, epochs or _DECODER_EPOCHS[scale], stages=5, blocks=(0, 0))


def dilations(scale: Scale, epochs: int | None = None) -> WholeRecipe:
    """Return the recipe of the dilations: ResNet-101's res4b and res5b on VGG-16's conv4, which takes res3b's place."""
    return _recipe(scale, epochs or _DILATION_EPOCHS[scale], stages=4, blocks=_EXTENTS[scale].blocks)


def _recipe(scale: Scale, epochs: int, *, stages: int, blocks: tuple[int, int]) -> WholeRecipe:
    extent, crf = _EXTENTS[scale], not any(blocks)
    return WholeRecipe(
        scale=scale,
        width=extent.width,
        data=PhotoData("camvid", *extent.size, tuning=extent.tuning, limit=extent.limit),
        classes=CAMVID_CLASSES,
        training=_training(epochs, extent),
        variants={"crf": f"{REFINED} + CRF"} if crf else {},
        evaluation_batch=extent.evaluation_batch,
        crf=crf_search(scale) if crf else None,
        stages=stages,
        stride=8,
        blocks=blocks,
        rates=RATES,
        channels=(256, 512),
        means={"thin-miou": THIN_CLASSES},
    )


def _training(epochs: int, extent: _Extent) -> Training:
    """The paper's rate, decay, momentum and weight decay (Section 4.1)."""
    return Training(
        epochs,
        extent.batch,
        LEARNING_RATE,
        decay="poly",
        momentum=0.9,
        weight_decay=5e-4,
        augmentation=Augmentation(crop=(extent.crop, extent.crop)),
        groups=GROUPS,
        precision="bfloat16",
        repeatable=False,
    )
