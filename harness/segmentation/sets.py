"""The images of a comparison as arrays, the same for every system and seed. No torch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets import camvid, voc
from harness.datasets.images import Progress as Decoded
from harness.datasets.scenes import CLASS_NAMES, generate
from harness.datasets.segmented import Segmented
from harness.errors import UsageError
from harness.experiment import Progress
from harness.segmentation.recipe import PhotoData, SceneData, Source

CACHE = Path(".remeasure") / "images"
"""Where decoded photographs are kept."""

SCENE_CLASSES = ("background", *CLASS_NAMES)
CAMVID_CLASSES = camvid.CLASSES
VOC_CLASSES = voc.CLASSES


@dataclass(frozen=True, slots=True, eq=False)
class Sets:
    """Everything one comparison looks at.

    Attributes:
        train: To learn from.
        tuning: To choose by trying; neither trained nor tested on.
        test: What is reported.
        digest: SHA-256 (hexadecimal) of all of them.
        showable: Whether the images themselves may be shown.
    """

    train: Segmented
    tuning: Segmented
    test: Segmented
    digest: str
    showable: bool

    @classmethod
    def of(cls, train: Segmented, tuning: Segmented, test: Segmented, *, showable: bool) -> Sets:
        joined = "".join(images.digest() for images in (train, tuning, test))
        return cls(train, tuning, test, hashlib.sha256(joined.encode()).hexdigest(), showable)


def take(images: Segmented, places: Sequence[int] | NDArray[np.integer]) -> Segmented:
    """Return the images at some places, in that order."""
    names = tuple(images.names[place] for place in places)
    parts = (images.pixels[places], images.labels[places], images.extents[places])
    return Segmented(*parts, names, images.class_names)


def spread(count: int, most: int | None) -> NDArray[np.int64]:
    """Return at most ``most`` of the places 0..count-1, evenly spread, the first and last among them if two or more."""
    kept = count if most is None else min(most, count)
    return np.linspace(0, count - 1, kept).round().astype(np.int64)


def load_sets(data: Source, folder: Path | None, progress: Progress | None = None) -> Sets:
    """Draw the scenes or decode the photographs.

    Args:
        data: Which and how many.
        folder: With the photographs; not needed for scenes.
        progress: Told how far decoding is.

    Raises:
        UsageError: Photographs without a folder.
        DataError: The folder is no whole copy, or a file in it is damaged.
        StorageError: The cache cannot be written.
    """
    if isinstance(data, SceneData):
        return _scenes(data)
    if folder is None:
        raise UsageError("no folder with photographs was given", f"Name a folder that holds {data.dataset}: --data DIR")
    if progress is not None:
        _decoded(data, folder, partial(progress, "decoding photographs"))
    return _photographs(data, folder)


@lru_cache(maxsize=2)
def _scenes(data: SceneData) -> Sets:
    def draw(count: int, seed: int) -> Segmented:
        scenes = generate(count, seed, data.spec)
        names = tuple(f"scene {seed}/{place}" for place in range(count))
        extents = np.full((count, 2), data.spec.size, dtype=np.int32)
        return Segmented(scenes.images, scenes.masks, extents, names, SCENE_CLASSES)

    train, tuning, test = (
        draw(count, seed) for count, seed in zip((data.train, data.tuning, data.test), data.seeds, strict=True)
    )
    return Sets.of(train, tuning, test, showable=True)


@lru_cache(maxsize=2)
def _photographs(data: PhotoData, folder: Path) -> Sets:
    train, tuning, test = _decoded(data, folder)
    if tuning is None:
        held_out = spread(len(train), data.tuning)
        tuning = take(train, held_out)
        train = take(train, np.setdiff1d(np.arange(len(train)), held_out))
    tuning = take(tuning, spread(len(tuning), data.tuning))
    train, test = (take(images, spread(len(images), data.limit)) for images in (train, test))
    return Sets.of(train, tuning, test, showable=False)


def _decoded(
    data: PhotoData, folder: Path, progress: Decoded | None = None
) -> tuple[Segmented, Segmented | None, Segmented]:
    """Return the whole splits for training, tuning (None where that is a part of the first) and testing."""
    if data.dataset == "camvid":
        frames = camvid.open_camvid(folder)
        train, tuning, test = (
            camvid.load_camvid(frames, split, data.height, data.width, CACHE, progress) for split in camvid.Split
        )
        return train, tuning, test
    images = voc.open_voc(folder)
    side = max(data.height, data.width)
    train, test = (voc.load_voc(images, split, side, CACHE, progress) for split in voc.SPLITS)
    return train, None, test
