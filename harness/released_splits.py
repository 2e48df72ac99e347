"""Splits that released checkpoints of several papers are measured on, and what their tables call the classes."""

from __future__ import annotations

from pathlib import Path

from harness.datasets.labelled import LabelledImages

CITYSCAPES_CLASSES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "light", "sign", "vegetation", "terrain"),
    *("sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
)
"""In order of trainId."""
VOC_CLASSES = (
    *("background", "aero", "bike", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "table", "dog"),
    *("horse", "mbike", "person", "plant", "sheep", "sofa", "train", "tv"),
)
"""In order of label."""


def open_cityscapes(folder: Path) -> LabelledImages:
    """Open what a folder has of Cityscapes' validation set, 19 classes; raises DataError."""
    from harness.datasets import cityscapes

    return cityscapes.open_cityscapes(folder, "val", require_complete=False)


def open_voc(folder: Path) -> LabelledImages:
    """Open what a folder has of VOC 2012's validation set with its official truth; raises DataError."""
    from harness.datasets import pascal

    return pascal.open_pascal(folder, "val", require_complete=False)
