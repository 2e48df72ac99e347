"""Paired tests of a night's outcomes, held against closed forms, scipy and enumeration."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats

from harness.claims.vocabulary import Direction
from harness.regression.model import Change, Night
from harness.regression.paired import IncomparableError, compare, narrowed, sign_flips
from harness.scoring.scores import Mean, Metric, Pooled, Sample, Single, metrics, score

IMAGES = 5000
NO_CHANGE = Change(0.0, 0.0, 0.0, 1.0, 1.0)


def errors(wrong: Any) -> Mean:
    return Mean(Metric("top1-error"), np.asarray(wrong, dtype=np.float64), 100.0, proportion=True)


def night(*samples: Sample, segment: str = "s") -> Night:
    return Night("2026-01-01T00:00:00+00:00", 0.0, segment, samples=dict(enumerate(samples)))


def flipped(lost: int, won: int, *, images: int = IMAGES, share: float = 0.25) -> tuple[Mean, Mean]:
    """Return errors before and after: ``lost`` images that were right are wrong, and ``won`` the other way."""
    before = np.random.default_rng(3).permutation(np.arange(images) < round(share * images))
    after = before.copy()
    after[np.flatnonzero(~before)[:lost]] = True
    after[np.flatnonzero(before)[:won]] = False
    return errors(before), errors(after)


def segmented(skill: float, seed: int = 0, *, images: int = 60, classes: int = 4) -> NDArray[np.int64]:
    """Draw counts [N, K, K + 1] with the same labelled pixels whatever the skill."""
    pixels = np.random.default_rng(4).integers(50, 150, (images, classes))
    hits = np.random.default_rng([seed, round(skill * 1e6)]).binomial(pixels, skill)
    confusion = np.zeros((images, classes, classes + 1), dtype=np.int64)
    index = np.arange(classes)
    confusion[:, index, index] = hits
    confusion[:, index, (index + 1) % classes] = pixels - hits
    return confusion


@pytest.mark.parametrize(("lost", "won"), [(38, 13), (25, 0), (13, 38), (7, 7), (1, 0)])
def test_proportion_of_one_seed_is_mcnemar_exact(lost: int, won: int) -> None:
    before, after = flipped(lost, won)
    change = compare([night(before)], night(after), "lower")
    assert change.estimate == pytest.approx(100 * (lost - won) / IMAGES, abs=1e-12)
    assert change.p_worse == pytest.approx(stats.binomtest(lost, lost + won, alternative="greater").pvalue, rel=1e-9)
    assert change.p_better == pytest.approx(stats.binomtest(lost, lost + won, alternative="less").pvalue, rel=1e-9)
    assert change.low <= change.estimate <= change.high


def test_half_a_point_on_5000_images_shows_where_few_images_flip() -> None:
    """An unpaired test of the same two proportions sees nothing."""
    before, after = flipped(38, 13)
    change = compare([night(before)], night(after), "lower")
    table = [[int(sample.values.sum()), IMAGES - int(sample.values.sum())] for sample in (before, after)]
    assert change.estimate == pytest.approx(0.5)
    assert change.p_worse < 0.001
    assert 0 < change.low < 0.5 < change.high
    assert stats.fisher_exact(table).pvalue > 0.4


def test_half_a_point_is_not_seen_where_many_images_flip() -> None:
    before, after = flipped(262, 237)
    change = compare([night(before)], night(after), "lower")
    assert change.estimate == pytest.approx(0.5)
    assert change.p_worse > 0.1


@given(st.lists(st.integers(-3, 3), max_size=9))
def test_sign_flips_are_those_of_every_toss(differences: list[int]) -> None:
    tosses = itertools.product((-1, 1), repeat=len(differences))
    sums = np.array([sum(sign * abs(one) for sign, one in zip(toss, differences, strict=True)) for toss in tosses])
    tails = sign_flips(np.array(differences, dtype=np.int64))
    assert tails.fall == pytest.approx(np.mean(sums <= sum(differences)))
    assert tails.rise == pytest.approx(np.mean(sums >= sum(differences)))


def test_mean_of_one_seed_is_the_paired_t_test() -> None:
    stream = np.random.default_rng(1)
    before = stream.normal(size=300)
    after = before + stream.normal(0.05, 0.4, 300)
    pair = [Mean(Metric("gridding"), values) for values in (before, after)]
    change = compare([night(pair[0])], night(pair[1]), "lower")
    expected = stats.ttest_rel(after, before, alternative="greater")
    interval = stats.ttest_rel(after, before).confidence_interval()
    assert change.p_worse == pytest.approx(expected.pvalue, rel=1e-9)
    assert (change.low, change.high) == pytest.approx((interval.low, interval.high))


def test_iou_is_tested_by_the_paired_bootstrap() -> None:
    """The standard error behind it is that of the linearised difference, within the bootstrap's own error."""
    before, after = segmented(0.80), segmented(0.79)
    change = compare([night(Pooled(before, {}))], night(Pooled(after, {})), "higher")
    values = [score(Pooled(counts, {}))[0, 0] for counts in (before, after)]
    error = np.std(influence(after) - influence(before), ddof=1) / math.sqrt(len(before))
    assert change.estimate == pytest.approx(values[1] - values[0])
    assert (change.high - change.low) / 2 == pytest.approx(stats.t.ppf(0.975, 59) * error, rel=0.1)
    assert change.p_worse == pytest.approx(stats.t.sf(-change.estimate / error, 59), rel=0.5)


