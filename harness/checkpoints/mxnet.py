"""MXNet's ``.params``: a list of arrays and their names (``src/ndarray/ndarray.cc``, ``NDArray::Load``)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.checkpoints.binary import Source, addressable

LIST = 0x112
"""First eight bytes of the file; eight reserved ones follow."""
FIRST, SECOND, THIRD = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
"""Of an array: with sides of 64 bits, with a storage type, with shapes as NumPy's. Before them came no such number:
the four bytes are the number of axes, and sides have 32 bits."""
TYPES = ("<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8", "?")
"""By MXNet's type flag."""
DENSE = 0
"""Storage type."""
MOST_AXES = 32
SMALLEST_ARRAY, SMALLEST_NAME = 4, 8
"""Bytes that an array and a name take at least; a count that could not fit is refused before it is believed."""


def read_params(source: Source) -> dict[str, NDArray[np.generic]]:
    """Return the arrays by name, such as "arg:fc1_weight" and "aux:bn_moving_mean", as views of the file.

    Raises:
        CheckpointError: The bytes are no such file, end early or contradict themselves, or an array is sparse or was
            saved empty; names the offset.
    """
    if source.number("Q", 0, "the magic number") != LIST:
        raise source.error(0, "not a list of MXNet arrays", "Give the .params file, not the -symbol.json.")
    count, position = _count(source, 16, SMALLEST_ARRAY, "arrays")
    arrays: list[NDArray[np.generic]] = []
    for _ in range(count):
        array, position = _array(source, position)
        arrays.append(array)
    at = position
    names, position = _count(source, position, SMALLEST_NAME, "names")
    if names != count:
        raise source.error(at, f"{names} names for {count} arrays", "Save the parameters of a module with their names.")
    entries: dict[str, NDArray[np.generic]] = {}
    for array in arrays:
        size = source.number("Q", position, "the length of a name")
        name = source.text(position + 8, size, "a name")
        if name in entries:
            raise source.error(position, f"a second array {name!r}")
        entries[name] = array
        position += 8 + size
    if position != len(source):
        raise source.error(position, f"{len(source) - position} bytes after the end of the list")
    if not entries:
        raise source.error(16, "a list without arrays")
    return entries


def _count(source: Source, at: int, least: int, what: str) -> tuple[int, int]:
    count = source.number("Q", at, f"the number of {what}")
    source.require(at + 8, count * least, f"{count} {what}")
    return count, at + 8


def _array(source: Source, at: int) -> tuple[NDArray[np.generic], int]:
    magic = source.number("I", at, "an array")
    position = at + 4
    if magic in (SECOND, THIRD):
        storage = source.number("i", position, "a storage type")
        if storage != DENSE:
            raise source.error(position, f"storage type {storage}: only dense arrays hold weights")
        position += 4
    if magic in (FIRST, SECOND, THIRD):
        axes = source.number("i", position, "the number of axes")
        shape, position = _shape(source, position + 4, axes, "q")
    else:
        axes = magic
        shape, position = _shape(source, position, axes, "I")
    if axes < 0 or (axes == 0 and magic != THIRD):
        raise source.error(at, "an array that was saved before it had a shape")
    flag = source.number("i", position + 8, "the type of an array")
    if not 0 <= flag < len(TYPES):
        raise source.error(position + 8, f"arrays of type {flag}")
    position += 12
    values = source.array(TYPES[flag], shape, position, f"an array of {'x'.join(map(str, shape)) or 'one number'}")
    return values, position + values.nbytes


def _shape(source: Source, at: int, axes: int, kind: str) -> tuple[tuple[int, ...], int]:
    if axes > MOST_AXES:
        raise source.error(at - 4, f"an array of {axes} axes", "Give a .params file as MXNet writes it.")
    width = 8 if kind == "q" else 4
    sides = tuple(source.number(kind, at + width * axis, "a side") for axis in range(max(0, axes)))
    if any(side < 0 for side in sides) or math.prod(sides) > len(source) or not addressable(sides):
        raise source.error(at, f"an array of {'x'.join(map(str, sides))}")
    return sides, at + width * len(sides)
