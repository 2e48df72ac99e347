"""A whole evaluation against one that works out every image, scale, mirror image and tile by itself in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation_sets import CLASSES, PLAIN, Strided, labelled, opened
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from harness.crf.parameters import CrfParameters
from harness.datasets.labelled import Item, LabelledImages
from harness.engine.crf import refine
from harness.errors import CheckpointError, DataError, UsageError
from harness.evaluation.decide import decide
from harness.evaluation.feed import ahead
from harness.evaluation.preprocess import crops, frames, normalised
from harness.evaluation.protocol import (
    Channels,
    Colours,
    Fill,
    Fusion,
    LastTile,
    Padding,
    Precision,
    Seams,
    SegmentationProtocol,
    Tiling,
    Upsampling,
)
from harness.evaluation.rules import largest_logits, mean_probabilities, mirrored_tiles, summed_log_probabilities
from harness.evaluation.segment import Keep, evaluate
from harness.explain.views import load_views, save_views
from harness.metrics.segmentation import confusion_counts

CPU = torch.device("cpu")
STRIDE = 4
SIZES = ((9, 13), (9, 13), (20, 7), (9, 13), (1, 1), (13, 13), (1, 30))
WHOLE = SegmentationProtocol(PLAIN, padding=Padding(multiple=STRIDE), upsampling=Upsampling(stride=STRIDE))
Floats = NDArray[np.float64]


def truths(images: LabelledImages) -> list[NDArray[np.uint8]]:
    return [images.truth(index) for index in range(len(images))]


def scored(truth: NDArray[np.uint8], labels: NDArray[np.integer]) -> NDArray[np.int64]:
    return confusion_counts(truth[None], labels[None], CLASSES)[0]


def plain_input(image: NDArray[np.uint8]) -> Floats:
    """Normalised float64 [3, H, W] of an image, by the colours PLAIN."""
    return (image.astype(np.float64) - PLAIN.mean).transpose(2, 0, 1)


def run(model: nn.Module, pixels: Floats) -> Floats:
    with torch.no_grad():
        return model(torch.from_numpy(pixels.copy())[None].float())[0].double().numpy()


def centred(values: Floats, size: tuple[int, int], stride: int) -> Floats:
    """Bilinear interpolation between cell centres, one axis after the other, values held at the ends."""
    for axis, length in ((1, size[0]), (2, size[1])):
        cells = np.arange(values.shape[axis])
        where = (np.arange(length) + 0.5) / stride - 0.5
        values = np.apply_along_axis(lambda line, where=where, cells=cells: np.interp(where, cells, line), axis, values)
    return values


def softmax(values: Floats) -> Floats:
    shifted = np.exp(values - values.max(axis=0))
    return shifted / shifted.sum(axis=0)


def filled(pixels: Floats, multiple: int) -> Floats:
    _, height, width = pixels.shape
    return np.pad(pixels, ((0, 0), (0, -height % multiple), (0, -width % multiple)))


@pytest.fixture
def images(tmp_path: Path) -> LabelledImages:
    return labelled(tmp_path / "set", SIZES)


@pytest.mark.parametrize("batch", [1, 2, 3, 50])
def test_padded_images_of_any_size(images: LabelledImages, batch: int) -> None:
    model = Strided()
    expected = []
    for index, truth in enumerate(truths(images)):
        scores = run(model, filled(plain_input(images.image(index)), STRIDE))
        expected.append(scored(truth, centred(scores, truth.shape, STRIDE).argmax(axis=0)))
    assert np.sum(expected, axis=(0, 1))[:-1].all(), "every class is predicted somewhere"
    assert np.array_equal(evaluate(model, images, WHOLE, CPU, batch=batch), expected)


@pytest.mark.parametrize("fusion", Fusion)
def test_scales_and_mirror_images(images: LabelledImages, fusion: Fusion) -> None:
    scales = (0.5, 1.0, 2.0)
    protocol = replace(WHOLE, scales=scales, flip=True, fusion=fusion)
    model = Strided()
    expected = []
    for index, truth in enumerate(truths(images)):
        image, parts = images.image(index), []
        for scale in scales:
            size = [max(1, int(scale * side + 0.5)) for side in truth.shape]
            shown = np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR))
            for mirrored in (False, True):
                scores = run(model, filled(plain_input(shown[:, ::-1] if mirrored else shown), STRIDE))
                frame = centred(scores, (size[0], size[1]), STRIDE)
                frame = frame[:, :, ::-1] if mirrored else frame
                parts.append(
                    torch.nn.functional.interpolate(
                        torch.from_numpy(frame.copy())[None], truth.shape, mode="bilinear", align_corners=False
                    )[0].numpy()
                )
        combined = {
            Fusion.MAX_OF_LOGITS: lambda parts: np.max(parts, axis=0),
            Fusion.MEAN_OF_PROBABILITIES: lambda parts: np.mean([softmax(each) for each in parts], axis=0),
            Fusion.SUM_OF_LOG_PROBABILITIES: lambda parts: np.sum([np.log(softmax(each)) for each in parts], axis=0),
        }[fusion](parts)
        expected.append(scored(truth, combined.argmax(axis=0)))
    assert np.array_equal(evaluate(model, images, protocol, CPU), expected)


def yu_and_koltun(model: nn.Module, image: NDArray[np.uint8], tile: int, margin: int) -> Floats:
    """Probabilities at cells by their released procedure: mirror the margin, cut, mirror short tiles, put together."""
    pixels = np.pad(plain_input(image), ((0, 0), (margin, margin), (margin, margin)), mode="reflect")
    rows = []
    for top in range(0, image.shape[0], tile):
        row = []
        for left in range(0, image.shape[1], tile):
            part = pixels[:, top : top + tile + 2 * margin, left : left + tile + 2 * margin]
            lacking = [tile + 2 * margin - side for side in part.shape[1:]]
            row.append(softmax(run(model, np.pad(part, ((0, 0), (0, lacking[0]), (0, lacking[1])), mode="reflect"))))
        rows.append(np.concatenate(row, axis=2))
    return np.concatenate(rows, axis=1)


def on_samples(cells: Floats, size: tuple[int, int], stride: int) -> Floats:
    for axis, length in ((1, size[0]), (2, size[1])):
        at = np.arange(cells.shape[axis])
        where = np.arange(length) / stride
        cells = np.apply_along_axis(lambda line, where=where, at=at: np.interp(where, at, line), axis, cells)
    return cells


class Unpadded(nn.Module):
    """Convolutions without padding: the map covers its input less a margin of 4 pixels, cell k on pixel 4k."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layers = nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.Conv2d(6, classes, 5, stride=STRIDE))
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.layers(x.double() / 60)
        return scores


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=3))
def test_mirrored_tiles_by_the_released_procedure(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, int]]
) -> None:
    images = labelled(tmp_path_factory.mktemp("set"), sizes)
    model, tile, margin = Unpadded(), 16, 4
    counts = evaluate(model, images, mirrored_tiles(PLAIN, (tile, tile), margin, STRIDE), CPU)
    for index, truth in enumerate(truths(images)):
        cells = yu_and_koltun(model, images.image(index), tile, margin)
        labels = on_samples(cells, truth.shape, STRIDE).argmax(axis=0)
        assert np.array_equal(counts[index], scored(truth, labels))


