"""What follows from the built networks alone, without training one: nothing is computed on images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType

import torch
from torch import nn

from harness.architecture.cost import multiply_adds
from harness.architecture.graph import feature_map
from harness.architecture.gridding import gridding
from harness.architecture.layers import depth
from harness.architecture.parameters import count
from harness.architecture.receptive_field import receptive_field
from harness.architecture.resolution import map_size
from harness.experiment import Context, Outcome, Unit
from reproductions.drn.models import Classifier, build
from reproductions.drn.recipes import IMAGE_SIDE

RESNETS = ("ResNet-18", "ResNet-34", "ResNet-50", "ResNet-101")
DRN_AS = ("DRN-A-18", "DRN-A-34", "DRN-A-50")
DRNS = (*DRN_AS, "DRN-B-26", "DRN-C-26", "DRN-C-42")

Values = dict[str, int | float | str]


def architecture(unit: Unit, context: Context) -> Outcome:
    """Derive one network's exact quantities: counts, pixels, cells, and gridding of the feature map."""
    context.progress(unit.system, 0, 1)
    model = _network(unit.system)
    features = feature_map(model)
    field = receptive_field(features)
    values: Values = {
        "parameters": count(model).total,
        "layers": depth(model),
        "multiply-adds": multiply_adds(model, (3, IMAGE_SIDE, IMAGE_SIDE)),
        "receptive-field": field.size[0],
        "output-stride": field.stride[0],
        "map-side": _map_side(model),
        "gridding": gridding(features).score,
    }
    return Outcome(values)


def statement(unit: Unit, context: Context) -> Outcome:
    """Derive what the text says about a construction, from every network that the words cover."""
    context.progress(unit.system, 0, 1)
    return Outcome(STATEMENTS[unit.system]())


def _network(name: str) -> Classifier:
    with torch.device("meta"):
        return build(name)


def _map_side(model: Classifier) -> int:
    return map_size(feature_map(model), (IMAGE_SIDE, IMAGE_SIDE))[0]


def _common(values: Iterable[int]) -> int:
    """Return the value that all share.

    Raises:
        ValueError: They differ, so that no single number describes them.
    """
    distinct = set(values)
    if len(distinct) != 1:
        raise ValueError(f"one value expected, got {sorted(distinct)}")
    return distinct.pop()


def _resolution(names: Iterable[str]) -> Values:
    networks = [_network(name) for name in names]
    return {
        "output-stride": _common(receptive_field(feature_map(network)).stride[0] for network in networks),
        "map-side": _common(_map_side(network) for network in networks),
    }


def _dilation(names: Iterable[str], group: str, *, skip: int = 0) -> Values:
    """Dilation of a group's 3x3 convolutions in order of execution, without the first ``skip`` of them."""
    found = [_spatial(_network(name).get_submodule(group))[skip:] for name in names]
    return {"dilation": _common(layer.dilation[0] for layers in found for layer in layers)}


def _spatial(group: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in group.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)]


def _without_striding(name: str) -> Classifier:
    """A residual network whose last two groups neither stride nor dilate (Section 2, "a naive approach")."""
    model = _network(name)
    for group in ("layer3", "layer4"):
        for layer in model.get_submodule(group).modules():
            if isinstance(layer, nn.Conv2d):
                layer.stride = (1, 1)
    return model


def _group_stride() -> Values:
    sides = (_spatial(_network(name).get_submodule(group)) for name in RESNETS for group in ("layer3", "layer4"))
    return {"ratio": _common(max(layer.stride[0] for layer in layers) for layers in sides)}


def _resolution_gain() -> Values:
    gains = {_map_side(_without_striding(name)) / _map_side(_network(name)) for name in RESNETS}
    return {"ratio": max(gains)} if len(gains) == 1 else {}


def _field_loss() -> Values:
    """The largest loss of the four networks, the reading that is kindest to the statement."""
    losses = {
        name: receptive_field(feature_map(_network(name))).size[0]
        / receptive_field(feature_map(_without_striding(name))).size[0]
        for name in RESNETS
    }
    return {"ratio": max(losses.values()), "each": ", ".join(f"{name} {loss:.2f}" for name, loss in losses.items())}


def _pooled() -> Values:
    drn, resnet = (_common(_map_side(_network(name)) ** 2 for name in names) for names in (DRNS, RESNETS))
    return {"ratio": drn / resnet}


def _depth_ratio(deeper: str, shallower: str) -> Values:
    return {"ratio": depth(_network(deeper)) / depth(_network(shallower))}


STATEMENTS: Mapping[str, Callable[[], Values]] = MappingProxyType(
    {
        "ResNet": partial(_resolution, RESNETS),
        "DRN": partial(_resolution, DRNS),
        "DRN-A, G4 after its first layer": partial(_dilation, DRN_AS, "layer3", skip=1),
        "DRN-A, G5 after its first layer": partial(_dilation, DRN_AS, "layer4", skip=1),
        "DRN-B, level 6": partial(_dilation, ("DRN-B-26",), "layer6"),
        "DRN-B, level 7": partial(_dilation, ("DRN-B-26",), "layer7"),
        "DRN-B, level 8": partial(_dilation, ("DRN-B-26",), "layer8"),
        "reduction of resolution by the first layer of G4 or G5": _group_stride,
        "output resolution of a ResNet without striding in G4 and G5": _resolution_gain,
        "receptive field of an output unit of a ResNet without striding in G4 and G5": _field_loss,
        "values that global average pooling takes in, DRN over ResNet": _pooled,
        "depth of ResNet-101 over DRN-C-42": partial(_depth_ratio, "ResNet-101", "DRN-C-42"),
        "depth of ResNet-101 over DRN-C-26": partial(_depth_ratio, "ResNet-101", "DRN-C-26"),
    }
)
"""By the words of the claims file that name what is described."""
