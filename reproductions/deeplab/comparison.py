"""The measurement of the trained comparisons: one network, its labels before and after a CRF."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

from torch import nn

from harness.engine.train import arithmetic
from harness.experiment import Context, Outcome, Unit
from harness.networks.vgg import CHANNELS, VGG16, load_imagenet
from harness.segmentation.desk import NETWORK, Arrays, Desk, Labels, Log, Views, crf_values
from harness.segmentation.frozen import AtPixels, frozen_maps, imagenet_normalisation
from harness.segmentation.recipe import Recipe
from harness.segmentation.sets import Sets
from reproductions.deeplab.losses import training_loss
from reproductions.deeplab.models import (
    DeepLab,
    MultiScale,
    NetworkT,
    Trained,
    build,
    vgg_head,
    vgg_trunk,
)
from reproductions.deeplab.recipes import DeepLabRecipe
from reproductions.deeplab.specs import Geometry, ModelSpec, find_spec


def measure(unit: Unit, context: Context, recipe: Recipe, sets: Sets) -> Outcome:
    """Train one network from its first to its last layer, and test it.

    Raises:
        RemeasureError: Training diverged, or a checkpoint cannot be read or written.
        TypeError: The recipe is not of this paper.
    """
    settings = _settings(recipe)
    desk = Desk.of(unit, context, recipe, sets)
    with arithmetic(desk.device):
        trained = _placed(desk, partial(network, unit.system, settings))
        return _measured(desk, trained, trained.network, desk.images)


def measure_fine_tuned(unit: Unit, context: Context, recipe: Recipe, sets: Sets, folder: Path) -> Outcome:
    """Train one network end to end from ImageNet's VGG-16, and test it; arguments and errors as those of
    :func:`measure_on_maps`."""
    settings = _settings(recipe)
    desk = Desk.of(unit, context, recipe, sets, imagenet_normalisation(context.device))
    with arithmetic(desk.device):
        trained = _placed(desk, partial(from_imagenet, unit.system, settings, folder / settings.weights))
        return _measured(desk, trained, trained.network, desk.images)


def measure_on_maps(unit: Unit, context: Context, recipe: Recipe, sets: Sets, folder: Path) -> Outcome:
    """Train the head of one network on what ImageNet's VGG-16 makes of the images, and test it.

    Args:
        folder: With the recipe's file of weights.

    Raises:
        RemeasureError: As :func:`measure`, or the weights cannot be read.
        TypeError: The recipe is not of this paper.
    """
    settings = _settings(recipe)
    desk = Desk.of(unit, context, recipe, sets, imagenet_normalisation(context.device))
    with arithmetic(desk.device):
        views = _maps(folder / settings.weights, settings.geometry, settings.evaluation_batch, sets, context.device)
        trained = _placed(desk, partial(on_maps, unit.system, settings))
        rows, columns = sets.test.labels.shape[1:]
        pixels = AtPixels(trained.network.head, (rows, columns), settings.geometry.stride)
        return _measured(desk, trained, pixels, views)


def network(system: str, recipe: DeepLabRecipe) -> DeepLab | MultiScale:
    """Build the network of one system from torch's current random state."""
    base = system.removesuffix(" + MSC")
    single = _single(base, recipe)
    return single if base == system else MultiScale(single)


def from_imagenet(system: str, recipe: DeepLabRecipe, weights: Path) -> DeepLab:
    """Build the network of one system with ImageNet's convolutions, its head from torch's current random state.

    Raises:
        CheckpointError: The weights cannot be read, or are of another network.
    """
    built = _single(system, recipe)
    assert isinstance(built.trunk, VGG16)
    load_imagenet(weights, built.trunk)
    if recipe.filler:
        for layer in built.head.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=recipe.filler)
    return built


def on_maps(system: str, recipe: DeepLabRecipe) -> DeepLab:
    """Build the head of one system for feature maps of VGG-16 in all its width."""
    head = vgg_head(
        _narrowed(system, recipe),
        CHANNELS[-1],
        len(recipe.classes),
        divisor=recipe.geometry.divisor,
        width=recipe.width,
        batch_norm=True,
        dropout=recipe.dropout,
    )
    return DeepLab(nn.Identity(), head, recipe.geometry.stride)


def _settings(recipe: Recipe) -> DeepLabRecipe:
    if not isinstance(recipe, DeepLabRecipe):
        raise TypeError(f"a recipe of this paper expected, got {type(recipe).__name__}")
    return recipe


def _single(system: str, recipe: DeepLabRecipe) -> DeepLab:
    return build(
        _narrowed(system, recipe),
        classes=len(recipe.classes),
        width=recipe.width,
        batch_norm=recipe.trunk != "fine-tuned",
        dropout=recipe.dropout,
        geometry=recipe.geometry,
    )


def _narrowed(system: str, recipe: DeepLabRecipe) -> ModelSpec:
    spec = find_spec(system)
    return replace(spec, channels=round(spec.channels * recipe.head))


def _placed(desk: Desk, build: Callable[[], NetworkT]) -> Trained[NetworkT]:
    placed = desk.place(lambda: Trained(build()))
    assert isinstance(placed, Trained)
    return placed


def _measured(desk: Desk, trained: nn.Module, pixels: nn.Module, views: Views) -> Outcome:
    """Train a network on the views and test it; ``pixels`` is the same network with scores at each pixel."""
    recipe, system = _settings(desk.recipe), desk.unit.system
    log: Log = desk.train(NETWORK, trained, recipe.training_of(system), views.train, training_loss)
    arrays = desk.pictured() | _tested(desk, desk.predict(pixels, views.test))
    if system not in recipe.refined:
        return Outcome({}, arrays, log)
    refined, parameters = desk.refine(pixels, views)
    return Outcome(crf_values(parameters), arrays | _tested(desk, refined, "crf"), log)


def _tested(desk: Desk, labels: Labels, suffix: str = "") -> Arrays:
    """Return what is kept of labels, over all pixels and near boundaries."""
    near = f"near-{suffix}" if suffix else "near"
    return desk.tested(labels, suffix) | desk.near_boundaries(labels, {near: _settings(desk.recipe).band})


@lru_cache(maxsize=1)
def _maps(weights: Path, geometry: Geometry, batch: int, sets: Sets, device: str) -> Views:
    """Feature maps of all images, made once for all systems and seeds."""
    trunk = vgg_trunk(geometry)
    load_imagenet(weights, trunk)
    return frozen_maps(trunk, sets, batch, device)
