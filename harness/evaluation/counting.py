"""Confusion counts on the device that holds the labels, without waiting for it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from harness.metrics.segmentation import Counts

_LARGEST_CLASSES = 254
_COPIES = 64
"""Counters of each cell off the CPU, so that neighbouring pixels of one class do not wait for one address."""


def confusion_counts(truth: Tensor, predicted: Tensor, classes: int, void: int | None = 255) -> Tensor:
    """Count pixels by true and predicted class as :func:`harness.metrics.segmentation.confusion_counts`.

    Nothing is read back from the device. A true value that is neither class nor void can therefore not be refused here:
    it makes all counts of its image -1, which no score accepts and :func:`to_host` reports.

    Args:
        truth: uint8 [N, ...], ``0..classes-1`` or ``void``.
        predicted: uint8 of the same shape on the same device, any values.
        classes: Number of classes ``n``, 1 to 254.
        void: The value of truth that marks pixels outside the evaluation, ``classes`` to 255; None if there is none.

    Returns:
        int64 [N, n, n + 1] on the same device; rows are truth, columns prediction, the last column is "outside
        ``0..n-1``". The same on every device and for every number of threads.

    Raises:
        ValueError: Shapes, types or numbers are others than these.
    """
    _check(truth, predicted, classes, void)
    images, rows, columns = len(truth), classes + 2, classes + 1
    if void != 255:
        unmarked = truth == 255
        truth = truth if void is None else truth.masked_fill(truth == void, 255)
        truth = truth.masked_fill(unmarked, classes)
    row = (truth.flatten(1) + 1).clamp_(max=rows - 1)  # void wraps to 0, classes follow, other values come last
    column = predicted.flatten(1).clamp(max=classes)
    count = binned if truth.device.type == "cpu" else scattered
    cells = count(row, column, rows, columns).view(images, rows, columns)
    strange = cells[:, rows - 1].sum(dim=1) > 0
    return cells[:, 1 : rows - 1].masked_fill(strange[:, None, None], -1)


def to_host(counts: Tensor) -> Counts:
    """Bring counts off the device; this waits for it.

    Args:
        counts: int64 [N, n, n + 1] of :func:`confusion_counts`.

    Raises:
        ValueError: An image has a true value that is neither class nor void.
    """
    array: Counts = counts.cpu().numpy()
    strange = np.flatnonzero((array < 0).any(axis=(1, 2)))
    if strange.size:
        raise ValueError(f"{strange.size} images have true values that are neither class nor void: {strange.tolist()}")
    return array


def _check(truth: Tensor, predicted: Tensor, classes: int, void: int | None) -> None:
    if truth.shape != predicted.shape or truth.ndim < 2 or {truth.dtype, predicted.dtype} != {torch.uint8}:
        raise ValueError(
            f"two uint8 tensors [N, ...] expected, got {truth.dtype} {list(truth.shape)}, "
            f"{predicted.dtype} {list(predicted.shape)}"
        )
    if not 1 <= classes <= _LARGEST_CLASSES or not (void is None or classes <= void <= 255):
        raise ValueError(f"1 to {_LARGEST_CLASSES} classes and void from there to 255 expected, got {classes}, {void}")


def binned(row: Tensor, column: Tensor, rows: int, columns: int) -> Tensor:
    """Count cells image by image with a histogram over the smallest integers that hold them; for the CPU.

    Args:
        row, column: uint8 [N, P], below ``rows`` and ``columns``.

    Returns:
        int64 [N, rows * columns].
    """
    cells = rows * columns
    small = torch.int16 if cells <= torch.iinfo(torch.int16).max else torch.int32
    counts = torch.empty(len(row), cells, dtype=torch.int64)
    for image, (first, second) in enumerate(zip(row, column, strict=True)):
        counts[image] = torch.bincount(torch.add(second, first.to(small), alpha=columns), minlength=cells)
    return counts


def scattered(row: Tensor, column: Tensor, rows: int, columns: int) -> Tensor:
    """Count cells as :func:`binned` by additions to integers in any order, with no value read back from the device."""
    images, pixels = row.shape
    cells = torch.add(column.to(torch.int32), row, alpha=columns)
    copy = torch.arange(pixels, dtype=torch.int32, device=row.device) % _COPIES
    counters = torch.zeros(images, rows * columns * _COPIES, dtype=torch.int64, device=row.device)
    one = torch.ones((), dtype=torch.int64, device=row.device).expand(images, pixels)
    counters.scatter_add_(1, torch.add(copy, cells, alpha=_COPIES).long(), one)
    return counters.view(images, rows * columns, _COPIES).sum(dim=2)
