"""A file's bytes, read at offsets that are checked before anything is read or allocated."""

from __future__ import annotations

import hashlib
import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import CheckpointError

LARGEST = 2**60
"""Numbers of up to 8 bytes that NumPy can address; it counts sides of 0 as 1."""
AGAIN = "Download or copy the file again."


@dataclass(frozen=True, slots=True)
class Source:
    """A mapped file.

    Attributes:
        path: For messages.
        data: Its bytes.
    """

    path: Path
    data: mmap.mmap | bytes

    def __len__(self) -> int:
        return len(self.data)

    def error(self, offset: int, message: str, remedy: str = AGAIN) -> CheckpointError:
        """Return the error for what was found at ``offset``, to be raised."""
        return CheckpointError(f"{self.path}: byte {offset}: {message}", remedy)

    def require(self, offset: int, size: int, what: str, end: int | None = None) -> None:
        """Check that ``size`` bytes from ``offset`` lie before ``end``, by default that of the file.

        Raises:
            CheckpointError: They do not.
        """
        limit = len(self.data) if end is None else end
        if size > limit - offset:
            raise self.error(offset, f"{what} of {size} bytes, where {max(0, limit - offset)} are left")

    def number(self, kind: str, offset: int, what: str) -> int:
        """Return the little-endian integer of :mod:`struct` format ``kind`` at ``offset``.

        Raises:
            CheckpointError: The file ends before it does.
        """
        layout = "<" + kind
        self.require(offset, struct.calcsize(layout), what)
        value: int = struct.unpack_from(layout, self.data, offset)[0]
        return value

    def array(self, dtype: str, shape: tuple[int, ...], offset: int, what: str) -> NDArray[np.generic]:
        """Return a read-only view of ``shape`` little-endian numbers at ``offset``; nothing is copied.

        Raises:
            CheckpointError: The file ends before they do.
        """
        kind = np.dtype(dtype).newbyteorder("<")
        count = math.prod(shape)
        self.require(offset, count * kind.itemsize, what)
        return np.frombuffer(self.data, kind, count, offset).reshape(shape)

    def text(self, offset: int, size: int, what: str) -> str:
        """Return the UTF-8 text of ``size`` bytes at ``offset``.

        Raises:
            CheckpointError: The file ends before it does, or it is no text.
        """
        self.require(offset, size, what)
        try:
            return self.data[offset : offset + size].decode()
        except UnicodeDecodeError as error:
            raise self.error(offset + error.start, f"{what} that is not text") from error


def addressable(shape: tuple[int, ...]) -> bool:
    """Whether NumPy can have an array of that shape, which it may not even of an array without elements."""
    return math.prod(max(1, side) for side in shape) < LARGEST


def open_source(path: Path) -> Source:
    """Map a file into memory; the map lives as long as what was viewed in it.

    Raises:
        CheckpointError: The file is missing, unreadable or empty.
    """
    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError as error:
        raise CheckpointError(f"{path}: empty file", AGAIN) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    return Source(path, data)


def sha256(path: Path) -> str:
    """Return the digest of a file's bytes, hexadecimal.

    Raises:
        CheckpointError: The file is missing or unreadable.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"{path}: cannot be read ({error.strerror or error})", "Give the path of a file that you may read."
    )
