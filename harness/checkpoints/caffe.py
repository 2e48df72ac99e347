"""Caffe's ``.caffemodel``: the layers of a network and their blobs, in the wire format of protocol buffers.

The format is Google's (protobuf.dev, "Encoding"): a message is a sequence of fields, each a varint tag of field number
and wire type, then a varint, 4 or 8 bytes, or a length and so many bytes. The fields that hold weights are Caffe's
(``src/caffe/proto/caffe.proto``). Everything else in the file is skipped by its length.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.checkpoints.binary import Source, addressable

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5
"""Wire types."""

NETWORK_LAYER, NETWORK_OLD_LAYER = 100, 2
"""Fields of NetParameter: ``layer``, and ``layers`` of the first version."""
SHAPE, DATA, DOUBLE_DATA = 7, 5, 8
OLD_SIDES = (1, 2, 3, 4)
"""Fields of BlobProto; before ``shape`` there were ``num``, ``channels``, ``height`` and ``width``."""
SHAPE_SIDE = 1
"""Field ``dim`` of BlobShape."""

BATCH_NORM = "BatchNorm"
MOST_AXES = 32
"""Of a blob, as Caffe allows."""


@dataclass(frozen=True, slots=True)
class LayerFields:
    """Numbers of the fields of a layer."""

    name: int
    type: int
    blobs: int


LAYER = LayerFields(name=1, type=2, blobs=7)
OLD_LAYER = LayerFields(name=4, type=5, blobs=6)
"""LayerParameter, and V1LayerParameter, whose type is an enumeration."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message.

    Attributes:
        number: Of the field.
        wire: Its wire type.
        at: Offset of its tag.
        begin, end: Offsets of its content, for a varint those of its bytes.
        value: Of a varint; 0 for others.
    """

    number: int
    wire: int
    at: int
    begin: int
    end: int
    value: int = 0


@dataclass(slots=True)
class Layer:
    """A layer that was read: its name, its type (empty in the first version) and where its blobs lie."""

    at: int
    name: str = ""
    type: str = ""
    blobs: list[Field] = field(default_factory=list)


def read_caffemodel(source: Source) -> dict[str, NDArray[np.generic]]:
    """Return the blobs of all layers, views of the file where it holds them packed, as "conv1_1/0", "conv1_1/1".

    A layer of type BatchNorm keeps sums of means and of variances and the factor to divide them by (Caffe's
    ``batch_norm_layer.cpp``); they are returned divided, as "bn_conv1/mean" and "bn_conv1/variance", float32. Blobs
    of the first version have four sides whatever they hold; see :func:`without_leading_ones`.

    Raises:
        CheckpointError: The bytes are no such file, end early or contradict themselves; names the offset.
    """
    entries: dict[str, NDArray[np.generic]] = {}
    for layer in _layers(source):
        blobs = [_blob(source, blob) for blob in layer.blobs]
        named = _normalisation(source, layer, blobs) if layer.type == BATCH_NORM else _numbered(blobs)
        for part, blob in named.items():
            key = f"{layer.name}/{part}"
            if key in entries:
                raise source.error(layer.at, f"a second layer {layer.name!r}", "Give the file as Caffe wrote it.")
            entries[key] = blob
    if not entries:
        raise source.error(0, "no layer with weights", "Give a .caffemodel as Caffe writes it, not a .prototxt.")
    return entries


def entry_names(source: Source) -> tuple[str, ...]:
    """Return names of layers that have blobs, without reading those.

    Raises:
        CheckpointError: As :func:`read_caffemodel`.
    """
    return tuple(layer.name for layer in _layers(source) if layer.blobs)


def without_leading_ones(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether a blob of four sides is one of shape ``wanted``, as Caffe's ``Blob::ShapeEquals`` compares them."""
    return len(shape) == 4 and len(wanted) < 4 and (1,) * (4 - len(wanted)) + wanted == shape


def _layers(source: Source) -> Iterator[Layer]:
    for top in _fields(source, 0, len(source)):
        if top.number in (NETWORK_LAYER, NETWORK_OLD_LAYER) and top.wire == LENGTH:
            numbers = LAYER if top.number == NETWORK_LAYER else OLD_LAYER
            layer = Layer(top.at)
            for inner in _fields(source, top.begin, top.end):
                if inner.wire != LENGTH:
                    continue
                if inner.number == numbers.name:
                    layer.name = source.text(inner.begin, inner.end - inner.begin, "a layer's name")
                elif inner.number == numbers.type:
                    layer.type = source.text(inner.begin, inner.end - inner.begin, "a layer's type")
                elif inner.number == numbers.blobs:
                    layer.blobs.append(inner)
            yield layer


