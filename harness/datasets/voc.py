"""PASCAL VOC 2012 segmentation in the layout of the development kit, with the labels of Hariharan et al. (ICCV 2011).

``ImageSets/Segmentation/<split>.txt`` names the images, one a line; they lie in ``JPEGImages`` and their labels in
``SegmentationClassAug`` (VOC and SBD, no band of void around objects) or ``SegmentationClass`` (VOC alone, with the
band). ``train_aug`` has 10,582 images, the 1,464 of VOC's ``train`` and 9,118 of SBD; ``val`` has 1,449.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.datasets.images import Progress
from harness.datasets.lists import read_names
from harness.datasets.segmented import (
    Coding,
    Padded,
    Pair,
    SegmentationFolder,
    Segmented,
    check_pairs,
    find_root,
    load_segmented,
)

CLASSES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
"""Background and the twenty classes, in order of label."""

CODING = Coding(CLASSES, void=255)

SPLITS = ("train_aug", "val")

RELEASE_COUNTS: Mapping[str, int] = {
    "train": 1464,
    "val": 1449,
    "trainval": 2913,
    "train_aug": 10582,
    "trainval_aug": 12031,
}
"""Images in each list of the release, and of DeepLab's augmented lists."""

AUGMENTED_LABELS = "SegmentationClassAug"
BANDED_LABELS = "SegmentationClass"

FILL = (123, 117, 104)
"""Colour of the padding: ImageNet's mean as VGG-16 subtracts it (122.675, 116.669, 104.008), rounded."""

REMEDY = (
    "Unpack VOCtrainval_11-May-2012.tar from http://host.robots.ox.ac.uk/pascal/VOC/voc2012, put the labels of SBD as "
    "SegmentationClassAug and the list train_aug.txt into it, and pass the folder that holds VOCdevkit as --data."
)

_BELOW = ("VOC2012", "VOCdevkit/VOC2012")
LISTS = "ImageSets/Segmentation"


def open_voc(folder: Path, splits: Sequence[str] = SPLITS, labels: str = AUGMENTED_LABELS) -> SegmentationFolder:
    """Find and check a VOC folder without decoding an image.

    Args:
        folder: The folder that holds ``JPEGImages`` and ``ImageSets``, or one that holds ``VOC2012`` or ``VOCdevkit``.
        splits: Names of the lists to read.
        labels: The folder of labels.

    Raises:
        DataError: Everything that is missing, empty or inconsistent, in one message; an image in two of the splits.
    """
    layout = f"JPEGImages/, {labels}/ and {LISTS}/"
    root = find_root(folder, _BELOW, lambda place: _looks_right(place, labels), layout, REMEDY)
    problems: list[str] = []
    pairs = {split: _pairs(root, split, labels, problems) for split in splits}
    return check_pairs(root, CODING, pairs, RELEASE_COUNTS, REMEDY, require_complete=False, problems=problems)


def load_voc(
    dataset: SegmentationFolder, split: str, size: int, cache: Path, progress: Progress | None = None
) -> Segmented:
    """Decode one split.

    The longer side is scaled to ``size`` pixels and the square filled at the bottom or right with ``FILL`` and void,
    as DeepLab's test networks pad; errors as ``load_segmented``.
    """
    return load_segmented(dataset, split, Padded(size, FILL), cache, progress)


def _looks_right(folder: Path, labels: str) -> bool:
    return all((folder / name).is_dir() for name in ("JPEGImages", labels, LISTS))


def _pairs(root: Path, split: str, labels: str, problems: list[str]) -> tuple[Pair, ...]:
    """The images of a list, in its order."""
    names = read_names(root, f"{LISTS}/{split}.txt", problems, REMEDY)
    return tuple(Pair(name, f"JPEGImages/{name}.jpg", f"{labels}/{name}.png") for name in names)
