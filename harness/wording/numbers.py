"""How numbers are written: never with more digits than they deserve.

A measured number is rounded with its interval by the rule of the Particle Data Group (Review of Particle Physics,
Introduction, section 5.3): by the three leading digits of the half-width, 100 to 354 keeps two digits of it,
355 to 949 one, and 950 to 999 is rounded up to 1000 and keeps two. A number without an interval is exact and is
written out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from harness.claims.printed import rounded
from harness.claims.vocabulary import UNITS

MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"
MOST_DECIMALS = 12
WHOLE = 1e15
UNIT_NAMES = {"1": "", "x": "\N{MULTIPLICATION SIGN}", "fraction": ""}


@dataclass(frozen=True, slots=True)
class Shown:
    """A number as text: ``low`` and ``high`` are empty where it is exact."""

    estimate: str
    low: str = ""
    high: str = ""

    @property
    def interval(self) -> str:
        return f"[{self.low}, {self.high}]" if self.low else ""


def decimals_for(half_width: float) -> int:
    """Return how many decimals an estimate with this uncertainty deserves, 0 to ``MOST_DECIMALS``.

    Raises:
        ValueError: The half-width is not a finite number above 0.
    """
    if not (math.isfinite(half_width) and half_width > 0):
        raise ValueError(f"a half-width above 0 expected, got {half_width}")
    exponent = math.floor(math.log10(half_width))
    leading = round(half_width / 10.0 ** (exponent - 2))
    keeps_two = leading <= 354
    return min(max((1 if keeps_two else 0) - exponent, 0), MOST_DECIMALS)


def show(estimate: float, low: float, high: float, *, signed: bool = False) -> Shown:
    """Write an estimate and its interval with the decimals the interval deserves; an empty interval means exact."""
    if not all(map(math.isfinite, (estimate, low, high))):
        return Shown("not a number")
    if high <= low:
        return Shown(exact(estimate, signed=signed))
    decimals = decimals_for((high - low) / 2)
    return Shown(*(fixed(value, decimals, signed=signed) for value in (estimate, low, high)))


def fixed(value: float, decimals: int, *, signed: bool = False) -> str:
    """Write a value with so many decimals, a true minus sign, thousands set apart, and no negative zero."""
    text = rounded(Fraction(value), decimals)
    negative = text.startswith("-") and any(digit in "123456789" for digit in text)
    whole, point, part = text.lstrip("-").partition(".")
    sign = MINUS if negative else "+" if signed and any(digit in "123456789" for digit in text) else ""
    return f"{sign}{grouped(whole)}{point}{part}"


def exact(value: float, *, signed: bool = False) -> str:
    """Write a value that has no uncertainty: a whole number in full, others to eight significant digits."""
    text = f"{value:.0f}" if float(value).is_integer() and abs(value) < WHOLE else f"{value:.8g}"
    if "e" in text:
        return text.replace("-", MINUS)
    return fixed(float(text), len(text.partition(".")[2]), signed=signed)


def grouped(digits: str) -> str:
    """Set thousands apart in a whole number of five digits or more."""
    return f"{int(digits):,}".replace(",", THIN) if len(digits) > 4 else digits


def with_unit(number: str, unit: str) -> str:
    """Append the unit, if it has a name, after a narrow space."""
    name = UNIT_NAMES.get(unit, unit)
    return f"{number}{THIN}{name}" if name else number


def converted(value: float, unit: str, target: str) -> float:
    """Convert between units of one dimension; return the value as it is where the units have none in common."""
    if unit == target or unit not in UNITS or target not in UNITS:
        return value
    if UNITS[unit].dimension != UNITS[target].dimension:
        return value
    return float(Fraction(value) * UNITS[unit].factor / UNITS[target].factor)
