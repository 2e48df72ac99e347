"""CamVid: the frames of each split, SegNet's release, and the original with its colours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dataset_layouts import STRANGE_FOLDER, complaint, put, put_image, put_lines, put_png
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from harness.datasets import camvid, camvid_original, camvid_segnet
from harness.datasets.camvid_frames import RUNS, frames
from harness.datasets.folders import check_item
from harness.datasets.segmented import VOID
from harness.errors import UsageError

Shared = Callable[[str], Path]

LIST_DIGESTS = {
    "train": "0f2b2149e1c9f0df5c4740d2532d6418b8163c47bd2994f198fc05a8a2108507",
    "val": "f80b1b93a53eb17ca8cdd58b5d6e8b0301f1efe0e3a17a7f63454d8c6473150d",
    "test": "6bb0c1951e12b4b5b5a9c6bc2dd6afe2730b6efb7b70395fb859cd3ea2eef702",
}
"""SHA-256 of the sorted names of SegNet's release, one a line."""


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_frames_are_those_of_the_release(split: str) -> None:
    lines = "".join(f"{name}\n" for name in frames(split))
    assert hashlib.sha256(lines.encode()).hexdigest() == LIST_DIGESTS[split]
    assert len(frames(split)) == camvid.RELEASE_COUNTS[camvid.Split(split)]


def test_no_frame_is_in_two_splits() -> None:
    assert len({name for split in RUNS for name in frames(split)}) == 701


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_real_camvid(shared: Shared, split: str) -> None:
    folder = shared("data/CamVid")
    images = camvid_segnet.open_camvid_split(folder.parent, split)
    assert images.split.whole
    assert tuple(item.name for item in images.items) == frames(split)
    for index in range(0, len(images), 25):
        check_item(images, index)
        assert images.truth(index).shape == (360, 480)
        assert set(np.unique(images.truth(index))) <= {*range(11), VOID}


def put_segnet(root: Path, names: tuple[str, ...]) -> None:
    for name in names:
        put_image(root / f"test/{name}.png", 4, 6)
        put_png(root / f"testannot/{name}.png", np.arange(24, dtype=np.uint8).reshape(4, 6) // 2)


def test_part_of_segnets_release(tmp_path: Path) -> None:
    root = tmp_path / STRANGE_FOLDER / "CamVid"
    put_segnet(root, frames("test")[2:5])
    images = camvid_segnet.open_camvid_split(root.parent, "test", require_complete=False)
    assert (images.split.key, images.split.images, images.split.release) == ("camvid-segnet/test", 3, 233)
    check_item(images, 0)
    assert images.truth(0).reshape(-1).tolist() == [*(n // 2 for n in range(22)), VOID, VOID]
    message = complaint(lambda: camvid_segnet.open_camvid_split(root, "test"))
    assert "images missing: 230 of 233: test/0001TP_008550.png, test/0001TP_008580.png" in message
    assert "labels missing: 230 of 233" in message
    put_segnet(root, ("0001TP_000001",))
    assert "names that the release does not have: 1 of 4: 0001TP_000001" in complaint(
        lambda: camvid_segnet.open_camvid_split(root, "test", require_complete=False)
    )
    with pytest.raises(UsageError, match="no split 'all'"):
        camvid_segnet.open_camvid_split(root, "all")


def test_colours_are_distinct_and_cover_the_classes() -> None:
    colours = camvid_original.COLOURS
    assert len(colours) == len({colour for colour, _ in colours.values()}) == 32
    assert {name for _, name in colours.values()} == {*camvid.CLASSES, None}
    segnet = {"Sky": "sky", "Wall": "building", "TrafficCone": "pole", "LaneMkgsDriv": "road", "Void": None}
    segnet |= {"RoadShoulder": "pavement", "Child": "pedestrian", "Truck_Bus": "car", "MotorcycleScooter": "bicyclist"}
    assert all(colours[name][1] == merged for name, merged in segnet.items())


@pytest.fixture
def original_folder(tmp_path: Path) -> Path:
    """Two frames of ``val`` in which each of the 32 colours has one pixel."""
    root = tmp_path / STRANGE_FOLDER
    painted = np.array([colour for colour, _ in camvid_original.COLOURS.values()], np.uint8).reshape(4, 8, 3)
    for name in frames("val")[:2]:
        put_image(root / f"701_StillsRaw_full/{name}.png", 4, 8)
        put_png(root / f"LabeledApproved_full/{name}_L.png", painted)
    colours = camvid_original.COLOURS.items()
    put_lines(root / "label_colors.txt", (f"{red} {green} {blue}\t{name}" for name, ((red, green, blue), _) in colours))
    return root


def test_original_labels_are_merged(original_folder: Path) -> None:
    images = camvid_original.open_camvid_original(original_folder, "val", require_complete=False)
    assert (images.split.key, images.split.images, images.split.release) == ("camvid/val", 2, 101)
    check_item(images, 1)
    for (_, merged), label in zip(camvid_original.COLOURS.values(), images.truth(1).reshape(-1), strict=True):
        assert (None if label == VOID else images.class_names[label]) == merged


def test_original_folder_that_is_wrong(original_folder: Path) -> None:
    put(original_folder / "701_StillsRaw_full/stranger.png")
    put_lines(original_folder / "label_colors.txt", ["1 2 3 Sky", "Sky 1 2 3", "0 0 0 Void", "9 9 9 Moon"])
    message = complaint(lambda: camvid_original.open_camvid_original(original_folder, "val"))
    for part in (
        "701_StillsRaw_full: names that the release does not have: 1 of 3: stranger",
        "label_colors.txt, line 2: expected red, green, blue",
        "label_colors.txt: Wall missing",
        "label_colors.txt: Sky (1, 2, 3), expected (128, 128, 128)",
        "label_colors.txt: Moon (9, 9, 9), expected no such class",
        "images missing: 99 of 101",
        "mi.eng.cam.ac.uk",
    ):
        assert part in message


def test_a_strange_colour_has_a_place(original_folder: Path) -> None:
    images = camvid_original.open_camvid_original(original_folder, "val", require_complete=False)
    painted = np.zeros((4, 8, 3), np.uint8)
    painted[2, 5] = 128, 128, 127
    put_png(images.items[0].truth, painted)
    assert "colour (128, 128, 127) at row 2, column 5 (1 such pixels)" in complaint(lambda: check_item(images, 0))
    put_png(images.items[0].truth, np.zeros((4, 8), np.uint8))
    assert "label of mode L" in complaint(lambda: check_item(images, 0))


@given(arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 31)))
def test_colours_and_classes_round_trip(tmp_path_factory: pytest.TempPathFactory, places: NDArray[np.uint8]) -> None:
    colours = np.array([colour for colour, _ in camvid_original.COLOURS.values()], np.uint8)
    names = [name for _, name in camvid_original.COLOURS.values()]
    path = put_png(tmp_path_factory.mktemp("colours") / "a_L.png", colours[places])
    read = camvid_original.read_colours(path)
    expected = [VOID if names[place] is None else camvid.CLASSES.index(str(names[place])) for place in places.flat]
    assert read.reshape(-1).tolist() == expected
