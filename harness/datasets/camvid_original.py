"""CamVid as its authors publish it: 701 frames of 960 x 720 pixels, labels painted in 32 colours.

The layout is that of Brostow, Fauqueur and Cipolla (Pattern Recognition Letters 2009): ``701_StillsRaw_full`` with
``<frame>.png``, ``LabeledApproved_full`` with ``<frame>_L.png``, and ``label_colors.txt``. The 32 classes are merged
into the eleven of Sturgess et al. (BMVC 2009) and void, in SegNet's order; the split is that of SegNet's release.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets.camvid import CLASSES, RELEASE_COUNTS
from harness.datasets.camvid_frames import RUNS, frames
from harness.datasets.colours import Colour, read_painted
from harness.datasets.folders import Release, check_split, files_below, locate, stray_files
from harness.datasets.labelled import Item, LabelledImages
from harness.datasets.lists import read_lines
from harness.datasets.segmented import VOID

COLOURS: Mapping[str, tuple[Colour, str | None]] = {
    "Animal": ((64, 128, 64), "pedestrian"),
    "Archway": ((192, 0, 128), "building"),
    "Bicyclist": ((0, 128, 192), "bicyclist"),
    "Bridge": ((0, 128, 64), "building"),
    "Building": ((128, 0, 0), "building"),
    "Car": ((64, 0, 128), "car"),
    "CartLuggagePram": ((64, 0, 192), "pedestrian"),
    "Child": ((192, 128, 64), "pedestrian"),
    "Column_Pole": ((192, 192, 128), "pole"),
    "Fence": ((64, 64, 128), "fence"),
    "LaneMkgsDriv": ((128, 0, 192), "road"),
    "LaneMkgsNonDriv": ((192, 0, 64), "road"),
    "Misc_Text": ((128, 128, 64), "sign"),
    "MotorcycleScooter": ((192, 0, 192), "bicyclist"),
    "OtherMoving": ((128, 64, 64), "car"),
    "ParkingBlock": ((64, 192, 128), "pavement"),
    "Pedestrian": ((64, 64, 0), "pedestrian"),
    "Road": ((128, 64, 128), "road"),
    "RoadShoulder": ((128, 128, 192), "pavement"),
    "Sidewalk": ((0, 0, 192), "pavement"),
    "SignSymbol": ((192, 128, 128), "sign"),
    "Sky": ((128, 128, 128), "sky"),
    "SUVPickupTruck": ((64, 128, 192), "car"),
    "TrafficCone": ((0, 0, 64), "pole"),
    "TrafficLight": ((0, 64, 64), "sign"),
    "Train": ((192, 64, 128), "car"),
    "Tree": ((128, 128, 0), "tree"),
    "Truck_Bus": ((192, 128, 192), "car"),
    "Tunnel": ((64, 0, 64), "building"),
    "VegetationMisc": ((192, 192, 0), "tree"),
    "Void": ((0, 0, 0), None),
    "Wall": ((64, 192, 0), "building"),
}
"""Colour of each class of ``label_colors.txt`` and the class it is merged into, None for void (SegNet's merging)."""

REMEDY = (
    "Unpack 701_StillsRaw_full.zip and LabeledApproved_full.zip from "
    "http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid into one folder and pass it as --data."
)

RELEASE = Release("camvid", RELEASE_COUNTS, REMEDY)

IMAGES = "701_StillsRaw_full"
LABELS = "LabeledApproved_full"
COLOUR_TABLE = "label_colors.txt"

_BELOW = ("CamVid", "camvid")
_COLOUR_LINE = re.compile(r"(\d+)\s+(\d+)\s+(\d+)\s+(\w+)")


def open_camvid_original(folder: Path, split: str, *, require_complete: bool = True) -> LabelledImages:
    """Find and check one split without decoding an image.

    Args:
        folder: The folder that holds ``701_StillsRaw_full`` and ``LabeledApproved_full``, or one that holds it as
            ``CamVid``.
        split: ``train``, ``val`` or ``test``: 367, 101 and 233 frames.
        require_complete: Refuse a split of which frames are missing.

    Raises:
        DataError: Everything that is missing, empty or inconsistent, in one message; also a ``label_colors.txt`` that
            differs from ``COLOURS``, and frames of no split.
        UsageError: There is no such split.
    """
    RELEASE.require(split)
    layout = f"{IMAGES}/ and {LABELS}/ of CamVid"
    root = locate(
        folder, _BELOW, lambda place: any((place / name).is_dir() for name in (IMAGES, LABELS)), layout, REMEDY
    )
    problems: list[str] = []
    every = {name for known in RUNS for name in frames(known)}
    for place, ending in ((IMAGES, ""), (LABELS, "_L")):
        names = [path.stem.removesuffix(ending) for path in files_below(root, place, "*.png", problems)]
        problems += stray_files(place, names, every, "names that the release does not have")
    problems += _differing_colours(root)
    items = [Item(name, root / IMAGES / f"{name}.png", root / LABELS / f"{name}_L.png") for name in frames(split)]
    where, here = check_split(root, RELEASE, split, items, require_complete=require_complete, problems=problems)
    return LabelledImages(where, here, CLASSES, read_colours)


def read_colours(path: Path) -> NDArray[np.uint8]:
    """Decode a label file painted in the colours of ``COLOURS``.

    Returns:
        uint8 [H, W], index into ``camvid.CLASSES`` or ``VOID``.

    Raises:
        DataError: The file cannot be read, is no RGB or palette image, or holds another colour.
    """
    return read_painted(path, _MERGED)


_MERGED = {colour: VOID if name is None else CLASSES.index(name) for colour, name in COLOURS.values()}


def _differing_colours(root: Path) -> list[str]:
    """In what the folder's table of colours differs from ``COLOURS``; nothing if the folder has none."""
    if not (root / COLOUR_TABLE).exists():
        return []
    problems: list[str] = []
    found: dict[str, Colour] = {}
    for number, line in enumerate(read_lines(root, COLOUR_TABLE, problems, REMEDY), start=1):
        match = _COLOUR_LINE.fullmatch(line.strip())
        if match:
            found[match[4]] = (int(match[1]), int(match[2]), int(match[3]))
        elif line.strip():
            problems.append(f"{COLOUR_TABLE}, line {number}: expected red, green, blue and the name of a class")
    known = {name: colour for name, (colour, _) in COLOURS.items()}
    problems += [f"{COLOUR_TABLE}: {name} missing" for name in sorted(known.keys() - found.keys())]
    for name, colour in found.items():
        if known.get(name) != colour:
            problems.append(f"{COLOUR_TABLE}: {name} {colour}, expected {known.get(name, 'no such class')}")
    return problems
