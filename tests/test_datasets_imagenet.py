"""ImageNet's validation set in each of its layouts, its boxes, and what is refused."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from harness.datasets import imagenette
from harness.datasets.imagenet import IMAGES, SUBSET_TABLE, open_imagenet
from harness.datasets.imagenet_classes import WORDNET_IDS
from harness.datasets.imagenet_truth import image_name, read_blacklist, read_box_table, read_devkit_labels, read_xml
from harness.datasets.imagenette_classified import COUNTS, open_imagenette_images
from harness.errors import DataError

LABELS = (0, 217, 999, 217, 482, 5)
"""Of the images in these tests, by number."""

IDS = np.random.default_rng(0).permutation(1000) + 1
"""ILSVRC2012_ID of each label: another order, as in the development kit."""


def save_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (1, 2, 3)).save(path, format="JPEG")


def annotation(label: int, *boxes: tuple[int, int, int, int], size: tuple[int, int] = (500, 375)) -> str:
    objects = "".join(
        f"<object><name>{WORDNET_IDS[label]}</name><pose>Unspecified</pose><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>"
        f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
        for x0, y0, x1, y1 in boxes
    )
    return (
        f"<annotation><folder>val</folder><size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth>"
        f"</size>\n{objects}</annotation>"
    )


def write_xml(folder: Path, labels: tuple[int, ...] = LABELS) -> None:
    folder.mkdir(parents=True)
    for number, label in enumerate(labels, start=1):
        text = annotation(label, (number, 2, 30, 40), (0, 0, 500, 375))
        (folder / f"{image_name(number)}.xml").write_text(text)


def write_devkit(folder: Path, labels: tuple[int, ...] = LABELS) -> None:
    """With the classes in the order of their numbers, and higher classes that have no images after them."""
    data = folder / "data"
    data.mkdir(parents=True)
    label_of = {int(number): label for label, number in enumerate(IDS)}
    rows = [(number, WORDNET_IDS[label_of[number]], "words") for number in range(1, 1001)]
    rows += [(1000 + extra, f"n0000174{extra}", "entity") for extra in range(3)]
    synsets = np.zeros((len(rows), 1), dtype=[(name, object) for name in ("ILSVRC2012_ID", "WNID", "words")])
    for index, (number, wnid, words) in enumerate(rows):
        synsets[index, 0] = (float(number), wnid, words)
    savemat(data / "meta.mat", {"synsets": synsets})
    lines = [str(IDS[label]) for label in labels]
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("\n".join(lines) + "\n")
    (data / "ILSVRC2012_validation_blacklist.txt").write_text("2\n36\n")


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """One folder a class."""
    root = tmp_path / "image net ü" / "ILSVRC2012"
    for number, label in enumerate(LABELS, start=1):
        save_image(root / "val" / WORDNET_IDS[label] / f"{image_name(number)}.JPEG")
    return root


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """All images in one folder, with the development kit."""
    root = tmp_path / "flat"
    for number in range(1, len(LABELS) + 1):
        save_image(root / "ILSVRC2012_img_val" / f"{image_name(number)}.JPEG")
    write_devkit(root / "ILSVRC2012_devkit_t12")
    return root


def complaint(folder: Path, **options: bool) -> str:
    with pytest.raises(DataError) as caught:
        open_imagenet(folder, **({"require_complete": False} | options))
    assert caught.value.remedy
    return caught.value.message


def test_the_classes_are_a_thousand_sorted_and_those_of_the_networks() -> None:
    """Positions as torchvision's networks have them; the digest is that of the list timm publishes."""
    assert len(set(WORDNET_IDS)) == 1000
    assert list(WORDNET_IDS) == sorted(WORDNET_IDS)
    known = (0, 217, 482, 491, 497, 566, 569, 571, 574, 701)
    assert [WORDNET_IDS[label] for label in known] == list(imagenette.CLASSES)
    digest = hashlib.sha256("\n".join(WORDNET_IDS).encode()).hexdigest()
    assert digest == "385e0240499426c022b773be1ae4da780f057b89c9694c7f47199f62746b6edd"


def test_folders_of_classes(folders: Path) -> None:
    images = open_imagenet(folders.parent, require_complete=False)
    assert images.names == tuple(image_name(number) for number in range(1, 7))
    assert tuple(images.labels) == LABELS
    assert images.labels.dtype == np.int64
    assert images.class_names == WORDNET_IDS
    assert images.boxes == ()
    assert images.split.key == "imagenet/val"
    assert (images.split.images, images.split.release, images.split.whole) == (6, IMAGES, False)
    assert images.image(2).shape == (6, 8, 3)


def test_one_folder_with_the_development_kit(flat: Path) -> None:
    images = open_imagenet(flat, require_complete=False)
    assert tuple(images.labels) == LABELS
    assert images.blacklisted == {image_name(2), image_name(36)}


