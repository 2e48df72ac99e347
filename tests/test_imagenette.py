"""Reading an Imagenette folder: splits, boxes, the cache, and every way in which a folder can be bad."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.datasets.imagenette import (
    BOXES_FILE,
    CLASSES,
    RELEASE_COUNTS,
    Imagenette,
    Split,
    load_split,
    open_imagenette,
)
from harness.datasets.images import decode_rgb, load_square
from harness.errors import DataError, ExitCode, StorageError, UsageError

HEADER = "path,imagenet_class,orig_w,orig_h,x0,y0,x1,y1"


def save_image(path: Path, seed: int = 0, size: tuple[int, int] = (12, 9)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, format="JPEG")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten classes; in each two images to train on, one to test on, and one with two boxes in either folder."""
    root = tmp_path / "imagenette2"
    rows = [HEADER + "  # boxes in original pixels"]
    for label, wnid in enumerate(CLASSES):
        boxed = f"{'train' if label % 2 else 'val'}/{wnid}/ILSVRC2012_val_{label:08d}.JPEG"
        names = [f"train/{wnid}/{wnid}_1.JPEG", f"train/{wnid}/{wnid}_2.JPEG", f"val/{wnid}/{wnid}_3.JPEG", boxed]
        for index, name in enumerate(names):
            save_image(root / name, seed=10 * label + index)
        rows += [f"{boxed},{label},500,375,0,75,249,374", f"{boxed},{label},500,375,100,0,499,10"]
    (root / BOXES_FILE).write_text("\n".join(rows) + "\n")
    return root


def opened(folder: Path) -> Imagenette:
    return open_imagenette(folder, require_complete=False)


def complaint(folder: Path, **options: bool) -> str:
    with pytest.raises(DataError) as caught:
        open_imagenette(folder, **({"require_complete": False} | options))
    assert caught.value.exit_code is ExitCode.DATA
    assert caught.value.remedy
    return caught.value.message


def test_splits_keep_boxed_images_out_of_training(folder: Path) -> None:
    dataset = opened(folder)
    paths = {split: [file.path for file in dataset.split(split)] for split in Split}
    assert len(paths[Split.TRAIN]) == 20
    assert all(path.startswith("train/") and "ILSVRC2012_val" not in path for path in paths[Split.TRAIN])
    assert len(paths[Split.TEST]) == 15
    assert all(path.startswith("val/") for path in paths[Split.TEST])
    assert len(paths[Split.LOCALISATION]) == 10
    assert all("ILSVRC2012_val" in path for path in paths[Split.LOCALISATION])
    assert not set(paths[Split.TRAIN]) & (set(paths[Split.TEST]) | set(paths[Split.LOCALISATION]))


def test_parent_folder_is_enough_unless_two_fit(folder: Path) -> None:
    (folder.parent / "something-else").mkdir()
    assert opened(folder.parent).root == folder
    assert opened(folder.parent).digest == opened(folder).digest
    shutil.copytree(folder, folder.parent / "copy")
    assert "copy, imagenette2" in complaint(folder.parent)


def test_loaded_images_labels_and_boxes_belong_together(folder: Path, tmp_path: Path) -> None:
    loaded = load_split(opened(folder), Split.LOCALISATION, 16, tmp_path / "cache")
    assert loaded.images.shape == (10, 16, 16, 3)
    assert sorted(loaded.labels.tolist()) == list(range(10))
    for path, label, image in zip(loaded.paths, loaded.labels, loaded.images, strict=True):
        assert path.split("/")[1] == list(CLASSES)[label]
        assert (image == decode_rgb(folder / path, 16)).all()
    assert np.bincount(loaded.owners).tolist() == [2] * 10
    first = loaded.boxes[loaded.owners == 0]
    assert first[0].tolist() == pytest.approx([0, 75 / 375 * 16, 7, 15])
    assert first[1].tolist() == pytest.approx([100 / 500 * 16, 0, 15, 11 / 375 * 16 - 1])


def test_training_images_come_without_boxes(folder: Path, tmp_path: Path) -> None:
    loaded = load_split(opened(folder), Split.TRAIN, 8, tmp_path)
    assert loaded.boxes.shape == (0, 4)
    assert len(loaded) == len(loaded.images) == 20


