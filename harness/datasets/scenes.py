"""Procedural scenes with exact masks, boxes and labels, the same bytes on every machine for a seed.

A scene shows one labelled object of a class, smaller objects of other classes, and clutter of no class behind
and in front. A class is a shape and a texture; each texture serves two classes and the clutter, so that neither
texture nor colour tells the class by itself. All randomness is the raw stream of PCG64, which numpy guarantees,
and everything after it is integer arithmetic. Scene i of a seed does not depend on how many follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.datasets import sprites
from harness.datasets.digest import arrays_digest
from harness.datasets.sprites import OPAQUE, RESOLUTIONS, TILE
from harness.errors import UsageError
from harness.metrics.localisation import tight_boxes

CLASS_NAMES: tuple[str, ...] = tuple(sprites.CLASS_SHAPES)

Ints = NDArray[np.int64]
Planes = NDArray[np.uint16]
Scalar = TypeVar("Scalar", bound=np.generic)

_CLASSES = len(CLASS_NAMES)
_TEXTURES = len(sprites.TEXTURES)
_SOLID = 3 * OPAQUE // 8
"""Coverage from which a pixel belongs to a piece; below a half, so that lines one pixel wide do not vanish."""
_PARTS = 16
"""Lengths and places count in sixteenths of a pixel."""
_STEPS = 64
"""A tilt of k steps is the angle whose half has the tangent k / 64."""
_LEAST_LENGTH = 8
"""Pixels; nothing shorter can be labelled, so that some of every labelled object shows."""
_UNIT_BITS = 14
_KNOTS = 5
_PIXELS_AT_ONCE = 64 * 48 * 48
_DRAWS_PER_SCENE = 48
_DRAWS_PER_PIECE = 24


@dataclass(frozen=True, slots=True)
class SceneSpec:
    """What scenes look like; part of what a digest of scenes stands for.

    Attributes:
        size: Side of the square frame in pixels, 16 to 1024.
        smallest: Least length of the labelled object in percent of the side, before it is narrowed and turned.
        largest: Greatest length in percent of the side.
        distractors: Objects of other classes, each present in half of the scenes.
        clutter: Pieces of clutter behind the objects.
        occlusion: Greatest share of the labelled object, in percent, that the piece of clutter in front may hide.
        tilt: Greatest turn of an object to either side, in steps of about 1.8 degrees, 0 to 24.
        noise: Range of the pixel noise, in grey levels.
    """

    size: int = 48
    smallest: int = 30
    largest: int = 85
    distractors: int = 2
    clutter: int = 2
    occlusion: int = 25
    tilt: int = 12
    noise: int = 20

    def __post_init__(self) -> None:
        limits = {
            "size": (16, 1024),
            "smallest": (10, self.largest),
            "largest": (self.smallest, 100),
            "distractors": (0, 8),
            "clutter": (0, 16),
            "occlusion": (0, 90),
            "tilt": (0, 24),
            "noise": (0, 128),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"scenes: {name} is {value}, expected {low} to {high}")
        if self.size * self.smallest < 100 * _LEAST_LENGTH:
            raise UsageError(
                f"scenes: {self.smallest} % of {self.size} pixels is below {_LEAST_LENGTH} pixels, too small to show",
                "Raise size or smallest.",
            )


@dataclass(frozen=True, slots=True, eq=False)
class SceneSet:
    """Scenes and their truth.

    Attributes:
        images: uint8 [N, H, W, 3], RGB.
        masks: uint8 [N, H, W], 0 background and clutter, k + 1 the visible pixels of objects of class k.
        labels: int64 [N], class of the labelled object.
        boxes: int16 [N, 4], x1, y1, x2, y2 around the visible pixels of the labelled object, both ends inside.
        class_names: In order of label.
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    labels: NDArray[np.int64]
    boxes: NDArray[np.int16]
    class_names: tuple[str, ...] = CLASS_NAMES

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self) -> str:
        """SHA-256 (hexadecimal) of class names and arrays."""
        return arrays_digest(self.class_names, (self.images, self.masks, self.labels, self.boxes))