def _numbered(blobs: list[NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    return {str(index): blob for index, blob in enumerate(blobs)}


def _normalisation(source: Source, layer: Layer, blobs: list[NDArray[np.generic]]) -> Mapping[str, NDArray[np.generic]]:
    if not blobs:
        return {}
    if len(blobs) != 3 or blobs[2].size != 1:
        raise source.error(layer.at, f"batch normalisation {layer.name!r} without mean, variance and factor")
    factor = np.float32(blobs[2].reshape(-1)[0])
    if not (np.isfinite(factor) and factor > 0):
        raise source.error(
            layer.at,
            f"batch normalisation {layer.name!r} whose moving factor is {factor}",
            "The layer was never trained, or the file is corrupt.",
        )
    with np.errstate(all="ignore"):
        mean, variance = (blob.astype(np.float32) / factor for blob in blobs[:2])
    return {"mean": mean, "variance": variance}


def _blob(source: Source, blob: Field) -> NDArray[np.generic]:
    sides: list[int] = []
    old_sides = dict.fromkeys(OLD_SIDES, 1)
    parts: dict[int, list[NDArray[np.generic]]] = {DATA: [], DOUBLE_DATA: []}
    shaped = old = False
    position = blob.begin
    while position < blob.end:
        inner = _field(source, position, blob.end)
        position = inner.end
        if inner.number == SHAPE and inner.wire == LENGTH:
            sides += _sides(source, inner)
            shaped = True
        elif inner.number in OLD_SIDES and inner.wire == VARINT:
            old_sides[inner.number] = inner.value
            old = True
        elif inner.number in parts:
            values, position = _values(source, inner, blob.end)
            parts[inner.number].append(values)
    found = parts[DOUBLE_DATA] or parts[DATA]
    values = found[0] if len(found) == 1 else np.concatenate(found or [np.empty(0, np.float32)])
    shape = tuple(old_sides.values()) if old and not shaped else tuple(sides)
    if len(shape) > MOST_AXES or math.prod(shape) != values.size or not addressable(shape):
        text = "x".join(map(str, shape[:MOST_AXES])) or "a single number"
        raise source.error(blob.at, f"a blob of {text} with {values.size} values")
    return values.reshape(shape)


def _sides(source: Source, shape: Field) -> list[int]:
    sides: list[int] = []
    for inner in _fields(source, shape.begin, shape.end):
        if inner.number == SHAPE_SIDE and inner.wire == VARINT:
            sides.append(inner.value)
        elif inner.number == SHAPE_SIDE and inner.wire == LENGTH:
            position = inner.begin
            while position < inner.end:
                side, position = _varint(source, position, inner.end)
                sides.append(side)
    return sides


def _values(source: Source, start: Field, end: int) -> tuple[NDArray[np.generic], int]:
    """Return the numbers of a repeated field, packed or one to a tag, and where they end."""
    kind, wire = ("<f4", FOUR_BYTES) if start.number == DATA else ("<f8", EIGHT_BYTES)
    width = np.dtype(kind).itemsize
    if start.wire == LENGTH:
        size = start.end - start.begin
        if size % width:
            raise source.error(start.at, f"{size} bytes of numbers that have {width} bytes each")
        return source.array(kind, (size // width,), start.begin, "a blob"), start.end
    if start.wire != wire:
        raise source.error(start.at, f"numbers of wire type {start.wire}")
    tag = start.begin - start.at
    pitch = tag + width
    rows = source.array("u1", ((end - start.at) // pitch, pitch), start.at, "a blob")
    run = rows[: _alike(rows[:, :tag])]
    return np.ascontiguousarray(run[:, tag:]).view(kind).reshape(-1), start.at + run.size


def _alike(tags: NDArray[np.generic]) -> int:
    """Return how many of the rows equal the first one without a break, in time proportional to them."""
    begin, step = 0, 16
    while begin < len(tags):
        unlike = np.flatnonzero((tags[begin : begin + step] != tags[0]).any(axis=1))
        if unlike.size:
            return begin + int(unlike[0])
        begin += step
        step *= 2
    return len(tags)


def _fields(source: Source, begin: int, end: int) -> Iterator[Field]:
    position = begin
    while position < end:
        found = _field(source, position, end)
        yield found
        position = found.end


def _field(source: Source, at: int, end: int) -> Field:
    tag, begin = _varint(source, at, end)
    number, wire = tag >> 3, tag & 7
    if number == 0:
        raise source.error(at, "a field without a number", "Give a .caffemodel as Caffe writes it.")
    match wire:
        case 0:
            value, after = _varint(source, begin, end)
            return Field(number, wire, at, begin, after, value)
        case 1 | 5:
            size = 8 if wire == EIGHT_BYTES else 4
        case 2:
            size, begin = _varint(source, begin, end)
        case _:
            raise source.error(at, f"wire type {wire}, which Caffe does not use", "Give a .caffemodel.")
    source.require(begin, size, f"field {number}", end)
    return Field(number, wire, at, begin, begin + size)


def _varint(source: Source, at: int, end: int) -> tuple[int, int]:
    """Return an unsigned number of up to 64 bits, least significant seven first, and where it ends."""
    value = 0
    for index in range(10):
        position = at + index
        if position >= end:
            raise source.error(at, "a number that does not end")
        byte = source.data[position]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + 1
    raise source.error(at, "a number of more than 64 bits")
