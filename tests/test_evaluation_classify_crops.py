"""What a classifier is shown, beside torchvision's transforms, and where it lies in the image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import functional as official
from torchvision.transforms.functional import InterpolationMode

from harness.errors import UsageError
from harness.evaluation.crops import IMAGENET, ClassificationProtocol, Frame, Rounding, frames, placement
from harness.evaluation.preprocess import normalised
from harness.evaluation.protocol import Kernel

SIDES = st.tuples(st.integers(1, 90), st.integers(1, 90))
SMALL = ClassificationProtocol(shorter_side=32, crop=28)
KERNELS = {
    Kernel.NEAREST: InterpolationMode.NEAREST,
    Kernel.BILINEAR: InterpolationMode.BILINEAR,
    Kernel.BICUBIC: InterpolationMode.BICUBIC,
}


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """Noise over a gradient: every pixel counts, and so does its place."""
    noise = np.random.default_rng([height, width]).integers(0, 200, (height, width, 3))
    ramp = np.linspace(0, 55, height * width).reshape(height, width, 1)
    return (noise + ramp).astype(np.uint8)


@given(SIDES, st.sampled_from(list(Kernel)))
def test_the_central_crop_is_that_of_torchvision(sides: tuple[int, int], kernel: Kernel) -> None:
    image = picture(*sides)
    shown = frames(image, replace(SMALL, kernel=kernel))
    resized = official.resize(Image.fromarray(image), [32], KERNELS[kernel])
    assert np.array_equal(shown[0], np.asarray(official.center_crop(resized, [28, 28])))


@given(SIDES)
def test_ten_crops_are_those_of_torchvision_with_the_centre_first(sides: tuple[int, int]) -> None:
    """torchvision mirrors the image, not the crops: left and right change places, and an odd rest moves the centre."""
    image = picture(*sides)
    shown = frames(image, replace(SMALL, frame=Frame.TEN))
    ten = [np.asarray(crop) for crop in official.ten_crop(official.resize(Image.fromarray(image), [32]), [28, 28])]
    assert np.array_equal(shown[:5], np.stack([ten[place] for place in (4, 0, 1, 2, 3)]))
    assert np.array_equal(shown[6:], np.stack([ten[place] for place in (6, 5, 8, 7)]))
    assert np.array_equal(shown[5], ten[4][:, ::-1])
    if placement(*sides, SMALL).resized[1] % 2 == 0:
        assert np.array_equal(shown[5], ten[9])


@given(SIDES, st.sampled_from([Kernel.BILINEAR, Kernel.BICUBIC]))
def test_without_antialiasing_the_pixels_are_those_of_torchvision_on_tensors(
    sides: tuple[int, int], kernel: Kernel
) -> None:
    image = picture(*sides)
    shown = frames(image, replace(SMALL, kernel=kernel, antialias=False))
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    resized = official.resize(tensor, [32], KERNELS[kernel], antialias=False)
    assert np.array_equal(shown[0], official.center_crop(resized, [28, 28]).permute(1, 2, 0).numpy())


@given(SIDES)
def test_the_whole_image_is_resized_or_stretched(sides: tuple[int, int]) -> None:
    image = picture(*sides)
    whole = frames(image, replace(SMALL, frame=Frame.WHOLE))
    assert np.array_equal(whole[0], np.asarray(official.resize(Image.fromarray(image), [32])))
    stretched = frames(image, replace(SMALL, frame=Frame.STRETCHED))
    assert np.array_equal(stretched[0], np.asarray(official.resize(Image.fromarray(image), [28, 28])))


def test_normalisation_is_bit_for_bit_that_of_torchvision() -> None:
    image = picture(30, 41)
    expected = official.normalize(official.to_tensor(image), IMAGENET.mean, IMAGENET.deviation)
    assert torch.equal(normalised(torch.from_numpy(image), IMAGENET), expected)


def test_rounding_is_a_setting() -> None:
    """500x375: 256 * 500 / 375 = 341.33; 353x256 leaves 129 pixels beside a crop, half of which is 64.5."""
    assert placement(375, 500, ClassificationProtocol()).resized == (256, 341)
    assert placement(333, 500, ClassificationProtocol()).resized == (256, 384)
    assert placement(333, 500, ClassificationProtocol(long_side=Rounding.ROUND)).resized == (256, 384)
    assert placement(500, 334, ClassificationProtocol()).resized == (383, 256)
    assert placement(501, 334, ClassificationProtocol()).resized == (384, 256)
    assert placement(1000, 667, ClassificationProtocol()).resized == (383, 256)
    assert placement(1000, 667, ClassificationProtocol(long_side=Rounding.ROUND)).resized == (384, 256)
    wide = ClassificationProtocol(shorter_side=256, crop=224)
    assert placement(256, 353, wide).corner == (16, 64)
    assert placement(256, 355, wide).corner == (16, 66)
    assert placement(256, 355, replace(wide, offset=Rounding.FLOOR)).corner == (16, 65)


@given(SIDES, st.sampled_from(list(Frame)), st.sampled_from(list(Rounding)))
def test_every_frame_lies_in_the_resized_image(sides: tuple[int, int], frame: Frame, rounding: Rounding) -> None:
    protocol = replace(SMALL, frame=frame, offset=rounding, long_side=rounding)
    where = placement(*sides, protocol)
    for corner, side, whole in zip(where.corner, where.size, where.resized, strict=True):
        assert 0 <= corner <= corner + side <= whole
    assert frames(picture(*sides), protocol).shape[1:3] == where.size


def test_a_crop_must_fit() -> None:
    with pytest.raises(UsageError, match="224 pixels does not fit a shorter side of 200"):
        ClassificationProtocol(shorter_side=200)
