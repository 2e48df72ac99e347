"""What a network put out for an image, kept on disk, so that its labels can be decided again under other protocols.

One compressed ``.npz`` per image, written whole or not at all:

============== ===================== ============================================================================
name           dtype, shape          meaning
============== ===================== ============================================================================
``size``       int32 [2]             rows and columns of the image
``scales``     float64 [V]           scale of each view, or tile of one
``flipped``    bool [V]              whether the network saw it mirrored
``places``     int32 [V, 8]          window (top, left, rows, columns), frame, canvas: :class:`Place`
``scores_<v>`` float16 or float32    raw output [K, h, w] of view v
``truth``      uint8 [H, W]          labels, 255 void; left out where they were not given
``image``      uint8 [H, W, 3]       RGB, for the CRF; left out where it was not given: it is a photograph
============== ===================== ============================================================================
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.errors import DataError
from harness.evaluation.decide import View
from harness.evaluation.preprocess import Place
from harness.evaluation.protocol import Size
from harness.evaluation.windows import Window
from harness.files import write_atomically

_PLACE = 8
_FIXED = {"size", "scales", "flipped", "places"}
_GIVEN = {"truth", "image"}
_REMEDY = "Delete the folder and evaluate again with its views kept."


@dataclass(frozen=True, slots=True, eq=False)
class KeptViews:
    """Everything that was kept of one image.

    Attributes:
        views: On the CPU; scores float16 or float32 [K, h, w].
        size: Of the image.
        truth: uint8 [H, W]; None where it was not kept.
        image: uint8 [H, W, 3]; None where it was not kept.
    """

    views: tuple[View, ...]
    size: Size
    truth: NDArray[np.uint8] | None = None
    image: NDArray[np.uint8] | None = None


def save_views(
    path: Path,
    views: Sequence[View],
    size: Size,
    *,
    truth: NDArray[np.uint8] | None = None,
    image: NDArray[np.uint8] | None = None,
) -> None:
    """Write the views of one image.

    Args:
        path: Ends in ``.npz``; its folder is created.
        views: At least one. float16 scores stay as they are, all others become float32.
        size: Rows and columns of the image.
        truth: uint8 [H, W]; without it no score can be computed from the views alone.
        image: uint8 [H, W, 3]; without it no CRF can be tried.

    Raises:
        ValueError: No views, or truth or image of another size.
        StorageError: The disk is full or the folder cannot be written.
    """
    if not views or path.suffix != ".npz":
        raise ValueError(f"views of an image and a path ending in .npz expected, got {len(views)} views for {path}")
    arrays: dict[str, NDArray[Any]] = {
        "size": np.array(size, dtype=np.int32),
        "scales": np.array([view.scale for view in views], dtype=np.float64),
        "flipped": np.array([view.flipped for view in views], dtype=np.bool_),
        "places": np.array([_row_of(view.place) for view in views], dtype=np.int32),
    }
    for number, view in enumerate(views):
        half = view.scores.dtype is torch.float16
        arrays[f"scores_{number}"] = view.scores.detach().cpu().to(torch.float16 if half else torch.float32).numpy()
    arrays |= {name: value for name, value in (("truth", truth), ("image", image)) if value is not None}
    problem = _problem(arrays)
    if problem:
        raise ValueError(problem)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    write_atomically(path, buffer.getvalue())


def load_views(path: Path) -> KeptViews:
    """Read what :func:`save_views` wrote.

    Raises:
        DataError: The file is missing, damaged, or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"{path}: views cannot be read: {reason}", _REMEDY) from error
    problem = _problem(arrays)
    if problem:
        raise DataError(f"{path}: not the views of an image: {problem}", _REMEDY)
    views = tuple(
        View(float(scale), bool(flipped), torch.from_numpy(arrays[f"scores_{number}"]), _place_of(row))
        for number, (scale, flipped, row) in enumerate(
            zip(arrays["scales"], arrays["flipped"], arrays["places"].tolist(), strict=True)
        )
    )
    rows, columns = (int(side) for side in arrays["size"])
    return KeptViews(views, (rows, columns), arrays.get("truth"), arrays.get("image"))


def view_files(folder: Path) -> list[Path]:
    """Return the files of a folder of views, by name.

    Raises:
        DataError: There is no such folder, or it holds none.
    """
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise DataError(f"{folder}: no kept views (*.npz)", "Evaluate with views kept, and name that folder.")
    return files


def _row_of(place: Place) -> tuple[int, ...]:
    window = place.window
    return window.top, window.left, window.rows, window.columns, *place.frame, *place.canvas


def _place_of(row: Sequence[int]) -> Place:
    top, left, rows, columns, *sizes = row
    return Place(Window(top, left, rows, columns), (sizes[0], sizes[1]), (sizes[2], sizes[3]))


def _problem(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return what is wrong with the arrays of a file; empty if nothing is."""
    if missing := _FIXED - arrays.keys():
        return f"{', '.join(sorted(missing))} missing"
    number = len(arrays["scales"]) if arrays["scales"].ndim == 1 else 0
    names = {f"scores_{v}" for v in range(number)}
    if number == 0 or arrays.keys() - _GIVEN != _FIXED | names:
        return f"{number} views, but the arrays are {', '.join(sorted(arrays))}"
    wanted = {
        "size": (np.int32, (2,)),
        "scales": (np.float64, (number,)),
        "flipped": (np.bool_, (number,)),
        "places": (np.int32, (number, _PLACE)),
    }
    rows, columns = (int(side) for side in arrays["size"].ravel()[:2]) if arrays["size"].size >= 2 else (0, 0)
    wanted |= {"truth": (np.uint8, (rows, columns)), "image": (np.uint8, (rows, columns, 3))}
    for name, (dtype, shape) in wanted.items():
        if name in arrays and (arrays[name].dtype != dtype or arrays[name].shape != shape):
            return f"{name} is {arrays[name].dtype} {arrays[name].shape}, {np.dtype(dtype)} {shape} expected"
    return _wrong_scores({name: arrays[name] for name in names}) or _wrong_numbers(arrays)


def _wrong_scores(scores: Mapping[str, NDArray[Any]]) -> str:
    for name, values in scores.items():
        if values.dtype not in (np.float16, np.float32) or values.ndim != 3 or 0 in values.shape:
            return f"{name} is {values.dtype} {values.shape}, float16 or float32 [K, h, w] expected"
        if not np.isfinite(values).all():
            return f"{name} holds numbers that are not finite"
    if len({len(values) for values in scores.values()}) > 1:
        return "the views have different numbers of classes"
    return ""


def _wrong_numbers(arrays: Mapping[str, NDArray[Any]]) -> str:
    if not (np.isfinite(arrays["scales"]).all() and (arrays["scales"] > 0).all()):
        return "a scale is not a number above 0"
    if arrays["size"].min() < 1 or arrays["places"].min() < 0 or arrays["places"][:, 2:].min() < 1:
        return "a size or place is out of range"
    return ""
