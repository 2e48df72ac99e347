"""The metrics beside scikit-learn and torchmetrics on the same arrays; where they differ, the test says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from torch.nn import functional as F

from harness.evaluation import counting
from harness.evaluation.upsampling import argmax_upsampled
from harness.metrics.classification import TieRule, topk_error, true_class_ranks
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

Labels = NDArray[np.int64]
VOID = 255

MATRICES = {
    "A": [[5, 1, 0], [2, 3, 0], [0, 1, 4]],
    "B": [[5, 1, 0], [2, 3, 0], [0, 0, 0]],
    "C": [[5, 0, 1], [2, 3, 0], [0, 0, 0]],
    "D": [[5, 1, 0], [2, 3, 0], [1, 1, 0]],
}


def pixels(matrix: list[list[int]]) -> tuple[Labels, Labels]:
    """Two rows of pixels [1, P] with this confusion."""
    counts = np.array(matrix)
    truth, predicted = np.indices(counts.shape).reshape(2, 1, -1).repeat(counts.ravel(), axis=2)
    return truth, predicted


@st.composite
def labelled(draw: st.DrawFn) -> tuple[int, Labels, Labels]:
    """Number of classes, truth without void and predictions in range, [N, H, W]."""
    classes = draw(st.integers(2, 6))
    shape = draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    values = hnp.arrays(np.int64, shape, elements=st.integers(0, classes - 1))
    return classes, draw(values), draw(values)


def torchmetrics_jaccard(truth: Labels, predicted: Labels, classes: int, **options: Any) -> NDArray[np.float64]:
    metrics = pytest.importorskip("torchmetrics.classification")
    jaccard = metrics.MulticlassJaccardIndex(num_classes=classes, **options)
    score: NDArray[np.float64] = jaccard(torch.from_numpy(predicted), torch.from_numpy(truth)).double().numpy()
    return score


@given(labelled())
def test_counts_are_scikit_learns_confusion_matrix(case: tuple[int, Labels, Labels]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    classes, truth, predicted = case
    counts = confusion_counts(truth, predicted, classes)
    for image, own in enumerate(counts):
        matrix = metrics.confusion_matrix(truth[image].ravel(), predicted[image].ravel(), labels=range(classes))
        np.testing.assert_array_equal(own[:, :classes], matrix)
    assert not counts[:, :, classes].any()


@given(labelled())
def test_scores_are_scikit_learns(case: tuple[int, Labels, Labels]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    classes, truth, predicted = case
    counts, both = confusion_counts(truth, predicted, classes), (truth.ravel(), predicted.ravel())
    jaccard = {
        average: metrics.jaccard_score(*both, labels=range(classes), average=average, zero_division=0)
        for average in (None, "macro", "micro", "weighted")
    }
    assert np.nan_to_num(class_iou(counts.sum(axis=0))) == pytest.approx(jaccard[None])
    assert mean_iou(counts, AbsentClass.ZERO) == pytest.approx(jaccard["macro"])
    assert micro_iou(counts) == pytest.approx(jaccard["micro"])
    assert frequency_weighted_iou(counts) == pytest.approx(jaccard["weighted"])
    assert pixel_accuracy(counts) == pytest.approx(metrics.accuracy_score(*both))
    present = metrics.recall_score(*both, labels=np.unique(truth), average="macro", zero_division=0)
    assert mean_class_accuracy(counts) == pytest.approx(present)
    ones = metrics.jaccard_score(*both, labels=range(classes), average="macro", zero_division=1)
    assert mean_iou(counts, AbsentClass.ONE) == pytest.approx(ones)


@pytest.mark.parametrize("name", MATRICES)
def test_averages_are_those_of_torchmetrics(name: str) -> None:
    truth, predicted = pixels(MATRICES[name])
    counts = confusion_counts(truth, predicted, 3)
    assert counts[0, :, :3].tolist() == MATRICES[name]
    for average, score in (
        ("macro", mean_iou(counts)),
        ("micro", micro_iou(counts)),
        ("weighted", frequency_weighted_iou(counts)),
    ):
        assert score == pytest.approx(torchmetrics_jaccard(truth, predicted, 3, average=average).item(), abs=1e-6)


def test_torchmetrics_by_class_calls_an_absent_class_0_that_its_mean_leaves_out() -> None:
    truth, predicted = pixels(MATRICES["B"])
    by_class = torchmetrics_jaccard(truth, predicted, 3, average="none")
    ours = class_iou(confusion_counts(truth, predicted, 3)[0])
    assert by_class[2] == 0
    assert np.isnan(ours[2])
    assert by_class[:2] == pytest.approx(ours[:2], abs=1e-6)
    counts = confusion_counts(truth, predicted, 3)
    assert by_class.mean() == pytest.approx(mean_iou(counts, AbsentClass.ZERO), abs=1e-6)


def test_void_is_torchmetrics_ignore_index_outside_the_classes() -> None:
    truth = np.array([[0, 0, 0, 1, 1, VOID, VOID]])
    predicted = np.array([[0, 0, 1, 1, 0, 0, 2]])
    counts = confusion_counts(truth, predicted, 3)
    theirs = torchmetrics_jaccard(truth, predicted, 3, average="macro", ignore_index=VOID)
    assert mean_iou(counts) == pytest.approx(theirs.item(), abs=1e-6) == pytest.approx(5 / 12)
    with pytest.raises(RuntimeError):
        torchmetrics_jaccard(truth, predicted, 3, average="macro")


def test_torchmetrics_ignore_index_of_a_class_drops_the_class_too() -> None:
    """There class 0 is neither truth nor column; here its pixels as void leave it in the mean if it is predicted."""
    matrix = [[1, 1, 1], [1, 1, 0], [1, 0, 1]]
    truth, predicted = pixels(matrix)
    theirs = torchmetrics_jaccard(truth, predicted, 3, average="macro", ignore_index=0)
    as_void = confusion_counts(np.where(truth == 0, VOID, truth), predicted, 3)
    assert theirs == pytest.approx(0.5)
    assert class_iou(as_void[0]).tolist() == [0, 0.5, 0.5]
    assert mean_iou(as_void) == pytest.approx(1 / 3)
    assert mean_iou(as_void, AbsentClass.GT_ONLY) == pytest.approx(theirs.item())


def test_torchmetrics_refuses_the_out_of_range_prediction_that_is_a_miss_here() -> None:
    truth, predicted = np.array([[0, 1, 1, 0]]), np.array([[0, 1, 2, VOID]])
    with pytest.raises(RuntimeError):
        torchmetrics_jaccard(truth, predicted, 3, average="macro")
    assert confusion_counts(truth, predicted, 3)[0].tolist() == [[1, 0, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0]]


def usual_histogram(truth: Labels, predicted: Labels, classes: int) -> Labels:
    """The histogram that many evaluations share: it masks the truth alone."""
    inside = (truth >= 0) & (truth < classes)
    cells = np.bincount(classes * truth[inside] + predicted[inside], minlength=classes**2)
    return cells.reshape(classes, classes)


def test_usual_histogram_books_an_out_of_range_prediction_in_another_row() -> None:
    truth, predicted = np.array([[0, 1, 1, 0]]), np.array([[0, 1, 2, 3]])
    assert usual_histogram(truth, predicted, 3).tolist() == [[1, 0, 0], [1, 1, 1], [0, 0, 0]]
    assert confusion_counts(truth, predicted, 3)[0].tolist() == [[1, 0, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0]]
    with pytest.raises(ValueError, match="reshape"):
        usual_histogram(np.array([2]), np.array([3]), 3)


@given(labelled())
def test_usual_histogram_is_the_same_where_predictions_are_in_range(case: tuple[int, Labels, Labels]) -> None:
    classes, truth, predicted = case
    total = confusion_counts(truth, predicted, classes).sum(axis=0)
    np.testing.assert_array_equal(total[:, :classes], usual_histogram(truth, predicted, classes))


def torchmetrics_mean_iou(truth: Labels, predicted: Labels, classes: int, **options: Any) -> NDArray[np.float64]:
    metrics = pytest.importorskip("torchmetrics.segmentation")
    metric = metrics.MeanIoU(num_classes=classes, input_format="index", **options)
    score: NDArray[np.float64] = metric(torch.from_numpy(predicted), torch.from_numpy(truth)).double().numpy()
    return score


def test_mean_iou_of_torchmetrics_averages_over_pairs_of_image_and_class(shared: Callable[[str], Path]) -> None:
    case = json.loads(shared("metric_oracles.json").read_text())["dataset_vs_image_3"]
    truth, predicted = (np.array(case[key]).reshape(2, 2, 2) for key in ("gt", "pred"))
    counts = confusion_counts(truth, predicted, 3)
    scores = {averaging: mean_iou(counts, averaging=averaging) for averaging in Averaging}
    assert scores == pytest.approx(
        {
            Averaging.DATASET: case["dataset"],
            Averaging.PAIRS: case["image_class_pairs"],
            Averaging.CLASSES: case["mean_of_class_means"],
            Averaging.IMAGES: case["mean_of_image_means"],
        }
    )
    by_class = torchmetrics_mean_iou(truth, predicted, 3, per_class=True)
    assert torchmetrics_mean_iou(truth, predicted, 3) == pytest.approx(scores[Averaging.PAIRS], abs=1e-6)
    assert by_class.mean() == pytest.approx(scores[Averaging.CLASSES], abs=1e-6)
    single = [torchmetrics_jaccard(*pair, 3, average="macro").item() for pair in zip(truth, predicted, strict=True)]
    assert np.mean(single) == pytest.approx(scores[Averaging.IMAGES], abs=1e-6)


def test_mean_iou_of_torchmetrics_takes_a_batch_of_rows_for_one_image() -> None:
    truth, predicted = (
        np.concatenate(rows) for rows in ([[0] * 8 + [1] * 2, [0] * 10], [[0] * 9 + [1], [0] * 9 + [1]])
    )
    images = truth.reshape(2, 10), predicted.reshape(2, 10)
    counts = confusion_counts(*images, 2)
    assert counts[:, :, :2].tolist() == [[[8, 0], [1, 1]], [[9, 1], [0, 0]]]
    rows = torchmetrics_mean_iou(*images, 2)
    maps = torchmetrics_mean_iou(*(each.reshape(2, 2, 5) for each in images), 2)
    assert rows == pytest.approx(mean_iou(counts), abs=1e-6) == pytest.approx(0.6140350877192983)
    assert maps == pytest.approx(mean_iou(counts, averaging=Averaging.PAIRS), abs=1e-6)
    assert mean_iou(counts, averaging=Averaging.IMAGES) == pytest.approx(0.5722222222222222)


def test_mean_over_true_classes_image_by_image(shared: Callable[[str], Path]) -> None:
    """A rule that counts no class that is only predicted: the second image has its one true class."""
    case = json.loads(shared("metric_oracles.json").read_text())["dataset_vs_image"]
    counts = np.pad(np.array([case["img1"], case["img2"]]), ((0, 0), (0, 0), (0, 1)))
    assert mean_iou(counts) == pytest.approx(case["dataset"])
    assert mean_iou(counts, averaging=Averaging.IMAGES) == pytest.approx(case["mean_of_image_means"])
    assert mean_iou(counts[1:], AbsentClass.GT_ONLY, Averaging.IMAGES) == pytest.approx(case["isht7_img2"])


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_topk_error_is_one_less_scikit_learns_accuracy(seed: int, k: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(seed)
    scores, labels = random.random((20, 6)), random.integers(0, 6, 20)
    accuracy = metrics.top_k_accuracy_score(labels, scores, k=k, labels=range(6))
    assert topk_error(true_class_ranks(scores, labels), k) == pytest.approx(1 - accuracy)


def test_scikit_learn_puts_the_highest_index_first_among_equal_scores() -> None:
    """A network whose scores are all equal is right there for the last class, and never by the default rule here."""
    metrics = pytest.importorskip("sklearn.metrics")
    scores, labels = np.zeros((4, 4)), np.arange(4)
    right = [metrics.top_k_accuracy_score([label], [[0.0] * 4], k=1, labels=range(4)) for label in labels]
    assert right == [0, 0, 0, 1]
    ranks = {rule: true_class_ranks(scores, labels, rule).tolist() for rule in TieRule}
    assert ranks[TieRule.PESSIMISTIC] == [4, 4, 4, 4]
    assert ranks[TieRule.LOWEST_INDEX] == [1, 2, 3, 4]


@st.composite
def byte_maps(draw: st.DrawFn) -> tuple[int, int | None, NDArray[np.uint8], NDArray[np.uint8]]:
    """Classes, void, truth of classes and void, and any predictions."""
    classes = draw(st.sampled_from([1, 2, 3, 19, 150, 254]))
    void = draw(st.none() | st.just(255) | st.integers(classes, 255))
    shape = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    true = st.integers(0, classes - 1) | st.just(0 if void is None else void)
    predicted = draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, 255)))
    return classes, void, draw(hnp.arrays(np.uint8, shape, elements=true)), predicted


@given(byte_maps())
def test_counts_on_the_device_are_the_counts(
    case: tuple[int, int | None, NDArray[np.uint8], NDArray[np.uint8]],
) -> None:
    classes, void, truth, predicted = case
    counts = counting.confusion_counts(torch.from_numpy(truth), torch.from_numpy(predicted), classes, void)
    assert counts.dtype == torch.int64
    np.testing.assert_array_equal(counting.to_host(counts), confusion_counts(truth, predicted, classes, void))


@given(byte_maps())
def test_counting_by_scattering_and_by_bins_is_the_same(
    case: tuple[int, int | None, NDArray[np.uint8], NDArray[np.uint8]],
) -> None:
    rows, columns = (torch.from_numpy(values).flatten(1).clamp(max=20) for values in case[2:])
    bins = counting.binned(rows, columns, 21, 21)
    assert torch.equal(counting.scattered(rows, columns, 21, 21), bins)
    assert bins.sum(dim=1).tolist() == [rows.shape[1]] * len(rows)


@pytest.mark.parametrize("void", [None, 200, 255])
def test_nothing_is_read_back_from_a_device(void: int | None) -> None:
    """Tensors on the meta device have no values: reading one raises an error."""
    maps = torch.empty(2, 8, 8, dtype=torch.uint8, device="meta")
    counts = counting.confusion_counts(maps, maps, 19, void)
    assert (counts.shape, counts.device.type) == ((2, 19, 20), "meta")
    with pytest.raises(NotImplementedError):
        torch.bincount(maps[0].flatten())


@pytest.mark.parametrize(("void", "value"), [(255, 3), (255, 254), (None, 255), (4, 255), (4, 3)])
def test_strange_true_value_spoils_its_image_alone(void: int | None, value: int) -> None:
    truth = torch.zeros(3, 4, 4, dtype=torch.uint8)
    truth[1, 2, 3] = value
    counts = counting.confusion_counts(truth, torch.zeros_like(truth), 3, void)
    assert (counts[1] == -1).all()
    assert counts[[0, 2], 0, 0].tolist() == [16, 16]
    with pytest.raises(ValueError, match=r"neither class nor void: \[1\]"):
        counting.to_host(counts)
    with pytest.raises(ValueError, match="negative count"):
        mean_iou(counts.numpy())


def test_more_cells_than_16_bits_and_more_pixels_than_8() -> None:
    truth = torch.full((1, 300, 300), 253, dtype=torch.uint8)
    counts = counting.confusion_counts(truth, truth, 254)
    assert counts[0, 253, 253] == counts.sum() == 90_000


def test_counting_refuses_other_types_and_shapes() -> None:
    maps = torch.zeros(1, 4, 4, dtype=torch.uint8)
    for truth, predicted, classes, void in (
        (maps.long(), maps, 3, 255),
        (maps, maps[0], 3, 255),
        (maps, maps, 255, None),
        (maps, maps, 3, 2),
    ):
        with pytest.raises(ValueError, match="expected, got"):
            counting.confusion_counts(truth, predicted, classes, void)


def interpolated(scores: torch.Tensor, size: tuple[int, int], align_corners: bool) -> torch.Tensor:
    return F.interpolate(scores[None], size=size, mode="bilinear", align_corners=align_corners)[0]


@given(st.integers(0, 2**32 - 1), st.booleans(), st.data())
def test_upsampled_labels_are_those_of_interpolated_scores(seed: int, align_corners: bool, data: st.DataObject) -> None:
    """Any sizes, larger and smaller: pixels may differ only where the two classes' scores differ by rounding."""
    shape = tuple(data.draw(st.integers(1, 9)) for _ in range(3))
    size = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    scores = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    pixels = interpolated(scores, size, align_corners)
    labels = argmax_upsampled(scores, size, align_corners)
    assert (labels.dtype, labels.shape) == (torch.uint8, size)
    chosen = pixels.gather(0, labels[None].long())[0]
    assert (pixels.amax(dim=0) - chosen).max() <= 4e-6


