"""Outcomes under every convention: against the metrics, official values, and loops."""

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

from harness.explain.conventions import Axis, Grid, Option, localisation_grid, segmentation_grid
from harness.explain.rescore import Boxes, CountScores, Way, classification, localisation, segmentation
from harness.metrics.localisation import LocalisationProtocol, OverlapTest
from harness.metrics.segmentation import (
    AbsentClass,
    Averaging,
    confusion_counts,
    frequency_weighted_iou,
    mean_class_accuracy,
    mean_iou,
    micro_iou,
    pixel_accuracy,
)
from harness.statistics.intervals import bootstrap

Counts = NDArray[np.int64]
USUAL = {"score": "miou", "averaging": "dataset", "absent": "nan-skip", "outside": "miss", "background": "class"}
PLAIN: dict[str, Callable[[Counts], float]] = {
    "class-accuracy": mean_class_accuracy,
    "pixel-accuracy": pixel_accuracy,
    "frequency-weighted-iou": frequency_weighted_iou,
    "micro-iou": micro_iou,
}


@st.composite
def counted(draw: st.DrawFn) -> Counts:
    """Counts of a few images, with classes that are absent from some or all of them."""
    images, classes = draw(st.integers(1, 4)), draw(st.integers(2, 4))
    return draw(hnp.arrays(np.int64, (images, classes, classes + 1), elements=st.sampled_from([0, 0, 1, 3, 7])))


def score(counts: Counts, **changes: str) -> float:
    found = CountScores(counts)([USUAL | changes], np.ones((1, len(counts))))
    assert found.shape == (1, 1)
    return float(found[0, 0]) / 100


def square(*matrices: list[list[int]]) -> Counts:
    return np.pad(np.array(matrices, dtype=np.int64), ((0, 0), (0, 0), (0, 1)))


@given(counted(), st.sampled_from(AbsentClass), st.sampled_from(Averaging))
def test_mean_iou_is_that_of_the_metrics_under_every_rule(
    counts: Counts, absent: AbsentClass, averaging: Averaging
) -> None:
    expected = mean_iou(counts, absent, averaging)
    assert score(counts, absent=absent, averaging=averaging) == pytest.approx(expected, nan_ok=True)


@given(counted(), st.sampled_from(sorted(PLAIN)))
def test_other_scores_are_those_of_the_metrics(counts: Counts, name: str) -> None:
    assert score(counts, score=name) == pytest.approx(PLAIN[name](counts), nan_ok=True)
    by_image = [value for image in counts if not np.isnan(value := PLAIN[name](image[None]))]
    expected = float(np.mean(by_image)) if by_image else float("nan")
    assert score(counts, score=name, averaging="images") == pytest.approx(expected, nan_ok=True)


