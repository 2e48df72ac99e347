"""Stated numbers: what was computed elsewhere agrees, what was edited does not."""

from __future__ import annotations

import json
import math
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from bundle_samples import leaves, put, small_bundle
from hypothesis import assume, example, given
from hypothesis import strategies as st

from harness.bundle.contents import ROWS, recompute
from harness.bundle.rows import MOST_DECIMALS, Number, differences, name_of, rows_of, stated

VALUES = st.floats(-1e12, 1e12, allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-9)


def _near_a_middle(value: float, text: str) -> bool:
    """Whether a value lies so near to the middle of two stated numbers that both may be stated."""
    step = Decimal(1).scaleb(-len(text.partition(".")[2]))
    return abs(abs(Decimal(value) - Decimal(text)) / step - Decimal("0.5")) <= Decimal("0.001")


@given(VALUES, st.floats(1, 1e3))
def test_a_number_is_stated_as_decimal_rounds_it(value: float, factor: float) -> None:
    text = Number(value, abs(value) * factor).stated
    step = Decimal(1).scaleb(-len(text.partition(".")[2]))
    expected = Decimal(value).quantize(step, ROUND_HALF_UP)
    assert Decimal(text) == expected
    assert Number(value, abs(value) * factor).agrees(text)


@given(VALUES)
def test_ten_digits_of_the_largest_number_are_stated(value: float) -> None:
    text = Number(value, abs(value)).stated
    decimals = len(text.partition(".")[2])
    digits = text.lstrip("-").replace(".", "").lstrip("0")
    assert decimals == MOST_DECIMALS or decimals == 0 or len(digits) in (10, 11) or value == 0
    assert decimals or abs(value) >= 1e9 - 1


@given(VALUES.filter(lambda value: abs(value) < 1e10), st.integers(-20, 20))
@example(value=0.5, steps=-1)
@example(value=1234567.0005, steps=9)
def test_the_last_bits_do_not_count(value: float, steps: int) -> None:
    other = value
    for _ in range(abs(steps)):
        other = math.nextafter(other, math.copysign(math.inf, steps))
    text = Number(value, abs(value)).stated
    assert Number(other, abs(other)).agrees(text)


@pytest.mark.parametrize(
    ("here", "there"), [(99.99999999999999, 100.0), (9.999999999999998, 10.0), (1.0, 0.9999999999)]
)
def test_a_power_of_ten_may_be_missed_by_the_last_bits(here: float, there: float) -> None:
    close = abs(here - there) < 1e-12
    assert Number(here, here).agrees(Number(there, there).stated) is close
    assert Number(there, there).agrees(Number(here, here).stated) is close


@given(VALUES, st.data())
def test_a_changed_digit_does_not_agree(value: float, data: st.DataObject) -> None:
    number = Number(value, abs(value))
    text = number.stated
    assume(not _near_a_middle(value, text))
    places = [at for at, character in enumerate(text) if character.isdecimal()]
    at = data.draw(st.sampled_from(places))
    digit = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != text[at]]))
    assert not number.agrees(text[:at] + digit + text[at + 1 :])


@pytest.mark.parametrize(
    "text",
    ["25.0", "25.000000000", "25.0000000", "025.00000000", "+25.00000000", " 25.00000000", "25.00000000 ",
     "-25.00000000", "2.500000000e1", "25,00000000", "٢٥.00000000", "nan", "inf", "", "-", ".", "25.", 25.0, 25,
     None, True, ["25.00000000"]],
)  # fmt: skip
def test_another_spelling_does_not_agree(text: object) -> None:
    assert Number(25.0, 25.0).stated == "25.00000000"
    assert not Number(25.0, 25.0).agrees(text)


def test_zero_has_one_spelling() -> None:
    zero = Number(-0.0, 0.0)
    assert zero.stated == "0.000000000000"
    assert zero.agrees("0.000000000000")
    assert not zero.agrees("-0.000000000000")


def test_noise_around_zero_stands_beside_what_it_is_noise_of() -> None:
    """The difference of two equal scores, computed in another order, is not nothing but a bit of 76.3."""
    assert Number(1.4e-14, 76.3).agrees(Number(0.0, 76.3).stated)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[Any]]:
    """What the small bundle states, and its rows worked out again."""
    files = small_bundle(tmp_path_factory.mktemp("bundle"))
    return json.loads(files[ROWS]), rows_of(recompute(files, None).results)


def test_rows_worked_out_again_are_those_stated(bundle: tuple[Any, list[Any]]) -> None:
    said, rows = bundle
    assert stated(rows) == said
    assert list(differences(said, rows)) == []
    assert {row["kind"] for row in said} == {"claim", "relation", "measurement"}


def _edits(leaf: Any) -> list[Any]:
    """Return every leaf with one thing about it changed: each digit of a number, a word, a type."""
    if isinstance(leaf, str) and leaf and leaf.replace(".", "").lstrip("-").isdecimal():
        digits = [
            leaf[:at] + str((int(digit) + by) % 10) + leaf[at + 1 :]
            for at, digit in enumerate(leaf)
            if digit.isdecimal()
            for by in (1, 9)
        ]
        return [*digits, leaf[1:] if leaf.startswith("-") else f"-{leaf}", leaf[:-1], f"{leaf}0", float(leaf), None]
    if isinstance(leaf, bool) or leaf is None:
        return ["", "0", 0, not leaf]
    if isinstance(leaf, int):
        return [leaf + 1, leaf - 1, -leaf - 1, float(leaf), str(leaf), leaf == 1]
    return [f"{leaf} ", leaf.upper() if leaf.upper() != leaf else f"{leaf}x", "", None] if leaf else ["x", None]


def test_every_edited_leaf_is_named_with_its_row(bundle: tuple[Any, list[Any]]) -> None:
    said, rows = bundle
    tried = 0
    for path, leaf in leaves(said):
        for edited in _edits(leaf):
            put(said, path, edited)
            (sentence,) = differences([said[path[0]]], [rows[path[0]]])
            assert name_of(rows[path[0]]) in sentence
            tried += 1
        put(said, path, leaf)
    assert list(differences(said, rows)) == []
    assert tried > 5000


def test_rows_that_are_left_out_added_or_moved_are_named(bundle: tuple[Any, list[Any]]) -> None:
    said, rows = bundle
    for other in (said[:-1], [*said, said[0]], [said[1], said[0], *said[2:]], {}, None, "rows", []):
        assert list(differences(other, rows))
    for change in ({"extra": 1}, {"measured": None}, {"measured": []}, {"verdict": "exact"}):
        assert list(differences([{**said[0], **change}, *said[1:]], rows))
    less = {name: value for name, value in said[0].items() if name != "claimed"}
    (sentence,) = differences([less, *said[1:]], rows)
    assert "row 1 (claim t1/plain/top1)" in sentence
