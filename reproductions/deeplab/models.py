"""DeepLab: VGG-16 or ResNet-101 at output stride 8, with the heads of Tables 1, 3 and 4, at one or several scales."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from harness.errors import UsageError
from harness.networks.aspp import Pyramid, aspp
from harness.networks.residual import ResidualTrunk, resnet_stages
from harness.networks.upsampling import Alignment, upsample
from harness.networks.vgg import CONVOLUTIONS, VGG16, Pool, fully_connected, vgg16
from harness.networks.width import scaled
from reproductions.deeplab.interpolation import rescale
from reproductions.deeplab.specs import CLASSES, SCALES, STRIDE, Geometry, ModelSpec, find_spec


class DeepLab(nn.Module):
    """A trunk and a classifier of its cells.

    Args:
        trunk: Maps images [N, 3, H, W] to features [N, C, h, w].
        head: Maps features to class scores [N, K, h, w].
        stride: Pixels per cell.
    """

    def __init__(self, trunk: nn.Module, head: nn.Module, stride: int = STRIDE) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.stride = stride

    def features(self, x: Tensor) -> Tensor:
        """Return the feature map that the head reads, [N, C, h, w]."""
        features: Tensor = self.trunk(x)
        return features

    def scores(self, x: Tensor) -> Tensor:
        """Return class scores at each cell, [N, K, h, w], of which cell k lies on pixel ``stride * k``."""
        scores: Tensor = self.head(self.trunk(x))
        return scores

    def forward(self, x: Tensor) -> Tensor:
        """Return class scores at each pixel of the images, [N, K, H, W]."""
        return upsample(self.scores(x), (x.shape[-2], x.shape[-1]), self.stride, Alignment.SAMPLES)


class MultiScale(nn.Module):
    """One network on several sizes of its images, the strongest response for each class and cell (Section 4.1.2).

    Args:
        network: Shared by all scales.
        scales: The first is 1; the score maps of all others are interpolated to its size.

    Raises:
        ValueError: The first scale is not 1.
    """

    def __init__(self, network: DeepLab, scales: Sequence[Fraction] = SCALES) -> None:
        super().__init__()
        if not scales or scales[0] != 1:
            raise ValueError(f"the first scale gives the size of the result and has to be 1, not {tuple(scales)}")
        self.network = network
        self.scales = tuple(scales)

    def features(self, x: Tensor) -> Tensor:
        """Return the feature map at scale 1, [N, C, h, w]."""
        return self.network.features(x)

    def branches(self, x: Tensor) -> list[Tensor]:
        """Return the class scores of each scale at its own cells."""
        return [self.network.scores(x if scale == 1 else rescale(x, scale)) for scale in self.scales]

    def scores(self, x: Tensor) -> Tensor:
        """Return the fused class scores at each cell of scale 1, [N, K, h, w]."""
        return fuse(self.branches(x))

    def forward(self, x: Tensor) -> Tensor:
        """Return the fused class scores at each pixel of the images, [N, K, H, W]."""
        return upsample(self.scores(x), (x.shape[-2], x.shape[-1]), self.network.stride, Alignment.SAMPLES)


NetworkT = TypeVar("NetworkT", bound=DeepLab | MultiScale)


class Trained(nn.Module, Generic[NetworkT]):
    """A network as it is trained: its forward returns scores at cells, those of each scale apart."""

    def __init__(self, network: NetworkT) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        network: DeepLab | MultiScale = self.network
        return network.branches(x) if isinstance(network, MultiScale) else network.scores(x)


def fuse(branches: Sequence[Tensor]) -> Tensor:
    """Return the maximum over scales of class scores, at the cells of the first."""
    first, *others = branches
    size = (first.shape[-2], first.shape[-1])
    return reduce(torch.maximum, (upsample(scores, size, 1, Alignment.CORNERS) for scores in others), first)


def build(
    model: str | ModelSpec,
    *,
    classes: int = CLASSES,
    width: float = 1.0,
    batch_norm: bool = False,
    dropout: float = 0.5,
    geometry: Geometry | None = None,
) -> DeepLab:
    """Build a network from torch's current random state.

    Args:
        model: Name in :data:`reproductions.deeplab.specs.MODELS`, or a specification of one's own.
        classes: Scored at each cell.
        width: Factor on all channels but images and scores; 1 is the paper's network.
        batch_norm: Normalise VGG-16, which the paper does not, for training from scratch. ResNet-101 always does.
        dropout: Share of activations dropped after ``fc6`` and ``fc7`` in training.
        geometry: For images smaller than the paper's; None for its own.

    Raises:
        UsageError: An unknown name, fewer than one class, or a width that is not positive.
    """
    spec = find_spec(model) if isinstance(model, str) else model
    shape = Geometry() if geometry is None else geometry
    if classes < 1:
        raise UsageError(f"{spec.name} needs at least one class, not {classes}")
    if spec.trunk == "ResNet-101":
        trunk = resnet_trunk(spec, shape, width)
        head = aspp(trunk.channels, classes, rates=_divided(spec.rates, shape.divisor), kernel=spec.kernel)
        return DeepLab(trunk, head, shape.stride)
    features = vgg_trunk(shape, width, batch_norm)
    head = vgg_head(
        spec,
        features.channels,
        classes,
        divisor=shape.divisor,
        width=width,
        batch_norm=batch_norm,
        dropout=dropout,
    )
    return DeepLab(features, head, shape.stride)


def vgg_trunk(geometry: Geometry, width: float = 1.0, batch_norm: bool = False) -> VGG16:
    """Build VGG-16's first stages, each with a pool of 3x3 as Caffe's, whose strides beyond the geometry's are 1.

    The convolutions after a pool that lost its stride dilate by twice as much (Section 3.1).
    """
    strided = geometry.stride.bit_length() - 1
    stages = range(len(CONVOLUTIONS))
    return vgg16(
        pools=[Pool(3, 2 if stage < strided else 1) if stage < geometry.stages else None for stage in stages],
        dilations=[2 ** max(0, stage - strided) for stage in stages],
        convolutions=[count if stage < geometry.stages else 0 for stage, count in enumerate(CONVOLUTIONS)],
        width=width,
        batch_norm=batch_norm,
    )


def vgg_head(
    spec: ModelSpec,
    in_channels: int,
    classes: int,
    *,
    divisor: int = 1,
    width: float = 1.0,
    batch_norm: bool = False,
    dropout: float = 0.5,
) -> Pyramid:
    """Build the parallel branches of ``fc6``, ``fc7`` and ``fc8`` on a map of ``in_channels`` (Figure 7)."""
    return Pyramid(
        fully_connected(
            in_channels,
            classes,
            kernel=spec.kernel,
            dilation=rate,
            channels=scaled(spec.channels, width),
            dropout=dropout,
            batch_norm=batch_norm,
        )
        for rate in _divided(spec.rates, divisor)
    )


def resnet_trunk(spec: ModelSpec, geometry: Geometry, width: float = 1.0) -> ResidualTrunk:
    """Build ResNet-101's first stages with Caffe's pooling and striding; strides beyond the geometry's dilate."""
    blocks = tuple(count if geometry.blocks is None else min(count, geometry.blocks) for count in spec.blocks)
    strides, rates, stride = [1], [1], 4
    for _ in blocks[1:]:
        step = 2 if stride < geometry.stride else 1
        stride *= step
        strides.append(step)
        rates.append(rates[-1] if step == 2 else 2 * rates[-1])
    dilations = {number: (rate,) * count for number, (rate, count) in enumerate(zip(rates, blocks, strict=True), 1)}
    return ResidualTrunk(
        resnet_stages(blocks, strides=strides, dilations=dilations)[: geometry.stages],
        strided="1x1",
        pool=nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
        width=width,
    )


def _divided(rates: Sequence[int], divisor: int) -> tuple[int, ...]:
    return tuple(max(1, rate // divisor) for rate in rates)
