"""A curve as an inline SVG of any width, for one row of a table that prints its numbers as text."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from harness.reports.plots.tracks import Scale, grid

HEIGHT = 56


def curve(across: Scale, upwards: Scale, points: Sequence[tuple[float, float]], reference: float | None) -> Markup:
    """Draw a line through points (x, y), with grid lines along ``across`` and a stronger one at ``reference``."""
    places = " ".join(f"{_share(across, x):.2f},{100 - _share(upwards, y):.2f}" for x, y in points)
    line = Markup(
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" overflow="visible">'
        '<polyline class="curve" points="{}"/></svg>'
    ).format(places)
    return Markup('<svg class="track" height="{}" aria-hidden="true" focusable="false">{}{}</svg>').format(
        HEIGHT, grid(across, reference), line
    )


def _share(scale: Scale, value: float) -> float:
    """Return where a value lies along an axis, in percent."""
    return float(scale.percent(value).rstrip("%"))
