from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scoring_samples import mini_paper

from harness.reports.values import system_order
from harness.wording.numbers import MINUS, THIN, converted, decimals_for, exact, fixed, grouped, show, with_unit

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
WIDTHS = st.floats(1e-6, 1e5, allow_nan=False)


def parsed(text: str) -> float:
    return float(text.replace(MINUS, "-").replace(THIN, "").lstrip("+"))


@pytest.mark.parametrize(
    ("half_width", "decimals"),
    [
        (0.119, 2),
        (0.367, 1),
        (0.354, 2),
        (0.355, 1),
        (0.949, 1),
        (0.950, 1),
        (0.0096, 3),
        (1.4, 1),
        (5.5, 0),
        (120.0, 0),
    ],
)
def test_decimals_follow_the_particle_data_group(half_width: float, decimals: int) -> None:
    assert decimals_for(half_width) == decimals


@pytest.mark.parametrize("half_width", [0.0, -1.0, float("nan"), float("inf")])
def test_an_uncertainty_that_is_none_has_no_decimals(half_width: float) -> None:
    with pytest.raises(ValueError, match="half-width above 0"):
        decimals_for(half_width)


@given(WIDTHS)
def test_the_uncertainty_keeps_one_or_two_digits(half_width: float) -> None:
    unit = 10.0 ** -decimals_for(half_width)
    assert half_width / unit < 35.5 or unit == 1.0
    assert half_width / unit > 3.54 or decimals_for(half_width) == 12


@given(NUMBERS, WIDTHS, WIDTHS)
def test_what_is_shown_is_what_was_measured_to_half_a_unit(estimate: float, below: float, above: float) -> None:
    low, high = estimate - below, estimate + above
    assume(low < estimate < high)
    shown = show(estimate, low, high)
    unit = 10.0 ** -decimals_for((high - low) / 2)
    for text, value in ((shown.estimate, estimate), (shown.low, low), (shown.high, high)):
        assert abs(Fraction(parsed(text)) - Fraction(value)) <= Fraction(unit) / 2 * (1 + Fraction(1, 10**6))
    assert shown.interval == f"[{shown.low}, {shown.high}]"


@given(NUMBERS)
def test_a_number_without_an_interval_is_written_out(value: float) -> None:
    shown = show(value, value, value)
    assert shown.interval == ""
    if "e" not in shown.estimate:
        assert parsed(shown.estimate) == pytest.approx(value, rel=1e-7)


def test_a_count_keeps_every_digit() -> None:
    assert exact(11_689_512) == f"11{THIN}689{THIN}512"
    assert exact(11.689512) == "11.689512"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_never_shown_as_one(value: float) -> None:
    assert show(value, 0.0, 1.0).estimate == "not a number"
    assert show(0.5, value, 1.0).estimate == "not a number"


def test_signs() -> None:
    assert fixed(-0.04, 1) == "0.0"
    assert fixed(-0.04, 1, signed=True) == "0.0"
    assert fixed(0.06, 1, signed=True) == "+0.1"
    assert fixed(-12345.6, 1) == f"{MINUS}12{THIN}345.6"


def test_years_are_not_grouped() -> None:
    assert grouped("2017") == "2017"


def test_units() -> None:
    assert with_unit("28.00", "%") == f"28.00{THIN}%"
    assert with_unit("2.4", "x") == f"2.4{THIN}×"
    assert with_unit("7", "1") == "7"
    assert converted(11_689_512, "1", "M") == 11.689512
    assert converted(0.25, "fraction", "%") == 25.0
    assert converted(3.0, "px", "%") == 3.0


def test_variants_that_a_paper_does_not_list_follow_their_system(tmp_path: Path) -> None:
    names = ["Other", "Plain + CRF", "Degridded", "Dilated + CRF", "Plain", "Dilated", "Plain + Basic + CRF", "+ CRF"]
    assert system_order(names, mini_paper(tmp_path)) == [
        "Plain", "Plain + Basic + CRF", "Plain + CRF", "Dilated", "Dilated + CRF", "Degridded", "+ CRF", "Other",
    ]  # fmt: skip
