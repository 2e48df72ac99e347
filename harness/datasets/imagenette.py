"""Imagenette: ten classes of ImageNet, read from a folder in the layout of the release.

``train/<wnid>/*`` and ``val/<wnid>/*``, images of any size. 500 of its images bear names ``ILSVRC2012_val_*``: they
come from ImageNet's validation set, which has official boxes, and lie in both folders. They are the localisation
test set and are kept out of training:

* train: ``train/`` without ``ILSVRC2012_val_*`` (9,103 images);
* test: ``val/``, all of it (3,925 images, 134 of which are in the localisation set as well);
* localisation: ``ILSVRC2012_val_*`` of both folders (500 images), if the folder holds their boxes.

All of ``train/`` and much of ``val/`` are ImageNet training images: only networks trained from scratch may be
scored on ``val/``.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets.digest import arrays_digest
from harness.datasets.images import Progress, load_square
from harness.errors import DataError

CLASSES: Mapping[str, str] = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}
"""Class name of each folder, in order of label."""

RELEASE_COUNTS: Mapping[str, tuple[int, ...]] = {
    "train": (963, 955, 993, 858, 941, 956, 961, 931, 951, 960),
    "val": (387, 395, 357, 386, 409, 394, 389, 419, 399, 390),
}
"""Images in each class folder of release 2, in order of label."""

BOXES_FILE = "boxes_ilsvrc_val_500.csv"
"""Official boxes of the 500 images; columns path, imagenet_class, orig_w, orig_h, x0, y0, x1, y1."""

REMEDY = (
    "Download imagenette2-160.tgz from https://github.com/fastai/imagenette, unpack it, and pass the folder "
    "that holds train/ and val/ as --data."
)

_BOXED_PREFIX = "ILSVRC2012_val_"
_BOX_COLUMNS = ("path", "imagenet_class", "orig_w", "orig_h", "x0", "y0", "x1", "y1")


class Split(StrEnum):
    """Parts of the data; see the module's text."""

    TRAIN = "train"
    TEST = "test"
    LOCALISATION = "localisation"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image: its path below the root with forward slashes, label 0..9 and size in bytes."""

    path: str
    label: int
    size: int


@dataclass(frozen=True, slots=True)
class TrueBox:
    """An official box as fractions of the frame's width and height: left, top, right and bottom edge in [0, 1]."""

    path: str
    edges: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Decoded images and their truth.

    Attributes:
        images: uint8 [N, S, S, 3], RGB, whole frames stretched to a square; read-only.
        labels: int64 [N] in 0..9.
        boxes: float64 [M, 4], x1, y1, x2, y2 in pixels of the square, both ends inside, fractional; no rows unless
            the split is the localisation set.
        owners: int64 [M], the image of each box.
        paths: Of each image, below the root.
        list_digest: SHA-256 (hexadecimal) of path and size of each image's file.
        class_names: In order of label.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    boxes: NDArray[np.float64]
    owners: NDArray[np.int64]
    paths: tuple[str, ...]
    list_digest: str
    class_names: tuple[str, ...] = tuple(CLASSES.values())

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self) -> str:
        """SHA-256 (hexadecimal) of class names, paths and arrays, the pixels as decoded here."""
        names = (*self.class_names, *self.paths)
        return arrays_digest(names, (self.images, self.labels, self.boxes, self.owners))


@dataclass(frozen=True, slots=True)
class Imagenette:
    """A checked folder.

    Attributes:
        root: The folder that holds ``train`` and ``val``.
        files: All images, sorted by path.
        boxes: Official boxes of the localisation set, empty if the folder has no ``BOXES_FILE``.
        digest: SHA-256 (hexadecimal) of path and size of each file and of all boxes.
        complete: Whether every class folder holds as many images as the release.
    """

    root: Path
    files: tuple[ImageFile, ...]
    boxes: tuple[TrueBox, ...]
    digest: str
    complete: bool

    def split(self, split: Split) -> tuple[ImageFile, ...]:
        """Images of one part, sorted by path.

        Raises:
            DataError: The part has no images, or its boxes are missing.
        """
        if split is Split.LOCALISATION and not self.boxes:
            raise DataError(
                f"{self.root}: no {BOXES_FILE}, so localisation error cannot be measured",
                f"Put the file beside train/ and val/: one row ({', '.join(_BOX_COLUMNS)}) for each official box of "
                "ILSVRC2012_bbox_val_v3.tgz from https://image-net.org, boxes in original pixels.",
            )
        chosen = tuple(file for file in self.files if split in _splits(file.path))
        if not chosen:
            raise DataError(f"{self.root}: no image belongs to the {split} set", REMEDY)
        return chosen


