"""A metric of the machine, night after night: its level, what strays from it, and whether it is back.

Logarithms here are signed so that more is worse, whichever direction of the metric is better.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import log1p, prod
from statistics import median
from typing import NamedTuple

import numpy as np

from harness.regression import drift, noise
from harness.regression.model import Kind, Night, Series, Shape
from harness.regression.noise import FEWEST_NIGHTS, FLOORS, Noise, Outliers

SURE_LOOKS = 2
"""Looks in a row that must lie nearer the old level than the new until a metric is back."""

WORTH_A_LOOK = 0.975
"""A first look is confirmed at once from where one in forty lies on its side where nothing changed."""

SUSPICIOUS = 0.99
"""A night is called suspect from where one in a hundred lies where nothing changed."""

DOUBT = 0.01
"""Chance, by the ranks of a week of nights, from which a departure is in doubt."""

RISING = 0.05
"""Chance, by the ranks of the nights before a step, up to which it is the end of a drift; a word, no more."""

SIDES = (1, -1)
"""Worse and better."""

STEPS_SHARE = 0.8
"""Of the budget for false alarms; drifts have the rest: being weeks old, they may be found a night later."""

Sides = tuple[bool | None, bool | None]


class Look(NamedTuple):
    """One night of one metric.

    Attributes:
        first, again: Logarithms of the measurement and of its confirmation.
        calm: For worse and better, whether the night as a whole was not off to that side, so that two measurements
            are two looks and not one; None if there are too few other metrics to tell.
    """

    started: str
    first: float
    again: float | None = None
    calm: Sides = (None, None)

    def milder(self, side: int) -> float:
        """Return the milder of the night's logarithms, times ``side``."""
        return min(side * value for value in self.values())

    def values(self) -> tuple[float, ...]:
        return (self.first,) if self.again is None else (self.first, self.again)

    def looks(self, side: int) -> tuple[float, ...]:
        """Return what counts as independent evidence of this night, times ``side``, the newest first."""
        calm = self.calm[SIDES.index(side)]
        return tuple(side * value for value in reversed(self.values())) if calm else (self.milder(side),)


class Surroundings(NamedTuple):
    """What all metrics of a kind have shown on one side: single looks that were off, and whole nights."""

    runs: Outliers
    nights: Outliers


class Test(NamedTuple):
    """One side's test: its chance where nothing changed, the shape, and how many nights at the end it is about."""

    p: float
    shape: Shape = Shape.STEP
    nights: int = 0


NO_EVIDENCE = Test(1.0)


@dataclass(slots=True)
class Departure:
    """A level that was left and not accepted.

    Attributes:
        side: 1 for worse, -1 for better.
        level: The level before, frozen.
        away: The nights since.
        back: How many of the newest looks in a row lie nearer the old level.
    """

    side: int
    shape: Shape
    level: Noise
    away: list[Look]
    back: int = 0

    @property
    def since(self) -> str:
        return self.away[0].started

    def seems_back(self, value: float) -> bool:
        """Whether a look lies nearer the old level than the middle of the nights since."""
        distance = median(self.side * (night.first - self.level.level) for night in self.away)
        return self.side * (value - self.level.level) < distance / 2


