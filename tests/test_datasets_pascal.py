"""PASCAL VOC 2012 and the Semantic Boundaries Dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_layouts import STRANGE_FOLDER, complaint, put, put_image, put_lines, put_mat, put_png
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import csc_matrix

from harness.datasets import pascal, sbd, voc
from harness.datasets.folders import check_item
from harness.datasets.segmented import VOID
from harness.errors import UsageError

Shared = Callable[[str], Path]
PALETTE = bytes((7 * place + channel) % 256 for place in range(256) for channel in range(3))


def names_of(first: int, last: int) -> list[str]:
    return [f"2009_{number:06}" for number in range(first, last)]


@pytest.fixture
def voc_folder(tmp_path: Path) -> Path:
    """Three images with void, and a list of them."""
    root = tmp_path / STRANGE_FOLDER / "VOCdevkit/VOC2012"
    put_lines(root / "ImageSets/Segmentation/val.txt", names_of(0, 3))
    for number, name in enumerate(names_of(0, 3)):
        put_image(root / f"JPEGImages/{name}.jpg", 5 + number, 8)
        truth = np.full((5 + number, 8), 20, np.uint8)
        truth[1:3], truth[0] = VOID, number
        put_png(root / f"SegmentationClass/{name}.png", truth, PALETTE)
    return root


def test_part_of_val_is_read_by_index(voc_folder: Path) -> None:
    images = pascal.open_pascal(voc_folder.parents[1], "val", require_complete=False)
    assert (images.split.key, images.split.images, images.split.release) == ("voc2012/val", 3, 1449)
    assert not images.split.whole
    assert [item.name for item in images.items] == names_of(0, 3)
    assert images.class_names == voc.CLASSES
    for index in range(3):
        check_item(images, index)
        truth = images.truth(index)
        assert sorted(np.unique(truth)) == sorted({index, 20, VOID})
        assert (truth == VOID).sum() == 16
    again = pascal.open_pascal(voc_folder, "val", require_complete=False)
    assert again.split == images.split


def test_whole_val_needs_every_image_of_the_list(voc_folder: Path) -> None:
    names = names_of(0, 1449)
    put_lines(voc_folder / "ImageSets/Segmentation/val.txt", names)
    for name in names[3:]:
        put(voc_folder / f"JPEGImages/{name}.jpg")
        put(voc_folder / f"SegmentationClass/{name}.png")
    assert pascal.open_pascal(voc_folder, "val").split.whole
    (voc_folder / f"JPEGImages/{names[7]}.jpg").unlink()
    message = complaint(lambda: pascal.open_pascal(voc_folder, "val"))
    assert f"images missing: 1 of 1449: JPEGImages/{names[7]}.jpg" in message
    assert "host.robots.ox.ac.uk" in message
    assert pascal.open_pascal(voc_folder, "val", require_complete=False).split.images == 1448
    put_lines(voc_folder / "ImageSets/Segmentation/val.txt", names[:-1])
    assert "val: 1448 of 1449 images" in complaint(lambda: pascal.open_pascal(voc_folder, "val"))


def test_what_is_missing_from_voc(voc_folder: Path) -> None:
    message = complaint(lambda: pascal.open_pascal(voc_folder, "train_aug"))
    assert "SegmentationClassAug: folder missing" in message
    assert "ImageSets/Segmentation/train_aug.txt: list missing" in message
    assert "holds no ImageSets/Segmentation/ of VOC 2012" in complaint(
        lambda: pascal.open_pascal(voc_folder / "JPEGImages", "val")
    )
    with pytest.raises(UsageError, match="no split 'test'"):
        pascal.open_pascal(voc_folder, "test")


def test_colours_are_never_labels(voc_folder: Path) -> None:
    path = voc_folder / f"SegmentationClass/{names_of(1, 2)[0]}.png"
    Image.open(path).convert("RGB").save(path)
    images = pascal.open_pascal(voc_folder, "val", require_complete=False)
    message = complaint(lambda: check_item(images, 1))
    assert "label of mode RGB, expected an index or palette image" in message
    put_png(path, np.full((6, 8), 21, np.uint8), PALETTE)
    assert f"{path}: label 21 at row 0, column 0 (48 such pixels)" in complaint(lambda: check_item(images, 1))


def boundary(truth: NDArray[Any], label: int) -> NDArray[Any]:
    inside = np.pad(truth == label, 1)
    core = inside[2:, 1:-1] & inside[:-2, 1:-1] & inside[1:-1, 2:] & inside[1:-1, :-2]
    edge: NDArray[Any] = inside[1:-1, 1:-1] & ~core
    return edge


def put_sbd(root: Path, name: str, truth: NDArray[Any], objects: NDArray[Any], classes: Sequence[int]) -> None:
    """One image of SBD as its authors' MATLAB code saves it."""
    edges = np.empty((20, 1), object)
    for label in range(1, 21):
        edges[label - 1, 0] = csc_matrix(boundary(truth, label))
    outlines = np.empty((len(classes), 1), object)
    for number in range(len(classes)):
        outlines[number, 0] = csc_matrix(boundary(objects, number + 1))
    present = np.array(sorted(set(classes)), np.uint8).reshape(-1, 1)
    category = np.array(classes, np.float64).reshape(-1, 1)
    put_mat(root / f"cls/{name}.mat", GTcls={"Boundaries": edges, "Segmentation": truth, "CategoriesPresent": present})
    put_mat(
        root / f"inst/{name}.mat",
        GTinst={"Boundaries": outlines, "Segmentation": objects, "Categories": category},
    )
    put_image(root / f"img/{name}.jpg", *truth.shape)


