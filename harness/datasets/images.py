"""Image files to arrays. A file that cannot be decoded whole is an error that names it, never a skipped image."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from harness.errors import DataError, StorageError, UsageError

Progress = Callable[[int, int], None]
"""Called with the number of images done and the number of all."""

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, Image.DecompressionBombError)
_LISTED = 20
_COPYING = {"Copy the file again.", "Remove the file, or copy the data again."}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the files of one item become one entry of an array.

    Attributes:
        name: All that decides the entry beside the files and the versions of the decoder, for the cache's key.
        shape: Of one entry.
        decode: From the item's files to its entry, an array of ``shape`` and ``dtype``; raises DataError.
        dtype: Of one entry; may have fields.
    """

    name: str
    shape: tuple[int, ...]
    decode: Callable[..., NDArray[np.generic]]
    dtype: np.dtype[np.generic] = field(default=np.dtype(np.uint8))


def read_image(path: Path, mode: str | None = None) -> Image.Image:
    """Decode one image file whole.

    Orientation tags are not applied, as in torchvision.

    Args:
        path: Any format that Pillow reads.
        mode: Pillow's name of the mode to convert to, such as ``RGB``; ``None`` keeps the file's own.

    Raises:
        DataError: The file is missing, unreadable, empty, truncated or not an image.
    """
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path}: empty file", "Copy the file again.")
        with Image.open(path) as image:
            return image.convert(mode) if mode else image.copy()
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: not an image", "Remove the file, or copy the data again.") from error
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except _BROKEN as error:
        raise DataError(f"{path}: damaged image ({error})", "Copy the file again.") from error


def decode_rgb(path: Path, size: int | None = None) -> NDArray[np.uint8]:
    """Decode one image file; grey, palette and CMYK images become RGB.

    Args:
        path: Any format that Pillow reads.
        size: Stretch the whole frame to ``size`` by ``size`` pixels (bilinear, antialiased); ``None`` keeps it.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        DataError: As :func:`read_image`.
    """
    rgb = read_image(path, "RGB")
    if size is not None and rgb.size != (size, size):
        rgb = rgb.resize((size, size), Image.Resampling.BILINEAR)
    return np.array(rgb)


def load_square(
    root: Path, names: Sequence[str], size: int, cache: Path, progress: Progress | None = None
) -> NDArray[np.uint8]:
    """Decode images to squares once, and map the result from a cache file ever after.

    Args:
        root: Folder that the names start from.
        names: Paths below ``root`` with forward slashes, at least one.
        size: Side in pixels to which whole frames are stretched, at least 1.
        cache: Folder for the cache file, made if missing.
        progress: Told how far decoding is; not called if the cache file is there.

    Returns:
        uint8 [N, size, size, 3], read-only, in the order of ``names``.

    Raises:
        DataError: As :func:`load_decoded`.
        StorageError: As :func:`load_decoded`.
        UsageError: ``size`` is below 1.
    """
    if size < 1:
        raise UsageError(f"image size is {size}, expected 1 or more")
    recipe = Recipe(f"rgb, stretched, bilinear, {size} pixels", (size, size, 3), partial(decode_rgb, size=size))
    squares: NDArray[np.uint8] = load_decoded(root, [(name,) for name in names], recipe, cache, progress)
    return squares


def load_decoded(
    root: Path, items: Sequence[tuple[str, ...]], recipe: Recipe, cache: Path, progress: Progress | None = None
) -> NDArray[Any]:
    """Decode many items once, and map the result from a cache file ever after.

    The cache file is named by a digest of all that decides its content: name, size and time of change of each
    file, the recipe, and the version of the decoder. It appears whole or not at all.

    Args:
        root: Folder that the names start from.
        items: The files of each item: paths below ``root`` with forward slashes. At least one item.
        recipe: How an item is decoded.
        cache: Folder for the cache file, made if missing.
        progress: Told how far decoding is; not called if the cache file is there.

    Returns:
        ``recipe.dtype`` [N, *recipe.shape], read-only, in the order of ``items``.

    Raises:
        DataError: Items that cannot be decoded, all of them in one message.
        StorageError: The cache folder cannot be written.
    """
    shape = (len(items), *recipe.shape)
    target = cache / f"images-{_cache_key(root, items, recipe.name)}.npy"
    cached = _map_array(target, shape, recipe.dtype)
    if cached is not None:
        return cached
    try:
        cache.mkdir(parents=True, exist_ok=True)
        handle, partial_name = tempfile.mkstemp(prefix=target.stem, suffix=".part", dir=cache)
    except OSError as error:
        raise StorageError(f"{cache}: cannot be written ({error.strerror})") from error
    try:
        with os.fdopen(handle, "wb") as stream:
            header = {"descr": np.lib.format.dtype_to_descr(recipe.dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            _decode_into(stream.write, [[root / name for name in item] for item in items], recipe.decode, progress)
        Path(partial_name).replace(target)
    except OSError as error:
        raise StorageError(f"{target}: cannot be written ({error.strerror})") from error
    finally:
        Path(partial_name).unlink(missing_ok=True)
    written = _map_array(target, shape, recipe.dtype)
    if written is None:
        raise StorageError(f"{target}: was written but cannot be read back")
    return written


def _decode_into(
    write: Callable[[bytes], int],
    items: Sequence[Sequence[Path]],
    decode: Callable[..., NDArray[np.generic]],
    progress: Progress | None,
) -> None:
    """Decode in threads (Pillow decodes outside the interpreter's lock) and write in order."""

    def attempt(paths: Sequence[Path]) -> bytes | DataError:
        try:
            return decode(*paths).tobytes()
        except DataError as error:
            return error

    broken: list[DataError] = []
    executor = ThreadPoolExecutor()
    try:
        for done, outcome in enumerate(executor.map(attempt, items), start=1):
            if isinstance(outcome, DataError):
                broken.append(outcome)
            elif not broken:
                write(outcome)
            if progress is not None:
                progress(done, len(items))
    finally:
        executor.shutdown(cancel_futures=True)
    if broken:
        listing = [f"  {error.message}" for error in broken[:_LISTED]]
        if len(broken) > _LISTED:
            listing.append(f"  and {len(broken) - _LISTED} more")
        remedies = sorted({error.remedy for error in broken if error.remedy} - _COPYING)
        raise DataError(
            f"{len(broken)} of {len(items)} images cannot be decoded:\n" + "\n".join(listing),
            " ".join([*remedies, "Copy these files again; images are never left out silently."]),
        )


def _cache_key(root: Path, items: Sequence[tuple[str, ...]], recipe: str) -> str:
    state = hashlib.sha256(f"{recipe}, Pillow {PIL.__version__}\n".encode())
    for name in (name for item in items for name in item):
        try:
            entry = (root / name).stat()
        except OSError as error:
            raise DataError(f"{root / name}: cannot be read ({error.strerror})") from error
        state.update(f"{name} {entry.st_size} {entry.st_mtime_ns}\n".encode())
    return state.hexdigest()


def _map_array(path: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> NDArray[Any] | None:
    """The array of a cache file, or ``None`` if there is none of this shape and type."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.shape == shape and array.dtype == dtype else None
