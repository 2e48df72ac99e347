"""One function for each dataset of the catalogue, all alike: root, split and whether it must be whole.

Readers are imported when they are called: the catalogue itself costs nothing to import.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.datasets.labelled import ClassifiedImages, LabelledImages

    Images = LabelledImages | ClassifiedImages

    Opener = Callable[[Path, str, bool], Images]


def open_voc2012(root: Path, split: str, whole: bool) -> Images:
    """Open VOC 2012, with the augmented labels where a folder has no others."""
    from harness.datasets.pascal import open_pascal
    from harness.datasets.voc import AUGMENTED_LABELS, BANDED_LABELS

    labels = None if (root / BANDED_LABELS).is_dir() else AUGMENTED_LABELS
    return open_pascal(root, split, labels=labels, require_complete=whole)


def open_sbd(root: Path, split: str, whole: bool) -> Images:
    """Open SBD in its own split."""
    from harness.datasets.sbd import open_sbd as open_split

    return open_split(root, split, require_complete=whole)


def open_pascal_context(root: Path, split: str, whole: bool) -> Images:
    """Open PASCAL-Context with 60 classes."""
    from harness.datasets.pascal_context import open_pascal_context as open_split

    return open_split(root, split, require_complete=whole)


def open_person_part(root: Path, split: str, whole: bool) -> Images:
    """Open PASCAL-Person-Part."""
    from harness.datasets.person_part import open_person_part as open_split

    return open_split(root, split, require_complete=whole)


def open_cityscapes(root: Path, split: str, whole: bool) -> Images:
    """Open Cityscapes with its fine labels as the 19 classes."""
    from harness.datasets.cityscapes import open_cityscapes as open_split

    return open_split(root, split, require_complete=whole)


def open_cityscapes_coarse(root: Path, split: str, whole: bool) -> Images:
    """Open Cityscapes with its coarse labels as the 19 classes."""
    from harness.datasets.cityscapes import open_cityscapes as open_split

    return open_split(root, split, annotation="gtCoarse", require_complete=whole)


def open_camvid_segnet(root: Path, split: str, whole: bool) -> Images:
    """Open CamVid of SegNet's release."""
    from harness.datasets.camvid_segnet import open_camvid_split

    return open_camvid_split(root, split, require_complete=whole)


def open_camvid(root: Path, split: str, whole: bool) -> Images:
    """Open CamVid as its authors publish it."""
    from harness.datasets.camvid_original import open_camvid_original

    return open_camvid_original(root, split, require_complete=whole)


def open_kitti_road(root: Path, split: str, whole: bool) -> Images:
    """Open KITTI road; the split is a category."""
    from harness.datasets.kitti_road import open_kitti_road as open_category

    return open_category(root, split, require_complete=whole)


def open_kitti_ros(root: Path, split: str, whole: bool) -> Images:
    """Open KITTI in the split of Ros et al."""
    from harness.datasets.kitti_ros import open_kitti_ros as open_split

    return open_split(root, split, require_complete=whole)


def open_imagenet(root: Path, split: str, whole: bool) -> Images:
    """Open ImageNet's validation set, the only split."""
    from harness.datasets.imagenet import open_imagenet as open_validation
    from harness.errors import UsageError

    if split != "val":
        raise UsageError(f"imagenet: no split {split!r}", "Choose val.")
    return open_validation(root, require_complete=whole)


def open_imagenette(root: Path, split: str, whole: bool) -> Images:
    """Open a part of Imagenette."""
    from harness.datasets.imagenette import Split
    from harness.datasets.imagenette_classified import open_imagenette_images

    return open_imagenette_images(root, Split(split), require_complete=whole)
