"""What is measured of the paper: derivations, networks trained from scratch, and speed. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.derivation import derivation
from harness.errors import UsageError
from harness.experiment import (
    Context,
    Cost,
    Experiment,
    Options,
    Outcome,
    Photographs,
    Progress,
    Reach,
    Trade,
    Unit,
)
from harness.ledger.record import Data, Deviation, Record
from harness.statistics.evidence import Evidence
from reproductions.drn import gpu_recipes, recipes
from reproductions.drn.deviations import EXACT, deviations
from reproductions.drn.pictures import Pictures, photo_pictures, scene_pictures
from reproductions.drn.recipes import PhotoRecipe, Recipe, Scale, Source
from reproductions.drn.released_experiments import released
from reproductions.drn.specs import Schedule

SEEDS = 3
FEWEST_SEEDS, FEWEST_EPOCHS = 2, 3
"""Below these a time budget leaves nothing worth comparing."""
CACHE = Path(".remeasure") / "images"
"""Where decoded photographs are kept."""

TABLE_1 = (
    *("ResNet-18", "DRN-A-18", "DRN-B-26", "DRN-C-26", "ResNet-34", "DRN-A-34", "DRN-C-42"),
    *("ResNet-50", "DRN-A-50", "ResNet-101"),
)
"""The networks of the paper's tables."""

STATEMENTS = (
    "ResNet",
    "DRN",
    "DRN-A, G4 after its first layer",
    "DRN-A, G5 after its first layer",
    "DRN-B, level 6",
    "DRN-B, level 7",
    "DRN-B, level 8",
    "reduction of resolution by the first layer of G4 or G5",
    "output resolution of a ResNet without striding in G4 and G5",
    "receptive field of an output unit of a ResNet without striding in G4 and G5",
    "values that global average pooling takes in, DRN over ResNet",
    "depth of ResNet-101 over DRN-C-42",
    "depth of ResNet-101 over DRN-C-26",
)
"""What the text says numbers about, in the words of the claims file."""

_MODELS = (
    "reproductions.drn.models",
    "reproductions.drn.specs",
    "harness.networks.residual",
    "harness.networks.upsampling",
    "harness.networks.width",
)
_DERIVED = (*_MODELS, "reproductions.drn.exact", "harness.architecture")
_TRAINED = (
    *_MODELS,
    "reproductions.drn.comparison",
    "reproductions.drn.pictures",
    "harness.architecture.gridding",
    "harness.datasets.digest",
    "harness.datasets.imagenette",
    "harness.datasets.images",
    "harness.datasets.scenes",
    "harness.datasets.segmented",
    "harness.datasets.sprites",
    "harness.engine.evaluate",
    "harness.engine.examples",
    "harness.engine.images",
    "harness.engine.localise",
    "harness.engine.losses",
    "harness.engine.optimiser",
    "harness.engine.processes",
    "harness.engine.recipe",
    "harness.engine.train",
    "harness.engine.variation",
    "harness.metrics.classification",
    "harness.metrics.localisation",
    "harness.metrics.segmentation",
)
_CLASSIFICATION = (Reach("top1-error", "1-crop"), Reach("top5-error", "1-crop"))
_LOCALISATION = (Reach("top1-localisation-error"), Reach("top5-localisation-error"))
_derivation = partial(
    derivation,
    paper="drn",
    recipe={"image-side": recipes.IMAGE_SIDE, "dilation": Schedule.PAPER.value},
    source=_DERIVED,
    deviations=EXACT,
)
"""Declares one of the paper's derivations."""


def experiments(options: Options) -> tuple[Experiment, ...]:
    """Declare all experiments, those that lack something included; a data folder is not looked at here."""
    scales: tuple[Scale, ...] = ("toy",) if options.toy else ("cpu", "gpu")
    trained = (*(_scenes(options, scale) for scale in scales), _photographs(options), _photographs_on_gpu(options))
    timed = (
        _timing(key, title, batch, cuda=cuda)
        for key, title, batch in (("latency", "Time for one image", 1), ("throughput", "Time for a batch", 0))
        for cuda in (False, True)
    )
    return (_architecture(), _statements(), *trained, *timed, *released(options))


