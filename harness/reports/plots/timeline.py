"""Records over time as an inline SVG; the table below it prints the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from harness.reports.plots.frame import Frame
from harness.reports.plots.tracks import Scale

FRAME = Frame(height=150, top=16, bottom=24, left=20.0, right=97.0)


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
    place = {moment: FRAME.along(position, len(moments)) for position, moment in enumerate(moments)}
    parts = [_band(scale, printed)] if printed else []
    for tick, label in zip(scale.ticks, scale.labels(), strict=True):
        y = FRAME.down(scale, tick)
        parts.append(
            Markup('<line class="tick" x1="0" x2="100%" y1="{0}" y2="{0}"/><text y="{1}">{2}</text>').format(
                y, round(y - 3, 1), label
            )
        )
    for point in points:
        kind = "now" if point.counts else "then"
        dot = Markup('<circle class="{}" cx="{}%" cy="{}" r="4"/>')
        parts.append(dot.format(kind, place[point.moment], FRAME.down(scale, point.value)))
    ends = Markup('<text x="{}%" y="{}">{}</text><text class="last" x="{}%" y="{}">{}</text>')
    if len(moments) > 1:
        parts.append(
            ends.format(FRAME.left, FRAME.height - 6, moments[0][:10], FRAME.right, FRAME.height - 6, moments[-1][:10])
        )
    drawing = '<svg class="timeline" height="{}" aria-hidden="true" focusable="false">{}</svg>'
    return Markup(drawing).format(FRAME.height, Markup("").join(parts))


def _band(scale: Scale, printed: tuple[float, float]) -> Markup:
    bottom, top = (FRAME.down(scale, end) for end in printed)
    height = max(round(bottom - top, 1), 1.5)
    return Markup('<rect class="printed" x="0" width="100%" y="{}" height="{}"/>').format(top, height)
