"""Intervals against closed forms, scipy, and their own promise: how often they cover the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.metrics.segmentation import class_iou
from harness.statistics.intervals import (
    Floats,
    bca,
    bootstrap,
    jackknife,
    paired_difference,
    percentile,
    seeds_and_images,
    standard_error,
    student,
)

scores = st.floats(-100, 100, allow_nan=False, width=32)


def mean_of(values: Floats):
    return lambda weights: (weights * values).sum(axis=1) / weights.sum(axis=1)


def at_least(nominal: float, hits: int, trials: int) -> bool:
    """Whether so many hits are what a coverage of at least the nominal one gives, but for 1 in 10,000 seeds."""
    return bool(stats.binom.cdf(hits, trials, nominal) > 1e-4)


def test_a_resample_draws_as_many_images_as_there_are() -> None:
    drawn = bootstrap(lambda weights: weights, 7, resamples=500)
    assert (drawn.sum(axis=1) == 7).all()
    assert (drawn == np.round(drawn)).all()
    assert (drawn >= 0).all()


def test_weights_are_multinomial() -> None:
    drawn = bootstrap(lambda weights: weights, 5, resamples=20000)
    variance, covariance = 5 * 0.2 * 0.8, -5 * 0.2 * 0.2
    expected = np.full((5, 5), covariance) + np.eye(5) * (variance - covariance)
    np.testing.assert_allclose(np.cov(drawn.T), expected, atol=0.04)


def test_the_same_draw_for_every_statistic_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bootstrap(lambda weights: weights, 11, resamples=100)
    monkeypatch.setattr("harness.statistics.intervals.BLOCK", 33)
    np.testing.assert_array_equal(bootstrap(lambda weights: weights, 11, resamples=100), whole)
    assert (bootstrap(lambda weights: weights, 11, resamples=100, seed=1) != whole).any()


@pytest.mark.parametrize("images", [4, 400])
def test_standard_error_of_a_mean_is_the_textbook_one(images: int) -> None:
    values = np.random.default_rng(1).gamma(2.0, size=images)
    resampled = bootstrap(mean_of(values), images, resamples=20000)
    expected = values.std(ddof=1) / math.sqrt(images)
    assert standard_error(resampled, images) == pytest.approx(expected, rel=0.02)


def test_jackknife_leaves_each_image_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.statistics.intervals.BLOCK", 20)
    values = np.array([1.0, 4.0, 9.0, 16.0, 25.0])
    np.testing.assert_allclose(jackknife(mean_of(values), 5), [np.delete(values, i).mean() for i in range(5)])


@pytest.mark.parametrize("seed", range(4))
def test_percentile_and_bca_agree_with_scipy_on_the_same_resamples(seed: int) -> None:
    values = np.random.default_rng(seed).lognormal(size=40)
    left_out = jackknife(mean_of(values), 40)
    for method in ("percentile", "BCa"):
        theirs = stats.bootstrap(
            (values,), np.mean, n_resamples=999, method=method, random_state=np.random.default_rng(seed)
        )
        resampled = theirs.bootstrap_distribution
        ours = percentile(resampled) if method == "percentile" else bca(values.mean(), resampled, left_out)
        np.testing.assert_allclose(ours, theirs.confidence_interval, rtol=1e-12)


def test_bca_of_a_statistic_beyond_all_resamples_is_still_an_interval() -> None:
    resampled, left_out = np.linspace(0, 1, 200), np.linspace(0, 1, 30) ** 4
    low, high = bca(2.0, resampled, left_out)
    assert 0 <= low <= high <= 1


def test_student_is_scipys() -> None:
    values = [61.2, 60.1, 62.9, 60.7]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    estimate = student(values)
    assert (estimate.low, estimate.high) == pytest.approx(expected)
    assert estimate.seeds == 4


def test_images_alone_give_students_interval_too() -> None:
    estimate = seeds_and_images([50.0], 2.0, 25)
    assert estimate.high - 50 == pytest.approx(2 * stats.t.ppf(0.975, 24))
    assert estimate.seed_error is None


def test_one_seed_says_that_it_has_no_spread() -> None:
    assert student([3.0]).seed_error is None
    assert not student([3.0]).has_spread
    assert student([3.0, 3.0]).seed_error == 0.0


def welch_satterthwaite(seed_variance: float, image_variance: float, seeds: int, images: int) -> float:
    total = seed_variance + image_variance
    freedom = total**2 / (seed_variance**2 / (seeds - 1) + image_variance**2 / (images - 1))
    return float(stats.t.ppf(0.975, freedom) * math.sqrt(total))


@given(st.lists(scores, min_size=2, max_size=6), st.floats(0, 10), st.integers(2, 5000))
def test_never_narrower_than_either_part_or_than_welch_satterthwaite(
    per_seed: list[float], sample_error: float, images: int
) -> None:
    estimate = seeds_and_images(per_seed, sample_error, images)
    half = (estimate.high - estimate.low) / 2
    alone = student(per_seed)
    assert half >= (alone.high - alone.low) / 2 - 1e-9
    assert half >= sample_error * stats.norm.ppf(0.975) - 1e-9
    seed_variance = (estimate.seed_error or 0.0) ** 2
    if seed_variance > 1e-9 and sample_error > 1e-4 and images > len(per_seed):
        assert half >= welch_satterthwaite(seed_variance, sample_error**2, len(per_seed), images) * (1 - 1e-9)


@given(st.lists(scores, min_size=1, max_size=6), st.floats(0, 10), st.floats(0, 10))
def test_more_image_noise_never_narrows(per_seed: list[float], first: float, second: float) -> None:
    small, large = sorted((first, second))
    narrow, wide = seeds_and_images(per_seed, small, 100), seeds_and_images(per_seed, large, 100)
    assert wide.low <= narrow.low + 1e-9
    assert narrow.high <= wide.high + 1e-9


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("ratio", [0.2, 1.0, 2.0, 8.0])
def test_seeds_and_images_cover_at_least_the_nominal_level(seeds: int, ratio: float) -> None:
    rng = np.random.default_rng(seeds * 100 + int(ratio * 10))
    trials, images = 4000, 400
    per_seed = rng.normal(0, ratio * math.sqrt(seeds), (trials, seeds)) + rng.normal(0, 1, (trials, 1))
    errors = np.sqrt(rng.chisquare(images - 1, trials) / (images - 1))
    estimates = [seeds_and_images(row, error, images) for row, error in zip(per_seed, errors, strict=True)]
    hits = sum(e.low <= 0 <= e.high for e in estimates)
    assert at_least(0.95, hits, trials)
    assert hits / trials < 0.995


def outcomes(rng: np.random.Generator, difficulty: Floats, shift: Floats) -> Floats:
    """Draw errors [S, N]: an image's difficulty and a seed's shift give the chance of an error on the logit scale."""
    chance = 1 / (1 + np.exp(-(difficulty[None, :] + shift[:, None])))
    return (rng.random(chance.shape) < chance).astype(np.float64)


def expected_error(offset: float, difficulty_spread: float, seed_spread: float) -> float:
    """Integrate the error rate over images and seeds."""
    grid = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    spread = math.hypot(difficulty_spread, seed_spread)
    return float((1 / (1 + np.exp(-(offset + spread * grid)))).mean())


def test_seed_paired_difference_of_errors_covers_the_truth() -> None:
    rng = np.random.default_rng(7)
    seeds, images, trials = 3, 150, 300
    truth = expected_error(-0.6, 1.5, 0.15) - expected_error(-1.0, 1.5, 0.15)
    hits = 0
    for _ in range(trials):
        difficulty = rng.normal(0, 1.5, images)
        left = outcomes(rng, difficulty, -0.6 + rng.normal(0, 0.15, seeds))
        right = outcomes(rng, difficulty, -1.0 + rng.normal(0, 0.15, seeds))
        resampled = bootstrap(mean_of((left - right).mean(axis=0)), images, resamples=300)
        estimate = paired_difference(left.mean(axis=1), right.mean(axis=1), resampled, images)
        hits += estimate.low <= truth <= estimate.high
    assert at_least(0.95, hits, trials)


def test_bca_of_a_mean_iou_covers_the_truth() -> None:
    rng = np.random.default_rng(3)
    classes, trials, images = 3, 300, 80

    def draw(count: int) -> Floats:
        skill = rng.beta(4, 2, (count, classes))
        pixels = rng.poisson(rng.gamma(2.0, 10.0, (count, classes)))
        hits = rng.binomial(pixels, skill)
        confusion = np.zeros((count, classes, classes + 1))
        index = np.arange(classes)
        confusion[:, index, index] = hits
        confusion[:, index, (index + 1) % classes] = pixels - hits
        return confusion

    def miou(confusion: Floats):
        flat = confusion.reshape(len(confusion), -1)

        def statistic(weights: Floats) -> Floats:
            counts = np.rint(weights @ flat).astype(np.int64).reshape(-1, classes, classes + 1)
            return np.nanmean(class_iou(counts), axis=-1)

        return statistic

    population = draw(200_000)
    truth = float(miou(population)(np.ones((1, len(population))))[0])
    hits = 0
    for _ in range(trials):
        statistic = miou(draw(images))
        value = float(statistic(np.ones((1, images)))[0])
        low, high = bca(value, bootstrap(statistic, images, resamples=500), jackknife(statistic, images))
        hits += low <= truth <= high
    assert at_least(0.93, hits, trials)


def test_pairing_by_seed_removes_what_both_systems_share() -> None:
    luck = np.array([0.0, 4.0, -3.0])
    constant = np.full(200, 0.0)
    estimate = paired_difference(30 + luck, 28 + luck, constant, 100)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((2.0, 2.0, 2.0))


@settings(max_examples=30)
@given(st.integers(0, 4), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_no_number_that_is_not_finite_gets_through(position: int, bad: float) -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    values[position] = bad
    array = np.array(values)
    for call in (
        lambda: student(values),
        lambda: seeds_and_images([1.0, 2.0], bad, 10),
        lambda: percentile(array),
        lambda: standard_error(array, 5),
        lambda: bca(1.0, array, np.arange(5.0)),
        lambda: bca(1.0, np.arange(5.0), array),
        lambda: bca(bad, np.arange(5.0), np.arange(5.0)),
        lambda: bootstrap(mean_of(array), 5, resamples=50),
        lambda: jackknife(mean_of(array), 5),
        lambda: paired_difference(array, np.arange(5.0), np.zeros(10), 5),
    ):
        with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="finite"):
            call()


def test_what_cannot_be_computed_is_refused() -> None:
    for call, message in (
        (lambda: student([]), "no value"),
        (lambda: bootstrap(mean_of(np.ones(1)), 1), "at least 2 images"),
        (lambda: jackknife(mean_of(np.ones(1)), 1), "at least 2 images"),
        (lambda: seeds_and_images([1.0], 0.5, 1), "over 1 images"),
        (lambda: seeds_and_images([1.0], -0.5, 10), "sample error of -0.5"),
        (lambda: paired_difference([1.0], [1.0, 2.0], np.zeros(5), 5), "cannot be paired"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
