"""From a decoded image to what a network sees of it: resized, normalised, padded and cut into tiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from harness.evaluation.protocol import Channels, Colours, Fill, Kernel, Library, SegmentationProtocol, Size
from harness.evaluation.windows import Window, reflected_span, resized, windows

Pixels = NDArray[np.uint8]

_PILLOW = {
    Kernel.NEAREST: Image.Resampling.NEAREST,
    Kernel.BILINEAR: Image.Resampling.BILINEAR,
    Kernel.BICUBIC: Image.Resampling.BICUBIC,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a network's map lies.

    Attributes:
        window: In the pixels of the frame, without the margin.
        frame: Size of the resized image.
        canvas: Size at scale 1 of what was resized to the frame: the image's, or the padded image's where padding
            came first.
    """

    window: Window
    frame: Size
    canvas: Size


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One input of a network, float32 [3, h, w] normalised, its margin included, and what it shows."""

    pixels: Tensor
    scale: float
    flipped: bool
    place: Place


def frames(image: Pixels, protocol: SegmentationProtocol) -> list[Pixels]:
    """Do on the host what is done to bytes: the image at each scale if Pillow resizes it, else the image alone.

    Args:
        image: uint8 [H, W, 3], RGB.
        protocol: Says how.
    """
    if protocol.resize.library is not Library.PILLOW:
        return [image]
    return [_resized_by_pillow(image, scale, protocol) for scale in protocol.scales]


def crops(sources: Sequence[Tensor], size: Size, protocol: SegmentationProtocol) -> Iterator[Crop]:
    """Yield the inputs that one image makes: by scale, then as it is and mirrored, then by tiles in reading order.

    Args:
        sources: What :func:`frames` returned, uint8 [h, w, 3] on the network's device.
        size: Of the image itself.
        protocol: Says how.
    """
    each = sources if protocol.resize.library is Library.PILLOW else [*sources] * len(protocol.scales)
    for scale, source in zip(protocol.scales, each, strict=True):
        frame, canvas = _frame(normalised(source, protocol.colours), scale, size, protocol)
        shown = (frame.shape[-2], frame.shape[-1])
        parts = [Window(0, 0, *shown)] if protocol.resize.padded else windows(shown, protocol.padding, protocol.tiling)
        for flipped in (False, True) if protocol.flip else (False,):
            pixels = frame.flip(-1) if flipped else frame
            for window in parts:
                yield Crop(_cut(pixels, window, protocol), scale, flipped, Place(window, shown, canvas))


def normalised(pixels: Tensor, colours: Colours) -> Tensor:
    """Turn uint8 [h, w, 3], RGB, into float32 [3, h, w] in the network's order and units."""
    channels = pixels.permute(2, 0, 1)
    ordered = channels.flip(0) if colours.channels is Channels.BGR else channels
    mean, deviation = (
        torch.tensor(values, dtype=torch.float32, device=pixels.device)[:, None, None]
        for values in (colours.mean, colours.deviation)
    )
    return (ordered.float() / (255 / colours.white) - mean) / deviation


def _resized_by_pillow(image: Pixels, scale: float, protocol: SegmentationProtocol) -> Pixels:
    rows, columns = resized((image.shape[0], image.shape[1]), scale, protocol.resize.sizes)
    if (rows, columns) == image.shape[:2]:
        return image
    return np.asarray(Image.fromarray(image).resize((columns, rows), _PILLOW[protocol.resize.kernel]))


def _frame(image: Tensor, scale: float, size: Size, protocol: SegmentationProtocol) -> tuple[Tensor, Size]:
    """The image at a scale, [3, h, w], and the size at scale 1 of what became the frame."""
    resize = protocol.resize
    if resize.library is Library.PILLOW:
        return image, size
    if resize.padded:
        (whole,) = windows(size, protocol.padding, None)
        image, size = _cut(image, whole, protocol, margin=0), (whole.rows, whole.columns)
    target = resized(size, scale, resize.sizes)
    if target == size:
        return image, size
    if resize.kernel is Kernel.NEAREST:
        return F.interpolate(image[None], target, mode="nearest")[0], size
    mode, corners = resize.kernel.value, resize.corners
    return F.interpolate(image[None], target, mode=mode, align_corners=corners, antialias=resize.antialias)[0], size


def _cut(frame: Tensor, window: Window, protocol: SegmentationProtocol, margin: int | None = None) -> Tensor:
    """The window of a frame [3, h, w] with its margin; what lies outside the frame is filled."""
    padding = protocol.padding
    margin = padding.margin if margin is None else margin
    height, width = frame.shape[-2:]
    spans = ((window.top, window.rows, height), (window.left, window.columns, width))
    if padding.fill is Fill.REFLECT:
        for axis, (start, side, length) in zip((-2, -1), spans, strict=True):
            if margin or start or side != length:
                places = torch.from_numpy(reflected_span(start, side, margin, length)).to(frame.device)
                frame = frame.index_select(axis, places)
        return frame
    (top, bottom), (left, right) = ((margin - start, start + side + margin - length) for start, side, length in spans)
    outside = (left, right, top, bottom)
    if not any(outside):
        return frame
    if padding.fill is Fill.MEAN:
        return F.pad(frame, outside)
    black = normalised(torch.zeros(1, 1, 3, dtype=torch.uint8), protocol.colours).flatten().tolist()
    return torch.stack([F.pad(channel, outside, value=value) for channel, value in zip(frame, black, strict=True)])
