"""Evaluation sets: images with their truth, read one at a time and at their own size.

Readers of datasets return these; :mod:`harness.evaluation` consumes them and knows no dataset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets.images import decode_rgb


@dataclass(frozen=True, slots=True)
class Item:
    """One image and the file of its truth.

    Attributes:
        name: Unique within the split; the official name of the image, without folder and suffix where that is unique.
        image: Path of the image.
        truth: Path of the label file.
        instances: Path of the file with instance numbers, if the dataset has such files.
    """

    name: str
    image: Path
    truth: Path
    instances: Path | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """Which images of a dataset are here.

    Attributes:
        dataset: Key as claims name it: "cityscapes".
        name: "val".
        root: Folder that was checked.
        digest: SHA-256 (hexadecimal) of name and size in bytes of each file, in order.
        images: How many are here.
        release: How many the official split has; None where no source states it.
    """

    dataset: str
    name: str
    root: Path
    digest: str
    images: int
    release: int | None

    @property
    def key(self) -> str:
        """Dataset and split as claims write them: "cityscapes/val"."""
        return f"{self.dataset}/{self.name}"

    @property
    def whole(self) -> bool:
        """Whether every image of the official split is here."""
        return self.images == self.release


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImages:
    """A split in which each pixel has a class.

    Attributes:
        split: Which images.
        items: In the official order.
        class_names: Of the labels ``0..n-1``.
        read_truth: From a label file to uint8 [H, W], ``0..n-1`` or ``VOID`` (255); raises DataError.
        read_instances: From an instance file to int32 [H, W] in the dataset's own numbers; None without such files.
        read_image: From an image file to uint8 [H, W, 3], RGB; raises DataError.
    """

    split: Split
    items: tuple[Item, ...]
    class_names: tuple[str, ...]
    read_truth: Callable[[Path], NDArray[np.uint8]]
    read_instances: Callable[[Path], NDArray[np.int32]] | None = None
    read_image: Callable[[Path], NDArray[np.uint8]] = decode_rgb

    def __len__(self) -> int:
        return len(self.items)

    def image(self, index: int) -> NDArray[np.uint8]:
        """Decode an image to uint8 [H, W, 3], RGB.

        Raises:
            DataError: The file cannot be read whole.
        """
        return self.read_image(self.items[index].image)

    def truth(self, index: int) -> NDArray[np.uint8]:
        """Decode an image's labels to uint8 [H, W], ``0..n-1`` or ``VOID``; errors as :meth:`image`."""
        return self.read_truth(self.items[index].truth)


@dataclass(frozen=True, slots=True)
class TrueBoxes:
    """True boxes of one image: int32 [M, 4], x1, y1, x2, y2 in pixels of the image as released, both ends inside."""

    edges: NDArray[np.int32]
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class ClassifiedImages:
    """A split in which each image has one class, and perhaps boxes of that class.

    Attributes:
        split: Which images.
        names: Of each image.
        paths: Of each image.
        labels: int64 [N], ``0..n-1`` in the order in which networks are trained (sorted WordNet ids for ImageNet).
        class_names: WordNet id of each label.
        boxes: True boxes of each image; empty if the folder has none.
        blacklisted: Names of images that the official localisation score leaves out.
    """

    split: Split
    names: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    boxes: tuple[TrueBoxes, ...] = ()
    blacklisted: frozenset[str] = field(default=frozenset())

    def __len__(self) -> int:
        return len(self.names)

    def image(self, index: int) -> NDArray[np.uint8]:
        """Decode an image to uint8 [H, W, 3], RGB.

        Raises:
            DataError: The file cannot be read whole.
        """
        return decode_rgb(self.paths[index])