@dataclass(slots=True)
class Track:
    """A metric's nights in one segment, since its level was accepted.

    Attributes:
        nights: Those at the level, the oldest first.
        departure: None while the metric is at its level.
    """

    kind: Kind
    nights: list[Look] = field(default_factory=list)
    departure: Departure | None = None
    _level: Noise | None = None
    _outliers: dict[int, Outliers] = field(default_factory=dict)

    def level(self) -> Noise | None:
        """Return what tonight is compared with; None while there are too few nights."""
        if self.departure:
            return self.departure.level
        if self._level is None and len(self.nights) >= FEWEST_NIGHTS:
            self._level = self._fit(self.nights)
        return self._level

    def worth_confirming(self, tonight: Look) -> bool:
        """Whether the first look should be measured once more: it may leave the level, or return to it."""
        if self.departure:
            return self.departure.seems_back(tonight.first)
        level = self.level()
        return level is not None and self._strays(level, abs(tonight.first - level.level), WORTH_A_LOOK)

    def suspicious(self, tonight: Look) -> bool:
        """Whether all of tonight's looks lie so far on the worse side that another night should be waited for."""
        level = self.level()
        return level is not None and self._strays(level, tonight.milder(1) - level.level, SUSPICIOUS)

    def test(self, side: int, tonight: Look, others: Surroundings, budget: float) -> Test:
        """Return the stronger of step and drift to one side, corrected for the choice (Bonferroni, weighted).

        Args:
            others: What the metrics of this kind have shown on this side.
            budget: The chance that the test may have of being wrong; decides how many looks it waits for.
        """
        step = self._step(side, tonight, others, STEPS_SHARE * budget)
        slow = self._drift(side, tonight)
        weighted = step._replace(p=step.p / STEPS_SHARE), slow._replace(p=slow.p / (1 - STEPS_SHARE))
        best = min(weighted, key=lambda test: test.p)
        return best._replace(p=min(1.0, best.p))

    def leave(self, side: int, test: Test, tonight: Look) -> None:
        """Take note that the level was left, as far back as the nights tell.

        A step at the end of nights that rose already is a drift.
        """
        nights = [*self.nights, tonight]
        count = test.nights
        slow = drift.rising([side * night.first for night in nights[:-count]], 0.0).p <= RISING
        shape = Shape.DRIFT if slow else test.shape
        level = self._fit(nights[:-count])
        distance = median(side * (night.first - level.level) for night in nights[-count:])
        while len(nights) - count > FEWEST_NIGHTS:
            if side * (nights[-count - 1].first - level.level) < distance / 2:
                break
            count += 1
        self.nights = nights[:-count]
        self._forget()
        self.departure = Departure(side, shape, self._fit(self.nights), nights[-count:])

    def stay(self, tonight: Look) -> None:
        """Take tonight among the nights at the level."""
        self.nights.append(tonight)
        self._forget()

    def outliers(self, side: int) -> Outliers:
        """Count the nights that are far off to a side of what is now known to be the level.

        The newest may be the first of a change and do not count yet, nor nights that were off as a whole.
        """
        if side not in self._outliers:
            self._outliers[side] = self._count(side)
        return self._outliers[side]

    def _count(self, side: int) -> Outliers:
        level = self.level()
        if level is None:
            return Outliers()
        place = SIDES.index(side)
        values = [side * night.first for night in self.nights[: -noise.RECENT] if night.calm[place] is not False]
        return noise.outliers(values, level._replace(level=side * level.level))

    def remain_away(self, tonight: Look) -> bool:
        """Take tonight among the nights of a departure; return False, and end it, if the metric is back.

        A short departure was an accident, and its nights tell how often there are such. One that a week of nights does
        not bear out was none: the level may have rested on few nights.
        """
        departure = self.departure
        assert departure is not None
        for value in tonight.values():
            departure.back = departure.back + 1 if departure.seems_back(value) else 0
        departure.away.append(tonight)
        if departure.back >= SURE_LOOKS:
            short = len(departure.away) - 1 <= noise.RECENT
            self._return(departure.away if short else [tonight])
        elif self._in_doubt(departure):
            self._return(departure.away)
        return self.departure is not None

    def _step(self, side: int, tonight: Look, others: Surroundings, budget: float) -> Test:
        """Test the newest looks, as many as it takes until outliers alone explain them with half of ``budget``."""
        place = SIDES.index(side)
        run = self.outliers(side).share(others.runs.share(), noise.OWN_LOOKS)
        night_too = run + (1 - run) * others.nights.share()
        looks: list[float] = []
        shares: list[float] = []
        count = 0
        for night in self._backwards(tonight):
            new = night.looks(side)
            looks += new
            shares += [night_too if night.calm[place] is False else run] * len(new)
            count += 1
            if prod(shares) <= budget / 2:
                break
        before = self.nights[: len(self.nights) + 1 - count]
        if len(before) < FEWEST_NIGHTS or prod(shares) > budget / 2:
            return NO_EVIDENCE
        if min(looks) < median(side * night.first for night in before) + self._least:
            return NO_EVIDENCE
        level = self._fit(before)
        deviation = (min(looks) - side * level.level) / level.scale
        return Test(noise.chance(deviation, tuple(shares), level.nights), Shape.STEP, count)

    def _backwards(self, tonight: Look) -> Iterator[Look]:
        yield tonight
        yield from reversed(self.nights)

    def _in_doubt(self, departure: Departure) -> bool:
        """Whether a week or more since is not told from the nights before."""
        if len(departure.away) < drift.WINDOWS[0]:
            return False
        since, before = (
            departure.side * np.array([night.first for night in nights]) for nights in (departure.away, self.nights)
        )
        return drift.rank_sum(since, before) > DOUBT

    def _return(self, nights: Sequence[Look]) -> None:
        self.nights += nights
        self.departure = None
        self._forget()

    def _drift(self, side: int, tonight: Look) -> Test:
        trend = drift.rising([side * night.first for night in (*self.nights, tonight)], self._least)
        return Test(trend.p, Shape.DRIFT, trend.nights)

    @property
    def _least(self) -> float:
        return log1p(FLOORS[self.kind].change)

    def _forget(self) -> None:
        """Forget what was worked out of the nights, which are others now."""
        self._level = None
        self._outliers.clear()

    def _fit(self, nights: Sequence[Look]) -> Noise:
        return noise.fit([night.first for night in nights], FLOORS[self.kind].scale)

    def _strays(self, level: Noise, distance: float, quantile: float) -> bool:
        return distance >= max(self._least, noise.quantile(quantile, level.nights) * level.scale)


class Tonight(NamedTuple):
    """A metric's track and its newest night; ``tests`` for worse and better, None where there is nothing to test."""

    series: Series
    night: Night
    track: Track
    look: Look
    tests: tuple[Test, Test] | None = None
