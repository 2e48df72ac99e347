"""What is measured of the paper: derivations, trained comparisons and speed. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from harness.derivation import derivation
from harness.errors import UsageError
from harness.experiment import Context, Experiment, Options, Outcome, Photographs, Reach, Unit
from harness.ledger.record import Deviation
from harness.segmentation.declare import CRF_SOURCE, Design, Measure, declare, gpu_scale_of, photographs_in, scale_of
from harness.segmentation.recipe import Recipe
from harness.segmentation.sets import Sets
from harness.statistics.evidence import Evidence
from reproductions.deeplab import recipes, residual_recipes
from reproductions.deeplab.deviations import EXACT, TIMED, deviations
from reproductions.deeplab.protocol_experiments import protocols
from reproductions.deeplab.released_experiments import released
from reproductions.deeplab.residual_deviations import residual_deviations
from reproductions.deeplab.specs import BRANCHES, CROP, MODELS, RESNETS, TABLE_1, TABLE_3

STATEMENTS = (
    "DeepLab",
    "VGG-16 or ResNet-101 for classification",
    "density of the feature maps by atrous convolution",
    "bilinear interpolation of the score map",
    "bilinear interpolation to the original resolution",
    "convolutions after a stride set to 1",
    "typical kernel of a DCNN",
    "rescaled versions of the image",
    "VGG-16, fc6 and fc7",
    "VGG-16 LargeFOV (step), fc6 and fc7",
    "VGG-16 ASPP",
    "branches of VGG-16 ASPP-S",
    "branches of VGG-16 ASPP-L",
    *(f"{name}, {branch} branch" for name in TABLE_3 for branch in BRANCHES[: len(MODELS[name].rates)]),
    "layer on top of ResNet-101 + LargeFOV",
    "3x3 convolution",
    "3x3 atrous convolution, rate 12",
)
"""What the text says numbers about, in the words of the claims file."""

WAYS = ("torch's dilated convolution", "sparse sampling", "deinterlacing")
"""Of computing an atrous convolution (Section 3.1)."""

_NETWORKS = ("harness.networks", "reproductions.deeplab.interpolation", "reproductions.deeplab.models")
_DERIVED = (
    *_NETWORKS,
    "reproductions.deeplab.specs",
    "reproductions.deeplab.exact",
    "reproductions.deeplab.statements",
    "harness.architecture",
)
_MEASURED = (
    *_NETWORKS,
    *CRF_SOURCE,
    "harness.metrics",
    "harness.segmentation.frozen",
    "harness.weights",
    "reproductions.deeplab.specs",
    "reproductions.deeplab.losses",
)
_TRAINED = (*_MEASURED, "reproductions.deeplab.comparison")
_RESIDUAL = (
    *_MEASURED,
    "harness.pretrained",
    "reproductions.deeplab.residual_recipes",
    "reproductions.deeplab.residual_runs",
)
_REACHES = (Reach("miou"), Reach("miou", "trimap"), Reach("iou"))
_PACKAGES = ("scipy",)
"""Distances to boundaries, for trimaps."""

_derivation = partial(derivation, paper="deeplab", recipe={"image-side": CROP}, source=_DERIVED, deviations=EXACT)
"""Declares one of the paper's derivations."""


def experiments(options: Options) -> tuple[Experiment, ...]:
    """Declare all experiments, those that lack something included; a data folder is not looked at here."""
    timed = (declared(cuda) for declared in (_operator, _training_speed) for cuda in (False, True))
    return (
        _architecture(),
        _statements(),
        _scenes(options),
        _voc(options),
        _fine_tuned(options),
        _residual(options),
        protocols(options),
        *timed,
        *released(options),
    )


def photographs(folder: Path) -> Photographs:
    """Return the photographs that records of PASCAL VOC show label maps of, for private reports."""
    return photographs_in(folder, recipes.DeepLabRecipe)


def _architecture() -> Experiment:
    def measure(unit: Unit, context: Context) -> Outcome:
        from reproductions.deeplab.exact import architecture

        return architecture(unit, context)

    metrics = (
        *("parameters", "layers", "multiply-adds", "receptive-field", "output-stride", "map-side", "gridding"),
        *("kernel-side", "dilation", "field-of-view"),
    )
    systems = (*TABLE_1, *TABLE_3, *RESNETS)
    return _derivation("architecture", "Quantities of the built networks", systems, metrics, measure)


def _statements() -> Experiment:
    def measure(unit: Unit, context: Context) -> Outcome:
        from reproductions.deeplab.statements import statement

        return statement(unit, context)

    metrics = (
        *("output-stride", "ratio", "dilation", "kernel-side", "count", "channels"),
        *("parameters", "multiply-adds", "field-of-view"),
    )
    return _derivation("statements", "What the text says about the networks", STATEMENTS, metrics, measure)


