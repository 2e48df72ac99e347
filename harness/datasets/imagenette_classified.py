"""Imagenette as images with one class each, at their own size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.datasets import imagenette
from harness.datasets.imagenet_truth import read_box_table
from harness.datasets.labelled import ClassifiedImages, Split

COUNTS: Mapping[imagenette.Split, int] = {
    imagenette.Split.TRAIN: 9103,
    imagenette.Split.TEST: 3925,
    imagenette.Split.LOCALISATION: 500,
}
"""Images of each part in release 2."""


def open_imagenette_images(folder: Path, split: imagenette.Split, *, require_complete: bool = True) -> ClassifiedImages:
    """Find and check one part of Imagenette without decoding an image.

    Args:
        folder: As :func:`harness.datasets.imagenette.open_imagenette` has it.
        split: Which part; only the localisation set has boxes.
        require_complete: Refuse a folder whose class folders hold other numbers of images than the release.

    Returns:
        Labels 0..9 in the order of ``imagenette.CLASSES``.

    Raises:
        DataError: Everything that is missing, empty or inconsistent, in one message.
    """
    dataset = imagenette.open_imagenette(folder, require_complete=require_complete)
    files = dataset.split(split)
    names = tuple(Path(file.path).stem for file in files)
    boxed = split is imagenette.Split.LOCALISATION
    table = read_box_table(dataset.root / imagenette.BOXES_FILE) if boxed else {}
    return ClassifiedImages(
        split=Split("imagenette", split, dataset.root, dataset.digest, len(files), COUNTS[split]),
        names=names,
        paths=tuple(dataset.root / file.path for file in files),
        labels=np.array([file.label for file in files], dtype=np.int64),
        class_names=tuple(imagenette.CLASSES),
        boxes=tuple(table[name].boxes for name in names) if boxed else (),
    )
