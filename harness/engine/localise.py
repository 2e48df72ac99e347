"""The one free number of the localisation rule, its threshold, chosen away from the test images. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.metrics.localisation import ClassActivation, LocalisationProtocol, localise, top1_localisation_error

THRESHOLDS = tuple(percent / 100 for percent in range(0, 100, 5))
"""The declared sweep: 0, 0.05, ..., 0.95."""


@dataclass(frozen=True, slots=True, eq=False)
class BoxedImages:
    """What the rule needs of N images with true boxes.

    Attributes:
        hits: bool [N], whether the highest-scored class is the true one.
        activation: The true class's activation maps, [N, h, w].
        boxes: [M, 4], all true boxes of the images, x1, y1, x2, y2, inclusive, in pixels.
        owners: int [M], the image each box belongs to.
        size: Height and width of the images in pixels.
    """

    hits: NDArray[np.bool_]
    activation: ClassActivation
    boxes: NDArray[np.integer] | NDArray[np.floating]
    owners: NDArray[np.integer]
    size: tuple[int, int]

    def take(self, images: NDArray[np.integer]) -> BoxedImages:
        """Return the images at the given places, in that order; each place at most once."""
        places = np.full(len(self.hits), -1)
        places[images] = np.arange(len(images))
        kept = places[self.owners] >= 0
        activation = ClassActivation(self.activation.response[images], self.activation.dominant[images])
        return BoxedImages(self.hits[images], activation, self.boxes[kept], places[self.owners[kept]], self.size)

    def localise(self, protocol: LocalisationProtocol) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the predicted boxes, float64 [N, 4] (NaN: none), and their best IoU, float64 [N]."""
        found = localise(self.activation, self.boxes, self.owners, self.size, protocol)
        return found.boxes, found.iou


def sweep(
    images: BoxedImages, protocol: LocalisationProtocol, thresholds: Sequence[float] = THRESHOLDS
) -> NDArray[np.float64]:
    """Return the best IoU of each image at each threshold, float64 [N, T]."""
    return np.stack([images.localise(replace(protocol, threshold=at))[1] for at in thresholds], axis=1)


def choose_threshold(
    images: BoxedImages, protocol: LocalisationProtocol, thresholds: Sequence[float] = THRESHOLDS
) -> float:
    """Return the threshold with the least top-1 localisation error on ``images``, the lowest of equals."""
    ascending = sorted(thresholds)
    overlaps = sweep(images, protocol, ascending)
    errors = [top1_localisation_error(images.hits, iou, protocol) for iou in overlaps.T]
    return ascending[int(np.argmin(errors))]


@dataclass(frozen=True, slots=True, eq=False)
class CrossFitted:
    """Boxes of N images, each with a threshold that was chosen on other images.

    Attributes:
        boxes: float64 [N, 4]; NaN where there is none.
        iou: float64 [N].
        thresholds: One for each part of the images, in order.
    """

    boxes: NDArray[np.float64]
    iou: NDArray[np.float64]
    thresholds: tuple[float, ...]


def cross_fit(
    images: BoxedImages, protocol: LocalisationProtocol, thresholds: Sequence[float] = THRESHOLDS
) -> CrossFitted:
    """Localise where only the test images have boxes: even and odd places choose each other's threshold."""
    count = len(images.hits)
    boxes, iou = np.full((count, 4), np.nan), np.zeros(count)
    chosen = []
    for parity in (0, 1):
        own, other = np.arange(parity, count, 2), np.arange(1 - parity, count, 2)
        chosen.append(choose_threshold(images.take(other), protocol, thresholds))
        rule = replace(protocol, threshold=chosen[-1])
        boxes[own], iou[own] = images.take(own).localise(rule)
    return CrossFitted(boxes, iou, tuple(chosen))
