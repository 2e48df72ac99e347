"""The paper's rule against hole-free coverage: counts by a second method, and what the counts rest on."""

from __future__ import annotations

from collections import Counter
from itertools import combinations_with_replacement, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.architecture.coverage import accepted, coverage, hole_distances
from reproductions.hdc.recipes import RULE_SPACES
from reproductions.hdc.rule import Tally, tally
from reproductions.hdc.sequences import Space, Variant, both, res4, res5

COUNTS = {
    "all sequences of 2 to 5 rates up to 10": (7404, 9636, 21470, 72590),
    "those that begin with 1": (1704, 0, 5786, 3620),
    "those that do not decrease": (582, 525, 0, 1885),
    "those that begin with 1 and do not decrease": (582, 0, 0, 418),
    "the last, rates up to 20": (2397, 0, 0, 8228),
    "the last but one, K = 2": (191, 177, 0, 632),
    "the last but one, K = 5": (851, 0, 21, 128),
}


def counts(found: Tally) -> tuple[int, int, int, int]:
    return found.accepted_covered, found.accepted_holed, found.rejected_covered, found.rejected_holed


@pytest.mark.parametrize("space", list(RULE_SPACES))
def test_counts(space: str) -> None:
    assert counts(tally(RULE_SPACES[space])) == COUNTS[space.removeprefix("rule M2 <= K: ")]


def sequences(space: Space) -> list[tuple[int, ...]]:
    rates = range(1, space.largest + 1)
    found: list[tuple[int, ...]] = []
    for length in space.lengths:
        found += combinations_with_replacement(rates, length) if space.rising else product(rates, repeat=length)
    return [one for one in found if one[0] == 1 or not space.from_one]


def by_recursion(rates: tuple[int, ...]) -> int:
    """M_2 as printed, from the last layer down."""
    distance = rates[-1]
    for rate in rates[-2:0:-1]:
        distance = max(distance - 2 * rate, distance - 2 * (distance - rate), rate)
    return distance


def by_sets(rates: tuple[int, ...], kernel: int) -> bool:
    """Whether the sums of one tap of each layer have no hole."""
    sums = {0}
    for rate in rates:
        sums = {cell + tap * rate for cell in sums for tap in range(kernel)}
    return len(sums) == max(sums) + 1


@pytest.mark.parametrize(
    "space",
    [
        Space(lengths=(2, 3, 4), largest=7),
        Space(lengths=(2, 3), largest=6, kernel=2),
        Space(lengths=(3,), largest=8, kernel=5),
        Space(lengths=(2, 4), largest=7, from_one=True),
        Space(lengths=(2, 5), largest=9, rising=True),
        Space(lengths=(5,), largest=12, rising=True, from_one=True),
    ],
)
def test_a_second_method_counts_the_same(space: Space) -> None:
    tried = sequences(space)
    expected = Counter((by_recursion(one) <= space.kernel, by_sets(one, space.kernel)) for one in tried)
    found = tally(space)
    order = ((True, True), (True, False), (False, True), (False, False))
    assert counts(found) == tuple(expected[outcome] for outcome in order)
    assert found.sequences == len(tried)
    holed = [one for one in tried if by_recursion(one) <= space.kernel and not by_sets(one, space.kernel)]
    assert found.holed_example == (holed[0] if holed else ())


@given(st.lists(st.integers(1, 12), min_size=2, max_size=5))
def test_the_library_agrees_with_the_second_method(rates: list[int]) -> None:
    stack = tuple(rates)
    assert hole_distances(stack)[1] == by_recursion(stack)
    assert coverage(stack).complete == by_sets(stack, 3)


@given(st.lists(st.integers(1, 40), min_size=2, max_size=7))
def test_for_rising_rates_from_1_the_rule_is_exact(rates: list[int]) -> None:
    stack = (1, *sorted(rates))
    assert accepted(stack) == coverage(stack).complete


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_from_1_the_rule_never_accepts_holes(rates: list[int]) -> None:
    stack = (1, *rates)
    assert not accepted(stack) or coverage(stack).complete


# What the text says and what its own networks do ------------------------------------------------------------------


def test_the_rule_accepts_what_figure_2_shows_as_gridding() -> None:
    assert accepted((2, 2, 2))
    assert coverage((2, 2, 2)).share == pytest.approx(49 / 169)
    assert accepted((1, 2, 3))
    assert coverage((1, 2, 3)).share == 1


def test_the_uniform_network_passes_the_rule_and_has_holes() -> None:
    for stack in (res4(Variant.UNIFORM), both(Variant.UNIFORM)):
        assert accepted(stack)
        assert not coverage(stack).complete


@pytest.mark.parametrize("variant", [Variant.RF, Variant.BIGGER, Variant.RELEASED])
def test_res5b_of_the_hybrid_networks_fails_the_rule_but_both_modules_are_covered(variant: Variant) -> None:
    assert not accepted(res5(variant))
    assert not coverage(res5(variant)).complete
    assert coverage(res4(variant)).complete
    assert coverage(both(variant)).complete


@pytest.mark.parametrize("layers", range(1, 12))
def test_less_than_three_quarters_are_lost_at_rate_2(layers: int) -> None:
    """ "At least 75 % when r = 2" is a limit from below: of (4n + 1)^2 positions (2n + 1)^2 are seen."""
    share = coverage((2,) * layers).share
    assert share == pytest.approx(((2 * layers + 1) / (4 * layers + 1)) ** 2)
    assert 1 - share < 0.75


def test_a_common_factor_is_rejected() -> None:
    assert not accepted((2, 4, 8))
    assert not coverage((2, 4, 8)).complete


def test_the_increase_of_table_2_follows_for_one_variant_only() -> None:
    printed = {Variant.NONE: 54, Variant.CONV: 88, Variant.RF: 116, Variant.BIGGER: 256}
    derived = {variant: 2 * sum(both(variant)) for variant in printed}
    assert derived == {Variant.NONE: 52, Variant.CONV: 80, Variant.RF: 116, Variant.BIGGER: 248}
    assert 2 * sum(both(Variant.RELEASED)) == 250
    assert 2 * sum(both(Variant.UNIFORM)) == 116
