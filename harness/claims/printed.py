"""A printed number: the decimal as it stands in the paper, never a float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import floor

from harness.claims.intervals import Interval

PRINTED = re.compile(r"-?(0|[1-9][0-9]{0,29})(\.[0-9]{1,30})?")
REMEMBERED = 65_536
"""Decimals whose exact value is kept: reading a fraction from text is the slowest step of the audit."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A decimal with the precision it was printed with: ``"28.00"`` is not ``"28.0"``.

    Raises:
        ValueError: The text is not a plain decimal.
    """

    text: str

    def __post_init__(self) -> None:
        if not PRINTED.fullmatch(self.text):
            raise ValueError(f"{self.text!r} is not a plain decimal such as 76.3")

    def __str__(self) -> str:
        return self.text

    @property
    def value(self) -> Fraction:
        return _exact(self.text)

    @property
    def decimals(self) -> int:
        """Digits after the point."""
        return len(self.text.partition(".")[2])

    @property
    def step(self) -> Fraction:
        """One unit of the last printed digit."""
        return Fraction(1, 10**self.decimals)

    @property
    def interval(self) -> Interval:
        """The closed hull of the values that round to this decimal.

        The design writes [76.25, 76.35): a tie rounds up. Papers do not say how they break ties
        (half-up, half-even, or a binary float just below the tie), so both ends belong to the hull.
        """
        return _rounding(self.text)

    @property
    def truncation_interval(self) -> Interval:
        """The closed hull of the values that this decimal is a truncation of."""
        away = self.step if self.value >= 0 else -self.step
        return Interval(min(self.value, self.value + away), max(self.value, self.value + away))


@lru_cache(maxsize=REMEMBERED)
def _exact(text: str) -> Fraction:
    return Fraction(text)


@lru_cache(maxsize=REMEMBERED)
def _rounding(text: str) -> Interval:
    value, half = _exact(text), Printed(text).step / 2
    return Interval(value - half, value + half)


def rounded(value: Fraction, decimals: int) -> str:
    """Write an exact value with so many decimals, ties away from zero."""
    steps = floor(abs(value) * 10**decimals + Fraction(1, 2))
    digits = f"{steps:0{decimals + 1}d}"
    whole, part = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
    sign = "-" if value < 0 < steps else ""
    return f"{sign}{whole}.{part}" if decimals else f"{sign}{whole}"
