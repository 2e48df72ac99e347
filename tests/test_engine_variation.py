"""Variation of images: held against torch's interpolation, numpy's padding and exact fractions."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare
from torch import Tensor
from torch.nn import functional as F

from harness.datasets.segmented import VOID
from harness.engine.examples import Images
from harness.engine.images import Normalisation
from harness.engine.recipe import UNVARIED, Augmentation, Outside
from harness.engine.variation import Variation

CPU = torch.device("cpu")
SCALES = (0.25, 0.3, 0.5, 0.75, 1.0, 1.3, 1.5, 2.0)
LABELS = (0, 3, 200, VOID)
PLAIN = Normalisation(torch.zeros(3), torch.ones(3))
IMAGENET = Normalisation(torch.tensor([123.7, 116.3, 103.5]), torch.tensor([58.4, 57.1, 57.4]))
OUTSIDE: tuple[Outside, ...] = ("reflection", "mean")
Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]


@st.composite
def cuts(draw: st.DrawFn) -> Augmentation:
    scales = draw(st.lists(st.sampled_from(SCALES), max_size=3))
    crop = draw(st.tuples(st.integers(1, 24), st.integers(1, 24)))
    return Augmentation(0, draw(st.booleans()), tuple(scales), crop, draw(st.sampled_from(OUTSIDE)))


@st.composite
def image_sets(draw: st.DrawFn) -> Images:
    """Five images of 4 to 9 pixels a side, in frames."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, columns = draw(st.integers(4, 9)), draw(st.integers(4, 9))
    pixels = random.integers(0, 256, (5, rows, columns, 3), dtype=np.uint8)
    labels = random.choice(np.array(LABELS, np.uint8), size=(5, rows, columns))
    extents = np.stack([random.integers(4, rows + 1, 5), random.integers(4, columns + 1, 5)], axis=1)
    return Images(torch.from_numpy(pixels), torch.from_numpy(labels), IMAGENET, torch.from_numpy(extents))


def scaled_image(pixels: Bytes, scale: float) -> Floats:
    whole = torch.from_numpy(pixels).double().permute(2, 0, 1)[None]
    scaled = F.interpolate(
        whole, scale_factor=scale, mode="bilinear", align_corners=False, recompute_scale_factor=False
    )
    array: Floats = scaled[0].permute(1, 2, 0).numpy()
    return array


def scaled_labels(labels: Bytes, scale: float, size: tuple[int, int]) -> Bytes:
    """Take the pixel in which the centre of each scaled pixel lies, in exact fractions."""
    factor = Fraction(scale).limit_denominator(100)
    rows, columns = ([int((place + Fraction(1, 2)) / factor) for place in range(length)] for length in size)
    chosen: Bytes = labels[np.ix_(np.minimum(rows, len(labels) - 1), np.minimum(columns, labels.shape[1] - 1))]
    return chosen


def cut_whole(images: Images, variation: Variation, place: int) -> tuple[Floats, Bytes]:
    """Scale, pad, cut and mirror one whole image, a step at a time."""
    assert images.extents is not None
    assert variation.augmentation.crop is not None
    which, scale = int(variation.order[place]), float(variation.scales[place])
    rows, columns = images.extents[which].tolist()
    image = scaled_image(images.pixels[which, :rows, :columns].numpy(), scale)
    image = (image - IMAGENET.mean.double().numpy()) / IMAGENET.deviation.double().numpy()
    labels = scaled_labels(images.targets[which, :rows, :columns].numpy(), scale, image.shape[:2])
    beyond = [
        (0, max(side - length, 0)) for side, length in zip(variation.augmentation.crop, labels.shape, strict=True)
    ]
    labels = np.pad(labels, beyond, constant_values=VOID)
    reflected = variation.augmentation.outside == "reflection"
    image = np.pad(image, [*beyond, (0, 0)], mode="reflect") if reflected else np.pad(image, [*beyond, (0, 0)])
    places = np.array(labels.shape) - variation.augmentation.crop + 1
    top, left = np.floor(variation.corners[place].numpy() * places).astype(int)
    piece = (slice(top, top + variation.augmentation.crop[0]), slice(left, left + variation.augmentation.crop[1]))
    image, labels = image[piece], labels[piece]
    return (image[:, ::-1], labels[:, ::-1]) if variation.mirrored[place] else (image, labels)


