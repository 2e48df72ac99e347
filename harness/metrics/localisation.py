"""Weakly supervised localisation error by the rule of the DRN paper, Section 5.2.

A classification network without its global pooling gives each location (w, h) of its map a probability
f(c, w, h) for each class c. The box of class c is the tightest one around S_c = {(w, h): c is dominant there
and f(c, w, h) > t}. It is right if it overlaps a true box with IoU > 0.5. No connected component is singled
out, so one stray location widens the box. What the paper leaves open is a field of
:class:`LocalisationProtocol`.

Boxes are [N, 4] rows x1, y1, x2, y2 in pixel coordinates, both ends inside the box: a box of one pixel is
x, y, x, y. Boxes scaled from another resolution may be fractional. A row of NaN is "no box".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


class EmptySet(StrEnum):
    """The box of a class whose S_c is empty, for which the paper's rule has no meaning."""

    MISS = "miss"
    """No box; the image counts as an error."""
    WHOLE_IMAGE = "whole-image"
    """The whole image."""
    IGNORE_DOMINANCE = "ignore-dominance"
    """The box around {f(c) > t}, whichever class dominates there; no box if that is empty too."""


class BoxExtent(StrEnum):
    """How wide a box from x1 to x2 is when areas are taken."""

    INCLUSIVE = "inclusive"
    """x2 - x1 + 1, as the ILSVRC development kit has it."""
    EXCLUSIVE = "exclusive"
    """x2 - x1, as the area in the paper's Section 5.2 is written."""


class OverlapTest(StrEnum):
    """Whether an IoU of exactly the limit is enough."""

    GREATER = "greater"
    """IoU > limit: the DRN paper, Section 5.2."""
    AT_LEAST = "at-least"
    """IoU >= limit: the ILSVRC development kit."""


class MapToImage(StrEnum):
    """Where on the image a location of the activation map lies.

    A rule on upsampled maps needs no choice: pass maps as large as the image, for which all three agree.
    """

    CELLS = "cells"
    """Location k covers the k-th of n equal parts of the side; a box covers whole parts."""
    CENTRES = "centres"
    """Location k is the middle of that part; a box spans from middle to middle."""
    CORNERS = "corners"
    """The first and last location are the first and last pixel (aligned corners)."""


@dataclass(frozen=True, slots=True)
class LocalisationProtocol:
    """The rule with every choice that the paper leaves open.

    Attributes:
        threshold: t, a probability in [0, 1). The paper does not state it. The default follows the
            20 % of class activation mapping (Zhou et al., CVPR 2016), the method Section 3 compares with.
        empty_set: The box of a class with empty S_c.
        extent: Width of a box when areas are taken.
        overlap: Whether an IoU equal to ``minimum_iou`` suffices.
        minimum_iou: IoU limit in [0, 1].
        mapping: From map locations to pixels.
    """

    threshold: float = 0.2
    empty_set: EmptySet = EmptySet.MISS
    extent: BoxExtent = BoxExtent.INCLUSIVE
    overlap: OverlapTest = OverlapTest.GREATER
    minimum_iou: float = 0.5
    mapping: MapToImage = MapToImage.CELLS

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < 1 or not 0 <= self.minimum_iou <= 1:
            raise ValueError(f"threshold in [0, 1) and minimum_iou in [0, 1] expected, got {self}")


@dataclass(frozen=True, slots=True)
class ClassActivation:
    """All that the rule needs of the activation maps, for one class per image.

    Attributes:
        response: float [N, H, W], f(c, w, h) of the image's class c.
        dominant: bool [N, H, W], whether no class has a larger probability there.
    """

    response: NDArray[np.floating]
    dominant: Mask

    def __post_init__(self) -> None:
        if self.response.ndim != 3 or self.response.shape != self.dominant.shape or 0 in self.response.shape[1:]:
            raise ValueError(f"two arrays [N, H, W] expected, got {self.response.shape}, {self.dominant.shape}")
        if np.isnan(self.response).any():
            raise ValueError(f"{int(np.isnan(self.response).any(axis=(1, 2)).sum())} activation maps hold NaN")


@dataclass(frozen=True, slots=True)
class Localisation:
    """Per-image outcome.

    Attributes:
        boxes: float64 [N, 4], the predicted boxes; NaN where there is none.
        iou: float64 [N], the largest IoU with a true box of the image; 0 where there is no box.
        empty: bool [N], whether S_c was empty, so that ``empty_set`` decided.
    """

    boxes: Floats
    iou: Floats
    empty: Mask


