"""PASCAL-Context: Mottaghi et al., The Role of Context for Object Detection and Semantic Segmentation, CVPR 2014.

The 10,103 images of VOC 2010 ``trainval`` (4,998 and 5,105) with a label for each pixel, in one of two forms: the
release (``trainval/<name>.mat`` with 459 classes, ``labels.txt``), whose other 400 classes become background, or the
usual index images of 60 values (``SegmentationClassContext/<name>.png``, 0 for background, then the 59 classes in
alphabetical order). Background is a class of its own in scores over 60, as in DeepLab, and void in scores over 59.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets import matlab
from harness.datasets.folders import Release, check_split, locate
from harness.datasets.labelled import Item, LabelledImages
from harness.datasets.lists import read_lines, read_names
from harness.datasets.segmented import VOID, Coding, decode_label

CLASSES = (
    *("aeroplane", "bag", "bed", "bedclothes", "bench", "bicycle", "bird", "boat", "book", "bottle", "building", "bus"),
    *("cabinet", "car", "cat", "ceiling", "chair", "cloth", "computer", "cow", "cup", "curtain", "dog", "door"),
    *("fence", "floor", "flower", "food", "grass", "ground", "horse", "keyboard", "light", "motorbike", "mountain"),
    *("mouse", "person", "plate", "platform", "pottedplant", "road", "rock", "sheep", "shelves", "sidewalk", "sign"),
    *("sky", "snow", "sofa", "table", "track", "train", "tree", "truck", "tvmonitor", "wall", "water", "window"),
    "wood",
)
"""The 59 classes in alphabetical order."""

RELEASE_IDS = (
    *(2, 9, 18, 19, 22, 23, 25, 31, 33, 34, 44, 45, 46, 59, 65, 68, 72, 80, 85, 98, 104, 105, 113, 115, 144, 158, 159),
    *(162, 187, 189, 207, 220, 232, 258, 259, 260, 284, 295, 296, 308, 324, 326, 347, 349, 354, 355, 360, 366, 368),
    *(397, 415, 416, 420, 424, 427, 440, 445, 454, 458),
)
"""Number of each class among the 459 of ``labels.txt``, which counts from 1."""

RELEASE_LABELS = 459

REMEDY = (
    "Get VOCtrainval_03-May-2010.tar from http://host.robots.ox.ac.uk/pascal/VOC/voc2010 and trainval.tar.gz, "
    "labels.txt and 59_labels.txt from https://cs.stanford.edu/~roozbeh/pascal-context, unpack them into one folder "
    "and pass it as --data."
)

RELEASE = Release("pascal-context", {"train": 4998, "val": 5105}, REMEDY)

_RELEASED, _INDEXED = "trainval", "SegmentationClassContext"
_VOC = (".", "VOC2010", "VOCdevkit/VOC2010")
_BELOW = ("VOC2010", "VOCdevkit/VOC2010", "pascal-context", "pascal_context")
_LISTS = ("ImageSets/SegmentationContext", "ImageSets/Main", ".")
_TASK_NAMES = {"diningtable": "table", "bedcloth": "bedclothes", "clothes": "cloth"}


class Background(StrEnum):
    """What pixels of none of the 59 classes are: a class, the first of 60, or void, which leaves 59."""

    CLASS = "class"
    VOID = "void"


def open_pascal_context(
    folder: Path, split: str, *, background: Background = Background.CLASS, require_complete: bool = True
) -> LabelledImages:
    """Find and check one split without decoding an image.

    The lists are those of VOC 2010 (``ImageSets/Main``) or of the folder itself; they are checked by their number of
    names, and their content is not pinned.

    Args:
        folder: The folder that holds ``trainval`` or ``SegmentationClassContext``, or one that holds it as
            ``VOCdevkit/VOC2010``; ``JPEGImages`` beside it or below ``VOCdevkit/VOC2010``.
        split: ``train`` or ``val``.
        background: Whether background is scored.
        require_complete: Refuse a split of which images are missing.

    Raises:
        DataError: Everything that is missing, empty or inconsistent, in one message; also a ``labels.txt`` that gives
            the 59 classes other numbers, and a ``59_labels.txt`` of other classes.
        UsageError: There is no such split.
    """
    RELEASE.require(split)
    layout = f"{_RELEASED}/ or {_INDEXED}/ of PASCAL-Context"
    root = locate(folder, _BELOW, _looks_right, layout, REMEDY)
    released = (root / _RELEASED).is_dir()
    labels, suffix = (_RELEASED, ".mat") if released else (_INDEXED, ".png")
    voc = next((place for place in _VOC if (root / place / "JPEGImages").is_dir()), ".")
    problems = [] if (root / voc / "JPEGImages").is_dir() else ["JPEGImages: folder missing"]
    lists = [f"{place}/{among}/{split}.txt" for among in _LISTS for place in dict.fromkeys((voc, "."))]
    found = next((place for place in lists if (root / place).is_file()), lists[0])
    names = read_names(root, Path(found).as_posix(), problems, REMEDY)
    problems += _label_problems(root) if released else []
    items = [Item(n, root / voc / "JPEGImages" / f"{n}.jpg", root / labels / f"{n}{suffix}") for n in names]
    where, here = check_split(root, RELEASE, split, items, require_complete=require_complete, problems=problems)
    read = partial(read_released if released else read_indexed, background=background)
    scored = CLASSES if background is Background.VOID else ("background", *CLASSES)
    return LabelledImages(where, here, scored, read)


def read_released(path: Path, background: Background = Background.CLASS) -> NDArray[np.uint8]:
    """Decode a .mat file of the release, 459 classes and 0, to uint8 [H, W]; raises DataError."""
    labels = matlab.whole_numbers(path, matlab.read_variable(path, "LabelMap"), RELEASE_LABELS)
    table = np.zeros(RELEASE_LABELS + 1, np.uint8)
    table[list(RELEASE_IDS)] = np.arange(1, len(CLASSES) + 1)
    return _with_background(table[labels], background)


def read_indexed(path: Path, background: Background = Background.CLASS) -> NDArray[np.uint8]:
    """Decode an index image, 0 for background, then the 59 classes, to uint8 [H, W]; raises DataError."""
    return _with_background(decode_label(path, Coding(("background", *CLASSES), VOID)), background)


def _with_background(labels: NDArray[np.uint8], background: Background) -> NDArray[np.uint8]:
    """From 0 for background and 1..59 to the labels that are scored."""
    if background is Background.CLASS:
        return labels
    classes = (labels != 0) & (labels != VOID)
    return np.where(classes, labels - np.uint8(classes), np.uint8(VOID))


def _looks_right(folder: Path) -> bool:
    return (folder / _INDEXED).is_dir() or any((folder / _RELEASED).glob("*.mat"))


def _label_problems(root: Path) -> list[str]:
    """In what the folder's lists of classes differ from those known here; the release's two files may be absent."""
    problems: list[str] = []
    known = dict(zip(RELEASE_IDS, CLASSES, strict=True))
    if (root / "labels.txt").exists():
        found = _read_classes(root, "labels.txt", problems)
        for number, name in known.items():
            if found.get(number) != name:
                problems.append(f"labels.txt: class {number} is {found.get(number, 'missing')}, expected {name}")
    if (root / "59_labels.txt").exists():
        names = {_TASK_NAMES.get(name, name) for name in _read_classes(root, "59_labels.txt", problems).values()}
        problems += [f"59_labels.txt: {name} missing" for name in CLASSES if name not in names]
        problems += [f"59_labels.txt: {name} is none of the 59 classes" for name in sorted(names.difference(CLASSES))]
    return problems


def _read_classes(root: Path, place: str, problems: list[str]) -> dict[int, str]:
    """Number and name of each class of a file with lines like ``2: aeroplane``; names without blanks."""
    found: dict[int, str] = {}
    for number, line in enumerate(read_lines(root, place, problems, REMEDY), start=1):
        match = re.fullmatch(r"\s*(\d+)\s*:\s*(.+)", line)
        if match:
            found[int(match[1])] = re.sub(r"\s", "", match[2])
        elif line.strip():
            problems.append(f"{place}, line {number}: expected a number, a colon and the name of a class")
    return found
