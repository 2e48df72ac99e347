"""Labels at the pixels of an image from scores on a coarse map, without the scores at the pixels in memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F


def argmax_upsampled(scores: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
    """Interpolate scores bilinearly and take the class with the highest one at each pixel.

    The result is that of ``F.interpolate(scores[None], size, mode="bilinear", align_corners=...)[0].argmax(0)``; the
    lowest of equal classes wins. On the CPU rows are interpolated by the same function and columns here, band by band
    of the pixels between two rows of the map, so that what is compared stays in the cache. Where the last bit of a
    product is rounded otherwise there, two classes whose scores differ by no more than that may change places.

    Args:
        scores: float32 or float64 [K, h, w], K up to 256.
        size: Height and width of the result in pixels.
        align_corners: Whether the first and last cell lie on the first and last pixel.

    Returns:
        uint8 [H, W] on the same device. NaN scores have no defined label.

    Raises:
        ValueError: Another type or number of axes, or a side or K that cannot be.
    """
    classes = scores.shape[0] if scores.ndim == 3 else 0
    if scores.dtype not in (torch.float32, torch.float64) or not 1 <= classes <= 256 or 0 in scores.shape:
        raise ValueError(f"scores float32 or float64 [K, h, w] expected, got {scores.dtype} {list(scores.shape)}")
    if min(size) < 1:
        raise ValueError(f"height and width of 1 or more expected, got {size}")
    if scores.device.type != "cpu":
        pixels = F.interpolate(scores[None], size=size, mode="bilinear", align_corners=align_corners)
        return pixels[0].argmax(dim=0).to(torch.uint8)

    height, width = size
    maps = scores[None].contiguous(memory_format=torch.channels_last)
    wide = F.interpolate(maps, size=(maps.shape[2], width), mode="bilinear", align_corners=align_corners)
    lines = wide[0].permute(1, 2, 0)
    labels = torch.empty(size, dtype=torch.uint8)
    for rows, above, below, weights in _bands(scores, height, align_corners):
        labels[rows] = torch.addcmul(lines[below] * weights[1], lines[above], weights[0]).argmax(dim=2)
    return labels


def _bands(scores: Tensor, height: int, align_corners: bool) -> Iterator[tuple[slice, int, int, Tensor]]:
    """Yield the result's rows between the same two rows of the map, those two, and their weights [2, rows, 1, 1]."""
    rows = scores.shape[1]
    unit = torch.eye(rows, dtype=scores.dtype)[None, :, :, None]
    shares = F.interpolate(unit, size=(height, 1), mode="bilinear", align_corners=align_corners)[0, :, :, 0]
    first = (shares > 0).to(torch.uint8).argmax(dim=0)
    second = (first + 1).clamp(max=rows - 1)
    weights = shares.gather(0, torch.stack([first, second]))
    weights[1].masked_fill_(first == second, 0)
    start = 0
    for row, count in zip(
        *(part.tolist() for part in torch.unique_consecutive(first, return_counts=True)), strict=True
    ):
        band = slice(start, start + count)
        yield band, row, min(row + 1, rows - 1), weights[:, band, None, None]
        start += count
