"""One row of a plot as an inline SVG. Positions are percentages, so that it fits any width and text keeps its size.

The rows stand in HTML tables that print the same numbers as text: tracks are decoration to a screen reader. Colours
are classes that the page's stylesheet sets for both colour schemes; systems differ in shape as well, and the seventh
to the twelfth have the hollow shapes of the first six in another colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.wording.numbers import fixed

TICKS = 5
NARROWEST = 1e-9
LANE = 12
SHAPES = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "M-3.6-3.6h7.2v7.2h-7.2z",
    "M0-5L5 0L0 5L-5 0z",
    "M0-4.6L4.6 3.6H-4.6z",
    "M0 4.6L4.6-3.6H-4.6z",
    "M-1.6-4.6h3.2v3h3v3.2h-3v3h-3.2v-3h-3v-3.2h3z",
)
"""Circle, square, diamond, triangle up and down, cross; centred on the origin, about 9 pixels wide."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear axis from ``low`` to ``high`` with round ``ticks`` and the decimals they need."""

    low: float
    high: float
    ticks: tuple[float, ...]
    decimals: int

    def share(self, value: float) -> float:
        """Return how far along the axis a value lies, held within it: 0 at ``low``, 1 at ``high``."""
        return (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)

    def percent(self, value: float) -> str:
        """Return where a value lies as an SVG length."""
        return f"{100 * self.share(value):.2f}%"

    def labels(self, *, signed: bool = False) -> tuple[str, ...]:
        return tuple(fixed(tick, self.decimals, signed=signed) for tick in self.ticks)


@dataclass(frozen=True, slots=True)
class Lane:
    """One series of a track: a bar from ``low`` to ``high``, small ``points`` and a shape at ``centre``; None: none.

    Attributes:
        series: Its number, which gives shape and colour.
    """

    series: int
    centre: float | None
    low: float | None = None
    high: float | None = None
    points: tuple[float, ...] = ()


def scale_over(
    values: Sequence[float], *, include: Sequence[float] = (), limits: tuple[float, float] | None = None
) -> Scale:
    """Return an axis with round ends around all finite values.

    Args:
        include: Values the axis has to reach even where no number does (zero, for differences).
        limits: Bounds the axis never leaves (0 and 100, for shares).
    """
    finite = [value for value in (*values, *include) if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    size = max(abs(low), abs(high))
    if high - low <= NARROWEST * max(size, NARROWEST):
        margin = size / 2 if size > NARROWEST else 0.5
        low, high = low - margin, high + margin
    step = _round_step((high - low) / TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if limits is not None:
        first, last = max(first, math.ceil(limits[0] / step)), min(last, math.floor(limits[1] / step))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = tuple(round(k * step, decimals + 1) for k in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], ticks, decimals)


def track(scale: Scale, lanes: Sequence[Lane], *, reference: float | None = None) -> Markup:
    """Draw one row: grid lines, a stronger one at ``reference``, and the lanes below each other."""
    height = max(LANE * len(lanes), 2 * LANE)
    parts = [grid(scale, reference)]
    for position, lane in enumerate(lanes):
        parts.append(_lane(scale, lane, f"{100 * (position + 0.5) / len(lanes):.2f}%"))
    body = Markup("").join(parts)
    return Markup('<svg class="track" height="{}" aria-hidden="true" focusable="false">{}</svg>').format(height, body)


def axis(scale: Scale, *, signed: bool = False) -> Markup:
    """Draw the tick labels that belong under or over tracks of this scale."""
    labels = Markup("").join(
        Markup('<text x="{}" y="12" class="{}">{}</text>').format(scale.percent(tick), _anchor(tick, scale), label)
        for tick, label in zip(scale.ticks, scale.labels(signed=signed), strict=True)
    )
    return Markup('<svg class="axis" height="16" aria-hidden="true" focusable="false">{}</svg>').format(labels)


def key(series: int) -> Markup:
    """Draw the shape of a series, for legends and row heads."""
    return Markup(
        '<svg class="key {}" width="12" height="12" viewBox="-6 -6 12 12" aria-hidden="true" focusable="false">'
        '<path d="{}"/></svg>'
    ).format(_classes(series), _shape(series))


def _shape(series: int) -> str:
    return SHAPES[series % len(SHAPES)]


def _classes(series: int) -> str:
    """Return the CSS classes that give a series its colour, and whether its shape is filled."""
    turn = series // len(SHAPES)
    colour = (series + turn) % len(SHAPES)
    return f"s{colour} hollow" if turn % 2 else f"s{colour}"


def grid(scale: Scale, reference: float | None) -> Markup:
    """Draw a line at every tick, and a stronger one at ``reference``, from top to bottom of the drawing around them."""
    lines = [
        Markup('<line class="tick" x1="{0}" x2="{0}" y1="0" y2="100%"/>').format(scale.percent(tick))
        for tick in scale.ticks
    ]
    if reference is not None:
        lines.append(Markup('<line class="zero" x1="{0}" x2="{0}" y1="0" y2="100%"/>').format(scale.percent(reference)))
    return Markup("").join(lines)


def _lane(scale: Scale, lane: Lane, y: str) -> Markup:
    parts: list[Markup] = []
    if lane.low is not None and lane.high is not None:
        bar = Markup('<line class="bar" x1="{}" x2="{}" y1="{}" y2="{}"/>')
        parts.append(bar.format(scale.percent(lane.low), scale.percent(lane.high), y, y))
    for point in lane.points:
        parts.append(Markup('<circle class="seed" cx="{}" cy="{}" r="2.6"/>').format(scale.percent(point), y))
    if lane.centre is not None:
        shape = Markup('<svg x="{}" y="{}" overflow="visible"><path class="centre" d="{}"/></svg>')
        parts.append(shape.format(scale.percent(lane.centre), y, _shape(lane.series)))
    return Markup('<g class="{}">{}</g>').format(_classes(lane.series), Markup("").join(parts))


def _anchor(tick: float, scale: Scale) -> str:
    return "first" if tick == scale.ticks[0] else "last" if tick == scale.ticks[-1] else "middle"


def _round_step(step: float) -> float:
    """Return the nearest of 1, 2, 5 times a power of ten that is not below ``step``."""
    power = 10.0 ** math.floor(math.log10(step))
    return power * next(factor for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))