@pytest.fixture
def sbd_folder(tmp_path: Path) -> Path:
    root = tmp_path / STRANGE_FOLDER / "benchmark_RELEASE/dataset"
    rng = np.random.default_rng(3)
    for name in names_of(0, 4):
        objects = rng.integers(0, 4, (9, 7)).astype(np.uint8)
        objects[0, :4] = range(4)
        classes = np.array([0, 15, 15, 2], np.uint8)
        put_sbd(root, name, classes[objects], objects, [15, 15, 2])
    put_lines(root / "train.txt", names_of(0, 2))
    put_lines(root / "val.txt", names_of(2, 4))
    return root


def test_sbd_round_trip(sbd_folder: Path) -> None:
    images = sbd.open_sbd(sbd_folder.parents[1], "val", require_complete=False)
    assert (images.split.key, images.split.images, images.split.release) == ("sbd/val", 2, 2857)
    for index, item in enumerate(images.items):
        check_item(images, index)
        truth = images.truth(index)
        assert item.instances is not None
        objects, classes = sbd.read_instances(item.instances), sbd.read_categories(item.instances)
        assert classes.tolist() == [15, 15, 2]
        assert (np.array([0, *classes], np.uint8)[objects] == truth).all()
        edges = sbd.read_boundaries(item.truth)
        assert edges.shape == (20, *truth.shape)
        assert all((edges[label - 1] == boundary(truth, label)).all() for label in range(1, 21))
        outlines = sbd.read_boundaries(item.instances)
        assert all((outlines[n] == boundary(objects, n + 1)).all() for n in range(3))


def test_sbd_files_that_are_wrong(sbd_folder: Path) -> None:
    images = sbd.open_sbd(sbd_folder, "train", require_complete=False)
    path = images.items[0].truth
    put_mat(path, GTcls={"Segmentation": np.full((9, 7), 21, np.uint8)})
    assert f"{path}: label 21 at row 0, column 0 (63 such pixels), expected 0..20" in complaint(
        lambda: check_item(images, 0)
    )
    assert "field Boundaries" in complaint(lambda: sbd.read_boundaries(path))
    put_mat(path, GTcls={"Segmentation": np.zeros((3, 7), np.uint8)})
    assert "7 x 3 pixels, its image 2009_000000.jpg has 7 x 9" in complaint(lambda: check_item(images, 0))
    wrong = np.empty((1, 1), object)
    wrong[0, 0] = csc_matrix((4, 4))
    put_mat(path, GTcls={"Segmentation": np.zeros((3, 7), np.uint8), "Boundaries": wrong})
    assert "boundary 1 of 1 is [4, 4], expected [3, 7]" in complaint(lambda: sbd.read_boundaries(path))
    message = complaint(lambda: sbd.open_sbd(sbd_folder, "train"))
    assert "train: 2 of 8498 images" in message
    assert "semantic_contours" in message


