"""Verdicts: the words each kind of evidence can give, and that better evidence never turns one round."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.claims.printed import Printed, rounded
from harness.statistics.evidence import WORDS, Evidence, Word, bounded
from harness.statistics.intervals import Estimate, seeds_and_images
from harness.statistics.verdicts import (
    Margin,
    Ruling,
    Span,
    absolute_timing,
    arithmetic,
    comparison,
    equivalence,
    exact,
    exact_comparison,
    measured_minus_printed,
    subset,
    undecided,
)

HALF_POINT = Margin(0.5, "two trainings of the same network differ by as much")
AGAINST_CLAIM = (Evidence.RELEASED_WEIGHTS, Evidence.RETRAINED)
FOR_RELATION = (Evidence.SCALED_DOWN, Evidence.SYNTHETIC, Evidence.TIMING)
values = st.floats(-50, 50, allow_nan=False).map(lambda x: round(x, 3))
half_widths = st.floats(0.001, 30, allow_nan=False).map(lambda x: round(x, 3))


def estimate(value: float, half: float, *, seeds: int = 3, images: int = 1000) -> Estimate:
    return Estimate(value, value - half, value + half, seeds, 0.1 if seeds > 1 else None, 0.1, images)


def word(ruling: Ruling) -> Word:
    return ruling.word


TABLE = {
    "arithmetic": "consistent, inconsistent",
    "exact": "exact, differs",
    "released-weights": "reproduced, better, worse, inconclusive",
    "retrained": "reproduced, better, worse, inconclusive",
    "subset": "compatible, incompatible, inconclusive",
    "scaled-down": "supports, contradicts, inconclusive",
    "synthetic": "supports, contradicts, inconclusive",
    "timing": "supports, contradicts, inconclusive, not comparable",
}


def test_each_evidence_gives_its_own_words_and_no_other() -> None:
    assert {e.value: {w.value for w in words} for e, words in WORDS.items()} == {
        evidence: set(words.split(", ")) for evidence, words in TABLE.items()
    }
    for evidence, candidate in product(Evidence, Word):
        if candidate in WORDS[evidence]:
            assert bounded(evidence, candidate) is candidate
        else:
            with pytest.raises(ValueError, match=f"{evidence.value} evidence cannot give '{candidate.value}'"):
                bounded(evidence, candidate)


def test_functions_refuse_evidence_of_another_row() -> None:
    for evidence in set(Evidence) - set(FOR_RELATION):
        with pytest.raises(ValueError, match="cannot give"):
            comparison(evidence, estimate(2, 1), ">", "pp")
    for evidence in set(Evidence) - set(AGAINST_CLAIM):
        with pytest.raises(ValueError, match="cannot give"):
            equivalence(evidence, estimate(28, 0.1), Printed("28.00"), HALF_POINT, "lower", "pp")
    for evidence in (Evidence.ARITHMETIC, Evidence.EXACT):
        with pytest.raises(ValueError, match="cannot give"):
            undecided(evidence, "no divisor")


@pytest.mark.parametrize(
    ("value", "printed", "expected"),
    [
        ("11.689512", "11.7", Word.EXACT),
        ("11.75", "11.7", Word.EXACT),
        ("11.75", "11.8", Word.EXACT),
        ("11.7501", "11.7", Word.DIFFERS),
        ("18", "18", Word.EXACT),
        ("19", "18", Word.DIFFERS),
        ("21.126584", "21.1", Word.EXACT),
        ("41.591608", "40.5", Word.DIFFERS),
    ],
)
def test_exact_means_rounding_to_the_print(value: str, printed: str, expected: Word) -> None:
    ruling = exact(Fraction(value), Printed(printed), "M")
    assert ruling.word is expected
    assert printed in ruling.reason


def test_an_uncertain_copy_is_not_held_against_the_paper() -> None:
    ruling = exact(Fraction(16), Printed("24"), "x", [Printed("16")])
    assert ruling.word is Word.EXACT
    assert "uncertain copy 24: 16" in ruling.reason
    assert exact(Fraction(17), Printed("24"), "x", [Printed("16")]).word is Word.DIFFERS


@given(st.fractions(-1000, 1000), st.integers(0, 4))
def test_every_value_is_exact_against_its_own_rounding_and_differs_two_steps_away(value: Fraction, digits: int) -> None:
    own = rounded(value, digits)
    assume(not own.startswith("-0") or float(own) != 0)
    assert word(exact(value, Printed(own), "1")) is Word.EXACT
    away = rounded(Fraction(own) + 2 * Printed(own).step, digits)
    assume(not away.startswith("-0") or float(away) != 0)
    assert word(exact(value, Printed(away), "1")) is Word.DIFFERS


def test_exact_comparisons_and_arithmetic() -> None:
    assert word(exact_comparison(True, Fraction(4), ">", Fraction(2))) is Word.EXACT
    assert word(exact_comparison(False, Fraction(1), ">", Fraction(2))) is Word.DIFFERS
    assert word(arithmetic(True, "")) is Word.CONSISTENT
    assert word(arithmetic(False, "")) is Word.INCONSISTENT
    assert absolute_timing("a CPU").word is Word.NOT_COMPARABLE


def test_the_prints_rounding_widens_the_difference() -> None:
    difference = measured_minus_printed(estimate(76.5, 0.2), Printed("76.3").interval)
    assert (difference.value, difference.low, difference.high) == pytest.approx((0.2, -0.05, 0.45))


@pytest.mark.parametrize("evidence", AGAINST_CLAIM)
@pytest.mark.parametrize(
    ("value", "half", "better", "expected"),
    [
        (28.1, 0.3, "lower", Word.REPRODUCED),
        (28.1, 0.6, "lower", Word.INCONCLUSIVE),
        (29.1, 0.3, "lower", Word.WORSE),
        (26.9, 0.3, "lower", Word.BETTER),
        (29.1, 0.3, "higher", Word.BETTER),
        (26.9, 0.3, "higher", Word.WORSE),
        (28.6, 0.3, "lower", Word.INCONCLUSIVE),
        (28.4, 0.09, "lower", Word.REPRODUCED),
        (28.4, 0.097, "lower", Word.INCONCLUSIVE),
    ],
)
def test_two_one_sided_tests(evidence: Evidence, value: float, half: float, better, expected: Word) -> None:
    ruling = equivalence(evidence, estimate(value, half), Printed("28.00"), HALF_POINT, better, "pp")
    assert ruling.word is expected
    assert HALF_POINT.reason in ruling.reason


def test_without_a_margin_nothing_is_reproduced() -> None:
    ruling = equivalence(Evidence.RELEASED_WEIGHTS, estimate(28, 0.01), Printed("28.00"), None, "lower", "pp")
    assert ruling.word is Word.INCONCLUSIVE
    assert "no margin" in ruling.reason


def test_one_seed_settles_nothing_about_training_and_all_about_released_weights() -> None:
    one = estimate(28, 0.1, seeds=1)
    retrained = equivalence(Evidence.RETRAINED, one, Printed("28.00"), HALF_POINT, "lower", "pp")
    assert retrained.word is Word.INCONCLUSIVE
    assert "one seed" in retrained.reason
    released = equivalence(Evidence.RELEASED_WEIGHTS, one, Printed("28.00"), HALF_POINT, "lower", "pp")
    assert released.word is Word.REPRODUCED
    for evidence in (Evidence.SCALED_DOWN, Evidence.SYNTHETIC):
        assert comparison(evidence, estimate(9, 1, seeds=1), ">", "pp").word is Word.INCONCLUSIVE
    assert comparison(Evidence.TIMING, estimate(9, 1, seeds=1), ">", "x").word is Word.SUPPORTS


def test_an_interval_without_width_settles_nothing() -> None:
    flat = seeds_and_images([4.0, 4.0, 4.0], 0.0, 100)
    for evidence in FOR_RELATION:
        ruling = comparison(evidence, flat, ">", "pp")
        assert ruling.word is Word.INCONCLUSIVE
        assert "nothing varied" in ruling.reason
    for evidence in AGAINST_CLAIM:
        ruling = equivalence(evidence, flat, Printed("4.0"), HALF_POINT, "lower", "pp")
        assert ruling.word is Word.INCONCLUSIVE
    assert subset(flat, Printed("4.0"), HALF_POINT, "pp").word is Word.INCONCLUSIVE


@pytest.mark.parametrize(
    ("value", "half", "margin", "expected"),
    [
        (28.4, 0.4, HALF_POINT, Word.COMPATIBLE),
        (29.0, 0.4, HALF_POINT, Word.INCOMPATIBLE),
        (27.0, 0.4, HALF_POINT, Word.INCOMPATIBLE),
        (29.0, 3.0, HALF_POINT, Word.INCONCLUSIVE),
        (28.0, 0.1, None, Word.INCONCLUSIVE),
        (35.0, 0.1, None, Word.INCOMPATIBLE),
    ],
)
def test_a_subset_is_compatible_only_if_it_could_have_been_incompatible(
    value: float, half: float, margin: Margin | None, expected: Word
) -> None:
    assert subset(estimate(value, half), Printed("28.00"), margin, "pp").word is expected


@pytest.mark.parametrize("evidence", FOR_RELATION)
@pytest.mark.parametrize(
    ("op", "value", "expected"),
    [
        (">", 2.0, Word.SUPPORTS),
        (">=", 2.0, Word.SUPPORTS),
        ("<", 2.0, Word.CONTRADICTS),
        ("<=", 2.0, Word.CONTRADICTS),
        (">", -2.0, Word.CONTRADICTS),
        ("<", -2.0, Word.SUPPORTS),
        (">", 0.5, Word.INCONCLUSIVE),
        ("<=", -0.5, Word.INCONCLUSIVE),
    ],
)
def test_a_direction_needs_the_whole_interval(evidence: Evidence, op: str, value: float, expected: Word) -> None:
    assert comparison(evidence, estimate(value, 1.0), op, "pp").word is expected


@pytest.mark.parametrize("op", ["=", "~", "!="])
def test_a_measurement_judges_no_equality(op: str) -> None:
    with pytest.raises(ValueError, match="cannot judge the operator"):
        comparison(Evidence.SYNTHETIC, estimate(1, 0.1), op, "pp")


OPPOSITE = {">": "<", "<": ">", ">=": "<=", "<=": ">="}
TURNED = {Word.SUPPORTS: Word.CONTRADICTS, Word.CONTRADICTS: Word.SUPPORTS, Word.INCONCLUSIVE: Word.INCONCLUSIVE}


@given(values, half_widths, st.sampled_from(sorted(OPPOSITE)))
def test_the_opposite_comparison_gets_the_opposite_word(value: float, half: float, op: str) -> None:
    ours = comparison(Evidence.SYNTHETIC, estimate(value, half), op, "pp").word
    assert comparison(Evidence.SYNTHETIC, estimate(value, half), OPPOSITE[op], "pp").word is TURNED[ours]
    assert comparison(Evidence.SYNTHETIC, estimate(-value, half), OPPOSITE[op], "pp").word is ours


Judge = Callable[[Estimate], Ruling]
SETTLED_FOR_GOOD: list[Judge] = [
    *(lambda e, o=op: comparison(Evidence.SYNTHETIC, e, o, "pp") for op in OPPOSITE),
    *(
        lambda e, k=kind, b=better: equivalence(k, e, Printed("10.00"), HALF_POINT, b, "pp")
        for kind in AGAINST_CLAIM
        for better in ("lower", "higher")
    ),
]


@given(values, half_widths, st.floats(0, 1), st.floats(-1, 1), st.sampled_from(SETTLED_FOR_GOOD))
def test_a_narrower_interval_within_the_old_one_never_unsettles(
    value: float, half: float, shrink: float, shift: float, judge: Judge
) -> None:
    before = judge(estimate(value, half)).word
    inner = half * shrink
    after = judge(estimate(value + shift * (half - inner) * 0.999, inner)).word
    assert before is Word.INCONCLUSIVE or after is before


@given(values, half_widths, st.floats(0, 1), st.floats(-1, 1))
def test_a_larger_subset_never_takes_incompatible_back(value: float, half: float, shrink: float, shift: float) -> None:
    printed = Printed("10.00")
    before = subset(estimate(value, half), printed, HALF_POINT, "pp").word
    inner = half * shrink
    after = subset(estimate(value + shift * (half - inner) * 0.999, inner), printed, HALF_POINT, "pp").word
    assert before is not Word.INCOMPATIBLE or after is Word.INCOMPATIBLE
    assert before is not Word.COMPATIBLE or after is not Word.INCONCLUSIVE


@given(values, half_widths, st.sampled_from([0.1, 0.5, 2.0]), st.sampled_from([2.0, 5.0]))
def test_a_wider_margin_never_takes_reproduced_back(value: float, half: float, margin: float, factor: float) -> None:
    def judge(width: float) -> Word:
        margin = Margin(width, "agreed beforehand")
        return equivalence(Evidence.RETRAINED, estimate(value, half), Printed("10.00"), margin, "lower", "pp").word

    assert judge(margin) is not Word.REPRODUCED or judge(margin * factor) is Word.REPRODUCED


@given(values, half_widths)
def test_words_stay_in_their_row(value: float, half: float) -> None:
    measured, printed = estimate(value, half), Printed("10.00")
    for evidence in AGAINST_CLAIM:
        assert equivalence(evidence, measured, printed, HALF_POINT, "lower", "pp").word in WORDS[evidence]
    for evidence in FOR_RELATION:
        assert comparison(evidence, measured, ">", "pp").word in WORDS[evidence]
    assert subset(measured, printed, HALF_POINT, "pp").word in WORDS[Evidence.SUBSET]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_raise(bad: float) -> None:
    for call in (
        lambda: Span(bad, 0.0, 1.0),
        lambda: Span(0.0, 0.0, bad),
        lambda: Estimate(bad, 0.0, 1.0, 1, None, 0.0, 10),
        lambda: Estimate(0.5, 0.0, 1.0, 2, bad, 0.0, 10),
        lambda: Margin(bad, "why"),
    ):
        with pytest.raises(ValueError, match="finite"):
            call()


def test_a_margin_has_a_size_and_a_reason() -> None:
    for value, reason in ((0.0, "why"), (-1.0, "why"), (1.0, " ")):
        with pytest.raises(ValueError, match="margin"):
            Margin(value, reason)


def test_intervals_turned_inside_out_are_refused() -> None:
    with pytest.raises(ValueError, match="inside out"):
        Span(0.0, 1.0, -1.0)
    with pytest.raises(ValueError, match="inside out"):
        Estimate(0.0, 1.0, -1.0, 1, None, 0.0, 0)


def test_false_alarms_of_a_direction_are_as_rare_as_promised() -> None:
    rng = np.random.default_rng(11)
    trials, wrong = 4000, 0
    for _ in range(trials):
        noise = rng.normal(0, 1.0, 3) + rng.normal(0, 0.7)
        ruling = comparison(Evidence.SYNTHETIC, seeds_and_images(noise, 0.7, 500), ">", "pp")
        wrong += ruling.word is not Word.INCONCLUSIVE
    assert wrong / trials <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / trials)
