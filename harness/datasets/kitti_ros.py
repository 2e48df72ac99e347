"""KITTI with a class for each pixel, by Ros et al. (WACV 2015): the KITTI of Yu & Koltun (ICLR 2016, Appendix).

``Training_00`` holds 100 frames of visual odometry's sequence 00 and ``Validation_07`` 46 of sequence 07, which are
Yu & Koltun's training and test set; in each, ``RGB/<frame>.png`` and ``GT/<frame>.png``, painted in CamVid's colours.
This is not KITTI's own semantic benchmark of 2018 (200 + 200 images, classes of Cityscapes).

The annotators' server is gone and no source at hand lists the frames: their number is checked, their names are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from harness.datasets.colours import Colour, read_painted
from harness.datasets.folders import Release, check_split, files_below, locate, stray_files
from harness.datasets.labelled import Item, LabelledImages
from harness.datasets.segmented import VOID

COLOURS: Mapping[str, Colour] = {
    "building": (128, 0, 0),
    "tree": (128, 128, 0),
    "sky": (128, 128, 128),
    "car": (64, 0, 128),
    "sign": (192, 128, 128),
    "road": (128, 64, 128),
    "pedestrian": (64, 64, 0),
    "fence": (64, 64, 128),
    "pole": (192, 192, 128),
    "sidewalk": (0, 0, 192),
    "bicyclist": (0, 128, 192),
}
"""Colour of each class, in Yu & Koltun's order of labels; black is void."""

CLASSES = tuple(COLOURS)

REMEDY = (
    "Ask G. Ros et al. (Vision-based Offline-Online Perception Paradigm for Autonomous Driving, WACV 2015) for the "
    "labels; pass the folder that holds Training_00 and Validation_07 as --data."
)

RELEASE = Release("kitti-ros", {"train": 100, "test": 46}, REMEDY)

_FOLDERS: Mapping[str, str] = {"train": "Training_00", "test": "Validation_07"}
_BELOW = ("KITTI_SEMANTIC", "kitti-ros", "kitti_ros")
_LABELS: Mapping[Colour, int] = {colour: label for label, colour in enumerate(COLOURS.values())} | {(0, 0, 0): VOID}


def open_kitti_ros(folder: Path, split: str, *, require_complete: bool = True) -> LabelledImages:
    """Find and check one split without decoding an image.

    Args:
        folder: The folder that holds ``Training_00`` and ``Validation_07``, or one that holds it as KITTI_SEMANTIC.
        split: ``train`` (100 frames) or ``test`` (46).
        require_complete: Refuse a split of which frames are missing.

    Raises:
        DataError: Everything that is missing, empty or unpaired, in one message.
        UsageError: There is no such split.
    """
    RELEASE.require(split)
    place = _FOLDERS[split]
    layout = f"{' or '.join(_FOLDERS.values())} with RGB/ and GT/"
    root = locate(
        folder, _BELOW, lambda each: any((each / name / "RGB").is_dir() for name in _FOLDERS.values()), layout, REMEDY
    )
    problems: list[str] = []
    images = files_below(root, f"{place}/RGB", "*.png", problems)
    names = [path.stem for path in images]
    labels = [path.stem for path in files_below(root, f"{place}/GT", "*.png", problems)]
    problems += stray_files(f"{place}/GT", labels, names)
    items = [Item(path.stem, path, root / place / "GT" / path.name) for path in images]
    where, here = check_split(root, RELEASE, split, items, require_complete=require_complete, problems=problems)
    return LabelledImages(where, here, CLASSES, partial(read_painted, labels=_LABELS))