def class_activation(probabilities: NDArray[np.floating], classes: NDArray[np.integer]) -> ClassActivation:
    """Reduce activation maps to one class per image.

    Args:
        probabilities: float [N, C, H, W], softmax over C at each location.
        classes: int [N], the class to localise in each image: the predicted one for the paper's error.

    Raises:
        ValueError: Shapes disagree, a class is outside 0..C-1, or a response is NaN.
    """
    if probabilities.ndim != 4 or classes.shape != probabilities.shape[:1]:
        raise ValueError(f"maps [N, C, H, W] and classes [N] expected, got {probabilities.shape}, {classes.shape}")
    channels = probabilities.shape[1]
    outside = classes[(classes < 0) | (classes >= channels)]
    if outside.size:
        raise ValueError(f"class {outside[0]} is outside 0..{channels - 1}")
    response = probabilities[np.arange(len(classes)), classes]
    return ClassActivation(response, response >= probabilities.max(axis=1))


def localise(
    activation: ClassActivation,
    truth: NDArray[np.integer] | NDArray[np.floating],
    owners: NDArray[np.integer],
    image_size: tuple[int, int],
    protocol: LocalisationProtocol,
) -> Localisation:
    """Predict one box per image and compare it with the image's true boxes.

    Args:
        activation: N maps.
        truth: [M, 4], all true boxes of the images.
        owners: int [M], the image in 0..N-1 that each true box belongs to; every image has at least one.
        image_size: Height and width in pixels of the frame of ``truth``.
        protocol: The rule.

    Raises:
        ValueError: A true box is not finite or is turned inside out, or an image has none.
    """
    boxes, empty = predicted_boxes(activation, image_size, protocol)
    return Localisation(boxes, best_iou(boxes, truth, owners, protocol.extent), empty)


def top1_localisation_error(class_correct: Mask, iou: Floats, protocol: LocalisationProtocol) -> float:
    """Share of images whose class or box is wrong (Table 2 of the DRN paper).

    Args:
        class_correct: bool [N], whether the predicted class is the true one.
        iou: float64 [N], of the box of the predicted class. With ``class_correct`` all true and the box of the
            true class it is the error for a known class.
        protocol: Limit and overlap test.

    Returns:
        A fraction in [0, 1].

    Raises:
        ValueError: No images, shapes differ, or an IoU is NaN.
    """
    if class_correct.shape != iou.shape or iou.ndim != 1 or iou.size == 0:
        raise ValueError(f"two arrays [N], N > 0, expected, got {class_correct.shape}, {iou.shape}")
    return float(1 - (class_correct & box_correct(iou, protocol)).mean())


def box_correct(iou: Floats, protocol: LocalisationProtocol) -> Mask:
    """Whether each IoU passes the protocol's overlap test.

    Raises:
        ValueError: An IoU is NaN.
    """
    if np.isnan(iou).any():
        raise ValueError("IoU is NaN")
    if protocol.overlap is OverlapTest.GREATER:
        return iou > protocol.minimum_iou
    return iou >= protocol.minimum_iou


def predicted_boxes(
    activation: ClassActivation, image_size: tuple[int, int], protocol: LocalisationProtocol
) -> tuple[Floats, Mask]:
    """Tightest box around S_c for each image.

    Args:
        activation: N maps.
        image_size: Height and width in pixels of the frame that the map covers.
        protocol: Threshold, empty sets and mapping.

    Returns:
        float64 [N, 4] boxes (NaN: none) and bool [N], whether S_c was empty.
    """
    above = activation.response > protocol.threshold
    selected = above & activation.dominant
    empty: Mask = np.logical_not(selected.any(axis=(1, 2)))
    if protocol.empty_set is EmptySet.IGNORE_DOMINANCE:
        selected = np.where(empty[:, None, None], above, selected)
    cells = tight_boxes(selected)
    found = cells[:, 2] >= 0
    height, width = image_size
    rows, columns = selected.shape[1:]
    boxes = np.full(cells.shape, np.nan)
    boxes[:, 0::2] = _to_pixels(cells[:, 0::2], columns, width, protocol.mapping)
    boxes[:, 1::2] = _to_pixels(cells[:, 1::2], rows, height, protocol.mapping)
    whole_image = protocol.empty_set is EmptySet.WHOLE_IMAGE
    boxes[~found] = (0, 0, width - 1, height - 1) if whole_image else np.nan
    return boxes, empty


