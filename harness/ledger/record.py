"""What a run leaves behind: raw outcomes and everything that could have changed them.

A record is JSON with its arrays in an ``.npz`` beside it. Scores are never stored: they are recomputed from
per-image outcomes by :mod:`harness.scoring`, so that anyone can repeat every number on a laptop.

Arrays an experiment may keep (N test images, M localisation images, K classes, P panels, T timed repeats):

==================== ======================== ==========================================================
name                 dtype, shape             meaning
==================== ======================== ==========================================================
``ranks``            uint16 [N]               classes scored above the true one; 0 is a top-1 hit
``crop_ranks``       uint16 [N, crops]        the same for each crop by itself; their errors are averaged
``loc_ranks``        uint16 [M]               the same on the localisation images
``loc_iou``          float32 [M]              IoU of the true class's box with its best ground truth
``loc_boxes``        int16 [M, 4]             that box: x1, y1, x2, y2, inclusive
``loc_sweep``        float32 [M, T]           ``loc_iou`` at each threshold of the recipe
``confusion``        int32 [N, K, K+1]        pixels by truth and prediction; last column: out of range
``gridding``         float32 [M]              gridding of the true class's activation map
``seconds``          float64 [T]              duration of one timed repeat
``panel_images``     uint8 [P, H, W, 3]       embedded scenes shown in the report; never photographs
``panel_index``      int32 [P]                their place in the test set
``panel_maps``       float32 [P, h, w]        activation of the true class
``panel_boxes``      int16 [P, 2, 4]          ground truth and predicted box
``panel_truth``      uint8 [P, H, W]          ground-truth label map
``panel_labels``     uint8 [P, H, W]          predicted label map
==================== ======================== ==========================================================

A trained network may be measured in several ways: after post-processing, or with a module added that is trained on top.
The arrays of such a variant carry its suffix (``confusion.crf``), and the recipe's ``variants`` say which system each
suffix measures: ``{"crf": "{system} + CRF"}``, with the record's own system for ``{system}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from numpy.typing import NDArray

from harness.statistics.evidence import Evidence as Evidence


class Deviation(msgspec.Struct, frozen=True):
    """One difference from the paper's protocol.

    Attributes:
        effect: What the difference does to the number, or "unmeasured".
    """

    date: str
    topic: str
    paper: str
    where: str
    ours: str
    why: str
    effect: str = "unmeasured"


class Code(msgspec.Struct, frozen=True):
    """``digest`` covers the source files that can change the outcome; ``commit`` is None outside a checkout."""

    digest: str
    commit: str | None = None
    dirty: bool = False


class Data(msgspec.Struct, frozen=True):
    """The images used: ``digest`` covers their list and bytes, counts are images."""

    name: str
    digest: str
    train: int
    test: int
    note: str = ""


class Environment(msgspec.Struct, frozen=True):
    """Where it ran. ``device`` is "cpu" or the accelerator's name; ``threads`` are torch's."""

    python: str
    platform: str
    processor: str
    cores: int
    threads: int
    device: str
    packages: dict[str, str]


class ArrayInfo(msgspec.Struct, frozen=True):
    """Shape, dtype and sha256 of the array's C-ordered little-endian bytes."""

    dtype: str
    shape: tuple[int, ...]
    sha256: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One system measured once.

    Attributes:
        recipe: Every setting of the run, defaults included; plain JSON.
        values: Exact quantities and single figures that are not per image (parameters, peak memory).
        log: One row per epoch or phase: loss, learning rate, seconds.
        complete: False for an evaluation that stopped early; such a record never gets a verdict.
        peak_memory: Most memory the measuring process had resident up to the record's end, in MiB; left out if unknown.
    """

    paper: str
    experiment: str
    system: str
    seed: int
    evidence: Evidence
    recipe: dict[str, Any]
    data: Data | None
    code: Code
    environment: Environment
    deviations: tuple[Deviation, ...]
    started: str
    seconds: float
    values: dict[str, int | float | str] = {}
    arrays: dict[str, ArrayInfo] = {}
    log: tuple[dict[str, int | float | str], ...] = ()
    complete: bool = True
    schema: int = 1
    peak_memory: float | msgspec.UnsetType = msgspec.UNSET


def measured_systems(recipe: Mapping[str, Any], system: str) -> dict[str, str]:
    """Return the system that the arrays with each suffix measure; the empty suffix measures ``system`` itself."""
    variants = recipe.get("variants", {})
    return {"": system} | {suffix: name.replace("{system}", system) for suffix, name in variants.items()}


def variant_arrays(arrays: Mapping[str, NDArray[Any]], suffix: str) -> dict[str, NDArray[Any]]:
    """Return the arrays with a suffix by their names without it; those without any for the empty suffix."""
    parts = {name: name.partition(".") for name in arrays}
    return {stem: arrays[name] for name, (stem, _, own) in parts.items() if own == suffix}
