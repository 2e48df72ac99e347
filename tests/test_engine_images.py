"""Variation and normalisation of images, held against numpy."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.engine.images import Normalisation, Variation
from harness.engine.recipe import Training

CPU = torch.device("cpu")


def _training(shift: int, flip: bool) -> Training:
    return Training(epochs=1, batch=2, learning_rate=0.1, shift=shift, flip=flip)


@given(st.integers(0, 2**32), st.integers(0, 50), st.integers(0, 6), st.booleans(), st.data())
def test_variation_is_reflection_padding_a_crop_and_a_mirror(
    seed: int, epoch: int, shift: int, flip: bool, data: st.DataObject
) -> None:
    height, width = data.draw(st.integers(8, 12)), data.draw(st.integers(8, 12))
    images = np.random.default_rng(seed).integers(0, 256, (5, height, width, 3), dtype=np.uint8)
    masks = images[..., 0] // 30
    variation = Variation.draw(5, _training(shift, flip), seed, epoch, CPU)
    pixels, labels = variation.batch(0, 5, torch.from_numpy(images), torch.from_numpy(masks))
    for place in range(5):
        padded = np.pad(images[variation.order[place]], ((shift, shift), (shift, shift), (0, 0)), mode="reflect")
        down, right = (shift - int(value) for value in variation.shifts[place])
        expected = padded[down : down + height, right : right + width]
        if variation.mirrored[place]:
            expected = expected[:, ::-1]
        assert np.array_equal(pixels[place].numpy(), expected)
        assert np.array_equal(labels[place].numpy(), expected[..., 0] // 30)


def test_without_shift_and_flip_only_the_order_changes() -> None:
    images = torch.arange(4 * 3 * 3).reshape(4, 3, 3).to(torch.uint8)
    variation = Variation.draw(4, _training(0, False), 7, 0, CPU)
    (varied,) = variation.batch(1, 4, images)
    assert torch.equal(varied, images[variation.order[1:4]])


def test_a_draw_depends_on_seed_and_epoch_alone() -> None:
    def draw(seed: int, epoch: int) -> tuple[list[int], list[list[int]], list[bool]]:
        variation = Variation.draw(100, _training(4, True), seed, epoch, CPU)
        return variation.order.tolist(), variation.shifts.tolist(), variation.mirrored.tolist()

    first = draw(1, 2)
    torch.manual_seed(99)
    np.random.default_rng(5).random(10)
    assert draw(1, 2) == first
    assert sorted(first[0]) == list(range(100))
    assert draw(1, 3)[0] != first[0]
    assert draw(2, 2)[0] != first[0]
    shifts = np.array(draw(1, 4)[1])
    assert shifts.min() == -4
    assert shifts.max() == 4


def test_normalised_training_images_have_mean_0_and_deviation_1() -> None:
    images = np.random.default_rng(0).integers(10, 200, (6, 9, 7, 3), dtype=np.uint8)
    images[..., 2] = 17
    normalised = Normalisation.of(images, CPU)(torch.from_numpy(images))
    assert normalised.shape == (6, 3, 9, 7)
    assert normalised.is_contiguous()
    assert torch.allclose(normalised.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(normalised[:, :2].std((0, 2, 3), correction=0), torch.ones(2), atol=1e-5)
    assert not normalised[:, 2].any()
