"""Adaptations of VGG-16 to dense prediction (Section 4): the paper's, FCN-8s and DeepLab-LargeFOV."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from harness.errors import UsageError
from harness.networks.upsampling import bilinear_kernel
from harness.networks.vgg import CHANNELS, CONVOLUTIONS, POOLS, VGG16, Pool, fully_connected, vgg16
from harness.networks.width import scaled
from reproductions.dilation.specs import MARGIN, PUBLISHED, FrontEnd, Margin, Size

FULLY_CONNECTED = 4096
LARGE_FOV = 1024
"""Channels of fc6 and fc7 of VGG-16, and of DeepLab-LargeFOV."""
DEVIATION = 0.001
"""Initial standard deviation of the last layer's weights (the released training code)."""
FCN_MARGIN = 99
"""Zeros around the image of FCN-8s, less the one that its first layer pads itself: 100 together."""


class DenseVGG(nn.Module):
    """VGG-16 with its fully connected layers as convolutions and one score map.

    At stride s, images of H rows have maps of h = ceil(H / s) rows, or ceil((H - 1) / s) + 1 where the pools are 3x3;
    and so with columns.

    Args:
        trunk: The thirteen convolutions, with the pools that subsample.
        head: ``fc6``, ``fc7`` and ``fc8`` as :func:`harness.networks.vgg.fully_connected` builds them.
        margin: What surrounds the image where trunk and head do not pad.
        stride: Image pixels per cell.
    """

    def __init__(self, trunk: VGG16, head: nn.Sequential, margin: nn.Module, stride: int = 8) -> None:
        super().__init__()
        self.stride = stride
        self.margin = margin
        self.trunk = trunk
        self.head = head

    def features(self, x: Tensor) -> Tensor:
        """Return the last feature map, after fc7, [N, 4096 or 1024, h, w]."""
        x = self.trunk(self.margin(x))
        for layer in list(self.head)[:-1]:
            x = layer(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Map images [N, 3, H, W] to class scores [N, classes, h, w]."""
        scores: Tensor = self.head(self.trunk(self.margin(x)))
        return scores


class FCN8s(nn.Module):
    """Scores at stride 32, doubled and added to those of pool4, doubled and added to those of pool3, then upsampled.

    The published network surrounds the image with 100 zeros and cuts its maps to fit; with ``Margin.LAYERS`` fc6 pads
    instead and nothing has to be cut. Upsampling is bilinear and frozen, and the scores of pool3 and pool4 start at
    zero (github.com/shelhamer/fcn.berkeleyvision.org, ``voc-fcn8s/net.py``).

    Raises:
        UsageError: The margin is mirrored, or the published one around a network of another stride.
    """

    def __init__(self, classes: int, *, margin: Margin = Margin.ZEROS, size: Size = PUBLISHED) -> None:
        super().__init__()
        surrounded = margin is Margin.ZEROS
        if margin is Margin.MIRROR or (surrounded and size.stride != 8):
            raise UsageError(
                f"FCN-8s has no margin {margin.value!r} at stride {size.stride}",
                "Its layers pad (any stride), or zeros surround its images (stride 8).",
            )
        self.margin = nn.ZeroPad2d(FCN_MARGIN) if surrounded else nn.Identity()
        self.trunk = _trunk(_strided(POOLS, size), (1, 1, 1, 1, 1), size)
        self.head = _head(self.trunk, classes, size, kernel=7, dilation=1, padded=not surrounded)
        self.score_pool3, self.score_pool4 = (_score(scaled(CHANNELS[i], size.width), classes) for i in (2, 3))
        self.up_fc, self.up_pool4, self.up_pool3 = (_deconvolution(classes, s, surrounded) for s in (2, 2, size.stride))
        self.offsets = (5, 9, 31) if surrounded else (0, 0, 0)

    def features(self, x: Tensor) -> Tensor:
        """Return the deepest feature map, after fc7, [N, 4096, about H / 32, about W / 32]."""
        x = self.trunk(self.margin(x))
        for layer in list(self.head)[:-1]:
            x = layer(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Map images [N, 3, H, W] to class scores at their pixels, [N, classes, H, W]."""
        rows, columns = x.shape[-2], x.shape[-1]
        _, _, pool3, pool4, pool5 = self.trunk.stages(self.margin(x))
        return self.fuse(pool3, pool4, pool5)[..., :rows, :columns]

    def fuse(self, pool3: Tensor, pool4: Tensor, pool5: Tensor) -> Tensor:
        """Return class scores at the pixels, from the image's first one on, of the maps after three of the pools."""
        at_pool4, at_pool3, at_image = self.offsets
        scores = _fuse(self.up_fc(self.head(pool5)), self.score_pool4(pool4), at_pool4)
        scores = _fuse(self.up_pool4(scores), self.score_pool3(pool3), at_pool3)
        pixels: Tensor = self.up_pool3(scores)
        return pixels[..., at_image:, at_image:]


def dilated_front_end(
    classes: int, *, pooled: bool = False, margin: Margin = Margin.MIRROR, size: Size = PUBLISHED
) -> DenseVGG:
    """Build the paper's front end (Section 4): dilation in the place of the last two pools.

    Args:
        classes: Scored at each cell.
        pooled: Whether the last two pools stay, without their stride.
        margin: What surrounds the image; mirroring needs images of more than 186 pixels a side.
        size: How large it is built.

    Raises:
        UsageError: A margin around a network that is not the published one, whose 186 pixels would not fit.
    """
    padded = margin is Margin.LAYERS
    if not padded and (size.convolutions, size.stride, size.kernel) != (None, 8, None):
        raise UsageError(
            f"a margin of {MARGIN} pixels is that of the published front end, whatever its width",
            f"Let the layers pad: margin {Margin.LAYERS.value!r}.",
        )
    last = Pool(3, stride=1) if pooled else None
    trunk = _trunk(_strided((*POOLS[:3], last, last), size), (1, 1, 1, 1, 2), size, padded=padded)
    head = _head(trunk, classes, size, kernel=7, dilation=4, padded=padded)
    match margin:
        case Margin.MIRROR:
            return DenseVGG(trunk, head, nn.ReflectionPad2d(MARGIN))
        case Margin.ZEROS:
            return DenseVGG(trunk, head, nn.ZeroPad2d(MARGIN))
        case Margin.LAYERS:
            return DenseVGG(trunk, head, nn.Identity(), size.stride)


def deeplab(classes: int, *, wide: bool = False, size: Size = PUBLISHED) -> DenseVGG:
    """Build a DeepLab of Chen et al. (ICLR 2015), every layer of which pads with zeros.

    Args:
        classes: Scored at each cell.
        wide: Whether it is DeepLab-LargeFOV.
        size: How large it is built.
    """
    pools = (Pool(3), Pool(3), Pool(3), Pool(3, stride=1), Pool(3, stride=1))
    trunk = _trunk(_strided(pools, size), (1, 1, 1, 1, 2), size)
    if wide:
        head = _head(trunk, classes, size, kernel=3, dilation=12, channels=LARGE_FOV)
    else:
        head = _head(trunk, classes, size, kernel=4, dilation=4)
    return DenseVGG(trunk, head, nn.Identity(), size.stride)


def front_end(
    kind: FrontEnd, classes: int, *, margin: Margin | None = None, size: Size = PUBLISHED
) -> DenseVGG | FCN8s:
    """Build a front end; ``margin`` is by default the published one.

    Raises:
        UsageError: The network has no such margin, fewer than one class is asked for, or the width is not positive.
    """
    match kind:
        case FrontEnd.DILATED | FrontEnd.POOLED:
            pooled = kind is FrontEnd.POOLED
            return dilated_front_end(classes, pooled=pooled, margin=margin or Margin.MIRROR, size=size)
        case FrontEnd.FCN:
            return FCN8s(classes, margin=margin or Margin.ZEROS, size=size)
        case FrontEnd.DEEPLAB | FrontEnd.LARGE_FOV:
            if margin not in (None, Margin.LAYERS):
                raise UsageError(f"every layer of {kind.value} pads itself; it has no margin {margin.value!r}")
            return deeplab(classes, wide=kind is FrontEnd.LARGE_FOV, size=size)


def _strided(pools: Sequence[Pool | None], size: Size) -> tuple[Pool | None, ...]:
    return (pools[0] if size.stride == 8 else None, *pools[1:])


def _trunk(pools: Sequence[Pool | None], dilations: Sequence[int], size: Size, *, padded: bool = True) -> VGG16:
    return vgg16(
        pools=pools,
        dilations=dilations,
        convolutions=size.convolutions or CONVOLUTIONS,
        padded=padded,
        width=size.width,
        batch_norm=size.batch_norm,
    )


def _head(
    trunk: VGG16,
    classes: int,
    size: Size,
    *,
    kernel: int,
    dilation: int,
    channels: int = FULLY_CONNECTED,
    padded: bool = True,
) -> nn.Sequential:
    return fully_connected(
        trunk.channels,
        classes,
        kernel=size.kernel or kernel,
        dilation=dilation,
        channels=size.hidden or scaled(channels, size.width),
        padded=padded,
        dropout=size.dropout,
        batch_norm=size.batch_norm,
        deviation=DEVIATION,
    )


def _score(channels: int, classes: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, classes, 1)
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _deconvolution(classes: int, stride: int, whole: bool) -> nn.ConvTranspose2d:
    """Bilinear upsampling that keeps what reaches beyond the map (``whole``) or cuts it to ``stride`` times the map."""
    padding = 0 if whole else stride // 2
    layer = nn.ConvTranspose2d(classes, classes, 2 * stride, stride, padding, groups=classes, bias=False)
    layer.weight.requires_grad_(False).copy_(bilinear_kernel(stride).expand_as(layer.weight))
    return layer


def _fuse(coarse: Tensor, skip: Tensor, offset: int) -> Tensor:
    """Add maps of equal stride, of which ``skip`` begins ``offset`` cells before ``coarse``, where both have cells."""
    skip = skip[..., offset : offset + coarse.shape[-2], offset : offset + coarse.shape[-1]]
    return coarse[..., : skip.shape[-2], : skip.shape[-1]] + skip
