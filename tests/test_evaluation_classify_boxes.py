"""Boxes on official boxes: each way of handling the crop by hand and by second methods, thresholds chosen elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.datasets.labelled import TrueBoxes
from harness.engine.localise import BoxedImages, cross_fit
from harness.evaluation.boxes import BoxFrame, BoxProtocol, Cells, Sweep, choose, sweep_boxes
from harness.evaluation.crops import ClassificationProtocol, Frame, Placement, placement
from harness.metrics.localisation import (
    BoxExtent,
    ClassActivation,
    EmptySet,
    LocalisationProtocol,
    OverlapTest,
    tight_boxes,
)

SEEDS = st.integers(0, 2**32 - 1)
MAP = np.array([[[0, 0, 0, 0], [0, 0.9, 0.6, 0], [0, 0.7, 0, 0], [0, 0, 0, 0.8]]])
"""Class 1 is dominant where it is not 0."""
ONE = ClassActivation(MAP, MAP > 0)
SQUARE = Placement((8, 8), (0, 0), (8, 8))


def sweep(activation: ClassActivation, truth: list[TrueBoxes], where: list[Placement], protocol: BoxProtocol) -> Sweep:
    """Find the cells by numpy, one threshold after the other."""
    selected = [activation.dominant & (activation.response > threshold) for threshold in protocol.thresholds]
    edges = np.stack([tight_boxes(masks) for masks in selected], axis=1)
    shapes = np.tile(activation.response.shape[1:], (len(edges), 1))
    return sweep_boxes(Cells(edges, shapes), truth, where, protocol)


def true_boxes(*edges: tuple[int, int, int, int], width: int = 8, height: int = 8) -> TrueBoxes:
    return TrueBoxes(np.array(edges, dtype=np.int32), width, height)


def test_a_box_for_each_threshold_by_hand() -> None:
    """Cells are 2x2 pixels; see the 4x4 map of the rule's own oracle: three boxes and an empty set."""
    protocol = BoxProtocol(thresholds=(0.5, 0.65, 0.85, 0.95))
    swept = sweep(ONE, [true_boxes((2, 2, 3, 3))], [SQUARE], protocol)
    assert swept.boxes[0, :3].tolist() == [[2, 2, 7, 7], [2, 2, 7, 7], [2, 2, 3, 3]]
    assert np.isnan(swept.boxes[0, 3]).all()
    assert swept.iou[0].tolist() == [4 / 36, 4 / 36, 1, 0]


def test_the_best_of_several_true_boxes_counts() -> None:
    protocol = BoxProtocol(thresholds=(0.5,))
    truth = true_boxes((0, 0, 1, 1), (2, 2, 7, 6), (2, 2, 3, 3))
    assert sweep(ONE, [truth], [SQUARE], protocol).iou[0, 0] == 30 / 36


def test_inclusive_and_exclusive_areas() -> None:
    truth = [true_boxes((2, 2, 7, 4))]
    inclusive = BoxProtocol(thresholds=(0.5,))
    exclusive = replace(inclusive, rule=LocalisationProtocol(extent=BoxExtent.EXCLUSIVE))
    assert sweep(ONE, truth, [SQUARE], inclusive).iou[0, 0] == 18 / 36
    assert sweep(ONE, truth, [SQUARE], exclusive).iou[0, 0] == 10 / 25


def test_the_box_of_a_crop_by_hand() -> None:
    """An image of 32x24 pixels was resized to 16x12; the crop is 8x8 from column 4 and row 2 on.

    The box x 2..7, y 2..7 of the crop is x 12..23, y 8..19 of the image.
    """
    where = [Placement((12, 16), (2, 4), (8, 8))]
    truth = [true_boxes((12, 8, 23, 19), width=32, height=24)]
    image = sweep(ONE, truth, where, BoxProtocol(BoxFrame.BOX_IN_IMAGE, thresholds=(0.5,)))
    crop = sweep(ONE, truth, where, BoxProtocol(BoxFrame.TRUTH_IN_CROP, thresholds=(0.5,)))
    assert image.boxes[0, 0].tolist() == [12, 8, 23, 19]
    assert crop.boxes[0, 0].tolist() == [2, 2, 7, 7]
    assert image.iou[0, 0] == crop.iou[0, 0] == 1