@given(image_sets(), cuts(), st.integers(0, 2**32))
def test_one_sampling_equals_scaling_padding_cutting_and_mirroring(
    images: Images, augmentation: Augmentation, seed: int
) -> None:
    variation = Variation.draw(5, augmentation, seed, 0, CPU)
    inputs, targets = images.batch(variation, 0, 5)
    assert inputs.dtype == torch.float32
    assert targets.dtype == torch.int64
    assert inputs.shape == (5, 3, *(augmentation.crop or ()))
    for place in range(5):
        image, labels = cut_whole(images, variation, place)
        assert np.allclose(inputs[place].permute(1, 2, 0).numpy(), image, rtol=0, atol=2e-6)
        assert np.array_equal(targets[place].numpy(), labels)


@given(image_sets(), cuts())
def test_labels_are_never_interpolated_and_void_stays_void(images: Images, augmentation: Augmentation) -> None:
    _, targets = images.batch(Variation.draw(5, augmentation, 1, 0, CPU), 0, 5)
    assert set(targets.flatten().tolist()) <= set(LABELS)
    void = replace(images, targets=torch.full_like(images.targets, VOID))
    _, targets = void.batch(Variation.draw(5, augmentation, 1, 0, CPU), 0, 5)
    assert (targets == VOID).all()


@given(image_sets(), cuts(), st.integers(0, 2**32))
def test_what_pads_a_frame_is_never_seen(images: Images, augmentation: Augmentation, seed: int) -> None:
    assert images.extents is not None
    rows, columns = (torch.arange(side) for side in images.targets.shape[1:])
    filled = (rows < images.extents[:, :1])[:, :, None] & (columns < images.extents[:, 1:])[:, None, :]
    other = replace(
        images,
        pixels=torch.where(filled[..., None], images.pixels, 255 - images.pixels),
        targets=torch.where(filled, images.targets, 7),
    )
    variation = Variation.draw(5, augmentation, seed, 0, CPU)
    for left, right in zip(images.batch(variation, 0, 5), other.batch(variation, 0, 5), strict=True):
        assert torch.equal(left, right)


@given(image_sets(), cuts(), st.integers(0, 5))
def test_slices_of_a_batch_have_the_bits_of_the_batch(images: Images, augmentation: Augmentation, middle: int) -> None:
    variation = Variation.draw(5, augmentation, 3, 0, CPU)
    whole = images.batch(variation, 0, 5)
    parts = list(images.batches(variation, [(0, middle), (middle, 5)]))
    for joined, pieces in zip(whole, zip(*parts, strict=True), strict=True):
        assert torch.equal(joined, torch.cat(pieces))


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.0, 1.37, 2.0])
@pytest.mark.parametrize("flip", [False, True])
def test_image_and_labels_stay_together(scale: float, flip: bool) -> None:
    """Colours and labels that tell their places: within an image, interpolation of a ramp is exact."""
    rows, columns = torch.meshgrid(torch.arange(40), torch.arange(60), indexing="ij")
    pixels = torch.stack([rows, columns, rows], dim=-1).to(torch.uint8).expand(16, 40, 60, 3)
    images = Images(pixels, columns.to(torch.uint8).expand(16, 40, 60), PLAIN)
    varied = Variation.draw(16, Augmentation(flip=flip, scales=(scale,), crop=(30, 90)), 5, 0, CPU)
    inputs, targets = images.batch(varied, 0, 16)
    inside = targets != VOID
    assert (inputs[:, 1] - targets).abs()[inside].max() <= 0.5
    steps = inputs[:, 1].diff(dim=2)[inside[:, :, 1:] & inside[:, :, :-1]].abs()
    assert torch.allclose(steps.median(), torch.tensor(1 / scale), atol=1e-4)
    signs = (inputs[:, 1, :, -1] - inputs[:, 1, :, 0]).sign()
    if scale >= 1.5:
        assert torch.equal(signs[:, 0] < 0, varied.mirrored)
    assert varied.mirrored.any() == flip


