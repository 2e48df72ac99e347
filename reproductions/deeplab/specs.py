"""The networks of the paper as data. Needs no torch."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

from harness.errors import UsageError

Trunk = Literal["VGG-16", "ResNet-101"]

CLASSES = 21
"""Of PASCAL VOC 2012, background included."""
CROP = 321
"""Side of the images that the networks are trained on (released code)."""
STRIDE = 8
"""Pixels per cell of every score map (Section 3.1)."""
SCALES = (Fraction(1), Fraction(3, 4), Fraction(1, 2))
"""Of multi-scale inputs (Section 4.1.2)."""
RESNET_101_BLOCKS = (3, 4, 23, 3)
BRANCHES = ("first", "second", "third", "fourth")
"""Names of the parallel branches, in order of rate."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """How large a network looks; smaller images need smaller views, all in proportion.

    Attributes:
        stages: Of the trunk, the first of VGG-16's five or ResNet-101's four.
        blocks: Residual blocks in each of ResNet-101's stages, at most; None for all.
        stride: Pixels per cell of the feature map, a power of 2 of at least 4; strides beyond it become dilations.
        divisor: Of all rates of the head.
    """

    stages: int = 5
    blocks: int | None = None
    stride: int = STRIDE
    divisor: int = 1


@dataclass(frozen=True)
class ModelSpec:
    """What distinguishes one network from another.

    Attributes:
        name: As in the paper's tables, without what was done in training.
        trunk: What computes the feature map.
        kernel: Side of the first convolution on the feature map: ``fc6`` on VGG-16, the classifier on ResNet-101.
        rates: Its atrous rates, one for each parallel branch.
        channels: Of ``fc6`` and ``fc7``; 0 on ResNet-101, whose branches classify at once.
        blocks: Of ResNet-101 in each stage.
    """

    name: str
    trunk: Trunk
    kernel: int
    rates: tuple[int, ...]
    channels: int = 0
    blocks: tuple[int, ...] = ()


SMALL_RATES = (2, 4, 8, 12)
LARGE_RATES = (6, 12, 18, 24)
"""ASPP-S and ASPP-L (Section 4.1.2)."""

_SPECS = (
    ModelSpec("VGG-16 7x7, rate 4", "VGG-16", 7, (4,), 4096),
    ModelSpec("VGG-16 4x4, rate 4", "VGG-16", 4, (4,), 4096),
    ModelSpec("VGG-16 4x4, rate 8", "VGG-16", 4, (8,), 4096),
    ModelSpec("VGG-16 LargeFOV", "VGG-16", 3, (12,), 1024),
    ModelSpec("VGG-16 ASPP-S", "VGG-16", 3, SMALL_RATES, 1024),
    ModelSpec("VGG-16 ASPP-L", "VGG-16", 3, LARGE_RATES, 1024),
    ModelSpec("ResNet-101", "ResNet-101", 1, (1,), blocks=RESNET_101_BLOCKS),
    ModelSpec("ResNet-101 + LargeFOV", "ResNet-101", 3, (12,), blocks=RESNET_101_BLOCKS),
    ModelSpec("ResNet-101 + ASPP", "ResNet-101", 3, LARGE_RATES, blocks=RESNET_101_BLOCKS),
)

MODELS: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})
"""Every network by its name."""

TABLE_1 = ("VGG-16 7x7, rate 4", "VGG-16 4x4, rate 4", "VGG-16 4x4, rate 8", "VGG-16 LargeFOV (step)")
TABLE_3 = ("VGG-16 LargeFOV", "VGG-16 ASPP-S", "VGG-16 ASPP-L")
RESNETS = ("ResNet-101", "ResNet-101 + LargeFOV", "ResNet-101 + ASPP")
"""What the tables compare; those of ResNet-101 without the training that tells their rows apart."""


def find_spec(name: str) -> ModelSpec:
    """Return the network called ``name``, in any case; how it was trained may follow in parentheses.

    Raises:
        UsageError: No network has that name; the closest ones are offered.
    """
    by_name = {spec.name.lower(): spec for spec in MODELS.values()}
    wanted = name.partition("(")[0].strip().lower()
    if wanted in by_name:
        return by_name[wanted]
    close = [by_name[match].name for match in difflib.get_close_matches(wanted, by_name, n=3)]
    remedy = f"Did you mean {' or '.join(close)}?" if close else f"The models are: {', '.join(MODELS)}."
    raise UsageError(f"there is no model {name!r} in the paper deeplab", remedy)
