"""What readers of labelled datasets share: lists, the check of a split, the check of one item."""

from __future__ import annotations

import hashlib
import string
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from dataset_layouts import STRANGE_FOLDER, complaint, put, put_image, put_lines, put_mat, put_png
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from harness.datasets import matlab
from harness.datasets.folders import Release, check_item, check_split
from harness.datasets.labelled import Item, LabelledImages
from harness.datasets.lists import read_names
from harness.datasets.segmented import VOID, Coding, decode_label
from harness.errors import DataError, UsageError

RELEASE = Release("tiny", {"val": 3, "test": 1}, "Ask the owner.")
NAMES = st.text(string.ascii_letters + string.digits + "_-é測", min_size=1, max_size=12)


def items(root: Path, count: int = 3) -> list[Item]:
    names = [f"{number:03}" for number in range(count)]
    return [Item(n, put(root / f"images/{n}.jpg"), put(root / f"labels/{n}.png", b"xy" + n.encode())) for n in names]


def test_a_whole_split_has_a_digest_of_names_and_sizes(tmp_path: Path) -> None:
    files = items(tmp_path)
    split, here = check_split(tmp_path, RELEASE, "val", files, require_complete=True)
    state = hashlib.sha256()
    for name in ("000", "001", "002"):
        state.update(f"images/{name}.jpg 1\nlabels/{name}.png 5\n".encode())
    assert split.digest == state.hexdigest()
    assert (split.key, split.images, split.release, split.whole) == ("tiny/val", 3, 3, True)
    assert here == tuple(files)
    put(files[1].truth, b"longer than before")
    assert check_split(tmp_path, RELEASE, "val", files, require_complete=True)[0].digest != split.digest


def test_everything_wrong_is_reported_at_once(tmp_path: Path) -> None:
    files = [*items(tmp_path), *items(tmp_path, 1)]
    files[0].image.unlink()
    files[1].truth.unlink()
    files[2].truth.write_bytes(b"")
    message = complaint(
        lambda: check_split(tmp_path, RELEASE, "val", files, require_complete=True, problems=["list: torn"])
    )
    for part in (
        "tiny/val: 6 problems",
        "list: torn",
        "val: 4 of 3 images",
        "images missing: 2 of 4: images/000.jpg, images/000.jpg",
        "labels missing: 1 of 4: labels/001.png",
        "named more than once: 1 of 4: 000",
        "empty files: 1 of 6: labels/002.png",
        "Ask the owner.",
    ):
        assert part in message


def test_a_long_list_of_missing_files_is_cut(tmp_path: Path) -> None:
    files = [Item(str(n), tmp_path / f"{n:02}.jpg", put(tmp_path / f"{n:02}.png")) for n in range(9)]
    message = complaint(lambda: check_split(tmp_path, RELEASE, "val", files, require_complete=True))
    assert "images missing: 9 of 9: 00.jpg, 01.jpg, 02.jpg, 03.jpg, 04.jpg and 4 more" in message


def test_a_part_is_a_part(tmp_path: Path) -> None:
    files = items(tmp_path)
    files[1].truth.unlink()
    split, here = check_split(tmp_path, RELEASE, "val", files, require_complete=False)
    assert [item.name for item in here] == ["000", "002"]
    assert (split.images, split.release, split.whole) == (2, 3, False)
    more = items(tmp_path, 4)
    assert "4 images, the release has 3" in complaint(
        lambda: check_split(tmp_path, RELEASE, "val", more, require_complete=False)
    )
    assert "no images" in complaint(lambda: check_split(tmp_path, RELEASE, "val", [], require_complete=False))
    with pytest.raises(UsageError, match="no split 'train'"):
        check_split(tmp_path, RELEASE, "train", files, require_complete=False)


def test_files_outside_the_root_are_named_whole(tmp_path: Path) -> None:
    item = Item("a", tmp_path / "elsewhere/a.jpg", put(tmp_path / "root/a.png"))
    message = complaint(lambda: check_split(tmp_path / "root", RELEASE, "test", [item], require_complete=True))
    assert f"images missing: 1 of 1: {tmp_path.as_posix()}/elsewhere/a.jpg" in message


@given(st.lists(NAMES, unique=True, max_size=8), st.booleans(), st.booleans())
def test_lists_of_either_form_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], pairs: bool, dos: bool
) -> None:
    root = tmp_path_factory.mktemp(STRANGE_FOLDER)
    end = "\r\n" if dos else "\n"
    lines = [f"/JPEGImages/{name}.jpg /Labels/{name}.png" if pairs else f"{name} " for name in names]
    put(root / "list.txt", end.join([*lines, "", ""]))
    problems: list[str] = []
    assert read_names(root, "list.txt", problems, "") == tuple(names)
    assert not problems


def test_lists_that_are_no_lists(tmp_path: Path) -> None:
    problems: list[str] = []
    put_lines(tmp_path / "a.txt", ["one", "two three", "x/1.jpg y/2.png", "x/12.jpg y/2.png", "one"])
    assert read_names(tmp_path, "a.txt", problems, "") == ("one", "one")
    assert [problem.split(":")[0] for problem in problems] == [*(f"a.txt, line {n}" for n in (2, 3, 4)), "a.txt"]
    assert "one is named 2 times" in problems[-1]
    assert read_names(tmp_path, "b.txt", problems, "") == ()
    assert problems[-1] == "b.txt: list missing"
    put(tmp_path / "c.txt", b"\xff\xfe")
    assert "not a text file" in complaint(lambda: read_names(tmp_path, "c.txt", problems, "Get it again."))


