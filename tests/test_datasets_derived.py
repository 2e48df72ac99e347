"""Evaluation sets made of others."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation_sets import labelled
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.datasets.derived import reordered, resized
from harness.datasets.labelled import LabelledImages
from harness.datasets.segmented import VOID


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> LabelledImages:
    return labelled(tmp_path_factory.mktemp("noise"), [(12, 18), (9, 30)])


@given(order=st.permutations(["0", "1", "2", "3"]))
@settings(max_examples=10)
def test_classes_in_another_order_name_the_same_pixels(images: LabelledImages, order: list[str]) -> None:
    other = reordered(images, order)
    for index in range(len(images)):
        before, after = images.truth(index), other.truth(index)
        assert np.array_equal(before == VOID, after == VOID)
        for row, column in np.argwhere(before != VOID):
            assert images.class_names[before[row, column]] == other.class_names[after[row, column]]
    assert other.split == images.split


def test_other_classes_are_refused(images: LabelledImages) -> None:
    with pytest.raises(ValueError, match="has the classes"):
        reordered(images, ["0", "1", "2", "sky"])


def test_images_and_labels_of_another_size(images: LabelledImages) -> None:
    """Labels by the nearest of pixel centres, worked out by hand; halving an image is a mean of few pixels."""
    half = resized(images, 6, 9)
    assert np.array_equal(half.truth(0), images.truth(0)[1::2, 1::2])
    shown = Image.fromarray(images.image(1)).resize((9, 6), Image.Resampling.BILINEAR)
    assert np.array_equal(half.image(1), np.asarray(shown))
    assert half.truth(1).shape == (6, 9)
    same = resized(images, 12, 18)
    assert np.array_equal(same.image(0), images.image(0))
    assert np.array_equal(same.truth(0), images.truth(0))
    with pytest.raises(ValueError, match="1 row"):
        resized(images, 0, 4)


def test_one_after_the_other(images: LabelledImages) -> None:
    order = ["3", "2", "1", "0"]
    first, second = resized(reordered(images, order), 24, 36), reordered(resized(images, 24, 36), order)
    assert np.array_equal(first.truth(0), second.truth(0))
    assert np.array_equal(first.truth(0)[::2, ::2], reordered(images, order).truth(0))


def test_files_are_read_through(images: LabelledImages) -> None:
    assert resized(images, 4, 4).items == images.items
    assert images.read_image(images.items[0].image).shape == (12, 18, 3)
