"""Images read while a network learns: the same bits as images in memory, read ahead, and errors that name the file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from harness.datasets.images import decode_rgb
from harness.datasets.labelled import ClassifiedImages, Item, LabelledImages, Split
from harness.engine.examples import Examples, Images
from harness.engine.images import Normalisation
from harness.engine.losses import cross_entropy
from harness.engine.recipe import UNVARIED, Augmentation, Training
from harness.engine.streamed import AHEAD, Streamed
from harness.engine.train import arithmetic, seeded, train
from harness.engine.variation import Variation
from harness.errors import DataError, UsageError

CPU = torch.device("cpu")
IMAGENET = Normalisation(torch.tensor([123.7, 116.3, 103.5]), torch.tensor([58.4, 57.1, 57.4]))
COUNT = 24
SPANS = [(start, start + 4) for start in range(0, COUNT, 4)]
ONE_SIZE = [(9, 11)] * COUNT
MANY_SIZES = [(5 + place % 7, 12 - place % 5) for place in range(COUNT)]
CUT = Augmentation(scales=(0.5, 0.8, 1.6), crop=(8, 10))
Bytes = NDArray[np.uint8]
Sizes = list[tuple[int, int]]


def read_labels(path: Path) -> Bytes:
    return np.array(Image.open(path))


def labelled(folder: Path, sizes: Sizes) -> LabelledImages:
    """Write random images and labels, without loss."""
    random = np.random.default_rng(0)
    items = []
    for place, (rows, columns) in enumerate(sizes):
        item = Item(str(place), folder / f"{place}.png", folder / f"{place}-labels.png")
        Image.fromarray(random.integers(0, 256, (rows, columns, 3), dtype=np.uint8)).save(item.image)
        Image.fromarray(random.integers(0, 5, (rows, columns), dtype=np.uint8)).save(item.truth)
        items.append(item)
    return LabelledImages(_split(folder), tuple(items), tuple("abcde"), read_labels)


def classified(folder: Path, sizes: Sizes) -> ClassifiedImages:
    paths = tuple(item.image for item in labelled(folder, sizes).items)
    return ClassifiedImages(_split(folder), tuple(map(str, range(COUNT))), paths, np.arange(COUNT) % 3, tuple("abc"))


def _split(folder: Path) -> Split:
    return Split("random", "train", folder, "", COUNT, None)


def in_memory(images: LabelledImages | ClassifiedImages) -> Images:
    """The same images in frames of one size, what pads them of another colour and label."""
    decoded = [images.image(index) for index in range(COUNT)]
    extents = np.array([image.shape[:2] for image in decoded])
    pixels = np.full((COUNT, *extents.max(axis=0), 3), 77, np.uint8)
    labels = np.full((COUNT, *extents.max(axis=0)), 4, np.uint8)
    for index, (rows, columns) in enumerate(extents):
        pixels[index, :rows, :columns] = decoded[index]
        if isinstance(images, LabelledImages):
            labels[index, :rows, :columns] = images.truth(index)
    targets = labels if isinstance(images, LabelledImages) else images.labels
    return Images(torch.from_numpy(pixels), torch.from_numpy(targets), IMAGENET, torch.from_numpy(extents))


def assert_same(left: Examples, right: Examples, variation: Variation) -> None:
    pairs = list(zip(left.batches(variation, SPANS), right.batches(variation, SPANS), strict=True))
    assert len(pairs) == len(SPANS)
    for one, other in pairs:
        assert all(map(torch.equal, one, other))
        assert one[1].dtype == other[1].dtype == torch.int64


@pytest.mark.parametrize("write", [labelled, classified])
@pytest.mark.parametrize(
    ("sizes", "augmentation"),
    [(ONE_SIZE, Augmentation(shift=3)), (ONE_SIZE, CUT), (MANY_SIZES, CUT), (MANY_SIZES, replace(CUT, outside="mean"))],
)
def test_streamed_images_have_the_bits_of_images_in_memory(
    tmp_path: Path,
    write: Callable[[Path, Sizes], LabelledImages | ClassifiedImages],
    sizes: Sizes,
    augmentation: Augmentation,
) -> None:
    images = write(tmp_path, sizes)
    variation = Variation.draw(COUNT, augmentation, 1, 2, CPU)
    assert_same(in_memory(images), Streamed(images, IMAGENET, threads=3), variation)


@pytest.mark.usefixtures("one_thread")
def test_a_network_learns_the_same_from_files_as_from_memory(tmp_path: Path) -> None:
    images = labelled(tmp_path, MANY_SIZES)
    training = Training(2, 8, 0.1, augmentation=CUT)

    def learnt(examples: Examples, name: str) -> dict[str, Tensor]:
        with seeded(0), arithmetic(CPU):
            model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 1))
            train(model, examples, partial(cross_entropy, void=255), training, 0, tmp_path / name, lambda *_: None)
        return model.state_dict()

    streamed, kept = learnt(Streamed(images, IMAGENET), "streamed.pt"), learnt(in_memory(images), "kept.pt")
    assert all(torch.equal(streamed[name], kept[name]) for name in kept)


@pytest.mark.parametrize("batch", [5, COUNT, 100])
def test_chunks_are_all_images_in_their_order(tmp_path: Path, batch: int) -> None:
    images = labelled(tmp_path, ONE_SIZE)
    streamed, kept = Streamed(images, IMAGENET), in_memory(images)
    assert len(streamed) == len(kept)
    for left, right in zip(streamed.chunks(batch), kept.chunks(batch), strict=True):
        assert torch.equal(left, right)


class Counting:
    """A reader that knows how many images were begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.lock = threading.Lock()

    def __call__(self, path: Path) -> Bytes:
        with self.lock:
            self.begun += 1
        return decode_rgb(path)


