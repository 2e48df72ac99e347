"""What is measured of the paper: derivations, the rule against coverage, decoders and dilations trained. No torch."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from harness.derivation import derivation
from harness.errors import UsageError
from harness.experiment import Context, Experiment, Options, Outcome, Photographs, Reach, Unit
from harness.segmentation.declare import (
    CRF_SOURCE,
    Design,
    Measure,
    declare,
    gpu_scale_of,
    photographs_in,
    scale_of,
)
from harness.segmentation.recipe import Recipe
from harness.segmentation.sets import Sets
from reproductions.hdc import gpu_recipes, recipes
from reproductions.hdc.deviations import EXACT, comparison
from reproductions.hdc.gpu_deviations import whole
from reproductions.hdc.gpu_recipes import WholeRecipe
from reproductions.hdc.recipes import FrozenRecipe, NetworkRecipe, PhotoRecipe
from reproductions.hdc.released_experiments import released
from reproductions.hdc.specs import MODELS

STATEMENTS = (
    *recipes.STACKS,
    "pixels that a 3x3 kernel with dilation 2 reads",
    "pixels in the region of a 3x3 kernel with dilation 2",
    "ResNet-101",
    "ResNet-152",
    "res4b of the baseline",
    "res5b of the baseline",
    "blocks of res4b",
    "blocks of res5b",
    *(f"path {place} of the ASPP module" for place in (1, 2, 3, 4)),
    "first path of the ASPP module with 6 paths",
    "last path of the ASPP module with 6 paths",
    "paths of the ASPP module, fewer",
    "paths of the ASPP module, more",
    "channels of the last layer, cell 1 over cell 2",
    "reshaped prediction map",
    "first layers of the better network",
    "all blocks of No dilation",
    "first block of a group of Dilation-conv",
    "second block of a group of Dilation-conv",
    *(f"block {place} of a group of Dilation-RF" for place in (1, 2, 3)),
    "last two blocks of res4b in Dilation-RF",
    *(f"block {place} of res5b in Dilation-RF" for place in (1, 2, 3)),
    *(f"block {place} of a group of Dilation-bigger" for place in (1, 2, 3, 4)),
    *(f"block {place} of the last group of Dilation-bigger" for place in (1, 2, 3)),
    *(f"block {place} of res5b in Dilation-bigger" for place in (1, 2, 3)),
)
"""What the text says numbers about, in the words of the claims file, and the stacks that it describes."""

_NETWORKS = (
    "reproductions.hdc.decoders",
    "reproductions.hdc.models",
    "reproductions.hdc.sequences",
    "reproductions.hdc.specs",
    "harness.networks.aspp",
    "harness.networks.residual",
    "harness.networks.upsampling",
    "harness.networks.width",
)
_DERIVED = (
    *_NETWORKS,
    "reproductions.hdc.exact",
    "reproductions.hdc.recipes",
    "reproductions.hdc.rule",
    "harness.architecture",
)
_TRAINED = (*_NETWORKS, "reproductions.hdc.comparison", "harness.architecture.gridding")
_FROZEN = ("harness.networks.vgg", "harness.segmentation.frozen", "harness.weights")
_derivation = partial(
    derivation,
    paper="hdc",
    recipe={"image-side": recipes.CROP, "gridding-period": recipes.GRIDDING_PERIOD},
    source=_DERIVED,
    deviations=EXACT,
)
"""Declares one of the paper's derivations."""


def experiments(options: Options) -> tuple[Experiment, ...]:
    """Declare all experiments; a data folder is not looked at here."""
    trained = (*_scenes(options), *_photographs(options), *_whole(options))
    return (_architecture(), _statements(), _rule(), *trained, *released(options))


def photographs(folder: Path) -> Photographs:
    """Return the photographs that records of CamVid show label maps of, for private reports."""
    return photographs_in(folder, PhotoRecipe)


def _architecture() -> Experiment:
    def measure(unit: Unit, context: Context) -> Outcome:
        from reproductions.hdc.exact import architecture

        return architecture(unit, context)

    metrics = (
        *("parameters", "layers", "multiply-adds", "receptive-field", "receptive-field-increase", "output-stride"),
        *("map-side", "gridding", "coverage", "hole-distance"),
    )
    return _derivation("architecture", "Quantities of the built networks", tuple(MODELS), metrics, measure)


