"""What the text says about constructions, derived from every network or operator that its words cover."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import vgg as torchvision_vgg

from harness.architecture.cost import multiply_adds
from harness.architecture.parameters import count
from harness.architecture.receptive_field import receptive_field
from harness.experiment import Context, Outcome, Unit
from harness.networks.residual import ResidualTrunk, resnet_stages
from harness.networks.vgg import vgg16
from reproductions.deeplab.exact import Values, first_convolution, on_meta
from reproductions.deeplab.models import MultiScale
from reproductions.deeplab.specs import BRANCHES, CROP, MODELS, RESNET_101_BLOCKS, TABLE_1, TABLE_3

FC6_CHANNELS = (512, 1024)
"""Input and output channels of the convolution whose cost does not depend on its rate: LargeFOV's ``fc6``."""


def statement(unit: Unit, context: Context) -> Outcome:
    """Derive what one statement gives a number for."""
    context.progress(unit.system, 0, 1)
    return Outcome(STATEMENTS[unit.system]())


def common(values: Iterable[int]) -> int:
    """Return the value that all share.

    Raises:
        ValueError: They differ, so that no single number describes them.
    """
    distinct = set(values)
    if len(distinct) != 1:
        raise ValueError(f"one value expected, got {sorted(distinct)}")
    return distinct.pop()


def _original_stride() -> int:
    """Output stride of both trunks before any stride is taken out."""
    with torch.device("meta"):
        trunks = (vgg16(), ResidualTrunk(resnet_stages(RESNET_101_BLOCKS)))
    return common(receptive_field(trunk).stride[0] for trunk in trunks)


def _stride() -> int:
    return common(receptive_field(on_meta(name).trunk).stride[0] for name in MODELS)


def _enlargement() -> Values:
    """Pixels between neighbouring cells of the scores that each network interpolates."""
    network = on_meta(TABLE_3[0])
    images = torch.empty(1, 3, CROP, CROP, device="meta")
    return {"ratio": (network(images).shape[-1] - 1) // (network.scores(images).shape[-1] - 1)}


def _doubling_rate() -> Values:
    """The rate by which a convolution after pooling of stride 1 gives what it gave after pooling of stride 2."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 2, 24, 24, dtype=torch.float64, generator=generator)
    weight = torch.randn(3, 2, 3, 3, dtype=torch.float64, generator=generator)
    wanted = F.conv2d(F.max_pool2d(x, 2, stride=2), weight)

    def every_other(rate: int) -> Tensor:
        return F.conv2d(F.max_pool2d(x, 2, stride=1), weight, dilation=rate)[..., ::2, ::2]

    dense = {rate: every_other(rate) for rate in range(1, 6)}
    fitting = [rate for rate, y in dense.items() if y.shape == wanted.shape and torch.allclose(y, wanted)]
    return {"dilation": common(fitting)}


def _typical_kernel() -> Values:
    """The most frequent side of the convolutions of VGG-16 and ResNet-101 that are larger than one cell."""
    layers = (layer for name in ("VGG-16 LargeFOV", "ResNet-101") for layer in on_meta(name).trunk.modules())
    sides = Counter(layer.kernel_size[0] for layer in layers if isinstance(layer, nn.Conv2d))
    del sides[1]
    return {"kernel-side": sides.most_common(1)[0][0]}


def _scales() -> Values:
    images = torch.empty(1, 3, CROP, CROP, device="meta")
    return {"count": len(MultiScale(on_meta("ResNet-101 + ASPP")).branches(images))}


def _published_channels() -> Values:
    with torch.device("meta"):
        classifier = torchvision_vgg.vgg16().classifier
    *layers, _ = (layer for layer in classifier if isinstance(layer, nn.Linear))
    return {"channels": common(layer.out_features for layer in layers)}


def _channels(name: str) -> Values:
    *layers, _ = (layer for layer in on_meta(name).head.modules() if isinstance(layer, nn.Conv2d))
    return {"channels": common(layer.out_channels for layer in layers)}


def _branch(name: str, index: int) -> nn.Conv2d:
    return first_convolution(on_meta(name).head.get_submodule(f"c{index}"))


def _branches(name: str) -> Values:
    return {"count": len(list(on_meta(name).head.children()))}


def _rate(name: str, index: int) -> Values:
    return {"dilation": _branch(name, index).dilation[0]}


def _kernel(names: Iterable[str]) -> Values:
    heads = [on_meta(name).head for name in names]
    return {"kernel-side": common(first_convolution(b).kernel_size[0] for head in heads for b in head.children())}


def _layer(name: str) -> Values:
    return {**_kernel([name]), **_rate(name, 0)}


def _convolution(rate: int) -> Values:
    """Parameters, cost per cell and extent of one 3x3 convolution, of which only the extent depends on its rate."""
    with torch.device("meta"):
        layer = nn.Conv2d(*FC6_CHANNELS, 3, padding=rate, dilation=rate)
    cells = 2 * rate + 1
    return {
        "parameters": count(layer).total,
        "multiply-adds": multiply_adds(layer, (FC6_CHANNELS[0], cells, cells)) // cells**2,
        "field-of-view": receptive_field(layer).size[0],
    }


STATEMENTS: Mapping[str, Callable[[], Values]] = MappingProxyType(
    {
        "DeepLab": lambda: {"output-stride": _stride()},
        "VGG-16 or ResNet-101 for classification": lambda: {"output-stride": _original_stride()},
        "density of the feature maps by atrous convolution": lambda: {"ratio": _original_stride() // _stride()},
        "bilinear interpolation of the score map": _enlargement,
        "bilinear interpolation to the original resolution": _enlargement,
        "convolutions after a stride set to 1": _doubling_rate,
        "typical kernel of a DCNN": _typical_kernel,
        "rescaled versions of the image": _scales,
        "VGG-16, fc6 and fc7": _published_channels,
        "VGG-16 LargeFOV (step), fc6 and fc7": partial(_channels, TABLE_1[-1]),
        "VGG-16 ASPP": partial(_kernel, TABLE_3[1:]),
        "branches of VGG-16 ASPP-S": partial(_branches, "VGG-16 ASPP-S"),
        "branches of VGG-16 ASPP-L": partial(_branches, "VGG-16 ASPP-L"),
        **{
            f"{name}, {branch} branch": partial(_rate, name, place)
            for name in TABLE_3
            for place, branch in enumerate(BRANCHES[: len(MODELS[name].rates)])
        },
        "layer on top of ResNet-101 + LargeFOV": partial(_layer, "ResNet-101 + LargeFOV"),
        "3x3 convolution": partial(_convolution, 1),
        "3x3 atrous convolution, rate 12": partial(_convolution, 12),
    }
)
"""By the words of the claims file that name what is described."""
