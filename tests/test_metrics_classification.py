"""Ranks and top-k error against counting by hand, argmax and torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from harness.metrics.classification import (
    TieRule,
    fused_crop_ranks,
    per_crop_ranks,
    topk_error,
    true_class_ranks,
)

Case = tuple[NDArray[np.float64], NDArray[np.int64]]


@st.composite
def scored_images(draw: st.DrawFn, ties: bool = True) -> Case:
    images, classes = draw(st.integers(1, 8)), draw(st.integers(1, 7))
    values = st.integers(-3, 3).map(float) if ties else st.floats(-1e6, 1e6)
    scores = draw(hnp.arrays(np.float64, (images, classes), elements=values))
    return scores, draw(hnp.arrays(np.int64, images, elements=st.integers(0, classes - 1)))


def position_in_sorted_list(scores: list[float], label: int, ties: TieRule) -> int:
    """Sort the classes with a key that spells the tie rule out, and look the true class up."""

    def key(index: int) -> tuple[float, int]:
        among_equals = {
            TieRule.PESSIMISTIC: int(index == label),
            TieRule.OPTIMISTIC: int(index != label),
            TieRule.LOWEST_INDEX: index,
        }
        return -scores[index], among_equals[ties]

    return sorted(range(len(scores)), key=key).index(label) + 1


@given(scored_images(), st.sampled_from(TieRule))
def test_rank_is_the_place_in_the_sorted_classes(case: Case, ties: TieRule) -> None:
    scores, labels = case
    expected = [position_in_sorted_list(row.tolist(), int(k), ties) for row, k in zip(scores, labels, strict=True)]
    assert true_class_ranks(scores, labels, ties).tolist() == expected


@given(scored_images())
def test_lowest_index_top1_is_argmax(case: Case) -> None:
    scores, labels = case
    ranks = true_class_ranks(scores, labels, TieRule.LOWEST_INDEX)
    assert ((ranks == 1) == (scores.argmax(axis=1) == labels)).all()


@given(scored_images(), st.data())
def test_ranks_do_not_depend_on_the_order_of_classes(case: Case, data: st.DataObject) -> None:
    scores, labels = case
    order = np.array(data.draw(st.permutations(range(scores.shape[1]))))
    moved = np.argsort(order)[labels]
    for ties in (TieRule.PESSIMISTIC, TieRule.OPTIMISTIC):
        assert (true_class_ranks(scores[:, order], moved, ties) == true_class_ranks(scores, labels, ties)).all()


def test_constant_output_is_always_wrong_by_default() -> None:
    scores = np.zeros((5, 10), dtype=np.float32)
    labels = np.arange(5)
    assert topk_error(true_class_ranks(scores, labels), 9) == 1.0
    assert topk_error(true_class_ranks(scores, labels, TieRule.OPTIMISTIC), 1) == 0.0


@given(scored_images(), st.data())
def test_nan_is_refused_wherever_it_is(case: Case, data: st.DataObject) -> None:
    scores, labels = case
    image = data.draw(st.integers(0, len(scores) - 1))
    scores[image, data.draw(st.integers(0, scores.shape[1] - 1))] = np.nan
    with pytest.raises(ValueError, match=f"first is image {image}"):
        true_class_ranks(scores, labels)


@pytest.mark.parametrize("label", [-1, 3])
def test_label_outside_the_classes_is_refused(label: int) -> None:
    with pytest.raises(ValueError, match=f"label {label} of image 1"):
        true_class_ranks(np.zeros((2, 3)), np.array([0, label]))


def test_topk_error_counts_ranks_beyond_k() -> None:
    ranks = np.array([1, 2, 5, 6, 1000])
    assert [topk_error(ranks, k) for k in (1, 2, 5, 1000)] == [0.8, 0.6, 0.4, 0.0]


@pytest.mark.parametrize(("ranks", "k"), [([], 1), ([0, 1], 1), ([1], 0)])
def test_topk_error_refuses_nonsense(ranks: list[int], k: int) -> None:
    with pytest.raises(ValueError, match="ranks from 1"):
        topk_error(np.array(ranks, dtype=np.int64), k)


def test_two_readings_of_ten_crops_differ() -> None:
    """Three crops of an image: two are barely wrong, one is surely right."""
    scores = np.array([[[0.4, 0.6], [0.4, 0.6], [0.9, 0.1]]])
    labels = np.array([0])
    assert topk_error(fused_crop_ranks(scores, labels), 1) == 0.0
    assert topk_error(per_crop_ranks(scores, labels), 1) == pytest.approx(2 / 3)


@given(scored_images(ties=False), st.integers(1, 4))
def test_identical_crops_change_nothing(case: Case, crops: int) -> None:
    scores, labels = case
    single = true_class_ranks(scores, labels)
    repeated = np.repeat(scores[:, None, :], crops, axis=1)
    assert (per_crop_ranks(repeated, labels) == single[:, None]).all()
    if crops in (1, 2, 4):
        assert (fused_crop_ranks(repeated, labels) == single).all()


@pytest.mark.parametrize("k", [1, 3])
def test_agrees_with_torchmetrics(k: int) -> None:
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.functional.classification")
    random = np.random.default_rng(3)
    scores, labels = random.random((200, 10)), random.integers(0, 10, 200)
    accuracy = classification.multiclass_accuracy(
        torch.from_numpy(scores), torch.from_numpy(labels), num_classes=10, average="micro", top_k=k
    )
    assert topk_error(true_class_ranks(scores, labels), k) == pytest.approx(1 - accuracy.item(), abs=1e-6)
