"""Cityscapes scores against cityscapesScripts run on the same files, and against cases worked by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.datasets.cityscapes_labels import DRAWN, LABELS
from harness.metrics import cityscapes, segmentation
from harness.metrics.cityscapes import CityscapesScores, instance_counts, label_counts, mean_score

Labels = NDArray[np.uint8]
Instances = NDArray[np.uint16]
ROAD, SIDEWALK, CAR, BUS, CARAVAN, TRAILER = 7, 8, 26, 28, 29, 30


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The official evaluation, with the function that numpy 2.4 took away put back for the test."""
    script: ModuleType = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    monkeypatch.setattr(np, "in1d", np.isin, raising=False)
    return script


def officially(
    script: ModuleType, folder: Path, truth: Labels, instances: Instances, predicted: Labels
) -> dict[str, Any]:
    """Write images as the dataset has them, and let the official code score the files."""
    paths: dict[str, list[str]] = {"labelIds": [], "pred": []}
    for image, (labels, numbers, guesses) in enumerate(zip(truth, instances, predicted, strict=True)):
        stem = folder / f"ulm_{image:06}_000019"
        Image.fromarray(numbers).save(f"{stem}_instanceIds.png")
        for kind, values in (("labelIds", labels), ("pred", guesses)):
            Image.fromarray(values).save(f"{stem}_{kind}.png")
            paths[kind].append(f"{stem}_{kind}.png")
    script.args.quiet, script.args.JSONOutput = True, False
    scores: dict[str, Any] = script.evaluateImgLists(paths["pred"], paths["labelIds"], script.args)
    return scores


def scores_of(truth: Any, predicted: Any, instances: Any = None) -> CityscapesScores:
    """Scores of one image."""
    true, guessed = np.array([truth]), np.array([predicted])
    numbers = true if instances is None else np.array([instances])
    return cityscapes.scores(label_counts(true, guessed, LABELS), instance_counts(numbers, guessed, LABELS), LABELS)


def random_scenes(seed: int, images: int = 3) -> tuple[Labels, Instances, Labels]:
    """Blocks of labels over the whole range, their instances and groups, and predictions that are often right."""
    random = np.random.default_rng(seed)
    drawn = random.choice(34, size=random.integers(2, 34), replace=False)
    coarse = random.choice(drawn, size=(images, 4, 6)).astype(np.uint8)
    truth = coarse.repeat(5, axis=1).repeat(4, axis=2)
    split = random.integers(0, 3, size=(images, 2, 24)).repeat(10, axis=1)
    single = np.isin(truth, [label.id for label in DRAWN if label.has_instances]) & (split > 0)
    instances = np.where(single, 1000 * truth.astype(np.uint16) + split, truth).astype(np.uint16)
    predicted = np.where(random.random(truth.shape) < 0.6, truth, random.choice(drawn, size=truth.shape))
    return truth, instances, predicted.astype(np.uint8)


@pytest.mark.parametrize("seed", range(25))
def test_equals_the_official_code_to_the_last_bit(official: ModuleType, tmp_path: Path, seed: int) -> None:
    truth, instances, predicted = random_scenes(seed)
    expected = officially(official, tmp_path, truth, instances, predicted)
    counts = label_counts(truth, predicted, LABELS)
    ours = cityscapes.scores(counts, instance_counts(instances, predicted, LABELS), LABELS)
    assert counts.sum(axis=0).tolist() == expected["confMatrix"]
    for mine, theirs, average in (
        (ours.classes, "classScores", "averageScoreClasses"),
        (ours.instance_classes, "classInstScores", "averageScoreInstClasses"),
        (ours.categories, "categoryScores", "averageScoreCategories"),
        (ours.instance_categories, "categoryInstScores", "averageScoreInstCategories"),
    ):
        np.testing.assert_array_equal(list(mine.values()), [expected[theirs][name] for name in mine])
        assert all(math.isnan(score) for name, score in expected[theirs].items() if name not in mine)
        np.testing.assert_array_equal(mean_score(mine), expected[average])


