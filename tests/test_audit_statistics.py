"""Statistics of the audit against second methods: scipy's tests, refits and simulation."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.statistics.leave_one_out import level, line, student_critical
from harness.statistics.proportions import (
    fisher_exact,
    minimum_resolvable_difference,
    two_proportion_z,
    wilson,
)


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 2000))
    return draw(st.integers(0, n)), n


@given(counts(), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_interval_is_that_of_scipy(kn: tuple[int, int], confidence: float) -> None:
    k, n = kn
    expected = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert wilson(k, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(counts(), counts())
def test_z_test_is_the_chi_square_test_of_the_two_by_two_table(one: tuple[int, int], other: tuple[int, int]) -> None:
    (k1, n1), (k2, n2) = one, other
    result = two_proportion_z(k1 / n1, n1, k2 / n2, n2)
    if k1 + k2 in (0, n1 + n2):
        assert result.p == 1
        return
    chi2 = stats.chi2_contingency([[k1, n1 - k1], [k2, n2 - k2]], correction=False)
    assert result.statistic**2 == pytest.approx(chi2.statistic, rel=1e-6, abs=1e-9)
    assert result.p == pytest.approx(chi2.pvalue, rel=1e-6, abs=1e-12)


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_fisher_sums_the_tables_that_are_no_likelier(n1: int, n2: int, data: st.DataObject) -> None:
    k1, k2 = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    total = k1 + k2
    ways = {k: comb(n1, k) * comb(n2, total - k) for k in range(max(0, total - n2), min(n1, total) + 1)}
    expected = sum(w for w in ways.values() if w <= ways[k1]) / comb(n1 + n2, total)
    assert fisher_exact(k1, n1, k2, n2).p == pytest.approx(expected, rel=1e-9)


@given(st.floats(0.05, 0.95), st.integers(200, 100_000), st.sampled_from([0.9, 0.95, 0.99]))
def test_least_resolvable_difference_is_on_the_edge_of_the_test(p: float, n: int, confidence: float) -> None:
    half = minimum_resolvable_difference(p, n, confidence) / 2
    if not half < min(p, 1 - p):
        return
    assert two_proportion_z(p + half * 1.001, n, p - half * 1.001, n).p < 1 - confidence
    assert two_proportion_z(p + half * 0.999, n, p - half * 0.999, n).p > 1 - confidence


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        wilson(k, n)
    with pytest.raises(ValueError, match="expected"):
        fisher_exact(k, n, 1, 2)


def test_impossible_proportions_are_refused() -> None:
    for p in (float("nan"), -0.1, 1.1):
        with pytest.raises(ValueError, match="expected"):
            two_proportion_z(p, 10, 0.5, 10)
        with pytest.raises(ValueError, match="expected"):
            minimum_resolvable_difference(p, 10)


@given(st.integers(0, 10_000), st.integers(5, 15))
def test_line_is_a_refit_without_each_point(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=n), rng.normal(size=n)
    judged = line(x, y)
    assert judged is not None
    for i in range(n):
        others = np.arange(n) != i
        fit = stats.linregress(x[others], y[others])
        predicted = fit.intercept + fit.slope * x[i]
        residual = y[others] - fit.intercept - fit.slope * x[others]
        spread = np.sum((x[others] - x[others].mean()) ** 2)
        error = np.sqrt(residual @ residual / (n - 3) * (1 + 1 / (n - 1) + (x[i] - x[others].mean()) ** 2 / spread))
        assert judged.predicted[i] == pytest.approx(predicted, rel=1e-7, abs=1e-9)
        assert judged.error[i] == pytest.approx(error, rel=1e-7)
        assert judged.p[i] == pytest.approx(2 * stats.t.sf(abs(y[i] - predicted) / error, n - 3), rel=1e-6)


@given(st.integers(0, 10_000), st.integers(4, 12))
def test_level_is_the_mean_of_the_others(seed: int, n: int) -> None:
    y = np.random.default_rng(seed).normal(size=n)
    judged = level(y)
    assert judged is not None
    for i in range(n):
        others = np.delete(y, i)
        error = others.std(ddof=1) * np.sqrt(1 + 1 / (n - 1))
        assert judged.predicted[i] == pytest.approx(others.mean(), abs=1e-12)
        assert judged.p[i] == pytest.approx(2 * stats.t.sf(abs(y[i] - others.mean()) / error, n - 2), rel=1e-6)


def test_a_perfect_line_accuses_only_what_is_off_it() -> None:
    x = np.arange(8.0)
    judged = line(x, 2 * x + 1, noise=0.0)
    assert judged is not None
    assert (judged.p > 0.5).all()
    bent = 2 * x + 1
    bent[3] += 1
    judged = line(x, bent, noise=1e-3)
    assert judged is not None
    assert judged.p.argmin() == 3
    assert judged.p[3] < 1e-6


def test_rounding_noise_keeps_a_perfect_fit_from_accusing_a_rounding() -> None:
    x = np.arange(8.0)
    y = 2 * x
    y[3] += 0.05
    assert (judged := line(x, y, noise=0.03)) is not None
    assert (judged.p > 0.05).all()


@pytest.mark.parametrize("n", range(4))
def test_too_few_points_say_nothing(n: int) -> None:
    points = np.arange(float(n))
    assert line(points, points) is None
    assert level(points) is None


def test_equal_x_say_nothing() -> None:
    assert line(np.ones(9), np.arange(9.0)) is None


@pytest.mark.parametrize("degrees", [1, 5, 30])
def test_student_quantile(degrees: int) -> None:
    assert student_critical(0.95, degrees) == pytest.approx(stats.t.ppf(0.975, degrees))
