"""How many parameters a network has, and how many of them can learn."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from harness.architecture.graph import layer_of, live_nodes, trace


@dataclass(frozen=True)
class ParameterCount:
    """Numbers of scalar parameters; buffers such as running means are not parameters.

    Attributes:
        total: All of them: what a paper prints as the size of a model.
        frozen: Those that require no gradient.
        dead: Those that require a gradient and never get one, because the output does not depend on them.
    """

    total: int
    frozen: int
    dead: int


def count(module: nn.Module) -> ParameterCount:
    """Count the parameters of ``module``; shared ones once.

    Dead parameters are found on the traced graph: those of layers from which no path leads to the output.
    """
    graph = trace(module)
    by_name = dict(graph.named_parameters(remove_duplicate=False))
    alive: set[nn.Parameter] = set()
    for node in live_nodes(graph):
        layer = layer_of(graph, node)
        if layer is not None:
            alive.update(layer.parameters())
        elif node.op == "get_attr" and str(node.target) in by_name:
            alive.add(by_name[str(node.target)])
    parameters = list(module.parameters())
    return ParameterCount(
        total=sum(parameter.numel() for parameter in parameters),
        frozen=sum(parameter.numel() for parameter in parameters if not parameter.requires_grad),
        dead=sum(parameter.numel() for parameter in set(parameters) - alive if parameter.requires_grad),
    )
