"""Label files painted in colours, one colour a class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets.images import read_image
from harness.errors import DataError

Colour = tuple[int, int, int]

_REMEDY = "Use the label files as released, neither resized nor compressed with loss."


def read_painted(path: Path, labels: Mapping[Colour, int]) -> NDArray[np.uint8]:
    """Decode a label file whose colours stand for classes.

    Args:
        path: RGB, RGBA or palette image.
        labels: Label of each colour (red, green, blue).

    Returns:
        uint8 [H, W], values of ``labels``.

    Raises:
        DataError: The file cannot be read, has no colours, or holds another colour.
    """
    image = read_image(path)
    if image.mode not in ("RGB", "RGBA", "P"):
        raise DataError(f"{path}: label of mode {image.mode}, expected an RGB image", _REMEDY)
    codes = _codes(np.array(image.convert("RGB")))
    keys = _codes(np.array(list(labels), np.uint8))
    order = np.argsort(keys)
    places = np.minimum(np.searchsorted(keys[order], codes), len(keys) - 1)
    strange = np.argwhere(keys[order][places] != codes)
    if len(strange):
        row, column = (int(place) for place in strange[0])
        code = int(codes[row, column])
        raise DataError(
            f"{path}: colour {(code >> 16, code >> 8 & 255, code & 255)} at row {row}, column {column} "
            f"({len(strange)} such pixels) is no class",
            _REMEDY,
        )
    values: NDArray[np.uint8] = np.array(list(labels.values()), np.uint8)[order][places]
    return values


def _codes(pixels: NDArray[np.uint8]) -> NDArray[np.int32]:
    """From uint8 [..., 3] to one number for each colour, int32 [...]."""
    red, green, blue = (pixels[..., channel].astype(np.int32) for channel in range(3))
    return red << 16 | green << 8 | blue