def put_lists(voc_root: Path, sbd_root: Path) -> None:
    """Lists with the overlaps that the official ones have in number: 12,031 images in all, 1,449 of them VOC's val."""
    lists = voc_root / "ImageSets/Segmentation"
    put_lines(lists / "train.txt", names_of(0, 1464))
    put_lines(lists / "val.txt", names_of(1464, 2913))
    put_lines(sbd_root / "train.txt", names_of(2913, 2913 + 8498))
    put_lines(sbd_root / "val.txt", [*names_of(2913 + 8498, 12031), *names_of(0, 2237)])


def test_train_aug_is_voc_and_sbd_less_val(tmp_path: Path) -> None:
    put_lists(tmp_path / "VOC2012", tmp_path / "dataset")
    put(tmp_path / "dataset/cls/x")
    names = sbd.train_aug_names(tmp_path, tmp_path)
    assert len(names) == len(set(names)) == 10582
    assert names[:1464] == tuple(names_of(0, 1464))
    assert not set(names) & set(names_of(1464, 2913))
    put_lines(tmp_path / "dataset/val.txt", names_of(0, 2857))
    message = complaint(lambda: sbd.train_aug_names(tmp_path, tmp_path))
    assert "train_aug: 9962 images, expected 10582" in message
    put_lines(tmp_path / "dataset/val.txt", names_of(0, 2856))
    assert "train and val of SBD: 11354 images, expected 11355" in complaint(
        lambda: sbd.train_aug_names(tmp_path, tmp_path)
    )


def test_train_aug_reads_the_truth_of_both_releases(tmp_path: Path) -> None:
    voc_root, sbd_root = tmp_path / "VOC2012", tmp_path / "dataset"
    put_lists(voc_root, sbd_root)
    put(sbd_root / "cls/x")
    first, last = names_of(0, 1)[0], names_of(12030, 12031)[0]
    put_image(voc_root / f"JPEGImages/{first}.jpg", 2, 2)
    put_png(voc_root / f"SegmentationClass/{first}.png", np.array([[255, 1], [0, 20]], np.uint8), PALETTE)
    put_sbd(sbd_root, last, np.array([[0, 3]], np.uint8), np.array([[0, 1]], np.uint8), [3])
    images = sbd.open_train_aug(tmp_path, tmp_path, require_complete=False)
    assert (images.split.key, images.split.release) == ("voc2012/train_aug", 10582)
    assert [item.name for item in images.items] == [first, last]
    assert images.truth(0).tolist() == [[255, 1], [0, 20]]
    assert images.truth(1).tolist() == [[0, 3]]
    check_item(images, 1)
    message = complaint(lambda: sbd.open_train_aug(tmp_path, tmp_path))
    assert "images missing: 10580 of 10582" in message
    assert "labels missing: 10580 of 10582" in message


def test_real_voc(shared: Shared) -> None:
    images = pascal.open_pascal(shared("data/VOC2012-fullsize"), "val", require_complete=False)
    assert (len(images), images.split.whole) == (60, False)
    void = 0
    for index in range(len(images)):
        check_item(images, index)
        void += int((images.truth(index) == VOID).sum())
    assert void > 0


def test_real_voc_with_the_labels_of_sbd(shared: Shared) -> None:
    folder = shared("data/VOCdevkit/VOC2012").parents[1]
    counts = {"train_aug": 1000, "val": 445}
    for split, count in counts.items():
        images = pascal.open_pascal(folder, split, labels=voc.AUGMENTED_LABELS, require_complete=False)
        assert len(images) == count
        for index in range(0, count, 40):
            check_item(images, index)
    assert "445 of 1449" in complaint(lambda: pascal.open_pascal(folder, "val", labels=voc.AUGMENTED_LABELS))
