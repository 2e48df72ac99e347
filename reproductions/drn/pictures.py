"""The images of the trained comparisons as arrays, the same for every system and seed. No torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets import imagenette
from harness.datasets.imagenette import Split, open_imagenette
from harness.datasets.scenes import SceneSet, generate
from harness.experiment import Progress
from reproductions.drn.recipes import PhotoRecipe, SceneRecipe


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """True boxes [M, 4], x1, y1, x2, y2, both ends inside, in pixels; ``owners`` int64 [M] is the image of each."""

    boxes: NDArray[np.integer] | NDArray[np.floating]
    owners: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Images and what they show.

    Attributes:
        pixels: uint8 [N, H, W, 3].
        labels: int64 [N].
        masks: uint8 [N, H, W], classes of pixels.
        truth: At least one box for each image.
        showable: Whether the images themselves may be shown.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    masks: NDArray[np.uint8] | None = None
    truth: Boxes | None = None
    showable: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.pixels.shape[1:3]
        return height, width

    def take(self, images: NDArray[np.integer]) -> Labelled:
        """Return the images at the given places, in that order; each place at most once."""
        truth = None
        if self.truth is not None:
            places = np.full(len(self.labels), -1)
            places[images] = np.arange(len(images))
            owners = places[self.truth.owners]
            truth = Boxes(self.truth.boxes[owners >= 0], owners[owners >= 0])
        masks = None if self.masks is None else self.masks[images]
        return Labelled(self.pixels[images], self.labels[images], masks, truth, self.showable)


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Everything one comparison looks at.

    Attributes:
        train: To learn from.
        test: For classification error, and for segmentation if it has masks.
        boxed: For localisation error; None where no boxes are known.
        tuning: Training images with boxes, for the localisation threshold; None where there are none.
        wide: Larger images for gridding.
        digest: SHA-256 (hexadecimal) of what the images come from.
    """

    train: Labelled
    test: Labelled
    boxed: Labelled | None
    tuning: Labelled | None
    wide: Labelled
    digest: str

    @property
    def pictured(self) -> Labelled:
        """The images of which the report shows some: those with boxes, if there are any."""
        return self.test if self.boxed is None else self.boxed


@lru_cache(maxsize=1)
def scene_pictures(recipe: SceneRecipe) -> Pictures:
    """Draw the scenes."""
    counts, specs = (recipe.train, recipe.test, recipe.wide), (recipe.spec, recipe.spec, recipe.wide_spec)
    drawn = [generate(n, seed, spec) for n, seed, spec in zip(counts, recipe.seeds, specs, strict=True)]
    digest = hashlib.sha256("".join(scenes.digest() for scenes in drawn).encode()).hexdigest()
    train, test, wide = (_scene_images(scenes) for scenes in drawn)
    return Pictures(train, test, test, train.take(np.arange(recipe.tuning)), wide, digest)


@lru_cache(maxsize=1)
def photo_pictures(folder: Path, recipe: PhotoRecipe, cache: Path, progress: Progress | None = None) -> Pictures:
    """Decode the photographs, all of them before any is used, so that a damaged one is found at once.

    Args:
        folder: An Imagenette folder, or one that holds it.
        recipe: Sizes.
        cache: Folder for decoded images.
        progress: Told how far decoding is.

    Raises:
        DataError: The folder is no whole copy, or a file in it no whole image.
        StorageError: The cache cannot be written.
    """
    data = open_imagenette(folder)
    pictured = Split.LOCALISATION if data.boxes else Split.TEST
    wanted = [
        (Split.TRAIN, recipe.size),
        (Split.TEST, recipe.size),
        (pictured, recipe.size),
        (pictured, recipe.wide_size),
    ]
    told = None if progress is None else partial(progress, "decoding photographs")
    splits = [imagenette.load_split(data, split, size, cache, told) for split, size in wanted]
    digest = hashlib.sha256("".join(split.digest() for split in splits).encode()).hexdigest()
    train, test, boxed, wide = (_photographs(split, recipe.limit) for split in splits)
    return Pictures(train, test, boxed if data.boxes else None, None, wide, digest)


def distinct(labels: NDArray[np.int64], count: int) -> NDArray[np.int32]:
    """Return the places of the first image of each class, in order of place, at most ``count``."""
    _, places = np.unique(labels, return_index=True)
    return np.sort(places)[:count].astype(np.int32)


def _scene_images(scenes: SceneSet) -> Labelled:
    boxes = Boxes(scenes.boxes, np.arange(len(scenes)))
    return Labelled(scenes.images, scenes.labels, scenes.masks, boxes, showable=True)


def _photographs(split: imagenette.ImageSet, limit: int | None) -> Labelled:
    truth = Boxes(split.boxes, split.owners) if len(split.boxes) else None
    images = Labelled(split.images, split.labels, truth=truth)
    return images if limit is None else images.take(_in_turn(split.labels)[:limit])


def _in_turn(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return places in which the classes take turns: the first of each class, then the second of each."""
    turns = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        own = labels == label
        turns[own] = np.arange(np.count_nonzero(own))
    return np.lexsort((labels, turns))
