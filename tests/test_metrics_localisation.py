"""The localisation rule against a literal transcription, hand-made maps and torchvision's IoU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from harness.metrics.localisation import (
    BoxExtent,
    ClassActivation,
    EmptySet,
    LocalisationProtocol,
    MapToImage,
    OverlapTest,
    best_iou,
    box_correct,
    box_iou,
    class_activation,
    localise,
    predicted_boxes,
    tight_boxes,
    top1_localisation_error,
)

RULE = LocalisationProtocol(threshold=0.0)
Floats = NDArray[np.float64]


def four_by_four() -> ClassActivation:
    """Class 1 of 2 dominates four cells (row, column) of a 4 x 4 map."""
    maps = np.zeros((1, 2, 4, 4))
    maps[0, 1] = 0.1
    for (row, column), value in {(1, 1): 0.9, (1, 2): 0.6, (2, 1): 0.7, (3, 3): 0.8}.items():
        maps[0, 1, row, column] = value
    maps[:, 0] = 1 - maps[:, 1]
    return class_activation(maps, np.array([1]))


@pytest.mark.parametrize(
    ("threshold", "box"),
    [(0.0, [1, 1, 3, 3]), (0.5, [1, 1, 3, 3]), (0.65, [1, 1, 3, 3]), (0.85, [1, 1, 1, 1])],
)
def test_box_of_a_hand_made_map(threshold: float, box: list[int]) -> None:
    boxes, empty = predicted_boxes(four_by_four(), (4, 4), LocalisationProtocol(threshold=threshold))
    assert boxes.tolist() == [box]
    assert not empty.any()


@pytest.mark.parametrize(
    ("rule", "box"),
    [
        (EmptySet.MISS, [np.nan] * 4),
        (EmptySet.WHOLE_IMAGE, [0, 0, 3, 3]),
        (EmptySet.IGNORE_DOMINANCE, [np.nan] * 4),
    ],
)
def test_empty_set_above_every_response(rule: EmptySet, box: list[float]) -> None:
    boxes, empty = predicted_boxes(four_by_four(), (4, 4), LocalisationProtocol(threshold=0.95, empty_set=rule))
    assert boxes[0].tolist() == pytest.approx(box, nan_ok=True)
    assert empty.all()


def test_ignoring_dominance_falls_back_to_the_threshold_alone() -> None:
    maps = np.array([[[[0.9, 0.6]], [[0.1, 0.4]]]])
    activation = class_activation(maps, np.array([1]))
    boxes, empty = predicted_boxes(
        activation, (1, 2), LocalisationProtocol(threshold=0.3, empty_set=EmptySet.IGNORE_DOMINANCE)
    )
    assert empty.tolist() == [True]
    assert boxes.tolist() == [[1, 0, 1, 0]]


@st.composite
def activation_maps(draw: st.DrawFn) -> tuple[Floats, NDArray[np.int64]]:
    shape = tuple(draw(st.integers(1, limit)) for limit in (3, 3, 5, 5))
    eighths = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 8)))
    return eighths / 8, draw(hnp.arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)))


@given(activation_maps(), st.sampled_from([0.0, 0.25, 0.5, 0.75]))
def test_box_is_the_smallest_that_covers_the_papers_set(case: tuple[Floats, NDArray[np.int64]], t: float) -> None:
    """g(w, h) = c where no f(c') exceeds f(c); cover all places with g = c and f > t."""
    maps, classes = case
    height, width = maps.shape[2:]
    boxes, empty = predicted_boxes(class_activation(maps, classes), (height, width), LocalisationProtocol(threshold=t))
    for image, c in enumerate(classes):
        f = maps[image]
        members = [
            (w, h)
            for h in range(height)
            for w in range(width)
            if all(f[c, h, w] >= f[other, h, w] for other in range(len(f))) and f[c, h, w] > t
        ]
        assert empty[image] == (not members)
        if members:
            across, down = zip(*members, strict=True)
            assert boxes[image].tolist() == [min(across), min(down), max(across), max(down)]
        else:
            assert np.isnan(boxes[image]).all()


@given(activation_maps())
def test_higher_threshold_never_widens_a_box(case: tuple[Floats, NDArray[np.int64]]) -> None:
    activation = class_activation(*case)
    size = activation.response.shape[1:]
    wide, _ = predicted_boxes(activation, (size[0], size[1]), LocalisationProtocol(threshold=0.1))
    tight, _ = predicted_boxes(activation, (size[0], size[1]), LocalisationProtocol(threshold=0.6))
    kept = ~np.isnan(tight[:, 0])
    assert (tight[kept, :2] >= wide[kept, :2]).all()
    assert (tight[kept, 2:] <= wide[kept, 2:]).all()


@pytest.mark.parametrize(
    ("mapping", "box"),
    [
        (MapToImage.CELLS, [8, 16, 23, 31]),
        (MapToImage.CENTRES, [11.5, 19.5, 19.5, 27.5]),
        (MapToImage.CORNERS, [31 / 3, 62 / 3, 62 / 3, 31]),
    ],
)
def test_cells_map_to_pixels(mapping: MapToImage, box: list[float]) -> None:
    """Columns 1-2 and rows 2-3 of a 4 x 4 map over 32 x 32 pixels."""
    response = np.zeros((1, 4, 4))
    response[0, 2:, 1:3] = 1
    boxes, _ = predicted_boxes(ClassActivation(response, response > 0), (32, 32), replace(RULE, mapping=mapping))
    assert boxes[0].tolist() == pytest.approx(box)


@pytest.mark.parametrize("mapping", MapToImage)
def test_mappings_agree_on_a_map_as_large_as_the_image(mapping: MapToImage) -> None:
    boxes, _ = predicted_boxes(four_by_four(), (4, 4), replace(RULE, mapping=mapping))
    assert boxes[0].tolist() == pytest.approx([1, 1, 3, 3])


@pytest.mark.parametrize(
    ("first", "second", "inclusive", "exclusive"),
    [
        ((0, 0, 9, 9), (0, 0, 9, 4), 0.5, 4 / 9),
        ((0, 0, 9, 9), (3, 0, 12, 9), 7 / 13, 0.5),
        ((0, 0, 8, 8), (0, 0, 8, 4), 5 / 9, 0.5),
        ((0, 0, 0, 0), (0, 0, 0, 0), 1.0, 0.0),
        ((0, 0, 3, 3), (5, 5, 9, 9), 0.0, 0.0),
        ((0, 0, 3, 3), (4, 0, 7, 3), 0.0, 0.0),
    ],
)
def test_iou_by_hand(first: tuple[int, ...], second: tuple[int, ...], inclusive: float, exclusive: float) -> None:
    one, two = np.array([first]), np.array([second])
    assert box_iou(one, two, BoxExtent.INCLUSIVE)[0] == pytest.approx(inclusive)
    assert box_iou(one, two, BoxExtent.EXCLUSIVE)[0] == pytest.approx(exclusive)


@st.composite
def box_pairs(draw: st.DrawFn) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    corners = draw(hnp.arrays(np.int64, (2, 6, 2), elements=st.integers(0, 12)))
    sides = draw(hnp.arrays(np.int64, (2, 6, 2), elements=st.integers(0, 9)))
    boxes = np.concatenate([corners, corners + sides], axis=2)
    return boxes[0], boxes[1]


@given(box_pairs())
def test_inclusive_iou_counts_pixels(pair: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
    def pixels(box: NDArray[np.int64]) -> set[tuple[int, int]]:
        x1, y1, x2, y2 = box.tolist()
        return {(x, y) for x in range(x1, x2 + 1) for y in range(y1, y2 + 1)}

    iou = box_iou(*pair)
    for one, two, value in zip(*pair, iou, strict=True):
        assert value == pytest.approx(len(pixels(one) & pixels(two)) / len(pixels(one) | pixels(two)))
    assert (iou == box_iou(pair[1], pair[0])).all()


def test_exclusive_iou_agrees_with_torchvision() -> None:
    torch = pytest.importorskip("torch")
    ops = pytest.importorskip("torchvision.ops")
    random = np.random.default_rng(1)
    corners = random.random((2, 50, 2)) * 50
    one, two = np.concatenate([corners, corners + 1 + random.random((2, 50, 2)) * 50], axis=2)
    expected = ops.box_iou(torch.from_numpy(one), torch.from_numpy(two)).diagonal().numpy()
    assert box_iou(one, two, BoxExtent.EXCLUSIVE) == pytest.approx(expected, abs=1e-6)


def test_any_true_box_will_do_and_no_box_is_zero() -> None:
    boxes = np.array([[0.0, 0, 9, 9], [np.nan] * 4, [0.0, 0, 4, 9]])
    truth = np.array([[20, 20, 29, 29], [0, 0, 9, 9], [0, 0, 9, 9], [0, 0, 9, 9], [0, 0, 9, 4]])
    assert best_iou(boxes, truth, np.array([0, 0, 1, 2, 0])).tolist() == [1.0, 0.0, 0.5]


def test_frame_need_not_be_square() -> None:
    """Two rows and three columns over 20 pixels down and 60 across."""
    response = np.zeros((2, 2, 3))
    response[0, 1, 1:] = 1
    activation = ClassActivation(response, np.ones(response.shape, dtype=bool))
    boxes, empty = predicted_boxes(activation, (20, 60), replace(RULE, empty_set=EmptySet.WHOLE_IMAGE))
    assert boxes.tolist() == [[20, 10, 59, 19], [0, 0, 59, 19]]
    assert empty.tolist() == [False, True]


@pytest.mark.parametrize(
    ("truth", "owners"),
    [
        ([[0, 0, 1, 1]], [0]),
        ([[0, 0, 1, 1], [0, 0, np.nan, 1]], [0, 1]),
        ([[0, 0, 1, 1], [5, 0, 3, 1]], [0, 1]),
    ],
)
def test_bad_truth_is_refused(truth: list[list[float]], owners: list[int]) -> None:
    with pytest.raises(ValueError, match="true box"):
        best_iou(np.zeros((2, 4)), np.array(truth), np.array(owners))


def test_exactly_half_passes_only_the_development_kits_test() -> None:
    iou = np.array([0.5, np.nextafter(0.5, 1), np.nextafter(0.5, 0)])
    assert box_correct(iou, RULE).tolist() == [False, True, False]
    assert box_correct(iou, replace(RULE, overlap=OverlapTest.AT_LEAST)).tolist() == [True, True, False]


def test_error_needs_class_and_box() -> None:
    correct = np.array([True, True, False, False])
    iou = np.array([0.9, 0.1, 0.9, 0.1])
    assert top1_localisation_error(correct, iou, RULE) == 0.75
    assert top1_localisation_error(np.ones(4, dtype=bool), iou, RULE) == 0.5


def test_nan_never_passes() -> None:
    with pytest.raises(ValueError, match="NaN"):
        top1_localisation_error(np.array([True]), np.array([np.nan]), RULE)
    with pytest.raises(ValueError, match="NaN"):
        class_activation(np.full((1, 2, 3, 3), np.nan), np.array([0]))


def test_localise_from_maps_to_error() -> None:
    """A 2 x 2 map on 48 pixels: the object fills the left half of the first image and a corner of the second."""
    maps = np.full((2, 3, 2, 2), 0.1)
    maps[0, 1, :, 0] = 0.8
    maps[1, 2, 0, 0] = 0.8
    classes = np.array([1, 2])
    truth = np.array([[0, 0, 23, 47], [0, 0, 15, 15]])
    outcome = localise(class_activation(maps, classes), truth, np.arange(2), (48, 48), LocalisationProtocol())
    assert outcome.boxes.tolist() == [[0, 0, 23, 47], [0, 0, 23, 23]]
    assert outcome.iou.tolist() == pytest.approx([1.0, 256 / 576])
    assert top1_localisation_error(np.array([True, True]), outcome.iou, LocalisationProtocol()) == 0.5


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6)))
def test_tight_boxes_equal_extremes_of_coordinates(selected: NDArray[np.bool_]) -> None:
    for mask, box in zip(selected, tight_boxes(selected), strict=True):
        rows, columns = np.nonzero(mask)
        extremes = [columns.min(), rows.min(), columns.max(), rows.max()] if rows.size else [-1] * 4
        assert box.tolist() == extremes


@pytest.mark.parametrize("limit", [-0.1, 1.5, float("nan")])
def test_protocol_refuses_impossible_limits(limit: float) -> None:
    with pytest.raises(ValueError, match="threshold in"):
        LocalisationProtocol(threshold=limit)
    with pytest.raises(ValueError, match="minimum_iou in"):
        LocalisationProtocol(minimum_iou=limit)


@pytest.mark.parametrize("index", [-1, 2])
def test_indices_do_not_wrap(index: int) -> None:
    with pytest.raises(ValueError, match=f"{index}"):
        class_activation(np.ones((1, 2, 3, 3)), np.array([index]))
    with pytest.raises(ValueError, match="true box"):
        best_iou(np.zeros((2, 4)), np.zeros((3, 4)), np.array([0, 1, index]))