def test_the_layout_of_the_localisation_task(tmp_path: Path) -> None:
    root = tmp_path / "ILSVRC"
    for number in range(1, len(LABELS) + 1):
        save_image(root / "Data/CLS-LOC/val" / f"{image_name(number)}.JPEG")
    write_xml(root / "Annotations/CLS-LOC/val")
    images = open_imagenet(tmp_path, require_complete=False)
    assert tuple(images.labels) == LABELS
    assert len(images.boxes) == 6
    assert images.boxes[3].edges.tolist() == [[4, 2, 30, 40], [0, 0, 500, 375]]
    assert images.boxes[3].edges.dtype == np.int32
    assert (images.boxes[3].width, images.boxes[3].height) == (500, 375)
    assert tuple(open_imagenet(tmp_path, require_complete=False, with_boxes=False).labels) == LABELS


def test_layouts_give_the_same_images_in_the_same_order(folders: Path, flat: Path) -> None:
    write_xml(folders / "ILSVRC2012_bbox_val_v3/val")
    write_xml(flat / "bbox/val")
    one, other = (open_imagenet(root, require_complete=False) for root in (folders, flat))
    assert one.names == other.names
    assert (one.labels == other.labels).all()
    assert one.split.digest == other.split.digest


def test_the_digest_covers_classes_and_boxes(flat: Path) -> None:
    digests = [open_imagenet(flat, require_complete=False).split.digest]
    shutil.rmtree(flat / "ILSVRC2012_devkit_t12")
    write_devkit(flat / "ILSVRC2012_devkit_t12", (*LABELS[:-1], 6))
    digests.append(open_imagenet(flat, require_complete=False).split.digest)
    write_xml(flat / "ILSVRC2012_bbox_val_v3/val", (*LABELS[:-1], 6))
    digests.append(open_imagenet(flat, require_complete=False).split.digest)
    assert len(set(digests)) == 3


def test_sources_that_disagree_are_told(folders: Path) -> None:
    write_devkit(folders / "devkit", (0, 217, 998, 217, 482, 5))
    message = complaint(folders)
    assert f"differs between folder, development kit, boxes: 1: {image_name(3)}" in message


def test_all_that_is_missing_is_told_at_once(flat: Path) -> None:
    shutil.rmtree(flat / "ILSVRC2012_devkit_t12")
    (flat / "ILSVRC2012_img_val" / f"{image_name(4)}.JPEG").write_bytes(b"")
    message = complaint(flat, require_complete=True)
    assert "images whose class is in no folder, development kit, XML or table: 6" in message
    assert f"empty files: 1: {image_name(4)}" in message
    assert "6 of 50000 images" in message


def test_a_folder_without_images_and_strange_files(folders: Path, tmp_path: Path) -> None:
    assert "ILSVRC2012_img_val/" in complaint(tmp_path / "image net ü" / "ILSVRC2012" / "val")
    (folders / "val" / "readme.txt").write_text("x")
    save_image(folders / "val" / WORDNET_IDS[7] / f"{image_name(1)}.JPEG")
    message = complaint(folders)
    assert "readme.txt: neither an image nor the folder of a class" in message
    assert "a second image of this name" in message


def test_hidden_files_are_no_images(folders: Path) -> None:
    (folders / "val" / ".DS_Store").write_bytes(b"x")
    assert len(open_imagenet(folders, require_complete=False)) == 6


@pytest.mark.parametrize("line", ["0", "1001", "dog", "-3", "1.0"])
def test_a_class_number_out_of_range_names_its_line(flat: Path, line: str) -> None:
    path = flat / "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DataError, match=r"ground_truth\.txt, line 7"):
        read_devkit_labels(flat / "ILSVRC2012_devkit_t12")


def test_a_meta_file_of_other_classes_is_refused(flat: Path) -> None:
    meta = flat / "ILSVRC2012_devkit_t12/data/meta.mat"
    synsets = np.zeros((1, 1), dtype=[("ILSVRC2012_ID", object), ("WNID", object)])
    synsets[0, 0] = (1.0, WORDNET_IDS[3])
    savemat(meta, {"synsets": synsets})
    assert "1 of the 1000 classes" in complaint(flat)
    meta.write_bytes(b"MATLAB 5.0 MAT-file cut short")
    assert "meta.mat" in complaint(flat)


@pytest.mark.parametrize("line", ["0", "50001", "ILSVRC2012_val_00000001", "1 2"])
def test_the_blacklist_holds_numbers_of_images(tmp_path: Path, line: str) -> None:
    path = tmp_path / "blacklist.txt"
    path.write_text(f"50000\n\n{line}\n")
    with pytest.raises(DataError, match="line 3"):
        read_blacklist(path)
    path.write_text("50000\n\n7\n")
    assert read_blacklist(path) == {"ILSVRC2012_val_00050000", "ILSVRC2012_val_00000007"}


