"""The linear skeleton of a network: where its units look, without what they have learned."""

from __future__ import annotations

import copy
import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Smoothing = Literal["binomial", "uniform"]
"""Weights of a smoothing kernel: binomial coefficients (1 2 1 for three taps) or all equal."""


def smoothing_taps(length: int, smoothing: Smoothing) -> list[float]:
    """Return ``length`` positive taps with sum 1."""
    if smoothing == "uniform":
        return [1 / length] * length
    return [math.comb(length - 1, index) / 2 ** (length - 1) for index in range(length)]


class SmoothingPool(nn.Module):
    """A pooling layer's windows with smoothing weights in place of its maximum or mean."""

    def __init__(self, layer: nn.MaxPool2d | nn.AvgPool2d, smoothing: Smoothing) -> None:
        super().__init__()
        size = layer.kernel_size
        rows, columns = (size, size) if isinstance(size, int) else size
        self.register_buffer("kernel", _kernel(rows, columns, smoothing)[None, None])
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, h, w] as the layer does; windows that reach beyond the map see zeros there."""
        dilation = self.layer.dilation if isinstance(self.layer, nn.MaxPool2d) else 1
        maps = x.flatten(0, 1)[:, None]
        rows, columns = self.layer(x).shape[-2:]
        if self.layer.ceil_mode:
            stride = self.layer.stride
            below, right = (stride, stride) if isinstance(stride, int) else stride
            maps = F.pad(maps, (0, right, 0, below))
        pooled = F.conv2d(maps, self.get_buffer("kernel"), None, self.layer.stride, self.layer.padding, dilation)
        return pooled[..., :rows, :columns].reshape(x.shape[0], x.shape[1], rows, columns)


def linearise(module: nn.Module, smoothing: Smoothing) -> nn.Module:
    """Return a copy of ``module`` in double precision on the CPU that averages wherever the original computes.

    Every convolution gets the same smoothing kernel from all its input channels, every pooling layer too, so that
    a map of ones stays one; normalisation, activation and dropout become the identity. Sums stay sums.
    """
    skeleton = copy.deepcopy(module).to_empty(device="cpu").double().requires_grad_(False).eval()
    for parent in list(skeleton.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Conv2d):
                kernel = _kernel(layer.kernel_size[0], layer.kernel_size[1], smoothing)
                layer.weight.copy_((kernel * layer.groups / layer.in_channels).expand_as(layer.weight))
                if layer.bias is not None:
                    layer.bias.zero_()
            elif isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
                setattr(parent, name, SmoothingPool(layer, smoothing))
            elif isinstance(layer, nn.BatchNorm2d | nn.ReLU | nn.Dropout | nn.Dropout2d):
                setattr(parent, name, nn.Identity())
    return skeleton


def _kernel(rows: int, columns: int, smoothing: Smoothing) -> Tensor:
    vertical, horizontal = (
        torch.tensor(smoothing_taps(length, smoothing), dtype=torch.float64) for length in (rows, columns)
    )
    return torch.outer(vertical, horizontal)
