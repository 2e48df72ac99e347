"""Results like those of a real run, from invented outcomes on real scenes, for the tests of reports."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ledger_samples import sample_record
from numpy.typing import NDArray
from scoring_samples import SOURCE, classified, joined, located, never, segmented

from harness.claims.model import Paper
from harness.datasets.scenes import CLASS_NAMES, generate
from harness.experiment import Experiment, Reach
from harness.ledger.record import Code, Data, Deviation, Record
from harness.ledger.store import Ledger
from harness.runner.identity import code_digest
from harness.scoring.model import Results
from harness.statistics.evidence import Evidence
from harness.wording.numbers import MINUS, THIN

SKILL = {"ResNet-18": 0.62, "DRN-A-18": 0.7, "DRN-B-26": 0.71, "DRN-C-26": 0.78}
SEEDS = (0, 1, 2)
CLASSES = ("background", *CLASS_NAMES)
PARAMETERS = {"ResNet-18": 11_689_512, "DRN-A-18": 11_689_512, "DRN-B-26": 21_126_584, "DRN-C-26": 21_126_584}
SHORT = Deviation(
    "2025-01-02", "schedule", "120 epochs", "Section 5.1", "8 epochs", "ten minutes on two cores", "unmeasured"
)
PHOTOGRAPHS = Data("imagenette2-112", "9" * 64, 9469, 3925, "stretched to squares")
SCENES = Data("scenes", "d" * 64, 3000, 400)

Arrays = dict[str, NDArray[Any]]
ArraysOf = Callable[[str], Mapping[str, NDArray[Any]]]


def experiments(paper: Paper) -> tuple[Experiment, ...]:
    """Return an exact, a synthetic, a scaled-down and a timed experiment for a paper with the systems of ``SKILL``."""
    trained = Experiment(
        key="scenes",
        title="Training on scenes",
        evidence=Evidence.SYNTHETIC,
        systems=tuple(SKILL),
        seeds=SEEDS,
        reaches=(Reach("top1-error", "1-crop"), Reach("top1-localisation-error"), Reach("miou")),
        recipe={"epochs": 8, "classes": list(CLASSES)},
        source=SOURCE,
        deviations=(SHORT,),
        measure=never,
        command=f"remeasure run {paper.key}",
    )
    return (
        replace(
            trained,
            key="counts",
            title="Counts",
            evidence=Evidence.EXACT,
            seeds=(0,),
            reaches=(Reach("parameters"),),
            recipe={},
            deviations=(),
        ),
        trained,
        replace(trained, key="imagenette", title="Training on Imagenette", evidence=Evidence.SCALED_DOWN),
        replace(
            trained,
            key="speed",
            title="Throughput",
            evidence=Evidence.TIMING,
            seeds=(0,),
            reaches=(),
            recipe={"batch": 8},
        ),
    )


def fill_exact(ledger: Ledger, of: Experiment) -> None:
    for system, parameters in PARAMETERS.items():
        values = {"parameters": parameters, "output-stride": 32 if system.startswith("ResNet") else 8}
        ledger.append(record(of, system, 0, values=values, data=None), {})


def fill_trained(ledger: Ledger, of: Experiment, *, pictures: bool, data: Data = SCENES) -> None:
    """Add a record for every system and seed; ``pictures`` are scenes, kept only where they may be shown."""
    for seed in SEEDS:
        for system, skill in SKILL.items():
            arrays = {
                **classified(1 - skill, seed, spread=0.01),
                **located(1.3 - skill, seed),
                **segmented(skill, seed, images=120, classes=len(CLASSES)),
                **panels(system, seed, pictures=pictures),
            }
            ledger.append(record(of, system, seed, data=data), arrays)


def fill_timed(ledger: Ledger, of: Experiment) -> None:
    for place, system in enumerate(SKILL):
        seconds = np.random.default_rng(place).normal(0.02 + 0.015 * place, 0.001, 40)
        ledger.append(record(of, system, 0, data=None, values={"memory": 120.5 + place}), {"seconds": seconds})


def panels(system: str, seed: int, *, count: int = 4, pictures: bool = True) -> Arrays:
    """Return what a localising network keeps for the report, on real scenes and with an invented network."""
    scenes = generate(count, 77)
    side = scenes.images.shape[1]
    cells = 3 if system.startswith("ResNet") else 12
    noise = np.random.default_rng([seed, len(system)])
    coarse = (
        (scenes.masks == scenes.labels[:, None, None] + 1).reshape(count, cells, side // cells, cells, -1).mean((2, 4))
    )
    maps = np.clip(SKILL[system] * coarse + 0.12 * noise.random(coarse.shape), 0, 1).astype(np.float32)
    boxes = np.stack([scenes.boxes, np.clip(scenes.boxes + noise.integers(-5, 6, (count, 4)), 0, side - 1)], axis=1)
    boxes[-1, 1] = -1
    labels = np.where(noise.random(scenes.masks.shape) < SKILL[system], scenes.masks, 0)
    kept: Arrays = {
        "panel_index": np.arange(count, dtype=np.int32) * 7,
        "panel_maps": maps,
        "panel_boxes": boxes.astype(np.int16),
        "panel_truth": scenes.masks,
        "panel_labels": labels.astype(np.uint8),
    }
    return {**kept, "panel_images": scenes.images} if pictures else kept


def record(of: Experiment, system: str, seed: int, **changes: Any) -> Record:
    settings: dict[str, Any] = {
        "paper": "drn",
        "experiment": of.key,
        "system": system,
        "evidence": of.evidence,
        "recipe": dict(of.recipe),
        "code": Code(code_digest(of.source), "0123456789abcdef", True),
        "deviations": of.deviations,
        "values": {},
        "log": (),
    }
    return sample_record(seed, **{**settings, **changes})


def full_results(paper: Paper, folder: Path) -> tuple[Results, ArraysOf]:
    """Return the results of all four experiments and the function that gives a record's arrays."""
    ledger = Ledger(folder)
    exact, scenes, photographs, speed = experiments(paper)
    fill_exact(ledger, exact)
    fill_trained(ledger, scenes, pictures=True)
    fill_trained(ledger, photographs, pictures=False, data=PHOTOGRAPHS)
    fill_timed(ledger, speed)
    return joined(paper, ledger, exact, scenes, photographs, speed), arrays_of(ledger)


def arrays_of(ledger: Ledger) -> ArraysOf:
    stored = {found.digest: found for found in ledger.records()}
    return lambda digest: stored[digest].arrays()


def no_arrays(digest: str) -> Mapping[str, NDArray[Any]]:
    raise AssertionError(f"no arrays were asked for: {digest}")


def numbers(text: str) -> list[float]:
    """Return the numbers that a text shows."""
    plain = text.replace(MINUS, "-").replace(THIN, "")
    return [float(found) for found in re.findall(r"(?<![\w.-])[-+]?\d+(?:\.\d+)?", plain)]