@given(
    boxes=st.lists(
        st.tuples(st.integers(0, 250), st.integers(0, 180), st.integers(250, 500), st.integers(180, 375)), min_size=1
    ),
    label=st.integers(0, 999),
)
def test_boxes_come_back_as_written(
    tmp_path_factory: pytest.TempPathFactory, boxes: list[tuple[int, int, int, int]], label: int
) -> None:
    path = tmp_path_factory.mktemp("xml") / "a.xml"
    path.write_text(annotation(label, *boxes))
    read = read_xml(path)
    assert read.label == label
    assert read.boxes.edges.tolist() == [list(box) for box in boxes]


LAUGHS = '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS + annotation(3, (1, 1, 2, 2)).replace("Unspecified", "&b;"), "document type declaration 'lolz'"),
        ('<!DOCTYPE annotation SYSTEM "file:///etc/passwd">' + annotation(3, (1, 1, 2, 2)), "document type"),
        (annotation(3, (1, 1, 2, 2)).replace("<size>", "<size>&x;"), "undefined entity"),
        (annotation(3, (1, 1, 2, 2))[:-20], "a.xml"),
        (annotation(3), "objects of no class"),
        (annotation(3, (1, 1, 2, 2)).replace(WORDNET_IDS[3], "n99999999"), "n99999999"),
        (annotation(3, (9, 1, 2, 2)), "box 9,1,2,2"),
        (annotation(3, (1, 1, 501, 2)), "box 1,1,501,2"),
        (annotation(3, (1, 1, 2, 2)).replace("<xmax>2", "<xmax>2.5"), "bndbox/xmax is '2.5'"),
        (annotation(3, (1, 1, 2, 2)).replace("<width>500</width>", ""), "size/width is ''"),
        ("", "a.xml"),
        ("<annotation>" + " " * (1 << 20), "too many"),
    ],
)
def test_bad_annotations_are_data_errors(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_xml(path)
    assert said in caught.value.message


def test_no_encoding_hides_a_document_type(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes((LAUGHS + annotation(3, (1, 1, 2, 2))).encode("utf-16"))
    with pytest.raises(DataError, match="document type"):
        read_xml(path)


def test_two_classes_in_one_annotation_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    text = annotation(3, (1, 1, 2, 2), (1, 1, 5, 5))
    path.write_text(text.replace(WORDNET_IDS[3], WORDNET_IDS[4], 1))
    with pytest.raises(DataError, match="expected one class"):
        read_xml(path)


def test_a_subset_with_its_table(flat: Path) -> None:
    shutil.rmtree(flat / "ILSVRC2012_devkit_t12")
    rows = ["file,imagenet_class,orig_w,orig_h,x0,y0,x1,y1  # original pixels"]
    rows += [f"val/{image_name(n)}.JPEG,{label},500,375,1,2,3,4" for n, label in enumerate(LABELS, start=1)]
    rows.append(f"{image_name(2)}.JPEG,217,500,375,0,0,499,374")
    (flat / SUBSET_TABLE).write_text("\n".join(rows))
    images = open_imagenet(flat, require_complete=False)
    assert tuple(images.labels) == LABELS
    assert [len(each.edges) for each in images.boxes] == [1, 2, 1, 1, 1, 1]
    assert not images.split.whole


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a.JPEG,1000,500,375,1,2,3,4", "line 3: class 1000"),
        ("a.JPEG,1,500,375,1,2,500,4", "line 3: box 1,2,500,4"),
        ("a.JPEG,1,500,375,1,2,3", "line 3: expected a file"),
        ("a.JPEG,1,500,375,1,2,3,nan", "line 3: expected a file"),
        ("b.JPEG,2,500,375,1,2,3,4", "b: its rows name several classes"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, row: str, said: str) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(f"file,imagenet_class,orig_w,orig_h,x0,y0,x1,y1\nb.JPEG,1,500,375,1,2,3,4\n{row}\n")
    with pytest.raises(DataError, match=said):
        read_box_table(path)


def test_the_real_subset(shared: Callable[[str], Path]) -> None:
    images = open_imagenet(shared("data/ILSVRC2012"), require_complete=False)
    assert len(images) == len(images.boxes) == 300
    assert images.names[0] == "ILSVRC2012_val_00000361"
    assert images.labels[0] == 300
    assert sum(len(each.edges) for each in images.boxes) == 446
    assert images.image(0).shape == (227, 227, 3)
    with pytest.raises(DataError, match="300 of 50000"):
        open_imagenet(images.split.root)


def test_imagenette_as_classified_images(shared: Callable[[str], Path]) -> None:
    root = shared("data/imagenette2-112")
    for split in imagenette.Split:
        images = open_imagenette_images(root, split)
        assert len(images) == COUNTS[split]
        assert images.split.whole
        assert len(set(images.names)) == len(images)
        wnids = [WORDNET_IDS.index(wnid) for wnid in images.class_names]
        assert wnids == sorted(wnids)
    assert sum(len(each.edges) for each in images.boxes) == 813
    first = images.boxes[images.names.index("ILSVRC2012_val_00000293")]
    assert (first.width, first.height, first.edges[0].tolist()) == (500, 375, [175, 184, 499, 341])