def test_outside_is_exactly_the_normalised_mean_and_void() -> None:
    images = Images(torch.full((4, 5, 6, 3), 9, dtype=torch.uint8), torch.ones(4, 5, 6, dtype=torch.uint8), IMAGENET)
    augmentation = Augmentation(flip=False, scales=(0.5, 1.0), crop=(8, 7), outside="mean")
    variation = Variation.draw(4, augmentation, 0, 0, CPU)
    inputs, targets = images.batch(variation, 0, 4)
    assert {0.5, 1.0} == set(variation.scales.tolist())
    for image, labels, scale in zip(inputs, targets, variation.scales.tolist(), strict=True):
        rows, columns = int(5 * scale), int(6 * scale)
        assert (labels[:rows, :columns] == 1).all()
        assert int((labels == VOID).sum()) == 8 * 7 - rows * columns
        assert not image[:, labels == VOID].any()
        assert image[:, labels == 1].all()


def test_the_layout_of_images_stays() -> None:
    sampling = Variation.draw(3, Augmentation(crop=(8, 7), outside="mean"), 0, 0, CPU).sampling(0, 3, (5, 6))
    inputs = torch.ones(3, 3, 8, 7)
    for order in (torch.channels_last, torch.contiguous_format):
        cleared = sampling.clear_outside(inputs.contiguous(memory_format=order))
        assert cleared.is_contiguous(memory_format=order)
        assert cleared.dtype == torch.float32
        assert int(cleared.sum()) == 3 * 3 * 5 * 6


def test_every_place_of_the_crop_is_as_likely() -> None:
    rows, columns = torch.meshgrid(torch.arange(6), torch.arange(9), indexing="ij")
    pixels = torch.stack([rows, columns, rows], dim=-1).to(torch.uint8).expand(9000, 6, 9, 3)
    images = Images(pixels, torch.zeros(9000, dtype=torch.int64), PLAIN)
    inputs, _ = images.batch(Variation.draw(9000, Augmentation(flip=False, crop=(4, 5)), 11, 0, CPU), 0, 9000)
    corners = inputs[:, 0, 0, 0] * 5 + inputs[:, 1, 0, 0]
    counts = np.bincount(corners.long().numpy(), minlength=15)
    assert len(counts) == 15
    assert chisquare(counts).pvalue > 0.001


def test_scales_and_mirroring_are_as_likely_and_independent() -> None:
    variation = Variation.draw(8000, Augmentation(scales=(0.5, 0.75, 1.0, 1.25), crop=(4, 4)), 2, 0, CPU)
    cells = (variation.scales * 4 - 2).long() * 2 + variation.mirrored
    assert chisquare(np.bincount(cells.numpy(), minlength=8)).pvalue > 0.001


