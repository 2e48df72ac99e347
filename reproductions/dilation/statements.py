"""What the text, and the pages that explain it, say in numbers about operators, layers and stacks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import combinations
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.architecture.coverage import coverage
from harness.architecture.parameters import count
from harness.architecture.receptive_field import receptive_field
from harness.architecture.resolution import map_size
from harness.experiment import Context, Outcome, Unit
from harness.networks.vgg import Pool, vgg16
from reproductions.dilation.context import ContextModule
from reproductions.dilation.exact import FIGURE_1, Values, stack
from reproductions.dilation.frontend import dilated_front_end
from reproductions.dilation.models import build_context
from reproductions.dilation.operator import convolve, convolve_with_zeros, dilated_convolution
from reproductions.dilation.specs import BASIC, DEPLOYMENTS, DILATION_10, LARGE, ContextSpec

RATES = (1, 2, 4, 8, 16)
"""Dilations that the secondary pages list the span of a 3x3 kernel for."""
LARGEST_RATE, MOST_RATES = 12, 4
"""Bounds of the sets of different rates that are searched."""


def statement(unit: Unit, context: Context) -> Outcome:
    """Derive what one statement gives a number for."""
    context.progress(unit.system, 0, 1)
    return Outcome(STATEMENTS[unit.system]())


def _common(values: Iterable[int]) -> int:
    """Return the value that all share.

    Raises:
        ValueError: They differ, so that no single number describes them.
    """
    distinct = set(values)
    if len(distinct) != 1:
        raise ValueError(f"one value expected, got {sorted(distinct)}")
    return distinct.pop()


def _multiple(value: int, unit: int) -> int:
    """Return how many times ``unit`` is in ``value``.

    Raises:
        ValueError: Not a whole number of times.
    """
    times, rest = divmod(value, unit)
    if rest:
        raise ValueError(f"{value} is no multiple of {unit}")
    return times


def _convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]


def _on_meta(spec: ContextSpec, classes: int = 1) -> ContextModule:
    with torch.device("meta"):
        return build_context(spec, classes)


def _layer(number: int) -> Values:
    """A layer of Table 1, the same in Basic and Large but for its width."""
    modules = [_convolutions(_on_meta(spec)) for spec in (BASIC, LARGE)]
    return {
        "kernel-side": _common(layers[number - 1].kernel_size[0] for layers in modules),
        "dilation": _common(layers[number - 1].dilation[0] for layers in modules),
        "receptive-field": _common(receptive_field(nn.Sequential(*layers[:number])).size[0] for layers in modules),
    }


def _width(spec: ContextSpec, number: int) -> Values:
    """Output channels of a layer, in multiples of C."""
    return {
        "channels": _common(_multiple(_convolutions(_on_meta(spec, c))[number - 1].out_channels, c) for c in _classes())
    }


def _classes() -> set[int]:
    return {deployment.classes for deployment in DEPLOYMENTS}


def _figure_1(number: int) -> Values:
    return {"dilation": FIGURE_1[number - 1], "receptive-field": receptive_field(stack(FIGURE_1[:number])).size[0]}


def _filters() -> Values:
    return {"kernel-side": _common(layer.kernel_size[0] for layer in _convolutions(stack(FIGURE_1)))}


def _spatial_layers() -> Values:
    return {"layers": sum(layer.kernel_size == (3, 3) for layer in _convolutions(_on_meta(BASIC)))}


def _weights_of_basic() -> Values:
    """Weights only, as 64 C^2 counts them; biases add 8 C."""
    weights = {c: sum(layer.weight.numel() for layer in _convolutions(_on_meta(BASIC, c))) for c in _classes()}
    return {"ratio": _common(_multiple(total, c**2) for c, total in weights.items())}


def _pools_removed() -> Values:
    def pools(module: nn.Module) -> int:
        return sum(isinstance(layer, nn.MaxPool2d) for layer in module.modules())

    with torch.device("meta"):
        return {"count": pools(vgg16()) - pools(dilated_front_end(1).trunk)}


def _front_end_dilation(layer: str) -> Values:
    with torch.device("meta"):
        found = dilated_front_end(1).get_submodule(layer)
    assert isinstance(found, nn.Conv2d)
    return {"dilation": found.dilation[0]}


def _added() -> list[int]:
    """Dilations of the layers of Dilation10's module that Basic has not."""
    kept = list(BASIC.dilations)
    added = list(DILATION_10.dilations)
    for dilation in kept:
        added.remove(dilation)
    return added


def _kernel(side: int, dilation: int) -> Values:
    """One kernel between one input and one output channel."""
    layer = nn.Conv2d(1, 1, side, dilation=dilation, bias=False, device="meta")
    return {
        "kernel-side": side,
        "dilation": dilation,
        "field-of-view": receptive_field(layer).size[0],
        "parameters": count(layer).total,
    }


