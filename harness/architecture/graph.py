"""A network as a graph of sliding windows, which the exact quantities are computed on.

Tracing is symbolic (``torch.fx``): nothing is computed, so it works on the meta device and needs no input size.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.nn import functional as F

Pair = tuple[int, int]

_POINTWISE_LAYERS = (nn.BatchNorm2d, nn.ReLU, nn.Identity, nn.Dropout, nn.Dropout2d, nn.Softmax, nn.LogSoftmax)
_POINTWISE_FUNCTIONS = (operator.add, operator.iadd, torch.add, torch.maximum, torch.cat, torch.relu, F.relu)
_MARGINS = (nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d)


@dataclass(frozen=True)
class Window:
    """The cells that one output cell of an operation reads, each pair (rows, columns) in cells of its input.

    Output cell i reads input cells ``stride * i - padding + dilation * k`` for k = 0 ... kernel - 1. With ``ceil``, a
    last window that begins on the map, or in the padding before it, may reach beyond the padding after it.
    """

    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    ceil: bool = False


def trace(module: nn.Module) -> fx.GraphModule:
    """Return the graph of ``module.forward``; a graph is returned as it is."""
    if isinstance(module, fx.GraphModule):
        return module
    single_layer = fx.Tracer().is_leaf_module(module, "")
    return fx.symbolic_trace(nn.Sequential(module) if single_layer else module)


class _FeatureTracer(fx.Tracer):
    traced_func_name = "features"


def feature_map(model: nn.Module) -> fx.GraphModule:
    """Return the part of ``model`` that computes its last feature map, ``model.features``, sharing its parameters.

    Raises:
        TypeError: The model has no method ``features``.
    """
    if not callable(getattr(type(model), "features", None)):
        raise TypeError(f"{type(model).__name__} has no method features(x) that returns its last feature map")
    return fx.GraphModule(model, _FeatureTracer().trace(model))


def live_nodes(graph: fx.GraphModule) -> list[fx.Node]:
    """Return, in order of execution, the nodes that the output depends on, the output last."""
    live: set[fx.Node] = set()
    for node in reversed(graph.graph.nodes):
        if node.op == "output" or any(user in live for user in node.users):
            live.add(node)
    return [node for node in graph.graph.nodes if node in live]


def layer_of(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """Return the module that ``node`` calls, or None if it calls none."""
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None


def window_of(graph: fx.GraphModule, node: fx.Node) -> Window:
    """Return the window of one node; a sum, maximum or concatenation reads one cell of each of its terms.

    A margin around the map, whatever it is filled with, is the padding of a window of one cell.

    Raises:
        NotImplementedError: The operation is not one of convolution, pooling, an even margin, sum, maximum,
            concatenation or a pointwise function.
    """
    layer = layer_of(graph, node)
    if node.op in ("placeholder", "output") or isinstance(layer, _POINTWISE_LAYERS):
        return Window()
    if node.op == "call_function" and node.target in _POINTWISE_FUNCTIONS:
        return Window()
    if isinstance(layer, nn.Conv2d) and not isinstance(layer.padding, str):
        return Window(_pair(layer.kernel_size), _pair(layer.stride), _pair(layer.padding), _pair(layer.dilation))
    if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
        dilation = _pair(layer.dilation) if isinstance(layer, nn.MaxPool2d) else (1, 1)
        return Window(_pair(layer.kernel_size), _pair(layer.stride), _pair(layer.padding), dilation, layer.ceil_mode)
    if isinstance(layer, _MARGINS) and layer.padding[0::2] == layer.padding[1::2]:
        left, _, top, _ = layer.padding
        return Window(padding=(top, left))
    raise NotImplementedError(f"the window of {node.op} {layer or node.target} ({node.name}) is not defined here")


def _pair(value: int | tuple[int, ...]) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
