"""What follows from the built networks alone, without training one: nothing is computed on images."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import torch
from torch import nn
from torchvision.models import vgg as torchvision_vgg

from harness.architecture.cost import multiply_adds
from harness.architecture.coverage import coverage
from harness.architecture.graph import feature_map
from harness.architecture.layers import depth
from harness.architecture.parameters import count
from harness.architecture.receptive_field import receptive_field
from harness.architecture.resolution import map_size
from harness.experiment import Context, Outcome, Unit
from reproductions.dilation.models import build, build_context
from reproductions.dilation.specs import CLASSES, IMAGE_SIDE, MAP_SIDE, FrontEnd

Values = dict[str, int | float | str]

FIGURE_1 = (1, 2, 4)
"""Dilations of the three layers that Figure 1 shows."""


def architecture(unit: Unit, context: Context) -> Outcome:
    """Derive one network's exact quantities: counts, pixels, cells, and the share of its field that it sees."""
    context.progress(unit.system, 0, 1)
    with torch.device("meta"):
        return Outcome(ARCHITECTURES[unit.system]())


def stack(dilations: Sequence[int], channels: int = 1) -> nn.Sequential:
    """Return 3x3 layers without bias that keep the size of their map, as equation 3 puts them one after another."""
    layers = (nn.Conv2d(channels, channels, 3, padding=r, dilation=r, bias=False) for r in dilations)
    return nn.Sequential(*layers)


def plain_layers(side: int) -> int:
    """Return how many undilated 3x3 layers have a receptive field of ``side`` or more, by building them."""

    def field(layers: int) -> int:
        with torch.device("meta"):
            return receptive_field(stack([1] * layers)).size[0]

    return 1 + bisect_left(range(1, side), side, key=field)


def _network(front: FrontEnd, context: str | None = None) -> Values:
    model = build(front, None if context is None else build_context(context, CLASSES), classes=CLASSES)
    features = feature_map(model)
    field = receptive_field(features)
    return {
        "parameters": count(model).total,
        "layers": depth(model),
        "multiply-adds": multiply_adds(model, (3, IMAGE_SIDE, IMAGE_SIDE)),
        "receptive-field": field.size[0],
        "output-stride": field.stride[0],
        "map-side": map_size(features, (IMAGE_SIDE, IMAGE_SIDE))[0],
        "channels": int(model(torch.empty(1, 3, IMAGE_SIDE, IMAGE_SIDE)).shape[1]),
    }


def _classifier() -> Values:
    """VGG-16 as it classifies; field, stride and map are those of its last pool, which rounds down."""
    model = torchvision_vgg.vgg16(weights=None)
    field = receptive_field(model.features)
    return {
        "parameters": count(model).total,
        "layers": depth(model),
        "receptive-field": field.size[0],
        "output-stride": field.stride[0],
        "map-side": map_size(model.features, (IMAGE_SIDE, IMAGE_SIDE))[0],
    }


def _module(name: str) -> Values:
    """A context module on the map of a whole image; receptive field and stride are in cells of that map."""
    module = build_context(name, CLASSES)
    maps = (CLASSES, MAP_SIDE, MAP_SIDE)
    field = receptive_field(module)
    return {
        "parameters": count(module).total,
        "layers": depth(module),
        "multiply-adds": multiply_adds(module, maps),
        "receptive-field": field.size[0],
        "output-stride": field.stride[0],
        "map-side": map_size(module, (MAP_SIDE, MAP_SIDE))[0],
        "channels": int(module(torch.empty(1, *maps)).shape[1]),
        "coverage": 100 * coverage(module.spec.dilations).share,
    }


def _stack(dilations: Sequence[int]) -> Values:
    layers = stack(dilations)
    field = receptive_field(layers)
    return {
        "parameters": count(layers).total,
        "layers": depth(layers),
        "receptive-field": field.size[0],
        "output-stride": field.stride[0],
        "coverage": 100 * coverage(dilations).share,
    }


ARCHITECTURES: Mapping[str, Callable[[], Values]] = MappingProxyType(
    {
        "VGG-16": _classifier,
        "FCN-8s": partial(_network, FrontEnd.FCN),
        "DeepLab": partial(_network, FrontEnd.DEEPLAB),
        "DeepLab-LFOV": partial(_network, FrontEnd.LARGE_FOV),
        "Front end": partial(_network, FrontEnd.DILATED),
        "Our front end with pooling": partial(_network, FrontEnd.POOLED),
        "Front + Basic": partial(_network, FrontEnd.DILATED, "Basic"),
        "Front + Large": partial(_network, FrontEnd.DILATED, "Large"),
        "Basic": partial(_module, "Basic"),
        "Large": partial(_module, "Large"),
        "context module of Dilation7": partial(_module, "Dilation7"),
        "context module of Dilation8": partial(_module, "Dilation8"),
        "context module of Dilation10": partial(_module, "Dilation10"),
        "Exponential stack": partial(_stack, FIGURE_1),
        "Plain stack": partial(_stack, (1,) * len(FIGURE_1)),
        "Exponential stack of 4": partial(_stack, (1, 2, 4, 8)),
        "Plain stack of 4": partial(_stack, (1,) * 4),
        "Exponential stack of 5": partial(_stack, (1, 2, 4, 8, 16)),
        "Plain stack as wide as 5 dilated layers": lambda: _stack((1,) * plain_layers(63)),
        "Plain stack as wide as Basic": lambda: _stack((1,) * plain_layers(67)),
        "Plain stack as wide as Dilation10's module": lambda: _stack((1,) * plain_layers(259)),
    }
)
"""By the names of the claims file and of the pages that explain the paper."""
