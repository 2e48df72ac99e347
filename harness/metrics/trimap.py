"""Scores in a band around object boundaries, at every width of the band (trimap evaluation).

Kohli, Ladicky & Torr (IJCV 2009) and Kraehenbuehl & Koltun (NIPS 2011) score only pixels near the band of void
around PASCAL's objects; DeepLab v2 (Figure 10) does so at widths of 1 to 40 pixels. The band of width w is what its
evaluation takes: the dilation of the void pixels by a square of 2w + 1 pixels, less the void pixels themselves.
Disks or Euclidean distances give other bands and other curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from harness.metrics.segmentation import Counts, confusion_counts

WIDTHS = tuple(range(1, 41))
"""Those of DeepLab v2, Figure 10."""

_FAR = np.iinfo(np.int32).max


class Boundary(StrEnum):
    """What the band surrounds."""

    VOID = "void"
    """Void pixels, as DeepLab's evaluation; needs labels with a band of void, and none of padding."""
    CLASSES = "classes"
    """Pixels of another class, for labels without such a band; void pixels are of no class and make no boundary."""


def boundary_distance(truth: NDArray[np.integer], boundary: Boundary, void: int = 255) -> NDArray[np.int32]:
    """Distance of each pixel to the nearest that makes a boundary with it.

    Args:
        truth: int [N, H, W], classes or ``void``.
        boundary: What counts.
        void: The value of truth outside the evaluation.

    Returns:
        int32 [N, H, W] of 1 or more: the larger of the distances in rows and columns. Void pixels, and all pixels of
        an image without a boundary, have the largest int32.

    Raises:
        ValueError: Not three axes.
    """
    if truth.ndim != 3:
        raise ValueError(f"truth [N, H, W] expected, got {truth.shape}")
    distances = np.full(truth.shape, _FAR, dtype=np.int32)
    for labels, distance in zip(truth, distances, strict=True):
        outside = labels == void
        if boundary is Boundary.VOID:
            _fill(distance, ~outside, outside)
        else:
            for label in np.unique(labels[~outside]):
                _fill(distance, labels == label, ~outside & (labels != label))
    return distances


def band_counts(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    classes: int,
    width: int,
    boundary: Boundary = Boundary.VOID,
    void: int = 255,
) -> Counts:
    """Count pixels of one band by true and predicted class, image by image; :func:`trimap_counts` at one width.

    Returns:
        int64 [N, n, n + 1], as :func:`harness.metrics.segmentation.confusion_counts`.
    """
    counts: Counts = trimap_counts(truth, predicted, classes, (width,), boundary, void)[0]
    return counts


def trimap_counts(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    classes: int,
    widths: Sequence[int] = WIDTHS,
    boundary: Boundary = Boundary.VOID,
    void: int = 255,
) -> Counts:
    """Count pixels of each band by true and predicted class, image by image.

    Bands of images are meant to be summed over the data set before a score is taken, as DeepLab does.

    Args:
        truth: int [N, H, W], ``0..classes-1`` or ``void``.
        predicted: int of the same shape, any values.
        classes: Number of classes ``n``, at least 1.
        widths: Of the bands in pixels, each at least 1.
        boundary: What the bands surround.
        void: The value of truth outside the evaluation.

    Returns:
        int64 [len(widths), N, n, n + 1]; all zero where an image has no boundary.

    Raises:
        ValueError: As :func:`harness.metrics.segmentation.confusion_counts`, not three axes, or a width below 1.
    """
    if not widths or min(widths) < 1:
        raise ValueError(f"widths of 1 pixel or more expected, got {tuple(widths)}")
    distance = boundary_distance(truth, boundary, void)
    return np.stack(
        [confusion_counts(np.where(distance <= width, truth, void), predicted, classes, void) for width in widths]
    )


def _fill(distance: NDArray[np.int32], inside: NDArray[np.bool_], boundary: NDArray[np.bool_]) -> None:
    """Write the chessboard distance to ``boundary`` into the ``inside`` pixels of ``distance``."""
    from scipy.ndimage import distance_transform_cdt

    if boundary.any():
        distance[inside] = distance_transform_cdt(~boundary, metric="chessboard")[inside]
