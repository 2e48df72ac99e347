"""Records over time as an inline SVG; the table below it prints the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from harness.reports.plots.tracks import Scale

HEIGHT = 150
TOP, BOTTOM = 16, 24
LEFT, RIGHT = 20.0, 97.0
"""Where the first and the last moment lie, in percent of the width; the axis is written to the left of them."""


class Point(NamedTuple):
    """A record: when it was made (sorts by time), its number, and whether it counts."""

    moment: str
    value: float
    counts: bool


def timeline(points: Sequence[Point], scale: Scale, printed: tuple[float, float] | None = None) -> Markup:
    """Draw records from the oldest to the newest, evenly spaced; those that count are filled.

    Args:
        printed: Between which numbers what rounds to the print lies; None draws no band.
    """
    moments = sorted({point.moment for point in points})
    place = {moment: _along(position, len(moments)) for position, moment in enumerate(moments)}
    parts = [_band(scale, printed)] if printed else []
    for tick, label in zip(scale.ticks, scale.labels(), strict=True):
        y = _down(scale, tick)
        parts.append(
            Markup('<line class="tick" x1="0" x2="100%" y1="{0}" y2="{0}"/><text y="{1}">{2}</text>').format(
                y, round(y - 3, 1), label
            )
        )
    for point in points:
        kind = "now" if point.counts else "then"
        dot = Markup('<circle class="{}" cx="{}%" cy="{}" r="4"/>')
        parts.append(dot.format(kind, place[point.moment], _down(scale, point.value)))
    ends = Markup('<text x="{}%" y="{}">{}</text><text class="last" x="{}%" y="{}">{}</text>')
    if len(moments) > 1:
        parts.append(ends.format(LEFT, HEIGHT - 6, moments[0][:10], RIGHT, HEIGHT - 6, moments[-1][:10]))
    drawing = '<svg class="timeline" height="{}" aria-hidden="true" focusable="false">{}</svg>'
    return Markup(drawing).format(HEIGHT, Markup("").join(parts))


def _along(position: int, count: int) -> float:
    share = position / (count - 1) if count > 1 else 0.5
    return round(LEFT + share * (RIGHT - LEFT), 2)


def _down(scale: Scale, value: float) -> float:
    share = (min(max(value, scale.low), scale.high) - scale.low) / (scale.high - scale.low)
    return round(TOP + (1 - share) * (HEIGHT - TOP - BOTTOM), 1)


def _band(scale: Scale, printed: tuple[float, float]) -> Markup:
    bottom, top = (_down(scale, end) for end in printed)
    height = max(round(bottom - top, 1), 1.5)
    return Markup('<rect class="printed" x="0" width="100%" y="{}" height="{}"/>').format(top, height)
