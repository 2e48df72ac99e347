"""One spelling for every record and array, so that a digest means the content and nothing else."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.ledger.record import ArrayInfo

_DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64"
DTYPES = frozenset(_DTYPES.split())
"""Names of the dtypes an array in the ledger may have."""


def encode(value: Any) -> bytes:
    """Return plain JSON data as UTF-8 with sorted keys and no spaces.

    Raises:
        ValueError: A number is not finite, or a text is not Unicode.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8")


def pretty(value: Any) -> bytes:
    """Return the same data one value a line, as it stands in a file; the digest does not depend on it."""
    return (json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode("utf-8")


def digest(value: Any) -> str:
    """Return the sha256 of :func:`encode` in hexadecimal."""
    return hashlib.sha256(encode(value)).hexdigest()


def not_finite(value: Any, path: str = "") -> str | None:
    """Return the path of the first number in plain JSON data that is NaN or infinite (``log[3].loss``), or None."""
    if isinstance(value, float):
        return None if math.isfinite(value) else path
    children: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        children = [(f"{path}.{name}" if path else str(name), child) for name, child in value.items()]
    elif isinstance(value, list | tuple):
        children = [(f"{path}[{index}]", child) for index, child in enumerate(value)]
    return next((found for name, child in children if (found := not_finite(child, name)) is not None), None)


def normalise(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array C-ordered and little-endian.

    Raises:
        TypeError: Its dtype is not one of :data:`DTYPES`.
    """
    if array.dtype.name not in DTYPES:
        raise TypeError(f"an array of dtype {array.dtype} cannot be recorded; expected {_DTYPES}")
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def array_info(array: NDArray[Any]) -> ArrayInfo:
    """Describe an array that :func:`normalise` returned."""
    return ArrayInfo(array.dtype.name, array.shape, hashlib.sha256(array.tobytes()).hexdigest())


def size_of(info: ArrayInfo) -> int:
    """Return the bytes an array takes.

    Raises:
        ValueError: No array in the ledger has this dtype and shape.
    """
    if info.dtype not in DTYPES or any(side < 0 for side in info.shape):
        raise ValueError(f"no array has dtype {info.dtype} and shape {list(info.shape)}")
    return math.prod(info.shape) * np.dtype(info.dtype).itemsize


def array_from(content: bytes, info: ArrayInfo) -> NDArray[Any]:
    """Return the read-only array whose content stands at the end of ``content``, as in a ``.npy`` file.

    Shape and dtype come from ``info``, which the record's digest covers; the file's own header is not read.

    Raises:
        ValueError: The content is not the one ``info`` describes.
    """
    body = content[max(len(content) - size_of(info), 0) :]
    if hashlib.sha256(body).hexdigest() != info.sha256:
        raise ValueError("its content does not match its digest")
    return np.frombuffer(body, np.dtype(info.dtype).newbyteorder("<")).reshape(info.shape)
