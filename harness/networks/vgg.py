"""VGG-16 for dense prediction: its thirteen convolutions, and its fully connected layers as convolutions.

Simonyan and Zisserman (Very Deep Convolutional Networks, Table 1, configuration D) stack 3x3 convolutions in five
stages, each ending in a pooling layer. Segmentation networks differ in which pools they keep, what dilation takes the
place of those they drop, whether they pad, and how they turn fc6, fc7 and fc8 into convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from harness.errors import UsageError
from harness.networks.width import scaled
from harness.weights import LoadedCheckpoint, load_checkpoint

CHANNELS = (64, 128, 256, 512, 512)
"""Output channels of the convolutions of each stage."""
CONVOLUTIONS = (2, 2, 3, 3, 3)
"""Of each stage: configuration D."""
FEWER_CONVOLUTIONS = (1, 1, 2, 2, 2)
"""Configuration A, VGG-11."""
IMAGE_CHANNELS = 3


@dataclass(frozen=True)
class Pool:
    """The max pooling that ends a stage.

    A 2x2 window has no padding and a 3x3 one has 1. Caffe, in which these networks were published, rounds the size
    of the result up.
    """

    kernel: int = 2
    stride: int = 2
    ceil: bool = True

    def layer(self) -> nn.MaxPool2d:
        return nn.MaxPool2d(self.kernel, self.stride, padding=(self.kernel - 1) // 2, ceil_mode=self.ceil)


POOLS = (Pool(),) * len(CHANNELS)
"""As in the original: five times 2x2, stride 2."""


class VGG16(nn.Sequential):
    """The convolutions and pools; layers carry torchvision's numbers, whichever pools are left out.

    Build it with :func:`vgg16`.
    """

    def __init__(self, layers: Sequence[nn.Module | None], ends: Sequence[int]) -> None:
        super().__init__()
        for number, layer in enumerate(layers):
            if layer is not None:
                self.add_module(str(number), layer)
        self._ends = tuple(ends)

    @property
    def channels(self) -> int:
        """Channels of the last map."""
        return [layer.out_channels for layer in self if isinstance(layer, nn.Conv2d)][-1]

    def stages(self, x: Tensor) -> list[Tensor]:
        """Return what each of the five stages makes of images [N, 3, H, W], its pool included, finest first."""
        maps = []
        begin = 0
        for end in self._ends:
            for name, layer in self.named_children():
                if begin <= int(name) < end:
                    x = layer(x)
            maps.append(x)
            begin = end
        return maps


def vgg16(
    *,
    pools: Sequence[Pool | None] = POOLS,
    dilations: Sequence[int] = (1, 1, 1, 1, 1),
    convolutions: Sequence[int] = CONVOLUTIONS,
    padded: bool = True,
    width: float = 1.0,
    batch_norm: bool = False,
) -> VGG16:
    """Build the convolutions, thirteen by default, from torch's current random state.

    Weights follow He et al. by fan-in, which keeps the scale of the signal where nothing normalises it; biases are 0.

    Args:
        pools: What ends each stage; None leaves the pool out, ``Pool(stride=1)`` keeps it without subsampling.
        dilations: Of the convolutions of each stage.
        convolutions: Of each stage; fewer for small experiments.
        padded: Whether convolutions keep the size of their map, by zeros, or shrink it.
        width: Factor on the channels of every layer, for small experiments; 1 is VGG-16.
        batch_norm: Normalise after every convolution (torchvision's ``vgg16_bn``), for training from scratch.

    Raises:
        UsageError: The width is not positive.
        ValueError: Pools, dilations or numbers of convolutions are not five.
    """
    layers: list[nn.Module | None] = []
    ends: list[int] = []
    source = IMAGE_CHANNELS
    for channels, number, pool, dilation in zip(CHANNELS, convolutions, pools, dilations, strict=True):
        target = scaled(channels, width)
        padding = dilation if padded else 0
        for _ in range(number):
            layers.append(nn.Conv2d(source, target, 3, padding=padding, dilation=dilation))
            if batch_norm:
                layers.append(nn.BatchNorm2d(target))
            layers.append(nn.ReLU(inplace=True))
            source = target
        layers.append(None if pool is None else pool.layer())
        ends.append(len(layers))
    trunk = VGG16(layers, ends)
    initialise(trunk)
    return trunk


def fully_connected(
    in_channels: int,
    classes: int,
    *,
    kernel: int,
    dilation: int,
    channels: int,
    padded: bool = True,
    dropout: float = 0.5,
    batch_norm: bool = False,
    deviation: float = 0.01,
) -> nn.Sequential:
    """Build VGG-16's classifier as convolutions ``fc6`` (kernel x kernel, dilated), ``fc7`` and ``fc8`` (1x1).

    It maps [N, in_channels, h, w] to class scores [N, classes, h, w], or to smaller maps where it does not pad.

    Args:
        in_channels: Of the map it reads.
        classes: Channels of ``fc8``.
        kernel: Side of ``fc6``; 7 in VGG-16.
        dilation: Of ``fc6``.
        channels: Of ``fc6`` and ``fc7``; 4096 in VGG-16.
        padded: Whether ``fc6`` keeps the size of its map, by zeros, or shrinks it by ``dilation * (kernel - 1)``.
        dropout: Share of activations dropped after ``fc6`` and after ``fc7`` in training.
        batch_norm: Normalise after ``fc6`` and ``fc7``.
        deviation: Initial standard deviation of the weights of ``fc8``; the others follow He et al. by fan-in.

    Raises:
        UsageError: Fewer than one class.
    """
    if classes < 1:
        raise UsageError(f"a segmentation network needs at least one class, not {classes}")
    padding = dilation * (kernel - 1) // 2 if padded else 0
    head = nn.Sequential()
    head.add_module("fc6", nn.Conv2d(in_channels, channels, kernel, padding=padding, dilation=dilation))
    _add_activation(head, 6, channels, dropout, batch_norm)
    head.add_module("fc7", nn.Conv2d(channels, channels, 1))
    _add_activation(head, 7, channels, dropout, batch_norm)
    scores = nn.Conv2d(channels, classes, 1)
    head.add_module("fc8", scores)
    initialise(head)
    nn.init.normal_(scores.weight, std=deviation)
    return head


def load_imagenet(path: Path, trunk: VGG16) -> LoadedCheckpoint:
    """Copy torchvision's ``features.*`` of VGG-16 into ``trunk``, whatever its pools, dilations and padding are.

    Images are then RGB in [0, 1], less the means .485 .456 .406 and divided by .229 .224 .225. A file in half
    precision is converted to the trunk's.

    Raises:
        CheckpointError: As :func:`harness.weights.load_checkpoint`; the file holds the thirteen convolutions alone.
    """
    return load_checkpoint(path, nn.ModuleDict({"features": trunk}))


def initialise(module: nn.Module) -> None:
    """Draw the weights of all convolutions by He's rule (fan-in) and set their biases to 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _add_activation(head: nn.Sequential, number: int, channels: int, dropout: float, batch_norm: bool) -> None:
    if batch_norm:
        head.add_module(f"bn{number}", nn.BatchNorm2d(channels))
    head.add_module(f"relu{number}", nn.ReLU(inplace=True))
    head.add_module(f"drop{number}", nn.Dropout(dropout))
