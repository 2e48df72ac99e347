"""What one forward pass costs."""

from __future__ import annotations

import copy
from functools import partial

import torch
from torch import Tensor, nn


def multiply_adds(module: nn.Module, input_shape: tuple[int, int, int]) -> int:
    """Return the multiply-add operations of one forward pass on one image of ``input_shape`` (C, H, W).

    Counted are convolutions, transposed convolutions and linear layers, one operation for each product of a weight
    and an activation, zero padding included, as papers count "FLOPs" of ResNets (half of what
    ``torch.utils.flop_counter`` counts). Biases, normalisation, pooling, activations and sums are left out. Runs on
    the meta device: nothing is computed.
    """
    network = copy.deepcopy(module).to("meta").eval()
    counts: list[int] = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            layer.register_forward_hook(partial(_count, counts))
    with torch.no_grad():
        network(torch.empty(1, *input_shape, device="meta"))
    return sum(counts)


def _count(counts: list[int], layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    if isinstance(layer, nn.Linear):
        counts.append(output.numel() * layer.in_features)
    elif isinstance(layer, nn.Conv2d):
        counts.append(output.numel() * layer.weight[0].numel())
    elif isinstance(layer, nn.ConvTranspose2d):
        counts.append(inputs[0].numel() * layer.weight[0].numel())