@given(
    hnp.arrays(np.int64, st.tuples(*[st.integers(1, 5)] * 3), elements=st.integers(-4, 4)), st.sampled_from([2, 4, 8])
)
def test_upsampled_labels_are_equal_where_arithmetic_is_exact_ties_included(maps: Labels, stride: int) -> None:
    """Small integers at weights that are powers of two: every product and sum is exact, and the lowest class wins."""
    scores = torch.from_numpy(maps).float()
    size = (stride * maps.shape[1], stride * maps.shape[2])
    expected = interpolated(scores, size, align_corners=False).numpy().argmax(axis=0)
    np.testing.assert_array_equal(argmax_upsampled(scores, size, align_corners=False).numpy(), expected)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_upsampled_labels_of_a_large_map(align_corners: bool, dtype: torch.dtype) -> None:
    scores = torch.randn(19, 33, 65, generator=torch.Generator().manual_seed(1), dtype=dtype)
    pixels = interpolated(scores, (257, 513), align_corners)
    differing = argmax_upsampled(scores, (257, 513), align_corners) != pixels.argmax(dim=0)
    best = pixels.topk(2, dim=0).values
    assert ((best[0] - best[1])[differing] <= 4e-6).all()
    assert differing.float().mean() < 1e-4


def test_upsampled_labels_between_two_cells_by_alignment() -> None:
    """0 to 1 over four pixels against a constant 0.3: corners pass it at 1/3, centres at 1/4 do not."""
    scores = torch.tensor([[[0.3, 0.3]], [[0.0, 1.0]]])
    assert argmax_upsampled(scores, (1, 4), align_corners=True).tolist() == [[0, 1, 1, 1]]
    assert argmax_upsampled(scores, (1, 4), align_corners=False).tolist() == [[0, 0, 1, 1]]


def test_upsampling_refuses_what_has_no_label() -> None:
    for scores, size in ((torch.zeros(0, 2, 2), (4, 4)), (torch.zeros(2, 2), (4, 4)), (torch.zeros(2, 2, 2), (0, 4))):
        with pytest.raises(ValueError, match="expected, got"):
            argmax_upsampled(scores, size, align_corners=False)
