"""Folders of images with a label for each pixel: pairing, checking, and decoding to arrays of one size.

A label file is an index or palette image whose values are class numbers; it is never read through its colours.
Images are resized bilinearly with antialiasing and labels by the nearest pixel, both with the pixels' centres as
anchor, so that the two stay aligned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.datasets.digest import arrays_digest
from harness.datasets.images import Progress, Recipe, load_decoded, read_image
from harness.errors import DataError, UsageError

VOID = 255
"""The label, after decoding, of a pixel outside the evaluation."""

Result = TypeVar("Result")

_LABEL_MODES = ("L", "P")
_LISTED = 20


@dataclass(frozen=True, slots=True)
class Coding:
    """What the values of label files mean.

    Attributes:
        class_names: Of the values ``0..n-1``.
        void: The value of pixels outside the evaluation.
    """

    class_names: tuple[str, ...]
    void: int


@dataclass(frozen=True, slots=True)
class Stretched:
    """Whole frames stretched to one size, the aspect ratio not kept."""

    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Padded:
    """Whole frames scaled so that the longer side fits a square, which is filled at the bottom or at the right.

    Attributes:
        side: Of the square, in pixels.
        fill: RGB colour of the filled part; its labels are void.
    """

    side: int
    fill: tuple[int, int, int]


Frame = Stretched | Padded


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and its label: a name, and the paths below the root with forward slashes."""

    name: str
    image: str
    label: str


@dataclass(frozen=True, slots=True)
class SegmentationFolder:
    """A folder in which every image has its label.

    Attributes:
        root: Folder that the pairs' paths start from.
        coding: Of the label files.
        splits: Pairs of each split, in the order in which they are evaluated.
        digest: SHA-256 (hexadecimal) of split, path and size in bytes of each file.
        complete: Whether every split holds as many images as the release.
        remedy: How to get the data.
    """

    root: Path
    coding: Coding
    splits: Mapping[str, tuple[Pair, ...]]
    digest: str
    complete: bool
    remedy: str


@dataclass(frozen=True, slots=True, eq=False)
class Segmented:
    """Images of one size with their labels.

    Attributes:
        pixels: uint8 [N, H, W, 3], RGB; read-only.
        labels: uint8 [N, H, W], ``0..n-1`` or ``VOID``; read-only.
        extents: int32 [N, 2], rows and columns that the image fills, from the top left; the rest is padding.
        names: Of each image.
        class_names: Of the labels ``0..n-1``.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    extents: NDArray[np.int32]
    names: tuple[str, ...]
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def digest(self) -> str:
        """SHA-256 (hexadecimal) of class names, names and arrays, the pixels as decoded here."""
        return arrays_digest((*self.class_names, *self.names), (self.pixels, self.labels, self.extents))


def find_root(
    folder: Path, below: Sequence[str], looks_right: Callable[[Path], bool], layout: str, remedy: str
) -> Path:
    """Return the first of ``folder`` and the named folders below it that looks right.

    Raises:
        DataError: None does; the message names ``layout``.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", remedy)
    for candidate in (folder, *(folder / name for name in below)):
        if looks_right(candidate):
            return candidate
    raise DataError(f"{folder}: holds no {layout}, nor does a folder {' or '.join(below)} in it", remedy)


def check_pairs(
    root: Path,
    coding: Coding,
    splits: Mapping[str, tuple[Pair, ...]],
    release: Mapping[str, int],
    remedy: str,
    *,
    require_complete: bool,
    problems: Sequence[str] = (),
) -> SegmentationFolder:
    """Check that all files are there and that no image is in two splits, without decoding one.

    Args:
        root: Folder that the pairs' paths start from.
        coding: Of the label files.
        splits: Pairs of each split.
        release: Images that each split of the release has.
        remedy: How to get the data.
        require_complete: Refuse splits that hold other numbers of images than the release.
        problems: Found before; reported together with what is found here.

    Raises:
        DataError: Everything that is missing, empty or inconsistent, in one message.
    """
    found = [*problems]
    state = hashlib.sha256()
    owner: dict[str, str] = {}
    for split, pairs in splits.items():
        if not pairs:
            found.append(f"{split}: no images")
        for pair in pairs:
            if owner.setdefault(pair.name, split) != split:
                found.append(f"{pair.name}: in {owner[pair.name]} and in {split}")
            for kind, name in (("image", pair.image), ("label", pair.label)):
                size, problem = _file_size(root / name, kind)
                found += [f"{name}: {problem}"] if problem else []
                state.update(f"{split} {name} {size}\n".encode())
    differing = [
        f"{split}: {len(pairs)} of {release[split]} images"
        for split, pairs in splits.items()
        if split in release and len(pairs) != release[split]
    ]
    found += differing if require_complete else []
    if found:
        hidden = [f"and {len(found) - _LISTED} more"] if len(found) > _LISTED else []
        listing = "\n".join(f"  {problem}" for problem in (*found[:_LISTED], *hidden))
        raise DataError(f"{root}: {len(found)} problems:\n{listing}", remedy)
    return SegmentationFolder(root, coding, splits, state.hexdigest(), not differing, remedy)


