"""From a paper's recipe and measurement to an experiment. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.experiment import Context, Cost, Experiment, Options, Outcome, Photographs, Progress, Reach, Trade, Unit
from harness.ledger.record import Data, Deviation, Record
from harness.packages import missing, remedy
from harness.segmentation.recipe import PhotoData, PhotoSet, Recipe, Scale, SceneData, Source
from harness.segmentation.sets import Sets, load_sets
from harness.statistics.evidence import Evidence

SEEDS = 3
FEWEST_SEEDS, FEWEST_EPOCHS = 2, 3
"""Below these a time budget leaves nothing worth comparing."""

SOURCE = (
    "harness.datasets.digest",
    "harness.datasets.images",
    "harness.datasets.scenes",
    "harness.datasets.segmented",
    "harness.datasets.sprites",
    "harness.engine.evaluate",
    "harness.engine.examples",
    "harness.engine.images",
    "harness.engine.losses",
    "harness.engine.optimiser",
    "harness.engine.processes",
    "harness.engine.recipe",
    "harness.engine.train",
    "harness.engine.variation",
    "harness.metrics.segmentation",
    "harness.metrics.trimap",
    "harness.segmentation.desk",
    "harness.segmentation.recipe",
    "harness.segmentation.sets",
)
"""What every comparison is measured by."""
CRF_SOURCE = (
    "harness.crf.kernels",
    "harness.crf.lattice",
    "harness.crf.mean_field",
    "harness.crf.parameters",
    "harness.engine.crf",
    "harness.engine.grid_search",
)
"""What a dense CRF is made of."""

_NAMES: Mapping[PhotoSet, str] = {"camvid": "CamVid", "voc": "PASCAL VOC 2012"}
_LAYOUTS: Mapping[PhotoSet, str] = {
    "camvid": "a folder that holds CamVid: --data DIR",
    "voc": "a folder that holds VOCdevkit: --data DIR",
}

Measure = Callable[[Unit, Context, Recipe, Sets], Outcome]


@dataclass(frozen=True, kw_only=True)
class Design:
    """A controlled comparison as a paper declares it.

    Attributes:
        paper, key, title: Of the experiment.
        systems: Compared with each other under one recipe.
        recipe: All settings; its ``data`` decides what kind of evidence comes out.
        measure: Measures one unit; imports torch only when it is called.
        reaches: Which printed numbers it stands beside.
        source: Modules besides ``SOURCE`` that can change the outcome.
        deviations: From the paper.
        weights: File that the networks start from, in the data folder; empty if they start from nothing.
        packages: That it takes and Remeasure can do without elsewhere.
    """

    paper: str
    key: str
    title: str
    systems: tuple[str, ...]
    recipe: Recipe
    measure: Measure
    reaches: tuple[Reach, ...] = (Reach("miou"), Reach("iou"))
    source: tuple[str, ...]
    deviations: tuple[Deviation, ...]
    weights: str = ""
    packages: tuple[str, ...] = ()


def scale_of(options: Options) -> Scale:
    """Return the scale of a run's comparisons that need no GPU."""
    return "toy" if options.toy else "cpu"


def gpu_scale_of(options: Options) -> Scale:
    """Return the scale of a run's comparisons that take a GPU, unless they only test the path."""
    return "toy" if options.toy else "gpu"


def declare(design: Design, options: Options) -> Experiment:
    """Make an experiment of a design; a data folder is looked at only when its units are measured."""
    data = design.recipe.data

    def sets(progress: Progress | None = None) -> Sets:
        return load_sets(data, options.data, progress)

    def measure(unit: Unit, context: Context) -> Outcome:
        return design.measure(unit, context, design.recipe, sets())

    def cost(unit: Unit, device: str) -> Cost:
        from harness.segmentation.cost import estimate

        return estimate(design.measure, unit, device, design.recipe, sets())

    photographs = isinstance(data, PhotoData)
    epochs = design.recipe.training.epochs
    return Experiment(
        key=design.key,
        title=design.title,
        evidence=Evidence.SCALED_DOWN if photographs else Evidence.SYNTHETIC,
        systems=design.systems,
        seeds=tuple(range(options.seeds if options.seeds is not None else 1 if options.toy else SEEDS)),
        reaches=design.reaches,
        recipe=msgspec.to_builtins(design.recipe),
        source=(*SOURCE, *(_photo_source(data)), *design.source),
        deviations=design.deviations,
        measure=measure,
        command=_command(design),
        data=lambda progress: _described(data, sets(progress)),
        cost=cost,
        trade=Trade(epochs, min(FEWEST_EPOCHS, epochs), FEWEST_SEEDS),
        shared=True,
        needs=_needs(design, options),
    )


def photographs_in(folder: Path, recipe_type: type[Recipe]) -> Photographs:
    """Return the photographs that records show label maps of, for private reports.

    Args:
        folder: With the photographs.
        recipe_type: The paper's own kind of recipe.
    """

    def look_up(record: Record, places: NDArray[np.int32]) -> NDArray[np.uint8]:
        recipe = msgspec.convert(record.recipe, recipe_type)
        return load_sets(recipe.data, folder).test.pixels[places]

    return look_up


def _command(design: Design) -> str:
    data = " --data DIR" if isinstance(design.recipe.data, PhotoData) else ""
    device = " --device cuda" if design.recipe.scale == "gpu" else ""
    return f"remeasure run {design.paper} --only {design.key}{data}{device}"


def _needs(design: Design, options: Options) -> str:
    """Return what an experiment lacks to run with the options at hand."""
    data = design.recipe.data
    needs = [f"{package}: {remedy(package)}" for package in missing(*design.packages)]
    if design.recipe.scale == "gpu" and options.device != "cuda":
        needs.append("a GPU: --device cuda")
    if isinstance(data, PhotoData) and options.data is None:
        needs.append(_LAYOUTS[data.dataset])
    elif design.weights and options.data is not None and not (options.data / design.weights).is_file():
        needs.append(f"{design.weights} in the data folder")
    return "; ".join(needs)


def _photo_source(data: Source) -> tuple[str, ...]:
    return () if isinstance(data, SceneData) else (f"harness.datasets.{data.dataset}", "harness.datasets.lists")


def _described(data: Source, sets: Sets) -> Data:
    counts: dict[str, Any] = {"train": len(sets.train), "test": len(sets.test)}
    tuning = f"{len(sets.tuning)} more for tuning"
    if isinstance(data, SceneData):
        note = f"drawn from seeds by integer arithmetic; the same bytes on every machine; {tuning}"
        return Data("procedural scenes", sets.digest, note=note, **counts)
    return Data(_NAMES[data.dataset], sets.digest, note=tuning, **counts)
