"""A metric of images, night after night: what tonight is paired with, and whether a loss still stands.

On fixed seeds the same code gives the same outcomes bit for bit, so there is no noise between nights to estimate: what
changed is tested image by image (:mod:`harness.regression.paired`), tonight alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from harness.claims.vocabulary import Direction
from harness.regression.model import Change, Night, Series, Shape
from harness.regression.paired import compare


class Comparison(NamedTuple):
    """Tonight against the first and the newest night at the level, the surer of the two by side.

    Attributes:
        worse, better: Chances, corrected for the choice of two.
        shape: DRIFT where the first night tells more than the newest.
        changed: Whether any outcome differs; if none does, there is nothing that a test could find.
    """

    change: Change
    worse: float
    better: float
    shape: Shape
    changed: bool

    def chance(self, side: int) -> float:
        """Return the chance of such a change to a side: 1 for worse, -1 for better."""
        return self.worse if side > 0 else self.better


@dataclass(slots=True)
class Departure:
    """A level that was left and not accepted: in which direction, since when, from what to what."""

    side: int
    shape: Shape
    since: str
    level: float
    value: float


@dataclass(slots=True)
class Track:
    """A metric's nights in one segment, since its level was accepted.

    Attributes:
        nights: Those at the level, the oldest first.
        changes: On how many nights, of all that were compared, any outcome differed from the level's.
    """

    better: Direction
    nights: list[Night] = field(default_factory=list)
    departure: Departure | None = None
    compared: int = 0
    changes: int = 0

    def budget(self, each: float) -> float:
        """Return the chance of a false alarm that a night with changed outcomes may have.

        Outcomes that repeat bit by bit raise none, so where they mostly do, the nights on which they do not may have
        the others' share: over the nights it is ``each``.
        """
        return each * (self.compared + 1) / (self.changes + 1)

    def note(self, comparison: Comparison) -> None:
        """Count a night that was compared."""
        self.compared += 1
        self.changes += comparison.changed

    def compare(self, tonight: Night) -> Comparison:
        """Compare tonight with the level.

        The first night is compared with as well as the newest, so that losses too small for one night add up.

        Raises:
            IncomparableError: The outcomes cannot be paired.
        """
        newest = compare(self.nights, tonight, self.better)
        first = compare(self.nights[:1], tonight, self.better) if len(self.nights) > 1 else newest
        changed = min(newest.p_worse, newest.p_better, first.p_worse, first.p_better) < 1
        drifted = min(first.p_worse, first.p_better) < min(newest.p_worse, newest.p_better)
        factor = 1 if first == newest else 2
        worse = min(1.0, factor * min(first.p_worse, newest.p_worse))
        better = min(1.0, factor * min(first.p_better, newest.p_better))
        shape = Shape.DRIFT if drifted else Shape.STEP
        return Comparison(first if drifted else newest, worse, better, shape, changed)

    def leave(self, side: int, comparison: Comparison, tonight: Night) -> None:
        """Take note that the level was left tonight."""
        level = tonight.value - comparison.change.estimate
        self.departure = Departure(side, comparison.shape, tonight.started, level, tonight.value)

    def is_away(self, tonight: Night) -> bool:
        """Return whether a departure stands: tonight is no nearer the level than the night that left it."""
        departure = self.departure
        if departure is None:
            return False
        distance = departure.value - departure.level
        return (tonight.value - departure.level) * distance >= distance * distance / 2


class Tonight(NamedTuple):
    """A metric's track and its newest night; ``comparison`` is None where there is nothing to compare with."""

    series: Series
    night: Night
    track: Track
    comparison: Comparison | None = None
