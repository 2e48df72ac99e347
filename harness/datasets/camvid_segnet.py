"""SegNet's release of CamVid, one split as an evaluation set; the layout is that of :mod:`harness.datasets.camvid`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from harness.datasets.camvid import BELOW, CLASSES, CODING, RELEASE_COUNTS, REMEDY, Split, looks_right, pairs_of
from harness.datasets.camvid_frames import frames
from harness.datasets.folders import Release, check_split, locate, stray_files
from harness.datasets.labelled import Item, LabelledImages
from harness.datasets.segmented import Pair, decode_label
from harness.errors import DataError

RELEASE = Release("camvid-segnet", RELEASE_COUNTS, REMEDY)


def open_camvid_split(folder: Path, split: str, *, require_complete: bool = True) -> LabelledImages:
    """Find and check one split without decoding an image; the frames must be those of the release, by name.

    Args:
        folder: As in :func:`harness.datasets.camvid.open_camvid`.
        split: ``train``, ``val`` or ``test``.
        require_complete: Refuse a split of which frames are missing.

    Raises:
        DataError: Everything that is missing, empty or inconsistent, in one message.
        UsageError: There is no such split.
    """
    RELEASE.require(split)
    root = locate(folder, BELOW, looks_right, "train/ and trainannot/ of CamVid", REMEDY)
    problems: list[str] = []
    try:
        pairs = {pair.name: pair for pair in pairs_of(root, Split(split), problems)}
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})", REMEDY) from error
    problems += stray_files(split, pairs, frames(split), "names that the release does not have")
    absent = {name: Pair(name, f"{split}/{name}.png", f"{split}annot/{name}.png") for name in frames(split)}
    known = [pairs.get(name, pair) for name, pair in absent.items()]
    items = [Item(pair.name, root / pair.image, root / pair.label) for pair in known]
    where, here = check_split(root, RELEASE, split, items, require_complete=require_complete, problems=problems)
    return LabelledImages(where, here, CLASSES, partial(decode_label, coding=CODING))
