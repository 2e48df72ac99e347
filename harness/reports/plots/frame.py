"""Where a drawing over time puts its points."""

from __future__ import annotations

from dataclasses import dataclass

from harness.reports.plots.tracks import Scale


@dataclass(frozen=True, slots=True)
class Frame:
    """A drawing that is as wide as its page.

    Attributes:
        height, top, bottom: In pixels; the scale runs between the two margins.
        left, right: Where the first and the last moment lie, in percent of the width; the axis is written to the left.
    """

    height: int
    top: int
    bottom: int
    left: float
    right: float

    def along(self, position: int, count: int) -> float:
        """Return where a moment lies, of ``count`` that are evenly spaced, in percent of the width."""
        share = position / (count - 1) if count > 1 else 0.5
        return round(self.left + share * (self.right - self.left), 2)

    def down(self, scale: Scale, value: float) -> float:
        """Return where a value lies, held within the scale, in pixels from the top."""
        return round(self.top + (1 - scale.share(value)) * (self.height - self.top - self.bottom), 1)