def photographs(folder: Path) -> Photographs:
    """Return the photographs that records of Imagenette show maps of, for private reports."""

    def look_up(record: Record, places: NDArray[np.int32]) -> NDArray[np.uint8]:
        recipe = msgspec.convert(record.recipe["data"], PhotoRecipe)
        return photo_pictures(folder, recipe, CACHE).pictured.pixels[places]

    return look_up


def _architecture() -> Experiment:
    def measure(unit: Unit, context: Context) -> Outcome:
        from reproductions.drn.exact import architecture

        return architecture(unit, context)

    metrics = ("parameters", "layers", "multiply-adds", "receptive-field", "output-stride", "map-side", "gridding")
    return _derivation("architecture", "Quantities of the built networks", TABLE_1, metrics, measure)


def _statements() -> Experiment:
    def measure(unit: Unit, context: Context) -> Outcome:
        from reproductions.drn.exact import statement

        return statement(unit, context)

    metrics = ("output-stride", "map-side", "dilation", "ratio")
    return _derivation("statements", "What the text says about the networks", STATEMENTS, metrics, measure)


def _scenes(options: Options, scale: Scale) -> Experiment:
    key = _scaled("scenes", scale)
    recipe, full = recipes.scenes(scale, options.epochs.get(key)), recipes.scenes(scale)
    data = recipe.data

    def pictures() -> Pictures:
        return scene_pictures(data)

    def describe(progress: Progress) -> Data:
        progress("drawing scenes", 0, 1)
        note = "drawn from seeds by integer arithmetic; the same bytes on every machine"
        return Data("procedural scenes", pictures().digest, data.train, data.test, note)

    return _comparison(
        options,
        key=key,
        title=f"Trained from scratch on procedural scenes{_AT_SCALE[scale]}",
        evidence=Evidence.SYNTHETIC,
        reaches=(*_CLASSIFICATION, *_LOCALISATION, Reach("miou"), Reach("gridding")),
        recipe=recipe,
        differences=deviations(recipe, full.classification.epochs),
        pictures=pictures,
        describe=describe,
        command=f"remeasure run drn --only {key}",
    )


def _photographs(options: Options) -> Experiment:
    """Declare the sequence of Figure 3 on small photographs."""
    key = "imagenette"
    scale: Literal["toy", "cpu"] = "toy" if options.toy else "cpu"
    return _on_photographs(
        options,
        key=key,
        title=f"Trained from scratch on ten classes of ImageNet{_AT_SCALE[scale]}",
        recipe=recipes.photographs(scale, options.epochs.get(key)),
        full=recipes.photographs(scale),
    )


def _photographs_on_gpu(options: Options) -> Experiment:
    """Declare the networks of Tables 1 and 2 under the paper's recipe."""
    key = "imagenette-gpu"
    scale: Literal["toy", "gpu"] = "toy" if options.toy else "gpu"
    return _on_photographs(
        options,
        key=key,
        title=f"Trained from scratch on ten classes of ImageNet, on a GPU{', toy' if options.toy else ''}",
        recipe=gpu_recipes.photographs(scale, options.epochs.get(key)),
        full=gpu_recipes.photographs(scale),
        systems=gpu_recipes.SYSTEMS,
        seeds=gpu_recipes.SEEDS,
    )


def _on_photographs(
    options: Options,
    *,
    key: str,
    title: str,
    recipe: Recipe[PhotoRecipe],
    full: Recipe[PhotoRecipe],
    systems: tuple[str, ...] = recipes.SYSTEMS,
    seeds: int = SEEDS,
) -> Experiment:
    """Declare a comparison on Imagenette; ``full`` is its recipe without a time budget."""

    def pictures(progress: Progress | None = None) -> Pictures:
        if options.data is None:
            raise UsageError("no folder with photographs was given", "Name an Imagenette folder: --data DIR.")
        return photo_pictures(options.data, recipe.data, CACHE, progress)

    def describe(progress: Progress) -> Data:
        decoded = pictures(progress)
        boxed = 0 if decoded.boxed is None else len(decoded.boxed.labels)
        note = f"{boxed} images with official boxes, none of them trained on, for localisation"
        return Data("Imagenette", decoded.digest, len(decoded.train.labels), len(decoded.test.labels), note)

    return _comparison(
        options,
        key=key,
        title=title,
        evidence=Evidence.SCALED_DOWN,
        reaches=(*_CLASSIFICATION, *_LOCALISATION, Reach("gridding")),
        recipe=recipe,
        differences=deviations(recipe, full.classification.epochs),
        pictures=pictures,
        describe=describe,
        command=f"remeasure run drn --only {key} --data DIR",
        needs="" if options.data is not None else "an Imagenette folder: --data DIR",
        systems=systems,
        seeds=seeds,
    )


