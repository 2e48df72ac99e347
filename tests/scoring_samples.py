"""A small paper with its experiments and a ledger of records with known outcomes, for the tests of results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ledger_samples import sample_record
from numpy.typing import NDArray
from scipy import stats

from harness.audit.run import audit
from harness.claims.load import load_paper
from harness.claims.model import Paper
from harness.experiment import Context, Experiment, Outcome, Reach, Unit
from harness.ledger.record import Code, Data, Record
from harness.ledger.store import Ledger, Stored
from harness.runner.identity import code_digest
from harness.scoring.join import join
from harness.scoring.model import ClaimRow, Measurement, RelationRow, Results
from harness.statistics.evidence import Evidence
from harness.statistics.verdicts import Margin

SOURCE = ("harness.scoring.scores",)
IMAGES = 400
SCENES = Data("scenes", "d" * 64, 3000, IMAGES)
IMAGENET = Data("imagenet/val", "e" * 64, 0, IMAGES)
HALF_POINT = Margin(0.5, "agreed beforehand")
ERRORS = {"Plain": 0.45, "Dilated": 0.3, "Degridded": 0.12}
"""What :func:`classified` is asked for, by system, as a fraction."""

TOML = """
[paper]
key = "mini"
title = "Mini"
authors = ["A"]
year = 2020
versions = ["v1"]

[sources]
text = "text"

[system]
Plain = {}
Dilated = { counterpart = "Plain" }
Degridded = { counterpart = "Dilated" }

[table.t1]
section = "Table 1"
caption = "Classification"
columns = [
  { id = "top1", metric = "top1-error", dataset = "imagenet/val", protocol = "1-crop", n = 400, unit = "%" },
  { id = "top1-10crop", metric = "top1-error", dataset = "imagenet/val", protocol = "10-crop", n = 400, unit = "%" },
  { id = "params", metric = "parameters", unit = "M" },
  { id = "rate", metric = "rate", unit = "images/s" },
]
rows."Plain" = ["30.0", "28.0", "11.7", "500"]
rows."Dilated" = ["25.0", "24.0", "11.7", "300"]
rows."Degridded" = ["20.0", "19.0", "21.2", "200"]

[table.t2]
section = "Table 2"
caption = "Localisation and segmentation"
columns = [
  { id = "loc", metric = "top1-localisation-error", dataset = "imagenet/val", n = 400, unit = "%" },
  { id = "iou-sky", metric = "iou", dataset = "cityscapes/val", n = 500, unit = "%" },
  { id = "miou", metric = "miou", dataset = "cityscapes/val", n = 500, unit = "%" },
]
rows."Plain" = ["60.0", "90.0", "66.0"]
rows."Dilated" = ["55.0", "91.0", "67.0"]
rows."Degridded" = ["50.0", "92.0", "68.0"]

[claim."s1/gain"]
value = "5.0"
unit = "pp"
metric = "difference"
system = "Dilated over Plain"
section = "Section 1"
quote = "by 5.0 points"

[claim."s1/crop"]
value = "224"
unit = "px"
metric = "image-side"
system = "input"
section = "Section 1"
quote = "224 pixels"

[[relation]]
id = "gain"
section = "Section 1"
quote = "by 5.0 points"
left = "t1/plain/top1 - t1/dilated/top1"
op = "="
right = "s1/gain"
unit = "pp"
direction = "t1/dilated/top1 < t1/plain/top1"

[[relation]]
id = "relative"
section = "Section 1"
quote = "a third fewer errors"
left = "(t1/plain/top1 - t1/degridded/top1) / t1/plain/top1"
op = ">"
right = "0.3"
unit = "1"
direction = "(t1/plain/top1 - t1/degridded/top1) / t1/plain/top1 > 0.3"

[[relation]]
id = "more-on-localisation"
section = "Section 1"
quote = "the gain on localisation is larger"
left = "t2/plain/loc - t2/degridded/loc"
op = ">="
right = "t1/plain/top1 - t1/degridded/top1"
unit = "pp"
direction = "t2/plain/loc - t2/degridded/loc > t1/plain/top1 - t1/degridded/top1"

[[relation]]
id = "ten-crops"
section = "Section 1"
quote = "also with ten crops"
left = "t1/dilated/top1-10crop"
op = "<"
right = "t1/plain/top1-10crop"
unit = "%"
direction = "t1/dilated/top1-10crop < t1/plain/top1-10crop"

[[relation]]
id = "segmentation"
section = "Section 1"
quote = "each is better"
universal = "each"
left = "t2/{better}/miou"
op = ">"
right = "t2/{worse}/miou"
unit = "%"
direction = "t2/{better}/miou > t2/{worse}/miou"
cases = [{ better = "dilated", worse = "plain" }, { better = "degridded", worse = "dilated" }]

[[relation]]
id = "same-size"
section = "Section 1"
quote = "no more parameters"
left = "t1/dilated/params"
op = "<="
right = "t1/plain/params"
unit = "M"
direction = "t1/dilated/params <= t1/plain/params"

