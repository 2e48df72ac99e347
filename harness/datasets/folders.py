"""What readers of datasets with a label for each pixel share: finding the folder, checking a split.

A check looks at names and sizes only and reports everything that is wrong in one message; :func:`check_item` decodes
one image and its truth.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.datasets.labelled import Item, LabelledImages, Split
from harness.datasets.segmented import find_root
from harness.errors import DataError, UsageError

Result = TypeVar("Result")

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Release:
    """A dataset as its owners publish it.

    Attributes:
        dataset: Key as claims name it.
        counts: Images in each split.
        remedy: How to get the data.
    """

    dataset: str
    counts: Mapping[str, int]
    remedy: str

    def require(self, split: str) -> None:
        """Raise UsageError if the release has no such split."""
        if split not in self.counts:
            raise UsageError(f"{self.dataset}: no split {split!r}", f"Choose one of {', '.join(self.counts)}.")


def locate(folder: Path, below: Sequence[str], looks_right: Callable[[Path], bool], layout: str, remedy: str) -> Path:
    """Return the first of ``folder`` and the named folders below it that looks right.

    Raises:
        DataError: None does, or one of them may not be read.
    """
    try:
        return find_root(folder, below, looks_right, layout, remedy)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})", remedy) from error


def files_below(root: Path, place: str, pattern: str, problems: list[str]) -> tuple[Path, ...]:
    """Return the files below ``root / place`` that match a pattern, sorted; a missing folder is a problem.

    Raises:
        DataError: The folder may not be read.
    """
    folder = root / place
    try:
        if not folder.is_dir():
            problems.append(f"{place}: folder missing")
            return ()
        return tuple(sorted(path for path in folder.glob(pattern) if not path.name.startswith(".")))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from error


def check_split(
    root: Path,
    release: Release,
    split: str,
    items: Sequence[Item],
    *,
    require_complete: bool,
    problems: Sequence[str] = (),
) -> tuple[Split, tuple[Item, ...]]:
    """Check that every file of a split is there and not empty, without decoding one.

    Args:
        root: Folder that messages and the digest name files from.
        release: Whose split it is.
        split: One of ``release.counts``.
        items: In the official order.
        require_complete: Refuse a split of which images are missing; else those that lack a file are left out.
        problems: Found before; reported together with what is found here.

    Raises:
        DataError: Everything that is missing, empty, double or too many, in one message; no image is left.
        UsageError: The release has no such split.
    """
    release.require(split)
    found = list(problems)
    sizes = {path: _size(path) for item in items for path in _files(item)}
    here = [item for item in items if all(sizes[path] is not None for path in _files(item))]
    wanted = release.counts[split]
    if require_complete:
        found += [f"{split}: {len(items)} of {wanted} images"] if len(items) != wanted else []
        found += _missing(root, items, sizes)
    elif len(items) > wanted:
        found.append(f"{split}: {len(items)} images, the release has {wanted}")
    twice = Counter(item.name for item in items)
    found += _listing("named more than once", [name for name, times in twice.items() if times > 1], len(items))
    found += _listing("empty files", [_shown(path, root) for path, size in sizes.items() if size == 0], len(sizes))
    if not here:
        found.append(f"{split}: no images")
    if found:
        listing = "\n".join(f"  {problem}" for problem in found)
        raise DataError(f"{root}: {release.dataset}/{split}: {len(found)} problems:\n{listing}", release.remedy)
    state = hashlib.sha256()
    for path in (path for item in here for path in _files(item)):
        state.update(f"{_shown(path, root)} {sizes[path]}\n".encode())
    return Split(release.dataset, split, root, state.hexdigest(), len(here), wanted), tuple(here)


def check_item(images: LabelledImages, index: int) -> None:
    """Decode one image with its truth, and its instances if the dataset has them, and compare their sizes.

    Raises:
        DataError: Files that cannot be decoded, hold a value out of range or differ in size, in one message.
    """
    item, faults = images.items[index], list[DataError]()
    image = _attempt(partial(images.image, index), faults)
    readers: list[tuple[Path, Callable[[Path], NDArray[np.integer[Any]]]]] = [(item.truth, images.read_truth)]
    if item.instances is not None and images.read_instances is not None:
        readers.append((item.instances, images.read_instances))
    for path, read in readers:
        values = _attempt(partial(read, path), faults)
        if image is not None and values is not None and values.shape != image.shape[:2]:
            sizes = f"{values.shape[1]} x {values.shape[0]} pixels, its image {item.image.name} has"
            message = f"{path}: {sizes} {image.shape[1]} x {image.shape[0]}"
            faults.append(DataError(message, "An image and its label must have one size."))
    if faults:
        remedy = " ".join(dict.fromkeys(fault.remedy for fault in faults if fault.remedy))
        raise DataError("\n  ".join(fault.message for fault in faults), remedy)


def stray_files(
    place: str, names: Iterable[str], known: Iterable[str], kind: str = "label without an image"
) -> list[str]:
    """Return a problem that lists the names that are not known, or none."""
    among = list(names)
    return _listing(f"{place}: {kind}", sorted(set(among) - set(known)), len(among))


def _files(item: Item) -> tuple[Path, ...]:
    return (item.image, item.truth) if item.instances is None else (item.image, item.truth, item.instances)


def _size(path: Path) -> int | None:
    """Bytes of a file; None if it is missing."""
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _missing(root: Path, items: Sequence[Item], sizes: Mapping[Path, int | None]) -> list[str]:
    """One problem for each kind of file of which some are missing."""
    kinds = {
        "images": [item.image for item in items],
        "labels": [item.truth for item in items],
        "instance files": [item.instances for item in items if item.instances is not None],
    }
    problems: list[str] = []
    for kind, paths in kinds.items():
        absent = [_shown(path, root) for path in paths if sizes[path] is None]
        problems += _listing(f"{kind} missing", absent, len(paths))
    return problems


def _listing(kind: str, names: Sequence[str], total: int) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{kind}: {len(names)} of {total}: {', '.join(names[:_SHOWN])}{more}"]


def _shown(path: Path, root: Path) -> str:
    """A file's path from the root, with forward slashes; its whole path if it lies elsewhere."""
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _attempt(read: Callable[[], Result], faults: list[DataError]) -> Result | None:
    try:
        return read()
    except DataError as error:
        faults.append(error)
        return None
