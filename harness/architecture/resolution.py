"""How large the last feature map is."""

from __future__ import annotations

from torch import nn

from harness.architecture.graph import Pair, Window, live_nodes, trace, window_of


def map_size(module: nn.Module, input_size: Pair) -> Pair:
    """Return the (rows, columns) of ``module``'s output for an image of ``input_size``, by the formula of each layer.

    A window of kernel k, stride s, padding p and dilation d turns n cells into
    floor((n + 2 p - d (k - 1) - 1) / s) + 1. Pooling in ceil mode rounds up instead, unless the last window would
    begin at n + p or later.

    Raises:
        NotImplementedError: An operation has no window, or maps of different sizes are added.
        ValueError: The image is too small for a layer.
    """
    graph = trace(module)
    sizes: dict[str, Pair] = {}
    for node in live_nodes(graph):
        sources = {sizes[source.name] for source in node.all_input_nodes} or {input_size}
        if len(sources) > 1:
            raise NotImplementedError(f"maps of different sizes meet at {node.name}")
        size = _slide(sources.pop(), window_of(graph, node))
        if min(size) < 1:
            raise ValueError(f"an image of {input_size[0]}x{input_size[1]} leaves nothing at {node.name}")
        sizes[node.name] = size
    return sizes["output"]


def _slide(size: Pair, window: Window) -> Pair:
    def along(axis: int) -> int:
        stride, padding = window.stride[axis], window.padding[axis]
        reach = window.dilation[axis] * (window.kernel[axis] - 1) + 1
        free = size[axis] + 2 * padding - reach
        if not window.ceil:
            return free // stride + 1
        return min(-(-free // stride) + 1, (size[axis] + padding - 1) // stride + 1)

    return along(0), along(1)
