"""What is true of ImageNet's validation images: classes and boxes in the forms in which they are published."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from harness.datasets.imagenet_classes import WORDNET_IDS
from harness.datasets.labelled import TrueBoxes
from harness.datasets.lists import read_lines
from harness.datasets.matlab import field, read_variable
from harness.errors import DataError

REMEDY = (
    "Log in at https://image-net.org/download-images (ILSVRC 2012): ILSVRC2012_img_val.tar and "
    "ILSVRC2012_devkit_t12.tar.gz, and ILSVRC2012_bbox_val_v3.tgz for localisation. Unpack them into one folder and "
    "pass it as --data."
)

TRUTH_FILE = "data/ILSVRC2012_validation_ground_truth.txt"
META_FILE = "data/meta.mat"
BLACKLIST_FILE = "data/ILSVRC2012_validation_blacklist.txt"

LABELS: Mapping[str, int] = {wnid: label for label, wnid in enumerate(WORDNET_IDS)}
"""Label 0..999 of each WordNet id."""

_LARGEST_XML = 1 << 20
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Annotated:
    """An image's class, as a label 0..999, and its boxes."""

    label: int
    boxes: TrueBoxes


def image_name(number: int) -> str:
    """Return the name of a validation image, numbered from 1."""
    return f"ILSVRC2012_val_{number:08d}"


def read_devkit_labels(devkit: Path) -> dict[str, int]:
    """Read the class of each validation image from the development kit.

    Line i of ``ILSVRC2012_validation_ground_truth.txt`` is the ILSVRC2012_ID of image i; ``meta.mat`` gives the
    WordNet id of each of these numbers.

    Returns:
        Label 0..999 of each name.

    Raises:
        DataError: A file is missing or damaged, a number has no class, or the classes are not those of ILSVRC 2012.
    """
    problems: list[str] = []
    lines = read_lines(devkit, TRUTH_FILE, problems, REMEDY)
    if problems:
        raise DataError(f"{devkit}: {problems[0]}", REMEDY)
    labels = _labels_of_ids(devkit / META_FILE)
    found: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip().isdecimal() or int(line) not in labels:
            raise DataError(f"{devkit / TRUTH_FILE}, line {number}: expected an ILSVRC2012_ID from 1 to 1000", REMEDY)
        found[image_name(number)] = labels[int(line)]
    return found


def read_blacklist(path: Path) -> frozenset[str]:
    """Read the numbers of the images that the official localisation score leaves out, one a line.

    Raises:
        DataError: The file cannot be read, or a line is no number of a validation image.
    """
    problems: list[str] = []
    lines = read_lines(path.parent, path.name, problems, REMEDY)
    if problems:
        raise DataError(f"{path.parent}: {problems[0]}", REMEDY)
    for number, line in enumerate(lines, start=1):
        if line.strip() and not (line.strip().isdecimal() and 1 <= int(line) <= 50_000):
            raise DataError(f"{path}, line {number}: expected the number of an image from 1 to 50000", REMEDY)
    return frozenset(image_name(int(line)) for line in lines if line.strip())


def read_xml(path: Path) -> Annotated:
    """Read an annotation of ``ILSVRC2012_bbox_val_v3``: the class and its boxes, coordinates as written.

    A document type declaration is refused, so no entity is ever expanded.

    Raises:
        DataError: The file cannot be read, is no such annotation, names no class or several, or has a box that is
            not inside the image; a box may end on the frame's width or height, as the release counts.
    """
    try:
        content = path.read_bytes()
        if len(content) > _LARGEST_XML:
            raise ValueError(f"{len(content)} bytes are too many for an annotation")
        parser = ElementTree.XMLParser(target=_PlainTree())
        root: ElementTree.Element = ElementTree.fromstring(content, parser)
        return _annotated(root)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})", REMEDY) from error
    except (ValueError, LookupError, ElementTree.ParseError) as error:
        raise DataError(f"{path}: not an annotation of ILSVRC 2012 ({error})", REMEDY) from error


