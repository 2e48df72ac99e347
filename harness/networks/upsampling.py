"""From class scores on a coarse map to class scores at the image's pixels."""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor
from torch.nn import functional as F


class Alignment(StrEnum):
    """Where the cells of a map of stride s lie on the image, for bilinear upsampling.

    Attributes:
        CENTRES: Cell k in the middle of its s pixels, at s k + (s - 1) / 2 (``align_corners=False``).
        SAMPLES: Cell k on pixel s k, where labels taken at every s-th pixel come from; pixels after the last cell
            take its value.
        CORNERS: The first cell on the first pixel and the last on the last, whatever the stride
            (``align_corners=True``, Caffe's Interp).
    """

    CENTRES = "centres"
    SAMPLES = "samples"
    CORNERS = "corners"


def upsample(maps: Tensor, size: tuple[int, int], stride: int, alignment: Alignment = Alignment.CENTRES) -> Tensor:
    """Interpolate maps [N, C, h, w] bilinearly to ``size`` (rows, columns), of at most ``stride`` pixels per cell.

    Rows and columns beyond ``size`` are cut off, so that a map rounded up in size does not shift the scores.
    """
    rows, columns = maps.shape[-2:]
    if alignment is Alignment.CORNERS:
        return F.interpolate(maps, size=size, mode="bilinear", align_corners=True)
    if alignment is Alignment.CENTRES:
        pixels = F.interpolate(maps, size=(stride * rows, stride * columns), mode="bilinear", align_corners=False)
    else:
        held = F.pad(maps, (0, 1, 0, 1), mode="replicate")
        whole = (stride * rows + 1, stride * columns + 1)
        pixels = F.interpolate(held, size=whole, mode="bilinear", align_corners=True)
    return pixels[..., : size[0], : size[1]]


def bilinear_kernel(stride: int) -> Tensor:
    """Return the [2 * stride, 2 * stride] kernel of bilinear upsampling by an even ``stride``.

    Its one-dimensional taps are 1, 3, ..., 2 * stride - 1, 2 * stride - 1, ..., 3, 1 over 2 * stride.
    """
    rise = torch.arange(1, 2 * stride, 2) / (2 * stride)
    taps = torch.cat([rise, rise.flip(0)])
    return torch.outer(taps, taps)
