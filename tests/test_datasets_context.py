"""PASCAL-Context and PASCAL-Person-Part, in the form of their releases and as index images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_layouts import STRANGE_FOLDER, complaint, put, put_image, put_lines, put_mat, put_png
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from harness.datasets import pascal_context, person_part
from harness.datasets.folders import check_item
from harness.datasets.pascal_context import Background
from harness.datasets.segmented import VOID
from harness.errors import UsageError

NAMES = ("2008_000002", "2008_000003")


def release_names() -> list[str]:
    """Names of the 459 classes, those of the task as the release writes them, the others invented."""
    names = [f"thing {number}" for number in range(1, 460)]
    for number, name in zip(pascal_context.RELEASE_IDS, pascal_context.CLASSES, strict=True):
        names[number - 1] = name
    return names


@pytest.fixture
def context_folder(tmp_path: Path) -> Path:
    """The release of PASCAL-Context beside VOC 2010, with every label once."""
    root = tmp_path / STRANGE_FOLDER
    put_lines(root / "VOCdevkit/VOC2010/ImageSets/Main/val.txt", NAMES)
    put_lines(root / "labels.txt", (f"{number}: {name}" for number, name in enumerate(release_names(), start=1)))
    task = {"table": "diningtable", "bedclothes": "bedcloth", "cloth": "clothes"}
    ordered = [task.get(name, name) for name in (*pascal_context.CLASSES[5:], *pascal_context.CLASSES[:5])]
    put_lines(root / "59_labels.txt", (f"{number}: {name}" for number, name in enumerate(ordered, start=1)))
    for name in NAMES:
        put_image(root / f"VOCdevkit/VOC2010/JPEGImages/{name}.jpg", 20, 23)
        put_mat(root / f"trainval/{name}.mat", LabelMap=np.arange(460, dtype=np.uint16).reshape(20, 23))
    return root


def test_59_of_the_459_classes_are_kept(context_folder: Path) -> None:
    images = pascal_context.open_pascal_context(context_folder, "val", require_complete=False)
    assert (images.split.key, images.split.release) == ("pascal-context/val", 5105)
    assert len(images.class_names) == 60
    check_item(images, 0)
    truth = images.truth(0).reshape(-1)
    names = release_names()
    for number in range(1, 460):
        inside = names[number - 1] in pascal_context.CLASSES
        assert images.class_names[truth[number]] == (names[number - 1] if inside else "background")
    assert (truth != 0).sum() == 59
    without = pascal_context.open_pascal_context(
        context_folder, "val", background=Background.VOID, require_complete=False
    )
    assert without.class_names == images.class_names[1:]
    scored = without.truth(0).reshape(-1)
    assert ((scored == VOID) == (truth == 0)).all()
    assert (scored[truth != 0] + 1 == truth[truth != 0]).all()


def test_classes_known_from_elsewhere() -> None:
    """Numbers of classes in ``labels.txt`` that other public code states: FCN's first and last, and VOC's person."""
    known = dict(zip(pascal_context.CLASSES, pascal_context.RELEASE_IDS, strict=True))
    assert len(known) == 59
    assert list(known) == sorted(known)
    assert list(known.values()) == sorted(known.values())
    voc = (2, 23, 25, 31, 34, 45, 59, 65, 72, 98, 397, 113, 207, 258, 284, 308, 347, 368, 416, 427)
    names = (
        "aeroplane bicycle bird boat bottle bus car cat chair cow table dog horse motorbike person pottedplant sheep"
    )
    assert [known[name] for name in (*names.split(), "sofa", "train", "tvmonitor")] == list(voc)


def test_lists_of_classes_are_compared(context_folder: Path) -> None:
    put_lines(context_folder / "labels.txt", ["2: aeroplane", "no number", "9: sack"])
    put_lines(context_folder / "59_labels.txt", ["1: aeroplane", "2: dragon"])
    message = complaint(lambda: pascal_context.open_pascal_context(context_folder, "val", require_complete=False))
    assert "labels.txt, line 2: expected a number" in message
    assert "labels.txt: class 9 is sack, expected bag" in message
    assert "labels.txt: class 18 is missing, expected bed" in message
    assert "class 2 is" not in message
    assert "59_labels.txt: bag missing" in message
    assert "59_labels.txt: dragon is none of the 59 classes" in message


def test_values_and_splits_that_do_not_exist(context_folder: Path) -> None:
    images = pascal_context.open_pascal_context(context_folder, "val", require_complete=False)
    put_mat(images.items[0].truth, LabelMap=np.full((20, 23), 460, np.uint16))
    assert "label 460 at row 0, column 0" in complaint(lambda: check_item(images, 0))
    message = complaint(lambda: pascal_context.open_pascal_context(context_folder, "val"))
    assert "val: 2 of 5105 images" in message
    assert "roozbeh/pascal-context" in message
    assert "train.txt: list missing" in complaint(lambda: pascal_context.open_pascal_context(context_folder, "train"))
    with pytest.raises(UsageError, match="no split 'test'"):
        pascal_context.open_pascal_context(context_folder, "test")
    assert "holds no trainval/" in complaint(
        lambda: pascal_context.open_pascal_context(context_folder / "trainval", "val")
    )


@given(arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 59)))
def test_both_forms_agree(tmp_path_factory: pytest.TempPathFactory, truth: NDArray[np.uint8]) -> None:
    root = tmp_path_factory.mktemp("context")
    numbers = np.array([0, *pascal_context.RELEASE_IDS], np.uint16)
    released = put_mat(root / "a.mat", LabelMap=numbers[truth])
    indexed = put_png(root / "a.png", truth)
    assert (pascal_context.read_released(released) == truth).all()
    assert (pascal_context.read_indexed(indexed) == truth).all()
    one, two = (
        pascal_context.read_released(released, Background.VOID),
        pascal_context.read_indexed(indexed, Background.VOID),
    )
    assert (one == two).all()
    assert one.dtype == two.dtype == np.uint8
    assert ((one == VOID) | (one + 1 == truth)).all()


def test_index_images_in_the_usual_folder(tmp_path: Path) -> None:
    root = tmp_path / "VOCdevkit/VOC2010"
    put_lines(root / "ImageSets/SegmentationContext/train.txt", NAMES)
    for name in NAMES:
        put_image(root / f"JPEGImages/{name}.jpg", 3, 2)
        put_png(root / f"SegmentationClassContext/{name}.png", np.array([[0, 1], [59, 59], [30, 0]], np.uint8))
    images = pascal_context.open_pascal_context(tmp_path, "train", require_complete=False)
    check_item(images, 1)
    assert images.truth(1).tolist() == [[0, 1], [59, 59], [30, 0]]
    put_png(images.items[0].truth, np.full((3, 2), 60, np.uint8))
    assert "expected 0..59 or 255" in complaint(lambda: check_item(images, 0))


def structures(rows: Sequence[dict[str, Any]]) -> NDArray[np.void]:
    """A MATLAB structure array, or MATLAB's empty matrix."""
    if not rows:
        return np.zeros((0, 0))
    array = np.zeros((1, len(rows)), [(name, object) for name in rows[0]])
    for place, row in enumerate(rows):
        array[0, place] = tuple(row.values())
    return array


