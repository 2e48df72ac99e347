"""Printed decimals and the arithmetic of their rounding intervals, against brute force and exact arithmetic."""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.claims.intervals import Interval, hull
from harness.claims.printed import Printed, rounded

decimals = st.from_regex(r"-?(0|[1-9][0-9]{0,6})(\.[0-9]{1,4})?", fullmatch=True)
rationals = st.fractions(min_value=-1000, max_value=1000, max_denominator=10**6)
shares = st.fractions(min_value=0, max_value=1, max_denominator=97)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    low, high = sorted((draw(rationals), draw(rationals)))
    return Interval(low, high)


def inside(interval: Interval, share: Fraction) -> Fraction:
    return interval.low + share * interval.width


@given(decimals)
def test_printed_keeps_the_print(text: str) -> None:
    printed = Printed(text)
    assert str(printed) == text
    assert printed.value == Fraction(Decimal(text))
    assert printed.decimals == (len(text.split(".")[1]) if "." in text else 0)
    assert printed.interval.middle == printed.value
    assert printed.interval.width == printed.step == Fraction(1, 10**printed.decimals)


@pytest.mark.parametrize("text", ["", "1e3", "1,000", ".5", "5.", "+1", "007", "nan", "inf", " 1", "1\n", "٣", "--1"])
def test_anything_else_is_not_a_decimal(text: str) -> None:
    with pytest.raises(ValueError, match="not a plain decimal"):
        Printed(text)


def test_trailing_zeros_count() -> None:
    assert Printed("28.00") != Printed("28.0")
    assert Printed("28.00").interval == Interval(Fraction("27.995"), Fraction("28.005"))


@given(rationals, st.integers(0, 6))
def test_rounded_agrees_with_decimal(value: Fraction, places: int) -> None:
    with localcontext() as context:
        context.prec = 60
        exact = Decimal(value.numerator) / Decimal(value.denominator)
        expected = exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    text = rounded(value, places)
    assert Fraction(text) == Fraction(expected)
    assert Printed(text).decimals == places
    assert Fraction(text) != 0 or not text.startswith("-")


@given(st.integers(-(10**6), 10**6), st.integers(0, 5), st.integers(1, 10**40))
def test_rounded_is_exact_next_to_a_tie(half_steps: int, places: int, tiny: int) -> None:
    """A hair below or above a tie goes the right way, however thin the hair; a tie goes away from zero."""
    tie = Fraction(2 * abs(half_steps) + 1, 2 * 10**places)
    hair = Fraction(1, 10**60 * tiny)
    step = Fraction(1, 10**places)
    below, above = tie - step / 2, tie + step / 2
    assert Fraction(rounded(tie - hair, places)) == below
    assert Fraction(rounded(tie, places)) == Fraction(rounded(tie + hair, places)) == above
    assert Fraction(rounded(-tie, places)) == -above


@given(decimals, shares)
def test_rounding_interval_holds_what_rounds_to_the_print(text: str, share: Fraction) -> None:
    printed = Printed(text)
    assume(0 < share < 1)
    assert Fraction(rounded(inside(printed.interval, share), printed.decimals)) == printed.value
    outside = printed.interval.high + share * printed.step
    assert Fraction(rounded(outside, printed.decimals)) != printed.value


@given(decimals, shares)
def test_truncation_interval_holds_what_is_cut_off_to_the_print(text: str, share: Fraction) -> None:
    printed = Printed(text)
    assume(share < 1)
    towards = printed.truncation_interval.high if printed.value >= 0 else printed.truncation_interval.low
    value = printed.value + share * (towards - printed.value)
    cut = Fraction(int(value * 10**printed.decimals), 10**printed.decimals)
    assert cut == printed.value


OPERATIONS = (operator.add, operator.sub, operator.mul, operator.truediv)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda f: f.__name__)
@given(a=intervals(), b=intervals(), s=shares, t=shares)
def test_operations_enclose_every_pair(
    operation: Callable[[Any, Any], Any], a: Interval, b: Interval, s: Fraction, t: Fraction
) -> None:
    if operation is operator.truediv and b.low <= 0 <= b.high:
        with pytest.raises(ZeroDivisionError):
            operation(a, b)
        return
    result = operation(a, b)
    value = operation(inside(a, s), inside(b, t))
    assert result.low <= value <= result.high


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda f: f.__name__)
@given(a=intervals(), b=intervals())
def test_operations_are_no_wider_than_their_corners(
    operation: Callable[[Any, Any], Any], a: Interval, b: Interval
) -> None:
    assume(operation is not operator.truediv or not b.low <= 0 <= b.high)
    corners = [operation(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    assert operation(a, b) == Interval(min(corners), max(corners))


@given(intervals(), shares, st.integers(0, 6))
def test_negation_absolute_value_and_power_enclose(a: Interval, share: Fraction, exponent: int) -> None:
    x = inside(a, share)
    assert (-a).low <= -x <= (-a).high
    assert abs(a).low <= abs(x) <= abs(a).high
    assert a.power(exponent).low <= x**exponent <= a.power(exponent).high
    assert {abs(a).low, abs(a).high} <= {abs(a.low), abs(a.high), Fraction(0)}


@given(intervals(), intervals())
def test_meeting_and_distance_agree(a: Interval, b: Interval) -> None:
    assert a.meets(b) == b.meets(a) == (a.distance(b) == 0)
    joined = hull([a, b])
    assert a.width + b.width + a.distance(b) >= joined.width
    assert {joined.low, joined.high} <= {a.low, a.high, b.low, b.high}


def test_an_interval_is_never_empty() -> None:
    with pytest.raises(ValueError, match="empty interval"):
        Interval(Fraction(2), Fraction(1))


def test_a_negative_power_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        Interval.point(2).power(-1)
