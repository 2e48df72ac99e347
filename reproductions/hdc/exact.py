"""What follows from the built networks and from dilations alone, without training: nothing is computed on images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType

import torch
from torch import nn

from harness.architecture.cost import multiply_adds
from harness.architecture.coverage import coverage, footprint, hole_distances
from harness.architecture.graph import feature_map
from harness.architecture.gridding import gridding
from harness.architecture.layers import depth
from harness.architecture.parameters import count
from harness.architecture.receptive_field import receptive_field
from harness.architecture.resolution import map_size
from harness.experiment import Context, Outcome, Unit
from reproductions.hdc.models import Segmenter, build
from reproductions.hdc.recipes import CROP, GRIDDING_PERIOD, RULE_SPACES, STACKS
from reproductions.hdc.rule import tally
from reproductions.hdc.specs import BASELINE, RELEASED

Values = dict[str, int | float | str]


def architecture(unit: Unit, context: Context) -> Outcome:
    """Derive one network's exact quantities.

    The increase, the distance and ``coverage`` are of its last two modules. ``gridding`` looks for the grids of the
    uniform network, ``gridding-of-own-rates`` for those of every dilation that the network has.
    """
    context.progress(unit.system, 0, 1)
    model = _network(unit.system)
    features = feature_map(model)
    field = receptive_field(features)
    rates = module_rates(model, "layer3") + module_rates(model, "layer4")
    values: Values = {
        "parameters": count(model).total,
        "layers": depth(model),
        "multiply-adds": multiply_adds(model, (3, CROP, CROP)),
        "receptive-field": field.size[0],
        "receptive-field-increase": _increase(model),
        "output-stride": field.stride[0],
        "map-side": map_size(features, (CROP, CROP))[0],
        "gridding": gridding(features, GRIDDING_PERIOD).score,
        "gridding-of-own-rates": max((gridding(features, rate).score for rate in set(rates) - {1}), default=0.0),
        "coverage": 100 * coverage(rates).share,
        "hole-distance": hole_distances(rates)[1],
        "dilations": ", ".join(map(str, rates)),
    }
    return Outcome(values)


def statement(unit: Unit, context: Context) -> Outcome:
    """Derive what the text says about a construction."""
    context.progress(unit.system, 0, 1)
    return Outcome(STATEMENTS[unit.system]())


def rule(unit: Unit, context: Context) -> Outcome:
    """Hold the rule M_2 <= K against true coverage for every sequence of dilations of one space."""
    context.progress(unit.system, 0, 1)
    space = RULE_SPACES[unit.system]
    found = tally(space)
    return Outcome(
        {
            "sequences": found.sequences,
            "accepted-and-covered": found.accepted_covered,
            "accepted-with-holes": found.accepted_holed,
            "rejected-though-covered": found.rejected_covered,
            "rejected-with-holes": found.rejected_holed,
            "first-accepted-with-holes": ", ".join(map(str, found.holed_example)),
            "first-rejected-though-covered": ", ".join(map(str, found.covered_example)),
        }
    )


def module_rates(model: Segmenter, module: str) -> tuple[int, ...]:
    """Return the dilations of a built trunk's module, block by block; ``layer3`` is res4b and ``layer4`` res5b."""
    layers = model.trunk.get_submodule(module).modules()
    return tuple(layer.dilation[0] for layer in layers if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3))


def _network(name: str) -> Segmenter:
    with torch.device("meta"):
        return build(name)


def _increase(model: Segmenter) -> int:
    """Receptive field of the feature map, in its cells, beyond that of the map that enters res4b."""
    *early, _, _ = model.trunk.children()
    before, after = (receptive_field(module) for module in (nn.Sequential(*early), model.trunk))
    return (after.size[0] - before.size[0]) // after.stride[0]


def _stack(system: str) -> Values:
    rates = STACKS[system]
    return {"coverage": 100 * coverage(rates).share, "hole-distance": hole_distances(rates)[1]}


def _rates(name: str, module: str, places: slice) -> Values:
    """The dilation that all blocks of a module at ``places`` share."""
    return {"dilation": _common(module_rates(_network(name), module)[places])}


def _path(name: str, place: int) -> Values:
    pyramid = _network(name).head[0]
    rates = [layer.dilation[0] for layer in pyramid.modules() if isinstance(layer, nn.Conv2d)]
    return {"dilation": rates[place]}


