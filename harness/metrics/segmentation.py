"""Segmentation scores from int64 confusion counts.

Each image has a matrix with a row for each true class and a column for each predicted class, and one more
column, the last, for predictions outside ``0..n-1``: those are misses of the true class and false alarms of
none. Pixels whose truth is void are dropped. Scores are functions of the counts alone, so a record that keeps
the counts can be scored again under any convention.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Scores = NDArray[np.float64]


class AbsentClass(StrEnum):
    """What a class without a pixel in truth or prediction adds to the mean IoU."""

    NAN_SKIP = "nan-skip"
    """Nothing: the mean is over the classes in truth or prediction (cityscapesScripts, the DRN code)."""
    ZERO = "zero"
    """0, and it is counted (the evaluation of DeepLab and of DUC)."""
    ONE = "one"
    """1, and it is counted (the accuracy layer of DeepLab)."""
    NAN_PROPAGATE = "nan-propagate"
    """NaN, and so is the mean (the PASCAL VOC development kit)."""
    GT_ONLY = "gt-only"
    """The mean is over the classes in the truth alone, so that classes only predicted do not count either."""


class Averaging(StrEnum):
    """Over what the mean IoU of several images is taken."""

    DATASET = "dataset"
    """Counts are summed over the images, and the classes' IoUs averaged: the rule of VOC and Cityscapes."""
    IMAGES = "images"
    """The mean over images of each image's mean IoU."""
    CLASSES = "classes"
    """The mean over classes of each class's mean IoU over the images in which it counts."""
    PAIRS = "pairs"
    """The mean over all pairs of an image and a class that count."""


def confusion_counts(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int, void: int | None = 255
) -> Counts:
    """Count pixels by true and predicted class, image by image.

    Args:
        truth: int [N, ...], ``0..classes-1`` or ``void``.
        predicted: int of the same shape, any values.
        classes: Number of classes ``n``, at least 1.
        void: The value of truth that marks pixels outside the evaluation; ``None`` if there is none.

    Returns:
        int64 [N, n, n + 1]; rows are truth, columns prediction, the last column is "outside ``0..n-1``".

    Raises:
        ValueError: Shapes differ, or a true value is neither a class nor void.
    """
    if truth.shape != predicted.shape or truth.ndim < 2 or classes < 1:
        raise ValueError(
            f"two arrays [N, ...] and classes >= 1 expected, got {truth.shape}, {predicted.shape}, {classes}"
        )
    images = len(truth)
    columns = classes + 1
    rows = truth.reshape(images, -1)
    valid = (rows >= 0) & (rows < classes)
    strange = ~valid if void is None else ~valid & (rows != void)
    if strange.any():
        image, pixel = np.argwhere(strange)[0]
        raise ValueError(f"true value {rows[image, pixel]} of image {image} is neither in 0..{classes - 1} nor void")

    guesses = predicted.reshape(images, -1)
    inside = (guesses >= 0) & (guesses < classes)
    cells = np.where(valid, rows, 0).astype(np.intp) * columns + np.where(inside, guesses, classes).astype(np.intp)
    cells += (np.arange(images) * (classes * columns))[:, None]
    counts = np.bincount(cells[valid], minlength=images * classes * columns)
    return counts.reshape(images, classes, columns).astype(np.int64, copy=False)


def class_iou(counts: Counts) -> Scores:
    """Intersection over union of each class.

    Args:
        counts: int64 [..., n, n + 1].

    Returns:
        float64 [..., n] in [0, 1]; NaN where the class is in neither truth nor prediction.

    Raises:
        ValueError: The last two axes are not n and n + 1, or a count is negative.
    """
    hits, _, union = _parts(counts)
    return _ratio(hits, union)


def classes_shown(counts: Counts, images: int) -> NDArray[np.bool_]:
    """Return which classes at least so many images have a true pixel of.

    Args:
        counts: int64 [N, n, n + 1], one matrix per image.
        images: 0 or more.

    Returns:
        bool [n]; the same for all predictions of the same images.

    Raises:
        ValueError: As :func:`class_iou`, or not three axes.
    """
    if counts.ndim != 3:
        raise ValueError(f"counts [N, n, n + 1] expected, got {counts.shape}")
    _, present, _ = _parts(counts)
    shown: NDArray[np.bool_] = (present > 0).sum(axis=0) >= images
    return shown