def mask(*cells: tuple[int, int]) -> NDArray[np.uint8]:
    values = np.zeros((4, 5), np.uint8)
    for cell in cells:
        values[cell] = 1
    return values


def thing(name: str, **parts: NDArray[np.uint8]) -> dict[str, Any]:
    rows = [{"part_name": part, "mask": values} for part, values in parts.items()]
    return {"class": name, "class_ind": 1, "mask": mask((0, 0)), "parts": structures(rows)}


def put_annotation(path: Path, *things: dict[str, Any]) -> Path:
    return put_mat(path, anno={"imname": path.stem, "objects": structures(things)})


def test_parts_of_persons_are_merged(tmp_path: Path) -> None:
    path = put_annotation(
        tmp_path / "a.mat",
        thing("dog", head=mask((3, 4)), lfleg=mask((3, 3))),
        thing("person"),
        thing(
            "person",
            head=mask((0, 0), (0, 1)),
            hair=mask((0, 0)),
            neck=mask((0, 2)),
            torso=mask((1, 0), (1, 1)),
            luarm=mask((1, 1)),
            rhand=mask((1, 2)),
        ),
        thing("person", ruleg=mask((2, 0)), llleg=mask((2, 1)), rfoot=mask((2, 2)), torso=mask((1, 2))),
    )
    expected = [[1, 1, 1, 0, 0], [2, 3, 2, 0, 0], [5, 6, 6, 0, 0], [0, 0, 0, 0, 0]]
    assert person_part.read_annotation(path).tolist() == expected
    expected[0][2] = 2
    assert person_part.read_annotation(path, neck="torso").tolist() == expected


def test_every_part_of_a_person_has_a_class() -> None:
    merged = person_part.MERGED
    assert len(merged) == 23
    assert set(merged.values()) == set(person_part.CLASSES[1:])
    assert all(merged[f"l{part}"] == merged[f"r{part}"] for part in ("eye", "ear", "uarm", "hand", "lleg", "foot"))


def test_annotations_that_are_wrong(tmp_path: Path) -> None:
    path = put_annotation(tmp_path / "a.mat", thing("person", tail=mask((0, 0))))
    assert "unknown part of a person 'tail'" in complaint(lambda: person_part.read_annotation(path))
    put_annotation(path, thing("person", head=np.ones((2, 2), np.uint8)))
    assert "mask of head is [2, 2], expected [4, 5]" in complaint(lambda: person_part.read_annotation(path))
    put_annotation(path)
    assert "annotation without objects" in complaint(lambda: person_part.read_annotation(path))
    put_mat(path, anno=np.zeros((2, 2)))
    assert "field objects" in complaint(lambda: person_part.read_annotation(path))


@pytest.mark.parametrize("indexed", [True, False])
def test_person_part_folder(tmp_path: Path, indexed: bool) -> None:
    root = tmp_path / STRANGE_FOLDER / "pascal_person_part"
    lists = root / "pascal_person_part_trainval_list"
    if indexed:
        put_lines(lists / "val.txt", (f"/JPEGImages/{n}.jpg /pascal_person_part_gt/{n}.png" for n in NAMES))
    else:
        put_lines(lists / "val_id.txt", NAMES)
    for name in NAMES:
        put_image(root.parent / f"VOCdevkit/VOC2010/JPEGImages/{name}.jpg", 4, 5)
        if indexed:
            put_png(root / f"pascal_person_part_gt/{name}.png", mask((0, 0)))
        else:
            put_annotation(root / f"Annotations_Part/{name}.mat", thing("person", mouth=mask((0, 0))))
    images = person_part.open_person_part(root.parent, "val", require_complete=False)
    assert (images.split.key, images.split.images, images.split.release) == ("pascal-person-part/val", 2, 1817)
    check_item(images, 1)
    assert (images.truth(1) == mask((0, 0))).all()
    message = complaint(lambda: person_part.open_person_part(root, "val"))
    assert "val: 2 of 1817 images" in message
    assert "liangchiehchen.com" in message
    put(images.items[0].truth, b"")
    assert "empty files: 1 of 4" in complaint(lambda: person_part.open_person_part(root, "val", require_complete=False))
