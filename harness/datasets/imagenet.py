"""ImageNet's validation set of ILSVRC 2012: 50,000 images of 1,000 classes, some with boxes.

Images lie in ``val/<WordNet id>/``, or all in one folder: ``ILSVRC2012_img_val/``, ``val/`` or ``Data/CLS-LOC/val/``.
Their classes come from each of these that is there, and the sources must agree:

* the folders of classes;
* the development kit, ``ILSVRC2012_devkit_t12/data``;
* XML annotations in ``ILSVRC2012_bbox_val_v3/val``, ``Annotations/CLS-LOC/val`` or ``bbox/val``, which have the boxes;
* ``val_labels_boxes.csv`` beside ``val/``: the class and the boxes of a subset.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.datasets.folders import locate
from harness.datasets.imagenet_classes import WORDNET_IDS
from harness.datasets.imagenet_truth import (
    BLACKLIST_FILE,
    LABELS,
    REMEDY,
    TRUTH_FILE,
    Annotated,
    read_blacklist,
    read_box_table,
    read_devkit_labels,
    read_xml,
)
from harness.datasets.labelled import ClassifiedImages, Split
from harness.errors import DataError

IMAGES = 50_000
"""In the validation set."""

SUBSET_TABLE = "val_labels_boxes.csv"
"""Classes and boxes of a subset; columns as :func:`~harness.datasets.imagenet_truth.read_box_table` has them."""

_IMAGE_FOLDERS = ("ILSVRC2012_img_val", "Data/CLS-LOC/val", "val")
_BOX_FOLDERS = ("ILSVRC2012_bbox_val_v3/val", "Annotations/CLS-LOC/val", "bbox/val")
_DEVKITS = ("ILSVRC2012_devkit_t12", "devkit")
_BELOW = ("ILSVRC2012", "ILSVRC", "imagenet", "ImageNet")
_SUFFIXES = (".jpeg", ".jpg")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Sources:
    """What each source says of the images it names."""

    labels: Mapping[str, Mapping[str, int]]
    annotated: Mapping[str, Annotated]
    blacklisted: frozenset[str]


def open_imagenet(folder: Path, *, require_complete: bool = True, with_boxes: bool = True) -> ClassifiedImages:
    """Find and check the validation set without decoding an image.

    Args:
        folder: The folder that holds one of the layouts, or one that holds it as ``ILSVRC2012`` or ``ILSVRC``.
        require_complete: Refuse a folder without all 50,000 images.
        with_boxes: Read XML annotations where they are; 50,000 files take about ten seconds.

    Returns:
        Images in the order of their names. ``boxes`` is empty unless every image that is here has its boxes. The
        digest covers name, size in bytes, class and boxes of each image.

    Raises:
        DataError: Everything that is missing, empty or contradictory, in one message.
    """
    root = locate(folder, _BELOW, _looks_right, f"{', '.join(f'{each}/' for each in _IMAGE_FOLDERS)}", REMEDY)
    place = next(root / each for each in _IMAGE_FOLDERS if (root / each).is_dir())
    try:
        paths = _images(place)
        sources = _sources(root, paths, with_boxes)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})", REMEDY) from error
    names = sorted(paths)
    labels, problems = _agreed(names, sources.labels)
    sizes = [paths[name].stat().st_size for name in names]
    problems += _summary("empty files", [name for name, size in zip(names, sizes, strict=True) if not size])
    if require_complete and len(names) != IMAGES:
        problems.append(f"{len(names)} of {IMAGES} images")
    if not names:
        problems.append(f"{place.relative_to(root)}: no images")
    if problems:
        listing = "\n".join(f"  {problem}" for problem in problems)
        raise DataError(f"{root}: imagenet/val: {len(problems)} problems:\n{listing}", REMEDY)
    boxes = tuple(sources.annotated[name].boxes for name in names if name in sources.annotated)
    boxes = boxes if len(boxes) == len(names) else ()
    state = hashlib.sha256()
    for index, name in enumerate(names):
        edges = boxes[index].edges.tolist() if boxes else ""
        state.update(f"{name} {sizes[index]} {labels[index]} {edges}\n".encode())
    return ClassifiedImages(
        split=Split("imagenet", "val", root, state.hexdigest(), len(names), IMAGES),
        names=tuple(names),
        paths=tuple(paths[name] for name in names),
        labels=np.array(labels, dtype=np.int64),
        class_names=WORDNET_IDS,
        boxes=boxes,
        blacklisted=sources.blacklisted,
    )


def _looks_right(folder: Path) -> bool:
    return any((folder / each).is_dir() for each in _IMAGE_FOLDERS)


def _images(place: Path) -> dict[str, Path]:
    """Path of each image by its name without suffix."""
    found: dict[str, Path] = {}
    problems: list[str] = []
    for entry in sorted(place.iterdir()):
        inside = sorted(entry.iterdir()) if entry.is_dir() and entry.name in LABELS else [entry]
        for path in inside:
            if path.name.startswith("."):
                continue
            if path.suffix.lower() not in _SUFFIXES or path.is_dir():
                problems.append(f"{path.relative_to(place)}: neither an image nor the folder of a class")
            elif found.setdefault(path.stem, path) != path:
                problems.append(f"{path.relative_to(place)}: a second image of this name")
    if problems:
        listing = "\n".join(f"  {problem}" for problem in problems[:_SHOWN])
        raise DataError(f"{place}: {len(problems)} strange files:\n{listing}", REMEDY)
    return found


def _sources(root: Path, paths: Mapping[str, Path], with_boxes: bool) -> _Sources:
    labels: dict[str, Mapping[str, int]] = {
        "folder": {name: LABELS[path.parent.name] for name, path in paths.items() if path.parent.name in LABELS}
    }
    annotated: dict[str, Annotated] = {}
    blacklisted: frozenset[str] = frozenset()
    for devkit in (root / each for each in _DEVKITS):
        if (devkit / TRUTH_FILE).is_file():
            labels["development kit"] = read_devkit_labels(devkit)
        if (devkit / BLACKLIST_FILE).is_file():
            blacklisted = read_blacklist(devkit / BLACKLIST_FILE)
    if (root / SUBSET_TABLE).is_file():
        annotated |= read_box_table(root / SUBSET_TABLE)
    known = {name for said in labels.values() for name in said} | set(annotated)
    for folder in (root / each for each in _BOX_FOLDERS):
        if folder.is_dir() and (with_boxes or not known.issuperset(paths)):
            here = {path.stem for path in folder.iterdir() if path.suffix == ".xml"}
            annotated |= {name: read_xml(folder / f"{name}.xml") for name in sorted(here & set(paths))}
    labels["boxes"] = {name: each.label for name, each in annotated.items()}
    return _Sources(labels, annotated, blacklisted)


def _agreed(names: Sequence[str], sources: Mapping[str, Mapping[str, int]]) -> tuple[list[int], list[str]]:
    """Label of each image (-1 where there is none), and images of which the sources say nothing or several things."""
    said = [{labels[name] for labels in sources.values() if name in labels} for name in names]
    unknown = [name for name, labels in zip(names, said, strict=True) if not labels]
    torn = [name for name, labels in zip(names, said, strict=True) if len(labels) > 1]
    problems = _summary("images whose class is in no folder, development kit, XML or table", unknown)
    problems += _summary(f"images whose class differs between {', '.join(each for each in sources)}", torn)
    return [min(labels, default=-1) for labels in said], problems


def _summary(kind: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{kind}: {len(names)}: {', '.join(names[:_SHOWN])}{more}"]
