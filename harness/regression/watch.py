"""All metrics of a night together: who is tested, what the night's false-discovery rate lets through, what is said.

A :class:`Watch` is fed one night after the other and remembers levels and departures; it never looks ahead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import log
from statistics import median

from harness.regression import outcomes, timed, wording
from harness.regression.discovery import BUDGET, RATE, discoveries
from harness.regression.model import Address, Decision, Kind, Level, Night, Series
from harness.regression.noise import FLOORS, RECENT, Outliers
from harness.regression.paired import IncomparableError
from harness.regression.timed import SIDES, Look, Sides, Surroundings

FEWEST_OTHERS = 4
"""Other metrics of a night that it takes to tell whether the night as a whole was off."""

NIGHT_OFF = 1.0
"""A night is off to a side where the median of the other metrics' deviations lies that many scales to it."""


class Watch:
    """The rule's memory: per metric and segment the nights at its level, and what left it.

    Args:
        series: Whose nights will be told; their ``nights`` are not read here.
        levels: Nights before an accepted level's ``since`` are forgotten when the first night from then on comes.

    Raises:
        ValueError: Two series have one address.
    """

    def __init__(self, series: Iterable[Series], levels: Sequence[Level]) -> None:
        self._series: dict[Address, Series] = {}
        for one in series:
            if one.address in self._series:
                raise ValueError(f"two series of {one.address.id}")
            self._series[one.address] = one
        self._levels: dict[str, list[str]] = {}
        for level in levels:
            self._levels.setdefault(level.address, []).append(level.since)
        self._timed: dict[Address, dict[str, timed.Track]] = {}
        self._imaged: dict[Address, dict[str, outcomes.Track]] = {}
        self._nights: dict[Kind, list[Sides]] = {kind: [] for kind in FLOORS}

    def suspects(self, tonight: Mapping[Address, Night]) -> tuple[Address, ...]:
        """Return what should be measured once more at once: speeds and memory that may have left their level.

        Nothing is remembered. Also named is what had left its level and may be back.
        """
        self._accept(tonight)
        return tuple(
            address
            for address, night in tonight.items()
            if (series := self._series[address]).kind in FLOORS
            and night.again is None
            and not wording.unusable(series, night)
            and self._track_timed(series, night).worth_confirming(_look(series, night))
        )

    def judge(self, tonight: Mapping[Address, Night]) -> tuple[Decision, ...]:
        """Return what is to be said of each metric of a night, and remember the night."""
        self._accept(tonight)
        refused: list[Decision] = []
        timings: list[timed.Tonight] = []
        images: list[outcomes.Tonight] = []
        for address, night in tonight.items():
            series = self._series[address]
            if why := wording.unusable(series, night):
                refused.append(wording.not_compared(series, night, why))
            elif series.kind in FLOORS:
                timings.append(timed.Tonight(series, night, self._track_timed(series, night), _look(series, night)))
            else:
                try:
                    images.append(self._compared(series, night))
                except IncomparableError as error:
                    refused.append(wording.not_compared(series, night, str(error)))
        timings = self._tested(_calm(timings), sum(map(_in_family, images)))
        found = _found(timings, images)
        for kind, nights in self._nights.items():
            nights += [_whole(timings, kind)]
        spoken = [*refused]
        spoken += [self._conclude_timed(one, found.get(one.series.address)) for one in timings]
        spoken += [self._conclude_imaged(one, found.get(one.series.address)) for one in images]
        place = {address: index for index, address in enumerate(tonight)}
        return tuple(sorted(spoken, key=lambda decision: place[decision.address]))

    def _accept(self, tonight: Mapping[Address, Night]) -> None:
        for address, night in tonight.items():
            waiting = self._levels.get(address.id, [])
            later = [since for since in waiting if since > night.started]
            if len(later) < len(waiting):
                self._levels[address.id] = later
                self._timed.pop(address, None)
                self._imaged.pop(address, None)

    def _track_timed(self, series: Series, night: Night) -> timed.Track:
        return self._timed.setdefault(series.address, {}).setdefault(night.segment, timed.Track(series.kind))

    def _compared(self, series: Series, night: Night) -> outcomes.Tonight:
        tracks = self._imaged.setdefault(series.address, {})
        track = tracks.setdefault(night.segment, outcomes.Track(series.better))
        return outcomes.Tonight(series, night, track, track.compare(night) if track.nights else None)

    def _tested(self, timings: Sequence[timed.Tonight], others: int) -> list[timed.Tonight]:
        """Add the tests of what is at its level, each with its share of the night's budget."""
        ready = [one.track.departure is None and one.track.level() is not None for one in timings]
        budget = min(BUDGET, RATE / max(1, sum(ready) + others))
        surroundings = {kind: self._surroundings(kind) for kind in FLOORS}
        tested = []
        for one, is_ready in zip(timings, ready, strict=True):
            worse, better = surroundings[one.series.kind]
            if is_ready:
                tests = one.track.test(1, one.look, worse, budget), one.track.test(-1, one.look, better, budget)
                tested.append(one._replace(tests=tests))
            else:
                tested.append(one)
        return tested

    def _surroundings(self, kind: Kind) -> tuple[Surroundings, Surroundings]:
        """Return what the metrics of a kind have shown before tonight, for worse and better."""
        tracks = [track for one in self._timed.values() for track in one.values() if track.kind is kind]
        worse, better = (
            Surroundings(
                sum((track.outliers(side) for track in tracks), Outliers()),
                Outliers(len(nights := self._nights[kind][:-RECENT]), sum(calm[place] is False for calm in nights)),
            )
            for place, side in enumerate(SIDES)
        )
        return worse, better

    def _conclude_timed(self, one: timed.Tonight, side: int | None) -> Decision:
        track, level = one.track, one.track.level()
        if level is None:
            track.stay(one.look)
            seen = len(self._timed[one.series.address]) > 1
            return wording.too_few(one.series, one.night, len(track.nights), seen)
        suspect = track.suspicious(one.look)
        if departure := track.departure:
            away = track.remain_away(one.look)
            if suspect and not (away and departure.side > 0):
                return wording.suspect(one, level)
            return wording.left(one, departure) if away else wording.back(one, departure)
        if side is not None and one.tests:
            track.leave(side, one.tests[SIDES.index(side)], one.look)
            assert track.departure is not None
            return wording.left(one, track.departure)
        track.stay(one.look)
        return wording.suspect(one, level) if suspect else wording.steady(one, level)

    def _conclude_imaged(self, one: outcomes.Tonight, side: int | None) -> Decision:
        track = one.track
        if one.comparison is None:
            track.nights.append(one.night)
            return wording.first_of_segment(one.series, one.night, len(self._imaged[one.series.address]) > 1)
        track.conclude(side, one.comparison, one.night)
        if track.departure:
            return wording.images_left(one, one.comparison, track.departure)
        said = wording.images_steady(one, one.comparison)
        track.nights.append(one.night)
        return said


