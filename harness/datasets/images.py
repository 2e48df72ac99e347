"""Image files to arrays. A file that cannot be decoded whole is an error that names it, never a skipped image."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from harness.errors import DataError, StorageError, UsageError

Progress = Callable[[int, int], None]
"""Called with the number of images done and the number of all."""

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, Image.DecompressionBombError)
_LISTED = 20
_RECIPE = "rgb, stretched, bilinear"


def decode_rgb(path: Path, size: int | None = None) -> NDArray[np.uint8]:
    """Decode one image file.

    Grey, palette and CMYK images become RGB. Orientation tags are not applied, as in torchvision.

    Args:
        path: Any format that Pillow reads.
        size: Stretch the whole frame to ``size`` by ``size`` pixels (bilinear, antialiased); ``None`` keeps it.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        DataError: The file is missing, unreadable, empty, truncated or not an image.
    """
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path}: empty file", "Copy the file again.")
        with Image.open(path) as image:
            rgb = image.convert("RGB")
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: not an image", "Remove the file, or copy the data again.") from error
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except _BROKEN as error:
        raise DataError(f"{path}: damaged image ({error})", "Copy the file again.") from error
    if size is not None and rgb.size != (size, size):
        rgb = rgb.resize((size, size), Image.Resampling.BILINEAR)
    return np.array(rgb)


def load_square(
    root: Path, names: Sequence[str], size: int, cache: Path, progress: Progress | None = None
) -> NDArray[np.uint8]:
    """Decode many image files once, and map the result from a cache file ever after.

    The cache file is named by a digest of all that decides its content: name, size and time of change of each
    file, the side, and the versions of recipe and decoder. It appears whole or not at all.

    Args:
        root: Folder that the names start from.
        names: Paths below ``root`` with forward slashes, at least one.
        size: Side in pixels to which whole frames are stretched, at least 1.
        cache: Folder for the cache file, made if missing.
        progress: Told how far decoding is; not called if the cache file is there.

    Returns:
        uint8 [N, size, size, 3], read-only, in the order of ``names``.

    Raises:
        DataError: Files that cannot be decoded, all of them in one message.
        StorageError: The cache folder cannot be written.
        UsageError: ``size`` is below 1.
    """
    if size < 1:
        raise UsageError(f"image size is {size}, expected 1 or more")
    shape = (len(names), size, size, 3)
    target = cache / f"images-{_cache_key(root, names, size)}.npy"
    cached = _map_array(target, shape)
    if cached is not None:
        return cached
    try:
        cache.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(prefix=target.stem, suffix=".part", dir=cache)
    except OSError as error:
        raise StorageError(f"{cache}: cannot be written ({error.strerror})") from error
    try:
        with os.fdopen(handle, "wb") as stream:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            _decode_into(stream.write, [root / name for name in names], size, progress)
        Path(partial).replace(target)
    except OSError as error:
        raise StorageError(f"{target}: cannot be written ({error.strerror})") from error
    finally:
        Path(partial).unlink(missing_ok=True)
    written = _map_array(target, shape)
    if written is None:
        raise StorageError(f"{target}: was written but cannot be read back")
    return written


def _decode_into(write: Callable[[bytes], int], paths: Sequence[Path], size: int, progress: Progress | None) -> None:
    """Decode in threads (Pillow decodes outside the interpreter's lock) and write in order."""

    def attempt(path: Path) -> bytes | DataError:
        try:
            return decode_rgb(path, size).tobytes()
        except DataError as error:
            return error

    broken: list[DataError] = []
    executor = ThreadPoolExecutor()
    try:
        for done, outcome in enumerate(executor.map(attempt, paths), start=1):
            if isinstance(outcome, DataError):
                broken.append(outcome)
            elif not broken:
                write(outcome)
            if progress is not None:
                progress(done, len(paths))
    finally:
        executor.shutdown(cancel_futures=True)
    if broken:
        listing = [f"  {error.message}" for error in broken[:_LISTED]]
        if len(broken) > _LISTED:
            listing.append(f"  and {len(broken) - _LISTED} more")
        raise DataError(
            f"{len(broken)} of {len(paths)} images cannot be decoded:\n" + "\n".join(listing),
            "Copy these files again; images are never left out silently.",
        )


def _cache_key(root: Path, names: Sequence[str], size: int) -> str:
    state = hashlib.sha256(f"{_RECIPE}, {size} pixels, Pillow {PIL.__version__}\n".encode())
    for name in names:
        try:
            entry = (root / name).stat()
        except OSError as error:
            raise DataError(f"{root / name}: cannot be read ({error.strerror})") from error
        state.update(f"{name} {entry.st_size} {entry.st_mtime_ns}\n".encode())
    return state.hexdigest()


def _map_array(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """The array of a cache file, or ``None`` if there is none of this shape."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.shape == shape and array.dtype == np.uint8 else None
