"""Bands around boundaries against dilation, against pixel-by-pixel search, and against a worked example."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from sklearn.metrics import confusion_matrix

from harness.metrics.segmentation import class_iou, confusion_counts, mean_iou, pixel_accuracy
from harness.metrics.trimap import WIDTHS, Boundary, band_counts, boundary_distance, trimap_counts

Labels = NDArray[np.uint8]
CLASSES = 3
shapes = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))
truths = shapes.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 255])))
seeds = st.integers(0, 2**32 - 1)


def guesses(truth: Labels, seed: int) -> Labels:
    return np.random.default_rng(seed).integers(0, CLASSES, truth.shape, dtype=np.uint8)


def test_worked_example(shared: Callable[[str], Path]) -> None:
    expected = json.loads(shared("metric_oracles.json").read_text())["trimap"]
    truth = np.tile(np.array([0, 0, 0, 255, 1, 1, 1], dtype=np.uint8), (1, 5, 1))
    predicted = np.tile(np.array([0, 0, 0, 0, 0, 1, 1], dtype=np.uint8), (1, 5, 1))
    counts = trimap_counts(truth, predicted, 2, expected["widths"])
    assert counts.sum(axis=(1, 2, 3)).tolist() == expected["pixels"] == [10, 20, 30]
    assert [mean_iou(band) for band in counts] == pytest.approx(expected["miou"], abs=1e-12)
    assert class_iou(counts.sum(axis=1))[1].tolist() == pytest.approx([2 / 3, 1 / 2])
    assert [pixel_accuracy(band) for band in counts] == pytest.approx([1 / 2, 3 / 4, 5 / 6])


@given(truth=truths, seed=seeds, width=st.integers(1, 6))
def test_band_of_void_is_its_dilation_by_a_square(truth: Labels, seed: int, width: int) -> None:
    """scipy's dilation and scikit-learn's confusion matrix, image by image."""
    predicted = guesses(truth, seed)
    counts = band_counts(truth, predicted, CLASSES, width)
    square = np.ones((2 * width + 1, 2 * width + 1), dtype=bool)
    for labels, guess, found in zip(truth, predicted, counts, strict=True):
        void = labels == 255
        band = binary_dilation(void, structure=square) & ~void
        expected = np.zeros((CLASSES, CLASSES))
        if band.any():
            expected = confusion_matrix(labels[band], guess[band], labels=range(CLASSES))
        assert (found[:, :CLASSES] == expected).all()
        assert (found[:, CLASSES] == 0).all()


@given(truth=truths, width=st.integers(1, 4))
def test_band_of_classes_is_what_lies_near_another_class(truth: Labels, width: int) -> None:
    band = boundary_distance(truth, Boundary.CLASSES) <= width
    images, height, width_of_image = truth.shape
    for n, y, x in itertools.product(range(images), range(height), range(width_of_image)):
        window = truth[n, max(0, y - width) : y + width + 1, max(0, x - width) : x + width + 1]
        differing = (window != truth[n, y, x]) & (window != 255)
        assert band[n, y, x] == (truth[n, y, x] != 255 and differing.any())


@given(truth=truths, seed=seeds, boundary=st.sampled_from(Boundary))
def test_bands_grow_to_the_whole_image(truth: Labels, seed: int, boundary: Boundary) -> None:
    """The widest band of these small images is all that has a boundary in its image."""
    predicted = guesses(truth, seed)
    counts = trimap_counts(truth, predicted, CLASSES, WIDTHS, boundary)
    assert counts.shape == (40, len(truth), CLASSES, CLASSES + 1)
    assert (np.diff(counts, axis=0) >= 0).all()
    whole = confusion_counts(truth, predicted, CLASSES)
    present = [set(np.unique(labels).tolist()) for labels in truth]
    bounded = [255 in values if boundary is Boundary.VOID else len(values - {255}) > 1 for values in present]
    assert (counts[-1] == np.where(np.array(bounded)[:, None, None], whole, 0)).all()


def test_predictions_outside_the_classes_are_misses_in_the_band() -> None:
    truth = np.array([[[0, 255, 1]]], dtype=np.uint8)
    counts = band_counts(truth, np.array([[[0, 0, 7]]]), 2, 1)
    assert counts.tolist() == [[[1, 0, 0], [0, 0, 1]]]


def test_bad_input_is_refused() -> None:
    truth = np.zeros((1, 4, 4), dtype=np.uint8)
    for widths in ((), (0,), (3, -1)):
        with pytest.raises(ValueError, match="widths of 1 pixel"):
            trimap_counts(truth, truth, 2, widths)
    with pytest.raises(ValueError, match="truth \\[N, H, W\\]"):
        band_counts(truth[0], truth[0], 2, 1)
    with pytest.raises(ValueError, match="two arrays"):
        band_counts(truth, truth[:, 1:], 2, 1)
    with pytest.raises(ValueError, match=r"neither in 0\.\.1 nor void"):
        band_counts(np.array([[[2, 255]]]), np.array([[[0, 0]]]), 2, 1)
