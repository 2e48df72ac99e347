"""Shapes and textures of the procedural scenes, drawn with integer arithmetic alone.

A shape is an inequality between integers on a grid of odd coordinates, its centre at the origin. It is kept as
coverage at several resolutions (averages of 2x2 blocks), so that an object of any size is sampled from
a grid about as fine as its pixels. A texture is a tile that repeats.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Grid = NDArray[np.int64]
Region = NDArray[np.bool_]
Point = tuple[int, int]

OPAQUE = 128
"""Coverage of a point wholly inside a shape; a power of two below 2**8, so that blends fit in 16 bits."""
RESOLUTIONS = (8, 16, 32, 64, 128)
"""Sides of the stored grids, ascending, each twice the one before."""
TILE = 32
"""Side of a texture tile."""

_FINEST = 2 * RESOLUTIONS[-1]


def _disc(x: Grid, y: Grid, centre: Point, radius: int) -> Region:
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2


def _ellipse(x: Grid, y: Grid, centre: Point, radii: Point) -> Region:
    across, down = radii
    return ((x - centre[0]) * down) ** 2 + ((y - centre[1]) * across) ** 2 <= (across * down) ** 2


def _box(x: Grid, y: Grid, corner: Point, opposite: Point) -> Region:
    return (x >= corner[0]) & (x <= opposite[0]) & (y >= corner[1]) & (y <= opposite[1])


def _stroke(x: Grid, y: Grid, start: Point, end: Point, half_width: int) -> Region:
    """Straight bar from ``start`` to ``end`` with square ends."""
    along, up = end[0] - start[0], end[1] - start[1]
    length_squared = along**2 + up**2
    forward = (x - start[0]) * along + (y - start[1]) * up
    aside = (x - start[0]) * up - (y - start[1]) * along
    return (forward >= 0) & (forward <= length_squared) & (aside**2 <= half_width**2 * length_squared)


def _polygon(x: Grid, y: Grid, corners: list[Point]) -> Region:
    """Convex polygon whose corners turn clockwise on the screen (y points down)."""
    inside = np.ones(x.shape, dtype=bool)
    for start, end in zip(corners, [*corners[1:], corners[0]], strict=True):
        inside &= (end[0] - start[0]) * (y - start[1]) >= (end[1] - start[1]) * (x - start[0])
    return inside


def _ring(x: Grid, y: Grid) -> Region:
    return _disc(x, y, (0, 0), 250) & ~_disc(x, y, (0, 0), 178)


def _cross(x: Grid, y: Grid) -> Region:
    return _box(x, y, (-34, -250), (34, 250)) | _box(x, y, (-250, -34), (250, 34))


def _comb(x: Grid, y: Grid) -> Region:
    teeth = _box(x, y, (-250, -100), (250, 190)) & ((x + 250) % 106 <= 70)
    return _box(x, y, (-250, -190), (250, -96)) | teeth


def _tripod(x: Grid, y: Grid) -> Region:
    legs = [_stroke(x, y, (0, -120), (foot, 250), 26) for foot in (-220, 0, 220)]
    return _box(x, y, (-95, -250), (95, -110)) | legs[0] | legs[1] | legs[2]


def _crescent(x: Grid, y: Grid) -> Region:
    return _disc(x, y, (0, 0), 250) & ~_disc(x, y, (110, 0), 195)


def _arrow(x: Grid, y: Grid) -> Region:
    return _polygon(x, y, [(0, -250), (200, -10), (-200, -10)]) | _box(x, y, (-55, -14), (55, 250))


def _ladder(x: Grid, y: Grid) -> Region:
    rails = _box(x, y, (-150, -250), (-94, 250)) | _box(x, y, (94, -250), (150, 250))
    rungs = _box(x, y, (-100, -220), (100, 220)) & ((y + 220) % 128 <= 50)
    return rails | rungs


def _hourglass(x: Grid, y: Grid) -> Region:
    upper = _polygon(x, y, [(-190, -250), (190, -250), (30, 0), (-30, 0)])
    return upper | upper[::-1]


def _umbrella(x: Grid, y: Grid) -> Region:
    canopy = _ellipse(x, y, (0, -10), (250, 235)) & (y <= -10)
    hook = _disc(x, y, (44, 186), 66) & ~_disc(x, y, (44, 186), 24) & (y >= 186)
    return canopy | _box(x, y, (-22, -20), (22, 190)) | hook


def _fish(x: Grid, y: Grid) -> Region:
    body = _ellipse(x, y, (-60, 0), (190, 130))
    eye = _disc(x, y, (-150, -30), 26)
    return (body | _polygon(x, y, [(60, 0), (250, -150), (250, 150)])) & ~eye


def _blob(x: Grid, y: Grid) -> Region:
    return _ellipse(x, y, (0, 0), (250, 170))


def _slab(x: Grid, y: Grid) -> Region:
    return _box(x, y, (-250, -120), (250, 120))


def _bar(x: Grid, y: Grid) -> Region:
    return _box(x, y, (-250, -34), (250, 34))


def _wedge(x: Grid, y: Grid) -> Region:
    return _polygon(x, y, [(-230, 200), (0, -220), (230, 200)])


CLASS_SHAPES: dict[str, Callable[[Grid, Grid], Region]] = {
    "ring": _ring,
    "cross": _cross,
    "comb": _comb,
    "tripod": _tripod,
    "crescent": _crescent,
    "arrow": _arrow,
    "ladder": _ladder,
    "hourglass": _hourglass,
    "umbrella": _umbrella,
    "fish": _fish,
}
"""The shape of each class, in order of label."""

CLUTTER_SHAPES = (_blob, _slab, _bar, _wedge)
"""Shapes that belong to no class."""


TEXTURES: dict[str, Callable[[Grid, Grid], Region]] = {
    "stripes": lambda _, y: y % 16 < 8,
    "checks": lambda x, y: (x // 8 + y // 8) % 2 == 0,
    "dots": lambda x, y: _disc(x % 16, y % 16, (8, 8), 5),
    "bricks": lambda x, y: (y % 16 < 4) | ((x + y // 16 * 16) % 32 < 4),
    "zigzag": lambda x, y: (x + abs(y % 16 - 8)) % 16 < 8,
}
"""Textures with a period of 16 points (bricks: 32); class k and class k + 5 share one."""


@cache
def shape_table() -> tuple[Bytes, NDArray[np.int64]]:
    """Coverage of every shape at every resolution, laid out flat for sampling by index.

    Returns:
        uint8 [total], the grids one after another, each with a border of one transparent point; and int64 [shapes,
        resolutions], where each grid starts. Shapes are those of the classes, then clutter; values are
        0..``OPAQUE``.
    """
    odd = 2 * np.arange(_FINEST, dtype=np.int64) - (_FINEST - 1)
    y, x = np.meshgrid(odd, odd, indexing="ij")
    grids: list[Bytes] = []
    for draw in (*CLASS_SHAPES.values(), *CLUTTER_SHAPES):
        inside = draw(x, y).astype(np.int64)
        for side in RESOLUTIONS:
            block = _FINEST // side
            covered = inside.reshape(side, block, side, block).sum(axis=(1, 3))
            grids.append(np.pad((covered * OPAQUE) // block**2, 1).astype(np.uint8).ravel())
    sizes = np.array([grid.size for grid in grids])
    starts = (np.cumsum(sizes) - sizes).reshape(-1, len(RESOLUTIONS))
    return np.concatenate(grids), starts


@cache
def texture_tiles() -> Bytes:
    """Textures that repeat every ``TILE`` points, softened so that coarse sampling aliases less.

    Returns:
        uint8 [textures, TILE, TILE], values 0..``OPAQUE``.
    """
    y, x = np.meshgrid(np.arange(TILE), np.arange(TILE), indexing="ij")
    tiles = [_soften(pattern(x, y).astype(np.int64) * OPAQUE) for pattern in TEXTURES.values()]
    return np.stack(tiles).astype(np.uint8)


def _soften(tile: Grid) -> Grid:
    """Mean over 3x3 neighbours, around the edges of the tile."""
    neighbours = [np.roll(tile, (down, right), axis=(0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return sum(neighbours, start=np.zeros_like(tile)) // 9
