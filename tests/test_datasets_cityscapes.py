"""Cityscapes: its labels against the owners' table, its layout, its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_layouts import STRANGE_FOLDER, complaint, put, put_image, put_png
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from harness.datasets import cityscapes
from harness.datasets.cityscapes import Truth, open_cityscapes
from harness.datasets.cityscapes_labels import DRAWN, LABELS, TRAINED
from harness.datasets.folders import check_item
from harness.datasets.segmented import VOID
from harness.errors import UsageError


def test_labels_are_those_of_the_owners() -> None:
    official = pytest.importorskip("cityscapesscripts.helpers.labels", reason="cityscapesscripts is not installed")
    assert [tuple(label) for label in LABELS] == [
        (row.name, row.id, row.trainId, row.category, row.hasInstances, row.ignoreInEval) for row in official.labels
    ]


def test_nineteen_classes_are_scored() -> None:
    assert [label.id for label in DRAWN] == list(range(34))
    assert [label.train_id for label in TRAINED] == list(range(19))
    assert all(label.ignored == (label.train_id in (255, -1)) for label in LABELS)
    assert {label.name for label in TRAINED if label.has_instances} == {
        *("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
    }
    assert (cityscapes.FINE, cityscapes.COARSE["train_extra"]) == ({"train": 2975, "val": 500, "test": 1525}, 19998)


def put_frame(root: Path, split: str, name: str, labels: NDArray[np.uint8], package: str = "gtFine") -> None:
    city = name.split("_")[0]
    put_image(root / f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png", *labels.shape)
    start = root / f"{package}/{split}/{city}/{name}_{package}"
    put_png(Path(f"{start}_labelIds.png"), labels)
    train_ids = np.array([label.train_id for label in DRAWN], np.uint8)
    put_png(Path(f"{start}_labelTrainIds.png"), train_ids[labels])
    wide = labels.astype(np.uint16)
    put_png(Path(f"{start}_instanceIds.png"), np.where(wide >= 24, wide * 1000 + 2, wide))


ALL_LABELS = np.arange(34, dtype=np.uint8).reshape(2, 17)


@pytest.fixture
def city_folder(tmp_path: Path) -> Path:
    root = tmp_path / STRANGE_FOLDER / "cityscapes"
    for name in ("munster_000001_000019", "frankfurt_000000_000294", "frankfurt_000000_000576"):
        put_frame(root, "val", name, ALL_LABELS)
    return root


def test_a_part_of_val_is_read_in_three_ways(city_folder: Path) -> None:
    images = open_cityscapes(city_folder.parent, "val", require_complete=False)
    names = ["frankfurt_000000_000294", "frankfurt_000000_000576", "munster_000001_000019"]
    assert [item.name for item in images.items] == names
    assert (images.split.key, images.split.images, images.split.release) == ("cityscapes/val", 3, 500)
    assert len(images.class_names) == 19
    truth = images.truth(0).reshape(-1)
    assert [int(value) for value in truth] == [255 if label.ignored else label.train_id for label in DRAWN]
    files = open_cityscapes(city_folder, "val", truth=Truth.TRAIN_ID_FILES, require_complete=False)
    assert files.class_names == images.class_names
    assert (files.truth(2).reshape(-1) == truth).all()
    whole = open_cityscapes(city_folder, "val", truth=Truth.LABEL_IDS, require_complete=False)
    assert whole.class_names == tuple(label.name for label in DRAWN)
    assert (whole.truth(1) == ALL_LABELS).all()
    for way in (images, files, whole):
        check_item(way, 1)
        path = way.items[1].instances
        assert path is not None
        assert way.read_instances is not None
        instances = way.read_instances(path)
        assert instances.dtype == np.int32
        assert (np.where(instances >= 1000, instances // 1000, instances) == ALL_LABELS).all()


def test_whole_val_is_counted_by_city(tmp_path: Path) -> None:
    for city, count in cityscapes.CITIES["val"].items():
        for number in range(count):
            name = f"{city}_{number:06}_000019"
            put(tmp_path / f"leftImg8bit/val/{city}/{name}_leftImg8bit.png")
            for kind in ("labelIds", "instanceIds"):
                put(tmp_path / f"gtFine/val/{city}/{name}_gtFine_{kind}.png")
    assert open_cityscapes(tmp_path, "val").split.whole
    (tmp_path / "leftImg8bit/val/lindau/lindau_000003_000019_leftImg8bit.png").unlink()
    for kind in ("labelIds", "instanceIds"):
        (tmp_path / f"gtFine/val/munster/munster_000007_000019_gtFine_{kind}.png").unlink()
    for path in (tmp_path / "leftImg8bit/val/frankfurt").iterdir():
        path.unlink()
    for path in (tmp_path / "gtFine/val/frankfurt").iterdir():
        path.unlink()
    message = complaint(lambda: open_cityscapes(tmp_path, "val"))
    assert "val/frankfurt: 0 of 267 images" in message
    assert "images missing: 1 of 233: leftImg8bit/val/lindau/lindau_000003_000019_leftImg8bit.png" in message
    assert "labels missing: 1 of 233: gtFine/val/munster/munster_000007_000019_gtFine_labelIds.png" in message
    assert "instance files missing: 1 of 233" in message
    assert "www.cityscapes-dataset.com" in message
    assert open_cityscapes(tmp_path, "val", require_complete=False).split.images == 231


def test_coarse_annotations(tmp_path: Path) -> None:
    put_frame(tmp_path, "train_extra", "augsburg_000000_000000", ALL_LABELS, "gtCoarse")
    images = open_cityscapes(tmp_path, "train_extra", annotation="gtCoarse", require_complete=False)
    assert (images.split.key, images.split.release) == ("cityscapes-coarse/train_extra", 19998)
    check_item(images, 0)
    with pytest.raises(UsageError, match="no split 'train_extra'"):
        open_cityscapes(tmp_path, "train_extra")
    with pytest.raises(UsageError, match="no split 'test'"):
        open_cityscapes(tmp_path, "test", annotation="gtCoarse")
    message = complaint(lambda: open_cityscapes(tmp_path, "val"))
    assert "leftImg8bit/val: folder missing" in message
    assert "gtFine/val: folder missing" in message


def test_files_that_are_wrong(city_folder: Path) -> None:
    images = open_cityscapes(city_folder, "val", require_complete=False)
    item = images.items[0]
    assert item.instances is not None
    put_png(item.truth, np.full((2, 17), 34, np.uint8))
    put_png(item.instances, np.full((2, 17), 7001, np.uint16))
    message = complaint(lambda: check_item(images, 0))
    assert f"{item.truth}: label 34 at row 0, column 0 (34 such pixels), expected 0..33" in message
    assert f"{item.instances}: instance 7001 at row 0, column 0 (34 such pixels) belongs to no label" in message
    put_png(item.truth, ALL_LABELS[:1])
    put_png(item.instances, ALL_LABELS[:, :3])
    message = complaint(lambda: check_item(images, 0))
    assert "17 x 1 pixels, its image frankfurt_000000_000294_leftImg8bit.png has 17 x 2" in message
    assert "3 x 2 pixels, its image" in message
    put_png(item.instances, np.zeros((2, 17, 3), np.uint8))
    assert "instances of mode RGB" in complaint(lambda: check_item(images, 0))


def test_a_drawn_license_plate_is_void(tmp_path: Path) -> None:
    path = put_png(tmp_path / "a.png", np.array([[255, 7]], np.uint8))
    assert cityscapes.read_train_ids(path).tolist() == [[VOID, 0]]


VALID = st.one_of(
    st.integers(0, 33), st.builds(lambda label, number: label * 1000 + number, st.integers(24, 33), st.integers(0, 999))
)


@given(arrays(np.uint16, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=VALID))
def test_instances_of_16_bits_are_read_exactly(
    tmp_path_factory: pytest.TempPathFactory, values: NDArray[np.uint16]
) -> None:
    path = put_png(tmp_path_factory.mktemp("instances") / "a.png", values)
    assert (cityscapes.read_instances(path) == values).all()


@given(st.integers(0, 65535))
def test_every_other_number_is_refused(tmp_path_factory: pytest.TempPathFactory, value: int) -> None:
    path = put_png(tmp_path_factory.mktemp("instances") / "a.png", np.array([[7, value]], np.uint16))
    if value < 34 or 24000 <= value < 34000:
        assert cityscapes.read_instances(path).tolist() == [[7, value]]
    else:
        assert f"instance {value} at row 0, column 1" in complaint(lambda: cityscapes.read_instances(path))
