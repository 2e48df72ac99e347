"""A metric of images, night after night: what tonight is paired with, and whether a loss still stands.

On fixed seeds the same code gives the same outcomes bit for bit, so there is no noise between nights to estimate: what
changed is tested image by image (:mod:`harness.regression.paired`), tonight alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.claims.vocabulary import Direction
from harness.regression.model import Change, Night, Series, Shape
from harness.regression.paired import compare


class Comparison(NamedTuple):
    """Tonight against the newest night at the level, which shows a step, and the first, which shows a drift.

    Attributes:
        references: The nights compared with, by what they show.
        changes: Tonight minus each.
        shape: What is shown more surely.
        worse, better: Chances, corrected for the choice of two.
    """

    references: Mapping[Shape, Night]
    changes: Mapping[Shape, Change]
    shape: Shape
    worse: float
    better: float

    @property
    def reference(self) -> Night:
        return self.references[self.shape]

    @property
    def change(self) -> Change:
        return self.changes[self.shape]

    @property
    def changed(self) -> bool:
        """Whether any outcome differs; if none does, there is nothing that a test could find."""
        return min(_surest(change) for change in self.changes.values()) < 1

    def chance(self, side: int) -> float:
        """Return the chance of such a change to a side: 1 for worse, -1 for better."""
        return self.worse if side > 0 else self.better


@dataclass(slots=True)
class Departure:
    """A level that was left and not accepted: in which direction, since when, and how far, on the seeds compared."""

    side: int
    shape: Shape
    since: str
    distance: float


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

    def compare(self, tonight: Night) -> Comparison:
        """Compare tonight with the level.

        The first night is compared with as well as the newest, so that losses too small for one night add up.

        Raises:
            IncomparableError: The outcomes cannot be paired.
        """
        newest = compare(self.nights, tonight, self.better)
        first = compare(self.nights[:1], tonight, self.better) if len(self.nights) > 1 else newest
        factor = 1 if first == newest else 2
        return Comparison(
            references={Shape.STEP: self.nights[-1], Shape.DRIFT: self.nights[0]},
            changes={Shape.STEP: newest, Shape.DRIFT: first},
            shape=Shape.DRIFT if _surest(first) < _surest(newest) else Shape.STEP,
            worse=min(1.0, factor * min(first.p_worse, newest.p_worse)),
            better=min(1.0, factor * min(first.p_better, newest.p_better)),
        )

    def conclude(self, side: int | None, comparison: Comparison, tonight: Night) -> None:
        """Note a comparison, and whether the level is left: to the side just found, or still, as it was before.

        A night that lies nearer the level than the one that left it ends a departure, unless it is found by itself.
        """
        self.compared += 1
        self.changes += comparison.changed
        departure = self.departure
        if self.is_away(comparison):
            return
        self.departure = None
        if side is None:
            return
        since = departure.since if departure and departure.side == side else tonight.started
        self.departure = Departure(side, comparison.shape, since, comparison.change.estimate)

    def is_away(self, comparison: Comparison) -> bool:
        """Return whether a departure stands: tonight is at least half as far off as the night that left the level."""
        departure = self.departure
        if departure is None:
            return False
        now = comparison.changes[departure.shape].estimate
        return now * departure.distance >= departure.distance**2 / 2


def _surest(change: Change) -> float:
    return min(change.p_worse, change.p_better)


class Tonight(NamedTuple):
    """A metric's track and its newest night; ``comparison`` is None where there is nothing to compare with."""

    series: Series
    night: Night
    track: Track
    comparison: Comparison | None = None
