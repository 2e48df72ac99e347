"""Confusion counts and the scores made of them, against loops, official code's values and torchmetrics."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from harness.metrics.segmentation import (
    AbsentClass,
    Averaging,
    class_iou,
    confusion_counts,
    frequency_weighted_iou,
    mean_class_accuracy,
    mean_iou,
    micro_iou,
    pixel_accuracy,
)

VOID = 255
Maps = tuple[int, NDArray[np.int64], NDArray[np.int64]]


def square(matrix: list[list[int]]) -> NDArray[np.int64]:
    """A matrix of n x n as counts of one image, nothing predicted outside the classes."""
    return np.pad(np.array(matrix, dtype=np.int64), ((0, 0), (0, 1)))[None]


@st.composite
def label_maps(draw: st.DrawFn) -> Maps:
    classes = draw(st.integers(1, 5))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    truth = draw(hnp.arrays(np.int64, shape, elements=st.sampled_from([*range(classes), VOID])))
    predicted = draw(hnp.arrays(np.int64, shape, elements=st.integers(-2, classes + 2)))
    return classes, truth, predicted


@given(label_maps())
def test_counts_equal_a_loop_over_pixels(case: Maps) -> None:
    classes, truth, predicted = case
    expected = np.zeros((len(truth), classes, classes + 1), dtype=np.int64)
    for place in np.ndindex(truth.shape):
        if truth[place] != VOID:
            guess = predicted[place]
            expected[place[0], truth[place], guess if 0 <= guess < classes else classes] += 1
    counts = confusion_counts(truth, predicted, classes)
    assert counts.dtype == np.int64
    assert (counts == expected).all()


@given(label_maps())
def test_union_is_a_union_of_pixel_sets(case: Maps) -> None:
    classes, truth, predicted = case
    iou = class_iou(confusion_counts(truth, predicted, classes).sum(axis=0))
    for k in range(classes):
        true = {place for place in np.ndindex(truth.shape) if truth[place] == k}
        guessed = {p for p in np.ndindex(truth.shape) if predicted[p] == k and truth[p] != VOID}
        if true | guessed:
            assert iou[k] == pytest.approx(len(true & guessed) / len(true | guessed))
        else:
            assert np.isnan(iou[k])


def test_small_unsigned_maps_do_not_wrap() -> None:
    truth = np.full((3, 64, 64), 149, dtype=np.uint8)
    counts = confusion_counts(truth, np.full_like(truth, 200), 150)
    assert counts[:, 149, 150].tolist() == [4096] * 3
    assert counts.sum() == truth.size


def test_prediction_outside_the_classes_is_a_miss_and_no_false_alarm() -> None:
    """Where a plain bincount books predicted 5 of class 1 of 3 as a hit of class 2."""
    counts = confusion_counts(np.array([[0, 1, 1, 2]]), np.array([[0, 1, 5, 2]]), 3)
    assert counts[0].tolist() == [[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0]]
    assert class_iou(counts[0]).tolist() == [1.0, 0.5, 1.0]


@pytest.mark.parametrize(("void", "value"), [(255, 3), (255, -1), (None, 255), (3, 255)])
def test_true_value_that_is_neither_class_nor_void_is_refused(void: int | None, value: int) -> None:
    with pytest.raises(ValueError, match=f"true value {value} of image 1"):
        confusion_counts(np.array([[0, 1], [2, value]]), np.zeros((2, 2), dtype=int), 3, void)


def test_prediction_under_void_counts_nowhere() -> None:
    truth = np.array([[0, 0, 0, 1, 1, VOID, VOID]])
    counts = confusion_counts(truth, np.array([[0, 0, 1, 1, 0, 0, 2]]), 3)
    assert class_iou(counts[0])[:2].tolist() == pytest.approx([0.5, 1 / 3])
    assert mean_iou(counts) == pytest.approx(5 / 12)


MATRICES = {
    "all present": [[5, 1, 0], [2, 3, 0], [0, 1, 4]],
    "2 nowhere": [[5, 1, 0], [2, 3, 0], [0, 0, 0]],
    "2 only predicted": [[5, 0, 1], [2, 3, 0], [0, 0, 0]],
    "2 only true": [[5, 1, 0], [2, 3, 0], [1, 1, 0]],
}

OFFICIAL_MEAN_IOU = {
    AbsentClass.NAN_PROPAGATE: [0.6178571428571429, float("nan"), 0.4083333333333333, 0.3280423280423281],
    AbsentClass.NAN_SKIP: [0.6178571428571429, 0.5625, 0.4083333333333333, 0.3280423280423281],
    AbsentClass.ZERO: [0.6178571428571429, 0.375, 0.4083333333333333, 0.3280423280423281],
    AbsentClass.ONE: [0.6178571428571429, 0.7083333333333334, 0.4083333333333333, 0.3280423280423281],
    AbsentClass.GT_ONLY: [0.6178571428571429, 0.5625, 0.6125, 0.3280423280423281],
}
"""What the evaluation code named at each rule returned for the matrices above."""


@pytest.mark.parametrize("rule", AbsentClass)
def test_absent_class_rules_equal_official_code(rule: AbsentClass) -> None:
    scores = [mean_iou(square(matrix), rule) for matrix in MATRICES.values()]
    assert scores == pytest.approx(OFFICIAL_MEAN_IOU[rule], nan_ok=True, abs=1e-12)


def test_micro_and_weighted_iou_equal_torchmetrics_values() -> None:
    micro = [micro_iou(square(matrix)) for matrix in MATRICES.values()]
    weighted = [frequency_weighted_iou(square(matrix)) for matrix in MATRICES.values()]
    assert micro == pytest.approx([3 / 5, 4 / 7, 4 / 7, 4 / 9])
    assert weighted == pytest.approx([0.6183035714, 0.5681818182, 0.6136363636, 0.4212454212])


def test_rules_here_are_those_of_the_collected_oracles(shared: Callable[[str], Path]) -> None:
    collected = json.loads(shared("metric_oracles.json").read_text())
    assert list(collected["confusions"].values()) == list(MATRICES.values())
    for official, rule in {
        "voc_devkit": AbsentClass.NAN_PROPAGATE,
        "nanmean_present_in_gt_or_pred": AbsentClass.NAN_SKIP,
        "zero_for_absent": AbsentClass.ZERO,
        "one_for_absent": AbsentClass.ONE,
        "gt_classes_only": AbsentClass.GT_ONLY,
    }.items():
        values = [float("nan") if value is None else value for value in collected["mean_iou"][official]]
        assert values == pytest.approx(OFFICIAL_MEAN_IOU[rule], nan_ok=True)


def test_accuracies_by_hand() -> None:
    counts = square([[5, 1, 0], [2, 3, 0], [1, 1, 0]])
    assert pixel_accuracy(counts) == pytest.approx(8 / 13)
    assert mean_class_accuracy(counts) == pytest.approx((5 / 6 + 3 / 5 + 0) / 3)
    without_last = square([[5, 1, 0], [2, 3, 0], [0, 0, 0]])
    assert mean_class_accuracy(without_last) == pytest.approx((5 / 6 + 3 / 5) / 2)


def test_dataset_and_image_averages_differ() -> None:
    counts = np.concatenate([square([[8, 0], [1, 1]]), square([[9, 1], [0, 0]])])
    assert mean_iou(counts) == pytest.approx((17 / 19 + 1 / 3) / 2)
    assert mean_iou(counts, averaging=Averaging.IMAGES) == pytest.approx(0.5722222222222222)
    assert mean_iou(counts, AbsentClass.GT_ONLY, Averaging.CLASSES) == pytest.approx((8 / 9 + 9 / 10) / 4 + 1 / 4)


def test_four_averages_of_the_same_predictions() -> None:
    """The values that torchmetrics returns in its four ways of accumulating."""
    truth = np.array([[0, 0, 0, 0], [0, 1, 2, 2]])
    predicted = np.array([[0, 0, 0, 1], [0, 1, 2, 1]])
    counts = confusion_counts(truth, predicted, 3)
    expected = {
        Averaging.DATASET: 0.5444444444444444,
        Averaging.PAIRS: 0.55,
        Averaging.CLASSES: 0.5416666666666666,
        Averaging.IMAGES: 0.5208333333333333,
    }
    assert {averaging: mean_iou(counts, averaging=averaging) for averaging in Averaging} == pytest.approx(expected)


@given(label_maps())
def test_scores_lie_in_the_unit_interval_and_perfect_is_one(case: Maps) -> None:
    classes, truth, predicted = case
    for guess, least in ((predicted, 0.0), (truth, 1.0)):
        counts = confusion_counts(truth, guess, classes)
        scores = [
            micro_iou(counts),
            frequency_weighted_iou(counts),
            pixel_accuracy(counts),
            mean_class_accuracy(counts),
        ]
        scores += [mean_iou(counts, AbsentClass.ONE, averaging) for averaging in Averaging]
        assert all(np.isnan(score) or least <= score <= 1 for score in scores)
        assert np.isnan(scores[0]) == (not (truth != VOID).any())


@given(label_maps())
def test_one_image_has_one_average(case: Maps) -> None:
    classes, truth, predicted = case
    counts = confusion_counts(truth[:1], predicted[:1], classes)
    for rule in AbsentClass:
        scores = [mean_iou(counts, rule, averaging) for averaging in Averaging]
        assert scores == pytest.approx([scores[0]] * 4, nan_ok=True)


@pytest.mark.parametrize("counts", [np.zeros((2, 3, 3)), np.zeros((3,)), np.full((1, 2, 3), -1)])
def test_arrays_that_are_no_counts_are_refused(counts: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="count"):
        class_iou(counts.astype(np.int64))


def test_agrees_with_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.functional.classification")
    random = np.random.default_rng(5)
    truth = random.choice([0, 1, 2, 3, VOID], size=(4, 9, 9))
    predicted = random.integers(0, 4, size=truth.shape)
    counts = confusion_counts(truth, predicted, 5)
    for average, score in (("macro", mean_iou(counts)), ("micro", micro_iou(counts))):
        jaccard = classification.multiclass_jaccard_index(
            torch.from_numpy(predicted), torch.from_numpy(truth), 5, average=average, ignore_index=VOID
        )
        assert score == pytest.approx(jaccard.item(), abs=1e-6)
