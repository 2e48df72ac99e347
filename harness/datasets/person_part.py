"""PASCAL-Person-Part: Chen et al., Detect What You Can (CVPR 2014), its persons merged to six parts.

1,716 and 1,817 images of VOC 2010, in one of two forms: the index images that DeepLab uses
(``pascal_person_part_gt/<name>.png``, 0..6) with their lists (``pascal_person_part_trainval_list``), or the
annotations of PASCAL-Part (``Annotations_Part/<name>.mat``), whose 24 parts of a person are merged here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.datasets import matlab
from harness.datasets.folders import Release, check_split, locate
from harness.datasets.labelled import Item, LabelledImages
from harness.datasets.lists import read_names
from harness.datasets.segmented import VOID, Coding, decode_label
from harness.errors import DataError

CLASSES = ("background", "head", "torso", "upper arms", "lower arms", "upper legs", "lower legs")

CODING = Coding(CLASSES, VOID)

Neck = Literal["head", "torso"]
"""The part a neck belongs to: public conversions of PASCAL-Part differ, so scores on either are not the same."""

MERGED = {
    **dict.fromkeys(("head", "leye", "reye", "lear", "rear", "lebrow", "rebrow", "nose", "mouth", "hair"), "head"),
    "torso": "torso",
    **dict.fromkeys(("luarm", "ruarm"), "upper arms"),
    **dict.fromkeys(("llarm", "rlarm", "lhand", "rhand"), "lower arms"),
    **dict.fromkeys(("luleg", "ruleg"), "upper legs"),
    **dict.fromkeys(("llleg", "rlleg", "lfoot", "rfoot"), "lower legs"),
}
"""The part that each of PASCAL-Part's parts of a person is merged into; the neck is a choice."""

REMEDY = (
    "Get VOCtrainval_03-May-2010.tar from http://host.robots.ox.ac.uk/pascal/VOC/voc2010 and pascal_person_part.zip "
    "from http://liangchiehchen.com/projects/DeepLab.html (or the annotations of PASCAL-Part from "
    "http://roozbehm.info/pascal-parts/pascal-parts.html with the same lists), unpack them into one folder and pass "
    "it as --data."
)

RELEASE = Release("pascal-person-part", {"train": 1716, "val": 1817}, REMEDY)

_INDEXED, _ANNOTATED = "pascal_person_part_gt", "Annotations_Part"
_LISTS = "pascal_person_part_trainval_list"
_BELOW = ("pascal_person_part", "pascal-person-part")
_IMAGES = ("JPEGImages", "VOC2010/JPEGImages", "VOCdevkit/VOC2010/JPEGImages")


def open_person_part(folder: Path, split: str, *, neck: Neck = "head", require_complete: bool = True) -> LabelledImages:
    """Find and check one split without decoding an image; the index images are taken where both forms are there.

    The lists are checked by their number of names; their content is not pinned.

    Args:
        folder: The folder that holds ``pascal_person_part_trainval_list`` with ``pascal_person_part_gt`` or
            ``Annotations_Part``, or one that holds it as ``pascal_person_part``; ``JPEGImages`` in it, beside it or
            below ``VOCdevkit/VOC2010`` of either.
        split: ``train`` or ``val``.
        neck: Where ``Annotations_Part`` is read, the part that necks belong to.
        require_complete: Refuse a split of which images are missing.

    Raises:
        DataError: Everything that is missing, empty or inconsistent, in one message.
        UsageError: There is no such split.
    """
    RELEASE.require(split)
    layout = f"{_LISTS}/ with {_INDEXED}/ or {_ANNOTATED}/ of PASCAL-Person-Part"
    root = locate(folder, _BELOW, _looks_right, layout, REMEDY)
    indexed = (root / _INDEXED).is_dir()
    labels, suffix = (_INDEXED, ".png") if indexed else (_ANNOTATED, ".mat")
    places = [base / place for base in (root, root.parent) for place in _IMAGES]
    photos = next((place for place in places if place.is_dir()), places[0])
    problems = [] if photos.is_dir() else ["JPEGImages: folder missing"]
    lists = [f"{_LISTS}/{name}.txt" for name in (f"{split}_id", split)]
    found = next((place for place in lists if (root / place).is_file()), lists[0])
    names = read_names(root, found, problems, REMEDY)
    items = [Item(name, photos / f"{name}.jpg", root / labels / f"{name}{suffix}") for name in names]
    where, here = check_split(root, RELEASE, split, items, require_complete=require_complete, problems=problems)
    read = partial(decode_label, coding=CODING) if indexed else partial(read_annotation, neck=neck)
    return LabelledImages(where, here, CLASSES, read)


def read_annotation(path: Path, neck: Neck = "head") -> NDArray[np.uint8]:
    """Decode a file of PASCAL-Part: its persons' parts, later ones over earlier ones, all else background.

    Returns:
        uint8 [H, W], index into ``CLASSES``.

    Raises:
        DataError: The file cannot be read, shows no object, or a person has a part that is not in ``MERGED`` or a
            mask of another size.
    """
    merged = {**MERGED, "neck": neck}
    objects = list(_elements(matlab.field(path, matlab.read_variable(path, "anno"), "objects")))
    if not objects:
        raise DataError(f"{path}: annotation without objects", "Copy the file again.")
    labels = np.zeros(matlab.whole_numbers(path, matlab.field(path, objects[0], "mask"), 1).shape, np.uint8)
    for thing in objects:
        if _text(path, thing, "class") != "person":
            continue
        for part in _elements(matlab.field(path, thing, "parts")):
            name = _text(path, part, "part_name")
            if name not in merged:
                known = ", ".join(sorted(merged))
                raise DataError(f"{path}: unknown part of a person {name!r}", f"Known parts: {known}.")
            mask = matlab.whole_numbers(path, matlab.field(path, part, "mask"), 1)
            if mask.shape != labels.shape:
                sizes = f"{list(mask.shape)}, expected {list(labels.shape)}"
                raise DataError(f"{path}: mask of {name} is {sizes}", "Copy the file again.")
            labels[mask == 1] = CLASSES.index(merged[name])
    return labels


def _elements(structures: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
    """The elements of an array of structures; none of MATLAB's empty matrix."""
    for place in range(structures.size if structures.dtype.names else 0):
        yield structures.reshape(-1)[place : place + 1]


def _text(path: Path, structure: NDArray[np.generic], name: str) -> str:
    return "".join(str(piece) for piece in matlab.field(path, structure, name).reshape(-1))


def _looks_right(folder: Path) -> bool:
    return (folder / _LISTS).is_dir() or (folder / _INDEXED).is_dir()