@given(
    hnp.arrays(np.int64, (2, 3, 4), elements=st.integers(0, 2)),
    hnp.arrays(np.int64, (2, 3, 4), elements=st.integers(0, 3)),
)
def test_what_is_outside_or_background_is_as_if_the_pixels_were_so(
    truth: NDArray[np.int64], predicted: NDArray[np.int64]
) -> None:
    def iou(truth: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
        return mean_iou(confusion_counts(truth, predicted, 3))

    counts = confusion_counts(truth, predicted, 3)
    dropped = iou(np.where(predicted == 3, 255, truth), predicted)
    assert score(counts, outside="dropped") == pytest.approx(dropped, nan_ok=True)
    first = iou(truth, np.where(predicted == 3, 0, predicted))
    assert score(counts, outside="first-class") == pytest.approx(first, nan_ok=True)
    foreground = np.where(truth == 0, 255, truth - 1)
    outside = 9
    void = mean_iou(confusion_counts(foreground, np.where(predicted == 0, outside, predicted - 1), 2))
    assert score(counts, background="void") == pytest.approx(void, nan_ok=True)


def test_the_same_matrices_under_official_rules(shared: Callable[[str], Path]) -> None:
    oracles = json.loads(shared("metric_oracles.json").read_text())
    rules = {
        "voc_devkit": {"absent": "nan-propagate"},
        "nanmean_present_in_gt_or_pred": {},
        "zero_for_absent": {"absent": "zero"},
        "one_for_absent": {"absent": "one"},
        "gt_classes_only": {"absent": "gt-only"},
        "micro": {"score": "micro-iou"},
        "support_weighted": {"score": "frequency-weighted-iou"},
    }
    compared = 0
    for rule, changes in rules.items():
        for name, expected in zip(oracles["confusions"], oracles["mean_iou"][rule], strict=True):
            found = score(square(oracles["confusions"][name]), **changes)
            assert found == pytest.approx(float("nan") if expected is None else expected, nan_ok=True, abs=1e-9)
            compared += 1
    assert compared == 28


def test_background_left_out_of_the_mean_by_hand() -> None:
    a = square([[5, 1, 0], [2, 3, 0], [0, 1, 4]])
    assert score(a, background="unaveraged") == pytest.approx((3 / 7 + 4 / 5) / 2)
    assert score(a, background="void") == pytest.approx((3 / 6 + 4 / 5) / 2)


def test_dataset_image_class_and_pair_means_of_the_same_predictions(shared: Callable[[str], Path]) -> None:
    oracles = json.loads(shared("metric_oracles.json").read_text())
    two = oracles["dataset_vs_image"]
    counts = square(two["img1"], two["img2"])
    assert score(counts) == pytest.approx(two["dataset"])
    assert score(counts, averaging="images") == pytest.approx(two["mean_of_image_means"])
    three = oracles["dataset_vs_image_3"]
    counts = confusion_counts(np.array(three["gt"]), np.array(three["pred"]), 3)
    expected = {"dataset": "dataset", "pairs": "image_class_pairs", "classes": "mean_of_class_means"}
    for averaging, key in (expected | {"images": "mean_of_image_means"}).items():
        assert score(counts, averaging=averaging) == pytest.approx(three[key])


@given(counted(), st.data())
def test_weights_are_repetitions_of_images(counts: Counts, data: st.DataObject) -> None:
    grid = segmentation_grid("miou", "", ["background"], any_outside=True, any_absent=True)
    choices = [grid.answers(choice) for choice in data.draw(st.permutations(list(grid.combinations())))[:12]]
    times = data.draw(hnp.arrays(np.int64, len(counts), elements=st.integers(0, 3)))
    if not times.any():
        return
    repeated = np.repeat(counts, times, axis=0)
    weighted = CountScores(counts)(choices, times[None].astype(np.float64))
    plain = CountScores(repeated)(choices, np.ones((1, len(repeated))))
    assert weighted == pytest.approx(plain, nan_ok=True)


def test_resamples_are_shared_by_all_choices_and_are_those_of_the_bootstrap() -> None:
    counts = np.random.default_rng(0).integers(0, 50, (30, 3, 4))
    scoring = segmentation(counts, "miou", "voc2012", ["background", "a", "b"])
    grid = scoring.grid
    choices = [grid.usual, grid.changed(grid.usual, "averaging", "images"), grid.usual]
    drawn = scoring.resampled(choices)
    assert (drawn[:, 0] == drawn[:, 2]).all()
    expected = bootstrap(
        lambda weights: np.array([100 * mean_iou(np.repeat(counts, w.astype(int), axis=0)) for w in weights]), 30
    )
    assert drawn[:, 0] == pytest.approx(expected)


def test_a_resample_without_a_score_is_not_a_number_and_no_other_is_harmed() -> None:
    counts = np.zeros((6, 2, 3), dtype=np.int64)
    counts[:, 0, 0] = 5
    counts[0, 1, 1] = 5
    scoring = segmentation(counts, "miou", "", [])
    propagate = scoring.grid.changed(scoring.grid.usual, "absent", "nan-propagate")
    drawn = scoring.resampled([scoring.grid.usual, propagate])
    assert np.isfinite(drawn[:, 0]).all()
    lost = np.isnan(drawn[:, 1])
    assert 0.2 < lost.mean() < 0.5, "the one image with class 1 is missing from (5/6)^6 = 33 % of resamples"
    assert (drawn[~lost, 1] == drawn[~lost, 0]).all()


def test_axes_that_make_no_difference_are_not_tried_and_said_so() -> None:
    grid = segmentation(square([[3, 1], [1, 3]], [[2, 1], [1, 3]]), "miou", "cityscapes", ["road", "car"]).grid
    assert [axis.key for axis in grid.axes] == ["score", "averaging"]
    assert len(grid.untried) == 4
    assert all(item.reason for item in grid.untried)


def test_official_rules_are_named_where_a_dataset_has_them() -> None:
    def official(dataset: str) -> dict[str, str]:
        grid = segmentation_grid("miou", dataset, ["background"], any_outside=True, any_absent=True)
        return {axis.key: axis.official for axis in grid.axes if axis.official}

    assert official("voc2012")["absent"] == "nan-propagate"
    assert official("cityscapes")["absent"] == "nan-skip"
    assert official("scenes") == {}


def test_combinations_hold_no_idle_answers() -> None:
    grid = segmentation_grid("miou", "", ["background"], any_outside=True, any_absent=True)
    choices = list(grid.combinations())
    assert len(set(choices)) == len(choices) == 9 * (4 * 5 + 4 + 3 * 2)
    assert grid.usual in choices
    assert all(other in choices for *_, other in grid.singles(grid.usual))


def test_an_axis_refuses_answers_that_are_none_of_its_own() -> None:
    options = (Option("a", "A"), Option("b", "B"))
    with pytest.raises(ValueError, match="usual 'c'"):
        Axis("x", "X", options, "c")
    with pytest.raises(ValueError, match="official 'c'"):
        Axis("x", "X", options, "a", "c")
    with pytest.raises(ValueError, match="usual 'a'"):
        Axis("x", "X", (*options, options[0]), "a")


def test_answers_are_taken_by_key_whatever_their_order() -> None:
    grid = Grid(tuple(Axis(k, k, (Option("0", "no"), Option("1", "yes")), "0") for k in "abc"))
    assert grid.changed(grid.usual, "b", "1") == ("0", "1", "0")
    assert grid.answers(("0", "1", "0")) == dict(reversed([("a", "0"), ("b", "1"), ("c", "0")]))


@given(hnp.arrays(np.uint16, st.integers(2, 30), elements=st.integers(0, 9)))
def test_classification_errors_are_shares_of_ranks(ranks: NDArray[np.uint16]) -> None:
    scoring = classification({"": Way("as measured", ranks)}, 1)
    assert scoring.values([("1",), ("5",)]) == pytest.approx(
        [100 * sum(rank >= k for rank in ranks.tolist()) / len(ranks) for k in (1, 5)]
    )


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from([0.0, 0.3, 0.4999, 0.5, 0.5001, 0.7, 1.0])),
        min_size=2,
        max_size=20,
    ),
    st.data(),
)
def test_localisation_errors_are_shares_of_images(images: list[tuple[int, float]], data: st.DataObject) -> None:
    protocol = LocalisationProtocol(minimum_iou=0.5)
    boxes = Boxes(np.array([r for r, _ in images]), np.array([i for _, i in images]))
    scoring = localisation({"": Way("as measured", boxes)}, 1, protocol)
    assert scoring.grid == localisation_grid(1, protocol)
    choice: Any = data.draw(st.sampled_from(list(scoring.grid.combinations())))
    answers = scoring.grid.answers(choice)
    limit = float(answers["limit"])
    right = 0
    for rank, iou in images:
        box = iou > limit if answers["overlap"] == OverlapTest.GREATER else iou >= limit
        right += box and (answers["class"] == "known" or rank < int(answers["class"]))
    assert scoring.values([choice]) == pytest.approx([100 * (1 - right / len(images))])


