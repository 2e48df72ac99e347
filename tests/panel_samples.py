"""Label panels of invented networks, with variants of each, for the tests of galleries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scoring_samples import experiment, record_of, segmented

from harness.experiment import Experiment
from harness.ledger.store import Ledger

Labels = NDArray[np.uint8]
VOID = 255
CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "table",
    "dog", "horse", "motorbike", "person", "plant", "sheep", "sofa", "train", "monitor",
)  # fmt: skip
INDEX = (3, 8, 21)
LABEL_SKILL = {"Plain": 0.6, "Dilated": 0.75, "Degridded": 0.85}
VARIANTS = {"crf": "{system} + CRF"}


def labelling(**changes: Any) -> Experiment:
    """Return an experiment whose systems are shown before and after a CRF."""
    recipe = {"epochs": 8, "classes": list(CLASSES), "variants": VARIANTS}
    return experiment("labels", title="Labels, before and after", recipe=recipe, **changes)


def true_labels(classes: int = len(CLASSES), *, side: int = 60, void: bool = True) -> Labels:
    """Return uint8 [3, side, side]: regions of a label each, void between them."""
    stream = np.random.default_rng(3)
    pixels = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), axis=-1)
    maps = []
    for _ in INDEX:
        centres = stream.uniform(0, side, (classes + 3, 2))
        distance = np.linalg.norm(pixels[:, :, None] - centres, axis=-1)
        nearest = np.sort(distance, axis=-1)
        labels = distance.argmin(axis=-1) % classes
        maps.append(np.where(void & (nearest[..., 1] - nearest[..., 0] < 1.5), VOID, labels))
    return np.stack(maps).astype(np.uint8)


def predicted(truth: Labels, share: float, seed: int) -> Labels:
    """Return labels that are right in about this share of squares of five pixels, and never void."""
    stream = np.random.default_rng([seed, round(1000 * share)])
    squares = tuple(side // 5 for side in truth.shape[1:])
    wrong = stream.random((len(truth), *squares)).repeat(5, axis=1).repeat(5, axis=2) > share
    other = stream.integers(0, len(CLASSES), (len(truth), *squares)).repeat(5, axis=1).repeat(5, axis=2)
    return np.where(wrong | (truth == VOID), other, truth).astype(np.uint8)


def panels(system: str, seed: int, truth: Labels, *, pictures: bool) -> dict[str, NDArray[Any]]:
    """Return the panels of a system and of its variant "crf"."""
    skill = LABEL_SKILL[system]
    kept: dict[str, NDArray[Any]] = {
        "panel_index": np.array(INDEX, dtype=np.int32),
        "panel_truth": truth,
        "panel_labels": predicted(truth, skill, seed),
        "panel_labels.crf": predicted(truth, skill + 0.1, seed),
    }
    images = np.random.default_rng(1).integers(0, 255, (*truth.shape, 3)).astype(np.uint8)
    return {**kept, "panel_images": images} if pictures else kept


def fill_panels(ledger: Ledger, of: Experiment, truth: Labels | None = None, *, pictures: bool = True) -> None:
    """Add a record with confusion counts and panels for every system and seed."""
    truth = true_labels() if truth is None else truth
    for seed in of.seeds:
        for system, skill in LABEL_SKILL.items():
            counts = segmented(skill, seed, classes=len(CLASSES))["confusion"]
            after = segmented(skill + 0.1, seed, classes=len(CLASSES))["confusion"]
            arrays = {"confusion": counts, "confusion.crf": after, **panels(system, seed, truth, pictures=pictures)}
            ledger.append(record_of(of, system, seed), arrays)