def labelled(root: Path) -> LabelledImages:
    item = Item("a", root / "a.png", root / "a_label.png")
    split, here = check_split(root, RELEASE, "test", [item], require_complete=True)
    return LabelledImages(split, here, ("no", "yes"), partial(decode_label, coding=Coding(("no", "yes"), VOID)))


@pytest.mark.parametrize("shape", [(1, 20000), (20000, 1), (3, 5)])
def test_an_item_of_any_shape_is_checked(tmp_path: Path, shape: tuple[int, int]) -> None:
    root = tmp_path / STRANGE_FOLDER
    put_image(root / "a.png", *shape)
    truth = np.indices(shape).sum(axis=0) % 2
    put_png(root / "a_label.png", np.where(truth, 255, 1).astype(np.uint8))
    images = labelled(root)
    check_item(images, 0)
    assert (images.truth(0) == np.where(truth, VOID, 1)).all()
    assert images.image(0).shape == (*shape, 3)


def test_an_item_that_cannot_be_used(tmp_path: Path) -> None:
    put_image(tmp_path / "a.png", 4, 6)
    label = put_png(tmp_path / "a_label.png", np.ones((6, 4), np.uint8))
    images = labelled(tmp_path)
    assert f"{label}: 4 x 6 pixels, its image a.png has 6 x 4" in complaint(lambda: check_item(images, 0))
    put_png(label, np.full((4, 6), 7, np.uint8))
    assert "label 7 at row 0, column 0 (24 such pixels)" in complaint(lambda: check_item(images, 0))
    put_png(label, np.zeros((4, 6, 3), np.uint8))
    assert "label of mode RGB" in complaint(lambda: check_item(images, 0))
    put_png(label, np.eye(4, 6, dtype=np.uint8))
    label.write_bytes(label.read_bytes()[:50])
    (tmp_path / "a.png").write_bytes(b"GIF89a")
    message = complaint(lambda: check_item(images, 0))
    assert "a_label.png: damaged image" in message
    assert "a.png:" in message


def test_matlab_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"

    def read() -> object:
        return matlab.read_variable(path, "LabelMap")

    with pytest.raises(DataError, match="cannot be read"):
        read()
    put(path, b"")
    assert "empty file" in complaint(read)
    put(path, b"no MATLAB file at all, but long enough to have a header" * 9)
    assert "not a MATLAB 5 file" in complaint(read)
    put(path, b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n" * 40)
    assert "MATLAB 7.3" in complaint(read)
    put_mat(path, Other=np.ones((2, 2)))
    assert "holds no variable LabelMap" in complaint(read)
    put_mat(path, LabelMap=np.arange(6400).reshape(80, 80))
    whole = path.read_bytes()
    assert (matlab.read_variable(path, "LabelMap") == np.arange(6400).reshape(80, 80)).all()
    for length in range(1, len(whole), len(whole) // 40):
        put(path, whole[:length])
        with pytest.raises(DataError, match=r"a\.mat: "):
            read()


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_byte_never_changes_a_value(
    tmp_path_factory: pytest.TempPathFactory, place: int, change: int
) -> None:
    """Some bytes mean nothing: the description in the header, bits that fill up the compressed stream."""
    values = np.arange(6400).reshape(80, 80)
    path = put_mat(tmp_path_factory.mktemp("bytes") / "a.mat", LabelMap=values)
    content = bytearray(path.read_bytes())
    content[124 + place % (len(content) - 124)] ^= change
    path.write_bytes(content)
    with suppress(DataError):
        assert np.array_equal(matlab.read_variable(path, "LabelMap"), values)


def test_variables_saved_without_compression(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"Other": np.ones(3), "LabelMap": np.eye(3)})
    assert (matlab.read_variable(path, "LabelMap") == np.eye(3)).all()
    path.write_bytes(path.read_bytes()[:-8])
    assert "truncated MATLAB file" in complaint(lambda: matlab.read_variable(path, "LabelMap"))


def test_matrices_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    for kind in (np.uint8, np.uint16, np.float64, np.bool_):
        values = np.array([[0, 1], [1, 0]], kind)
        assert (matlab.whole_numbers(path, values, 1) == [[0, 1], [1, 0]]).all()
    for value in (2.0, -1.0, 0.5, np.nan, np.inf):
        matrix = np.array([[0.0, value]])
        message = complaint(partial(matlab.whole_numbers, path, matrix, 1))
        assert "at row 0, column 1 (1 such pixels), expected 0..1" in message
    assert "expected a matrix" in complaint(lambda: matlab.whole_numbers(path, np.zeros((2, 2, 2)), 1))
    assert "expected a matrix" in complaint(lambda: matlab.whole_numbers(path, np.zeros((0, 0)), 1))
    assert "field x" in complaint(lambda: matlab.field(path, np.zeros((1, 1)), "x"))
