"""What is measured of the paper: derivations, context modules and front ends trained alike, and memory. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec

from harness.derivation import derivation
from harness.experiment import Context, Cost, Experiment, Options, Outcome, Photographs, Reach, Unit
from harness.segmentation.declare import CRF_SOURCE, Design, declare, gpu_scale_of, photographs_in, scale_of
from harness.segmentation.recipe import PhotoData, Recipe, Scale
from harness.segmentation.sets import Sets
from harness.statistics.evidence import Evidence
from reproductions.dilation import gpu_recipes, recipes
from reproductions.dilation.deviations import EXACT, MEMORY, context_deviations, front_end_deviations
from reproductions.dilation.gpu_deviations import staged_deviations
from reproductions.dilation.gpu_recipes import StagedRecipe
from reproductions.dilation.recipes import ContextRecipe, FrontEndRecipe
from reproductions.dilation.released_experiments import released
from reproductions.dilation.specs import CLASSES, CONVOLUTIONS, IMAGE_SIDE, MemoryRecipe

WEIGHTS = "weights/vgg16_features_fp16.pth"
"""In the data folder: torchvision's VGG-16, its thirteen convolutions."""

ARCHITECTURES = (
    *("VGG-16", "FCN-8s", "DeepLab", "DeepLab-LFOV", "Front end", "Our front end with pooling"),
    *("Front + Basic", "Front + Large", "Basic", "Large"),
    *("context module of Dilation7", "context module of Dilation8", "context module of Dilation10"),
    *("Exponential stack", "Plain stack", "Exponential stack of 4", "Plain stack of 4", "Exponential stack of 5"),
    *("Plain stack as wide as 5 dilated layers", "Plain stack as wide as Basic"),
    "Plain stack as wide as Dilation10's module",
)
"""Networks and stacks, in the words of the claims file and of the pages that explain the paper."""

STATEMENTS = (
    *(f"Layer {number}" for number in range(1, 9)),
    *(f"Layer {number}, {name}" for name in ("Basic", "Large") for number in range(1, 9)),
    *("F1", "F2", "F3"),
    "filters of a stack with exponentially increasing dilation",
    "3×3 layers of the basic context module",
    "parameters of Basic over C²",
    "pooling and striding layers removed from VGG-16",
    "Front end, for each pooling layer removed before",
    "Front end, final layers",
    "layers added to the context module of Dilation10",
    "context module of Dilation10, first layer added",
    "context module of Dilation10, second layer added",
    *(f"3x3, dilation {rate}" for rate in (1, 2, 4, 8, 16)),
    "9x9",
    "VGG-16 on 224 pixels",
    "rates 1, 2, 5, 9",
    "rates 2, 4, 8",
    "sets of rates with a common factor that leave no blind spot",
    "sets of rates without a common factor that leave blind spots",
    "sets of pairwise coprime rates that leave blind spots",
    "sets of rates not pairwise coprime that leave no blind spot",
    "equation 2 less the library's operator",
    "inserted zeros less the library's operator",
)
"""What the text and those pages say numbers about, likewise."""

_MODELS = (
    "harness.networks.upsampling",
    "harness.networks.vgg",
    "harness.networks.width",
    "reproductions.dilation.context",
    "reproductions.dilation.frontend",
    "reproductions.dilation.models",
    "reproductions.dilation.specs",
)
_DERIVED = (
    *_MODELS,
    "harness.architecture",
    "reproductions.dilation.exact",
    "reproductions.dilation.operator",
    "reproductions.dilation.statements",
)
_TRAINED = (
    *_MODELS,
    *CRF_SOURCE,
    "harness.crf.rnn",
    "harness.segmentation.frozen",
    "harness.weights",
    "reproductions.dilation.comparison",
    "reproductions.dilation.rnn",
)
_STAGED = (
    *_TRAINED,
    "reproductions.dilation.gpu_recipes",
    "reproductions.dilation.mirror",
    "reproductions.dilation.stages",
)
_MEASURED = (
    "harness.engine.memory",
    "harness.memory",
    "reproductions.dilation.memory",
    "reproductions.dilation.operator",
)
_derivation = partial(
    derivation,
    paper="dilation",
    recipe={"image-side": IMAGE_SIDE, "classes": CLASSES},
    source=_DERIVED,
    deviations=EXACT,
)
"""Declares one of the paper's derivations."""


@dataclass(frozen=True)
class _Plan:
    """A trained comparison; ``recipe`` takes the scale and, if a budget cuts them, the epochs."""

    key: str
    title: str
    systems: tuple[str, ...]
    recipe: Callable[[Scale, int | None], FrontEndRecipe]


_PLANS = (
    _Plan("scenes", "Context modules on procedural scenes", (recipes.CONTEXT_SYSTEM,), recipes.scenes),
    _Plan(
        "scenes-seen-whole",
        "Context modules on procedural scenes that the front end sees whole",
        (recipes.CONTEXT_SYSTEM,),
        recipes.scenes_seen_whole,
    ),
    _Plan("front-ends", "Front ends on procedural scenes", recipes.FRONT_ENDS, recipes.front_ends),
    _Plan("voc", "Context modules on photographs of VOC 2012", (recipes.CONTEXT_SYSTEM,), recipes.voc),
    _Plan("voc-front-ends", "Front ends on photographs of VOC 2012", recipes.ONE_MAP, recipes.voc_front_ends),
)