def influence(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return N times each image's first-order effect on the mean IoU in percent (Hampel 1974)."""
    index = np.arange(confusion.shape[1])
    hits = confusion[:, index, index].astype(np.float64)
    union = confusion.sum(axis=2) + confusion[:, :, :-1].sum(axis=1) - hits
    total = union.sum(axis=0)
    effects = (hits - hits.sum(axis=0) / total * union) / total
    result: NDArray[np.float64] = 100 * len(confusion) * effects.mean(axis=1)
    return result


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_equal_outcomes_are_no_change(better: Direction) -> None:
    samples: list[Sample] = [flipped(9, 1)[0], Pooled(segmented(0.8), {}), Single(Metric("parameters"), 21126584)]
    for sample in samples:
        assert compare([night(sample)], night(sample), better) == NO_CHANGE


def test_directions_mirror_each_other() -> None:
    before, after = flipped(38, 13)
    lower, higher = (compare([night(before)], night(after), better) for better in ("lower", "higher"))
    assert (lower.p_worse, lower.p_better) == (higher.p_better, higher.p_worse)
    assert (lower.estimate, lower.low, lower.high) == (higher.estimate, higher.low, higher.high)


def test_what_changed_for_one_seed_is_not_what_changed_for_the_code() -> None:
    """One of three networks lost 3 points, the others nothing: over images alone that is beyond doubt."""
    same, lost = flipped(0, 0)[0], flipped(150, 0)[1]
    change = compare([night(same, same, same)], night(lost, same, same), "lower")
    assert change.estimate == pytest.approx(1.0)
    assert change.p_worse > 0.1
    assert change.low < 0 < change.high
    assert compare([night(same)], night(lost), "lower").p_worse < 1e-40


def test_seeds_and_images_end_at_zero_together() -> None:
    """The p is that level at which the interval over seeds and images ends at zero, solved here by another road."""
    pairs = [flipped(40, 5, share=0.2), flipped(30, 6, share=0.25), flipped(52, 4, share=0.3)]
    change = compare([night(*(pair[0] for pair in pairs))], night(*(pair[1] for pair in pairs)), "lower")
    differences = np.array([100 * (after.values - before.values) for before, after in pairs])
    per_seed = differences.mean(axis=1)
    by_image = differences.mean(axis=0).std(ddof=1) / math.sqrt(IMAGES)
    by_seed = per_seed.std(ddof=1) / math.sqrt(3)

    def half_width(p: float) -> float:
        return math.hypot(stats.t.isf(p, IMAGES - 1) * by_image, stats.t.isf(p, 2) * by_seed)

    expected = optimize.bisect(lambda p: half_width(p) - per_seed.mean(), 1e-9, 0.5, xtol=1e-14)
    assert change.p_worse == pytest.approx(expected, rel=1e-6)
    assert change.high - change.estimate == pytest.approx(half_width(0.025))
    assert change.p_worse > stats.t.sf(per_seed.mean() / by_seed, 2)


def test_common_seeds_are_compared() -> None:
    before, after = flipped(38, 13)
    only = compare([night(before)], night(after), "lower")
    assert compare([night(before, before, before)], night(after), "lower") == only


def test_one_image_proves_nothing() -> None:
    """However far a single image moved, a coin would have moved it there half of the time."""
    before = np.zeros(50)
    after = before.copy()
    after[7] = 1e6
    pair = [Mean(Metric("gridding"), values) for values in (before, after)]
    assert compare([night(pair[0])], night(pair[1]), "lower").p_worse == pytest.approx(0.5)


def test_all_images_alike_leave_the_tosses() -> None:
    """No spread over images, so Student's t has nothing to divide by; k equal changes are k equal tosses."""
    pair = [Mean(Metric("gridding"), np.full(20, value)) for value in (0.5, 0.6)]
    assert compare([night(pair[0])], night(pair[1]), "lower").p_worse == pytest.approx(0.5**20)


@pytest.mark.parametrize(("metric", "value"), [("parameters", 21126585), ("receptive-field", 3)])
def test_an_exact_quantity_that_changes_is_worse_whichever_way(metric: str, value: int) -> None:
    before = night(Single(Metric(metric), 21126584))
    for better in ("lower", "higher"):
        change = compare([before], night(Single(Metric(metric), value)), better)
        assert (change.p_worse, change.p_better) == (0.0, 1.0)
        assert change.estimate == change.low == change.high == value - 21126584


def test_figures_of_seeds_are_tested_over_seeds() -> None:
    before, after = [70.1, 70.4, 69.8, 70.0], [69.0, 69.5, 68.9, 68.8]
    nights = [night(*(Single(Metric("miou"), value) for value in values)) for values in (before, after)]
    change = compare(nights[:1], nights[1], "higher")
    expected = stats.ttest_rel(after, before, alternative="less").pvalue
    assert change.p_worse == pytest.approx(max(expected, 0.5**4))


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (night(), night(flipped(1, 0)[1]), "no outcomes of a seed"),
        (night(flipped(1, 0)[0]), night(flipped(1, 0, images=4999)[1]), "4999 images, 5000 before"),
        (night(flipped(1, 0)[0], segment="other"), night(flipped(1, 0)[1]), "under other conditions"),
        (night(Single(Metric("miou"), 70.1)), night(Single(Metric("miou"), 70.0)), "nothing tells what chance"),
        (night(Pooled(segmented(0.8), {})), night(Pooled(2 * segmented(0.8), {})), "labelled pixels"),
        (night(flipped(1, 0, images=60)[0]), night(Pooled(segmented(0.8), {})), "another kind"),
    ],
)
def test_what_cannot_be_paired_is_no_pass(before: Night, after: Night, why: str) -> None:
    with pytest.raises(IncomparableError, match=why):
        compare([before], after, "lower")


