"""Folders of images with a label for each pixel: CamVid, VOC, and every way in which such a folder can be bad."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.datasets import camvid, voc
from harness.datasets.images import decode_rgb
from harness.datasets.segmented import VOID, Padded, SegmentationFolder, Stretched, load_segmented
from harness.errors import DataError, ExitCode, UsageError

Labels = NDArray[np.uint8]
Shared = Callable[[str], Path]


def save_label(path: Path, labels: Labels, *, palette: bool) -> None:
    """A palette whose colours have nothing to do with the indices, as in VOC."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels)
    if palette:
        image = image.convert("P")
        image.frombytes(labels.tobytes())
        image.putpalette(bytes((37 * value + shift) % 256 for value in range(256) for shift in (0, 80, 160)))
    image.save(path)


def save_pixels(path: Path, seed: int, height: int, width: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def random_labels(seed: int, height: int, width: int, values: list[int]) -> Labels:
    return np.random.default_rng(seed).choice(np.array(values, dtype=np.uint8), (height, width))


@pytest.fixture
def camvid_folder(tmp_path: Path) -> Path:
    """Two frames in each split, 12 x 9 pixels."""
    root = tmp_path / "CamVid"
    for number, split in enumerate(camvid.Split):
        for index in range(2):
            seed = 10 * number + index
            save_pixels(root / split / f"frame{seed}.png", seed, 9, 12)
            save_label(root / f"{split}annot/frame{seed}.png", random_labels(seed, 9, 12, [*range(12)]), palette=False)
    return root


@pytest.fixture
def voc_folder(tmp_path: Path) -> Path:
    """Three images to train on and one to test on, of differing sizes."""
    root = tmp_path / "VOCdevkit" / "VOC2012"
    sizes = {"2007_000001": (8, 12), "2008_000002": (12, 8), "2009_000003": (5, 12), "2010_000004": (6, 6)}
    for seed, (name, (height, width)) in enumerate(sizes.items()):
        save_pixels(root / f"JPEGImages/{name}.jpg", seed, height, width)
        labels = random_labels(seed, height, width, [*range(21), 255])
        save_label(root / f"SegmentationClassAug/{name}.png", labels, palette=True)
    names = list(sizes)
    lists = root / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train_aug.txt").write_text("".join(f"{name}\n" for name in reversed(names[:3])))
    (lists / "val.txt").write_text(names[3])
    return root


def opened(folder: Path) -> SegmentationFolder:
    return camvid.open_camvid(folder, require_complete=False)


def complaint(action: Callable[[], object]) -> DataError:
    with pytest.raises(DataError) as caught:
        action()
    assert caught.value.exit_code is ExitCode.DATA
    assert caught.value.remedy
    return caught.value


def read_labels(path: Path) -> Labels:
    return np.array(Image.open(path))


def test_camvid_at_its_own_size_is_the_files(camvid_folder: Path, tmp_path: Path) -> None:
    loaded = camvid.load_camvid(opened(camvid_folder), camvid.Split.VAL, 9, 12, tmp_path / "cache")
    assert loaded.names == ("frame10", "frame11")
    assert loaded.class_names == camvid.CLASSES
    assert len(loaded) == 2
    for name, pixels, labels in zip(loaded.names, loaded.pixels, loaded.labels, strict=True):
        raw = read_labels(camvid_folder / f"valannot/{name}.png")
        assert (pixels == decode_rgb(camvid_folder / f"val/{name}.png")).all()
        assert (labels[raw < 11] == raw[raw < 11]).all()
        assert (labels[raw == 11] == VOID).all()
        assert (raw == 11).any()
    assert not loaded.pixels.flags.writeable
    assert not loaded.labels.flags.writeable


def test_stretching_keeps_labels_and_aligns_them_with_the_image(camvid_folder: Path, tmp_path: Path) -> None:
    """Blocks of one colour and one label stay blocks when scaled up or down by whole factors."""
    blocks = np.array([[0, 3, 5], [8, 11, 10]], dtype=np.uint8)
    for factor in (2, 4, 6):
        size = (factor, factor)
        save_label(camvid_folder / "testannot/frame20.png", np.kron(blocks, np.ones(size, np.uint8)), palette=False)
        Image.fromarray(np.kron(blocks * 20, np.ones(size, np.uint8))).save(camvid_folder / "test/frame20.png")
        loaded = camvid.load_camvid(opened(camvid_folder), camvid.Split.TEST, 2, 3, tmp_path / str(factor))
        assert (loaded.labels[0] == np.where(blocks == 11, 255, blocks)).all()
        larger = camvid.load_camvid(opened(camvid_folder), camvid.Split.TEST, 24, 36, tmp_path / str(factor))
        assert (larger.labels[0] == np.kron(loaded.labels[0], np.ones((12, 12), np.uint8))).all()
        centres = larger.pixels[0, 6::12, 6::12, 0].astype(int)
        assert np.abs(centres - blocks * 20).max() <= 1


def test_voc_is_scaled_to_the_longer_side_and_padded(voc_folder: Path, tmp_path: Path) -> None:
    loaded = voc.load_voc(voc.open_voc(voc_folder), "train_aug", 12, tmp_path / "cache")
    assert loaded.names == ("2009_000003", "2008_000002", "2007_000001")
    assert loaded.pixels.shape == (3, 12, 12, 3)
    entries = zip(loaded.names, loaded.pixels, loaded.labels, loaded.extents, strict=True)
    for name, pixels, labels, extent in entries:
        raw = read_labels(voc_folder / f"SegmentationClassAug/{name}.png")
        height, width = raw.shape
        assert extent.tolist() == [height, width]
        assert (labels[:height, :width] == raw).all()
        assert (pixels[:height, :width] == decode_rgb(voc_folder / f"JPEGImages/{name}.jpg")).all()
        outside = np.ones((12, 12), dtype=bool)
        outside[:height, :width] = False
        assert (labels[outside] == VOID).all()
        assert (pixels[outside] == voc.FILL).all()
    larger = voc.load_voc(voc.open_voc(voc_folder), "train_aug", 24, tmp_path / "cache")
    assert (larger.labels[0, ::2, ::2] == loaded.labels[0]).all()
    assert (larger.labels[0, 10:] == VOID).all()
    assert larger.extents.tolist() == [[10, 24], [24, 16], [16, 24]]


def test_either_folder_is_found_below_the_one_given(camvid_folder: Path, voc_folder: Path, tmp_path: Path) -> None:
    assert opened(tmp_path).root == opened(camvid_folder).root == camvid_folder
    assert voc.open_voc(tmp_path).root == voc.open_voc(voc_folder.parent).root == voc_folder
    assert "no such folder" in complaint(lambda: voc.open_voc(tmp_path / "nowhere")).message
    (tmp_path / "empty").mkdir()
    assert "holds no" in complaint(lambda: opened(tmp_path / "empty")).message
    assert "holds no" in complaint(lambda: voc.open_voc(tmp_path / "empty")).message


def test_second_load_reads_the_cache_until_a_label_changes(camvid_folder: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    cache = tmp_path / "cache"

    def load() -> str:
        found = load_segmented(
            opened(camvid_folder), "train", Stretched(9, 12), cache, lambda *done: calls.append(done)
        )
        return found.digest()

    first = load()
    assert calls == [(1, 2), (2, 2)]
    assert load() == first
    assert len(calls) == 2
    save_label(camvid_folder / "trainannot/frame0.png", np.zeros((9, 12), np.uint8), palette=False)
    assert load() != first
    assert len(calls) == 4


def test_frames_do_not_share_a_cache_entry(camvid_folder: Path, tmp_path: Path) -> None:
    digests = {
        load_segmented(opened(camvid_folder), "train", frame, tmp_path / "cache").digest()
        for frame in (Stretched(12, 12), Padded(12, (0, 0, 0)), Padded(12, (1, 0, 0)), Stretched(9, 12))
    }
    assert len(digests) == 4


def test_everything_missing_is_told_at_once(camvid_folder: Path) -> None:
    (camvid_folder / "trainannot/frame1.png").unlink()
    (camvid_folder / "val/frame10.png").unlink()
    (camvid_folder / "test/frame20.png").write_bytes(b"")
    (camvid_folder / "test/notes.txt").write_text("notes")
    save_pixels(camvid_folder / "val/frame0.png", 0, 9, 12)
    message = complaint(lambda: opened(camvid_folder)).message
    assert "trainannot/frame1.png: label missing" in message
    assert "valannot/frame10.png: label without an image" in message
    assert "test/frame20.png: empty image file" in message
    assert "test/notes.txt: not an image file" in message
    assert "valannot/frame0.png: label missing" in message
    assert "frame0: in train and in val" in message


def test_missing_folders_are_told(camvid_folder: Path) -> None:
    (camvid_folder / "testannot").rename(camvid_folder / "elsewhere")
    message = complaint(lambda: opened(camvid_folder)).message
    assert "testannot: folder missing" in message
    assert "test: no images" in message


def test_half_a_copy_of_camvid_is_refused_unless_wanted(camvid_folder: Path) -> None:
    message = complaint(lambda: camvid.open_camvid(camvid_folder)).message
    assert all(words in message for words in ("train: 2 of 367", "val: 2 of 101", "test: 2 of 233"))
    assert not opened(camvid_folder).complete


def test_every_bad_pair_is_told_at_once_with_its_place(camvid_folder: Path, tmp_path: Path) -> None:
    wrong = np.zeros((9, 12), dtype=np.uint8)
    wrong[4, 7] = 12
    save_label(camvid_folder / "trainannot/frame0.png", wrong, palette=False)
    (camvid_folder / "train/frame0.png").write_bytes(b"no image at all")
    save_label(camvid_folder / "trainannot/frame1.png", np.zeros((9, 11), np.uint8), palette=False)
    for name in ("train", "trainannot"):
        extra = camvid_folder / name / "frame2.png"
        save_pixels(extra, 0, 9, 12)
    caught = complaint(lambda: load_segmented(opened(camvid_folder), "train", Stretched(9, 12), tmp_path / "cache"))
    message = caught.message
    assert "3 of 3 images cannot be decoded" in message
    assert f"{camvid_folder}/train/frame0.png: not an image" in message
    assert "trainannot/frame0.png: label 12 at row 4, column 7 (1 such pixels), expected 0..10 or 11" in message
    assert "trainannot/frame1.png: 11 x 9 pixels, its image frame1.png has 12 x 9" in message
    assert "trainannot/frame2.png: label of mode RGB" in message
    assert "class numbers, not colours" in caught.remedy
    assert not list((tmp_path / "cache").iterdir())


def test_voc_lists_are_checked(voc_folder: Path) -> None:
    lists = voc_folder / "ImageSets/Segmentation"
    (lists / "val.txt").write_text("2010_000004\n/JPEGImages/2010_000004.jpg\n2007_000001\n2010_000004\n\n")
    (voc_folder / "SegmentationClassAug/2008_000002.png").unlink()
    message = complaint(lambda: voc.open_voc(voc_folder)).message
    assert "val.txt, line 2: expected the name" in message
    assert "val.txt: 2010_000004 is named 2 times" in message
    assert "2007_000001: in train_aug and in val" in message
    assert "SegmentationClassAug/2008_000002.png: label missing" in message
    (lists / "val.txt").unlink()
    assert "val.txt: list missing" in complaint(lambda: voc.open_voc(voc_folder)).message
    (lists / "val.txt").write_bytes(b"\xff\xfe\x00")
    assert "not a text file" in complaint(lambda: voc.open_voc(voc_folder)).message


def test_unknown_split_and_impossible_size_are_refused(voc_folder: Path, tmp_path: Path) -> None:
    dataset = voc.open_voc(voc_folder)
    with pytest.raises(UsageError, match="no split 'test'"):
        voc.load_voc(dataset, "test", 12, tmp_path)
    with pytest.raises(UsageError, match="0 x 0"):
        voc.load_voc(dataset, "val", 0, tmp_path)


def test_folder_digest_follows_files_and_lists(voc_folder: Path) -> None:
    first = voc.open_voc(voc_folder).digest
    assert voc.open_voc(voc_folder.parent).digest == first
    (voc_folder / "ImageSets/Segmentation/train_aug.txt").write_text("2007_000001\n2008_000002\n")
    assert voc.open_voc(voc_folder).digest != first


def test_real_camvid(shared: Shared, tmp_path: Path) -> None:
    """Counts of the release, and shares of classes measured through Pillow alone."""
    shared("data/CamVid")
    dataset = camvid.open_camvid(shared("data"))
    assert {split: len(pairs) for split, pairs in dataset.splits.items()} == camvid.RELEASE_COUNTS
    assert dataset.complete
    loaded = camvid.load_camvid(dataset, camvid.Split.VAL, 360, 480, tmp_path)
    assert loaded.pixels.shape == (101, 360, 480, 3)
    files = [read_labels(dataset.root / pair.label) for pair in dataset.splits["val"]]
    expected = sum(np.bincount(labels.ravel(), minlength=12) for labels in files)
    found = np.bincount(loaded.labels.ravel(), minlength=256)
    assert (found[:11] == expected[:11]).all()
    assert found[VOID] == expected[11] > 0


def test_real_voc(shared: Shared, tmp_path: Path) -> None:
    shared("data/VOCdevkit/VOC2012")
    dataset = voc.open_voc(shared("data"))
    assert {split: len(pairs) for split, pairs in dataset.splits.items()} == {"train_aug": 1000, "val": 445}
    assert not dataset.complete
    loaded = voc.load_voc(dataset, "val", 80, tmp_path)
    assert set(np.unique(loaded.labels)) <= {*range(21), VOID}
    assert all((labels != VOID).any() for labels in loaded.labels)


def test_real_voc_with_its_band_of_void(shared: Shared, tmp_path: Path) -> None:
    dataset = voc.open_voc(shared("data/VOC2012-fullsize"), ("val",), voc.BANDED_LABELS)
    loaded = voc.load_voc(dataset, "val", 500, tmp_path)
    assert len(loaded) == 60
    for index, pair in enumerate(dataset.splits["val"][:5]):
        raw = read_labels(dataset.root / pair.label)
        height, width = raw.shape
        assert (loaded.labels[index, :height, :width] == raw).all()
        assert (raw == VOID).any()