@dataclass(frozen=True, slots=True)
class _Piece:
    """One piece in each of N scenes; all int64 [N], lengths and the place of its middle in parts of a pixel."""

    shape: Ints
    texture: Ints
    width: Ints
    height: Ints
    x: Ints
    y: Ints


def generate(count: int, seed: int, spec: SceneSpec | None = None) -> SceneSet:
    """Draw scenes.

    Args:
        count: Number of scenes, at least 1.
        seed: At least 0. Sets for training and testing need different seeds.
        spec: What they look like; the default specification if omitted.

    Raises:
        UsageError: ``count`` or ``seed`` is out of range.
    """
    if count < 1:
        raise UsageError(f"scenes: {count} scenes asked for, expected at least 1")
    if seed < 0:
        raise UsageError(f"scenes: seed is {seed}, expected 0 or more")
    spec = spec or SceneSpec()
    stream = np.random.PCG64(seed)
    step = max(1, _PIXELS_AT_ONCE // spec.size**2)
    batches = [_batch(min(step, count - start), stream, spec) for start in range(0, count, step)]
    return SceneSet(
        np.concatenate([batch.images for batch in batches]),
        np.concatenate([batch.masks for batch in batches]),
        np.concatenate([batch.labels for batch in batches]),
        np.concatenate([batch.boxes for batch in batches]),
    )


def _batch(count: int, stream: np.random.PCG64, spec: SceneSpec) -> SceneSet:
    """Draw the next ``count`` scenes of the stream, from back to front."""
    draws, grain = _randomness(count, stream, spec)
    canvas = _background(draws, spec.size)
    masks = np.zeros((count, spec.size, spec.size), dtype=np.uint8)

    for _ in range(spec.clutter):
        coverage, tone = _render(_clutter(draws, spec.size), draws, spec)
        _paint(canvas, coverage, tone, draws)

    labels = _uniform(draws, 0, _CLASSES - 1)
    length = _uniform(draws, *_percent(spec.size, spec.smallest, spec.largest))
    for _ in range(spec.distractors):
        other = (labels + _uniform(draws, 1, _CLASSES - 1)) % _CLASSES
        shorter = (length * _uniform(draws, 45, 65)) // 100
        coverage, tone = _render(_thing(draws, other, shorter, spec.size), draws, spec)
        coverage *= _column(_uniform(draws, 0, 1)).astype(np.uint16)
        _paint(canvas, coverage, tone, draws)
        np.copyto(masks, _column(other + 1).astype(np.uint8), where=coverage >= _SOLID)

    main = _thing(draws, labels, length, spec.size)
    coverage, tone = _render(main, draws, spec)
    _paint(canvas, coverage, tone, draws)
    whole = coverage >= _SOLID
    np.copyto(masks, _column(labels + 1).astype(np.uint8), where=whole)

    coverage, tone = _render(_occluder(draws, main), draws, spec)
    hidden = whole & (coverage >= _SOLID)
    allowed = hidden.sum(axis=(1, 2)) * 100 <= whole.sum(axis=(1, 2)) * spec.occlusion
    coverage *= _column(allowed).astype(np.uint16)
    _paint(canvas, coverage, tone, draws)
    in_front = coverage >= _SOLID
    masks[in_front] = 0

    boxes = tight_boxes(whole & ~in_front).astype(np.int16)
    return SceneSet(_finish(canvas, grain, draws, spec), masks, labels, boxes)


def _randomness(count: int, stream: np.random.PCG64, spec: SceneSpec) -> tuple[Iterator[Ints], NDArray[np.uint8]]:
    """Split each scene's own words of the stream into 16-bit draws [N] and bytes [N, H, W, 3] of grain."""
    pieces = spec.clutter + spec.distractors + 2
    draw_words = (_DRAWS_PER_SCENE + _DRAWS_PER_PIECE * pieces) // 4
    pixels = spec.size * spec.size * 3
    row = draw_words + -(-pixels // 8)
    words = stream.random_raw(count * row).reshape(count, row).astype("<u8", copy=False)
    draws = np.ascontiguousarray(words[:, :draw_words]).view("<u2").astype(np.int64)
    grain = np.ascontiguousarray(words[:, draw_words:]).view(np.uint8)[:, :pixels]
    return iter(draws.T), grain.reshape(count, spec.size, spec.size, 3)


def _uniform(draws: Iterator[Ints], low: int | Ints, high: int | Ints) -> Ints:
    """Next draw, brought to ``low..high``."""
    value: Ints = low + ((next(draws) * (high - low + 1)) >> 16)
    return value


def _percent(size: int, low: int, high: int) -> tuple[int, int]:
    return size * _PARTS * low // 100, size * _PARTS * high // 100


def _column(values: NDArray[Scalar]) -> NDArray[Scalar]:
    """[N] as [N, 1, 1], to meet [N, H, W]."""
    return values[:, None, None]


def _thing(draws: Iterator[Ints], label: Ints, length: Ints, size: int) -> _Piece:
    """An object of class ``label``, its length inside the frame."""
    half, end = length // 2, size * _PARTS
    narrow = (length * _uniform(draws, 60, 100)) // 100
    upright = _uniform(draws, 0, 1) == 1
    return _Piece(
        shape=label,
        texture=label % _TEXTURES,
        width=np.where(upright, narrow, length),
        height=np.where(upright, length, narrow),
        x=_uniform(draws, half, end - half),
        y=_uniform(draws, half, end - half),
    )


def _clutter(draws: Iterator[Ints], size: int) -> _Piece:
    """Something of no class anywhere in the frame."""
    length = _uniform(draws, *_percent(size, 12, 50))
    return _Piece(
        shape=_CLASSES + _uniform(draws, 0, len(sprites.CLUTTER_SHAPES) - 1),
        texture=_uniform(draws, 0, _TEXTURES - 1),
        width=(length * _uniform(draws, 50, 100)) // 100,
        height=(length * _uniform(draws, 50, 100)) // 100,
        x=_uniform(draws, 0, size * _PARTS),
        y=_uniform(draws, 0, size * _PARTS),
    )


def _occluder(draws: Iterator[Ints], main: _Piece) -> _Piece:
    """Something of no class over the edge of the labelled object."""
    length = np.maximum(main.width, main.height)
    return _Piece(
        shape=_CLASSES + _uniform(draws, 0, len(sprites.CLUTTER_SHAPES) - 1),
        texture=_uniform(draws, 0, _TEXTURES - 1),
        width=(length * _uniform(draws, 30, 90)) // 100,
        height=(length * _uniform(draws, 30, 60)) // 100,
        x=main.x + _uniform(draws, -length // 2, length // 2),
        y=main.y + _uniform(draws, -length // 2, length // 2),
    )


def _render(piece: _Piece, draws: Iterator[Ints], spec: SceneSpec) -> tuple[Planes, Planes]:
    """Coverage of each pixel by the piece, and the tone of its texture there; uint16 [N, H, W], 0..``OPAQUE``."""
    cosine, sine = _turn(_uniform(draws, -spec.tilt, spec.tilt))
    mirror = 1 - 2 * _uniform(draws, 0, 1)
    table, starts = sprites.shape_table()
    level = np.searchsorted(RESOLUTIONS[:-1], np.maximum(piece.width, piece.height) // _PARTS)
    side = np.array(RESOLUTIONS)[level]
    u = _project(piece, mirror * cosine, mirror * sine, side, piece.width, side // 2, spec.size)
    v = _project(piece, -sine, cosine, side, piece.height, side // 2, spec.size)
    outside = _column(side).astype(np.int32)
    for coordinate in (u, v):
        np.clip(coordinate, -1, outside, out=coordinate)
    where = (v + 1) * (outside + 2) + (u + 1) + _column(starts[piece.shape, level])
    coverage = table.take(where).astype(np.uint16)

    period = _uniform(draws, *_percent(spec.size, 9, 18))
    points = np.full_like(period, TILE // 2)
    u = _project(piece, cosine, sine, points, period, _uniform(draws, 0, TILE - 1), spec.size)
    v = _project(piece, -sine, cosine, points, period, _uniform(draws, 0, TILE - 1), spec.size)
    where = (v % TILE) * TILE + u % TILE + _column(piece.texture * TILE**2)
    return coverage, sprites.texture_tiles().ravel().take(where).astype(np.uint16)


def _turn(steps: Ints) -> tuple[Ints, Ints]:
    """Cosine and sine of an angle as integers in units of ``2**-_UNIT_BITS``, by the rational circle."""
    below = _STEPS**2 + steps**2
    return ((_STEPS**2 - steps**2) << _UNIT_BITS) // below, ((2 * _STEPS * steps) << _UNIT_BITS) // below


def _project(
    piece: _Piece, along_x: Ints, along_y: Ints, points: Ints, length: Ints, origin: Ints, size: int
) -> NDArray[np.int32]:
    """Place of each pixel's middle along one axis of a piece, int32 [N, H, W].

    The axis has the direction (``along_x``, ``along_y``) and ``points`` points on ``length`` parts; the middle of
    the piece is at ``origin``. Computed with 16 bits after the point.
    """
    scale = points * _PARTS << (16 - _UNIT_BITS)
    right, down = (scale * along_x) // length, (scale * along_y) // length
    half = _PARTS // 2
    start = (origin << 16) + (right * (half - piece.x) + down * (half - piece.y)) // _PARTS
    steps = np.arange(size)
    rows = (start[:, None] + down[:, None] * steps).astype(np.int32)
    columns = (right[:, None] * steps).astype(np.int32)
    places: NDArray[np.int32] = rows[:, :, None] + columns[:, None, :]
    places >>= 16
    return places


def _paint(canvas: Planes, coverage: Planes, tone: Planes, draws: Iterator[Ints]) -> None:
    """Blend a piece in two random colours over the canvas, uint16 [3, N, H, W], in place."""
    swapped = _uniform(draws, 0, 1) == 1
    tone = np.where(_column(swapped), OPAQUE - tone, tone)
    clear = OPAQUE - coverage
    for plane in canvas:
        dark, bright = _uniform(draws, 0, 120), _uniform(draws, 135, 255)
        colour = _blend(dark, bright, tone)
        colour *= coverage
        plane *= clear
        plane += colour
        plane >>= 7


def _blend(first: Ints, second: Ints, tone: Planes) -> Planes:
    """From colour ``first`` (tone 0) up to colour ``second`` (tone ``OPAQUE``), uint16 [N, H, W]."""
    rise = _column(second - first).astype(np.uint16)
    mixed: Planes = tone * rise + _column(first * OPAQUE).astype(np.uint16)
    mixed >>= 7
    return mixed


def _background(draws: Iterator[Ints], size: int) -> Planes:
    """A smooth random field between two colours, uint16 [3, N, H, W]."""
    knots = np.stack([_uniform(draws, 0, OPAQUE) for _ in range(_KNOTS**2)], axis=1).reshape(-1, _KNOTS, _KNOTS)
    place = np.arange(size) * (_KNOTS - 1) * OPAQUE // size
    cell, share = place // OPAQUE, place % OPAQUE
    weights = np.zeros((size, _KNOTS), dtype=np.int64)
    np.put_along_axis(weights, cell[:, None], (OPAQUE - share)[:, None], axis=1)
    np.put_along_axis(weights, cell[:, None] + 1, share[:, None], axis=1)
    tone = (weights @ knots @ weights.T) // OPAQUE**2
    grey = _uniform(draws, 35, 140)
    bases = [grey + _uniform(draws, 0, 55) for _ in range(3)]
    return np.stack([_blend(base, base + _uniform(draws, 0, 60), tone.astype(np.uint16)) for base in bases])


def _finish(canvas: Planes, grain: NDArray[np.uint8], draws: Iterator[Ints], spec: SceneSpec) -> NDArray[np.uint8]:
    """Light that falls off across the frame, then grain; uint8 [N, H, W, 3]."""
    steps = np.arange(spec.size)
    fall = [_uniform(draws, -32, 32)[:, None] * steps // spec.size for _ in range(2)]
    light = (120 + fall[0][:, :, None] + fall[1][:, None, :]).astype(np.uint16)
    lit = np.moveaxis((canvas * light) >> 7, 0, -1)
    grains = (grain.astype(np.uint16) * np.uint16(spec.noise)) >> 8
    shown = (lit + grains).astype(np.int16) - spec.noise // 2
    return shown.clip(0, 255).astype(np.uint8)
