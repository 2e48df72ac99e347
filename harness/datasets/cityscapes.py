"""Cityscapes: Cordts et al., CVPR 2016, in the layout of its packages.

``leftImg8bit/<split>/<city>/<name>_leftImg8bit.png`` are the images; the truth lies in ``gtFine`` or ``gtCoarse`` as
``<name>_gtFine_labelIds.png`` (34 labels), ``..._labelTrainIds.png`` (19 classes, made by the owners' scripts) and
``..._instanceIds.png`` (16 bits). The truth of ``test`` is a dummy without a scored pixel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.datasets.cityscapes_labels import DRAWN, TRAINED
from harness.datasets.folders import Release, check_split, files_below, locate
from harness.datasets.images import read_image
from harness.datasets.labelled import Item, LabelledImages
from harness.datasets.segmented import VOID, Coding, decode_label
from harness.errors import DataError, UsageError

Annotation = Literal["gtFine", "gtCoarse"]

CITIES: Mapping[str, Mapping[str, int]] = {
    "train": {
        "aachen": 174,
        "bochum": 96,
        "bremen": 316,
        "cologne": 154,
        "darmstadt": 85,
        "dusseldorf": 221,
        "erfurt": 109,
        "hamburg": 248,
        "hanover": 196,
        "jena": 119,
        "krefeld": 99,
        "monchengladbach": 94,
        "strasbourg": 365,
        "stuttgart": 196,
        "tubingen": 144,
        "ulm": 95,
        "weimar": 142,
        "zurich": 122,
    },
    "val": {"frankfurt": 267, "lindau": 59, "munster": 174},
    "test": {"berlin": 544, "bielefeld": 181, "bonn": 46, "leverkusen": 58, "mainz": 298, "munich": 398},
}
"""Images of each city in the splits with fine annotations."""

FINE = {split: sum(cities.values()) for split, cities in CITIES.items()}
COARSE = {"train": FINE["train"], "val": FINE["val"], "train_extra": 19998}

REMEDY = (
    "Register at https://www.cityscapes-dataset.com, download leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip "
    "(for coarse annotations gtCoarse.zip and leftImg8bit_trainextra.zip), unpack them into one folder and pass it as "
    "--data."
)

RELEASES: Mapping[Annotation, Release] = {
    "gtFine": Release("cityscapes", FINE, REMEDY),
    "gtCoarse": Release("cityscapes-coarse", COARSE, REMEDY),
}

IMAGES = "leftImg8bit"

_BELOW = ("cityscapes", "Cityscapes")
_MOST_INSTANCES = 1000


class Truth(StrEnum):
    """Which labels are read, and from which files.

    Attributes:
        TRAIN_IDS: The 19 classes and void, from ``labelIds`` files.
        TRAIN_ID_FILES: The same from ``labelTrainIds`` files.
        LABEL_IDS: All 34 labels, none of them void, as the official score needs them.
    """

    TRAIN_IDS = "train-ids"
    TRAIN_ID_FILES = "train-id-files"
    LABEL_IDS = "label-ids"


def open_cityscapes(
    folder: Path,
    split: str,
    *,
    annotation: Annotation = "gtFine",
    truth: Truth = Truth.TRAIN_IDS,
    require_complete: bool = True,
) -> LabelledImages:
    """Find and check one split without decoding an image; instance files belong to it.

    There is no official list of names; the images of each city are counted.

    Args:
        folder: The folder that holds ``leftImg8bit`` and ``gtFine``, or one that holds it as ``cityscapes``.
        split: ``train``, ``val`` and ``test`` of ``gtFine``; ``train``, ``val`` and ``train_extra`` of ``gtCoarse``.
        annotation: Which package of annotations.
        truth: Which labels.
        require_complete: Refuse a split of which images are missing.

    Raises:
        DataError: Everything that is missing, empty or inconsistent, in one message.
        UsageError: There is no such split or package.
    """
    if annotation not in RELEASES:
        raise UsageError(f"cityscapes: no annotations {annotation!r}", f"Choose one of {', '.join(RELEASES)}.")
    release = RELEASES[annotation]
    release.require(split)
    layout = f"{IMAGES}/ and {annotation}/ of Cityscapes"
    root = locate(
        folder, _BELOW, lambda place: (place / IMAGES).is_dir() or (place / annotation).is_dir(), layout, REMEDY
    )
    problems: list[str] = []
    kind = "labelTrainIds" if truth is Truth.TRAIN_ID_FILES else "labelIds"
    images = _names(root, f"{IMAGES}/{split}", f"_{IMAGES}.png", problems)
    labels = _names(root, f"{annotation}/{split}", f"_{annotation}_{kind}.png", problems)
    names = sorted({*images, *labels})
    if require_complete:
        problems += _miscounted(split, names)
    items = [
        Item(
            name.rpartition("/")[2],
            root / IMAGES / split / f"{name}_{IMAGES}.png",
            root / annotation / split / f"{name}_{annotation}_{kind}.png",
            root / annotation / split / f"{name}_{annotation}_instanceIds.png",
        )
        for name in names
    ]
    where, here = check_split(root, release, split, items, require_complete=require_complete, problems=problems)
    read = read_label_ids if truth is Truth.LABEL_IDS else read_train_ids
    if truth is Truth.TRAIN_ID_FILES:
        read = partial(decode_label, coding=_TRAIN_CODING)
    class_names = _LABEL_CODING.class_names if truth is Truth.LABEL_IDS else _TRAIN_CODING.class_names
    return LabelledImages(where, here, class_names, read, read_instances)


def read_label_ids(path: Path) -> NDArray[np.uint8]:
    """Decode a ``labelIds`` file to uint8 [H, W], ``0..33``, 255 where -1 (license plate) is; raises DataError."""
    return decode_label(path, _LABEL_CODING)


def read_train_ids(path: Path) -> NDArray[np.uint8]:
    """Decode a ``labelIds`` file to trainIds: uint8 [H, W], ``0..18`` or ``VOID``; raises DataError."""
    trained: NDArray[np.uint8] = _TRAIN_IDS[read_label_ids(path)]
    return trained


def read_instances(path: Path) -> NDArray[np.int32]:
    """Decode an ``instanceIds`` file.

    Returns:
        int32 [H, W], the label's id where objects are not told apart, else 1000 times the id plus the object's number.

    Raises:
        DataError: The file cannot be read, is no grey image of 8 or 16 bits, or holds a number that no label gives.
    """
    image = read_image(path)
    if image.mode not in ("L", "I", "I;16", "I;16B"):
        raise DataError(f"{path}: instances of mode {image.mode}, expected 16 bits of grey", _AS_RELEASED)
    values = np.array(image).astype(np.int32)
    groups, inside = values, (values >= 0) & (values < len(DRAWN))
    numbered = values >= _MOST_INSTANCES
    groups = np.where(numbered, values // _MOST_INSTANCES, 0)
    inside |= numbered & _HAS_INSTANCES[np.clip(groups, 0, len(DRAWN))]
    strange = np.argwhere(~inside)
    if len(strange):
        row, column = (int(place) for place in strange[0])
        raise DataError(
            f"{path}: instance {values[row, column]} at row {row}, column {column} ({len(strange)} such pixels) "
            "belongs to no label",
            _AS_RELEASED,
        )
    return values


_AS_RELEASED = "Use the label files as released."
_LABEL_CODING = Coding(tuple(label.name for label in DRAWN), VOID)
_TRAIN_CODING = Coding(tuple(label.name for label in TRAINED), VOID)
_TRAIN_IDS = np.full(256, VOID, np.uint8)
_TRAIN_IDS[: len(DRAWN)] = [label.train_id for label in DRAWN]
_HAS_INSTANCES = np.array([*(label.has_instances for label in DRAWN), False])


def _names(root: Path, place: str, ending: str, problems: list[str]) -> list[str]:
    """``<city>/<name>`` of each file of a kind."""
    paths = files_below(root, place, f"*/*{ending}", problems)
    return [f"{path.parent.name}/{path.name.removesuffix(ending)}" for path in paths]


def _miscounted(split: str, names: list[str]) -> list[str]:
    """Cities of which images are missing or too many; not known for ``train_extra``."""
    if split not in CITIES:
        return []
    found, wanted = Counter(name.partition("/")[0] for name in names), CITIES[split]
    cities = [*wanted, *sorted(found.keys() - wanted.keys())]
    return [
        f"{split}/{city}: {found[city]} of {wanted.get(city, 0)} images"
        for city in cities
        if found[city] != wanted.get(city, 0)
    ]