def test_what_the_crop_cuts_off_counts_in_the_image_only() -> None:
    """A true box reaching beyond the crop is cut at its edge: x 2..15 becomes x 2..7, and the box is perfect there."""
    where = [Placement((8, 16), (0, 0), (8, 8))]
    truth = [true_boxes((2, 2, 15, 7), width=16, height=8)]
    assert sweep(ONE, truth, where, BoxProtocol(BoxFrame.TRUTH_IN_CROP, thresholds=(0.5,))).iou[0, 0] == 1
    assert sweep(ONE, truth, where, BoxProtocol(BoxFrame.BOX_IN_IMAGE, thresholds=(0.5,))).iou[0, 0] == 36 / 84
    outside = [true_boxes((9, 0, 15, 7), width=16, height=8)]
    assert sweep(ONE, outside, where, BoxProtocol(BoxFrame.TRUTH_IN_CROP, thresholds=(0.5,))).iou[0, 0] == 0


def drawn(random: np.random.Generator, count: int) -> tuple[ClassActivation, list[TrueBoxes], list[Placement]]:
    """Return maps, images of random sizes with 1 to 3 boxes, and their central crops."""
    response = random.random((count, 5, 7))
    truth, where = [], []
    for _ in range(count):
        width, height = random.integers(20, 90, 2)
        corners = random.integers(0, (width - 1, height - 1), (random.integers(1, 4), 2, 2))
        edges = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.int32)
        truth.append(TrueBoxes(edges, int(width), int(height)))
        where.append(placement(height, width, ClassificationProtocol(shorter_side=40, crop=32)))
    return ClassActivation(response, random.random(response.shape) > 0.4), truth, where


@given(SEEDS)
def test_iou_in_the_image_by_counting_fine_squares(seed: int) -> None:
    """The continuous IoU, approached by counting the centres of small squares that lie in one box and in both."""
    activation, truth, where = drawn(np.random.default_rng(seed), 1)
    swept = sweep(activation, truth, where, BoxProtocol(BoxFrame.BOX_IN_IMAGE, thresholds=(0.3,)))
    rows, columns = np.mgrid[0 : truth[0].height : 0.125, 0 : truth[0].width : 0.125] + 0.0625

    def inside(box: np.ndarray) -> np.ndarray:
        x1, y1, x2, y2 = box
        return (columns >= x1) & (columns < x2 + 1) & (rows >= y1) & (rows < y2 + 1)

    own = inside(swept.boxes[0, 0])
    counted = max((own & inside(box)).sum() / (own | inside(box)).sum() for box in truth[0].edges.astype(float))
    assert swept.iou[0, 0] == pytest.approx(counted, abs=0.05)


@given(SEEDS)
def test_where_the_crop_holds_all_boxes_both_ways_agree(seed: int) -> None:
    random = np.random.default_rng(seed)
    activation, truth, where = drawn(random, 4)
    inner = []
    for image, place in zip(truth, where, strict=True):
        x, y = (np.array(place.corner[::-1]) + 2) * (image.width, image.height) // place.resized[::-1] + 1
        inner.append(TrueBoxes(np.array([[x, y, x + 3, y + 2]], dtype=np.int32), image.width, image.height))
    both = [sweep(activation, inner, where, BoxProtocol(f)) for f in (BoxFrame.BOX_IN_IMAGE, BoxFrame.TRUTH_IN_CROP)]
    assert np.allclose(both[0].iou, both[1].iou, rtol=0, atol=1e-12)


