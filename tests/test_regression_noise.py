"""Levels and their noise, against the estimator's definition, simulation and closed forms."""

from __future__ import annotations

from itertools import combinations
from math import comb, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, polygamma
from scipy.stats import t

from harness.regression.noise import FLOORS, Noise, Outliers, chance, fit, freedom, outliers, qn, quantile, relative

samples = st.lists(st.floats(-5, 5).map(lambda x: round(x, 4)), min_size=2, max_size=30)


@given(values=samples)
def test_qn_is_the_distance_of_that_rank(values: list[float]) -> None:
    distances = sorted(abs(a - b) for a, b in combinations(values, 2))
    rank = comb(len(values) // 2 + 1, 2)
    if len(values) > 9:
        factor = len(values) / (len(values) + (1.4 if len(values) % 2 else 3.8))
        assert qn(np.array(values)) == pytest.approx(2.21914 * factor * distances[rank - 1])
    else:
        assert qn(np.array(values)) <= 2.22 * distances[rank - 1]


@given(values=samples, factor=st.floats(0.01, 100), shift=st.floats(-10, 10))
def test_qn_scales_and_does_not_shift(values: list[float], factor: float, shift: float) -> None:
    assert qn(factor * np.array(values) + shift) == pytest.approx(factor * qn(np.array(values)), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("nights", [7, 10, 15, 30])
def test_qn_is_unbiased_and_varies_as_said(nights: int) -> None:
    rng = np.random.default_rng(0)
    scales = np.array([qn(values) for values in rng.standard_normal((4000, nights))])
    assert scales.mean() == pytest.approx(1.0, abs=0.03)
    claimed = float(polygamma(1, freedom(nights) / 2)) / 4
    assert 0.9 < claimed / np.log(scales).var() < 1.5, "the freedom may be understated, not overstated"


def test_nearly_half_of_the_nights_may_be_anything() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 0.01, 40)
    values[:16] += rng.uniform(0.1, 0.5, 16)
    level = fit(values.tolist(), 0.0)
    assert abs(level.level) < 0.03
    assert level.scale < 0.1


@pytest.mark.parametrize("nights", [7, 10, 20])
@pytest.mark.parametrize(("looks", "share"), [(1, 0.0), (2, 0.01), (3, 0.02)])
def test_chance_is_what_looks_at_estimated_levels_do(nights: int, looks: int, share: float) -> None:
    """The levels and scales are estimated from drawn nights; only the looks' own law is taken as known."""
    rng = np.random.default_rng(2)
    nights_drawn = rng.standard_normal((8000, nights))
    levels = np.median(nights_drawn, axis=1)
    scales = np.array([qn(values) for values in nights_drawn])
    for deviation in (2.0, 4.0):
        tail = ndtr(-(levels + deviation * scales))
        simulated = float(np.mean(((1 - share) * tail + share) ** looks))
        assert 0.95 < chance(deviation, (share,) * looks, nights) / simulated < 2.5, "never too small"


def test_chance_with_the_level_known() -> None:
    for deviation, share, looks in ((1.0, 0.0, 1), (2.0, 0.05, 2), (3.0, 0.01, 3)):
        expected = ((1 - share) * ndtr(-deviation) + share) ** looks
        assert chance(deviation, (share,) * looks, 20_000) == pytest.approx(expected, rel=0.01)


def test_one_look_without_outliers_is_students_t() -> None:
    for nights in (8, 20, 60):
        for p in (0.05, 0.001):
            deviation = quantile(1 - p, nights)
            inflation = (1 + np.pi / (2 * nights)) ** 0.5
            assert deviation == pytest.approx(float(t.ppf(1 - p, freedom(nights))) * inflation)
            assert chance(deviation, (0.0,), nights) == pytest.approx(p, rel=0.35)


@given(
    deviations=st.lists(st.floats(-20, 200), min_size=2, max_size=2).map(sorted),
    shares=st.lists(st.floats(0, 0.3), min_size=1, max_size=5),
    nights=st.integers(7, 60),
)
def test_a_larger_deviation_is_never_likelier(deviations: list[float], shares: list[float], nights: int) -> None:
    near, far = (chance(deviation, tuple(shares), nights) for deviation in deviations)
    assert 0 <= far <= near <= 1 + 1e-9
    assert chance(deviations[0], (*shares, 0.2), nights) <= near, "one more look is never less evidence"
    underflow = 1e-300
    assert far >= np.prod(shares) * (1 - 1e-9) - underflow, "outliers alone do as much"


def test_shares_start_at_the_prior_and_follow_what_is_seen() -> None:
    assert Outliers().share() == 0.02
    assert Outliers(0, 0).share(0.1, 50) == 0.1
    assert Outliers(10_000, 500).share() == pytest.approx(0.05, rel=0.01)
    assert Outliers(3, 1) + Outliers(4, 2) == Outliers(7, 3)


def test_outliers_are_counted_on_one_side() -> None:
    level = Noise(0.0, 0.01, 30)
    assert outliers([0.0, 0.02, 0.3, -0.3], level) == Outliers(4, 1)


def test_floors() -> None:
    for floor in FLOORS.values():
        assert 0 < floor.scale < floor.change
        assert floor.reason
    assert fit([1.0] * 7, 0.002) == Noise(1.0, 0.002, 7)
    assert relative(log(1.05)) == pytest.approx(0.05)


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(3)
    draws = rng.standard_normal((2000, 11))
    covered = 0
    for *nights, tonight in draws.tolist():
        level = fit(nights, 0.0)
        covered += abs(tonight - level.level) <= level.half_width()
    assert 0.93 < covered / len(draws) < 0.985