def open_imagenette(folder: Path, *, require_complete: bool = True) -> Imagenette:
    """Find and check an Imagenette folder without decoding an image.

    Args:
        folder: The folder that holds ``train`` and ``val``, or one that holds such a folder.
        require_complete: Refuse a folder whose class folders hold other numbers of images than the release.

    Raises:
        DataError: Everything that is missing, empty or inconsistent, in one message.
    """
    try:
        root = _find_root(folder)
        files, counts, problems = _list_files(root)
        boxes, box_problems = _read_boxes(root, {file.path for file in files})
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})", REMEDY) from error
    expected = {(split, label): n for split, row in RELEASE_COUNTS.items() for label, n in enumerate(row)}
    differing = [
        f"{split}/{wnid}: {counts[split, label]} of {expected[split, label]} images"
        for split in RELEASE_COUNTS
        for label, wnid in enumerate(CLASSES)
        if counts[split, label] and counts[split, label] != expected[split, label]
    ]
    if require_complete:
        problems += differing
    problems += box_problems
    if problems:
        listing = "\n".join(f"  {problem}" for problem in problems)
        raise DataError(f"{root}: not a whole copy of Imagenette:\n{listing}", REMEDY)
    return Imagenette(root, files, boxes, _digest(files, boxes), complete=not differing)


def load_split(dataset: Imagenette, split: Split, size: int, cache: Path, progress: Progress | None = None) -> ImageSet:
    """Decode one part of the data, or map it from the cache.

    Args:
        dataset: A checked folder.
        split: Which part.
        size: Side in pixels to which whole frames are stretched.
        cache: Folder for decoded images; may be shared by all splits and sizes.
        progress: Told how far decoding is.

    Raises:
        DataError: As :meth:`Imagenette.split`, or files cannot be decoded.
        StorageError: The cache cannot be written.
        UsageError: ``size`` is below 1.
    """
    files = dataset.split(split)
    paths = tuple(file.path for file in files)
    boxes, owners = _boxes_in_pixels(dataset.boxes if split is Split.LOCALISATION else (), paths, size)
    return ImageSet(
        images=load_square(dataset.root, paths, size, cache, progress),
        labels=np.array([file.label for file in files], dtype=np.int64),
        boxes=boxes,
        owners=owners,
        paths=paths,
        list_digest=_digest(files, ()),
    )


