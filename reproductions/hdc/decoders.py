"""From the last feature map to scores of finer resolution: DUC and what it is compared with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from harness.networks.aspp import aspp
from reproductions.hdc.specs import Decoder


class Head(nn.Sequential):
    """Layers that map features [N, C, h, w] to class scores [N, classes, h * factor, w * factor].

    Attributes:
        factor: By how much finer the scores are than the features.
    """

    def __init__(self, factor: int, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.factor = factor


def head(decoder: Decoder, in_channels: int, classes: int, *, rates: Sequence[int], stride: int, cell: int) -> Head:
    """Build a decoder on parallel dilated 3x3 convolutions.

    A deconvolution has as many parameters as DUC of the same cell, to within one of the channels it reads, as the
    paper asks for (Section 4.1, "Compared with Deconvolution"); it does not print its widths.

    Args:
        decoder: Which one.
        in_channels: Of the feature map.
        classes: Scored.
        rates: Dilations of the paths.
        stride: Image pixels per cell of the feature map.
        cell: Pixels a side that one score of DUC stands for.

    Raises:
        UsageError: Fewer than one class, or a rate below 1.
        ValueError: ``cell`` does not divide ``stride``.
    """
    if stride % cell:
        raise ValueError(f"cells of {cell} pixels do not divide a stride of {stride}")
    factor = stride // cell
    match decoder:
        case Decoder.BILINEAR:
            return Head(1, aspp(in_channels, classes, rates=rates))
        case Decoder.DUC:
            return Head(factor, aspp(in_channels, classes * factor**2, rates=rates), nn.PixelShuffle(factor))
        case Decoder.DIRECT:
            factors: tuple[int, ...] = (stride,)
        case Decoder.TWO_STEP:
            factors = (2, stride // 2)
    hidden = matching_width(in_channels, classes, paths=len(rates), factors=factors, duc_factor=factor)
    widths = (hidden,) * len(factors) + (classes,)
    steps = (
        deconvolution(source, target, by) for source, target, by in zip(widths[:-1], widths[1:], factors, strict=True)
    )
    return Head(stride, aspp(in_channels, hidden, rates=rates), *steps)


def deconvolution(in_channels: int, channels: int, factor: int) -> nn.ConvTranspose2d:
    """Return a transposed convolution that makes a map finer by an even ``factor`` and keeps its scale.

    Its kernel of 2 * factor is that of bilinear interpolation: each result reads 2x2 cells.
    """
    layer = nn.ConvTranspose2d(in_channels, channels, 2 * factor, factor, factor // 2)
    nn.init.normal_(layer.weight, std=(1 / (4 * in_channels)) ** 0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def matching_width(in_channels: int, classes: int, *, paths: int, factors: Sequence[int], duc_factor: int) -> int:
    """Return how many channels the prediction map of a deconvolution has to have to be as large as DUC.

    Args:
        factors: Of each deconvolution, in order.
        duc_factor: Of the DUC: it has classes * duc_factor^2 channels.
    """
    target = paths * (9 * in_channels + 1) * classes * duc_factor**2

    def parameters(width: int) -> int:
        inner = sum(width * width * (2 * factor) ** 2 + width for factor in factors[:-1])
        last = width * classes * (2 * factors[-1]) ** 2 + classes
        return paths * (9 * in_channels + 1) * width + inner + last

    wider = 1
    while parameters(wider + 1) <= target:
        wider += 1
    return min((wider, wider + 1), key=lambda width: abs(parameters(width) - target))


def subpixels(labels: Tensor, factor: int) -> Tensor:
    """Return label maps as DUC sees them: a map per pixel of a cell (Section 3.1, "equal d^2 subparts").

    Args:
        labels: [N, H, W], sides multiples of ``factor``.

    Returns:
        [N, factor^2, H / factor, W / factor]; map dy * factor + dx has the labels of row dy and column dx of every
        cell, in the order of the channels of each class.
    """
    return torch.nn.functional.pixel_unshuffle(labels[:, None], factor)