@dataclass(frozen=True)
class _StagedPlan:
    """A comparison on photographs whose networks are trained with all their layers; ``recipe`` as in :class:`_Plan`."""

    key: str
    title: str
    recipe: Callable[[Scale, int | None], StagedRecipe]


_STAGED_PLANS = (
    _StagedPlan("camvid-gpu", "Front end and Dilation8 on CamVid, all layers trained", gpu_recipes.camvid),
    _StagedPlan("voc-gpu", "Context modules on VOC 2012, all layers trained", gpu_recipes.voc),
)


def experiments(options: Options) -> tuple[Experiment, ...]:
    """Declare all experiments, those that lack something included."""
    return (
        _architecture(),
        _statements(),
        *(_trained(options, plan) for plan in _PLANS),
        *(_staged(options, plan) for plan in _STAGED_PLANS),
        _memory(options),
        *released(options),
    )


def photographs(folder: Path) -> Photographs:
    """Return the photographs that records of VOC show label maps of, for private reports."""
    return photographs_in(folder, Recipe)


def _architecture() -> Experiment:
    def measure(unit: Unit, context: Context) -> Outcome:
        from reproductions.dilation.exact import architecture

        return architecture(unit, context)

    metrics = (
        *("parameters", "layers", "multiply-adds", "receptive-field", "output-stride", "map-side", "channels"),
        "coverage",
    )
    return _derivation("architecture", "Quantities of the built networks", ARCHITECTURES, metrics, measure)


def _statements() -> Experiment:
    def measure(unit: Unit, context: Context) -> Outcome:
        from reproductions.dilation.statements import statement

        return statement(unit, context)

    metrics = (
        *("kernel-side", "dilation", "receptive-field", "field-of-view", "channels", "layers", "parameters", "ratio"),
        *("count", "image-side", "map-side", "coverage", "difference"),
    )
    return _derivation("statements", "What the text says about layers and stacks", STATEMENTS, metrics, measure)


def _trained(options: Options, plan: _Plan) -> Experiment:
    scale = scale_of(options)
    recipe, full = plan.recipe(scale, options.epochs.get(plan.key)), plan.recipe(scale, None)

    def measure(unit: Unit, context: Context, recipe: Recipe, sets: Sets) -> Outcome:
        from reproductions.dilation.comparison import measure

        assert isinstance(recipe, FrontEndRecipe)
        return measure(unit, context, recipe, sets, options.data and options.data / WEIGHTS)

    if isinstance(recipe, ContextRecipe):
        differences = context_deviations(recipe, full.training.epochs)
    else:
        differences = front_end_deviations(recipe, full.training.epochs)
    design = Design(
        paper="dilation",
        key=plan.key,
        title=plan.title,
        systems=plan.systems,
        recipe=recipe,
        measure=measure,
        source=_TRAINED,
        deviations=differences,
        weights=WEIGHTS if isinstance(recipe.data, PhotoData) else "",
    )
    return declare(design, options)


def _staged(options: Options, plan: _StagedPlan) -> Experiment:
    """Declare a comparison for one process: its CRF-RNNs learn from one image at a time, which cannot be shared."""
    scale = gpu_scale_of(options)
    recipe, full = plan.recipe(scale, options.epochs.get(plan.key)), plan.recipe(scale, None)

    def measure(unit: Unit, context: Context, recipe: Recipe, sets: Sets) -> Outcome:
        from reproductions.dilation.stages import measure

        assert isinstance(recipe, StagedRecipe)
        return measure(unit, context, recipe, sets, options.data and options.data / WEIGHTS)

    design = Design(
        paper="dilation",
        key=plan.key,
        title=plan.title,
        systems=(recipes.CONTEXT_SYSTEM,),
        recipe=recipe,
        measure=measure,
        source=_STAGED,
        deviations=staged_deviations(recipe, full.training.epochs),
        weights=WEIGHTS if recipe.pretrained else "",
    )
    return replace(declare(design, options), shared=False)


def _memory(options: Options) -> Experiment:
    recipe = MemoryRecipe("toy", 8, 64) if options.toy else MemoryRecipe("cpu", 64, 512)

    def measure(unit: Unit, context: Context) -> Outcome:
        from reproductions.dilation.memory import measure

        return measure(unit, context, recipe)

    return Experiment(
        key="memory",
        title="Memory that a convolution adds to its input and weights",
        evidence=Evidence.TIMING,
        systems=tuple(CONVOLUTIONS),
        seeds=(0,),
        reaches=(Reach("memory"),),
        recipe=msgspec.to_builtins(recipe),
        source=(*_MEASURED, "reproductions.dilation.specs"),
        deviations=(MEMORY,),
        measure=measure,
        command="remeasure run dilation --only memory",
        cost=lambda _unit, _device: Cost(3.0),
    )