def test_tiles_without_padding_equal_the_whole_image(tmp_path: Path) -> None:
    images = labelled(tmp_path, [(37, 50), (8, 9)])
    tiles = mirrored_tiles(PLAIN, (16, 8), 4, STRIDE)
    whole = replace(tiles, tiling=None, padding=replace(tiles.padding, multiple=STRIDE))
    model = Unpadded()
    for index, (height, width) in enumerate([(37, 50), (8, 9)]):
        sources = [torch.from_numpy(frames(images.image(index), tiles)[0].copy())]
        (everything,) = crops(sources, (height, width), whole)
        expected = model(everything.pixels[None])[0]
        for crop in crops(sources, (height, width), tiles):
            top, left = crop.place.window.top // STRIDE, crop.place.window.left // STRIDE
            cells = model(crop.pixels[None])[0][:, : expected.shape[1] - top, : expected.shape[2] - left]
            inside = [-(-(side - start * STRIDE) // STRIDE) for side, start in ((height, top), (width, left))]
            rows, columns = (max(0, min(count, limit)) for count, limit in zip(inside, cells.shape[1:], strict=True))
            torch.testing.assert_close(
                cells[:, :rows, :columns],
                expected[:, top : top + rows, left : left + columns],
                rtol=1e-12,
                atol=1e-12,
            )


@pytest.mark.parametrize("seams", [Seams.AVERAGE, Seams.CROP])
@pytest.mark.parametrize("last", LastTile)
def test_overlapping_tiles(tmp_path: Path, seams: Seams, last: LastTile) -> None:
    images = labelled(tmp_path, [(21, 30), (5, 17)])
    side, overlap = 12, 4
    protocol = replace(WHOLE, padding=Padding(), tiling=Tiling((side, side), overlap, last, seams))
    model = Strided()
    counts = evaluate(model, images, protocol, CPU)
    for index, truth in enumerate(truths(images)):
        pixels = plain_input(images.image(index))
        starts = []
        for length in truth.shape:
            along = list(range(0, max(1, length - overlap), side - overlap))
            starts.append([min(each, max(0, length - side)) for each in along] if last is LastTile.SHIFT else along)
        total, number = np.zeros((CLASSES, 60, 60)), np.zeros((60, 60))
        for top in starts[0]:
            for left in starts[1]:
                part = pixels[:, top : top + side, left : left + side]
                part = np.pad(part, ((0, 0), (0, side - part.shape[1]), (0, side - part.shape[2])))
                values = centred(run(model, part), (side, side), STRIDE)
                for y in range(side):
                    for x in range(side):
                        place = (top + y, left + x)
                        if seams is Seams.AVERAGE:
                            total[:, *place] += values[:, y, x]
                            number[place] += 1
                        elif belongs(y + top, starts[0], side) == top and belongs(x + left, starts[1], side) == left:
                            total[:, *place], number[place] = values[:, y, x], 1
        area = (slice(0, truth.shape[0]), slice(0, truth.shape[1]))
        assert (number[area] > 0).all()
        assert np.array_equal(counts[index], scored(truth, (total / number.clip(1))[:, *area].argmax(axis=0)))


def belongs(pixel: int, starts: Sequence[int], side: int) -> int:
    """The start of the tile whose middle is nearest to a pixel's, the later of equals."""
    there = [start for start in starts if start <= pixel < start + side]
    return min(there, key=lambda start: (abs(pixel + 0.5 - start - side / 2), -start))


def test_deeplab_pads_with_the_mean_and_shrinks_what_is_padded(tmp_path: Path) -> None:
    images = labelled(tmp_path, [(20, 33), (33, 15)])
    protocol = largest_logits(PLAIN, side=33)
    sources = [torch.from_numpy(images.image(0))]
    inputs = list(crops(sources, (20, 33), protocol))
    assert [tuple(crop.pixels.shape) for crop in inputs] == [(3, 33, 33), (3, 25, 25), (3, 17, 17)]
    padded = np.zeros((3, 33, 33))
    padded[:, :20] = plain_input(images.image(0))
    for crop in inputs:
        side = crop.pixels.shape[-1]
        where = np.arange(side) * 32 / (side - 1)
        expected = padded
        for axis in (1, 2):
            expected = np.apply_along_axis(
                lambda line, where=where: np.interp(where, np.arange(33), line), axis, expected
            )
        np.testing.assert_allclose(crop.pixels.numpy(), expected, atol=1e-3)
    assert evaluate(Strided(stride=8), images, protocol, CPU).sum() == sum(
        (each != 255).sum() for each in truths(images)
    )


def test_colours() -> None:
    pixels = torch.tensor([[[255, 0, 51]]], dtype=torch.uint8)
    scaled = Colours((0.5, 0.4, 0.3), (0.5, 0.2, 0.1))
    assert normalised(pixels, scaled).flatten().tolist() == pytest.approx([1.0, -2.0, -1.0])
    caffe = Colours((10.0, 20.0, 30.0), channels=Channels.BGR, white=255.0)
    assert normalised(pixels, caffe).flatten().tolist() == [41.0, -20.0, 225.0]


def test_what_stands_outside_the_image() -> None:
    image = torch.full((2, 2, 3), 255, dtype=torch.uint8)
    for fill, outside in ((Fill.MEAN, 0.0), (Fill.BLACK, -120.0), (Fill.REFLECT, 135.0)):
        protocol = replace(WHOLE, padding=Padding(fill, least=(3, 2), margin=1))
        (crop,) = crops([image], (2, 2), protocol)
        assert crop.pixels.shape == (3, 5, 4)
        assert crop.pixels[0, 0].tolist() == [outside] * 4
        assert crop.pixels[0, 1:3, 1:3].tolist() == [[135.0, 135.0]] * 2


def test_crf_of_each_image(images: LabelledImages) -> None:
    crf = CrfParameters(w1=4, sigma_alpha=10, sigma_beta=20, iterations=2)
    model = Strided()
    counts = evaluate(model, images, replace(WHOLE, crf=crf), CPU)
    for index, truth in enumerate(truths(images)):
        scores = run(model, filled(plain_input(images.image(index)), STRIDE))
        unrefined = softmax(centred(scores, truth.shape, STRIDE)).astype(np.float32)
        labels = refine(unrefined, images.image(index), crf).argmax(axis=0)
        assert np.abs(counts[index] - scored(truth, labels)).sum() <= 0.05 * truth.size


def test_kept_views_give_the_same_counts_and_are_kept_once(images: LabelledImages, tmp_path: Path) -> None:
    keep = Keep(tmp_path / "views", save_views)
    protocol, model, scratch = replace(WHOLE, flip=True), Strided(), tmp_path / "scratch"
    counts = evaluate(model, images, protocol, CPU, batch=2, scratch=scratch, keep_views=keep)
    for index, truth in enumerate(truths(images)):
        kept = load_views(keep.path(index))
        assert [view.flipped for view in kept.views] == [False, True]
        assert (kept.size, kept.image) == (truth.shape, None)
        assert np.array_equal(kept.truth, truth)
        assert np.array_equal(counts[index], scored(truth, decide(kept.views, kept.size, protocol).numpy()))
    keep.path(3).unlink()
    before = {index: keep.path(index).stat().st_mtime_ns for index in (0, 1, 4, 5, 6)}
    again = evaluate(model, images, protocol, CPU, batch=2, scratch=scratch, keep_views=replace(keep, photographs=True))
    assert np.array_equal(again, counts)
    assert {index: keep.path(index).stat().st_mtime_ns for index in before} == before
    assert np.array_equal(load_views(keep.path(3)).image, images.image(3))


def test_a_network_with_other_classes_or_maps_is_refused(images: LabelledImages) -> None:
    with pytest.raises(UsageError, match="scores 3 classes, noise/val has 4"):
        evaluate(Strided(classes=3), images, WHOLE, CPU)
    with pytest.raises(UsageError, match="network that returns scores"):
        evaluate(nn.Sequential(Strided(), nn.Flatten()), images, WHOLE, CPU)
    with pytest.raises(UsageError, match="cells of 4 pixels"):
        evaluate(Strided(stride=8), images, WHOLE, CPU)


def test_scores_that_are_not_finite_name_the_image(images: LabelledImages) -> None:
    model = Strided()
    with torch.no_grad():
        model.second.bias[1] = torch.nan
    with pytest.raises(CheckpointError, match=r"image 0: .* not finite"):
        evaluate(model, images, WHOLE, CPU)


def test_labels_that_do_not_fit_are_named(images: LabelledImages) -> None:
    Image.fromarray(np.full((9, 13), 7, dtype=np.uint8)).save(images.items[3].truth)
    with pytest.raises(DataError, match=r"3-truth\.png: label 7 is neither"):
        evaluate(Strided(), images, WHOLE, CPU)
    Image.fromarray(np.zeros((9, 12), dtype=np.uint8)).save(images.items[1].truth)
    with pytest.raises(DataError, match=r"1-truth.png: labels of 9x12 for an image of 9x13"):
        evaluate(Strided(), images, WHOLE, CPU)
    images.items[0].image.write_bytes(b"")
    with pytest.raises(DataError, match=r"0\.png: empty file"):
        evaluate(Strided(), images, WHOLE, CPU)


@pytest.mark.parametrize("precision", [Precision.BFLOAT16, Precision.TF32])
def test_lower_precision_differs_little_and_restores_what_it_changes(
    images: LabelledImages, precision: Precision
) -> None:
    double = Strided().float()
    model = nn.Sequential(double.first, nn.ReLU(), double.second).train()
    exact = evaluate(model, images, WHOLE, CPU)
    rounded = evaluate(model, images, replace(WHOLE, precision=precision), CPU)
    assert np.abs(exact - rounded).sum() <= 0.2 * exact.sum()
    assert model.training
    assert not torch.is_autocast_enabled("cpu")


def test_progress_counts_images(images: LabelledImages) -> None:
    told: list[tuple[int, int]] = []
    evaluate(Strided(), images, WHOLE, CPU, batch=3, progress=lambda *now: told.append(now))
    assert told == [(3, 7), (6, 7), (7, 7)]


def test_work_is_done_ahead_and_in_order() -> None:
    begun: list[int] = []

    def work(job: int) -> int:
        begun.append(job)
        return job * job

    results = ahead(range(50), work, depth=5, threads=3)
    assert next(results) == 0
    assert max(begun) <= 6
    assert list(results) == [job * job for job in range(1, 50)]


def test_a_failure_comes_at_its_turn() -> None:
    def work(job: int) -> int:
        if job == 3:
            raise DataError("three")
        return job

    results = ahead(range(1000), work, depth=8, threads=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataError, match="three"):
        next(results)


REAL = {
    "drn": summed_log_probabilities(PLAIN, (0.5, 1.0, 1.25)),
    "dilation": mirrored_tiles(PLAIN, (160, 160), 4, STRIDE),
    "deeplab": largest_logits(PLAIN, 513),
    "duc": mean_probabilities(PLAIN, (1.0, 0.5), flip=True),
}


class AtPixels(nn.Module):
    """Scores upsampled by the network itself."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(self.network(x), x.shape[-2:], mode="bilinear")


@pytest.mark.parametrize("rule", REAL)
def test_real_images_of_many_sizes(shared: Callable[[str], Path], rule: str) -> None:
    folder = shared("data/VOC2012-fullsize")
    paths = sorted(folder.rglob("*.jpg"))[:4]
    items = [Item(path.stem, path, folder / "SegmentationClass" / f"{path.stem}.png") for path in paths]
    images = opened(items, folder, 21)
    networks = {"drn": AtPixels(Strided(21)), "dilation": Unpadded(21)}
    model = networks.get(rule, Strided(21))
    counts = evaluate(model, images, REAL[rule], CPU, batch=2)
    for index, truth in enumerate(truths(images)):
        rows = np.bincount(truth[truth != 255], minlength=21)
        assert np.array_equal(counts[index].sum(axis=1), rows)
    assert np.array_equal(counts, evaluate(model, images, REAL[rule], CPU, batch=1))