[[relation]]
id = "slower"
section = "Section 1"
quote = "at most twice as slow"
left = "t1/plain/rate / t1/dilated/rate"
op = "<"
right = "2"
unit = "x"
direction = "t1/plain/rate / t1/dilated/rate < 2"

[[relation]]
id = "looks-better"
section = "Section 1"
quote = "visibly cleaner"
unchecked = "no number"
"""


def mini_paper(folder: Path) -> Paper:
    path = folder / "claims.toml"
    path.write_text(TOML, encoding="utf-8")
    return load_paper(path)


def never(unit: Unit, context: Context) -> Outcome:
    raise AssertionError(f"a report measures nothing: {unit}, {context}")


def experiment(key: str = "scenes", evidence: Evidence = Evidence.SYNTHETIC, **changes: Any) -> Experiment:
    usual = Experiment(
        key=key,
        title=key.capitalize(),
        evidence=evidence,
        systems=("Plain", "Dilated", "Degridded"),
        seeds=(0, 1, 2),
        reaches=(
            Reach("top1-error", "1-crop", HALF_POINT),
            Reach("top1-localisation-error"),
            Reach("miou"),
            Reach("iou"),
            Reach("parameters"),
            Reach("rate"),
        ),
        recipe={"epochs": 8},
        source=SOURCE,
        deviations=(),
        measure=never,
        command=f"remeasure run mini --only {key}",
    )
    return replace(usual, **changes)


def record_of(of: Experiment, system: str, seed: int = 0, **changes: Any) -> Record:
    settings: dict[str, Any] = {
        "paper": "mini",
        "experiment": of.key,
        "system": system,
        "evidence": of.evidence,
        "recipe": dict(of.recipe),
        "data": SCENES,
        "code": Code(code_digest(of.source)),
        "values": {},
        "log": (),
    }
    return sample_record(seed, **{**settings, **changes})


def classified(
    error: float, seed: int, *, images: int = IMAGES, spread: float = 0.0, shared: int = 0
) -> dict[str, NDArray[Any]]:
    """Draw ranks with an expected top-1 error; images have a difficulty that all systems and seeds share."""
    difficulty = np.random.default_rng(900 + shared).random(images)
    luck = np.random.default_rng([seed, round((error + 2) * 1e6), shared])
    chance = np.clip(error + 0.5 * (difficulty - 0.5) + spread * luck.normal(), 0, 1)
    return {"ranks": np.where(luck.random(images) < chance, luck.integers(1, 9, images), 0).astype(np.uint16)}


def located(error: float, seed: int, *, images: int = IMAGES) -> dict[str, NDArray[Any]]:
    luck = np.random.default_rng([seed, round(error * 1e6), 77])
    return {
        "loc_ranks": (luck.random(images) < 0.1).astype(np.uint16),
        "loc_iou": np.where(luck.random(images) < error, 0.3, 0.8).astype(np.float32),
    }


def segmented(skill: float, seed: int, *, images: int = 60, classes: int = 3) -> dict[str, NDArray[Any]]:
    luck = np.random.default_rng([seed, round(skill * 1e6), 5])
    pixels = np.random.default_rng(4).integers(50, 150, (images, classes))
    hits = luck.binomial(pixels, skill)
    confusion = np.zeros((images, classes, classes + 1), dtype=np.int32)
    index = np.arange(classes)
    confusion[:, index, index] = hits
    confusion[:, index, (index + 1) % classes] = pixels - hits
    return {"confusion": confusion}


def fill(
    ledger: Ledger, of: Experiment, errors: Mapping[str, float], seeds: Sequence[int] = (0, 1, 2), **changes: Any
) -> list[Stored]:
    """Add a classification record for every system and seed."""
    return [
        ledger.append(record_of(of, system, seed, **changes), classified(error, seed))
        for system, error in errors.items()
        for seed in seeds
    ]


def joined(paper: Paper, ledger: Ledger, *experiments: Experiment) -> Results:
    return join(paper, audit(paper), experiments, ledger)


def claim_row(results: Results, claim_id: str) -> ClaimRow:
    return next(row for row in results.claims if row.claim.id == claim_id)


def relation_row(results: Results, relation_id: str) -> RelationRow:
    return next(row for row in results.relations if row.relation.id == relation_id)


def measurement(results: Results, system: str, metric: str) -> Measurement:
    (found,) = (m for m in results.measurements if (m.system, m.metric) == (system, metric))
    return found


def per_image(system: str, seeds: tuple[int, ...] = (0, 1, 2)) -> NDArray[Any]:
    """Return the errors [S, N] that the records hold, in percent."""
    return np.array([100.0 * (classified(ERRORS[system], seed)["ranks"] >= 1) for seed in seeds])


def howe(per_seed: NDArray[Any], image_error: float) -> float:
    """Return the half-width of the interval over seeds [S] and images."""
    seeds = len(per_seed)
    by_seed = stats.t.ppf(0.975, seeds - 1) * per_seed.std(ddof=1) / math.sqrt(seeds)
    return math.hypot(by_seed, stats.t.ppf(0.975, IMAGES - 1) * image_error)