def test_names_and_numbers_of_classes() -> None:
    scores = scores_of([[ROAD]], [[ROAD]])
    groups = scores.classes, scores.instance_classes, scores.categories, scores.instance_categories
    assert [len(group) for group in groups] == [19, 8, 7, 2]
    assert list(scores.instance_categories) == ["human", "vehicle"]


def test_mean_pixels_are_the_official_ones(official: ModuleType) -> None:
    assert official.args.avgClassSize == cityscapes.MEAN_PIXELS


VOID_TRUTH = [[7, 7, 7, 8], [7, 8, 8, 8], [0, 3, 30, 29]]


def test_a_predictions_on_ignored_truth_cost_nothing() -> None:
    scores = scores_of(VOID_TRUTH, [[7, 7, 8, 8], [7, 8, 8, 7], [7, 8, 26, 26]])
    assert (scores.classes["road"], scores.classes["sidewalk"]) == (0.6, 0.6)
    assert mean_score(scores.classes) == 0.6
    assert scores.categories["flat"] == 1.0
    assert math.isnan(scores.instance_categories["vehicle"])


def test_b_ignored_prediction_is_a_miss_but_an_alarm_of_its_category_with_instances() -> None:
    scores = scores_of(VOID_TRUTH, [[0, 7, 8, 8], [7, TRAILER, 8, 7], [7, 8, 26, 26]])
    assert (scores.classes["road"], scores.classes["sidewalk"]) == (0.4, 0.4)
    assert mean_score(scores.classes) == 0.4
    assert scores.categories["flat"] == 0.75
    assert math.isnan(scores.categories["vehicle"])
    assert scores.instance_categories["vehicle"] == 0.0


def test_c_groups_count_in_the_iou_alone(shared: Callable[[str], Path]) -> None:
    truth = np.full((3, 10), ROAD)
    instances = truth.copy()
    truth[0], instances[0] = CAR, 26001
    truth[1, :6], instances[1, :2], instances[1, 2:6] = CAR, 26002, CAR
    predicted = truth.copy()
    predicted[0, :5], predicted[2, :3] = ROAD, CAR
    scores = scores_of(truth, predicted, instances)
    collected = json.loads(shared("metric_oracles.json").read_text())["cityscapes_iiou"]
    assert scores.classes["car"] == 11 / 19 == collected["car_iou"]
    hits, misses = 12794.0202738185 * (5 / 10 + 2 / 2), 12794.0202738185 * (5 / 10)
    assert scores.instance_classes["car"] == pytest.approx(hits / (hits + misses + 3), rel=1e-15)
    assert scores.instance_classes["car"] == collected["car_iiou"]


def test_d_confusion_within_a_category_is_free() -> None:
    truth = np.full((2, 8), ROAD)
    truth[0] = CAR
    predicted, instances = np.where(truth == CAR, BUS, truth), np.where(truth == CAR, 26001, truth)
    scores = scores_of(truth, predicted, instances)
    assert [scores.classes[name] for name in ("car", "bus", "road")] == [0.0, 0.0, 1.0]
    assert mean_score(scores.classes) == 1 / 3
    assert (scores.categories["vehicle"], scores.categories["flat"]) == (1.0, 1.0)
    assert (scores.instance_classes["car"], scores.instance_classes["bus"]) == (0.0, 0.0)
    assert scores.instance_categories["vehicle"] == 1.0


@pytest.mark.parametrize("guess", [CAR, ROAD])
def test_e_caravan_as_anything_has_no_effect(guess: int) -> None:
    scores = scores_of([[ROAD, ROAD, CARAVAN]], [[ROAD, ROAD, guess]], [[ROAD, ROAD, 29001]])
    assert mean_score(scores.classes) == mean_score(scores.categories) == 1.0
    assert math.isnan(mean_score(scores.instance_classes))