def test_no_more_than_the_next_batches_are_read_ahead(tmp_path: Path) -> None:
    reader = Counting()
    streamed = Streamed(replace(labelled(tmp_path, ONE_SIZE), read_image=reader), IMAGENET, threads=2)
    batches = streamed.batches(Variation.draw(COUNT, UNVARIED, 0, 0, CPU), SPANS)
    assert reader.begun == 0
    for done in range(1, len(SPANS) + 1):
        next(batches)
        assert 4 * done <= reader.begun <= min(4 * (done + AHEAD), COUNT)
    assert next(batches, None) is None
    assert reader.begun == COUNT


def test_an_epoch_that_is_broken_off_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    streamed = Streamed(labelled(tmp_path, ONE_SIZE), IMAGENET, threads=3)
    batches = streamed.batches(Variation.draw(COUNT, UNVARIED, 0, 0, CPU), SPANS)
    next(batches)
    assert threading.active_count() > before
    del batches
    assert threading.active_count() == before


@pytest.mark.parametrize("damage", [b"", b"no image", None])
def test_a_damaged_file_is_named_when_its_batch_is_due(tmp_path: Path, damage: bytes | None) -> None:
    images = labelled(tmp_path, ONE_SIZE)
    variation = Variation.draw(COUNT, UNVARIED, 4, 0, CPU)
    path = images.items[int(variation.order[6])].image
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    batches = Streamed(images, IMAGENET).batches(variation, SPANS)
    next(batches)
    with pytest.raises(DataError, match=str(path)):
        next(batches)


def test_labels_of_another_size_are_named(tmp_path: Path) -> None:
    images = labelled(tmp_path, ONE_SIZE)
    Image.fromarray(np.zeros((11, 9), np.uint8)).save(images.items[3].truth)
    batches = Streamed(images, IMAGENET).batches(Variation.draw(COUNT, CUT, 0, 0, CPU), [(0, COUNT)])
    with pytest.raises(DataError, match=r"3-labels\.png: 9 x 11 pixels, its image 3\.png has 11 x 9"):
        next(batches)


def test_images_of_different_sizes_need_a_crop(tmp_path: Path) -> None:
    streamed = Streamed(labelled(tmp_path, MANY_SIZES), IMAGENET)
    with pytest.raises(UsageError, match=r"\.png: \d+ x \d+ pixels in a batch with .*\.png, which has \d+ x \d+"):
        next(streamed.batches(Variation.draw(COUNT, Augmentation(), 0, 0, CPU), SPANS))
    with pytest.raises(UsageError, match=r"1\.png: 11 x 6 pixels in a batch with .*0\.png, which has 12 x 5"):
        next(streamed.chunks(4))


def test_a_process_reads_its_own_slices_only(tmp_path: Path) -> None:
    images = labelled(tmp_path, ONE_SIZE)
    reader = Counting()
    variation = Variation.draw(COUNT, CUT, 0, 0, CPU)
    halves = [(start, start + 2) for start, _ in SPANS]
    streamed = Streamed(replace(images, read_image=reader), IMAGENET)
    for half, (inputs, _) in zip(halves, streamed.batches(variation, halves), strict=True):
        assert torch.equal(inputs, in_memory(images).batch(variation, *half)[0])
    assert reader.begun == COUNT // 2