@given(st.integers(0, 2**32), st.integers(0, 50), st.integers(0, 6), st.booleans(), st.data())
def test_without_a_crop_variation_is_reflection_padding_a_shift_and_a_mirror(
    seed: int, epoch: int, shift: int, flip: bool, data: st.DataObject
) -> None:
    height, width = data.draw(st.integers(3, 12)), data.draw(st.integers(3, 12))
    pixels = np.random.default_rng(seed).integers(0, 256, (5, height, width, 3), dtype=np.uint8)
    masks = pixels[..., 0] // 30
    variation = Variation.draw(5, Augmentation(shift, flip), seed, epoch, CPU)
    images = Images(torch.from_numpy(pixels), torch.from_numpy(masks), PLAIN)
    inputs, labels = images.batch(variation, 0, 5)
    for place in range(5):
        padded = np.pad(pixels[variation.order[place]], ((shift, shift), (shift, shift), (0, 0)), mode="reflect")
        down, right = (shift - int(value) for value in variation.shifts[place])
        expected = padded[down : down + height, right : right + width]
        if variation.mirrored[place]:
            expected = expected[:, ::-1]
        assert np.array_equal(inputs[place].permute(1, 2, 0).numpy(), expected)
        assert np.array_equal(labels[place].numpy(), expected[..., 0] // 30)


def test_unvaried_images_only_change_their_order() -> None:
    pixels = torch.arange(4 * 3 * 3 * 3).reshape(4, 3, 3, 3).to(torch.uint8)
    variation = Variation.draw(4, UNVARIED, 7, 0, CPU)
    inputs, classes = Images(pixels, torch.arange(4) * 2, PLAIN).batch(variation, 1, 4)
    assert torch.equal(inputs, pixels[variation.order[1:4]].permute(0, 3, 1, 2).float())
    assert torch.equal(classes, variation.order[1:4] * 2)


def _draws(variation: Variation) -> tuple[Tensor, ...]:
    return variation.order, variation.shifts, variation.mirrored, variation.scales, variation.corners


def test_a_draw_depends_on_seed_and_epoch_alone() -> None:
    augmentation = Augmentation(shift=4)

    def draw(seed: int, epoch: int) -> tuple[Tensor, ...]:
        return _draws(Variation.draw(100, augmentation, seed, epoch, CPU))

    first = draw(1, 2)
    torch.manual_seed(99)
    np.random.default_rng(5).random(10)
    assert all(map(torch.equal, draw(1, 2), first))
    assert sorted(first[0].tolist()) == list(range(100))
    assert not torch.equal(draw(1, 3)[0], first[0])
    assert not torch.equal(draw(2, 2)[0], first[0])
    shifts = draw(1, 4)[1]
    assert (int(shifts.min()), int(shifts.max())) == (-4, 4)


def test_scales_and_crops_leave_the_order_and_mirroring_of_a_seed_as_they_are() -> None:
    plain = Variation.draw(50, Augmentation(), 3, 1, CPU)
    cut = Variation.draw(50, Augmentation(scales=(0.5, 2.0), crop=(3, 3)), 3, 1, CPU)
    assert torch.equal(plain.order, cut.order)
    assert torch.equal(plain.mirrored, cut.mirrored)


@pytest.mark.parametrize("outside", OUTSIDE)
@pytest.mark.parametrize("crop", [None, (6, 8)])
def test_nothing_waits_for_the_device(crop: tuple[int, int] | None, outside: Outside) -> None:
    """Tensors without values: whatever a batch would have to read back from a device raises an error."""
    device = torch.device("meta")
    scales = () if crop is None else (0.5, 1.5)
    images = Images(
        torch.zeros(4, 5, 7, 3, dtype=torch.uint8, device=device),
        torch.zeros(4, 5, 7, dtype=torch.uint8, device=device),
        Normalisation(torch.zeros(3, device=device), torch.ones(3, device=device)),
        torch.ones(4, 2, dtype=torch.int64, device=device),
    )
    variation = Variation.draw(4, Augmentation(0, True, scales, crop, outside), 0, 0, device)
    inputs, targets = images.batch(variation, 1, 3)
    assert inputs.shape == (2, 3, *(crop or (5, 7)))
    assert targets.shape == (2, *(crop or (5, 7)))


def test_it_runs_with_repeatable_algorithms_only() -> None:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        images = Images(torch.zeros(2, 5, 5, 3, dtype=torch.uint8), torch.zeros(2, 5, 5, dtype=torch.uint8), IMAGENET)
        for outside in OUTSIDE:
            augmentation = Augmentation(scales=(0.5, 1.5), crop=(6, 6), outside=outside)
            images.batch(Variation.draw(2, augmentation, 0, 0, CPU), 0, 2)
    finally:
        torch.use_deterministic_algorithms(before)
