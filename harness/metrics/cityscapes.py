"""Cityscapes scores by the official rules (cityscapesScripts 2.3.0, pixel-level semantic labelling).

Counts are over label ids, those of ignored labels included, and every score is a function of them:

- A pixel of an ignored true label is dropped, whatever was predicted.
- An ignored label predicted on another pixel is a miss of the true label and a false alarm of none. But a category
  whose labels all have instances takes its ignored ones (caravan, trailer) for its own in the instance score.
- The instance scores (iIoU) weigh the pixels of each instance by the mean size of its class over the instance's size.
  Regions that are groups (instance numbers of at most 1000) count in the IoU alone; false alarms have no weight.
- A class without a pixel has the score NaN and is left out of the mean.

The official code ends with an error at a prediction that is no label id; so does this module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.metrics.segmentation import confusion_counts

Counts = NDArray[np.int64]

GROUP_LIMIT = 1000
"""Instances are numbered label id * 1000 + k; what is not above 1000 is a group or has no instances."""

MEAN_PIXELS = {
    "bicycle": 4672.3249222261,
    "caravan": 36771.8241758242,
    "motorcycle": 6298.7200839748,
    "rider": 3930.4788056518,
    "bus": 35732.1511111111,
    "train": 67583.7075812274,
    "car": 12794.0202738185,
    "person": 3462.4756337644,
    "truck": 27855.1264367816,
    "trailer": 16926.9763313609,
}
"""Mean pixels of an instance of each class, as the official code has them (``avgClassSize``)."""


class Label(Protocol):
    """What the rules need to know of a label; those without an id of 0 or more take no part."""

    @property
    def name(self) -> str: ...
    @property
    def id(self) -> int: ...
    @property
    def category(self) -> str: ...
    @property
    def has_instances(self) -> bool: ...
    @property
    def ignored(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class CityscapesScores:
    """Scores as fractions in [0, 1], NaN where there is no pixel, in order of label id.

    Attributes:
        classes: IoU of each label that is not ignored.
        instance_classes: iIoU of those with instances.
        categories: IoU of each category with such a label.
        instance_categories: iIoU of the categories whose labels all have instances.
    """

    classes: Mapping[str, float]
    instance_classes: Mapping[str, float]
    categories: Mapping[str, float]
    instance_categories: Mapping[str, float]


def label_counts(truth: NDArray[np.integer], predicted: NDArray[np.integer], labels: Sequence[Label]) -> Counts:
    """Count pixels by true and predicted label id, image by image.

    Args:
        truth: int [N, ...], label ids.
        predicted: int of the same shape, label ids.
        labels: All labels, the ignored ones included; their ids of 0 or more are 0..L-1.

    Returns:
        int64 [N, L, L]; rows are truth, columns prediction.

    Raises:
        ValueError: Shapes differ, or a value is no label id.
    """
    size = len(_ids(labels))
    counts = confusion_counts(truth, predicted, size, void=None)
    strange = counts[:, :, size].any(axis=1)
    if strange.any():
        image = int(strange.argmax())
        values = np.setdiff1d(predicted[image], np.arange(size))
        raise ValueError(f"{values.tolist()} predicted in image {image} are no label ids 0..{size - 1}")
    return counts[:, :, :size]


def instance_counts(
    instances: NDArray[np.integer], predicted: NDArray[np.integer], labels: Sequence[Label], first: int = 0
) -> Counts:
    """Count the pixels of each instance, and those predicted as its class and as any class of its category.

    Args:
        instances: int [N, ...], the official instance numbers.
        predicted: int of the same shape, label ids.
        labels: As for :func:`label_counts`.
        first: Number of the first image.

    Returns:
        int64 [M, 5], a row for each instance of a label that is not ignored, in order of image and instance number:
        image, label id, pixels, pixels predicted as the label, pixels predicted as a label of its category.

    Raises:
        ValueError: Shapes differ, a predicted value is no label id, or an instance is of no label or of one that is
            neither ignored nor has instances.
    """
    if instances.shape != predicted.shape or instances.ndim < 2:
        raise ValueError(f"two arrays [N, ...] expected, got {instances.shape}, {predicted.shape}")
    category = _category_numbers(labels)
    if predicted.size and not 0 <= predicted.min() <= predicted.max() < len(category):
        raise ValueError(f"predicted {predicted.min()} to {predicted.max()}; label ids are 0..{len(category) - 1}")
    unscored = [label.id for label in labels if label.ignored]
    allowed = unscored + [label.id for label in labels if label.has_instances]
    rows = [np.zeros((0, 5), dtype=np.int64)]
    for image, (numbers, guesses) in enumerate(zip(instances, predicted, strict=True), start=first):
        single = numbers > GROUP_LIMIT
        number, guess = numbers[single].astype(np.intp), guesses[single]
        owner = number // GROUP_LIMIT
        strange = number[~np.isin(owner, allowed)]
        if strange.size:
            raise ValueError(f"instance {strange[0]} of image {image} is of a label that has no instances")
        pixels = np.bincount(number)
        hits = np.bincount(number[guess == owner], minlength=len(pixels))
        category_hits = np.bincount(number[category[guess] == category[owner]], minlength=len(pixels))
        present = np.flatnonzero(pixels)
        present = present[~np.isin(present // GROUP_LIMIT, unscored)]
        found = pixels[present], hits[present], category_hits[present]
        columns = np.full(len(present), image), present // GROUP_LIMIT, *found
        rows.append(np.stack(columns, axis=1).astype(np.int64))
    return np.concatenate(rows)


def scores(counts: Counts, instances: Counts, labels: Sequence[Label]) -> CityscapesScores:
    """Score a set of images.

    Args:
        counts: int64 [..., L, L] of :func:`label_counts`; summed over leading axes.
        instances: int64 [M, 5] of :func:`instance_counts`, in order of image.
        labels: As there.

    Raises:
        ValueError: Another shape, or a negative count.
    """
    size = len(_ids(labels))
    if counts.shape[-2:] != (size, size) or instances.shape[1:] != (5,) or (counts < 0).any() or (instances < 0).any():
        raise ValueError(f"counts [..., {size}, {size}] and [M, 5] expected, got {counts.shape}, {instances.shape}")
    matrix = counts.sum(axis=tuple(range(counts.ndim - 2)))
    scored = [label for label in labels if label.id >= 0 and not label.ignored]
    members = {name: [label for label in scored if label.category == name] for name in _categories(scored)}
    wholes = {name: [label for label in labels if label.id >= 0 and label.category == name] for name in members}
    ids = _ids(scored)
    return CityscapesScores(
        classes={label.name: _iou(matrix, [label.id], ids) for label in scored},
        instance_classes={
            label.name: _instance_iou(matrix, instances, 3, [label], ids) for label in scored if label.has_instances
        },
        categories={name: _iou(matrix, _ids(own), ids) for name, own in members.items()},
        instance_categories={
            name: _instance_iou(matrix, instances, 4, own, ids)
            for name, own in wholes.items()
            if all(label.has_instances for label in own)
        },
    )


def mean_score(values: Mapping[str, float]) -> float:
    """Mean of the scores that are not NaN; NaN if there is none."""
    valid = [value for value in values.values() if not math.isnan(value)]
    return _running_sum(np.array(valid)) / len(valid) if valid else math.nan


def _iou(matrix: Counts, own: list[int], scored: list[int]) -> float:
    """IoU of the labels with the ids ``own`` taken as one."""
    hits = int(matrix[np.ix_(own, own)].sum())
    union = int(matrix[own].sum()) + _false_alarms(matrix, own, scored)
    return hits / union if union else math.nan


def _instance_iou(matrix: Counts, instances: Counts, column: int, own: Sequence[Label], scored: list[int]) -> float:
    """IoU of ``own`` labels taken as one, each instance weighted, its hits being in ``column``."""
    mean_pixels = np.zeros(len(matrix))
    mean_pixels[_ids(own)] = [MEAN_PIXELS[label.name] for label in own]
    rows = instances[np.isin(instances[:, 1], _ids(own))]
    weights = mean_pixels[rows[:, 1]] / rows[:, 2]
    hits = _running_sum(rows[:, column] * weights)
    misses = _running_sum((rows[:, 2] - rows[:, column]) * weights)
    union = hits + _false_alarms(matrix, _ids(own), scored) + misses
    return hits / union if union else math.nan


def _false_alarms(matrix: Counts, own: list[int], scored: list[int]) -> int:
    """Pixels predicted as one of ``own`` whose truth is another label that is not ignored."""
    return int(matrix[np.ix_([label for label in scored if label not in own], own)].sum())


def _running_sum(values: NDArray[np.float64]) -> float:
    """Sum from first to last, as the official code adds, so that the last bit is the same."""
    return float(np.cumsum(values)[-1]) if values.size else 0.0


def _ids(labels: Sequence[Label]) -> list[int]:
    return [label.id for label in labels if label.id >= 0]


def _categories(labels: Sequence[Label]) -> list[str]:
    return list(dict.fromkeys(label.category for label in labels))


def _category_numbers(labels: Sequence[Label]) -> NDArray[np.int64]:
    """Number of each label id's category, int64 [L]."""
    names = _categories(labels)
    numbers = np.zeros(len(_ids(labels)), dtype=np.int64)
    for label in labels:
        if label.id >= 0:
            numbers[label.id] = names.index(label.category)
    return numbers
