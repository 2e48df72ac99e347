"""How images become labels: every convention of evaluation that papers differ in, as plain data. No torch.

A protocol is a property of the checkpoint: the order and scale of its colours, what surrounds its images, how it is
shown several sizes of them, and how its maps become one label for each pixel. It converts to and from JSON by msgspec.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from harness.crf.parameters import CrfParameters
from harness.errors import UsageError

Size = tuple[int, int]
"""Rows and columns."""


class Channels(StrEnum):
    """Order of an image's colours."""

    RGB = "rgb"
    BGR = "bgr"
    """Caffe's."""


class Kernel(StrEnum):
    """How an image is resized."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


class Library(StrEnum):
    """Whose semantics of resizing."""

    PILLOW = "pillow"
    """On bytes, rounded to bytes; the kernel widens where the image shrinks (antialiasing), always."""
    TORCH = "torch"
    """On normalised float32 values."""


class SizeRule(StrEnum):
    """Length of a side of n pixels at scale s."""

    ROUND = "round"
    """s n, rounded half up."""
    FLOOR = "floor"
    """s n, cut off."""
    INTERP = "interp"
    """Caffe's Interp layer with s = zoom / shrink: m = (n - 1) // shrink + 1, then m + (m - 1) (zoom - 1)."""


class Fill(StrEnum):
    """What stands outside the image."""

    MEAN = "mean"
    """The mean colour, which is 0 once normalised."""
    BLACK = "black"
    REFLECT = "reflect"
    """The image mirrored without its edge pixel (reflect-101), back and forth as often as it takes, as OpenCV does."""


class LastTile(StrEnum):
    """What a tile does that would reach beyond the image."""

    PAD = "pad"
    """It is filled up at the bottom and on the right."""
    SHIFT = "shift"
    """It moves back until it lies inside, and is filled up only where the image is smaller than a tile."""


class Seams(StrEnum):
    """How the maps of tiles become one."""

    CELLS = "cells"
    """Cell beside cell before upsampling (Yu & Koltun); cells that tiles share are averaged."""
    AVERAGE = "average"
    """Tiles are upsampled, and pixels that they share are averaged."""
    CROP = "crop"
    """Tiles are upsampled, and each pixel comes from the tile in whose inside it lies deepest."""


class Alignment(StrEnum):
    """Where the cells of a map lie on the pixels, as :class:`harness.networks.upsampling.Alignment`."""

    CORNERS = "corners"
    """The first on the first pixel and the last on the last (Caffe's Interp)."""
    CENTRES = "centres"
    """Each in the middle of its pixels."""
    SAMPLES = "samples"
    """Cell k on pixel 8k at stride 8 (Yu & Koltun); pixels after the last cell take its value."""
    NETWORK = "network"
    """The network upsamples its scores to the pixels of its input itself."""


class Quantity(StrEnum):
    """What is interpolated."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"
    LOG_PROBABILITIES = "log-probabilities"


class Fusion(StrEnum):
    """How several views of an image are put together; a single view is not fused."""

    MAX_OF_LOGITS = "max-of-logits"
    """DeepLab."""
    MEAN_OF_PROBABILITIES = "mean-of-probabilities"
    """DUC."""
    SUM_OF_LOG_PROBABILITIES = "sum-of-log-probabilities"
    """The DRN code: the geometric mean of the probabilities."""


class Grid(StrEnum):
    """Where views are fused."""

    CELLS = "cells"
    """On the cells of the map of the image at its own size, before upsampling (DeepLab)."""
    PIXELS = "pixels"


class Precision(StrEnum):
    """Of the network's arithmetic; what follows the network is always float32."""

    FLOAT32 = "float32"
    TF32 = "tf32"
    """float32 with products of 10-bit mantissas, on GPUs that have them; torch's default for convolutions."""
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


@dataclass(frozen=True, slots=True)
class Colours:
    """From bytes to what the network was trained on: ``(byte * white / 255 - mean) / deviation``.

    Attributes:
        mean: In the order of ``channels``, and in units in which white is ``white``.
        deviation: Likewise.
        channels: The network's order.
        white: 1 or 255.
    """

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    channels: Channels = Channels.RGB
    white: float = 1.0

    def __post_init__(self) -> None:
        values = (*self.mean, *self.deviation, self.white)
        if not all(map(math.isfinite, values)) or min(self.deviation) <= 0 or self.white <= 0:
            raise UsageError(f"colours need a finite mean, and deviations and a white above 0, got {self}")


@dataclass(frozen=True, slots=True)
class Resize:
    """How an image is shown at another scale.

    Attributes:
        kernel: Of the interpolation.
        antialias: Whether the kernel widens where the image shrinks.
        library: Whose semantics.
        sizes: Of the result.
        corners: Whether the corner pixels stay in the corners (torch's ``align_corners``).
        padded: Whether the image is padded first and then resized (DeepLab's network, which shrinks its own input).
    """

    kernel: Kernel = Kernel.BILINEAR
    antialias: bool = True
    library: Library = Library.PILLOW
    sizes: SizeRule = SizeRule.ROUND
    corners: bool = False
    padded: bool = False

    def __post_init__(self) -> None:
        pillow, nearest = self.library is Library.PILLOW, self.kernel is Kernel.NEAREST
        if pillow and (self.corners or self.padded or (not self.antialias and not nearest)):
            raise UsageError(
                f"Pillow always antialiases, aligns centres, and resizes bytes before padding; got {self}",
                f"Use library {Library.TORCH.value!r}.",
            )
        if self.corners and (self.antialias or nearest):
            raise UsageError(f"aligned corners go with bilinear or bicubic kernels without antialiasing, got {self}")


