"""Caffe's ``Interp`` layer, by which the released networks resize images and scores, and its sizes.

It puts the corner cells of one map on the corner cells of the other (``align_corners=True``). Since all pooling is
centred on every other cell, cell k of a score map lies on pixel 8 k, and images of 8 k + 1 pixels a side lose nothing.
"""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor

from harness.networks.upsampling import Alignment, upsample


def scaled_side(side: int, scale: Fraction) -> int:
    """Return the side that ``Interp`` gives an image: shrunk by the denominator of ``scale``, then zoomed.

    Shrinking by s keeps floor((n - 1) / s) + 1 of n pixels, and zooming by z makes n + (n - 1)(z - 1) of them.
    """
    shrunk = (side - 1) // scale.denominator + 1
    return shrunk + (shrunk - 1) * (scale.numerator - 1)


def rescale(images: Tensor, scale: Fraction) -> Tensor:
    """Resize images [N, C, H, W] by ``scale``."""
    height, width = (scaled_side(side, scale) for side in images.shape[-2:])
    return upsample(images, (height, width), 1, Alignment.CORNERS)


def sample_labels(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the label [N, h, w] of the pixel nearest to each cell of a map of ``size``, corners on corners.

    With 8 k + 1 pixels and k + 1 cells these are the pixels 0, 8, 16, ...; of two that are equally near, the later.
    """
    rows, columns = (_nearest(side, cells, labels.device) for side, cells in zip(labels.shape[-2:], size, strict=True))
    return labels[:, rows[:, None], columns]


def _nearest(side: int, cells: int, device: torch.device) -> Tensor:
    last = max(1, cells - 1)
    return (2 * torch.arange(cells, device=device) * (side - 1) + last) // (2 * last)