def _scenes(options: Options) -> Experiment:
    def measure(unit: Unit, context: Context, recipe: Recipe, sets: Sets) -> Outcome:
        from reproductions.deeplab.comparison import measure

        return measure(unit, context, recipe, sets)

    key, scale = "scenes", scale_of(options)
    recipe = recipes.scenes(scale, options.epochs.get(key))
    differences = deviations(recipe, recipes.scenes(scale).training.epochs)
    title = "Trained from scratch on procedural scenes"
    return _trained(options, key, title, recipes.SYSTEMS, recipe, measure, differences)


def _voc(options: Options) -> Experiment:
    def measure(unit: Unit, context: Context, recipe: Recipe, sets: Sets) -> Outcome:
        from reproductions.deeplab.comparison import measure_on_maps

        return measure_on_maps(unit, context, recipe, sets, _folder(options))

    key, scale = "voc", scale_of(options)
    recipe = recipes.photographs(scale, options.epochs.get(key))
    differences = deviations(recipe, recipes.photographs(scale).training.epochs)
    title = "Heads trained on ImageNet features of PASCAL VOC 2012"
    return _trained(options, key, title, TABLE_3, recipe, measure, differences)


def _fine_tuned(options: Options) -> Experiment:
    def measure(unit: Unit, context: Context, recipe: Recipe, sets: Sets) -> Outcome:
        from reproductions.deeplab.comparison import measure_fine_tuned

        return measure_fine_tuned(unit, context, recipe, sets, _folder(options))

    key, scale = "voc-gpu", gpu_scale_of(options)
    recipe = recipes.fine_tuned(scale, options.epochs.get(key))
    differences = deviations(recipe, recipes.fine_tuned(scale).training.epochs)
    title = "Trained end to end on PASCAL VOC 2012 from ImageNet's VGG-16"
    return _trained(options, key, title, recipes.FINE_TUNED, recipe, measure, differences)


def _residual(options: Options) -> Experiment:
    def measure(unit: Unit, context: Context, recipe: Recipe, sets: Sets) -> Outcome:
        from reproductions.deeplab.residual_runs import measure

        return measure(unit, context, recipe, sets, _folder(options))

    key, scale = "voc-resnet-gpu", gpu_scale_of(options)
    recipe = residual_recipes.residual(scale, options.epochs.get(key))
    differences = residual_deviations(recipe, residual_recipes.residual(scale).training.epochs)
    title = "Trained end to end on PASCAL VOC 2012 from ImageNet's ResNet-101"
    return _trained(options, key, title, residual_recipes.SYSTEMS, recipe, measure, differences, _RESIDUAL)


def _trained(
    options: Options,
    key: str,
    title: str,
    systems: tuple[str, ...],
    recipe: recipes.DeepLabRecipe,
    measure: Measure,
    differences: tuple[Deviation, ...],
    source: tuple[str, ...] = _TRAINED,
) -> Experiment:
    """Declare one comparison; ``differences`` are its deviations from the paper."""
    design = Design(
        paper="deeplab",
        key=key,
        title=title,
        systems=systems,
        recipe=recipe,
        measure=measure,
        reaches=_REACHES,
        source=source,
        deviations=differences,
        weights=recipe.weights,
        packages=_PACKAGES,
    )
    return declare(design, options)


def _folder(options: Options) -> Path:
    """Return the folder with the photographs.

    Raises:
        UsageError: None was given.
    """
    if options.data is None:
        raise UsageError("no folder with photographs was given", "Name a folder that holds VOCdevkit: --data DIR")
    return options.data


def _operator(cuda: bool) -> Experiment:
    recipe = {"batch": 1, "map-side": 41, "channels": [512, 1024], "kernel": 3, "rate": 12, **_rounds(cuda)}
    return _timing("atrous", "Time for one atrous convolution", WAYS, recipe, (), cuda)


def _training_speed(cuda: bool) -> Experiment:
    side = CROP if cuda else 161
    recipe = {"batch": 1, "image-side": side, "precision": "float32", **_rounds(cuda)}
    return _timing("training-speed", "Time for one training step", TABLE_1, recipe, (Reach("rate"),), cuda)


def _rounds(cuda: bool) -> dict[str, int]:
    return {"blocks": recipes.TIMING_BLOCKS, "rounds": 20 if cuda else 2, "warm-up": 5 if cuda else 1}


def _timing(
    key: str,
    title: str,
    systems: tuple[str, ...],
    recipe: Mapping[str, Any],
    reaches: tuple[Reach, ...],
    cuda: bool,
) -> Experiment:
    """Declare what ``benchmarks/test_atrous.py`` measures."""

    def measure(unit: Unit, _context: Context) -> Outcome:
        raise UsageError(f"{unit.system} is timed together with the other systems, not alone", "Run nox -s bench.")

    return Experiment(
        key=f"{key}-gpu" if cuda else key,
        title=f"{title}, on a GPU" if cuda else title,
        evidence=Evidence.TIMING,
        systems=systems,
        seeds=(0,),
        reaches=reaches,
        recipe=recipe,
        source=(*_NETWORKS, "reproductions.deeplab.specs", "reproductions.deeplab.atrous", "harness.engine.throughput"),
        deviations=TIMED,
        measure=measure,
        command="nox -s bench",
        needs="a session of its own, in which all systems take turns: nox -s bench",
    )
