"""Verdicts: from the intervals of a claim and a measurement to a word and its reason.

One function for each row of the table of evidence. Each compares where an interval lies with where it would have to
lie, so better evidence (a narrower interval within the old one) can settle what was inconclusive and never turns one
settled word into another, except that a subset's *compatible* can become *incompatible*.

The interval of a difference from a printed number includes the print's rounding interval [l, h]: measured [a, b]
minus printed is [a - h, b - l]. A number that is not finite raises ValueError; no comparison with NaN is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from harness.claims.intervals import Interval
from harness.claims.printed import Printed
from harness.claims.vocabulary import Direction
from harness.statistics.evidence import Evidence, Word, bounded
from harness.statistics.intervals import Estimate, finite

TRAINED = frozenset({Evidence.RETRAINED, Evidence.SCALED_DOWN, Evidence.SYNTHETIC})
"""Evidence from networks trained here, which one seed cannot carry: training is random."""


class Ruling(NamedTuple):
    """A word and the sentence that says why."""

    word: Word
    reason: str


@dataclass(frozen=True, slots=True)
class Margin:
    """How far apart two numbers may be and still count as the same, in the claim's unit, and why."""

    value: float
    reason: str

    def __post_init__(self) -> None:
        if not finite("margin", self.value) > 0 or not self.reason.strip():
            raise ValueError(f"a margin is above 0 and has a reason, got {self.value!r} for {self.reason!r}")


@dataclass(frozen=True, slots=True)
class Span:
    """A difference with its 95 % interval."""

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        finite("difference", (self.value, self.low, self.high))
        if self.low > self.high:
            raise ValueError(f"the interval [{self.low}, {self.high}] is turned inside out")

    def written(self, unit: str) -> str:
        """Write it for a reader; a ratio, which has no unit, with three digits."""
        digits = "+.2f" if unit else "+.3g"
        value, low, high = (format(number, digits) for number in (self.value, self.low, self.high))
        return f"{value} {unit} [{low}, {high}]" if unit else f"{value} [{low}, {high}]"


def measured_minus_printed(measured: Estimate, printed: Interval) -> Span:
    """Return the difference from a printed number, its rounding included; both in the claim's unit."""
    return Span(
        measured.value - float(printed.middle), measured.low - float(printed.high), measured.high - float(printed.low)
    )


def arithmetic(consistent: bool, reason: str) -> Ruling:
    """Return the verdict of a recomputation from the paper's own numbers."""
    return _ruling(Evidence.ARITHMETIC, Word.CONSISTENT if consistent else Word.INCONSISTENT, reason)


def exact(value: Fraction, printed: Printed, unit: str, readings: Sequence[Printed] = ()) -> Ruling:
    """Compare a derived value, in the claim's unit, with the print: *exact* if it rounds to it (a tie either way).

    Args:
        readings: Other values that an uncertain copy of the print may stand for; the paper is not accused of the copy.
    """
    written = f"{float(value):.10g}{'' if unit == '1' else f' {unit}'}"
    for reading in (printed, *readings):
        if reading.interval.meets(Interval.point(value)):
            how = "is" if value == reading.value else "rounds to"
            what = "the printed" if reading == printed else f"one reading of the uncertain copy {printed}:"
            return _ruling(Evidence.EXACT, Word.EXACT, f"The derived {written} {how} {what} {reading}.")
    return _ruling(Evidence.EXACT, Word.DIFFERS, f"The derived {written} does not round to the printed {printed}.")


def exact_comparison(holds: bool, left: Fraction, op: str, right: Fraction) -> Ruling:
    """Return the verdict of a comparison between derived values."""
    written = f"{float(left):.6g} {op} {float(right):.6g}"
    if holds:
        return _ruling(Evidence.EXACT, Word.EXACT, f"The derived values satisfy it: {written}.")
    return _ruling(Evidence.EXACT, Word.DIFFERS, f"The derived values do not satisfy it: {written}.")


def equivalence(
    evidence: Evidence,
    measured: Estimate,
    printed: Printed,
    margin: Margin | None,
    better: Direction,
    unit: str,
) -> Ruling:
    """Compare a measurement of the claim itself with the print, by two one-sided tests (Schuirmann 1987).

    *Reproduced* if the 95 % interval of the difference lies within the margin (each test at 2.5 %); *better* or *worse*
    if it lies beyond; *inconclusive* if it holds an end of the margin, no margin is declared, nothing varied, or a
    network trained here has one seed.

    Args:
        evidence: ``RELEASED_WEIGHTS`` or ``RETRAINED``.
        measured: In the claim's unit.
        better: Whether a lower or a higher number is better.
    """
    difference = measured_minus_printed(measured, printed.interval)
    word, reason = Word.INCONCLUSIVE, ""
    if margin is None:
        reason = "no margin is declared within which the two would count as the same"
    elif doubt := _doubt(evidence, measured):
        reason = doubt
    elif -margin.value <= difference.low and difference.high <= margin.value:
        word, reason = Word.REPRODUCED, f"within the margin of {margin.value:g} {unit} ({margin.reason})"
    elif difference.low > margin.value or difference.high < -margin.value:
        word = Word.BETTER if (difference.low > 0) == (better == "higher") else Word.WORSE
        reason = f"beyond the margin of {margin.value:g} {unit} ({margin.reason})"
    else:
        reason = f"the interval holds an end of the margin of {margin.value:g} {unit} ({margin.reason})"
    return _ruling(evidence, word, f"Measured minus printed: {difference.written(unit)}; {reason}.")


