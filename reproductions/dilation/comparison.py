"""One system, one seed: a front end trained and tested, and the context modules trained on its score maps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import nn

from harness.crf.parameters import CrfParameters
from harness.engine.evaluate import feature_maps
from harness.engine.examples import Examples, Images, Maps
from harness.engine.train import arithmetic
from harness.experiment import Context, Outcome, Unit
from harness.networks.vgg import load_imagenet
from harness.segmentation.desk import NETWORK, Arrays, Desk, Log, Views, crf_values
from harness.segmentation.frozen import AtPixels, frozen_maps, imagenet_normalisation
from harness.segmentation.recipe import PhotoData
from harness.segmentation.sets import Sets
from harness.weights import LoadedCheckpoint
from reproductions.dilation.context import ContextModule
from reproductions.dilation.frontend import DenseVGG, front_end
from reproductions.dilation.models import Segmenter, build, build_context
from reproductions.dilation.recipes import CONTEXT_SYSTEM, ContextRecipe, FrontEndRecipe, RnnTraining
from reproductions.dilation.rnn import Alone, RnnOnMaps, labels_alone, scored_images
from reproductions.dilation.specs import BASIC, LARGE, PUBLISHED, FrontEnd, Margin

Values = dict[str, int | float | str]


def measure(unit: Unit, context: Context, recipe: FrontEndRecipe, sets: Sets, weights: Path | None = None) -> Outcome:
    """Train a front end and test it; where the recipe is of context modules, train and test each on its maps.

    Args:
        weights: Of VGG-16's convolutions. On photographs these stay as ImageNet trained them, and their maps are what
            the front end's head learns from.

    Raises:
        ValueError: Photographs without weights.
        CheckpointError: The weights cannot be read or are not VGG-16's.
    """
    photographs = isinstance(recipe.data, PhotoData)
    kind = FrontEnd.DILATED if unit.system == CONTEXT_SYSTEM else FrontEnd(unit.system)
    desk = Desk.of(unit, context, recipe, sets, imagenet_normalisation(context.device) if photographs else None)
    values: Values = {}
    with arithmetic(desk.device):
        if photographs:
            if weights is None:
                raise ValueError("photographs need the weights of VGG-16")
            seen, loaded = imagenet_maps(kind, weights, sets, recipe.evaluation_batch, context.device)
            values["weights-sha256"] = loaded.sha256
            model = desk.place(partial(_head, kind, recipe, frame_of(sets)))
        else:
            seen = desk.images
            model = desk.place(partial(_network, kind, recipe))
        log = desk.train(NETWORK, model, recipe.training, seen.train)
        if isinstance(recipe, ContextRecipe):
            outcome = _with_context(desk, recipe, model, seen, log)
        else:
            outcome = _without_context(desk, model, seen, log)
    return replace(outcome, values={**outcome.values, **values})


@lru_cache(maxsize=len(FrontEnd))
def imagenet_maps(kind: FrontEnd, weights: Path, sets: Sets, batch: int, device: str) -> tuple[Views, LoadedCheckpoint]:
    """Return the last maps, float16, of a front end's thirteen convolutions with weights trained on ImageNet.

    They depend on the arrangement alone, so all units that share it share them.

    Raises:
        CheckpointError: The weights cannot be read or are not VGG-16's.
    """
    trunk = front_end(kind, 1, margin=Margin.LAYERS, size=replace(PUBLISHED, hidden=1)).trunk
    loaded = load_imagenet(weights, trunk)
    return frozen_maps(trunk, sets, batch, device), loaded


def _with_context(desk: Desk, recipe: ContextRecipe, model: nn.Module, seen: Views, log: Log) -> Outcome:
    """Test a trained front end, then train and test every module on its score maps, made once."""
    found = [Outcome({}, desk.pictured(), log), with_refinements(desk, model, seen, rnn=recipe.rnn)]
    scorer = model.front if isinstance(model, Segmenter) else model.get_submodule("head")
    parts = (seen.train, seen.tuning, seen.test)
    scores = Views(*(_maps(scorer, part, recipe.evaluation_batch, torch.float32) for part in parts))
    for name, module in _modules(recipe).items():
        top = desk.place(partial(_on_maps, module, frame_of(desk.sets), recipe.size.stride))
        found.append(Outcome(log=desk.train(name, top, recipe.context, scores.train)))
        if f"{name}-crf" in recipe.variants:
            found.append(with_refinements(desk, top, scores, name, rnn=recipe.rnn))
        else:
            found.append(Outcome({}, desk.tested(desk.predict(top, scores.test), name)))
    return joined(found)


def _without_context(desk: Desk, model: nn.Module, seen: Views, log: Log) -> Outcome:
    if f"{desk.unit.system} + CRF" in desk.recipe.variants.values():
        tested = with_refinements(desk, model, seen)
    else:
        tested = Outcome({}, desk.tested(desk.predict(model, seen.test)))
    return joined([Outcome({}, desk.pictured(), log), tested])


def with_refinements(
    desk: Desk, model: nn.Module, seen: Views, name: str = "", rnn: RnnTraining | None = None
) -> Outcome:
    """Test a network alone, with a CRF behind it and, trained as ``rnn`` says, with a CRF-RNN that starts as that CRF.

    Args:
        name: Suffix of the network's own variant.
    """
    with_crf, with_rnn = (f"{name}-{ending}" if name else ending for ending in ("crf", "rnn"))
    labels = desk.predict(model, seen.test)
    refined, chosen = desk.refine(model, seen)
    arrays = desk.tested(labels, name) | desk.tested(refined, with_crf)
    found = Outcome(crf_values(chosen, with_crf), arrays)
    return found if rnn is None else joined([found, _unrolled(desk, model, seen, chosen, rnn, with_rnn)])


def _unrolled(
    desk: Desk, model: nn.Module, seen: Views, start: CrfParameters, training: RnnTraining, name: str
) -> Outcome:
    """Train a CRF-RNN on the scores of a network and test it."""
    batch, sets = desk.recipe.evaluation_batch, desk.sets
    top = desk.place(partial(RnnOnMaps, len(desk.recipe.classes), start))
    lessons = scored_images(model, seen.train, sets.train, batch, training.images)
    log = desk.train(name, top, training.training, Alone(lessons, sets.train.extents) if training.alone else lessons)
    tests = scored_images(model, seen.test, sets.test, batch)
    labels = labels_alone(top, Alone(tests, sets.test.extents)) if training.alone else desk.predict(top, tests)
    return Outcome({}, desk.tested(labels, name), log)


def joined(outcomes: Iterable[Outcome]) -> Outcome:
    """Return parts of a unit as one; no two have a value or an array of the same name."""
    values: Values = {}
    arrays: Arrays = {}
    log: Log = ()
    for outcome in outcomes:
        values |= outcome.values
        arrays |= outcome.arrays
        log += outcome.log
    return Outcome(values, arrays, log)


def _modules(recipe: ContextRecipe) -> dict[str, Callable[[], ContextModule]]:
    """Return what builds each module, by the suffix of its variant."""
    basic, large = (spec.within(recipe.cells) for spec in (BASIC, LARGE))
    undilated = replace(basic, dilations=(1,) * len(basic.dilations))
    make = partial(build_context, classes=len(recipe.classes), margin=recipe.context_margin)
    return {
        "basic": partial(make, basic),
        "large": partial(make, large, deviation=recipe.noise),
        "random": partial(make, basic, identity=False),
        "undilated": partial(make, undilated),
    }


def _on_maps(module: Callable[[], nn.Module], frame: tuple[int, int], stride: int) -> AtPixels:
    return AtPixels(module(), frame, stride)


def _network(kind: FrontEnd, recipe: FrontEndRecipe) -> nn.Module:
    return build(kind, classes=len(recipe.classes), margin=recipe.margin, size=recipe.size)


def _head(kind: FrontEnd, recipe: FrontEndRecipe, frame: tuple[int, int]) -> AtPixels:
    """Return fc6 to fc8 of a front end for the maps of its trunk."""
    network = front_end(kind, len(recipe.classes), margin=recipe.margin, size=recipe.size)
    if not isinstance(network, DenseVGG):
        raise ValueError(f"the head of {kind.value} reads more than one map")
    return AtPixels(network.head, frame, network.stride)


def _maps(module: nn.Module, examples: Examples, batch: int, dtype: torch.dtype) -> Maps:
    """Return what a trained module makes of images, or of other maps, with the labels of the images."""
    if not isinstance(examples, Images | Maps):
        raise TypeError(f"{type(examples).__name__} has no label maps")
    return Maps(feature_maps(module, examples.chunks(batch), dtype), examples.targets)


def frame_of(sets: Sets) -> tuple[int, int]:
    """Return the rows and columns of the images, what pads them included."""
    rows, columns = sets.train.labels.shape[1:]
    return rows, columns
