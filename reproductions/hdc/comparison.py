"""One system, one seed: train a network, test it, and keep what its report needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from math import log2
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from harness.architecture.gridding import map_gridding
from harness.engine.evaluate import feature_maps
from harness.engine.examples import Examples
from harness.engine.losses import Terms
from harness.engine.train import arithmetic
from harness.experiment import Context, Outcome, Unit
from harness.networks.residual import EXPANSION, Bottleneck, initialise, residual_level
from harness.networks.upsampling import Alignment
from harness.networks.vgg import CHANNELS, CONVOLUTIONS, Pool, load_imagenet, vgg16
from harness.networks.width import scaled
from harness.segmentation.desk import NETWORK, Arrays, Desk, Views, crf_values, pixel_cross_entropy
from harness.segmentation.frozen import AtPixels, frozen_maps, imagenet_normalisation
from harness.segmentation.recipe import Recipe
from harness.segmentation.sets import Sets
from reproductions.hdc.decoders import head
from reproductions.hdc.gpu_recipes import WholeRecipe
from reproductions.hdc.models import Segmenter, build_trunk
from reproductions.hdc.recipes import GRIDDING_PERIOD, REFINED, FrozenRecipe, NetworkRecipe
from reproductions.hdc.sequences import res4, res5
from reproductions.hdc.specs import ModelSpec, find_spec


class AtCells(nn.Module):
    """A network as it is trained: its scores before they are interpolated."""

    def __init__(self, model: Segmenter) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model.scores(x)


def measure(unit: Unit, context: Context, recipe: Recipe, sets: Sets) -> Outcome:
    """Train and test one network; goes on from the checkpoint in ``context.scratch``.

    Raises:
        RemeasureError: Training diverged, or a checkpoint cannot be read or written.
        TypeError: The recipe is not of networks.
    """
    if not isinstance(recipe, NetworkRecipe):
        raise TypeError(f"a recipe of networks expected, not {type(recipe).__name__}")
    desk = Desk.of(unit, context, recipe, sets)
    with arithmetic(desk.device):
        model = _placed(desk, partial(small, find_spec(unit.system), recipe))
        return _measured(desk, model, model, desk.images)


def measure_on_maps(unit: Unit, context: Context, recipe: Recipe, sets: Sets, folder: Path) -> Outcome:
    """Train and test what stands on the feature maps that VGG-16 with ImageNet weights makes of photographs.

    Args:
        folder: With the recipe's file of weights.

    Raises:
        RemeasureError: As :func:`measure`, or the weights cannot be read.
        TypeError: The recipe is not of feature maps.
    """
    if not isinstance(recipe, FrozenRecipe):
        raise TypeError(f"a recipe of feature maps expected, not {type(recipe).__name__}")
    desk = Desk.of(unit, context, recipe, sets, imagenet_normalisation(context.device))
    with arithmetic(desk.device):
        views = _maps(folder, recipe.weights, recipe.stride, recipe.stages, sets, context.device)
        model = _placed(desk, partial(on_maps, find_spec(unit.system), recipe))
        pixels = AtPixels(AtCells(model), recipe.size, model.cell, Alignment.CENTRES)
        return _measured(desk, model, pixels, views)


def measure_whole(unit: Unit, context: Context, recipe: Recipe, sets: Sets, folder: Path) -> Outcome:
    """Train and test VGG-16 with ImageNet weights and what stands on it, every layer of both, on photographs.

    Args:
        folder: With the recipe's file of weights.

    Raises:
        RemeasureError: As :func:`measure`, or the weights cannot be read.
        TypeError: The recipe is not of whole networks.
    """
    if not isinstance(recipe, WholeRecipe):
        raise TypeError(f"a recipe of whole networks expected, not {type(recipe).__name__}")
    desk = Desk.of(unit, context, recipe, sets, imagenet_normalisation(context.device))
    with arithmetic(desk.device):
        model = _placed(desk, partial(whole, find_spec(unit.system), recipe, folder))
        return _measured(desk, model, model, desk.images)


def small(spec: ModelSpec, recipe: NetworkRecipe) -> Segmenter:
    """Build a system with the blocks, channels and head of the recipe."""
    trunk = build_trunk(
        spec.variant, recipe.blocks, strides=recipe.strides, channels=recipe.channels, width=recipe.width
    )
    decoder = head(
        spec.decoder, trunk.channels, len(recipe.classes), rates=recipe.rates, stride=recipe.stride, cell=spec.cell
    )
    return Segmenter(trunk, decoder, recipe.stride)


def on_maps(spec: ModelSpec, recipe: FrozenRecipe) -> Segmenter:
    """Build what stands on feature maps: a reduction to fewer channels, res4b and res5b if any, and the decoder."""
    channels, source = recipe.channels, CHANNELS[recipe.stages - 1]
    reduction = (nn.Conv2d(source, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
    rates = (res4(spec.variant, recipe.blocks[0]), res5(spec.variant, recipe.blocks[1]))
    narrow = channels // EXPANSION["bottleneck"]
    trunk = nn.Sequential(*reduction, *(residual_level(channels, narrow, module) for module in rates if module))
    initialise(trunk)
    decoder = head(
        spec.decoder, channels, len(recipe.classes), rates=recipe.rates, stride=recipe.stride, cell=spec.cell
    )
    return Segmenter(trunk, decoder, recipe.stride)


def whole(spec: ModelSpec, recipe: WholeRecipe, folder: Path) -> Segmenter:
    """Build VGG-16 with ImageNet weights, res4b and res5b if any on its maps, and the decoder.

    Args:
        folder: With the recipe's file of weights.

    Raises:
        CheckpointError: The weights cannot be read, or are not those of VGG-16.
    """
    trunk = nn.Sequential()
    trunk.add_module("vgg", _imagenet_trunk(folder / recipe.weights, recipe.stages, recipe.stride))
    channels = CHANNELS[recipe.stages - 1]
    rates = (res4(spec.variant, recipe.blocks[0]), res5(spec.variant, recipe.blocks[1]))
    for name, wide, module in zip(("res4b", "res5b"), recipe.channels, rates, strict=True):
        if module:
            narrow = scaled(wide, recipe.width)
            trunk.add_module(name, _module(channels, narrow, module))
            channels = EXPANSION["bottleneck"] * narrow
    decoder = head(
        spec.decoder, channels, len(recipe.classes), rates=recipe.rates, stride=recipe.stride, cell=spec.cell
    )
    return Segmenter(trunk, decoder, recipe.stride)


def cell_loss(cell: int, scores: Tensor, labels: Tensor) -> Terms:
    """Cross entropy of scores [B, K, h, w] and the labels [B, H, W] at the pixels next to the cells' centres."""
    return pixel_cross_entropy(scores, labels[:, cell // 2 :: cell, cell // 2 :: cell])


def _module(in_channels: int, channels: int, rates: tuple[int, ...]) -> nn.Sequential:
    """Build bottlenecks that begin as their skip connections (Goyal et al., arXiv:1706.02677, Section 5.1)."""
    module = residual_level(in_channels, channels, rates)
    initialise(module)
    for block in module:
        if isinstance(block, Bottleneck):
            nn.init.zeros_(block.bn3.weight)
    return module


def _placed(desk: Desk, build: Callable[[], Segmenter]) -> Segmenter:
    model = desk.place(build)
    assert isinstance(model, Segmenter)
    return model


def _measured(desk: Desk, model: Segmenter, pixels: nn.Module, views: Views) -> Outcome:
    """Train ``model`` on the views and test it; ``pixels`` is the same network with scores at each pixel."""
    recipe = desk.recipe
    log = desk.train(NETWORK, AtCells(model), recipe.training, views.train, partial(cell_loss, model.cell))
    arrays = desk.pictured() | desk.tested(desk.predict(pixels, views.test)) | _gridding(desk, model, views.test)
    if desk.unit.system != REFINED or recipe.crf is None:
        return Outcome({}, arrays, log)
    refined, parameters = desk.refine(pixels, views)
    return Outcome(crf_values(parameters), arrays | desk.tested(refined, "crf"), log)


def _gridding(desk: Desk, model: Segmenter, examples: Examples) -> Arrays:
    """Gridding of each image's last feature map, where it is large enough to tell."""
    found = []
    for chunk in examples.chunks(desk.recipe.evaluation_batch):
        maps = feature_maps(model.trunk, [chunk])
        if min(maps.shape[-2:]) < 4 * GRIDDING_PERIOD:
            return {}
        found.append(map_gridding(maps, GRIDDING_PERIOD))
    return {"gridding": torch.cat(found).cpu().numpy().astype(np.float32)}


@lru_cache(maxsize=2)
def _maps(folder: Path, weights: str, stride: int, stages: int, sets: Sets, device: str) -> Views:
    """Make the feature maps of all images, once for all systems and seeds."""
    return frozen_maps(_imagenet_trunk(folder / weights, stages, stride), sets, 10, device)


def _imagenet_trunk(weights: Path, stages: int, stride: int) -> nn.Sequential:
    """Return the first stages of VGG-16 with ImageNet weights, up to the last ReLU.

    Pools beyond the stride are removed, and conv5, if it is used, is dilated by 2.

    Raises:
        CheckpointError: The weights cannot be read, or are not those of VGG-16.
    """
    pools = [Pool() if stage < log2(stride) else None for stage in range(len(CHANNELS))]
    trunk = vgg16(pools=pools, dilations=(1, 1, 1, 1, 2))
    load_imagenet(weights, trunk)
    layers = list(trunk)
    ends = [place for place, layer in enumerate(layers) if isinstance(layer, nn.ReLU)]
    return nn.Sequential(*layers[: ends[sum(CONVOLUTIONS[:stages]) - 1] + 1])
