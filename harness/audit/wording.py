"""Numbers and lists as a reader wants them in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from harness.claims.intervals import Interval
from harness.claims.printed import rounded

NEGLIGIBLE = 1e-15
"""Smaller probabilities are written as this: floating point knows no better, and nobody needs it."""


def number(value: Fraction, decimals: int = 3) -> str:
    """Write an exact value with at most so many decimals, trailing zeros dropped."""
    text = rounded(value, decimals)
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def span(interval: Interval, decimals: int = 3) -> str:
    """Write an interval as ``2.42 to 2.44``, a point as one number."""
    low, high = number(interval.low, decimals), number(interval.high, decimals)
    return low if low == high else f"{low} to {high}"


def measure(value: object, unit: str) -> str:
    """Write a number with its unit; a plain number has none."""
    return str(value) if unit == "1" else f"{value} {unit}"


def listing(words: Sequence[str]) -> str:
    """Join words as ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def probability(p: float) -> str:
    """Write a small probability so that its order of magnitude is plain: ``0.012``, ``4e-7``."""
    if p < NEGLIGIBLE:
        return f"{NEGLIGIBLE:.0e}"
    return f"{p:.2g}" if p >= 1e-4 else f"{p:.0e}".replace("e-0", "e-")
