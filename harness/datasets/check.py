"""Which datasets lie in a folder, how much of each, and what is wrong with them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from harness.datasets.catalogue import DATASETS, Dataset, Part
from harness.errors import DataError

if TYPE_CHECKING:
    from harness.datasets.openers import Images

Progress = Callable[[str, int, int], None]
"""Called with what is being decoded, how many images are done and how many there are."""

DEPTH = 3
"""How far below a folder datasets are looked for."""

_CLASS_FOLDER = re.compile(r"n\d{8}")
_SHOWN = 20


class State(StrEnum):
    """How much of a split is there."""

    WHOLE = "whole"
    PART = "part"
    PROBLEMS = "problems"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of one split.

    Attributes:
        dataset: Key.
        split: Name of the split.
        root: Where the dataset lies.
        state: How much of it is there.
        images: How many are there; 0 where there are problems.
        release: How many the release has.
        digest: Of names and sizes; empty where there are problems.
        problems: Everything that is wrong, in one message.
        remedy: How to mend it.
    """

    dataset: str
    split: str
    root: Path
    state: State
    images: int
    release: int
    digest: str = ""
    problems: str = ""
    remedy: str = ""


def check_folder(
    folder: Path, datasets: Sequence[Dataset] = DATASETS, *, deep: bool = False, progress: Progress | None = None
) -> tuple[Checked, ...]:
    """Find datasets in a folder and check every split of each.

    Args:
        folder: Looked through ``DEPTH`` levels deep.
        datasets: What to look for.
        deep: Also decode every image and its truth.
        progress: Told how far decoding is.

    Raises:
        DataError: There is no such folder, or it may not be read.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    try:
        places = list(_folders(folder, DEPTH))
        found = [(dataset, root) for dataset in datasets for root in _roots(dataset, places)]
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error
    return tuple(_check_part(dataset, part, root, deep, progress) for dataset, root in found for part in dataset.parts)


def _roots(dataset: Dataset, places: Sequence[Path]) -> list[Path]:
    """Folders that look like a root of the dataset, none of them inside another."""
    roots: list[Path] = []
    for place in places:
        if not any(place.is_relative_to(root) for root in roots) and dataset.present(place):
            roots.append(place)
    return roots


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """A folder and those below it, without hidden ones, links and the folders of ImageNet's classes."""
    yield folder
    if depth == 0:
        return
    with os.scandir(folder) as entries:
        inside = sorted(
            entry.name
            for entry in entries
            if entry.is_dir(follow_symlinks=False)
            and not entry.name.startswith(".")
            and not _CLASS_FOLDER.fullmatch(entry.name)
        )
    for name in inside:
        yield from _folders(folder / name, depth - 1)


def _check_part(dataset: Dataset, part: Part, root: Path, deep: bool, progress: Progress | None) -> Checked:
    if not (root / part.shown_by).exists():
        return Checked(dataset.key, part.name, root, State.ABSENT, 0, part.images)
    try:
        images = dataset.open(root, part.name, False)
        if deep:
            _decode_all(images, progress)
    except DataError as error:
        return Checked(dataset.key, part.name, root, State.PROBLEMS, 0, part.images, "", error.message, error.remedy)
    state = State.WHOLE if images.split.whole else State.PART
    return Checked(dataset.key, part.name, root, state, len(images), part.images, images.split.digest)


def _decode_all(images: Images, progress: Progress | None) -> None:
    """Decode every image and its truth.

    Raises:
        DataError: Files that cannot be decoded, hold a value out of range or differ in size, in one message.
    """
    from harness.datasets.folders import check_item
    from harness.datasets.labelled import LabelledImages

    def attempt(index: int) -> DataError | None:
        try:
            if isinstance(images, LabelledImages):
                check_item(images, index)
            else:
                images.image(index)
        except DataError as error:
            return error
        return None

    faults: list[DataError] = []
    with ThreadPoolExecutor() as executor:
        for done, fault in enumerate(executor.map(attempt, range(len(images))), start=1):
            faults += [fault] if fault else []
            if progress is not None:
                progress(images.split.key, done, len(images))
    if faults:
        shown = [f"  {fault.message}" for fault in faults[:_SHOWN]]
        shown += [f"  and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        remedies = " ".join(dict.fromkeys(fault.remedy for fault in faults if fault.remedy))
        raise DataError(f"{images.split.key}: {len(faults)} of {len(images)} images:\n" + "\n".join(shown), remedies)
