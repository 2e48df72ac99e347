"""The paper's networks: a dilated residual trunk and a decoder."""

from __future__ import annotations

from torch import Tensor, nn

from harness.networks.residual import BLOCKS, CHANNELS, ResidualTrunk, resnet_stages
from harness.networks.upsampling import upsample
from reproductions.hdc.decoders import Head, head
from reproductions.hdc.sequences import Variant, res4, res5
from reproductions.hdc.specs import CLASSES, ModelSpec, find_spec

STRIDES = {8: (1, 2, 1, 1), 4: (1, 1, 1, 1)}
"""Of res2 to res5, by output stride."""
EXTRA_RATE = {8: 1, 4: 2}
"""By output stride, the dilation that the removed stride of res3 gives to all blocks from there on."""


class Segmenter(nn.Module):
    """A trunk and a decoder; images float [N, 3, H, W].

    Args:
        trunk: Up to the last feature map.
        decoder: Scores of that map.
        stride: Image pixels per cell of the feature map.

    Attributes:
        cell: Image pixels a side that one of :meth:`scores` stands for.
    """

    def __init__(self, trunk: nn.Module, decoder: Head, stride: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = decoder
        self.cell = stride // decoder.factor

    def features(self, x: Tensor) -> Tensor:
        """Return the last feature map, [N, C, h, w]."""
        features: Tensor = self.trunk(x)
        return features

    def scores(self, x: Tensor) -> Tensor:
        """Return class logits at the decoder's own resolution, [N, classes, ceil(H / cell), ceil(W / cell)] or larger.

        In training they are held against labels of that resolution.
        """
        scores: Tensor = self.head(self.trunk(x))
        return scores

    def forward(self, x: Tensor) -> Tensor:
        """Return class logits at each pixel of the image, [N, classes, H, W], between the centres of cells."""
        height, width = x.shape[-2:]
        return upsample(self.scores(x), (height, width), self.cell)


def build(model: str | ModelSpec, *, classes: int = CLASSES, width: float = 1.0) -> Segmenter:
    """Build a network from torch's current random state.

    Args:
        model: A name that :func:`find_spec` knows, or a specification.
        classes: Scored at each pixel.
        width: Factor on the channels of the trunk, for small experiments; 1 is the paper's.

    Raises:
        UsageError: Unknown name, fewer than one class, or a width that is not positive.
    """
    spec = find_spec(model) if isinstance(model, str) else model
    trunk = build_trunk(
        spec.variant,
        BLOCKS[spec.depth],
        strides=STRIDES[spec.stride],
        extra=EXTRA_RATE[spec.stride],
        deep_stem=spec.deep_stem,
        width=width,
    )
    decoder = head(spec.decoder, trunk.channels, classes, rates=spec.rates, stride=spec.stride, cell=spec.cell)
    return Segmenter(trunk, decoder, spec.stride)


def build_trunk(
    variant: Variant,
    blocks: tuple[int, ...],
    *,
    strides: tuple[int, ...] = STRIDES[8],
    extra: int = 1,
    channels: tuple[int, ...] = CHANNELS,
    deep_stem: bool = False,
    width: float = 1.0,
) -> ResidualTrunk:
    """Build a residual trunk of bottlenecks that stride in their first convolution.

    The stem is followed by a pool that rounds down, as a map of 68 cells for 544 pixels demands; where the stem is
    deep, as in the release, it has no padding.

    Args:
        variant: Dilations of res4b and res5b.
        blocks, strides, channels: Of res2 to res5.
        extra: Factor on the dilations from res3 on.
        deep_stem: Three 3x3 convolutions in place of the 7x7 one.
        width: Factor on all channels.
    """
    dilations = {
        2: (extra,) * blocks[1],
        3: tuple(extra * rate for rate in res4(variant, blocks[2])),
        4: tuple(extra * rate for rate in res5(variant, blocks[3])),
    }
    return ResidualTrunk(
        resnet_stages(blocks, strides=strides, dilations=dilations, channels=channels),
        strided="1x1",
        stem="three 3x3" if deep_stem else "7x7",
        pool=nn.MaxPool2d(3, stride=2) if deep_stem else None,
        width=width,
    )
