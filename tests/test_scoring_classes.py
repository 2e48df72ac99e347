"""Classes that too few test images show are left out of the mean IoU, by a rule that a recipe states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from ledger_samples import sample_record
from numpy.typing import NDArray
from scoring_samples import experiment, joined, mini_paper, record_of

from harness.explain.rescore import segmentation
from harness.ledger.store import Ledger
from harness.metrics.segmentation import class_iou, classes_shown
from harness.reports.render import page
from harness.scoring.explained import rescoring
from harness.scoring.scores import FEWEST_IMAGES, Metric, ScoreError, metrics, samples, score

Counts = NDArray[np.int32]
NAMES = ["background", "common", "rare", "unseen"]


def scores(counts: Counts, **recipe: Any) -> dict[Metric, float]:
    record = sample_record(values={}, recipe=recipe)
    (found,) = samples(record, {"confusion": counts})[record.system]
    return dict(zip(metrics(found), score(found)[0].tolist(), strict=True))


def scene() -> Counts:
    """30 images: two classes in each, a rare one in 5, and one that is only predicted, in 25."""
    counts = np.zeros((30, 4, 5), np.int32)
    counts[:, 0, 0] = 60
    counts[:, 1, 1] = 30
    counts[:, 1, 0] = 10
    counts[:5, 2, 1] = 20
    counts[5:, 0, 3] = 4
    return counts


confusions = st.integers(2, 5).flatmap(
    lambda k: arrays.arrays(
        np.int32, st.tuples(st.integers(2, 12), st.just(k), st.just(k + 1)), elements=st.integers(0, 3)
    )
)


def test_the_mean_is_over_the_classes_that_enough_images_show() -> None:
    """What is predicted as, or should have been, a class left out is still an error of the others."""
    background = (30 * 60) / (30 * 60 + 30 * 10 + 25 * 4)
    common = (30 * 30) / (30 * 30 + 30 * 10 + 5 * 20)
    assert scores(scene(), least_images=6)[Metric("miou")] == pytest.approx(100 * (background + common) / 2)
    assert scores(scene(), least_images=5)[Metric("miou")] == pytest.approx(100 * (background + common + 0) / 3)
    assert scores(scene())[Metric("miou")] == pytest.approx(100 * (background + common + 0 + 0) / 4)


@given(confusions, st.integers(0, 4))
def test_the_mean_is_that_of_the_class_ious(counts: Counts, least: int) -> None:
    shown = [(image.sum(axis=1) > 0).tolist() for image in counts]
    kept = [c for c in range(counts.shape[1]) if sum(image[c] for image in shown) >= least]
    iou = class_iou(counts.astype(np.int64).sum(axis=0))[kept]
    if np.isfinite(iou).any():
        assert scores(counts, least_images=least)[Metric("miou")] == pytest.approx(100 * np.nanmean(iou))


@given(confusions, st.integers(0, 12), st.randoms(use_true_random=False))
def test_predictions_do_not_change_which_classes_count(counts: Counts, least: int, random: Any) -> None:
    other = counts.copy()
    for image in other:
        for row in image:
            row[:] = random.sample(row.tolist(), len(row))
    assert np.array_equal(classes_shown(counts.astype(np.int64), least), classes_shown(other.astype(np.int64), least))


def test_classes_that_do_not_count_have_no_iou_of_their_own() -> None:
    assert Metric("iou", "unseen") in scores(scene(), classes=NAMES), "predicted in 25 images"
    found = scores(scene(), classes=NAMES, least_images=FEWEST_IMAGES)
    assert [metric.label for metric in found] == ["", "background", "common"]


@pytest.mark.parametrize("least", [31, -1, "20", 2.5])
def test_a_rule_that_leaves_nothing_or_is_none_is_refused(least: object) -> None:
    with pytest.raises(ScoreError, match="no class is shown by 31 of the 30" if least == 31 else "least_images"):
        scores(scene(), least_images=least)


def test_the_rule_holds_for_resamples() -> None:
    """A resample without most images of a class that counts still counts it, and no others."""
    record = sample_record(values={}, recipe={"least_images": 5})
    (found,) = samples(record, {"confusion": scene()})[record.system]
    weights = np.zeros((1, 30))
    weights[0, [0, 1]] = 15
    pooled = class_iou(15 * scene()[:2].astype(np.int64).sum(axis=0))
    assert score(found, weights)[0, 0] == pytest.approx(100 * pooled[:3].mean())


def test_explain_starts_from_the_same_mean() -> None:
    recipe = {"classes": NAMES, "least_images": 6}
    record = sample_record(recipe=recipe)
    scoring = rescoring(record, {"confusion": scene()}, "miou")
    (axis,) = (axis for axis in scoring.grid.axes if axis.key == "classes")
    every = scoring.grid.changed(scoring.grid.usual, "classes", "all")
    assert scoring.values([scoring.grid.usual, every]) == pytest.approx(
        [scores(scene(), **recipe)[Metric("miou")], scores(scene(), classes=NAMES)[Metric("miou")]]
    )
    assert "at least 6 of the images" in axis.option(axis.usual).words
    plain = segmentation(scene().astype(np.int64), "miou", "", NAMES)
    assert "classes" not in [axis.key for axis in plain.grid.axes]


def test_the_page_states_the_rule(tmp_path: Path) -> None:
    paper, ledger = mini_paper(tmp_path), Ledger(tmp_path / "ledger")
    with_rule = experiment("few", recipe={"classes": NAMES, "least_images": 6})
    without = experiment("all", recipe={"classes": NAMES})
    for one in (with_rule, without):
        for seed in (0, 1):
            ledger.append(record_of(one, "Plain", seed), {"confusion": scene()})
    results = joined(paper, ledger, with_rule, without)
    means = {m.experiment: m.estimate for m in results.measurements if m.metric == "miou"}
    assert means == pytest.approx({"few": (900 / 1300 + 1800 / 2200) * 50, "all": (900 / 1300 + 1800 / 2200) * 25})
    found = {record.digest: record for record in ledger.records()}
    html = page(results, lambda digest: found[digest].arrays())
    assert html.count("The mean IoU is over the classes that at least 6 test images show") == 1