def _statements() -> Experiment:
    def measure(unit: Unit, context: Context) -> Outcome:
        from reproductions.hdc.exact import statement

        return statement(unit, context)

    metrics = ("coverage", "hole-distance", "dilation", "count", "layers", "ratio", "image-side")
    return _derivation("statements", "What the text says about the networks", STATEMENTS, metrics, measure)


def _rule() -> Experiment:
    def measure(unit: Unit, context: Context) -> Outcome:
        from reproductions.hdc.exact import rule

        return rule(unit, context)

    title = "What the rule M2 <= K accepts and rejects, against true coverage"
    return _derivation("rule", title, tuple(recipes.RULE_SPACES), (), measure)


def _scenes(options: Options) -> tuple[Experiment, ...]:
    def measure(unit: Unit, context: Context, recipe: Recipe, sets: Sets) -> Outcome:
        from reproductions.hdc.comparison import measure

        return measure(unit, context, recipe, sets)

    scale, epochs = scale_of(options), options.epochs
    decoders, dilations = recipes.scenes, recipes.dilations
    return (
        _trained(
            options,
            "scenes",
            "Decoders on one trunk, trained from scratch on procedural scenes",
            decoders(scale, epochs.get("scenes")),
            decoders(scale),
            measure,
        ),
        _trained(
            options,
            "dilations",
            "Dilations of one network, trained from scratch on procedural scenes",
            dilations(scale, epochs.get("dilations")),
            dilations(scale),
            measure,
        ),
    )


def _photographs(options: Options) -> tuple[Experiment, ...]:
    def measure(unit: Unit, context: Context, recipe: Recipe, sets: Sets) -> Outcome:
        from reproductions.hdc.comparison import measure_on_maps

        return measure_on_maps(unit, context, recipe, sets, _folder(options))

    scale, epochs = scale_of(options), options.epochs
    decoders, dilations = recipes.photographs, recipes.photographed_dilations
    return (
        _trained(
            options,
            "camvid",
            "Decoders trained on ImageNet features of CamVid",
            decoders(scale, epochs.get("camvid")),
            decoders(scale),
            measure,
        ),
        _trained(
            options,
            "camvid-dilations",
            "Dilations trained on ImageNet features of CamVid",
            dilations(scale, epochs.get("camvid-dilations")),
            dilations(scale),
            measure,
        ),
    )


def _whole(options: Options) -> tuple[Experiment, ...]:
    def measure(unit: Unit, context: Context, recipe: Recipe, sets: Sets) -> Outcome:
        from reproductions.hdc.comparison import measure_whole

        return measure_whole(unit, context, recipe, sets, _folder(options))

    scale, epochs = gpu_scale_of(options), options.epochs
    decoders, dilations = gpu_recipes.decoders, gpu_recipes.dilations
    return (
        _trained(
            options,
            "camvid-gpu",
            "Decoders and VGG-16 trained on CamVid, on a GPU",
            decoders(scale, epochs.get("camvid-gpu")),
            decoders(scale),
            measure,
        ),
        _trained(
            options,
            "camvid-dilations-gpu",
            "Dilations of ResNet-101's last modules, trained with VGG-16 on CamVid, on a GPU",
            dilations(scale, epochs.get("camvid-dilations-gpu")),
            dilations(scale),
            measure,
        ),
    )


def _folder(options: Options) -> Path:
    if options.data is None:
        raise UsageError("no folder with photographs was given", "Name a folder that holds CamVid: --data DIR")
    return options.data


def _trained(
    options: Options,
    key: str,
    title: str,
    recipe: NetworkRecipe | FrozenRecipe | WholeRecipe,
    full: NetworkRecipe | FrozenRecipe | WholeRecipe,
    measure: Measure,
) -> Experiment:
    """Declare one comparison; ``full`` is its recipe without a time budget."""
    weights = recipe.weights if isinstance(recipe, PhotoRecipe) else ""
    epochs = full.training.epochs
    means = recipe.means if isinstance(recipe, WholeRecipe) else ()
    design = Design(
        paper="hdc",
        key=key,
        title=title,
        systems=recipes.VARIANTS if recipe.crf is None else recipes.DECODERS,
        recipe=recipe,
        measure=measure,
        reaches=(Reach("miou"), Reach("iou"), Reach("gridding"), *map(Reach, means)),
        source=(*_TRAINED, *(CRF_SOURCE if recipe.crf is not None else ()), *(_FROZEN if weights else ())),
        deviations=whole(recipe, epochs) if isinstance(recipe, WholeRecipe) else comparison(recipe, epochs),
        weights=weights,
    )
    return declare(design, options)
