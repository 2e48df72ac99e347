"""The context module (Section 3): dilated layers that widen the field of view and keep the map's resolution."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from harness.networks.vgg import initialise
from reproductions.dilation.specs import ContextSpec, Margin


class ContextModule(nn.Module):
    """Maps C feature maps to C feature maps of the same size, each layer but the last followed by max(., 0).

    By default it starts as the identity on what is not negative, for the first layer drops the rest. Sizes are kept
    whatever the ``margin`` is; mirroring needs maps larger than the module's reach.

    Args:
        spec: Dilations and widths.
        classes: C, the maps that enter and leave.
        margin: What surrounds the maps.
        identity: Whether it starts as the identity or, as networks usually do, at random (He et al.), which Section 3
            says was not effective.
        deviation: Standard deviation of the noise of equation 5, which is said to be small and not given; 0 for
            equation 4.
    """

    def __init__(
        self,
        spec: ContextSpec,
        classes: int,
        *,
        margin: Margin = Margin.ZEROS,
        identity: bool = True,
        deviation: float = 0.0,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.margin = _margin(spec.reach, margin)
        channels = spec.channels(classes)
        kernels = [(3, dilation) for dilation in spec.dilations] + [(1, 1)]
        layers: list[nn.Module] = []
        for (source, target), (kernel, dilation) in zip(pairwise(channels), kernels, strict=True):
            padding = dilation * (kernel // 2) if margin is Margin.LAYERS else 0
            layer = nn.Conv2d(source, target, kernel, padding=padding, dilation=dilation)
            if identity:
                initialise_as_identity(layer, classes, deviation)
            layers += [layer, nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers[:-1])
        if not identity:
            initialise(self.layers)

    def features(self, x: Tensor) -> Tensor:
        """Return the map that the final 1x1 layer reads, [N, widths[-2] * C, h, w]."""
        x = self.margin(x)
        for layer in list(self.layers)[:-1]:
            x = layer(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, h, w] to [N, C, h, w]."""
        maps: Tensor = self.layers(self.margin(x))
        return maps


def initialise_as_identity(layer: nn.Conv2d, classes: int, deviation: float = 0.0) -> None:
    """Let ``layer`` pass on what it reads (equation 5; with equally many channels in and out, equation 4).

    Channel b of c_out copies C / c_out of each channel a of c_in that stands for the same class,
    floor(a C / c_in) = floor(b C / c_out); all other weights are noise of the given deviation, and biases are 0.

    Args:
        layer: A convolution with a centre tap whose channels are multiples of ``classes``.
        classes: C.
        deviation: Of the noise; 0 leaves none.
    """
    row, column = (side // 2 for side in layer.kernel_size)
    outputs = torch.arange(layer.out_channels) * classes // layer.out_channels
    inputs = torch.arange(layer.in_channels) * classes // layer.in_channels
    same = (outputs[:, None] == inputs).to(layer.weight.device)
    with torch.no_grad():
        nn.init.normal_(layer.weight, std=deviation)
        layer.weight[:, :, row, column].masked_fill_(same, classes / layer.out_channels)
        if layer.bias is not None:
            layer.bias.zero_()


def _margin(reach: int, margin: Margin) -> nn.Module:
    match margin:
        case Margin.MIRROR:
            return nn.ReflectionPad2d(reach)
        case Margin.ZEROS:
            return nn.ZeroPad2d(reach)
        case Margin.LAYERS:
            return nn.Identity()
