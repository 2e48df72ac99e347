"""A printed number: the decimal as it stands in the paper, never a float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from harness.claims.intervals import Interval

PRINTED = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")


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
        return Fraction(self.text)

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
        half = self.step / 2
        return Interval(self.value - half, self.value + half)

    @property
    def truncation_interval(self) -> Interval:
        """The closed hull of the values that this decimal is a truncation of."""
        away = self.step if self.value >= 0 else -self.step
        return Interval(min(self.value, self.value + away), max(self.value, self.value + away))


def rounded(value: Fraction, decimals: int) -> str:
    """Write an exact value with so many decimals, ties away from zero."""
    quantum = Decimal(1).scaleb(-decimals)
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return str(exact.quantize(quantum, rounding=ROUND_HALF_UP))
