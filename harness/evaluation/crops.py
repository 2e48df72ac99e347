"""What a classifier is shown of an image: resized, cropped, and where that lies in the image. No torch to declare it.

The default is the pipeline of the DRN paper's released code (Section 5.1: shorter side 256, central 224x224), that of
``torchvision.transforms`` on Pillow images.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.errors import UsageError
from harness.evaluation.protocol import Colours, Kernel, Precision

Pixels = NDArray[np.uint8]


class Frame(StrEnum):
    """Which part of an image is shown."""

    CENTRE = "centre"
    """The central crop of the resized image: "1-crop"."""
    TEN = "ten"
    """The centre, the corners (top left, top right, bottom left, bottom right), and the mirror image of each."""
    STRETCHED = "stretched"
    """The whole image as a square of the crop's size; its aspect ratio is lost."""
    WHOLE = "whole"
    """All of the resized image, whatever its size."""


class Rounding(StrEnum):
    """How a length between two whole numbers of pixels is rounded."""

    FLOOR = "floor"
    ROUND = "round"
    """To the nearest, of two equally near to the even one, as Python's ``round``."""


IMAGENET = Colours(mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225))
"""What networks trained on ImageNet in PyTorch expect."""


@dataclass(frozen=True, slots=True)
class ClassificationProtocol:
    """From an image to a network's input; plain data for a record's recipe.

    Attributes:
        frame: Which part of an image is shown.
        shorter_side: Pixels to which the shorter side is resized; ``Frame.STRETCHED`` has no use for it.
        crop: Side of the crops, and of the stretched frame, in pixels.
        kernel: Of the resizing.
        antialias: Widen the kernel when shrinking, as Pillow always does; without, pixels between samples are skipped,
            as torch's ``interpolate`` does by default.
        long_side: The longer side's rounding: ``int`` in torchvision.
        offset: The central crop's rounding: ``int(round((h - 224) / 2.0))`` in torchvision.
        colours: What the network expects of values.
        precision: Of the network's arithmetic.

    Raises:
        UsageError: A side below 1, or a crop that does not fit the resized image.
    """

    frame: Frame = Frame.CENTRE
    shorter_side: int = 256
    crop: int = 224
    kernel: Kernel = Kernel.BILINEAR
    antialias: bool = True
    long_side: Rounding = Rounding.FLOOR
    offset: Rounding = Rounding.ROUND
    colours: Colours = IMAGENET
    precision: Precision = Precision.FLOAT32

    def __post_init__(self) -> None:
        if not 1 <= self.crop <= self.shorter_side:
            raise UsageError(f"a crop of {self.crop} pixels does not fit a shorter side of {self.shorter_side}")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a frame lies: cut out of an image that was resized whole.

    Attributes:
        resized: Height and width of the resized image.
        corner: Row and column of the frame's first pixel in it.
        size: Height and width of the frame.
    """

    resized: tuple[int, int]
    corner: tuple[int, int]
    size: tuple[int, int]


def placement(height: int, width: int, protocol: ClassificationProtocol) -> Placement:
    """Return where the frame of an image lies; of ten crops the first, the central one."""
    resized = _resized_size(height, width, protocol)
    if protocol.frame in (Frame.STRETCHED, Frame.WHOLE):
        return Placement(resized, (0, 0), resized)
    corner = _centred(resized[0], protocol), _centred(resized[1], protocol)
    return Placement(resized, corner, (protocol.crop, protocol.crop))


def frames(image: Pixels, protocol: ClassificationProtocol) -> Pixels:
    """Cut out what is shown of an image.

    Args:
        image: uint8 [H, W, 3], RGB.

    Returns:
        uint8 [V, h, w, 3]: ten frames for ``Frame.TEN``, in its order, else one.
    """
    where = placement(image.shape[0], image.shape[1], protocol)
    resized = resize(image, where.resized, protocol.kernel, antialias=protocol.antialias)
    size = protocol.crop
    bottom, right = where.resized[0] - size, where.resized[1] - size
    corners = [where.corner]
    if protocol.frame is Frame.TEN:
        corners += [(0, 0), (0, right), (bottom, 0), (bottom, right)]
    height, width = where.size
    cut = [resized[top : top + height, left : left + width] for top, left in corners]
    mirrored = [crop[:, ::-1] for crop in cut] if protocol.frame is Frame.TEN else []
    return np.stack([*cut, *mirrored])


def resize(image: Pixels, size: tuple[int, int], kernel: Kernel, *, antialias: bool = True) -> Pixels:
    """Resize uint8 [H, W, 3] to a height and width, with pixels as squares (corners not aligned).

    With antialiasing the arithmetic is Pillow's; without, torch's in single precision, rounded to the nearest level.
    """
    if size == image.shape[:2]:
        return image
    if antialias or kernel is Kernel.NEAREST:
        height, width = size
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling[kernel.name]))
    import torch
    from torch.nn import functional as F

    planes = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    resized = F.interpolate(planes, size=size, mode=kernel.value, align_corners=False)
    levels: Pixels = resized.clamp(0, 255).round().to(torch.uint8)[0].permute(1, 2, 0).numpy()
    return levels


def _resized_size(height: int, width: int, protocol: ClassificationProtocol) -> tuple[int, int]:
    if protocol.frame is Frame.STRETCHED:
        return protocol.crop, protocol.crop
    short, long = min(height, width), max(height, width)
    exact = protocol.shorter_side * long / short
    longer = int(exact) if protocol.long_side is Rounding.FLOOR else round(exact)
    return (protocol.shorter_side, longer) if height <= width else (longer, protocol.shorter_side)


def _centred(length: int, protocol: ClassificationProtocol) -> int:
    spare = length - protocol.crop
    return spare // 2 if protocol.offset is Rounding.FLOOR else round(spare / 2)