def test_nothing_to_compare_with() -> None:
    with pytest.raises(IncomparableError, match="no earlier night"):
        compare([], night(flipped(1, 0)[1]), "lower")


def test_timed_repeats_are_not_paired() -> None:
    sample = Mean(Metric("time"), np.array([1.0, 1.1]), 1000.0, repeats=True)
    other = Mean(Metric("time"), np.array([1.0, 1.2]), 1000.0, repeats=True)
    with pytest.raises(IncomparableError, match="timed repeats"):
        compare([night(sample)], night(other), "lower")


def test_narrowed_samples_have_the_same_scores() -> None:
    confusion = segmented(0.7)
    confusion[::7, 1, -1] += 5
    averaged = np.array([True, True, False, True])
    sample = Pooled(confusion, {0: "sky", 3: "pole"}, averaged, {"thin-miou": (1, 3)})
    weights = np.random.default_rng(2).integers(0, 3, (6, len(confusion))).astype(np.float64)
    for column in range(len(metrics(sample))):
        alone = narrowed(sample, column)
        assert score(alone)[0, 0] == score(sample)[0, column]
        np.testing.assert_array_equal(score(alone, weights)[:, 0], score(sample, weights)[:, column])


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 5))
def test_a_larger_loss_is_never_more_likely_by_chance(lost: int, won: int, more: int) -> None:
    before, after = flipped(lost, won, images=400)
    worse = flipped(lost + more, won, images=400)[1]
    first, second = (compare([night(before)], night(one), "lower") for one in (after, worse))
    assert second.p_worse <= first.p_worse + 1e-12


def test_false_alarms_of_one_seed_are_no_more_than_promised() -> None:
    """Where images flip either way alike, one in twenty nights at most has a p below 0.05."""
    stream = np.random.default_rng(11)
    lost = stream.binomial(120, 0.5, 2000)
    before = np.arange(400) < 200
    below = 0
    for count in lost:
        after = before.copy()
        after[200 : 200 + count] = True
        after[: 120 - count] = False
        below += compare([night(errors(before))], night(errors(after)), "lower").p_worse < 0.05
    assert below / 2000 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_false_alarms_of_several_seeds_are_no_more_than_promised(spread: float) -> None:
    """Three networks that each moved by luck, on images that each moved by luck, all around no change."""
    stream = np.random.default_rng(12)
    before = [Mean(Metric("gridding"), np.zeros(100))] * 3
    below = 0
    for _ in range(1500):
        shared = stream.normal(size=100)
        moved = [shared + stream.normal() * spread for _ in range(3)]
        after = night(*(Mean(Metric("gridding"), values) for values in moved))
        below += compare([night(*before)], after, "lower").p_worse < 0.05
    assert below / 1500 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1500)
