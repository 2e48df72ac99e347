"""The check's decisions, each with the sentence that a reader gets."""

from __future__ import annotations

from dataclasses import replace
from math import exp, isfinite

from harness.regression import outcomes, timed
from harness.regression.model import Change, Decision, Kind, Night, Series, Shape, Word
from harness.regression.noise import FEWEST_NIGHTS, Noise, chance, relative
from harness.regression.outcomes import Comparison
from harness.regression.paired import mean_over
from harness.wording.numbers import fixed, show, with_unit

WORDS = {1: Word.REGRESSION, -1: Word.IMPROVEMENT}


def unusable(series: Series, night: Night) -> str:
    """Return why a night's numbers cannot be compared with anything; empty if they can."""
    numbers = [night.value] if night.again is None else [night.value, night.again]
    if not all(map(isfinite, numbers)):
        return "what was measured is not a finite number"
    if series.kind is not Kind.ACCURACY and min(numbers) <= 0:
        return f"{min(numbers):g} {series.unit} cannot be: times, rates and bytes are above 0"
    return ""


def not_compared(series: Series, night: Night, why: str) -> Decision:
    """Say that a comparison could not be made, which is a failure."""
    tonight = night.value if isfinite(night.value) else None
    return _decision(series, Word.NOT_COMPARED, tonight, 0, f"Not compared: {why}.")


def missing(series: Series) -> Decision:
    """Say that a metric was to be measured and was not, which is a failure."""
    last = f"; last measured on {series.nights[-1].started}" if series.nights else "; never measured before"
    return _decision(series, Word.MISSING, None, 0, f"Expected tonight and not measured{last}.")


def too_few(series: Series, night: Night, nights: int, changed: bool) -> Decision:
    """Say that the segment is too young for its noise to be known; ``nights`` include tonight."""
    why = "Hardware, software, recipe or data changed" if changed else "First nights"
    reason = f"{why}: night {nights} of the {FEWEST_NIGHTS} that a level and its noise are taken from."
    return _decision(series, Word.NEW_SEGMENT, night.value, nights - 1, reason)


def first_of_segment(series: Series, night: Night, changed: bool) -> Decision:
    """Say that there are no outcomes of this segment to pair tonight's with."""
    why = "Hardware, software, recipe or data changed" if changed else "First night"
    return _decision(series, Word.NEW_SEGMENT, night.value, 0, f"{why}: tonight's outcomes are what later ones meet.")


def steady(one: timed.Tonight, level: Noise) -> Decision:
    """Say that a metric of the machine is where it was."""
    return _of_level(one, level, Word.STEADY, f"within its noise of {_percent(level.scale)} a night")


def suspect(one: timed.Tonight, level: Noise) -> Decision:
    """Say that a metric is worse tonight, but that one bad night could be the machine's."""
    times = "measured twice" if one.look.again is not None else "measured once"
    return _of_level(one, level, Word.SUSPECT, f"{times}; a regression if further nights repeat it")


def left(one: timed.Tonight, departure: timed.Departure) -> Decision:
    """Say that a metric left its level, tonight or earlier, and that nobody accepted it."""
    nights = len(departure.away)
    how = "bit by bit" if departure.shape is Shape.DRIFT else "at once"
    count = f"for {nights} nights" if nights > 1 else "tonight"
    said = _of_level(one, departure.level, WORDS[departure.side], f"{count}; left its level {how}")
    return replace(said, shape=departure.shape, since=departure.since)


def back(one: timed.Tonight, departure: timed.Departure) -> Decision:
    """Say that a metric returned to the level that it had left."""
    return _of_level(
        one, departure.level, Word.STEADY, f"not told any more from the level that it left on {departure.since}"
    )


def images_steady(one: outcomes.Tonight, comparison: Comparison) -> Decision:
    """Say that the outcomes are the same, or differ by no more than chance."""
    how = "outcomes differ, by no more than chance would" if comparison.changed else "the same outcomes"
    return _of_images(one, comparison, Word.STEADY, how)


def images_left(one: outcomes.Tonight, comparison: Comparison, departure: outcomes.Departure) -> Decision:
    """Say that the outcomes left their level, tonight or earlier, and that nobody accepted it."""
    how = "bit by bit" if departure.shape is Shape.DRIFT else "at once"
    said = _of_images(one, comparison, WORDS[departure.side], f"left its level {how}")
    return replace(said, shape=departure.shape, since=departure.since)


def _of_level(one: timed.Tonight, level: Noise, word: Word, how: str) -> Decision:
    """Return a decision with the milder of tonight's measurements against a level of logarithms."""
    sign = 1 if one.series.better == "lower" else -1
    side = 1 if one.look.first >= level.level else -1
    difference = side * one.look.milder(side) - level.level
    bounds = sorted(sign * (difference + error) for error in (-level.half_width(), level.half_width()))
    worse, improved = (test.p for test in one.tests) if one.tests else _single_look(level, difference)
    change = Change(relative(sign * difference), relative(bounds[0]), relative(bounds[1]), worse, improved)
    reason = f"{_percent(change.estimate, signed=True)}, {how}."
    level_value = exp(sign * level.level)
    night = one.night
    return _decision(one.series, word, night.value, level.nights, reason, level=level_value, change=change)


def _single_look(level: Noise, difference: float) -> tuple[float, float]:
    """Return the chances of tonight alone, of a metric that had left its level before."""
    worse = chance(difference / level.scale, (0.0,), level.nights)
    return worse, 1 - worse


def _of_images(one: outcomes.Tonight, comparison: Comparison, word: Word, how: str) -> Decision:
    """Say what was found; level and tonight are of the seeds that were paired, as the change is."""
    change = replace(comparison.change, p_worse=comparison.worse, p_better=comparison.better)
    estimate = show(change.estimate, change.low, change.high, signed=True).estimate
    level, tonight, seeds = comparison.reference.value, one.night.value, ""
    if comparison.reference.samples.keys() != one.night.samples.keys():
        both = sorted(comparison.reference.samples.keys() & one.night.samples.keys())
        level, tonight = (mean_over(night, both) for night in (comparison.reference, one.night))
        named = f"{'seed' if len(both) == 1 else 'seeds'} {', '.join(map(str, both))}"
        seeds = f"; only of {named}, which both nights have"
    reason = f"{with_unit(estimate, points(one.series.unit))}, {how}{seeds}."
    return _decision(one.series, word, tonight, len(one.track.nights), reason, level=level, change=change)


def _percent(share: float, *, signed: bool = False) -> str:
    return with_unit(fixed(100 * share, 1, signed=signed), "%")


def points(unit: str) -> str:
    """Return the unit of a difference: of percentages, percentage points."""
    return "pp" if unit == "%" else unit


def _decision(
    series: Series,
    word: Word,
    tonight: float | None,
    nights: int,
    reason: str,
    level: float | None = None,
    change: Change | None = None,
) -> Decision:
    return Decision(series.address, series.kind, series.unit, word, level, tonight, change, None, "", nights, reason)
