"""How deep a network is, in the sense of the number in its name."""

from __future__ import annotations

from torch import fx, nn

from harness.architecture.graph import layer_of, live_nodes, trace

WEIGHT_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def depth(module: nn.Module) -> int:
    """Return the number of weight layers on the longest path from input to output.

    Convolutions and fully connected layers count; normalisation, pooling and activations do not. This is the
    convention of He et al. (Deep Residual Learning, Table 1), by which ResNet-50 has 50 layers: where a residual
    block has a projection on its skip connection, the longer branch is the one that counts.
    """
    graph = trace(module)
    depths: dict[fx.Node, int] = {}
    for node in live_nodes(graph):
        below = max((depths[source] for source in node.all_input_nodes), default=0)
        depths[node] = below + isinstance(layer_of(graph, node), WEIGHT_LAYERS)
    return max(depths.values())