def _paths(name: str) -> Values:
    return {"count": sum(isinstance(layer, nn.Conv2d) for layer in _network(name).head.modules())}


def _blocks(module: str) -> Values:
    return {"count": len(module_rates(_network(BASELINE.name), module))}


def _score_channels(name: str) -> int:
    return _common(layer.out_channels for layer in _network(name).head.modules() if isinstance(layer, nn.Conv2d))


def _stem_layers() -> Values:
    return {
        "count": sum(
            isinstance(layer, nn.Conv2d) for layer in _network(RELEASED.name).get_submodule("trunk.conv1").modules()
        )
    }


def _reshaped() -> Values:
    scores = _network("DUC DS=8 ASPP=4 Aug=yes Cell=1").scores(torch.empty(1, 3, CROP, CROP, device="meta"))
    return {"image-side": scores.shape[-1]}


def _common(values: Iterable[int]) -> int:
    """Return the value that all share.

    Raises:
        ValueError: They differ, so that no single number describes them.
    """
    distinct = set(values)
    if len(distinct) != 1:
        raise ValueError(f"one value expected, got {sorted(distinct)}")
    return distinct.pop()


def _groups(name: str, label: str, size: int) -> dict[str, Callable[[], Values]]:
    """The blocks of res4b at each place of the groups of a variant, the blocks left over set aside."""
    whole = 23 - 23 % size
    return {
        f"block {place + 1} of {label}": partial(_rates, name, "layer3", slice(place, whole, size))
        for place in range(size)
    }


def _last(name: str) -> dict[str, Callable[[], Values]]:
    return {
        f"block {place + 1} of res5b in {name}": partial(_rates, name, "layer4", slice(place, place + 1))
        for place in range(3)
    }


STATEMENTS: Mapping[str, Callable[[], Values]] = MappingProxyType(
    {
        **{system: partial(_stack, system) for system in STACKS},
        "pixels that a 3x3 kernel with dilation 2 reads": lambda: {"count": int(footprint((2,)).sum())},
        "pixels in the region of a 3x3 kernel with dilation 2": lambda: {"count": footprint((2,)).size},
        "ResNet-101": lambda: {"layers": depth(_network("ResNet-101 DUC+HDC fine"))},
        "ResNet-152": lambda: {"layers": depth(_network("ResNet-152 DUC+HDC fine"))},
        "res4b of the baseline": partial(_rates, BASELINE.name, "layer3", slice(None)),
        "res5b of the baseline": partial(_rates, BASELINE.name, "layer4", slice(None)),
        "blocks of res4b": partial(_blocks, "layer3"),
        "blocks of res5b": partial(_blocks, "layer4"),
        **{f"path {place + 1} of the ASPP module": partial(_path, BASELINE.name, place) for place in range(4)},
        "first path of the ASPP module with 6 paths": partial(_path, "ResNet-DUC bigger patch", 0),
        "last path of the ASPP module with 6 paths": partial(_path, "ResNet-DUC bigger patch", -1),
        "paths of the ASPP module, fewer": partial(_paths, BASELINE.name),
        "paths of the ASPP module, more": partial(_paths, "ResNet-DUC bigger patch"),
        "channels of the last layer, cell 1 over cell 2": lambda: {
            "ratio": _score_channels("DUC DS=8 ASPP=6 Aug=yes Cell=1")
            / _score_channels("DUC DS=8 ASPP=6 Aug=yes Cell=2")
        },
        "reshaped prediction map": _reshaped,
        "first layers of the better network": _stem_layers,
        "all blocks of No dilation": partial(_rates, "No dilation", "layer3", slice(None)),
        "first block of a group of Dilation-conv": partial(_rates, "Dilation-conv", "layer3", slice(0, None, 2)),
        "second block of a group of Dilation-conv": partial(_rates, "Dilation-conv", "layer3", slice(1, None, 2)),
        **_groups("Dilation-RF", "a group of Dilation-RF", 3),
        "last two blocks of res4b in Dilation-RF": partial(_rates, "Dilation-RF", "layer3", slice(-2, None)),
        **_last("Dilation-RF"),
        **_groups("Dilation-bigger", "a group of Dilation-bigger", 4),
        **{
            f"block {place + 1} of the last group of Dilation-bigger": partial(
                _rates, "Dilation-bigger", "layer3", slice(20 + place, 21 + place)
            )
            for place in range(3)
        },
        **_last("Dilation-bigger"),
    }
)
"""By the words of the claims file that name what is described."""
