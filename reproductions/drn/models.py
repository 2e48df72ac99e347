"""The networks of the paper and their three heads: classification, localisation, segmentation.

Every classifier is one chain of named layers that ends in global average pooling and a classifier ``fc``. The
residual networks are torchvision's own; a DRN-A is such a network converted by :func:`dilate`; DRN-B, -C and -D
are laid out here. State-dict keys equal those of the released files (github.com/fyu/drn and torchvision), so
such a file loads strictly; that of DRN-C-58 carries a dead projection of 1,049,600 parameters, on the skip connection
that its level 7 is without.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet as torchvision_resnet

from harness.errors import CheckpointError, UsageError
from harness.networks.residual import EXPANSION, IMAGE_CHANNELS, BlockKind, conv3x3, initialise, residual_level
from harness.networks.upsampling import bilinear_kernel
from harness.networks.width import scaled
from harness.weights import LoadedCheckpoint, load_checkpoint
from reproductions.drn.specs import MODELS, ModelSpec, Schedule, Upsampling, find_spec

__all__ = [
    "MODELS",
    "Classifier",
    "ModelSpec",
    "Schedule",
    "Segmenter",
    "Upsampling",
    "bilinear_kernel",
    "build",
    "build_segmenter",
    "dilate",
    "find_spec",
    "load_released",
]

CHANNELS = (16, 32, 64, 128, 256, 512, 512, 512)
"""Channels of levels 1 to 8 of DRN-B, -C, -D; the output of bottleneck levels 3 to 6 has four times as many."""
STRIDES = (1, 2, 2, 2, 1, 1, 1, 1)
DILATIONS = (1, 1, 1, 1, 2, 4, 2, 1)
"""Shared by all convolutions of a level (Figure 5, and the released code)."""
CLASSIFIER_DEVIATION = math.sqrt(2 / 1000)
"""Initial standard deviation of the convolutional ``fc``: He's fan-out rule at the released 1000 classes."""
HEAD = ("avgpool", "fc")


