"""One digest for everything a dataset holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def arrays_digest(names: Iterable[str], arrays: Iterable[NDArray[np.generic]]) -> str:
    """SHA-256 (hexadecimal) of names and arrays: shape, little-endian type and bytes of each, in order."""
    state = hashlib.sha256("\n".join(names).encode())
    for array in arrays:
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        state.update(f"\n{little.dtype.str}{little.shape}\n".encode())
        state.update(little.data)
    return state.hexdigest()
