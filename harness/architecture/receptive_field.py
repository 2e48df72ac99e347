"""Which pixels a unit of a feature map can see."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from harness.architecture.graph import Pair, Window, live_nodes, trace, window_of
from harness.architecture.linear import linearise


@dataclass(frozen=True)
class ReceptiveField:
    """The pixels that reach each unit of a map, on an image without borders; pairs are (rows, columns) in pixels.

    Attributes:
        start: First pixel that unit (0, 0) sees; negative where the field reaches into the padding.
        size: Side of the smallest box around all pixels that a unit sees.
        stride: Distance between the fields of neighbouring units: the output stride.
    """

    start: Pair
    size: Pair
    stride: Pair


def receptive_field(module: nn.Module) -> ReceptiveField:
    """Return the receptive field of the units of ``module``'s output, in closed form; see :func:`receptive_fields`."""
    return receptive_fields(module)["output"]


def receptive_fields(module: nn.Module) -> dict[str, ReceptiveField]:
    """Return the receptive field of every node of the traced network, by the node's name, in order of execution.

    Where a window (kernel k, stride s, padding p, dilation d) slides over a map of fields (start a, size r,
    stride j), the new fields have start a - p j, size r + (k - 1) d j and stride s j. Where branches meet, the field
    is the smallest box around theirs.

    Raises:
        NotImplementedError: An operation has no window (:func:`harness.architecture.graph.window_of`), or branches
            of different strides meet.
    """
    graph = trace(module)
    fields: dict[str, ReceptiveField] = {}
    for node in live_nodes(graph):
        sources = [fields[source.name] for source in node.all_input_nodes]
        joined = _join(node, sources) if sources else ReceptiveField((0, 0), (1, 1), (1, 1))
        fields[node.name] = _slide(joined, window_of(graph, node))
    return fields


def receptive_field_by_gradient(module: nn.Module, input_shape: tuple[int, int, int]) -> ReceptiveField:
    """Measure the receptive field: the pixels of one image (C, H, W) that the gradient of a central unit reaches.

    The network is first replaced by its linear skeleton with positive weights, so that no two paths cancel and no
    maximum or ReLU hides a pixel. Two units, one row and one column apart, give the stride.

    Raises:
        ValueError: The image is too small: the field touches its border.
    """
    skeleton = linearise(module, "uniform")
    image = torch.ones(1, *input_shape, dtype=torch.float64, requires_grad=True)
    output: Tensor = skeleton(image)
    row, column = output.shape[-2] // 2, output.shape[-1] // 2
    (top, bottom), (left, right) = _support(output[0, :, row, column], image)
    (previous_top, _), (previous_left, _) = _support(output[0, :, row - 1, column - 1], image)
    if min(previous_top, previous_left) == 0 or bottom == image.shape[-2] - 1 or right == image.shape[-1] - 1:
        raise ValueError(f"the receptive field reaches the border of an image of {input_shape}; use a larger one")
    stride = (top - previous_top, left - previous_left)
    return ReceptiveField(
        start=(top - row * stride[0], left - column * stride[1]),
        size=(bottom - top + 1, right - left + 1),
        stride=stride,
    )


def _support(unit: Tensor, image: Tensor) -> tuple[Pair, Pair]:
    (gradient,) = torch.autograd.grad(unit.sum(), image, retain_graph=True)
    seen = gradient[0].sum(dim=0) > 0
    rows, columns = (seen.any(dim=axis).nonzero().flatten().tolist() for axis in (1, 0))
    return (rows[0], rows[-1]), (columns[0], columns[-1])


def _join(node: fx.Node, fields: list[ReceptiveField]) -> ReceptiveField:
    if len({field.stride for field in fields}) > 1:
        raise NotImplementedError(f"branches of different strides meet at {node.name}")
    starts, ends = zip(*(_bounds(field, axis) for field in fields for axis in (0, 1)), strict=True)
    start = (min(starts[0::2]), min(starts[1::2]))
    size = (max(ends[0::2]) - start[0], max(ends[1::2]) - start[1])
    return ReceptiveField(start, size, fields[0].stride)


def _bounds(field: ReceptiveField, axis: int) -> Pair:
    return field.start[axis], field.start[axis] + field.size[axis]


def _slide(field: ReceptiveField, window: Window) -> ReceptiveField:
    def along(axis: int) -> tuple[int, int, int]:
        stride = field.stride[axis]
        return (
            field.start[axis] - window.padding[axis] * stride,
            field.size[axis] + (window.kernel[axis] - 1) * window.dilation[axis] * stride,
            window.stride[axis] * stride,
        )

    (top, height, row_stride), (left, width, column_stride) = along(0), along(1)
    return ReceptiveField((top, left), (height, width), (row_stride, column_stride))