class Classifier(nn.Module):
    """A chain of named layers, then ``avgpool`` and ``fc``, with the heads that Sections 2 and 3 put on it.

    Global average pooling is adaptive, so that any image size works; at the paper's 224x224 it equals the
    released ``AvgPool2d(28)``. ``fc`` is linear in ResNet and DRN-A and a 1x1 convolution in the others.
    Images are float [N, 3, H, W]; feature maps [N, C, h, w] with h = ceil(H / output_stride).

    Args:
        layers: The chain by name, in order; its last two entries are ``avgpool`` and ``fc``.
        spec: Which network the chain is.
    """

    avgpool: nn.AdaptiveAvgPool2d
    fc: nn.Linear | nn.Conv2d

    def __init__(self, layers: Mapping[str, nn.Module], spec: ModelSpec) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.spec = spec

    def trunk(self) -> list[nn.Module]:
        """Return the layers up to the last feature map, in order."""
        return [layer for name, layer in self.named_children() if name not in HEAD]

    def features(self, x: Tensor) -> Tensor:
        """Return the last feature map, [N, C, h, w]."""
        for layer in self.trunk():
            x = layer(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Return class logits, [N, num_classes]."""
        return self._classify(self.avgpool(self.features(x))).flatten(1)

    def scores(self, x: Tensor) -> Tensor:
        """Return class logits at each location, [N, num_classes, h, w]; averaged over locations they are the logits."""
        return self._classify(self.features(x))

    def activation_maps(self, x: Tensor) -> Tensor:
        """Return class probabilities at each location (Section 3, Figure 2b), [N, num_classes, h, w]."""
        return self.scores(x).softmax(dim=1)

    def _classify(self, maps: Tensor) -> Tensor:
        linear = isinstance(self.fc, nn.Linear)
        logits: Tensor = self.fc(maps.movedim(1, -1)).movedim(-1, 1) if linear else self.fc(maps)
        return logits


class Segmenter(nn.Module):
    """A classifier's trunk with a 1x1 classifier per cell, upsampled to the image (Section 5.3).

    The frozen kernel ``up`` is in every released file, so it stays whichever ``upsampling`` is used.

    Args:
        classifier: The network whose trunk is taken over, sharing its parameters.
        num_classes: Classes scored at each pixel.
        upsampling: How scores reach the image's resolution; may be changed at any time.

    Raises:
        UsageError: Fewer than one class.
    """

    def __init__(
        self, classifier: Classifier, num_classes: int, upsampling: Upsampling = Upsampling.DECONVOLUTION
    ) -> None:
        super().__init__()
        _require_classes(num_classes, classifier.spec)
        fc, stride = classifier.fc, classifier.spec.output_stride
        channels = fc.in_features if isinstance(fc, nn.Linear) else fc.in_channels
        self.spec = classifier.spec
        self.upsampling = upsampling
        self.base = nn.Sequential(*classifier.trunk())
        self.seg = nn.Conv2d(channels, num_classes, kernel_size=1)
        self.up = nn.ConvTranspose2d(
            num_classes, num_classes, 2 * stride, stride, stride // 2, groups=num_classes, bias=False
        )
        initialise(self.seg)
        self.up.weight.requires_grad_(False).copy_(bilinear_kernel(stride).expand_as(self.up.weight))

    def features(self, x: Tensor) -> Tensor:
        """Return the last feature map, [N, C, h, w]."""
        features: Tensor = self.base(x)
        return features

    def scores(self, x: Tensor) -> Tensor:
        """Return class logits at each cell of the feature map, [N, num_classes, h, w]."""
        scores: Tensor = self.seg(self.base(x))
        return scores

    def forward(self, x: Tensor) -> Tensor:
        """Return class logits at each pixel of the image, [N, num_classes, H, W]."""
        height, width = x.shape[-2:]
        scores = self.scores(x)
        if self.upsampling is Upsampling.DECONVOLUTION:
            pixels: Tensor = self.up(scores)
            return pixels[..., :height, :width]
        corners = self.upsampling is Upsampling.CORNERS
        return F.interpolate(scores, size=(height, width), mode="bilinear", align_corners=corners)


def build(
    model: str | ModelSpec, *, num_classes: int = 1000, width: float = 1.0, schedule: Schedule | None = None
) -> Classifier:
    """Build a classifier from torch's current random state, initialised as released (He et al., fan-out).

    The rule counts classes as the fan-out of a convolutional ``fc``. Followed for 10 classes it would start a
    DRN-B-26 at a loss of several times ln 10, where the linear ``fc`` of a ResNet starts at ln 10; ``fc`` therefore
    keeps the deviation that the rule gives for 1000 classes.

    Args:
        model: A name that :func:`find_spec` knows, or a specification.
        num_classes: Outputs of ``fc``.
        width: Factor on the channels of every hidden layer, for small experiments; 1 is the released network.
        schedule: Dilations of a DRN-A, by default those of the paper's Section 2; others have one schedule only.

    Raises:
        UsageError: Unknown name, fewer than one class, a width that is not positive, or a schedule for a
            network that is not a DRN-A.
    """
    spec = find_spec(model) if isinstance(model, str) else model
    _require_classes(num_classes, spec)
    if schedule is not None and spec.family != "DRN-A":
        raise UsageError(f"{spec.name} has one dilation schedule only; {schedule.value!r} applies to DRN-A")
    if spec.family in ("ResNet", "DRN-A"):
        layers = _resnet_layers(spec, num_classes, width)
        if spec.family == "DRN-A":
            dilate(layers["layer3"], 1, schedule or Schedule.PAPER)
            dilate(layers["layer4"], 2, schedule or Schedule.PAPER)
    else:
        layers = _drn_layers(spec, num_classes, width)
    return Classifier(layers, spec)


def build_segmenter(
    model: str | ModelSpec,
    *,
    num_classes: int = 19,
    width: float = 1.0,
    schedule: Schedule | None = None,
    upsampling: Upsampling = Upsampling.DECONVOLUTION,
) -> Segmenter:
    """Build a segmentation network with freshly initialised trunk and head; arguments as in :func:`build`."""
    return Segmenter(build(model, width=width, schedule=schedule), num_classes, upsampling)


def load_released(path: Path, model: Classifier | Segmenter) -> LoadedCheckpoint:
    """Load a released or resumed file into ``model`` strictly, as :func:`harness.weights.load_checkpoint`.

    Raises:
        CheckpointError: As there, or the file's upsampling kernel is not the bilinear one.
    """
    loaded = load_checkpoint(path, model)
    if isinstance(model, Segmenter):
        weight = model.up.weight
        if not torch.allclose(weight, bilinear_kernel(model.spec.output_stride).to(weight).expand_as(weight)):
            raise CheckpointError(
                f"{path}: up.weight is not the bilinear kernel that the paper's upsampling is made of",
                "Check where the file comes from: its upsampling was trained or changed.",
            )
    return loaded


def dilate(group: nn.Module, inherited: int, schedule: Schedule) -> None:
    """Convert a strided group of a residual network in place: stride becomes dilation (Section 2, Figure 1).

    Args:
        group: The residual blocks of one group, the first of them strided by 2.
        inherited: Dilation of the group's input: the product of the strides removed before it.
        schedule: Which layers get which dilation.
    """
    for index, block in enumerate(group.children()):
        for conv in _convolutions(block):
            strided = conv.stride != (1, 1)
            conv.stride = (1, 1)
            if conv.kernel_size == (3, 3):
                match schedule:
                    case Schedule.PAPER:
                        dilation = inherited if strided else 2 * inherited
                    case Schedule.RELEASED:
                        dilation = 1 if index == 0 else 2 * inherited
                    case Schedule.FIGURE:
                        dilation = 2 * inherited
                    case Schedule.NAIVE:
                        dilation = 1
                conv.dilation = conv.padding = (dilation, dilation)


def _require_classes(num_classes: int, spec: ModelSpec) -> None:
    if num_classes < 1:
        raise UsageError(f"{spec.name} needs at least one class, not {num_classes}")


def _resnet_layers(spec: ModelSpec, num_classes: int, width: float) -> dict[str, nn.Module]:
    block = torchvision_resnet.Bottleneck if spec.block == "bottleneck" else torchvision_resnet.BasicBlock
    if width == 1:
        network: nn.Module = torchvision_resnet.ResNet(block, list(spec.blocks), num_classes=num_classes)
    else:
        with torch.device("meta"):
            network = torchvision_resnet.ResNet(block, list(spec.blocks), num_classes=num_classes)
        _narrow(network, width)
        initialise(network)
    return dict(network.named_children())


def _drn_layers(spec: ModelSpec, num_classes: int, width: float) -> dict[str, nn.Module]:
    planes = [scaled(channels, width) for channels in CHANNELS]
    stem = (
        nn.Conv2d(IMAGE_CHANNELS, planes[0], 7, padding=3, bias=False),
        nn.BatchNorm2d(planes[0]),
        nn.ReLU(inplace=True),
    )
    plain = spec.family == "DRN-D"
    layers: dict[str, nn.Module] = (
        {"layer0": nn.Sequential(*stem)} if plain else dict(zip(("conv1", "bn1", "relu"), stem, strict=True))
    )
    channels = planes[0]
    for level in range(1, 9):
        main = 3 <= level <= 6
        kind: BlockKind = spec.block if main else "basic"
        stride, dilations = STRIDES[level - 1], (DILATIONS[level - 1],) * spec.blocks[level - 1]
        if plain and not main:
            layers[f"layer{level}"] = _plain_level(channels, planes[level - 1], dilations, stride)
        else:
            residual = level <= 6 or spec.end_residual
            layers[f"layer{level}"] = residual_level(
                channels, planes[level - 1], dilations, stride=stride, kind=kind, residual=residual
            )
        channels = EXPANSION[kind] * planes[level - 1]
    layers["avgpool"] = nn.AdaptiveAvgPool2d(1)
    for layer in layers.values():
        initialise(layer)
    classifier = nn.Conv2d(channels, num_classes, kernel_size=1)
    nn.init.normal_(classifier.weight, std=CLASSIFIER_DEVIATION)
    return {**layers, "fc": classifier}


def _plain_level(in_channels: int, channels: int, dilations: Sequence[int], stride: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index, dilation in enumerate(dilations):
        source, step = (in_channels, stride) if index == 0 else (channels, 1)
        layers += [conv3x3(source, channels, step, dilation), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _narrow(network: nn.Module, width: float) -> None:
    """Allocate every layer anew with its hidden channels scaled; torchvision's networks take no such argument."""
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.Conv2d):
                if layer.in_channels != IMAGE_CHANNELS:
                    layer.in_channels = scaled(layer.in_channels, width)
                layer.out_channels = scaled(layer.out_channels, width)
                shape = (layer.out_channels, layer.in_channels, *layer.kernel_size)
                layer.weight = nn.Parameter(torch.empty(shape))
            elif isinstance(layer, nn.BatchNorm2d):
                setattr(parent, name, nn.BatchNorm2d(scaled(layer.num_features, width)))
            elif isinstance(layer, nn.Linear):
                setattr(parent, name, nn.Linear(scaled(layer.in_features, width), layer.out_features))


def _convolutions(module: nn.Module) -> Iterable[nn.Conv2d]:
    return (layer for layer in module.modules() if isinstance(layer, nn.Conv2d))
