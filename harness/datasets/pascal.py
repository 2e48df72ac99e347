"""PASCAL VOC 2012 segmentation, one split at a time, for evaluation at full size.

The official truth lies in ``SegmentationClass`` and has a band of void around objects; the truth of DeepLab's lists
``train_aug`` and ``trainval_aug`` lies in ``SegmentationClassAug`` and has none. The two give different scores.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from harness.datasets.folders import Release, check_split, locate
from harness.datasets.labelled import Item, LabelledImages
from harness.datasets.lists import read_names
from harness.datasets.segmented import decode_label
from harness.datasets.voc import AUGMENTED_LABELS, BANDED_LABELS, CLASSES, CODING, LISTS, RELEASE_COUNTS, REMEDY

RELEASE = Release("voc2012", RELEASE_COUNTS, REMEDY)

BELOW = ("VOC2012", "VOCdevkit/VOC2012")
"""Where the folder of VOC 2012 lies below the one a user names."""


def open_pascal(
    folder: Path, split: str, *, labels: str | None = None, require_complete: bool = True
) -> LabelledImages:
    """Find and check one split without decoding an image.

    The lists are checked by their number of names; their content is not pinned.

    Args:
        folder: The folder that holds ``JPEGImages`` and ``ImageSets``, or one that holds ``VOC2012`` or ``VOCdevkit``.
        split: ``train``, ``val``, ``trainval``, ``train_aug`` or ``trainval_aug``.
        labels: Folder of labels; None takes ``SegmentationClassAug`` for the augmented lists, else
            ``SegmentationClass``.
        require_complete: Refuse a split of which images are missing.

    Raises:
        DataError: Everything that is missing, empty or inconsistent, in one message.
        UsageError: There is no such split.
    """
    RELEASE.require(split)
    truths = labels or (AUGMENTED_LABELS if split.endswith("_aug") else BANDED_LABELS)
    root = find_voc(folder)
    problems = [f"{place}: folder missing" for place in ("JPEGImages", truths) if not (root / place).is_dir()]
    names = read_names(root, f"{LISTS}/{split}.txt", problems, REMEDY)
    items = [Item(name, root / "JPEGImages" / f"{name}.jpg", root / truths / f"{name}.png") for name in names]
    where, here = check_split(root, RELEASE, split, items, require_complete=require_complete, problems=problems)
    return LabelledImages(where, here, CLASSES, partial(decode_label, coding=CODING))


def find_voc(folder: Path) -> Path:
    """Return the folder of VOC 2012, which is the one given or lies below it.

    Raises:
        DataError: There is none.
    """
    layout = f"{LISTS}/ of VOC 2012"
    return locate(folder, BELOW, lambda place: (place / LISTS).is_dir(), layout, REMEDY)
