"""Which part of an image a network sees: sizes, tiles and what lies outside, as whole numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.protocol import LastTile, Padding, Size, SizeRule, Tiling

_FINEST = 1000
"""Scales are taken as fractions of at most this denominator."""


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of a resized image that a map covers; it may reach beyond the bottom and the right.

    Attributes:
        top: Its first row.
        left: Its first column.
        rows: How many.
        columns: How many.
    """

    top: int
    left: int
    rows: int
    columns: int


def resized(size: Size, scale: float, rule: SizeRule) -> Size:
    """Return the size of an image at a scale, at least 1x1.

    Scales stand for the fraction nearest to them with a denominator up to 1000, so that 0.1 * 30 is 3.
    """
    fraction = Fraction(scale).limit_denominator(_FINEST)
    rows, columns = (max(1, _length(length, fraction, rule)) for length in size)
    return rows, columns


def windows(frame: Size, padding: Padding, tiling: Tiling | None) -> list[Window]:
    """Return what the network's maps cover of an image of size ``frame``, row by row: one window without tiling."""
    if tiling is None:
        rows, columns = (padding.side(length, axis) for axis, length in enumerate(frame))
        return [Window(0, 0, rows, columns)]
    tops, lefts = (_starts(length, side, tiling) for length, side in zip(frame, tiling.size, strict=True))
    return [Window(top, left, *tiling.size) for top in tops for left in lefts]


def cuts(starts: list[int], side: int, end: int) -> list[tuple[int, int]]:
    """Return which pixels of ``0..end`` each tile along an axis answers for: overlaps are cut in the middle."""
    inner = [(before + side + after) // 2 for before, after in pairwise(starts)]
    return list(zip([0, *inner], [*inner, end], strict=True))


def reflected(places: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Fold any places into ``0..length-1`` by mirrors on the first and the last pixel (reflect-101)."""
    if length == 1:
        return np.zeros_like(places)
    folded = places % (2 * (length - 1))
    return np.minimum(folded, 2 * (length - 1) - folded)


def reflected_span(start: int, side: int, margin: int, length: int) -> NDArray[np.int64]:
    """Return which pixel of an axis of ``length`` stands at each place of a tile that sees ``margin`` around it.

    As Yu & Koltun's code does, the image is mirrored into the margin first, and a tile that reaches beyond the margin
    at the end is mirrored at the margin's edge, not at the image's.

    Returns:
        int64 [side + 2 * margin], in ``0..length-1``.
    """
    wanted = side + 2 * margin
    there = min(wanted, length + 2 * margin - start)
    return reflected(reflected(np.arange(wanted), there) + start - margin, length)


def _length(length: int, scale: Fraction, rule: SizeRule) -> int:
    match rule:
        case SizeRule.ROUND:
            return math.floor(length * scale + Fraction(1, 2))
        case SizeRule.FLOOR:
            return math.floor(length * scale)
        case SizeRule.INTERP:
            shrunk = (length - 1) // scale.denominator + 1
            return shrunk + (shrunk - 1) * (scale.numerator - 1)


def _starts(length: int, side: int, tiling: Tiling) -> list[int]:
    """First pixels of the tiles along an axis."""
    step = side - tiling.overlap
    starts = list(range(0, max(length - tiling.overlap, 1), step))
    if tiling.last is LastTile.SHIFT:
        starts[-1] = max(0, min(starts[-1], length - side))
    return starts
