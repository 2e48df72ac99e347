"""The Semantic Boundaries Dataset: Hariharan et al., Semantic Contours from Inverse Detectors, ICCV 2011.

11,355 images of VOC 2011 (8,498 and 2,857) in ``benchmark_RELEASE/dataset``: ``img/<name>.jpg``, ``cls/<name>.mat``
with labels and boundaries of classes, ``inst/<name>.mat`` with those of instances. The labels have no void.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets import matlab
from harness.datasets.folders import Release, check_split, locate
from harness.datasets.labelled import Item, LabelledImages
from harness.datasets.lists import read_names
from harness.datasets.pascal import find_voc
from harness.datasets.segmented import decode_label
from harness.datasets.voc import BANDED_LABELS, CLASSES, CODING, LISTS, RELEASE_COUNTS
from harness.datasets.voc import REMEDY as VOC_REMEDY
from harness.errors import DataError

REMEDY = (
    "Unpack benchmark.tgz from http://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours "
    "and pass the folder that holds benchmark_RELEASE as --data."
)

RELEASE = Release("sbd", {"train": 8498, "val": 2857}, REMEDY)

_BELOW = ("dataset", "benchmark_RELEASE/dataset")


def open_sbd(folder: Path, split: str, *, require_complete: bool = True) -> LabelledImages:
    """Find and check one split without decoding an image.

    The lists are checked by their number of names; their content is not pinned.

    Args:
        folder: The folder that holds ``cls`` and ``img``, or one that holds ``benchmark_RELEASE``.
        split: ``train`` or ``val`` of SBD, which are not those of VOC 2012.
        require_complete: Refuse a split of which images are missing.

    Raises:
        DataError: Everything that is missing, empty or inconsistent, in one message.
        UsageError: There is no such split.
    """
    RELEASE.require(split)
    root, problems = _find_sbd(folder), list[str]()
    problems += [f"{place}: folder missing" for place in ("img", "cls", "inst") if not (root / place).is_dir()]
    names = read_names(root, f"{split}.txt", problems, REMEDY)
    items = [
        Item(name, root / "img" / f"{name}.jpg", root / "cls" / f"{name}.mat", root / "inst" / f"{name}.mat")
        for name in names
    ]
    where, here = check_split(root, RELEASE, split, items, require_complete=require_complete, problems=problems)
    return LabelledImages(where, here, CLASSES, read_classes, read_instances)


def read_classes(path: Path) -> NDArray[np.uint8]:
    """Return the labels of a file of ``cls``: uint8 [H, W], ``0..20``; raises DataError."""
    labels = matlab.field(path, matlab.read_variable(path, "GTcls"), "Segmentation")
    return matlab.whole_numbers(path, labels, len(CLASSES) - 1).astype(np.uint8)


def read_instances(path: Path) -> NDArray[np.int32]:
    """Return the objects of a file of ``inst``: int32 [H, W], 0 for background, then ``1..n``; raises DataError."""
    structure = matlab.read_variable(path, "GTinst")
    objects = matlab.field(path, structure, "Categories").size
    return matlab.whole_numbers(path, matlab.field(path, structure, "Segmentation"), objects).astype(np.int32)


def read_categories(path: Path) -> NDArray[np.uint8]:
    """Return the class of each object of a file of ``inst``: uint8 [n], ``1..20``; raises DataError."""
    classes = matlab.field(path, matlab.read_variable(path, "GTinst"), "Categories")
    if not classes.size:
        return np.zeros(0, np.uint8)
    return matlab.whole_numbers(path, classes.reshape(-1, 1), len(CLASSES) - 1).astype(np.uint8).reshape(-1)


def read_boundaries(path: Path) -> NDArray[np.bool_]:
    """Return the boundaries of a file of ``cls`` or ``inst``.

    Returns:
        bool [20, H, W] of the classes without background, or [n, H, W] of the objects.

    Raises:
        DataError: The file cannot be read, or its boundaries are no sparse matrices of one size.
    """
    variable = "GTinst" if path.parent.name == "inst" else "GTcls"
    structure = matlab.read_variable(path, variable)
    shape = matlab.field(path, structure, "Segmentation").shape
    cells = matlab.field(path, structure, "Boundaries").reshape(-1)
    boundaries = np.zeros((len(cells), *shape), np.bool_)
    for place, cell in enumerate(cells):
        matrix = cell.toarray() if hasattr(cell, "toarray") else np.asarray(cell)
        if matrix.shape != shape:
            sizes = f"{list(matrix.shape)}, expected {list(shape)}"
            raise DataError(f"{path}: boundary {place + 1} of {len(cells)} is {sizes}", "Copy the file again.")
        boundaries[place] = matrix != 0
    return boundaries


def train_aug_names(voc: Path, sbd: Path) -> tuple[str, ...]:
    """Build the list of 10,582 images: VOC's ``train``, then SBD's two lists sorted, less VOC's ``val``.

    Args:
        voc: A folder that holds VOC 2012.
        sbd: A folder that holds SBD.

    Raises:
        DataError: A list is missing or has another length than in the release.
    """
    voc_root, sbd_root, problems = find_voc(voc), _find_sbd(sbd), list[str]()
    train = read_names(voc_root, f"{LISTS}/train.txt", problems, VOC_REMEDY)
    val = read_names(voc_root, f"{LISTS}/val.txt", problems, VOC_REMEDY)
    extra = {name for split in RELEASE.counts for name in read_names(sbd_root, f"{split}.txt", problems, REMEDY)}
    names = (*train, *sorted(extra.difference(train, val)))
    counts = [
        ("train of VOC", len(train), RELEASE_COUNTS["train"]),
        ("val of VOC", len(val), RELEASE_COUNTS["val"]),
        ("train and val of SBD", len(extra), sum(RELEASE.counts.values())),
        ("train_aug", len(names), RELEASE_COUNTS["train_aug"]),
    ]
    problems += [f"{name}: {count} images, expected {wanted}" for name, count, wanted in counts if count != wanted]
    problems += [f"{name}: in train and in val of VOC" for name in sorted({*train} & {*val})]
    if problems:
        listing = "\n".join(f"  {problem}" for problem in problems)
        raise DataError(f"{voc_root}, {sbd_root}: {len(problems)} problems:\n{listing}", f"{VOC_REMEDY} {REMEDY}")
    return names


def open_train_aug(voc: Path, sbd: Path, *, require_complete: bool = True) -> LabelledImages:
    """Open ``train_aug`` from the two releases themselves, without the folder ``SegmentationClassAug``.

    VOC's images have VOC's labels with their band of void, the others those of SBD. In ``SegmentationClassAug`` as
    commonly passed on, VOC's images too have labels without a band. The lists must be whole in any case.

    Args:
        voc: A folder that holds VOC 2012.
        sbd: A folder that holds SBD.
        require_complete: Refuse a split of which images are missing.

    Raises:
        DataError: Everything that is missing, empty or inconsistent, in one message.
    """
    names = train_aug_names(voc, sbd)
    voc_root, sbd_root = find_voc(voc), _find_sbd(sbd)
    banded = RELEASE_COUNTS["train"]
    items = [Item(n, voc_root / f"JPEGImages/{n}.jpg", voc_root / f"{BANDED_LABELS}/{n}.png") for n in names[:banded]]
    items += [Item(n, sbd_root / f"img/{n}.jpg", sbd_root / f"cls/{n}.mat") for n in names[banded:]]
    release = Release("voc2012", RELEASE_COUNTS, f"{VOC_REMEDY} {REMEDY}")
    where, here = check_split(voc_root, release, "train_aug", items, require_complete=require_complete)
    return LabelledImages(where, here, CLASSES, _read_either)


def _read_either(path: Path) -> NDArray[np.uint8]:
    return read_classes(path) if path.suffix == ".mat" else decode_label(path, CODING)


def _find_sbd(folder: Path) -> Path:
    layout = "cls/ and img/ of SBD"
    return locate(folder, _BELOW, lambda place: any((place / n).is_dir() for n in ("cls", "img")), layout, REMEDY)
