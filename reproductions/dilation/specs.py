"""The networks of the paper as data: context modules, front ends, deployed sizes. Needs no torch."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from harness.errors import UsageError

MARGIN = 186
"""Pixels that the image is extended by on every side, mirrored, so that the unpadded front end loses none of it."""


CLASSES = 21
"""C of the networks for VOC 2012, the background included."""
IMAGE_SIDE, MAP_SIDE = 512, 64
"""Pixels of an image that the front end makes maps of 64x64 cells of, and those cells (Sections 3 and 4)."""


class FrontEnd(StrEnum):
    """Adaptations of VGG-16 to dense prediction (Section 4, Table 2).

    Attributes:
        DILATED: The paper's: pool4 and pool5 removed, conv5 dilated by 2 and fc6 by 4, nothing padded.
        FCN: FCN-8s of Long et al.: all pools kept, scores of pool3 and pool4 added on the way back up.
        DEEPLAB: The DeepLab of Chen et al. (ICLR 2015) that has 66.4 on the leaderboard with its CRF (Section 4): all
            pools kept and made 3x3, the last two with stride 1, conv5 dilated by 2, fc6 cut to 4x4 and dilated by 4.
        LARGE_FOV: DeepLab-LargeFOV, its later arrangement (Table 6): fc6 cut to 3x3 and dilated by 12, with 1024
            channels after it.
        POOLED: The paper's, but for pool4 and pool5, which stay as DeepLab has them: 3x3 with stride 1. It isolates
            the removal that Section 4 credits with the gain.
    """

    DILATED = "Our front end"
    POOLED = "Our front end with pooling"
    FCN = "FCN-8s"
    DEEPLAB = "DeepLab"
    LARGE_FOV = "DeepLab-LFOV"


@dataclass(frozen=True, slots=True)
class Size:
    """How much smaller than published a front end is built, for experiments; the defaults are the published networks.

    Attributes:
        width: Factor on the channels of every hidden layer.
        convolutions: Of each stage of VGG; None for VGG-16's.
        stride: Image pixels per cell of the finest map that is scored: 8, or 4 for images half as large, where the
            first pool is left out.
        hidden: Channels of fc6 and fc7; None for the published ones times the width.
        kernel: Side of fc6; None for each front end's own. Its dilation stays.
        batch_norm: Normalise after every hidden layer, for training from scratch.
        dropout: Share of activations dropped after fc6 and after fc7.
    """

    width: float = 1.0
    convolutions: tuple[int, int, int, int, int] | None = None
    stride: Literal[4, 8] = 8
    hidden: int | None = None
    kernel: int | None = None
    batch_norm: bool = False
    dropout: float = 0.5

    @property
    def field(self) -> int:
        """Side in pixels of the receptive field of the dilated front end."""
        field, stride = 1, 1
        pools = (self.stride == 8, True, True, False, False)
        for convolutions, dilation, pool in zip(
            self.convolutions or (2, 2, 3, 3, 3), (1, 1, 1, 1, 2), pools, strict=True
        ):
            field += 2 * convolutions * dilation * stride + pool * stride
            stride *= 1 + pool
        return field + 4 * ((self.kernel or 7) - 1) * stride


PUBLISHED = Size()


class Margin(StrEnum):
    """Where a network of unpadded windows takes the pixels or cells beyond the border from.

    Attributes:
        MIRROR: Extended once, before the first layer, by reflection: the paper's images, and one of the two ways that
            it tried for the maps that enter a context module (Section 5).
        ZEROS: Extended once, before the first layer, by zeros: the other way, and that of the released Large module.
        LAYERS: Every layer extends its own input by zeros, as in the released Basic modules. It is another function
            near the border, for biases make cells beyond it other than zero after the first layer.
    """

    MIRROR = "mirror"
    ZEROS = "zeros"
    LAYERS = "layers"


@dataclass(frozen=True)
class ContextSpec:
    """A context module: 3x3 layers of given dilations, then a 1x1 layer (Section 3, Table 1).

    Attributes:
        name: As printed, or ``Basic`` and ``Large``.
        dilations: Of the 3x3 layers, in order.
        widths: Output channels of every layer, the last one included, as multiples of the classes C.
    """

    name: str
    dilations: tuple[int, ...]
    widths: tuple[int, ...]

    @property
    def layers(self) -> int:
        return len(self.widths)

    @property
    def reach(self) -> int:
        """Cells that the receptive field extends beyond its centre on every side: the buffer of Section 5."""
        return sum(self.dilations)

    def channels(self, classes: int) -> tuple[int, ...]:
        """Return the channels that enter the first layer and leave each of the others."""
        return (classes, *(width * classes for width in self.widths))

    def within(self, cells: int) -> ContextSpec:
        """Return the module for a smaller map: its expansion stops once the receptive field spans that many cells.

        That is the rule of Section 3 (67x67 for maps of 64x64) and what Appendix A does for KITTI and Cityscapes. The
        last 3x3 layer, undilated, keeps the width of the one before it.
        """
        kept = next(n for n in range(2, len(self.dilations)) if 1 + 2 * sum(self.dilations[:n]) >= cells)
        return ContextSpec(self.name, (*self.dilations[:kept], 1), (*self.widths[:kept], self.widths[kept - 1], 1))


def _basic(name: str, *dilations: int) -> ContextSpec:
    return ContextSpec(name, dilations, (1,) * (len(dilations) + 1))


BASIC = _basic("Basic", 1, 1, 2, 4, 8, 16, 1)
LARGE = ContextSpec("Large", BASIC.dilations, (2, 2, 4, 8, 16, 32, 32, 1))
DILATION_7 = _basic("Dilation7", 1, 1, 2, 4, 8, 1)
DILATION_8 = _basic("Dilation8", *BASIC.dilations)
DILATION_10 = _basic("Dilation10", 1, 1, 2, 4, 8, 16, 32, 64, 1)

CONTEXTS: Mapping[str, ContextSpec] = MappingProxyType(
    {spec.name: spec for spec in (BASIC, LARGE, DILATION_7, DILATION_8, DILATION_10)}
)
"""Every context module by name; Dilation7, 8 and 10 are the Basic module cut or lengthened for a dataset."""


@dataclass(frozen=True)
class Deployment:
    """What the released files run on (github.com/fyu/dilation, ``models/*_deploy.prototxt``).

    Attributes:
        dataset: What the file was trained on.
        context: Its context module.
        classes: Scored at each cell.
        input_size: Rows and columns of the network's input, the margins included.
    """

    dataset: str
    context: ContextSpec
    classes: int
    input_size: tuple[int, int]


DEPLOYMENTS = (
    Deployment("Pascal VOC 2012", LARGE, 21, (900, 900)),
    Deployment("CamVid", DILATION_8, 11, (900, 1100)),
    Deployment("KITTI", DILATION_7, 11, (852, 1640)),
    Deployment("Cityscapes", DILATION_10, 19, (1396, 1396)),
)


def find_context(name: str) -> ContextSpec:
    """Return the context module called ``name``, in any case.

    Raises:
        UsageError: No module has that name; the closest ones are offered.
    """
    by_slug = {spec.name.lower(): spec for spec in CONTEXTS.values()}
    slug = name.strip().lower()
    if slug in by_slug:
        return by_slug[slug]
    close = [by_slug[match].name for match in difflib.get_close_matches(slug, by_slug, n=3)]
    remedy = f"Did you mean {' or '.join(close)}?" if close else f"The modules are: {', '.join(CONTEXTS)}."
    raise UsageError(f"there is no context module {name!r} in the paper dilation", remedy)


@dataclass(frozen=True, slots=True)
class Convolution:
    """One operator of which memory is measured.

    Attributes:
        zeros: Whether dilation is done by zeros between the weights instead of by the operator.
    """

    kernel: int
    dilation: int
    zeros: bool = False


CONVOLUTIONS: Mapping[str, Convolution] = MappingProxyType(
    {
        **{f"3x3, dilation {rate}": Convolution(3, rate) for rate in (1, 2, 4, 8, 16)},
        "3x3, dilation 4 by inserted zeros": Convolution(3, 4, zeros=True),
        "9x9": Convolution(9, 1),
    }
)
"""By the names of a page that says that dilation takes no more memory and compares it with a 9x9 kernel."""


@dataclass(frozen=True, slots=True)
class MemoryRecipe:
    """The map that operators run on: channels in and out, and cells a side; float32, one thread."""

    scale: Literal["toy", "cpu"]
    channels: int
    side: int
