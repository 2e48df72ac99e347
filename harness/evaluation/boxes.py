"""Weakly supervised localisation on official boxes: one box per image and threshold, whatever part the network saw.

The rule is that of :mod:`harness.metrics.localisation` (DRN paper, Section 5.2). The paper leaves open how a map of a
crop meets boxes of the whole image, and which threshold was taken. Both are settings here. All thresholds are tried on
each image, so that a threshold can be chosen on some images and used on others. No torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from harness.datasets.labelled import TrueBoxes
from harness.engine.localise import THRESHOLDS
from harness.evaluation.crops import ClassificationProtocol, Frame, Placement
from harness.metrics.localisation import ClassActivation, LocalisationProtocol, box_correct, box_iou, predicted_boxes

Floats = NDArray[np.float64]
AT_ONCE = 256
"""Images whose maps are in memory together."""


class BoxFrame(StrEnum):
    """What the network sees of an image, and where its box meets the true ones."""

    TRUTH_IN_CROP = "truth-in-crop"
    """The central crop; the true boxes are brought into the crop and cut at its edge. One that lies outside is gone,
    and where all do, nothing is right."""
    BOX_IN_IMAGE = "box-in-image"
    """The central crop; the predicted box is brought to the image. What the crop left out cannot be found."""
    STRETCHED = "stretched"
    """The whole image as a square; the predicted box is brought to the image."""
    WHOLE = "whole"
    """All of the resized image, with a map of its shape; the predicted box is brought to the image."""


@dataclass(frozen=True, slots=True)
class BoxProtocol:
    """How boxes are found and compared; plain data for a record's recipe.

    Attributes:
        frame: What the network sees, and where boxes are compared.
        rule: All else but the threshold, which ``thresholds`` replaces.
        thresholds: Ascending. One is used as it is; of several, images of even and odd place choose each other's.

    Raises:
        ValueError: No threshold, or thresholds that do not ascend.
    """

    frame: BoxFrame = BoxFrame.STRETCHED
    rule: LocalisationProtocol = field(default_factory=LocalisationProtocol)
    thresholds: tuple[float, ...] = THRESHOLDS

    def __post_init__(self) -> None:
        if not self.thresholds or list(self.thresholds) != sorted(set(self.thresholds)):
            raise ValueError(f"thresholds that ascend expected, got {self.thresholds}")

    def shown(self, protocol: ClassificationProtocol) -> ClassificationProtocol:
        """Return what the network is shown: all as in ``protocol`` but the frame."""
        match self.frame:
            case BoxFrame.STRETCHED:
                return replace(protocol, frame=Frame.STRETCHED)
            case BoxFrame.WHOLE:
                return replace(protocol, frame=Frame.WHOLE)
            case BoxFrame.TRUTH_IN_CROP | BoxFrame.BOX_IN_IMAGE:
                return replace(protocol, frame=Frame.CENTRE)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The cells of N activation maps around the set S_c at each of T thresholds.

    Attributes:
        edges: int64 [N, T, 4], first column and row and last column and row, both inside; -1 where the set is empty.
        shapes: int64 [N, 2], rows and columns of the map.
    """

    edges: NDArray[np.int64]
    shapes: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """The boxes of N images at each of T thresholds.

    Attributes:
        boxes: float64 [N, T, 4], x1, y1, x2, y2, both ends inside, in pixels of the image as released, or of the crop
            for ``BoxFrame.TRUTH_IN_CROP``; NaN where there is none.
        iou: float64 [N, T], the largest IoU with a true box of the image.
    """

    boxes: Floats
    iou: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One box for each of N images.

    Attributes:
        boxes: float64 [N, 4], as in :class:`Sweep`.
        iou: float64 [N].
        thresholds: One for all images, or that of the images of even place and that of those of odd place.
    """

    boxes: Floats
    iou: Floats
    thresholds: tuple[float, ...]


def sweep_boxes(cells: Cells, truth: Sequence[TrueBoxes], where: Sequence[Placement], protocol: BoxProtocol) -> Sweep:
    """Turn cells into boxes, and compare them with the true ones.

    Args:
        cells: Of N images.
        truth: Their true boxes, at least one each, in pixels of the image as released.
        where: What the network was shown of an image that was resized from the released one, or from a copy of it that
            has another size.

    Raises:
        ValueError: The lengths differ.
    """
    if not len(truth) == len(where) == len(cells.edges):
        raise ValueError(f"{len(cells.edges)} maps, {len(truth)} truths, {len(where)} frames")
    boxes = _in_frames(cells, where, protocol)
    owners = np.repeat(np.arange(len(truth)), [len(image.edges) for image in truth])
    edges = np.concatenate([image.edges for image in truth]).astype(np.float64)
    if protocol.frame is BoxFrame.TRUTH_IN_CROP:
        edges = _into_frames(
            edges, [truth[owner] for owner in owners.tolist()], [where[owner] for owner in owners.tolist()]
        )
        left = (edges[:, 2:] + 1 > edges[:, :2]).all(axis=1)
        edges, owners = edges[left], owners[left]
    else:
        boxes = _into_images(boxes, truth, where)
    count = len(protocol.thresholds)
    pairs = box_iou(boxes[owners].reshape(-1, 4), np.repeat(edges, count, axis=0), protocol.rule.extent)
    best = np.zeros(boxes.shape[:2])
    np.maximum.at(best, owners, pairs.reshape(-1, count))
    return Sweep(boxes, best)


def choose(swept: Sweep, hits: NDArray[np.bool_], protocol: BoxProtocol) -> Found:
    """Give each image the box of one threshold: the only one, or the best on the images it does not belong to.

    The best threshold has the least top-1 localisation error, the lowest of equals. This is
    :func:`harness.engine.localise.cross_fit` where maps are of one shape.

    Args:
        hits: bool [N], whether the highest-scored class is the true one.
    """
    count = len(hits)
    chosen = np.zeros(count, dtype=np.int64)
    groups = [np.arange(parity, count, 2) for parity in (0, 1)] if len(protocol.thresholds) > 1 else []
    right = box_correct(swept.iou, protocol.rule) & hits[:, None]
    picks = [int(right[other].sum(axis=0).argmax()) for other in reversed(groups)]
    for group, pick in zip(groups, picks, strict=True):
        chosen[group] = pick
    thresholds = tuple(protocol.thresholds[pick] for pick in picks) or protocol.thresholds
    images = np.arange(count)
    return Found(swept.boxes[images, chosen], swept.iou[images, chosen], thresholds)


def _in_frames(cells: Cells, where: Sequence[Placement], protocol: BoxProtocol) -> Floats:
    """Bring cells to pixels of the frames, float64 [N, T, 4]."""
    boxes = np.empty(cells.edges.shape)
    layouts = np.array([(*shape, *place.size) for shape, place in zip(cells.shapes.tolist(), where, strict=True)])
    for layout in np.unique(layouts, axis=0):
        alike = np.flatnonzero((layouts == layout).all(axis=1))
        rows, columns, height, width = layout.tolist()
        for part in np.array_split(alike, -(-len(alike) // AT_ONCE)):
            activation = _corners(cells.edges[part].reshape(-1, 4), rows, columns)
            found, _ = predicted_boxes(activation, (height, width), protocol.rule)
            boxes[part] = found.reshape(len(part), -1, 4)
    return boxes


def _corners(edges: NDArray[np.int64], rows: int, columns: int) -> ClassActivation:
    """Return maps whose sets S_c are no more than two corners of a box: the rule makes the same box of them."""
    there = np.flatnonzero(edges[:, 0] >= 0)
    corners = np.zeros((len(edges), rows, columns), dtype=bool)
    for x, y in ((0, 1), (2, 3)):
        corners[there, edges[there, y], edges[there, x]] = True
    return ClassActivation(corners.astype(np.float32), corners)


def _into_images(boxes: Floats, truth: Sequence[TrueBoxes], where: Sequence[Placement]) -> Floats:
    """Bring boxes [N, T, 4] in frames to the images as released."""
    scale, corner = _geometry(truth, where)
    starts = (boxes[..., :2] + corner[:, None]) / scale[:, None]
    ends = (boxes[..., 2:] + 1 + corner[:, None]) / scale[:, None] - 1
    return np.concatenate([starts, ends], axis=-1)


def _into_frames(edges: Floats, truth: Sequence[TrueBoxes], where: Sequence[Placement]) -> Floats:
    """Bring boxes [M, 4] in M images as released to their frames, cut at the frames' edges."""
    scale, corner = _geometry(truth, where)
    limit = np.array([place.size[::-1] for place in where], dtype=np.float64)
    starts = np.clip(edges[:, :2] * scale - corner, 0, limit)
    ends = np.clip((edges[:, 2:] + 1) * scale - corner, 0, limit) - 1
    return np.concatenate([starts, ends], axis=-1)


def _geometry(truth: Sequence[TrueBoxes], where: Sequence[Placement]) -> tuple[Floats, Floats]:
    """Return pixels of the resized image per pixel of the released one [N, 2], and frames' corners [N, 2]; x first."""
    resized = np.array([place.resized[::-1] for place in where], dtype=np.float64)
    released = np.array([(image.width, image.height) for image in truth], dtype=np.float64)
    return resized / released, np.array([place.corner[::-1] for place in where], dtype=np.float64)