def _timing(key: str, title: str, batch: int, *, cuda: bool) -> Experiment:
    """Declare what ``benchmarks/test_throughput.py`` measures; ``batch`` 0 means enough to keep the device busy."""

    def measure(unit: Unit, _context: Context) -> Outcome:
        raise UsageError(f"{unit.system} is timed together with the other systems, not alone", "Run nox -s bench.")

    return Experiment(
        key=_scaled(key, "gpu" if cuda else "cpu"),
        title=f"{title}{_AT_SCALE['gpu'] if cuda else ''}",
        evidence=Evidence.TIMING,
        systems=TABLE_1,
        seeds=(0,),
        reaches=(),
        recipe={
            "batch": batch or (64 if cuda else 4),
            "image-side": recipes.IMAGE_SIDE,
            "precision": "bfloat16" if cuda else "float32",
            "blocks": recipes.TIMING_BLOCKS,
            "rounds": 20 if cuda else 2,
            "warm-up": 5 if cuda else 1,
        },
        source=(*_MODELS, "harness.engine.throughput"),
        deviations=(),
        measure=measure,
        command="nox -s bench",
        needs="a session of its own, in which all systems take turns: nox -s bench",
    )


_AT_SCALE: Mapping[Scale, str] = {"toy": ", toy", "cpu": "", "gpu": ", on a GPU"}


def _scaled(key: str, scale: Scale) -> str:
    """Name what runs on a GPU apart: another recipe is another experiment, and both stand in the report."""
    return f"{key}-gpu" if scale == "gpu" else key


def _needed_device(options: Options, scale: Scale) -> str:
    if scale == "gpu" and options.device != "cuda":
        return "a GPU: --device cuda"
    return "the CPU: --device cpu" if scale == "cpu" and options.device == "cuda" else ""


def _comparison(
    options: Options,
    *,
    key: str,
    title: str,
    evidence: Evidence,
    reaches: tuple[Reach, ...],
    recipe: Recipe[Source],
    differences: tuple[Deviation, ...],
    pictures: Callable[[], Pictures],
    describe: Callable[[Progress], Data],
    command: str,
    needs: str = "",
    systems: tuple[str, ...] = recipes.SYSTEMS,
    seeds: int = SEEDS,
) -> Experiment:
    """Declare a trained comparison; ``needs`` is what it lacks besides a device."""
    lacks = tuple(lack for lack in (_needed_device(options, recipe.scale), needs) if lack)

    def measure(unit: Unit, context: Context) -> Outcome:
        from reproductions.drn.comparison import measure

        return measure(unit, context, recipe, pictures())

    def cost(unit: Unit, device: str) -> Cost:
        from reproductions.drn.cost import estimate

        return estimate(unit, device, recipe, pictures())

    epochs = recipe.classification.epochs
    return Experiment(
        key=key,
        title=title,
        evidence=evidence,
        systems=systems,
        seeds=tuple(range(options.seeds if options.seeds is not None else 1 if options.toy else seeds)),
        reaches=reaches,
        recipe=msgspec.to_builtins(recipe),
        source=_TRAINED,
        deviations=differences,
        measure=measure,
        command=f"{command} --device cuda" if recipe.scale == "gpu" else command,
        data=describe,
        cost=cost,
        trade=Trade(epochs, min(FEWEST_EPOCHS, epochs), FEWEST_SEEDS),
        shared=True,
        needs="; ".join(lacks),
    )
