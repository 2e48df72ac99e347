"""KITTI road (Fritsch, Kuehnl and Geiger, ITSC 2013): is a pixel road?

``training/image_2/um_000000.png``, ``training/gt_image_2/um_road_000000.png`` and ``training/calib/um_000000.txt``, in
three categories: um (urban marked), umm (urban, several marked lanes) and uu (urban unmarked). The 290 test images have
no public truth: the server scores them, in bird's-eye view (:mod:`harness.datasets.birds_eye`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets.folders import Release, check_split, files_below, locate, stray_files
from harness.datasets.images import read_image
from harness.datasets.labelled import Item, LabelledImages
from harness.datasets.segmented import VOID
from harness.errors import DataError

CLASSES = ("not road", "road")

TRAINING_COUNTS: Mapping[str, int] = {"um": 95, "umm": 96, "uu": 98}
"""Images with truth in each category, numbered from 0."""

TEST_COUNTS: Mapping[str, int] = {"um": 96, "umm": 94, "uu": 100}
"""Images without public truth in each category, numbered from 0."""

REMEDY = (
    "Unpack data_road.zip (base kit) from https://www.cvlibs.net/datasets/kitti/eval_road.php and pass the folder "
    "data_road, or one that holds it, as --data."
)

RELEASE = Release("kitti-road", {**TRAINING_COUNTS, "all": sum(TRAINING_COUNTS.values())}, REMEDY)
"""Keys are categories; "all" is the benchmark's URBAN_ROAD."""

_BELOW = ("data_road", "kitti_road", "kitti/data_road")
_IMAGES, _TRUTH, _CALIBRATION = "training/image_2", "training/gt_image_2", "training/calib"


def open_kitti_road(folder: Path, category: str = "all", *, require_complete: bool = True) -> LabelledImages:
    """Find and check the training images of one category without decoding one.

    The truth is in perspective. :func:`calibration_path` and ``birds_eye`` take it, and predictions, to the space in
    which the server ranks.

    Args:
        folder: The folder that holds ``training``, or one that holds it as ``data_road``.
        category: ``um``, ``umm``, ``uu``, or ``all`` three in this order.
        require_complete: Refuse a category of which images or calibration files are missing.

    Raises:
        DataError: Everything that is missing, empty or unknown, in one message.
        UsageError: There is no such category.
    """
    RELEASE.require(category)
    layout = f"{_IMAGES}/ and {_TRUTH}/ of KITTI road"
    root = locate(
        folder, _BELOW, lambda place: any((place / part).is_dir() for part in (_IMAGES, _TRUTH)), layout, REMEDY
    )
    problems: list[str] = []
    images = files_below(root, _IMAGES, "*.png", problems)
    truths = files_below(root, _TRUTH, "*_road_*.png", problems)
    known = {name for each in TRAINING_COUNTS for name in _names(each)}
    problems += stray_files(_IMAGES, (path.stem for path in images), known, "images that the release does not have")
    problems += stray_files(
        _TRUTH, (path.stem.replace("_road", "") for path in truths), known, "labels that the release does not have"
    )
    names = [name for each in TRAINING_COUNTS if category in (each, "all") for name in _names(each)]
    if require_complete:
        lacking = [name for name in names if not (root / _CALIBRATION / f"{name}.txt").is_file()]
        if lacking:
            problems.append(f"{_CALIBRATION}: {len(lacking)} of {len(names)} files missing, first {lacking[0]}.txt")
    items = [
        Item(name, root / _IMAGES / f"{name}.png", root / _TRUTH / f"{name.replace('_', '_road_')}.png")
        for name in names
    ]
    where, here = check_split(root, RELEASE, category, items, require_complete=require_complete, problems=problems)
    return LabelledImages(where, here, CLASSES, read_road)


def calibration_path(root: Path, name: str) -> Path:
    """Return where the calibration of an image lies, below the root of its split."""
    return root / _CALIBRATION / f"{name}.txt"


def read_road(path: Path) -> NDArray[np.uint8]:
    """Decode a truth file: blue is road, red is the valid area (development kit, 2013).

    Returns:
        uint8 [H, W]: 1 where blue > 0, 0 elsewhere, ``VOID`` where red = 0.

    Raises:
        DataError: The file cannot be read, is no RGB image, or has no valid pixel.
    """
    image = read_image(path)
    if image.mode != "RGB":
        raise DataError(f"{path}: truth of mode {image.mode}, expected an RGB image", "Use the files as released.")
    pixels = np.array(image)
    valid = pixels[..., 0] > 0
    if not valid.any():
        raise DataError(f"{path}: red is 0 everywhere, so no pixel is valid", "Use the files as released.")
    return np.where(valid, (pixels[..., 2] > 0).astype(np.uint8), np.uint8(VOID))


def _names(category: str) -> list[str]:
    return [f"{category}_{number:06d}" for number in range(TRAINING_COUNTS[category])]
