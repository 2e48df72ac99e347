"""A waterfall as inline SVGs, one a row, beside the numbers as text: tracks with a bar from level to level."""

from __future__ import annotations

from typing import Literal

from markupsafe import Markup

from harness.reports.plots.tracks import Scale, grid

HEIGHT = 24
BAR = 12

Kind = Literal["end", "step", "rest"]
"""One of the two ends, a change of convention, or what none explains."""


def level(scale: Scale, before: float, after: float, kind: Kind, reference: float) -> Markup:
    """Draw one row: the bar between two levels, a line at the second one, and a dashed one at ``reference``."""
    low, high = sorted((before, after))
    start, end = scale.percent(low), scale.percent(high)
    width = f"{float(end.rstrip('%')) - float(start.rstrip('%')):.2f}%"
    bar = Markup('<rect class="fall {}" x="{}" y="{}" width="{}" height="{}"/>').format(
        kind, start, (HEIGHT - BAR) // 2, width, BAR
    )
    line = Markup('<line class="level" x1="{0}" x2="{0}" y1="0" y2="100%"/>').format(scale.percent(after))
    return Markup('<svg class="track" height="{}" aria-hidden="true" focusable="false">{}{}{}</svg>').format(
        HEIGHT, grid(scale, reference), bar, line
    )