def _original_map() -> Values:
    with torch.device("meta"):
        trunk = vgg16(pools=[Pool(ceil=False)] * 5)
    return {"image-side": 224, "map-side": map_size(trunk, (224, 224))[0]}


def _rates(*rates: int) -> Values:
    found = coverage(rates)
    return {"coverage": 100 * found.share, "receptive-field": found.size}


def _sets_of_rates() -> Iterator[tuple[int, ...]]:
    for size in range(2, MOST_RATES + 1):
        yield from combinations(range(1, LARGEST_RATE + 1), size)


def _coprime(rates: tuple[int, ...]) -> bool:
    return math.gcd(*rates) == 1


def _pairwise_coprime(rates: tuple[int, ...]) -> bool:
    return all(math.gcd(*pair) == 1 for pair in combinations(rates, 2))


def _count(condition: Callable[[tuple[int, ...]], bool], wanted: bool, complete: bool) -> Values:
    """Count the sets of rates that (do not) meet a condition and (do not) cover their receptive field."""
    sets = (rates for rates in _sets_of_rates() if condition(rates) is wanted)
    return {"count": sum(coverage(rates).complete is complete for rates in sets)}


def _difference(
    other: Callable[[Tensor, Tensor, int], Tensor], operator: Callable[[Tensor, Tensor, int], Tensor]
) -> Values:
    """Largest difference of two implementations on whole numbers, which leave nothing to round."""
    draws = np.random.default_rng(0)
    largest = 0.0
    for dilation in RATES:
        side = 2 * dilation + 9
        signal = torch.from_numpy(draws.integers(-9, 10, (side, side)).astype(np.float64))
        kernel = torch.from_numpy(draws.integers(-9, 10, (3, 3)).astype(np.float64))
        difference = other(signal, kernel, dilation) - operator(signal, kernel, dilation)
        largest = max(largest, float(difference.abs().max()))
    return {"difference": largest}


def _by_definition(signal: Tensor, kernel: Tensor, dilation: int) -> Tensor:
    return torch.from_numpy(dilated_convolution(signal.numpy(), kernel.numpy(), dilation))


def _by_zeros(signal: Tensor, kernel: Tensor, dilation: int) -> Tensor:
    return convolve_with_zeros(signal[None, None], kernel[None, None], dilation)[0, 0]


def _by_library(signal: Tensor, kernel: Tensor, dilation: int) -> Tensor:
    return F.conv2d(signal[None, None], kernel[None, None], dilation=dilation)[0, 0]


STATEMENTS: Mapping[str, Callable[[], Values]] = MappingProxyType(
    {
        **{f"Layer {n}": partial(_layer, n) for n in range(1, 9)},
        **{f"Layer {n}, {spec.name}": partial(_width, spec, n) for spec in (BASIC, LARGE) for n in range(1, 9)},
        **{f"F{n}": partial(_figure_1, n) for n in (1, 2, 3)},
        "filters of a stack with exponentially increasing dilation": _filters,
        "3×3 layers of the basic context module": _spatial_layers,
        "parameters of Basic over C²": _weights_of_basic,
        "pooling and striding layers removed from VGG-16": _pools_removed,
        "Front end, for each pooling layer removed before": partial(_front_end_dilation, "trunk.24"),
        "Front end, final layers": partial(_front_end_dilation, "head.fc6"),
        "layers added to the context module of Dilation10": lambda: {"layers": len(_added())},
        "context module of Dilation10, first layer added": lambda: {"dilation": _added()[0]},
        "context module of Dilation10, second layer added": lambda: {"dilation": _added()[1]},
        **{f"3x3, dilation {rate}": partial(_kernel, 3, rate) for rate in RATES},
        "9x9": partial(_kernel, 9, 1),
        "VGG-16 on 224 pixels": _original_map,
        "rates 1, 2, 5, 9": partial(_rates, 1, 2, 5, 9),
        "rates 2, 4, 8": partial(_rates, 2, 4, 8),
        "sets of rates with a common factor that leave no blind spot": partial(_count, _coprime, False, True),
        "sets of rates without a common factor that leave blind spots": partial(_count, _coprime, True, False),
        "sets of pairwise coprime rates that leave blind spots": partial(_count, _pairwise_coprime, True, False),
        "sets of rates not pairwise coprime that leave no blind spot": partial(_count, _pairwise_coprime, False, True),
        "equation 2 less the library's operator": partial(_difference, _by_definition, convolve),
        "inserted zeros less the library's operator": partial(_difference, _by_zeros, _by_library),
    }
)
"""By the words of the claims file that name what is described, and of the pages that explain the paper."""
