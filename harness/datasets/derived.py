"""Evaluation sets made of others: the same images at another size, the same classes in another order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.datasets.labelled import LabelledImages
from harness.datasets.segmented import VOID

Read = Callable[[Path], NDArray[np.uint8]]


def reordered(images: LabelledImages, classes: Sequence[str]) -> LabelledImages:
    """Return a set whose labels count ``classes``, the set's own in any order; void stays void.

    Raises:
        ValueError: They are not the set's own classes.
    """
    if sorted(classes) != sorted(images.class_names):
        raise ValueError(f"{images.split.key} has the classes {images.class_names}, not {tuple(classes)}")
    table = np.full(256, VOID, np.uint8)
    for label, name in enumerate(images.class_names):
        table[label] = classes.index(name)
    return replace(images, class_names=tuple(classes), read_truth=partial(_looked_up, images.read_truth, table))


def resized(images: LabelledImages, rows: int, columns: int) -> LabelledImages:
    """Return a set whose images and labels are stretched to one size.

    Images are interpolated bilinearly with antialiasing by Pillow; labels are taken from the nearest pixel. Files of
    instances keep their size and are left out.
    """
    if min(rows, columns) < 1:
        raise ValueError(f"images have 1 row and 1 column or more, not {rows} and {columns}")
    image = partial(_stretched, images.read_image, rows, columns, Image.Resampling.BILINEAR)
    truth = partial(_stretched, images.read_truth, rows, columns, Image.Resampling.NEAREST)
    return replace(images, read_image=image, read_truth=truth, read_instances=None)


def _looked_up(read: Read, table: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    values: NDArray[np.uint8] = table[read(path)]
    return values


def _stretched(read: Read, rows: int, columns: int, kernel: Image.Resampling, path: Path) -> NDArray[np.uint8]:
    return np.array(Image.fromarray(read(path)).resize((columns, rows), kernel))
