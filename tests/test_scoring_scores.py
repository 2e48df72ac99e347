"""Scores from raw outcomes against the metrics module, repetition of images, and closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from ledger_samples import sample_record
from numpy.typing import NDArray

from harness.ledger.record import Evidence, Record
from harness.metrics.classification import topk_error
from harness.metrics.localisation import LocalisationProtocol, OverlapTest, top1_localisation_error
from harness.metrics.segmentation import class_iou, mean_iou
from harness.scoring.scores import (
    FEWEST_IMAGES,
    Metric,
    Pooled,
    Sample,
    ScoreError,
    images,
    metrics,
    outcomes,
    samples,
    score,
    scorer,
)

Arrays = dict[str, NDArray[Any]]


def own_samples(record: Record, arrays_: Arrays) -> tuple[Sample, ...]:
    return samples(record, arrays_)[record.system]


def scored(arrays_: Arrays, **changes: Any) -> dict[Metric, float]:
    found = own_samples(sample_record(values={}, **changes), arrays_)
    return {m: float(v) for s in found for m, v in zip(metrics(s), score(s)[0], strict=True)}


def sample(name: str, arrays_: Arrays, **changes: Any) -> Sample:
    found = own_samples(sample_record(values={}, **changes), arrays_)
    return next(s for s in found if metrics(s)[0].name == name)


ranks = arrays.arrays(np.uint16, st.integers(2, 40), elements=st.integers(0, 12))


@given(ranks)
def test_topk_errors_are_those_of_the_metric(values: NDArray[np.uint16]) -> None:
    found = scored({"ranks": values})
    for k in (1, 5):
        assert found[Metric(f"top{k}-error")] == pytest.approx(100 * topk_error(values.astype(np.int32) + 1, k))


@given(ranks, st.data())
def test_localisation_errors_are_those_of_the_metric(values: NDArray[np.uint16], data: st.DataObject) -> None:
    iou = data.draw(arrays.arrays(np.float32, values.shape, elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])))
    limit = data.draw(st.sampled_from([0.25, 0.5]))
    overlap = data.draw(st.sampled_from(OverlapTest))
    recipe = {"localisation": {"minimum_iou": limit, "overlap": overlap.value}}
    found = scored({"loc_ranks": values, "loc_iou": iou}, recipe=recipe)
    protocol = LocalisationProtocol(minimum_iou=limit, overlap=overlap)
    for k in (1, 5):
        expected = 100 * top1_localisation_error(values < k, iou.astype(np.float64), protocol)
        assert found[Metric(f"top{k}-localisation-error")] == pytest.approx(expected)


def test_an_overlap_of_one_half_is_not_enough_by_default() -> None:
    found = scored({"loc_ranks": np.zeros(4, np.uint16), "loc_iou": np.array([0.5, 0.5001, 0.49, 1.0], np.float32)})
    assert found[Metric("top1-localisation-error")] == 50.0


confusions = st.integers(2, 5).flatmap(
    lambda k: arrays.arrays(
        np.int32, st.tuples(st.integers(2, 30), st.just(k), st.just(k + 1)), elements=st.integers(0, 9)
    )
)


@given(confusions)
def test_iou_is_that_of_the_metric(counts: NDArray[np.int32]) -> None:
    if counts.sum() == 0:
        return
    classes = [f"Class {i}" for i in range(counts.shape[1])]
    found = scored({"confusion": counts}, recipe={"classes": classes})
    whole = counts.astype(np.int64)
    assert found[Metric("miou")] == pytest.approx(100 * mean_iou(whole))
    each, seen = class_iou(whole.sum(axis=0)), np.isfinite(class_iou(whole)).sum(axis=0)
    for index, iou in enumerate(each):
        metric = Metric("iou", f"class-{index}")
        assert (metric in found) == (seen[index] >= FEWEST_IMAGES)
        if metric in found:
            assert found[metric] == pytest.approx(100 * iou)


@pytest.mark.parametrize("seen", [FEWEST_IMAGES - 1, FEWEST_IMAGES])
def test_a_class_needs_enough_images_for_an_iou_of_its_own(seen: int) -> None:
    counts = np.zeros((30, 2, 3), np.int32)
    counts[:, 0, 0] = 5
    counts[:seen, 1, 1] = 5
    found = scored({"confusion": counts}, recipe={"classes": ["Common", "Rare"]})
    assert (Metric("iou", "rare") in found) == (seen == FEWEST_IMAGES)
    assert found[Metric("miou")] == 100


@given(st.data())
def test_a_weight_is_a_repetition_of_the_image(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 8))
    weights = data.draw(arrays.arrays(np.int64, count, elements=st.integers(0, 3)).filter(lambda w: w.sum() > 1))
    stream = np.random.default_rng(data.draw(st.integers(0, 1000)))
    full: Arrays = {
        "ranks": stream.integers(0, 9, count).astype(np.uint16),
        "loc_ranks": stream.integers(0, 9, count).astype(np.uint16),
        "loc_iou": stream.random(count).astype(np.float32),
        "gridding": stream.random(count).astype(np.float32),
        "confusion": stream.integers(1, 9, (count, 3, 4)).astype(np.int32),
        "seconds": stream.random(count) + 0.1,
    }
    repeated = {name: np.repeat(values, weights, axis=0) for name, values in full.items()}
    record = sample_record(values={}, recipe={"batch": 4})
    for whole, again in zip(own_samples(record, full), own_samples(record, repeated), strict=True):
        assert metrics(whole) == metrics(again)
        np.testing.assert_allclose(score(whole, weights[None].astype(np.float64)), score(again))
    drawn = stream.multinomial(count, np.full(count, 1 / count), size=5).astype(np.float64)
    together = own_samples(record, full)
    one_by_one = np.concatenate([score(each, drawn) for each in together if images(each)], axis=1)
    np.testing.assert_allclose(scorer([each for each in together if images(each)])(drawn), one_by_one, rtol=1e-12)


def test_rate_and_time() -> None:
    found = scored({"seconds": np.array([0.5, 1.5])}, recipe={"batch": 32})
    assert found == {Metric("time"): pytest.approx(1000.0), Metric("rate"): pytest.approx(32.0)}


def test_single_figures_are_kept_if_derived_or_if_they_vary() -> None:
    values = {"parameters": 100, "memory": 12.5, "note": "text"}
    derived = own_samples(sample_record(values=values, evidence=Evidence.EXACT), {})
    assert {metrics(s)[0].name for s in derived} == {"parameters", "memory"}
    trained = own_samples(sample_record(values=values), {})
    assert {metrics(s)[0].name for s in trained} == {"memory"}
    assert [images(s) for s in trained] == [0]


def test_outcomes_give_the_error_again_and_allow_a_paired_test() -> None:
    values = np.array([0, 1, 7, 0, 4], np.uint16)
    wrong = outcomes(sample("top5-error", {"ranks": values}))
    np.testing.assert_array_equal(wrong, [False, False, True, False, False])
    with pytest.raises(ValueError, match="only a proportion"):
        outcomes(Pooled(np.ones((2, 2, 3), np.int64), {}))


@pytest.mark.parametrize(
    ("broken", "recipe", "message"),
    [
        ({"ranks": np.zeros((3, 2), np.uint16)}, {}, r"ranks must be finite and \[N\]"),
        ({"ranks": np.zeros(1, np.uint16)}, {}, r"ranks must be finite and \[N\] with N > 1"),
        ({"gridding": np.array([1.0, np.nan])}, {}, "gridding must be finite"),
        ({"loc_ranks": np.zeros(2, np.uint16), "loc_iou": np.array([0.1, np.nan])}, {}, "loc_iou must be finite"),
        ({"loc_ranks": np.zeros(2, np.uint16), "loc_iou": np.zeros(3)}, {}, "differ in length"),
        (
            {"loc_ranks": np.zeros(2, np.uint16), "loc_iou": np.zeros(2)},
            {"localisation": {"overlap": "touching"}},
            "the recipe's localisation rule",
        ),
        (
            {"loc_ranks": np.zeros(2, np.uint16), "loc_iou": np.zeros(2)},
            {"localisation": {"threshold": 7.0}},
            "threshold in",
        ),
        ({"confusion": np.ones((4, 3, 3), np.int32)}, {}, r"\[N, K, K \+ 1\]"),
        ({"confusion": np.zeros((4, 3, 4), np.int32)}, {}, "miou is not a finite number"),
        ({"confusion": np.full((4, 3, 4), -1, np.int32)}, {}, "negative count"),
        ({"confusion": np.ones((4, 3, 4), np.int32)}, {"classes": ["a"]}, "1 class names for 3 classes"),
        ({"seconds": np.array([1.0, 2.0])}, {}, "the recipe's 'batch'"),
        ({"seconds": np.array([1.0, 0.0])}, {"batch": 8}, "durations above 0"),
    ],
)
def test_what_gives_no_score_is_named(broken: Arrays, recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(ScoreError, match=message) as caught:
        samples(sample_record(seed=3, values={}, recipe=recipe), broken)
    assert "scenes, DRN-C-26, seed 3" in str(caught.value)


def test_arrays_with_a_suffix_measure_another_system() -> None:
    right, wrong = np.array([[[8, 0, 0], [0, 8, 0]]] * 2), np.array([[[8, 0, 0], [8, 0, 0]]] * 2)
    recipe = {"variants": {"crf": "{system} + CRF", "basic": "Front end + Basic", "large": "not measured"}}
    record = sample_record(system="Front end", values={"memory": 3.0}, recipe=recipe)
    found = samples(record, {"confusion": wrong, "confusion.crf": right, "confusion.basic": right})
    assert list(found) == ["Front end", "Front end + CRF", "Front end + Basic"]
    ious = {name: [score(s)[0, 0] for s in own if metrics(s)[0].name == "miou"] for name, own in found.items()}
    assert ious == {"Front end": [25.0], "Front end + CRF": [100.0], "Front end + Basic": [100.0]}
    assert [metrics(s)[0].name for s in found["Front end + CRF"]] == ["miou"]
