"""ImageNet weights of residual networks, from torchvision's files into trunks of whatever stride and dilation."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from harness.networks.residual import ResidualTrunk
from harness.weights import LoadedCheckpoint, load_checkpoint

IMAGENET_CLASSES = 1000


def load_resnet(path: Path, trunk: ResidualTrunk) -> LoadedCheckpoint:
    """Copy torchvision's ResNet into ``trunk``, all but its classifier ``fc``, which is read and let go.

    The trunk has the blocks and channels of the file's network, and strides in the 3x3 convolutions as torchvision's
    do; dilation and pooling change no shape and are free. Images are then RGB in [0, 1], less the means .485 .456 .406
    and divided by .229 .224 .225. The trunk is unchanged on any error.

    Raises:
        CheckpointError: As :func:`harness.weights.load_checkpoint`; the file holds a whole network and no other.
    """
    classifier = nn.Linear(trunk.channels, IMAGENET_CLASSES, device="meta").to_empty(device="cpu")
    return load_checkpoint(path, nn.ModuleDict({**dict(trunk.named_children()), "fc": classifier}))