def test_f_255_is_refused_as_the_official_code_ends_with_an_error(official: ModuleType, tmp_path: Path) -> None:
    truth, predicted = np.full((2, 2, 3), ROAD, np.uint8), np.full((2, 2, 3), ROAD, np.uint8)
    predicted[1, 0, 2] = 255
    with pytest.raises(IndexError):
        officially(official, tmp_path, truth, truth.astype(np.uint16), predicted)
    with pytest.raises(ValueError, match=r"\[255\] predicted in image 1"):
        label_counts(truth, predicted, LABELS)
    with pytest.raises(ValueError, match="predicted 7 to 255"):
        instance_counts(truth, predicted, LABELS)


def test_g_train_ids_left_in_score_nothing() -> None:
    scores = scores_of([[7, 7, 8, 11]], [[0, 0, 1, 2]])
    assert mean_score(scores.classes) == mean_score(scores.categories) == 0.0


def test_class_predicted_and_nowhere_true_is_zero_and_counts() -> None:
    scores = scores_of([[ROAD, ROAD]], [[ROAD, SIDEWALK]])
    assert (scores.classes["sidewalk"], mean_score(scores.classes)) == (0.0, 0.25)


def test_instances_are_kept_as_integers() -> None:
    _, instances, predicted = random_scenes(4)
    rows = instance_counts(instances, predicted, LABELS, first=7)
    assert rows.dtype == np.int64
    expected = []
    for image in range(3):
        for number in np.unique(instances[image]):
            label = LABELS[number // 1000]
            if number > 1000 and not label.ignored:
                guesses = [LABELS[guess] for guess in predicted[image][instances[image] == number]]
                own = sum(guess == label for guess in guesses), sum(g.category == label.category for g in guesses)
                expected.append([image + 7, label.id, len(guesses), *own])
    assert rows.tolist() == expected
    assert len(expected) > 3


def test_scores_of_images_counted_apart_are_those_of_all_together() -> None:
    truth, instances, predicted = random_scenes(9)
    together = cityscapes.scores(
        label_counts(truth, predicted, LABELS), instance_counts(instances, predicted, LABELS), LABELS
    )
    parts = [slice(0, 2), slice(2, 3)]
    counts = np.concatenate([label_counts(truth[part], predicted[part], LABELS) for part in parts])
    rows = np.concatenate([instance_counts(instances[p], predicted[p], LABELS, first=p.start) for p in parts])
    apart = cityscapes.scores(counts, rows, LABELS)
    np.testing.assert_equal(apart, together)


def test_classes_agree_with_train_ids_where_nothing_ignored_is_predicted() -> None:
    truth, _, predicted = random_scenes(2)
    predicted = np.where([[[LABELS[p].ignored for p in row] for row in rows] for rows in predicted], ROAD, predicted)
    train_ids = np.array([255 if label.ignored else label.train_id for label in DRAWN])
    iou = segmentation.class_iou(segmentation.confusion_counts(train_ids[truth], train_ids[predicted], 19).sum(axis=0))
    rows = instance_counts(truth, predicted, LABELS)
    classes = cityscapes.scores(label_counts(truth, predicted, LABELS), rows, LABELS).classes
    np.testing.assert_array_equal(list(classes.values()), iou)


@pytest.mark.parametrize("number", [7001, 34001, 60000])
def test_instance_of_a_label_without_instances_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"instance {number} of image 0"):
        instance_counts(np.array([[number]]), np.array([[ROAD]]), LABELS)


def test_arrays_that_are_no_counts_are_refused() -> None:
    rows = np.zeros((0, 5), dtype=np.int64)
    for counts in (np.zeros((19, 20), np.int64), np.full((34, 34), -1)):
        with pytest.raises(ValueError, match="counts"):
            cityscapes.scores(counts, rows, LABELS)


def test_ignored_truth_alone_has_no_score() -> None:
    scores = scores_of([[0, CARAVAN]], [[ROAD, TRAILER]])
    groups = scores.classes, scores.instance_classes, scores.categories, scores.instance_categories
    assert all(math.isnan(mean_score(group)) for group in groups)
