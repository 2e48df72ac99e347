"""KITTI road scores against counting at every threshold, scikit-learn and the worked example."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from harness.metrics.road import URBAN, category_scores, confidence_histograms, road_scores

Case = tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.uint8]]


@st.composite
def road_images(draw: st.DrawFn) -> Case:
    """Images with at least one evaluated pixel of road, confidences bunched so that thresholds tie."""
    shape = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 5))
    road, valid = (draw(hnp.arrays(np.bool_, shape)) for _ in range(2))
    road[0, 0, 0] = valid[0, 0, 0] = True
    levels = st.sampled_from([0, 1, 26, 127, 128, 204, 254, 255]) | st.integers(0, 255)
    return road, valid, draw(hnp.arrays(np.uint8, shape, elements=levels))


def at_every_threshold(
    road: NDArray[np.bool_], valid: NDArray[np.bool_], confidence: NDArray[np.uint8]
) -> list[list[int]]:
    """True and false positives and false and true negatives at k / 255, compared in floating point as the kit does."""
    probability = confidence.astype(np.float32) / 255
    rows = []
    for k in range(256):
        positive = probability >= np.float64(k) / 255.0
        cells = (road & positive, ~road & positive, road & ~positive, ~road & ~positive)
        rows.append([int((cell & valid).sum()) for cell in cells])
    return rows


def by_brute_force(rows: list[list[int]]) -> tuple[float, float, int]:
    """MaxF, AP and the index of the threshold."""
    recall = [tp / (tp + fn) for tp, _, fn, _ in rows]
    precision = [tp / (tp + fp + 1e-10) for tp, fp, _, _ in rows]
    f = [2 * (p * r) / (p + r + 1e-10) for p, r in zip(precision, recall, strict=True)]
    points = [max(p for p, r in zip(precision, recall, strict=True) if r >= 0.1 * i) for i in range(11)]
    return max(f), sum(points) / 11, f.index(max(f))


@given(road_images())
def test_scores_equal_counting_at_every_threshold(case: Case) -> None:
    rows = at_every_threshold(*case)
    max_f, average, threshold = by_brute_force(rows)
    scores = road_scores(confidence_histograms(*case))
    tp, fp, fn, tn = rows[threshold]
    assert (scores.max_f, scores.average_precision, scores.threshold) == (max_f, average, threshold)
    assert scores.recall == pytest.approx(tp / (tp + fn))
    assert scores.false_negative_rate == pytest.approx(fn / (tp + fn))
    assert scores.precision == pytest.approx(tp / (tp + fp) if tp + fp else 0)
    assert scores.false_positive_rate == pytest.approx(fp / (fp + tn) if fp + tn else math.nan, nan_ok=True)


@given(road_images())
def test_curve_is_that_of_scikit_learn(case: Case) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    road, valid, confidence = case
    curve = metrics.precision_recall_curve(road[valid], confidence[valid])
    precision, recall = curve[0][:-1], curve[1][:-1]  # the last point there is of no threshold
    f = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    points = [precision[recall >= least].max() for least in np.arange(0, 1.1, 0.1)]
    scores = road_scores(confidence_histograms(*case))
    assert scores.max_f == pytest.approx(f.max(), abs=1e-9)
    assert scores.average_precision == pytest.approx(sum(points) / 11, abs=1e-9)


def test_worked_example(shared: Callable[[str], Path]) -> None:
    oracle = json.loads(shared("metric_oracles.json").read_text())["kitti_road"]
    road, confidence = np.array([oracle["gt"]], dtype=bool), np.array([oracle["conf_u8"]], dtype=np.uint8)
    histograms = confidence_histograms(road, np.ones_like(road), confidence)
    scores = road_scores(histograms)
    assert scores.max_f == pytest.approx(oracle["maxf"], abs=1e-9)
    assert scores.average_precision == pytest.approx(oracle["ap11"], abs=1e-9)
    assert scores.average_precision == pytest.approx((3 * 1 + 3 * 2 / 3 + 2 * 0.6 + 3 * 4 / 7) / 11, abs=1e-9)
    assert (scores.precision, scores.recall, scores.false_positive_rate) == (4 / 7, 1.0, 0.75)
    assert (scores.false_negative_rate, scores.threshold) == (0.0, 1)


def test_recall_that_only_just_reaches_a_point_does_not_where_the_point_lies_above() -> None:
    """3 of 10 pixels found is recall .3, below the point 3 * 0.1, so that the next precision counts there."""
    confidence = np.array([[200] * 3 + [100] * 7 + [150] * 10], dtype=np.uint8)
    road = np.array([[True] * 10 + [False] * 10])
    scores = road_scores(confidence_histograms(road, np.ones_like(road), confidence))
    assert scores.average_precision == pytest.approx((3 * 1.0 + 8 * 0.5) / 11, abs=1e-9)


def test_pixels_outside_the_valid_area_count_nowhere() -> None:
    road, valid = np.array([[True, True, False]]), np.array([[True, False, False]])
    histograms = confidence_histograms(road, valid, np.array([[9, 8, 7]], dtype=np.uint8))
    assert histograms.sum() == histograms[0, 1, 9] == 1
    assert math.isnan(road_scores(histograms).false_positive_rate)


def test_categories_pool_counts_and_not_scores() -> None:
    random = np.random.default_rng(0)
    road = random.random((6, 20, 30)) < 0.4
    confidence = np.clip(random.normal(90 + 80 * road, 40), 0, 255).astype(np.uint8)
    histograms = confidence_histograms(road, np.ones_like(road), confidence)
    scores = category_scores(histograms, ["uu", "um", "umm", "um", "uu", "uu"])
    assert list(scores) == ["um", "umm", "uu", URBAN]
    assert scores["um"] == road_scores(histograms[[1, 3]])
    whole = road_scores(
        confidence_histograms(road.reshape(1, -1), np.ones((1, road.size), bool), confidence.reshape(1, -1))
    )
    assert scores[URBAN] == whole


def test_bad_input_is_refused() -> None:
    road = np.ones((1, 4), dtype=bool)
    with pytest.raises(ValueError, match="confidence uint8"):
        confidence_histograms(road, road, np.zeros((1, 4), np.int16))
    with pytest.raises(ValueError, match="no evaluated pixel is road"):
        road_scores(confidence_histograms(~road, road, np.zeros((1, 4), np.uint8)))
    with pytest.raises(ValueError, match="counts"):
        road_scores(np.zeros((256, 2), dtype=np.int64))
    with pytest.raises(ValueError, match="category for each"):
        category_scores(np.zeros((2, 2, 256), dtype=np.int64), ["um"])
