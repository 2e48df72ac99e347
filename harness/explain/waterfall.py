"""From our number to a printed one by changing one convention after the other. Pure.

Each step changes the one convention that brings the number nearest to the print, until it rounds to the print or no
single change brings it nearer. The steps telescope: what they change and what remains add up to the gap exactly. The
order is greedy; where conventions interact, another order shares the same total out differently.

That a chain of conventions ends at the print is a hypothesis, not a finding: with enough of them, some combination
comes near any number. :func:`survey` therefore counts how many do, and how many would by chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

from harness.claims.intervals import Interval
from harness.explain.conventions import Axis, Choice, Grid, Option

Values = Callable[[Sequence[Choice]], list[float]]
"""From choices to their scores; NaN where a choice has none."""

FULL_GRID = 600
"""Grids up to this size are scored whole."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of convention.

    Attributes:
        choice: After it.
        before, after: The number.
        tried: How many single changes it was chosen from.
    """

    axis: Axis
    option: Option
    choice: Choice
    before: float
    after: float
    tried: int

    @property
    def change(self) -> Fraction:
        return Fraction(self.after) - Fraction(self.before)


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The way from our number to the print.

    Attributes:
        start: Our number, in the unit of ``target``.
        target: The values that round to the print.
    """

    start: float
    steps: tuple[Step, ...]
    target: Interval

    @property
    def end(self) -> float:
        """The number after the last step."""
        return self.steps[-1].after if self.steps else self.start

    @property
    def gap(self) -> Fraction:
        """Print minus our number; what the steps change and :attr:`rest` add up to."""
        return self.target.middle - Fraction(self.start)

    @property
    def rest(self) -> Fraction:
        """Print minus the number after the last step."""
        return self.target.middle - Fraction(self.end)

    @property
    def unexplained(self) -> float | None:
        """Share of the gap that no step explains: 0 where the last number rounds to the print; None without a gap."""
        if distance(self.start, self.target) == 0:
            return None
        return 0.0 if distance(self.end, self.target) == 0 else float(abs(self.rest) / abs(self.gap))


@dataclass(frozen=True, slots=True)
class Survey:
    """All combinations of a grid against the print.

    Attributes:
        combinations: How many have a score.
        numbers: How many different numbers they give, to the ninth decimal.
        within: How many of the different numbers round to the print.
        by_chance: How many would, on average, if what rounds to the print lay anywhere that it touches the range of
            the numbers.
        low, high: The smallest and the largest number.
        nearest, value: The combination that comes nearest, with the fewest changes among equals, and its number.
    """

    combinations: int
    numbers: int
    within: int
    by_chance: float
    low: float
    high: float
    nearest: Choice
    value: float


def distance(value: float, target: Interval) -> Fraction:
    """Return how far a number is from the values that round to the print; 0 inside."""
    return Interval.point(Fraction(value)).distance(target)


def waterfall(grid: Grid, values: Values, target: Interval) -> Waterfall:
    """Go from the usual choice towards a printed number, greedily.

    Raises:
        ValueError: The usual choice has no score.
    """
    choice = grid.usual
    (start,) = values([choice])
    if not math.isfinite(start):
        raise ValueError("the usual conventions give no score")
    steps: list[Step] = []
    before = start
    while distance(before, target) > 0:
        singles = list(grid.singles(choice))
        after = values([other for _, _, other in singles]) if singles else []
        found = [(single, value) for single, value in zip(singles, after, strict=True) if math.isfinite(value)]
        if not found:
            break
        (axis, option, other), value = min(found, key=lambda pair: _remoteness(pair[1], target))
        if _remoteness(value, target) >= _remoteness(before, target):
            break
        steps.append(Step(axis, option, other, before, value, len(singles)))
        choice, before = other, value
    return Waterfall(start, tuple(steps), target)


def survey(grid: Grid, values: Values, target: Interval) -> Survey | None:
    """Score every combination; None where there are more than :data:`FULL_GRID`."""
    choices = list(islice(grid.combinations(), FULL_GRID + 1))
    if len(choices) > FULL_GRID:
        return None
    scored = [(c, v) for c, v in zip(choices, values(choices), strict=True) if math.isfinite(v)]
    numbers = {round(value, 9) for _, value in scored}
    low, high = min(numbers), max(numbers)
    width = float(target.width)
    nearest, value = min(scored, key=lambda pair: (distance(pair[1], target), len(grid.changes(pair[0]))))
    return Survey(
        combinations=len(scored),
        numbers=len(numbers),
        within=sum(distance(number, target) == 0 for number in numbers),
        by_chance=len(numbers) * width / (high - low + width) if width > 0 else 0.0,
        low=low,
        high=high,
        nearest=nearest,
        value=value,
    )


def _remoteness(value: float, target: Interval) -> tuple[Fraction, Fraction]:
    """Order numbers by how far they are from rounding to the print, then from the print itself."""
    return distance(value, target), abs(Fraction(value) - target.middle)
