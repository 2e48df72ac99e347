"""All exact quantities of one network, for reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from harness.architecture.cost import multiply_adds
from harness.architecture.graph import Pair, feature_map
from harness.architecture.gridding import Gridding, gridding
from harness.architecture.layers import depth
from harness.architecture.parameters import count
from harness.architecture.receptive_field import ReceptiveField, receptive_field
from harness.architecture.resolution import map_size


@dataclass(frozen=True)
class Architecture:
    """What follows from a network's definition alone.

    Attributes:
        input_size: Image (rows, columns) that ``multiply_adds`` and ``map_size`` refer to.
        parameters: All parameters.
        dead_parameters: Trainable parameters that the output does not depend on.
        layers: Weight layers on the longest path.
        multiply_adds: Operations of one forward pass on one image.
        receptive_field: Of a unit of the last feature map, on an image without borders.
        map_size: Cells (rows, columns) of the last feature map.
        gridding: The worst pattern that one active cell can print on the last feature map.
    """

    input_size: Pair
    parameters: int
    dead_parameters: int
    layers: int
    multiply_adds: int
    receptive_field: ReceptiveField
    map_size: Pair
    gridding: Gridding

    @property
    def output_stride(self) -> int:
        """Image rows per cell of the last feature map."""
        return self.receptive_field.stride[0]


def describe(build: Callable[[], nn.Module], input_size: Pair = (224, 224), channels: int = 3) -> Architecture:
    """Derive the exact quantities of the network that ``build`` returns.

    The network is built on the meta device, without allocating its parameters. Its ``forward`` gives the output that
    parameters, layers and cost are counted for, and its ``features`` the last feature map.

    Raises:
        TypeError: The network has no method ``features``.
        NotImplementedError: It uses an operation that the closed forms do not know.
    """
    with torch.device("meta"):
        network = build()
    features = feature_map(network)
    parameters = count(network)
    return Architecture(
        input_size=input_size,
        parameters=parameters.total,
        dead_parameters=parameters.dead,
        layers=depth(network),
        multiply_adds=multiply_adds(network, (channels, *input_size)),
        receptive_field=receptive_field(features),
        map_size=map_size(features, input_size),
        gridding=gridding(features),
    )