def test_image_is_decoded_whole_and_exact(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (decode_rgb(tmp_path / "a.png") == pixels).all()
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    assert (decode_rgb(tmp_path / "grey.png") == pixels[..., :1]).all()


def test_second_load_reads_the_cache_and_a_changed_file_does_not(folder: Path, tmp_path: Path) -> None:
    """The changed file has its old name and size; only its content and time are new."""
    calls: list[tuple[int, int]] = []
    victim = folder / opened(folder).split(Split.TRAIN)[0].path
    before = victim.read_bytes()
    save_image(victim, seed=999)
    after = victim.read_bytes()
    length = max(len(before), len(after))
    victim.write_bytes(before.ljust(length, b"\0"))

    def load() -> str:
        calls.clear()
        dataset = opened(folder)
        return load_split(dataset, Split.TRAIN, 8, tmp_path / "c", lambda *done: calls.append(done)).digest()

    first = load()
    assert calls == [(done, 20) for done in range(1, 21)]
    assert load() == first
    assert not calls
    earlier = victim.stat()
    victim.write_bytes(after.ljust(length, b"\0"))
    os.utime(victim, ns=(earlier.st_atime_ns, earlier.st_mtime_ns + 1))
    assert load() != first
    assert len(calls) == 20


def test_sizes_and_splits_share_a_cache(folder: Path, tmp_path: Path) -> None:
    for split, size in ((Split.TRAIN, 8), (Split.TRAIN, 9), (Split.TEST, 8)):
        assert load_split(opened(folder), split, size, tmp_path).images.shape[1] == size
    assert len(list(tmp_path.glob("*.npy"))) == 3


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", None], ids=["empty", "header", "cut"])
def test_damaged_cache_is_made_again(folder: Path, tmp_path: Path, content: bytes | None) -> None:
    cache = tmp_path / "cache"
    first = load_split(opened(folder), Split.TEST, 8, cache).digest()
    (stored,) = cache.iterdir()
    damaged = stored.read_bytes()[:-10] if content is None else content
    stored.unlink()
    stored.write_bytes(damaged)
    assert load_split(opened(folder), Split.TEST, 8, cache).digest() == first
    assert list(cache.iterdir()) == [stored]


def test_interruption_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_split(opened(folder), Split.TRAIN, 8, tmp_path / "cache", interrupt)
    assert list((tmp_path / "cache").iterdir()) == []


def test_cache_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        load_split(opened(folder), Split.TRAIN, 8, tmp_path / "file" / "cache")


def test_full_disk_is_a_storage_error(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is replaced by a device that accepts nothing, which is how a full disk answers."""
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full is not on this system")
    dataset, cache = opened(folder), tmp_path / "cache"

    def full_disk(**_where: object) -> tuple[int, str]:
        return os.open("/dev/full", os.O_WRONLY), str(cache / "partial")

    monkeypatch.setattr("harness.datasets.images.tempfile.mkstemp", full_disk)
    with pytest.raises(StorageError, match="No space left"):
        load_split(dataset, Split.TRAIN, 8, cache)
    assert list(cache.iterdir()) == []


def test_size_below_one(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="image size is 0"):
        load_split(opened(folder), Split.TRAIN, 0, tmp_path)


def test_digest_depends_on_names_and_sizes_of_files_and_on_boxes(folder: Path) -> None:
    digests = [opened(folder).digest]
    first = folder / opened(folder).files[0].path
    save_image(first, seed=5, size=(40, 40))
    digests.append(opened(folder).digest)
    first.rename(first.with_name("zz.JPEG"))
    digests.append(opened(folder).digest)
    boxes = folder / BOXES_FILE
    boxes.write_text(boxes.read_text().replace("499,10", "499,11"))
    digests.append(opened(folder).digest)
    assert len(set(digests)) == 4


def test_all_that_is_missing_is_told_at_once(folder: Path) -> None:
    shutil.rmtree(folder / "train" / "n03028079")
    for image in (folder / "val" / "n01440764").iterdir():
        image.unlink()
    (folder / "train" / "n03888257" / "readme.txt").write_text("not an image")
    next((folder / "val" / "n03445777").iterdir()).write_bytes(b"")
    message = complaint(folder)
    assert "train/n03028079: folder missing (church)" in message
    assert "val/n01440764: empty folder (tench)" in message
    assert "train/n03888257/readme.txt: not an image file" in message
    assert ".JPEG: empty file" in message
    assert f"val/n01440764/ILSVRC2012_val_00000000.JPEG has boxes in {BOXES_FILE} but is absent" in message


def test_missing_split_and_hidden_files(folder: Path) -> None:
    (folder / "train" / "n01440764" / ".DS_Store").write_bytes(b"x")
    assert len(opened(folder).split(Split.TRAIN)) == 20
    shutil.rmtree(folder / "val")
    assert "  val: folder missing\n" in complaint(folder)


def test_half_copied_folder_is_refused_by_the_releases_counts(folder: Path) -> None:
    message = complaint(folder, require_complete=True)
    assert "train/n01440764: 2 of 963 images" in message
    assert "val/n03888257: 1 of 390 images" in message
    assert not opened(folder).complete


@pytest.mark.parametrize("kind", ["absent", "file", "empty"])
def test_folder_that_is_no_folder_of_images(tmp_path: Path, kind: str) -> None:
    place = tmp_path / kind
    if kind == "file":
        place.write_text("x")
    elif kind == "empty":
        place.mkdir()
    assert str(place) in complaint(place)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("val/n01440764/nothing.JPEG,0,500,375,1,1,2,2", "val/n01440764/nothing.JPEG has boxes"),
        ("train/n01440764/n01440764_1.JPEG,0,500,375,1,1,2,2", "is not named ILSVRC2012_val_*"),
        ("train/n01440764/x.JPEG,0,500,375,1,1,2", "line 22: expected a path and seven whole numbers"),
        ("train/n01440764/x.JPEG,0,500,375,1,1,2,nan", "line 22: expected a path and seven whole numbers"),
        ("train/n01440764/x.JPEG,0,500,375,1,1,500,2", "line 22: box 1,1,500,2 is not inside"),
        ("train/n01440764/x.JPEG,0,500,375,9,1,5,2", "line 22: box 9,1,5,2 is not inside"),
    ],
)
def test_bad_box_rows_are_named(folder: Path, row: str, words: str) -> None:
    boxes = folder / BOXES_FILE
    boxes.write_text(boxes.read_text() + row + "\n")
    assert words in complaint(folder)


def test_bad_box_header_and_image_without_box(folder: Path) -> None:
    boxes = folder / BOXES_FILE
    lines = boxes.read_text().splitlines()
    boxes.write_text("\n".join(lines[:-2]))
    assert f"ILSVRC2012_val_00000009.JPEG has no box in {BOXES_FILE}" in complaint(folder)
    boxes.write_text("\n".join(["path,x0", *lines[1:]]))
    assert "line 1: expected the columns" in complaint(folder)


def test_release_without_boxes_can_classify_but_not_localise(folder: Path, tmp_path: Path) -> None:
    (folder / BOXES_FILE).unlink()
    dataset = opened(folder)
    assert len(load_split(dataset, Split.TEST, 8, tmp_path)) == 15
    with pytest.raises(DataError, match="localisation error cannot be measured"):
        load_split(dataset, Split.LOCALISATION, 8, tmp_path)


def test_every_broken_image_is_named_and_nothing_is_cached(folder: Path, tmp_path: Path) -> None:
    cut, text = (folder / file.path for file in opened(folder).split(Split.TRAIN)[3:5])
    cut.write_bytes(cut.read_bytes()[:-30])
    text.write_text("no image at all")
    with pytest.raises(DataError) as caught:
        load_split(opened(folder), Split.TRAIN, 8, tmp_path / "cache")
    assert "2 of 20 images" in caught.value.message
    assert f"{cut}: damaged image" in caught.value.message
    assert f"{text}: not an image" in caught.value.message
    assert list((tmp_path / "cache").iterdir()) == []


def test_file_that_vanishes_is_named(folder: Path, tmp_path: Path) -> None:
    dataset = opened(folder)
    gone = folder / dataset.split(Split.TRAIN)[0].path
    gone.unlink()
    with pytest.raises(DataError, match=gone.name):
        load_split(dataset, Split.TRAIN, 8, tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        decode_rgb(gone)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.floats(0, 1, exclude_max=True), progressive=st.booleans())
def test_no_truncation_of_a_jpeg_goes_unnoticed(tmp_path: Path, kept: float, progressive: bool) -> None:
    whole, cut = tmp_path / "whole.JPEG", tmp_path / "cut.JPEG"
    pixels = np.random.default_rng(1).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(whole, format="JPEG", progressive=progressive)
    content = whole.read_bytes()
    cut.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match=r"cut\.JPEG"):
        decode_rgb(cut)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["JPEG", "PNG", "GIF", "BMP"]),
    places=st.dictionaries(st.integers(0, 400), st.integers(0, 255)),
)
def test_damage_is_a_data_error_or_harmless(tmp_path: Path, kind: str, places: dict[int, int]) -> None:
    path = tmp_path / "image"
    Image.new("RGB", (16, 16), (200, 30, 90)).save(path, format=kind)
    content = bytearray(path.read_bytes())
    for place, value in places.items():
        content[place % len(content)] = value
    path.write_bytes(bytes(content))
    with contextlib.suppress(DataError):
        assert decode_rgb(path).shape[2] == 3


def test_real_folder_has_the_releases_counts_and_boxes(shared: Callable[[str], Path], tmp_path: Path) -> None:
    root = shared("data/imagenette2-112")
    dataset = open_imagenette(root)
    assert dataset.complete
    assert dataset.digest == "8acd4ea056df021df3880702a35b17b870265e9a256828c4ebc0579ff62687a8"
    assert len(dataset.files) == sum(map(sum, RELEASE_COUNTS.values())) == 13394
    assert [len(dataset.split(split)) for split in Split] == [9103, 3925, 500]
    assert len(dataset.boxes) == 813
    names = [file.path for file in dataset.split(Split.LOCALISATION)[::100]]
    images = load_square(root, names, 112, tmp_path)
    assert all((image == decode_rgb(root / name)).all() for image, name in zip(images, names, strict=True))
