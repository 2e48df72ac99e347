"""The margin of the paper's images: mirrored once, before anything is cut from them (Section 4)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.datasets.segmented import VOID, Segmented


def mirrored(images: Segmented, margin: int) -> Segmented:
    """Return images in frames that are ``margin`` pixels wider on every side, filled by reflection.

    Each image is mirrored at its own edges, which are not repeated, whatever padded it before; one that is smaller
    than the margin is mirrored again and again. What an image is mirrored into has void labels.

    Args:
        images: N images in frames of H rows and W columns.
        margin: Pixels.

    Returns:
        Frames of H and W plus twice the margin. An image with its margin fills its extent; beyond, it goes on mirrored.
    """
    count, rows, columns = images.labels.shape
    frame = (rows + 2 * margin, columns + 2 * margin)
    pixels = np.empty((count, *frame, 3), dtype=np.uint8)
    labels = np.full((count, *frame), VOID, dtype=np.uint8)
    for place, (height, width) in enumerate(images.extents.tolist()):
        sides = ((margin, frame[0] - margin - height), (margin, frame[1] - margin - width))
        pixels[place] = np.pad(images.pixels[place, :height, :width], (*sides, (0, 0)), mode="reflect")
        inside = images.labels[place, :height, :width]
        labels[place, margin : margin + height, margin : margin + width] = inside
    return replace(images, pixels=pixels, labels=labels, extents=images.extents + np.int32(2 * margin))
