"""Checkpoint files written byte by byte from the specifications of their formats."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]


@dataclass(frozen=True)
class CaffeLayer:
    """A layer of a ``.caffemodel``: its name, its type and its blobs."""

    name: str
    type: str
    blobs: tuple[Array, ...]


def varint(value: int) -> bytes:
    groups = []
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def tagged(number: int, wire: int, content: bytes) -> bytes:
    return varint(number << 3 | wire) + content


def delimited(number: int, content: bytes) -> bytes:
    return tagged(number, 2, varint(len(content)) + content)


def text(number: int, value: str) -> bytes:
    return delimited(number, value.encode())


def blob(values: Array, *, packed: bool = True, double: bool = False, old: bool = False) -> bytes:
    """A BlobProto: shape (7) or num, channels, height, width (1 to 4), then data (5) or double_data (8)."""
    if old:
        sides = (1,) * (4 - values.ndim) + values.shape
        content = b"".join(tagged(number, 0, varint(side)) for number, side in enumerate(sides, 1))
    else:
        content = delimited(7, delimited(1, b"".join(varint(side) for side in values.shape)))
    number, kind, wire = (8, "d", 1) if double else (5, "f", 5)
    numbers = np.ascontiguousarray(values, "<" + kind)
    if packed:
        return content + delimited(number, numbers.tobytes())
    return content + b"".join(
        tagged(number, wire, struct.pack("<" + kind, value)) for value in numbers.ravel().tolist()
    )


def caffemodel(
    layers: Iterable[CaffeLayer], *, first_version: bool = False, packed: bool = True, double: bool = False
) -> bytes:
    """A NetParameter: name (1), then layer (100), or layers (2) of the first version, with things to be skipped."""
    content = text(1, "net")
    for layer in layers:
        blobs = [blob(values, packed=packed, double=double, old=first_version) for values in layer.blobs]
        if first_version:
            parts = [text(2, "bottom"), text(3, "top"), text(4, layer.name), tagged(5, 0, varint(4))]
            content += delimited(2, b"".join([*parts, *(delimited(6, each) for each in blobs)]))
        else:
            parts = [text(1, layer.name), text(2, layer.type), text(3, "bottom"), tagged(10, 0, varint(1))]
            parts += [delimited(6, tagged(3, 5, struct.pack("<f", 1.0)))]
            content += delimited(100, b"".join([*parts, *(delimited(7, each) for each in blobs)]))
    return content + tagged(5, 0, varint(0))


FLAGS = {"float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6, "bool": 7}


def ndarray(values: Array, version: int) -> bytes:
    """An NDArray of MXNet; version 0 has no magic number and sides of 32 bits, 3 allows arrays without axes."""
    sides = struct.pack(f"<I{values.ndim}{'q' if version else 'I'}", values.ndim, *values.shape)
    magic = struct.pack("<I", 0xF993FAC7 + version) if version else b""
    storage = struct.pack("<i", 0) if version >= 2 else b""
    context = struct.pack("<ii", 1, 0)
    kind = struct.pack("<i", FLAGS[values.dtype.name])
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return magic + storage + sides + context + kind + little.tobytes()


def params(entries: Mapping[str, Array], version: int = 2, names: Sequence[str] | None = None) -> bytes:
    """An MXNet list of arrays: magic number, reserved, arrays by count, names by count."""
    listed = list(entries) if names is None else list(names)
    arrays = b"".join(ndarray(values, version) for values in entries.values())
    strings = b"".join(struct.pack("<Q", len(name.encode())) + name.encode() for name in listed)
    head = struct.pack("<QQQ", 0x112, 0, len(entries))
    return head + arrays + struct.pack("<Q", len(listed)) + strings