def test_a_limit_of_the_recipe_is_the_usual_one() -> None:
    grid = localisation_grid(5, LocalisationProtocol(minimum_iou=0.45, overlap=OverlapTest.AT_LEAST))
    assert grid.answers(grid.usual) == {"class": "5", "overlap": "at-least", "limit": "0.45"}
    assert [option.key for option in grid.axes[-1].options] == ["0.3", "0.45", "0.5", "0.7"]


def test_ways_to_show_images_are_conventions_and_crops_are_averaged() -> None:
    one = np.array([0, 3, 7, 0], np.uint16)
    each = np.array([[0, 0], [0, 5], [9, 9], [1, 0]], np.uint16)
    scoring = classification({"": Way("as measured", one), "each": Way("each crop by itself", each)}, 1)
    grid = scoring.grid
    choices = [(way, k) for way in ("measured", "each") for k in ("1", "5")]
    assert grid.usual == choices[0]
    assert scoring.values(choices) == pytest.approx([50.0, 25.0, 50.0, 37.5])


def test_thresholds_of_boxes_are_taken_from_the_sweep_and_may_be_tuned_on_the_test() -> None:
    thresholds = (0.0, 0.2, 0.35)
    sweep = np.array([[0.6, 0.4, 0.7], [0.2, 0.8, 0.9], [0.1, 0.3, 0.9], [0.6, 0.6, 0.2]])
    boxes = Boxes(np.array([0, 0, 1, 0]), sweep[:, 0], sweep)
    scoring = localisation({"": Way("as measured", boxes)}, 1, LocalisationProtocol(), thresholds)
    grid = scoring.grid

    def error(**changes: str) -> float:
        return scoring.values([tuple((grid.answers(grid.usual) | changes).values())])[0]

    assert error() == error(threshold="0") == 50.0
    assert error(threshold="0.2") == 50.0
    assert error(threshold="tuned") == 50.0
    assert error(threshold="tuned", **{"class": "known"}) == 25.0
    assert [option.key for option in grid.axes[0].options] == ["measured", "tuned", "0", "0.2"]