def mean_iou(
    counts: Counts, absent: AbsentClass = AbsentClass.NAN_SKIP, averaging: Averaging = Averaging.DATASET
) -> float:
    """Mean intersection over union of a set of images.

    Args:
        counts: int64 [N, n, n + 1], one matrix per image.
        absent: What a class without a pixel contributes.
        averaging: Over what the mean is taken.

    Returns:
        A fraction in [0, 1]; NaN if no class counts, or where ``absent`` propagates it.

    Raises:
        ValueError: As :func:`class_iou`, or not three axes.
    """
    if counts.ndim != 3:
        raise ValueError(f"counts [N, n, n + 1] expected, got {counts.shape}")
    matrices = counts.sum(axis=0, keepdims=True) if averaging is Averaging.DATASET else counts
    values, counted = _scored_classes(matrices, absent)
    match averaging:
        case Averaging.DATASET | Averaging.PAIRS:
            return _mean(values[counted])
        case Averaging.IMAGES:
            groups = zip(values, counted, strict=True)
        case Averaging.CLASSES:
            groups = zip(values.T, counted.T, strict=True)
    return _mean(np.array([_mean(group[which]) for group, which in groups if which.any()]))


def micro_iou(counts: Counts) -> float:
    """Sum of the intersections over sum of the unions, over classes and images; NaN without a pixel.

    Args:
        counts: int64 [..., n, n + 1]; summed over leading axes.
    """
    hits, _, union = _parts(_total(counts))
    return float(_ratio(hits.sum(keepdims=True), union.sum(keepdims=True))[0])


def frequency_weighted_iou(counts: Counts) -> float:
    """Mean of the class IoUs weighted by the classes' true pixels; NaN without a pixel.

    Args:
        counts: int64 [..., n, n + 1]; summed over leading axes.
    """
    hits, present, union = _parts(_total(counts))
    return _mean(_ratio(hits, union)[present > 0], present[present > 0])


def pixel_accuracy(counts: Counts) -> float:
    """Share of evaluated pixels whose class is right; NaN without a pixel.

    Args:
        counts: int64 [..., n, n + 1]; summed over leading axes.
    """
    hits, present, _ = _parts(_total(counts))
    return float(_ratio(hits.sum(keepdims=True), present.sum(keepdims=True))[0])


def mean_class_accuracy(counts: Counts) -> float:
    """Mean over the classes in the truth of the share of their pixels that is right; NaN without a pixel.

    Args:
        counts: int64 [..., n, n + 1]; summed over leading axes.
    """
    hits, present, _ = _parts(_total(counts))
    return _mean(_ratio(hits, present)[present > 0])


def _total(counts: Counts) -> Counts:
    summed: Counts = counts.sum(axis=tuple(range(counts.ndim - 2)))
    return summed


def _parts(counts: Counts) -> tuple[Counts, Counts, Counts]:
    """Hits, true pixels and union of each class, each [..., n]."""
    if counts.ndim < 2 or counts.shape[-1] != counts.shape[-2] + 1:
        raise ValueError(f"counts [..., n, n + 1] expected, got {counts.shape}")
    if counts.size and counts.min() < 0:
        raise ValueError(f"negative count {counts.min()}")
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    present = counts.sum(axis=-1)
    union = present + counts[..., :-1].sum(axis=-2) - hits
    return hits, present, union


def _scored_classes(counts: Counts, absent: AbsentClass) -> tuple[Scores, NDArray[np.bool_]]:
    """IoU of each class with the absent ones filled in, and which classes count; both [..., n]."""
    hits, present, union = _parts(counts)
    missing = union == 0
    values = _ratio(hits, union)
    match absent:
        case AbsentClass.NAN_SKIP:
            return values, ~missing
        case AbsentClass.GT_ONLY:
            return values, present > 0
        case AbsentClass.ZERO:
            return np.where(missing, 0.0, values), np.ones_like(missing)
        case AbsentClass.ONE:
            return np.where(missing, 1.0, values), np.ones_like(missing)
        case AbsentClass.NAN_PROPAGATE:
            return values, np.ones_like(missing)


def _ratio(part: Counts, whole: Counts) -> Scores:
    """``part / whole``, NaN where ``whole`` is zero."""
    quotient = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient


def _mean(values: Scores, weights: Counts | None = None) -> float:
    return float(np.average(values, weights=weights)) if values.size else float("nan")
