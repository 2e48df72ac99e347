"""MATLAB 5 files to arrays. A file that cannot be read is an error that names it.

Header, lengths and the checksums of compressed variables are verified here before scipy, whose reader trusts them,
sees the file; variables that were saved without compression have no checksum.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import DataError

_HEADER = 128
_TAG = struct.Struct("<II")
_BIG_TAG = struct.Struct(">II")
_COMPRESSED = 15
_ENDS = {b"\x00\x01IM": _TAG, b"\x01\x00MI": _BIG_TAG}
_HDF5 = b"\x00\x02IM"
_REMEDY = "Copy the file again; label files of the release are MATLAB 5 files."


def read_variable(path: Path, name: str) -> NDArray[np.generic]:
    """Return one variable of a .mat file.

    Args:
        path: MATLAB 5 file, compressed or not.
        name: Of the variable.

    Returns:
        As scipy gives it: structures as records [1, 1], cells as arrays of objects, sparse matrices as such.

    Raises:
        DataError: The file is missing, unreadable, empty, truncated, of another version, or holds no such variable.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    content = _sound_content(path)
    try:
        variables = loadmat(BytesIO(content), variable_names=[name])
    except (OSError, ValueError, TypeError, IndexError, KeyError, MemoryError, zlib.error, MatReadError) as error:
        raise DataError(f"{path}: damaged MATLAB file ({error})", _REMEDY) from error
    if name not in variables:
        raise DataError(f"{path}: holds no variable {name}", _REMEDY)
    variable: NDArray[np.generic] = np.asarray(variables[name])
    return variable


def _sound_content(path: Path) -> bytes:
    """The bytes of a MATLAB 5 file whose variables are all there."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if not content:
        raise DataError(f"{path}: empty file", "Copy the file again.")
    mark = content[_HEADER - 4 : _HEADER]
    if mark not in _ENDS:
        kind = "MATLAB 7.3 file, expected MATLAB 5" if mark == _HDF5 else "not a MATLAB 5 file"
        raise DataError(f"{path}: {kind}", _REMEDY)
    tag, place = _ENDS[mark], _HEADER
    try:
        while place < len(content):
            kind_of_data, length = tag.unpack_from(content, place)
            place += tag.size + length
            if kind_of_data == _COMPRESSED:
                inner = zlib.decompress(content[place - length : place])
                if len(inner) != tag.size + tag.unpack_from(inner)[1]:
                    raise DataError(f"{path}: damaged MATLAB file (length of a variable)", _REMEDY)
    except (zlib.error, struct.error) as error:
        raise DataError(f"{path}: damaged MATLAB file ({error})", _REMEDY) from error
    if place != len(content):
        raise DataError(f"{path}: truncated MATLAB file", _REMEDY)
    return content


def field(path: Path, structure: NDArray[np.generic], name: str) -> NDArray[np.generic]:
    """Return a field of a structure as read by :func:`read_variable`, or of one of its elements.

    Raises:
        DataError: It is no structure of one element or has no such field.
    """
    names = structure.dtype.names
    if names is None or name not in names or structure.size != 1:
        raise DataError(f"{path}: expected a structure with the field {name}", _REMEDY)
    value: NDArray[np.generic] = np.asarray(structure.reshape(-1)[0][name])
    return value


def whole_numbers(path: Path, values: NDArray[np.generic], top: int) -> NDArray[np.int64]:
    """Check that an array is a matrix of whole numbers ``0..top``, whatever its type.

    Returns:
        int64 [H, W].

    Raises:
        DataError: It is not; names the first wrong value with row and column.
    """
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "biuf":
        raise DataError(f"{path}: expected a matrix of labels, found {values.dtype} {list(values.shape)}", _REMEDY)
    numbers = np.nan_to_num(values.astype(np.float64), nan=-1.0)
    strange = np.argwhere((numbers < 0) | (numbers > top) | (numbers != np.floor(numbers)))
    if len(strange):
        row, column = (int(place) for place in strange[0])
        raise DataError(
            f"{path}: label {values[row, column]} at row {row}, column {column} ({len(strange)} such pixels), "
            f"expected 0..{top}",
            "Use the label files as released.",
        )
    return numbers.astype(np.int64)