def _look(series: Series, night: Night) -> Look:
    sign = 1 if series.better == "lower" else -1
    return Look(night.started, sign * log(night.value), None if night.again is None else sign * log(night.again))


def _calm(timings: Sequence[timed.Tonight]) -> list[timed.Tonight]:
    """Say of each metric to which sides the night as a whole was not off, by the metrics other than itself."""
    deviations = {kind: _deviations(timings, kind) for kind in FLOORS}
    result: list[timed.Tonight] = []
    for one in timings:
        kind, address = one.series.kind, one.series.address
        others = [deviation for other, deviation in deviations[kind].items() if other != address]
        calm = _sides(others) if FLOORS[kind].shared else (True, True)
        result.append(one._replace(look=one.look._replace(calm=calm)))
    return result


def _whole(timings: Sequence[timed.Tonight], kind: Kind) -> Sides:
    """Say to which sides the night as a whole was not off."""
    return _sides(list(_deviations(timings, kind).values()))


def _deviations(timings: Sequence[timed.Tonight], kind: Kind) -> dict[Address, float]:
    """Return how far the metrics of a kind stray that are known to be at a level."""
    return {
        one.series.address: level.deviation(one.look.first)
        for one in timings
        if one.series.kind is kind and one.track.departure is None and (level := one.track.level())
    }


def _sides(deviations: Sequence[float]) -> Sides:
    if len(deviations) < FEWEST_OTHERS:
        return None, None
    middle = median(deviations)
    return middle < NIGHT_OFF, middle > -NIGHT_OFF


def _in_family(one: outcomes.Tonight) -> bool:
    """Whether a metric of images can be found at all: not where every outcome is what it was (Tarone, 1990)."""
    return one.comparison is not None and one.comparison.changed and not one.track.is_away(one.comparison)


def _found(timings: Sequence[timed.Tonight], images: Sequence[outcomes.Tonight]) -> dict[Address, int]:
    """Return which metrics left their level, and to which side; worse and better are a family each.

    The rate is held by weighted p-values (Genovese, Roeder and Wasserman, Biometrika 93, 2006): a metric of the machine
    may not use more than its budget, so the rest of its share of the rate goes to the metrics of images.
    """
    tested = [one for one in timings if one.tests]
    changed = [one for one in images if _in_family(one)]
    count = len(tested) + len(changed)
    weight = min(1.0, BUDGET * count / RATE)
    rest = (count - weight * len(tested)) / max(1, len(changed))
    found: dict[Address, int] = {}
    for place, side in reversed(list(enumerate(SIDES))):
        chances: dict[Address, float] = {}
        for one in tested:
            assert one.tests is not None
            chances[one.series.address] = _within(one.tests[place].p, BUDGET) / weight
        for image in changed:
            assert image.comparison is not None
            chances[image.series.address] = _within(image.comparison.chance(side), image.track.budget(BUDGET)) / rest
        rejected = discoveries([min(1.0, chance) for chance in chances.values()])
        found |= {address: side for address, is_found in zip(chances, rejected, strict=True) if is_found}
    return found


def _within(chance: float, budget: float) -> float:
    """Return the chance, and 1 where it exceeds the budget."""
    return chance if chance <= budget else 1.0