def read_box_table(path: Path) -> dict[str, Annotated]:
    """Read a table with one row for each box: file, imagenet_class, orig_w, orig_h, x0, y0, x1, y1.

    The first column may hold a path; its last part counts. Boxes are in pixels of the image as released.

    Returns:
        Class and boxes of each file name without suffix.

    Raises:
        DataError: Rows that are no such box or disagree on an image, all in one message.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file ({error.reason})") from error
    rows: dict[str, list[tuple[int, ...]]] = {}
    problems: list[str] = []
    for number, row in enumerate(csv.reader(line.split("#")[0] for line in lines[1:]), start=2):
        if not row:
            continue
        try:
            rows.setdefault(Path(row[0]).stem, []).append(_table_row(row[1:]))
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    for name, boxes in rows.items():
        if len({box[:3] for box in boxes}) > 1:
            problems.append(f"{name}: its rows name several classes or sizes")
    if problems or not rows:
        shown = problems[:_SHOWN] or ["no rows"]
        raise DataError(f"{path}: {len(problems)} problems:\n" + "\n".join(f"  {each}" for each in shown))
    return {
        name: Annotated(boxes[0][0], TrueBoxes(_edges([box[3:] for box in boxes]), boxes[0][1], boxes[0][2]))
        for name, boxes in rows.items()
    }


class _PlainTree(ElementTree.TreeBuilder):
    """A tree without document type declaration, hence without entities."""

    def doctype(self, name: str, _pubid: str | None, _system: str | None) -> None:
        raise ValueError(f"document type declaration {name!r}")


def _labels_of_ids(path: Path) -> dict[int, int]:
    """Label of each ILSVRC2012_ID of the 1,000 classes that have images."""
    synsets = read_variable(path, "synsets").reshape(-1)
    found: dict[int, int] = {}
    for synset in synsets:
        element = np.array([synset], dtype=synsets.dtype)
        ids = field(path, element, "ILSVRC2012_ID").ravel()
        names = field(path, element, "WNID").ravel()
        if ids.size and names.size and str(names[0]) in LABELS:
            found[int(ids[0])] = LABELS[str(names[0])]
    if sorted(found) != list(range(1, 1001)) or len(set(found.values())) != len(WORDNET_IDS):
        raise DataError(f"{path}: {len(found)} of the 1000 classes of ILSVRC 2012", REMEDY)
    return found


def _annotated(root: ElementTree.Element) -> Annotated:
    width, height = (_number(root, f"size/{name}") for name in ("width", "height"))
    objects = root.findall("object")
    names = sorted({(each.findtext("name") or "").strip() for each in objects})
    if len(names) != 1 or names[0] not in LABELS:
        raise ValueError(f"objects of {', '.join(names) or 'no class'}, expected one class of ILSVRC 2012")
    boxes = [tuple(_number(each, f"bndbox/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")) for each in objects]
    for x0, y0, x1, y1 in boxes:
        if not (0 <= x0 <= x1 <= width and 0 <= y0 <= y1 <= height):
            raise ValueError(f"box {x0},{y0},{x1},{y1} is not inside {width} x {height} pixels")
    return Annotated(LABELS[names[0]], TrueBoxes(_edges(boxes), width, height))


def _number(element: ElementTree.Element, path: str) -> int:
    text = (element.findtext(path) or "").strip()
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII):
        raise ValueError(f"{path} is {text!r}, expected a whole number")
    return int(text)


def _table_row(values: list[str]) -> tuple[int, ...]:
    if len(values) != 7 or not all(re.fullmatch(r"\s*\d{1,6}\s*", value, re.ASCII) for value in values):
        raise ValueError("expected a file and seven whole numbers")
    label, width, height, x0, y0, x1, y1 = (int(value) for value in values)
    if label >= len(WORDNET_IDS):
        raise ValueError(f"class {label}, expected 0..{len(WORDNET_IDS) - 1}")
    if not (x0 <= x1 < width and y0 <= y1 < height):
        raise ValueError(f"box {x0},{y0},{x1},{y1} is not inside {width} x {height} pixels")
    return label, width, height, x0, y0, x1, y1


def _edges(boxes: list[tuple[int, ...]]) -> NDArray[np.int32]:
    return np.array(boxes, dtype=np.int32).reshape(-1, 4)
