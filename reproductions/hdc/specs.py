"""The networks of the paper as data: names, settings and what the sources leave open. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from harness.errors import UsageError
from reproductions.hdc.sequences import Variant

CLASSES = 19
"""Of Cityscapes (Section 4.1)."""
RATE_STEP = 6
"""Between the rates of the ASPP module's paths, which begin with it: 6 to 24, or 6 to 36 (Section 4.1)."""
SINGLE_RATE = 12
"""Of the only path where there is no ASPP module; the paper gives none, and 12 is DeepLab's LargeFOV."""


class Decoder(StrEnum):
    """How scores reach the image's resolution.

    Attributes:
        BILINEAR: The baseline: one score per class and cell of the feature map, interpolated.
        DUC: Dense upsampling convolution: one score per class and pixel of a cell (Section 3.1).
        DIRECT: One deconvolution by the whole factor (Section 4.1, "Compared with Deconvolution").
        TWO_STEP: A deconvolution by 2, then one by the rest.
    """

    BILINEAR = "bilinear"
    DUC = "DUC"
    DIRECT = "direct deconvolution"
    TWO_STEP = "deconvolution in two steps"


@dataclass(frozen=True)
class ModelSpec:
    """What distinguishes one network from another.

    Attributes:
        name: As in the claims.
        depth: Layers of the residual network.
        variant: Dilations of its last two modules.
        decoder: On top of it.
        paths: Of the ASPP module; 1 for no such module.
        stride: Image pixels per cell of the feature map, 8 or 4.
        cell: Pixels a side that one score of DUC or of a deconvolution stands for.
        deep_stem: Whether three 3x3 convolutions take the place of the 7x7 one ("better network").
    """

    name: str
    depth: Literal[101, 152] = 101
    variant: Variant = Variant.UNIFORM
    decoder: Decoder = Decoder.DUC
    paths: int = 6
    stride: Literal[8, 4] = 8
    cell: int = 2
    deep_stem: bool = False

    @property
    def rates(self) -> tuple[int, ...]:
        """Dilations of the paths of the head."""
        if self.paths == 1:
            return (SINGLE_RATE,)
        return tuple(RATE_STEP * path for path in range(1, self.paths + 1))


BASELINE = ModelSpec("Baseline DS=8 ASPP=4 Aug=yes", decoder=Decoder.BILINEAR, paths=4)
BIGGER_PATCH = ModelSpec("ResNet-DUC bigger patch")
"""What the deconvolutions and the variants of Table 2 are held against."""

TABLE_1 = (
    BASELINE,
    replace(BASELINE, name="Baseline DS=4 ASPP=4 Aug=yes", stride=4),
    ModelSpec("DUC DS=8 ASPP=no Aug=no Cell=1", paths=1, cell=1),
    ModelSpec("DUC DS=8 ASPP=4 Aug=no Cell=1", paths=4, cell=1),
    ModelSpec("DUC DS=8 ASPP=4 Aug=yes Cell=1", paths=4, cell=1),
    ModelSpec("DUC DS=4 ASPP=4 Aug=yes Cell=1", paths=4, cell=1, stride=4),
    ModelSpec("DUC DS=8 ASPP=6 Aug=yes Cell=1", cell=1),
    ModelSpec("DUC DS=8 ASPP=6 Aug=yes Cell=2"),
)
DECONVOLUTIONS = (
    ModelSpec("ResNet-101, direct deconvolution", decoder=Decoder.DIRECT),
    ModelSpec("ResNet-101, deconvolution in two steps", decoder=Decoder.TWO_STEP),
)
TABLE_2 = (
    ModelSpec("No dilation", variant=Variant.NONE),
    ModelSpec("Dilation-conv", variant=Variant.CONV),
    ModelSpec("Dilation-RF", variant=Variant.RF),
    ModelSpec("Dilation-bigger", variant=Variant.BIGGER),
)
TABLE_3 = (
    ModelSpec("ResNet-101 Deconv fine", decoder=Decoder.DIRECT),
    ModelSpec("ResNet-101 DUC+HDC fine", variant=Variant.BIGGER),
    ModelSpec("ResNet-152 Deconv fine", depth=152, decoder=Decoder.DIRECT),
    ModelSpec("ResNet-152 DUC+HDC fine", depth=152, variant=Variant.BIGGER),
)
RELEASED = ModelSpec("ResNet-DUC-HDC-Coarse (better network)", variant=Variant.RELEASED, paths=4, deep_stem=True)
"""The network of the authors' release, whose README has the 80.1 % of this row of Table 4."""

MODELS: Mapping[str, ModelSpec] = MappingProxyType(
    {spec.name: spec for spec in (*TABLE_1, BIGGER_PATCH, *DECONVOLUTIONS, *TABLE_2, *TABLE_3, RELEASED)}
)
"""Every network by its name."""


def find_spec(name: str) -> ModelSpec:
    """Return the network called ``name``.

    Raises:
        UsageError: No network has that name.
    """
    if name not in MODELS:
        raise UsageError(f"there is no model {name!r} in the paper hdc", f"The models are: {'; '.join(MODELS)}.")
    return MODELS[name]