def tight_boxes(selected: Mask) -> NDArray[np.int64]:
    """Tightest box around the true cells of each mask.

    Args:
        selected: bool [N, H, W].

    Returns:
        int64 [N, 4], both ends inside; a row of -1 for an empty mask.
    """
    bounds = np.full((len(selected), 4), -1, dtype=np.int64)
    for axis, first in ((1, 0), (2, 1)):
        occupied: Mask = np.logical_or.reduce(selected, axis=axis)
        length = occupied.shape[1]
        bounds[:, first] = occupied.argmax(axis=1)
        bounds[:, first + 2] = length - 1 - occupied[:, ::-1].argmax(axis=1)
    bounds[~selected.any(axis=(1, 2))] = -1
    return bounds


def best_iou(
    boxes: Floats,
    truth: NDArray[np.integer] | NDArray[np.floating],
    owners: NDArray[np.integer],
    extent: BoxExtent = BoxExtent.INCLUSIVE,
) -> Floats:
    """Largest IoU of each image's box with any of its true boxes.

    Args:
        boxes: float64 [N, 4]; NaN rows have IoU 0.
        truth: [M, 4].
        owners: int [M] in 0..N-1.
        extent: Width of a box when areas are taken.

    Returns:
        float64 [N] in [0, 1].

    Raises:
        ValueError: A true box is not finite or is turned inside out, or an image has none.
    """
    images = len(boxes)
    if truth.shape != (len(owners), 4) or set(owners.tolist()) != set(range(images)):
        raise ValueError(f"true boxes [M, 4] and at least one true box for each of {images} images expected")
    if not (np.isfinite(truth).all() and (truth[:, 2:] + 1 > truth[:, :2]).all()):
        raise ValueError("a true box is not finite or ends before it begins")
    best = np.zeros(images)
    np.maximum.at(best, owners, box_iou(boxes[owners], truth, extent))
    return best


def box_iou(
    first: NDArray[np.integer] | NDArray[np.floating],
    second: NDArray[np.integer] | NDArray[np.floating],
    extent: BoxExtent = BoxExtent.INCLUSIVE,
) -> Floats:
    """IoU of two lists of boxes, row by row.

    Args:
        first: [N, 4].
        second: [N, 4].
        extent: Width of a box when areas are taken.

    Returns:
        float64 [N] in [0, 1]; 0 where a box is NaN or the union has no area.
    """
    end = 1.0 if extent is BoxExtent.INCLUSIVE else 0.0
    one, two = first.astype(np.float64), second.astype(np.float64)
    starts, ends = np.maximum(one[:, :2], two[:, :2]), np.minimum(one[:, 2:], two[:, 2:])
    overlap = _area(starts, ends, end)
    union = _area(one[:, :2], one[:, 2:], end) + _area(two[:, :2], two[:, 2:], end) - overlap
    iou = np.zeros(len(one))
    np.divide(overlap, union, out=iou, where=union > 0)
    return iou


def _area(starts: Floats, ends: Floats, end: float) -> Floats:
    sides = np.maximum(ends - starts + end, 0.0)
    area: Floats = sides[:, 0] * sides[:, 1]
    return area


def _to_pixels(cells: NDArray[np.int64], locations: int, pixels: int, mapping: MapToImage) -> Floats:
    """First and last pixel coordinate [N, 2] of ranges of cells [N, 2] along a side."""
    step = np.float64(pixels / locations)
    first, last = cells[:, 0], cells[:, 1]
    match mapping:
        case MapToImage.CELLS:
            ends = first * step, (last + 1) * step - 1
        case MapToImage.CENTRES:
            ends = (first + 0.5) * step - 0.5, (last + 0.5) * step - 0.5
        case MapToImage.CORNERS if locations > 1:
            step = np.float64((pixels - 1) / (locations - 1))
            ends = first * step, last * step
        case MapToImage.CORNERS:
            ends = np.full(len(first), (pixels - 1) / 2), np.full(len(first), (pixels - 1) / 2)
    return np.stack(ends, axis=1)
