"""Residual networks of torchvision, and files of their weights named as its releases are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
import torchvision
from torch import nn

from harness.networks.residual import ResidualTrunk, resnet_stages


def torchvisions(blocks: Sequence[int]) -> nn.Module:
    """ResNet-101, or the like with other blocks."""
    return torchvision.models.resnet.ResNet(torchvision.models.resnet.Bottleneck, list(blocks))


def put_weights(folder: Path, blocks: Sequence[int], **changed: torch.Tensor) -> Path:
    """Write torchvision's network, its statistics other than at first, named as its releases are."""
    torch.manual_seed(sum(blocks))
    model = torchvisions(blocks)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.6)
            nn.init.uniform_(module.weight, 0.3, 0.6)
    plain = folder / "weights.pth"
    torch.save({**model.state_dict(), **changed}, plain)
    digest = hashlib.sha256(plain.read_bytes()).hexdigest()
    return plain.rename(folder / f"resnet-{digest[:8]}.pth")


def resnet(blocks: Sequence[int], width: float = 1.0) -> ResidualTrunk:
    return ResidualTrunk(resnet_stages(blocks), width=width)