def subset(measured: Estimate, printed: Printed, margin: Margin | None, unit: str) -> Ruling:
    """Compare a measurement on part of the claim's test images with the print.

    *Incompatible* if the interval of the difference excludes 0; *compatible* if it holds 0 and its half-width is at
    most the margin; *inconclusive* if it is wider, so that nearly any number would be compatible.
    """
    difference = measured_minus_printed(measured, printed.interval)
    half = (difference.high - difference.low) / 2
    word, reason = Word.INCONCLUSIVE, ""
    if not measured.has_spread:
        reason = "nothing varied, so the interval has no width and says nothing"
    elif difference.low > 0 or difference.high < 0:
        word, reason = Word.INCOMPATIBLE, "the interval that the subset's size allows excludes 0"
    elif margin is None:
        reason = "no margin is declared that says how wide an interval may be to tell anything"
    elif half <= margin.value:
        word, reason = Word.COMPATIBLE, f"the subset is large enough for the margin of {margin.value:g} {unit}"
    else:
        reason = f"the subset leaves {half:.2f} {unit} either way, more than the margin of {margin.value:g} {unit}"
    return _ruling(Evidence.SUBSET, word, f"Measured minus printed: {difference.written(unit)}; {reason}.")


def comparison(evidence: Evidence, difference: Estimate, op: str, unit: str) -> Ruling:
    """Judge ``left op right`` by the measured left minus right, on other data or another device than the paper's.

    *Supports* if the 95 % interval lies on the side the comparison names, *contradicts* if on the other,
    *inconclusive* if it holds 0. A measured number is never exactly equal, so ``>=`` is judged as ``>``. No correction
    is made for the number of comparisons: of twenty with no true difference, one is expected to be settled by chance.

    Args:
        evidence: ``SCALED_DOWN``, ``SYNTHETIC`` or ``TIMING``.
        op: One of ``<``, ``<=``, ``>``, ``>=``.

    Raises:
        ValueError: Another operator.
    """
    if op not in ("<", "<=", ">", ">="):
        raise ValueError(f"a measurement cannot judge the operator {op!r}")
    span = Span(difference.value, difference.low, difference.high)
    toward, against = (span.low > 0, span.high < 0) if op.startswith(">") else (span.high < 0, span.low > 0)
    word, reason = Word.INCONCLUSIVE, "the interval holds 0"
    if doubt := _doubt(evidence, difference):
        reason = doubt
    elif toward:
        word, reason = Word.SUPPORTS, "the interval lies on the side the paper names"
    elif against:
        word, reason = Word.CONTRADICTS, "the interval lies on the other side than the paper names"
    over = f"{difference.seeds} seed{'s' if difference.seeds != 1 else ''}" if evidence in TRAINED else "repeats"
    over += f" and {difference.images:,} images" if evidence in TRAINED and difference.images else ""
    return _ruling(evidence, word, f"Left minus right: {span.written(unit)} over {over}; {reason}.")


def absolute_timing(device: str) -> Ruling:
    """Return the verdict on a time, rate or memory that the paper measured on its own hardware."""
    reason = f"Measured on {device}; absolute figures from other hardware are not comparable, ratios are."
    return _ruling(Evidence.TIMING, Word.NOT_COMPARABLE, reason)


def undecided(evidence: Evidence, reason: str) -> Ruling:
    """Return *inconclusive* for a comparison that could not be computed."""
    return _ruling(evidence, Word.INCONCLUSIVE, reason)


def _doubt(evidence: Evidence, estimate: Estimate) -> str:
    """Return why an interval cannot settle anything, whatever it holds; empty if it can."""
    if evidence in TRAINED and estimate.seed_error is None:
        return "one seed: there is no spread over seeds, and training is random"
    return "" if estimate.has_spread else "nothing varied, so the interval has no width and says nothing"


def _ruling(evidence: Evidence, word: Word, reason: str) -> Ruling:
    return Ruling(bounded(evidence, word), reason)