def _boxes_in_pixels(
    boxes: Sequence[TrueBox], paths: Sequence[str], size: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    position = {path: index for index, path in enumerate(paths)}
    edges = np.array([box.edges for box in boxes], dtype=np.float64).reshape(-1, 4) * size
    owners = np.array([position[box.path] for box in boxes], dtype=np.int64)
    return edges - np.array([0.0, 0.0, 1.0, 1.0]), owners


def _splits(path: str) -> tuple[Split, ...]:
    folder, _, name = path.split("/")
    boxed = (Split.LOCALISATION,) if name.startswith(_BOXED_PREFIX) else ()
    if folder == "val":
        return (Split.TEST, *boxed)
    return boxed or (Split.TRAIN,)


def _find_root(folder: Path) -> Path:
    """``folder``, or the only folder in it that holds ``train`` and ``val`` with folders of the classes."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", REMEDY)
    if _looks_right(folder):
        return folder
    found = sorted(child for child in folder.iterdir() if child.is_dir() and _looks_right(child))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(child.name for child in found)
        raise DataError(f"{folder}: holds several Imagenette folders ({names})", "Pass one of them as --data.")
    raise DataError(f"{folder}: holds no train/ and val/ with the folders of Imagenette", REMEDY)


def _looks_right(folder: Path) -> bool:
    return any((folder / split / wnid).is_dir() for split in RELEASE_COUNTS for wnid in CLASSES)


def _list_files(root: Path) -> tuple[tuple[ImageFile, ...], Counter[tuple[str, int]], list[str]]:
    """All images, how many each class folder has, and what is wrong with the folders."""
    files: list[ImageFile] = []
    counts: Counter[tuple[str, int]] = Counter()
    problems: list[str] = []
    for split in RELEASE_COUNTS:
        if not (root / split).is_dir():
            problems.append(f"{split}: folder missing")
            continue
        for label, wnid in enumerate(CLASSES):
            folder = root / split / wnid
            if not folder.is_dir():
                problems.append(f"{split}/{wnid}: folder missing ({CLASSES[wnid]})")
                continue
            entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
            if not entries:
                problems.append(f"{split}/{wnid}: empty folder ({CLASSES[wnid]})")
            for entry in entries:
                path = entry.relative_to(root).as_posix()
                if entry.suffix.lower() not in (".jpeg", ".jpg", ".png"):
                    problems.append(f"{path}: not an image file")
                elif (size := entry.stat().st_size) == 0:
                    problems.append(f"{path}: empty file")
                else:
                    files.append(ImageFile(path, label, size))
                counts[split, label] += 1
    return tuple(sorted(files, key=lambda file: file.path)), counts, problems


def _read_boxes(root: Path, paths: Set[str]) -> tuple[tuple[TrueBox, ...], list[str]]:
    """Boxes of ``BOXES_FILE``, if it is there, and what is wrong with it."""
    source = root / BOXES_FILE
    if not source.is_file():
        return (), []
    lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = [[value.strip() for value in line.split("#")[0].split(",")] for line in lines]
    if not rows or tuple(rows[0]) != _BOX_COLUMNS:
        return (), [f"{BOXES_FILE}, line 1: expected the columns {', '.join(_BOX_COLUMNS)}"]
    boxes: list[TrueBox] = []
    problems: list[str] = []
    for number, row in enumerate(rows[1:], start=2):
        if row == [""]:
            continue
        try:
            boxes.append(_parse_box(row))
        except ValueError as error:
            problems.append(f"{BOXES_FILE}, line {number}: {error}")
    if not problems:
        boxed = {box.path for box in boxes}
        problems += _summary(boxed - paths, "has boxes in " + BOXES_FILE + " but is absent")
        lacking = {path for path in paths if Split.LOCALISATION in _splits(path)} - boxed
        problems += _summary(lacking, "has no box in " + BOXES_FILE)
        problems += _summary(
            {path for path in boxed & paths if Split.LOCALISATION not in _splits(path)},
            f"has boxes in {BOXES_FILE} but is not named {_BOXED_PREFIX}*",
        )
    return tuple(boxes), problems


def _parse_box(row: list[str]) -> TrueBox:
    if len(row) != len(_BOX_COLUMNS) or not all(value.isdecimal() for value in row[1:]):
        raise ValueError("expected a path and seven whole numbers")
    _, width, height, x0, y0, x1, y1 = (int(value) for value in row[1:])
    if not (x0 <= x1 < width and y0 <= y1 < height):
        raise ValueError(f"box {x0},{y0},{x1},{y1} is not inside an image of {width} x {height} pixels")
    return TrueBox(row[0], (x0 / width, y0 / height, (x1 + 1) / width, (y1 + 1) / height))


def _summary(paths: set[str], fault: str) -> list[str]:
    """One line for each folder of the paths."""
    by_folder: dict[str, list[str]] = {}
    for path in sorted(paths):
        by_folder.setdefault(path.rpartition("/")[0], []).append(path)
    return [
        f"{group[0]} {fault}" + (f" (and {len(group) - 1} more in {folder})" if len(group) > 1 else "")
        for folder, group in by_folder.items()
    ]


def _digest(files: Sequence[ImageFile], boxes: Sequence[TrueBox]) -> str:
    state = hashlib.sha256()
    for file in files:
        state.update(f"{file.path} {file.size}\n".encode())
    for box in boxes:
        state.update(f"{box.path} {box.edges!r}\n".encode())
    return state.hexdigest()
