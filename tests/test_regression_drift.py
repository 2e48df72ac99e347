"""The rank-sum test against scipy's, and what counts as a drift."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from harness.regression.drift import FEWEST_BEFORE, NO_TREND, WINDOWS, rank_sum, rising

tied = st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=25)


@given(higher=tied, lower=tied)
def test_rank_sum_is_mann_and_whitneys(higher: list[float], lower: list[float]) -> None:
    assume(len({*higher, *lower}) > 1)
    reference = mannwhitneyu(higher, lower, alternative="greater", method="asymptotic")
    assert rank_sum(np.array(higher), np.array(lower)) == pytest.approx(float(reference.pvalue), rel=1e-9)


def test_rank_sum_of_equal_values_says_nothing() -> None:
    assert rank_sum(np.full(7, 2.0), np.full(9, 2.0)) == 1.0


@pytest.mark.parametrize("before", [7, 14, 40])
def test_the_approximation_errs_towards_caution_in_the_tail(before: int) -> None:
    exact = 1 / comb(before + 7, 7)
    assert rank_sum(np.arange(100.0, 107.0), np.arange(float(before))) >= exact


def test_a_drift_is_found_over_weeks() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, 50)
    trend = 0.002 * np.maximum(np.arange(50) - 25, 0)
    found = rising((noise + trend).tolist(), 0.01)
    assert found.p < 1e-4
    assert found.nights in WINDOWS
    assert 0.01 <= found.shift <= 0.05
    assert rising((noise - trend).tolist(), 0.01) == NO_TREND


def test_too_few_nights_and_too_small_a_shift_are_no_drift() -> None:
    rise = [0.0] * FEWEST_BEFORE + [1.0] * WINDOWS[0]
    assert rising(rise, 0.01).p < 0.01
    assert rising(rise[1:], 0.01) == NO_TREND
    assert rising([value / 200 for value in rise], 0.01) == NO_TREND


def test_a_single_slow_week_end_is_no_drift() -> None:
    values = [0.0] * 40
    values[-1] = values[-3] = 0.5
    assert rising(values, 0.01).p > 0.05


def test_false_alarms_are_as_rare_as_said_whatever_the_noise() -> None:
    rng = np.random.default_rng(1)
    for heavy in (rng.standard_normal((1500, 45)), rng.standard_t(1, (1500, 45))):
        chances = np.array([rising(values, 0.0).p for values in heavy.tolist()])
        assert np.mean(chances <= 0.05) < 0.07
        assert np.mean(chances <= 0.005) < 0.01


@given(values=st.lists(st.floats(-1, 1), min_size=21, max_size=45, unique=True), more=st.floats(0, 1))
def test_a_steeper_rise_is_never_less_sure(values: list[float], more: float) -> None:
    steeper = [*values[:-7], *(value + more for value in values[-7:])]
    assume(len(set(steeper)) == len(steeper))
    assert rising(steeper, 0.0).p <= rising(values, 0.0).p