@given(SEEDS, st.integers(2, 9))
def test_choosing_is_that_of_the_engine_on_maps_of_one_shape(seed: int, count: int) -> None:
    """A whole image as a square: the engine works in the square's pixels, this module in the image's."""
    random = np.random.default_rng(seed)
    activation, truth, _ = drawn(random, count)
    hits = random.random(count) > 0.3
    side = 32
    where = [Placement((side, side), (0, 0), (side, side))] * count
    protocol = BoxProtocol()
    found = choose(sweep(activation, truth, where, protocol), hits, protocol)
    owners, end = np.repeat(np.arange(count), [len(image.edges) for image in truth]), np.array([0, 0, 1, 1])
    scale = [side / np.array([truth[o].width, truth[o].height] * 2) for o in owners]
    edges = np.concatenate([image.edges for image in truth]) + end
    scaled = edges * np.stack(scale) - end
    expected = cross_fit(BoxedImages(hits, activation, scaled, owners, (side, side)), protocol.rule)
    assert found.thresholds == expected.thresholds
    assert np.allclose(found.iou, expected.iou, rtol=0, atol=1e-12)


def test_images_of_even_place_get_the_threshold_of_those_of_odd_place() -> None:
    iou = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], dtype=np.float64)
    protocol = BoxProtocol(thresholds=(0.1, 0.2))
    found = choose(Sweep(np.zeros((4, 2, 4)), iou), np.ones(4, dtype=bool), protocol)
    assert found.thresholds == (0.2, 0.1)
    assert found.iou.tolist() == [0, 0, 0, 0]
    missed = choose(Sweep(np.zeros((4, 2, 4)), iou), np.array([True, False, True, False]), protocol)
    assert missed.thresholds == (0.1, 0.1)
    assert missed.iou.tolist() == [1, 0, 1, 0]


def test_a_fixed_threshold_is_not_chosen() -> None:
    iou = np.array([[0.4], [0.5], [0.6]])
    found = choose(Sweep(np.zeros((3, 1, 4)), iou), np.zeros(3, dtype=bool), BoxProtocol(thresholds=(0.3,)))
    assert found.thresholds == (0.3,)
    assert found.iou.tolist() == [0.4, 0.5, 0.6]


def test_an_iou_of_exactly_one_half_is_judged_by_the_rule() -> None:
    iou = np.array([[0.5, 0.6], [0.5, 0.4]])
    at_least = BoxProtocol(rule=LocalisationProtocol(overlap=OverlapTest.AT_LEAST), thresholds=(0.1, 0.2))
    greater = BoxProtocol(thresholds=(0.1, 0.2))
    swept, hits = Sweep(np.zeros((2, 2, 4)), iou), np.ones(2, dtype=bool)
    assert choose(swept, hits, at_least).thresholds == (0.1, 0.1)
    assert choose(swept, hits, greater).thresholds == (0.1, 0.2)


@pytest.mark.parametrize("thresholds", [(), (0.2, 0.1), (0.1, 0.1)])
def test_thresholds_ascend(thresholds: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="thresholds that ascend"):
        BoxProtocol(thresholds=thresholds)


def test_an_empty_set_may_stand_for_the_whole_image() -> None:
    rule = LocalisationProtocol(empty_set=EmptySet.WHOLE_IMAGE)
    swept = sweep(ONE, [true_boxes((0, 0, 7, 7))], [SQUARE], BoxProtocol(rule=rule, thresholds=(0.5, 0.95)))
    assert swept.boxes[0].tolist() == [[2, 2, 7, 7], [0, 0, 7, 7]]
    assert swept.iou[0].tolist() == [36 / 64, 1]


def test_frames_say_what_the_network_sees() -> None:
    assert {frame: BoxProtocol(frame).shown(ClassificationProtocol()).frame for frame in BoxFrame} == {
        BoxFrame.TRUTH_IN_CROP: Frame.CENTRE,
        BoxFrame.BOX_IN_IMAGE: Frame.CENTRE,
        BoxFrame.STRETCHED: Frame.STRETCHED,
        BoxFrame.WHOLE: Frame.WHOLE,
    }
    with pytest.raises(ValueError, match="1 maps, 2 truths"):
        sweep(ONE, [true_boxes((0, 0, 1, 1))] * 2, [SQUARE], BoxProtocol())
