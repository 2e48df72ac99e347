"""The network that the released file was trained as; the file itself is listed in ``released.toml``."""

from __future__ import annotations

from torch import nn

from harness.checkpoints.released import ReleasedFile
from reproductions.hdc.models import Segmenter, build

EPSILON = 1e-6
"""Of batch normalisation in the released code, where PyTorch has 1e-5."""


def build_released(file: ReleasedFile) -> Segmenter:
    """Build the network of a released file, whose parameters are yet to be loaded."""
    network = build(file.network, classes=file.classes)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = EPSILON
    return network
