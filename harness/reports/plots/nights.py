"""A metric's nights as an inline SVG: segments, level, tonight, confirmation. A table prints the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import isfinite

from markupsafe import Markup

from harness.regression.model import Night
from harness.reports.plots.frame import Frame
from harness.reports.plots.tracks import Scale, scale_over

FRAME = Frame(height=130, top=14, bottom=20, left=16.0, right=98.0)
MOST_NIGHTS = 60


def nights_chart(nights: Sequence[Night], level: float | None, since: str = "") -> Markup:
    """Draw the last :data:`MOST_NIGHTS` nights, evenly spaced; the newest is tonight, filled.

    Values of one segment are joined by a line; a dashed line divides segments, whose values are never compared. The
    level runs over the newest segment's nights. A ring is what the confirmation measured. What is
    not finite is left out.

    Args:
        since: When the level was left; the nights from then on, in this segment, are marked. Empty if it was not.
    """
    shown = [night for night in nights if isfinite(night.value)][-MOST_NIGHTS:]
    values = [value for night in shown for value in (night.value, night.again) if value is not None]
    scale = scale_over([*values, *([] if level is None else [level])])
    place = {night.started: FRAME.along(position, len(shown)) for position, night in enumerate(shown)}
    parts = [_tick(scale, tick, label) for tick, label in zip(scale.ticks[::2], scale.labels()[::2], strict=True)]
    segments = [list(members) for _, members in groupby(shown, key=lambda night: night.segment)]
    for segment in segments:
        parts.append(_line(scale, segment, place))
        if segment is not segments[0]:
            parts.append(_divider((place[segment[0].started] + place[_before(shown, segment[0])]) / 2))
    if level is not None and segments:
        parts.append(_level(scale, level, place[segments[-1][0].started]))
    for night in shown:
        left = bool(since) and night.started >= since and night.segment == shown[-1].segment
        parts += _dots(scale, night, place[night.started], tonight=night is nights[-1], left=left)
    if len(shown) > 1:
        ends = Markup('<text x="{}%" y="{}">{}</text><text class="last" x="{}%" y="{}">{}</text>')
        low = FRAME.height - 4
        parts.append(ends.format(FRAME.left, low, shown[0].started[:10], FRAME.right, low, shown[-1].started[:10]))
    drawing = '<svg class="timeline nights" height="{}" aria-hidden="true" focusable="false">{}</svg>'
    return Markup(drawing).format(FRAME.height, Markup("").join(parts))


def _before(shown: Sequence[Night], night: Night) -> str:
    return shown[shown.index(night) - 1].started


def _tick(scale: Scale, tick: float, label: str) -> Markup:
    y = FRAME.down(scale, tick)
    line = Markup('<line class="tick" x1="{0}%" x2="100%" y1="{1}" y2="{1}"/><text x="0" y="{2}">{3}</text>')
    return line.format(FRAME.left - 2, y, round(y + 4, 1), label)


def _line(scale: Scale, segment: Sequence[Night], place: dict[str, float]) -> Markup:
    """Join nights; the nested drawing stretches with the page, the stroke does not."""
    points = " ".join(f"{place[night.started]:.2f},{FRAME.down(scale, night.value):.1f}" for night in segment)
    return Markup(
        '<svg viewBox="0 0 100 {}" width="100%" height="{}" preserveAspectRatio="none" overflow="visible">'
        '<polyline class="path" points="{}"/></svg>'
    ).format(FRAME.height, FRAME.height, points)


def _divider(x: float) -> Markup:
    return Markup('<line class="divider" x1="{0:.2f}%" x2="{0:.2f}%" y1="{1}" y2="{2}"/>').format(
        x, FRAME.top - 6, FRAME.height - FRAME.bottom
    )


def _level(scale: Scale, level: float, first: float) -> Markup:
    line = Markup('<line class="held" x1="{}%" x2="100%" y1="{}" y2="{}"/>')
    y = FRAME.down(scale, level)
    return line.format(round(max(first - 1.5, FRAME.left - 2), 2), y, y)


def _dots(scale: Scale, night: Night, x: float, *, tonight: bool, left: bool) -> list[Markup]:
    kind = " ".join(name for name, holds in (("tonight", tonight), ("left", left)) if holds)
    radius = 4.5 if tonight else 2.2
    dot = Markup('<circle class="dot {}" cx="{}%" cy="{}" r="{}"/>')
    dots = [dot.format(kind, x, FRAME.down(scale, night.value), radius)]
    if night.again is not None and isfinite(night.again):
        ring = Markup('<circle class="again" cx="{}%" cy="{}" r="{}"/>')
        dots.append(ring.format(x, FRAME.down(scale, night.again), 6.5 if tonight else 4))
    return dots