@dataclass(frozen=True, slots=True)
class Padding:
    """What surrounds an image before a network sees it.

    Attributes:
        fill: Of everything outside the image.
        least: The image is filled up to this size at the bottom and on the right.
        multiple: Then on to the next side that is this many times a whole number ...
        remainder: ... plus this: multiple 8 and remainder 1 make sides of 8k + 1.
        margin: Pixels on all four sides beside that; the network's map does not cover them.
    """

    fill: Fill = Fill.MEAN
    least: Size = (1, 1)
    multiple: int = 1
    remainder: int = 0
    margin: int = 0

    def __post_init__(self) -> None:
        if min(*self.least, self.multiple) < 1 or not 0 <= self.remainder < self.multiple or self.margin < 0:
            raise UsageError(f"padding needs sides of 1 or more, 0 <= remainder < multiple, margin >= 0, got {self}")

    def side(self, length: int, axis: int) -> int:
        """Return the length of a side, 0 rows or 1 columns, filled up."""
        length = max(length, self.least[axis])
        return length + (self.remainder - length) % self.multiple


@dataclass(frozen=True, slots=True)
class Tiling:
    """Networks that see parts of an image.

    Attributes:
        size: Pixels that a tile's map covers; the network sees the padding's margin around them too.
        overlap: Pixels that neighbours share.
        last: What the last tile of a row or column does.
        seams: How maps are joined.
    """

    size: Size
    overlap: int = 0
    last: LastTile = LastTile.PAD
    seams: Seams = Seams.AVERAGE

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < min(self.size):
            raise UsageError(f"tiles need sides above their overlap, and an overlap of 0 or more, got {self}")


@dataclass(frozen=True, slots=True)
class Upsampling:
    """From a network's map to the pixels.

    Attributes:
        alignment: Of cells and pixels.
        stride: Pixels per cell; None where the map spans the padded image exactly, as it always does with aligned
            corners. With a stride the map goes to the pixels of the resized image first, and from there to the
            image's; without, in one step.
        quantity: What is interpolated.
        antialias: Whether maps of enlarged images are shrunk with antialiasing, as Pillow does (the DRN code); only
            maps that are at the resized image's pixels already, or came there by a stride or from tiles.
    """

    alignment: Alignment = Alignment.CENTRES
    stride: int | None = None
    quantity: Quantity = Quantity.LOGITS
    antialias: bool = False

    def __post_init__(self) -> None:
        if self.stride is not None and self.stride < 1:
            raise UsageError(f"a stride is 1 or more, not {self.stride}")
        if self.stride is None and self.alignment is Alignment.SAMPLES:
            raise UsageError("cells on every s-th pixel need the stride s")


@dataclass(frozen=True, slots=True)
class SegmentationProtocol:
    """Everything between an image file and a label for each of its pixels.

    Attributes:
        colours: What the network expects of values.
        scales: Of the views; 1 is the image's own size.
        flip: Whether each view is shown mirrored too.
        resize: How views at other scales are made.
        padding: What surrounds them.
        tiling: None: the network sees whole images.
        upsampling: Of its maps.
        fusion: Of the views.
        fused_on: Where.
        precision: Of the network.
        crf: Refinement of the probabilities; None: the most probable class as it is.
    """

    colours: Colours
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    resize: Resize = field(default_factory=Resize)
    padding: Padding = field(default_factory=Padding)
    tiling: Tiling | None = None
    upsampling: Upsampling = field(default_factory=Upsampling)
    fusion: Fusion = Fusion.MEAN_OF_PROBABILITIES
    fused_on: Grid = Grid.PIXELS
    precision: Precision = Precision.FLOAT32
    crf: CrfParameters | None = None

    def __post_init__(self) -> None:
        problem = _contradiction(self)
        if problem:
            raise UsageError(f"a protocol that contradicts itself: {problem}")


def _contradiction(protocol: SegmentationProtocol) -> str | None:
    """What two settings demand that cannot be had together, or None."""
    scales, upsampling, tiling = protocol.scales, protocol.upsampling, protocol.tiling
    if not scales or len(set(scales)) < len(scales) or not all(0 < scale < math.inf for scale in scales):
        return f"scales are different numbers above 0, not {scales}"
    several = len(scales) > 1 or protocol.flip
    if several and protocol.fusion is Fusion.MAX_OF_LOGITS and upsampling.quantity is not Quantity.LOGITS:
        return f"the maximum of logits is taken where {upsampling.quantity.value} are interpolated"
    if protocol.fused_on is Grid.CELLS:
        if protocol.flip:
            return "mirrored views share no cells with the others, yet are fused on cells"
        if tiling is not None or upsampling.alignment is Alignment.NETWORK:
            return "views are fused on the cells of whole images, but the maps are of tiles or of pixels"
        if 1.0 not in scales:
            return "views are fused on the cells of scale 1, which is not among the scales"
    if tiling is not None:
        if protocol.resize.padded:
            return "an image is padded and resized as a whole, and cut into tiles"
        if tiling.seams is Seams.CELLS:
            stride = upsampling.stride or 1
            if upsampling.stride is None and upsampling.alignment is not Alignment.NETWORK:
                return "tiles are joined by cells of no given stride"
            if any(side % stride for side in (*tiling.size, tiling.overlap)):
                return f"tiles are joined by cells of {stride} pixels, of which neither tile nor overlap is a multiple"
            if tiling.last is LastTile.SHIFT and stride > 1:
                return "tiles are joined by cells, yet the last ones shift by any number of pixels"
    return None