def load_segmented(
    folder: SegmentationFolder, split: str, frame: Frame, cache: Path, progress: Progress | None = None
) -> Segmented:
    """Decode one split, or map it from the cache.

    Args:
        folder: A checked folder.
        split: One of ``folder.splits``.
        frame: Size of the arrays and how images are made to fit.
        cache: Folder for decoded images; may be shared by all data sets, splits and sizes.
        progress: Told how far decoding is.

    Raises:
        DataError: Pairs that cannot be decoded, differ in size, or whose label has a wrong mode or value, all in
            one message.
        StorageError: The cache cannot be written.
        UsageError: The split is unknown, or a side is below 1.
    """
    if split not in folder.splits:
        raise UsageError(f"{folder.root}: no split {split!r}", f"Choose one of {', '.join(folder.splits)}.")
    height, width = (frame.side, frame.side) if isinstance(frame, Padded) else (frame.height, frame.width)
    if min(height, width) < 1:
        raise UsageError(f"image size is {width} x {height}, expected 1 x 1 or more")
    fields = [("pixels", np.uint8, (height, width, 3)), ("labels", np.uint8, (height, width)), ("extent", np.int32, 2)]
    dtype = np.dtype(fields)
    decode = partial(_decode_pair, coding=folder.coding, frame=frame, dtype=dtype)
    recipe = Recipe(f"pair, {frame}, {folder.coding}", (), decode, dtype)
    pairs = folder.splits[split]
    entries = load_decoded(folder.root, [(pair.image, pair.label) for pair in pairs], recipe, cache, progress)
    names = tuple(pair.name for pair in pairs)
    return Segmented(entries["pixels"], entries["labels"], entries["extent"], names, folder.coding.class_names)


def decode_label(path: Path, coding: Coding) -> NDArray[np.uint8]:
    """Decode one label file at its own size.

    Returns:
        uint8 [H, W], ``0..n-1`` or ``VOID``.

    Raises:
        DataError: The file cannot be read, is not an index or palette image, or holds another value.
    """
    image = read_image(path)
    if image.mode not in _LABEL_MODES:
        raise DataError(
            f"{path}: label of mode {image.mode}, expected an index or palette image",
            "Use the label files as released: their values are class numbers, not colours.",
        )
    values = np.array(image)
    classes = len(coding.class_names)
    strange = np.argwhere((values >= classes) & (values != coding.void))
    if len(strange):
        row, column = (int(place) for place in strange[0])
        raise DataError(
            f"{path}: label {values[row, column]} at row {row}, column {column} ({len(strange)} such pixels), "
            f"expected 0..{classes - 1} or {coding.void} (void)",
            "Use the label files as released, resized by the nearest pixel if at all.",
        )
    return np.where(values == coding.void, np.uint8(VOID), values)


def _decode_pair(
    image_path: Path, label_path: Path, coding: Coding, frame: Frame, dtype: np.dtype[np.void]
) -> NDArray[np.void]:
    """One entry with the fields ``pixels`` and ``labels``."""
    faults: list[DataError] = []
    image = _attempt(partial(read_image, image_path, "RGB"), faults)
    labels = _attempt(partial(decode_label, label_path, coding), faults)
    if image is not None and labels is not None and image.size != labels.shape[::-1]:
        height, width = labels.shape
        faults.append(
            DataError(
                f"{label_path}: {width} x {height} pixels, its image {image_path.name} has "
                f"{image.width} x {image.height}",
                "An image and its label must have one size.",
            )
        )
    if image is None or labels is None or faults:
        remedy = " ".join(dict.fromkeys(fault.remedy for fault in faults if fault.remedy))
        raise DataError("\n  ".join(fault.message for fault in faults), remedy)
    entry = np.zeros((), dtype)
    height, width = _extent(image, frame)
    entry["extent"] = height, width
    entry["pixels"][...] = frame.fill if isinstance(frame, Padded) else 0
    entry["pixels"][:height, :width] = np.array(image.resize((width, height), Image.Resampling.BILINEAR))
    entry["labels"][...] = VOID
    scaled = Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST)
    entry["labels"][:height, :width] = np.array(scaled)
    return entry


def _extent(image: Image.Image, frame: Frame) -> tuple[int, int]:
    """Rows and columns that the image fills in its frame."""
    if isinstance(frame, Stretched):
        return frame.height, frame.width
    scale = frame.side / max(image.size)
    return max(1, round(image.height * scale)), max(1, round(image.width * scale))


def _attempt(read: Callable[[], Result], faults: list[DataError]) -> Result | None:
    try:
        return read()
    except DataError as error:
        faults.append(error)
        return None


def _file_size(path: Path, kind: str) -> tuple[int, str]:
    """Bytes of a file, and what is wrong with it."""
    try:
        size = path.stat().st_size
    except OSError as error:
        return 0, f"{kind} missing" if isinstance(error, FileNotFoundError) else f"{kind}: {error.strerror}"
    return size, "" if size else f"empty {kind} file"
