"""Residual networks whose dilation is given block by block.

He et al. (Deep Residual Learning, Table 1) follow a stem with four stages of residual blocks. Segmentation networks
replace the strides of late stages by dilation, and differ in which block is dilated how much, in where a bottleneck
strides and in the stem. State-dict keys are torchvision's; with the default settings so are weights and numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from harness.networks.width import scaled

BlockKind = Literal["basic", "bottleneck"]
StridedLayer = Literal["1x1", "3x3"]
"""Which convolution of a bottleneck strides: the first one (He et al., Caffe) or the 3x3 (torchvision)."""
StemKind = Literal["7x7", "three 3x3"]

IMAGE_CHANNELS = 3
EXPANSION: Mapping[BlockKind, int] = MappingProxyType({"basic": 1, "bottleneck": 4})
"""Output channels of a block as a multiple of those of its 3x3 convolutions."""
CHANNELS = (64, 128, 256, 512)
"""Of the 3x3 convolutions of the four stages."""
BLOCKS: Mapping[int, tuple[int, int, int, int]] = MappingProxyType(
    {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
)
"""Bottlenecks in each stage, by depth (He et al., Table 1)."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, optionally around a skip connection.

    Without ``residual`` the last ReLU stays, and a projection on the skip connection exists without being evaluated.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        *,
        dilation: int = 1,
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, channels, stride, dilation)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(channels, channels, 1, dilation)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = downsample
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in_channels, h, w] to [N, channels, ceil(h / stride), ceil(w / stride)]."""
        out: Tensor = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.residual:
            out += x if self.downsample is None else self.downsample(x)
        return F.relu(out, inplace=True)


class Bottleneck(nn.Module):
    """Convolutions of 1x1, 3x3 and 1x1 around a skip connection; the 3x3 one is dilated."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        *,
        dilation: int = 1,
        strided: StridedLayer = "3x3",
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if strided == "1x1" else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, channels, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels, second, dilation)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, EXPANSION["bottleneck"] * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(EXPANSION["bottleneck"] * channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in_channels, h, w] to [N, 4 * channels, ceil(h / stride), ceil(w / stride)]."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        result: Tensor = self.relu(out)
        return result


@dataclass(frozen=True)
class Stage:
    """One stage of a residual network.

    Attributes:
        channels: Of its 3x3 convolutions.
        dilations: Of each block's 3x3 convolutions; as many blocks.
        stride: Of the first block.
    """

    channels: int
    dilations: tuple[int, ...]
    stride: int = 1


class ResidualTrunk(nn.Module):
    """A stem and stages of residual blocks, up to the last feature map.

    Weights are drawn by He's rule for the fan-out from torch's current random state. The layers are torchvision's:
    ``conv1``, ``bn1``, ``relu``, ``maxpool``, ``layer1``, ``layer2`` and so on; with three 3x3 convolutions as stem,
    ``conv1`` is a chain of the three.

    Args:
        stages: From fine to coarse; :func:`resnet_stages` gives those of a ResNet.
        block: Of all stages.
        strided: Which convolution of a bottleneck strides.
        stem: One 7x7 convolution of 64 channels, or three 3x3 of 64, 64 and 128; the first one has stride 2.
        pool: What follows the stem, by default torchvision's; None for none.
        width: Factor on the channels of every layer, for small experiments; 1 is the published network.

    Attributes:
        channels: Of the last feature map.

    Raises:
        UsageError: The width is not positive.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        block: BlockKind = "bottleneck",
        strided: StridedLayer = "3x3",
        stem: StemKind = "7x7",
        pool: nn.Module | None = None,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        self.conv1, channels = _stem(stem, width)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if pool is None else pool
        for number, stage in enumerate(stages, start=1):
            narrow = scaled(stage.channels, width)
            level = residual_level(channels, narrow, stage.dilations, stride=stage.stride, kind=block, strided=strided)
            self.add_module(f"layer{number}", level)
            channels = EXPANSION[block] * narrow
        self.channels = channels
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [N, 3, H, W] to the last feature map, [N, channels, h, w]."""
        for layer in self.children():
            x = layer(x)
        return x


def resnet_stages(
    blocks: Sequence[int],
    *,
    strides: Sequence[int] = (1, 2, 2, 2),
    dilations: Mapping[int, Sequence[int]] | None = None,
    channels: Sequence[int] = CHANNELS,
) -> tuple[Stage, ...]:
    """Return the stages of a residual network.

    Args:
        blocks: In each stage; ``BLOCKS[101]`` for ResNet-101.
        strides: Of each stage.
        dilations: By stage, counted from 1, the dilation of each block; stages that are left out are not dilated.
        channels: Of the 3x3 convolutions of each stage.

    Raises:
        ValueError: Blocks, channels and strides, or the dilations of a stage and its blocks, differ in number.
    """
    given = {} if dilations is None else dilations
    stages = []
    for number, (narrow, count, stride) in enumerate(zip(channels, blocks, strides, strict=True), start=1):
        rates = tuple(given.get(number, (1,) * count))
        if len(rates) != count:
            raise ValueError(f"stage {number} has {count} blocks and {len(rates)} dilations")
        stages.append(Stage(narrow, rates, stride))
    return tuple(stages)


def residual_level(
    in_channels: int,
    channels: int,
    dilations: Sequence[int],
    *,
    stride: int = 1,
    kind: BlockKind = "bottleneck",
    residual: bool = True,
    strided: StridedLayer = "3x3",
) -> nn.Sequential:
    """Build a chain of residual blocks, one for each of ``dilations``, the first with ``stride``.

    Args:
        in_channels: Of the map it reads.
        channels: Of its 3x3 convolutions.
        residual: Whether basic blocks keep their skip connections; bottlenecks always do.
        strided: Which convolution of a bottleneck strides.
    """
    block = partial(Bottleneck, strided=strided) if kind == "bottleneck" else partial(BasicBlock, residual=residual)
    out_channels = EXPANSION[kind] * channels
    downsample = None
    if stride != 1 or in_channels != out_channels:
        downsample = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
        )
    first = block(in_channels, channels, stride, downsample, dilation=dilations[0])
    return nn.Sequential(first, *(block(out_channels, channels, dilation=dilation) for dilation in dilations[1:]))


def conv3x3(in_channels: int, channels: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution without bias that keeps the size of its map but for the stride."""
    return nn.Conv2d(in_channels, channels, 3, stride, padding=dilation, dilation=dilation, bias=False)


def initialise(module: nn.Module) -> None:
    """Draw the weights of all convolutions by He's rule for the fan-out and set their biases to 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _stem(kind: StemKind, width: float) -> tuple[nn.Module, int]:
    """Return the stem without its last normalisation, and its channels."""
    narrow, wide = scaled(64, width), scaled(128, width)
    if kind == "7x7":
        return nn.Conv2d(IMAGE_CHANNELS, narrow, 7, stride=2, padding=3, bias=False), narrow
    chain = nn.Sequential(
        conv3x3(IMAGE_CHANNELS, narrow, 2),
        nn.BatchNorm2d(narrow),
        nn.ReLU(inplace=True),
        conv3x3(narrow, narrow),
        nn.BatchNorm2d(narrow),
        nn.ReLU(inplace=True),
        conv3x3(narrow, wide),
    )
    return chain, wide
