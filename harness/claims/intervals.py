"""Closed intervals of exact rationals.

Arithmetic follows Moore (Interval Analysis, 1966): the result encloses every value the operation takes
when each operand ranges over its interval, so a comparison of intervals never accuses what rounding explains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product


@dataclass(frozen=True, slots=True)
class Interval:
    """All rationals x with ``low <= x <= high``."""

    low: Fraction
    high: Fraction

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"empty interval: {self.low} > {self.high}")

    @classmethod
    def point(cls, value: Fraction | int) -> Interval:
        return cls(Fraction(value), Fraction(value))

    @property
    def middle(self) -> Fraction:
        return (self.low + self.high) / 2

    @property
    def width(self) -> Fraction:
        return self.high - self.low

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def __sub__(self, other: Interval) -> Interval:
        return Interval(self.low - other.high, self.high - other.low)

    def __mul__(self, other: Interval) -> Interval:
        corners = [a * b for a, b in product((self.low, self.high), (other.low, other.high))]
        return Interval(min(corners), max(corners))

    def __truediv__(self, other: Interval) -> Interval:
        """Divide; raises ZeroDivisionError where the divisor's interval holds zero."""
        if other.low <= 0 <= other.high:
            raise ZeroDivisionError("the divisor's interval holds zero")
        return self * Interval(1 / other.high, 1 / other.low)

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __abs__(self) -> Interval:
        if self.low <= 0 <= self.high:
            return Interval(Fraction(0), max(-self.low, self.high))
        return self if self.low > 0 else -self

    def power(self, exponent: int) -> Interval:
        """Raise to a whole power of at least 0."""
        if exponent < 0:
            raise ValueError("the exponent must not be negative")
        if exponent % 2 == 0:
            base = abs(self)
            return Interval(base.low**exponent, base.high**exponent)
        return Interval(self.low**exponent, self.high**exponent)

    def scaled(self, factor: Fraction) -> Interval:
        return self * Interval.point(factor)

    def meets(self, other: Interval) -> bool:
        """Return whether the two share at least one value."""
        return self.low <= other.high and other.low <= self.high

    def distance(self, other: Interval) -> Fraction:
        """Return the gap between the two, 0 where they meet."""
        return max(self.low - other.high, other.low - self.high, Fraction(0))


def hull(intervals: Sequence[Interval]) -> Interval:
    """Return the smallest interval that encloses all of them."""
    return Interval(min(i.low for i in intervals), max(i.high for i in intervals))
