"""Weights of residual networks: what is taken from torchvision's files, and which files are refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from resnet_files import put_weights, resnet
from torch import nn

from harness.errors import CheckpointError
from harness.networks.residual import BLOCKS, ResidualTrunk, resnet_stages
from harness.pretrained import load_resnet

SHORT = (1, 1, 1, 1)
"""Blocks of a ResNet whose files are small."""


@pytest.fixture(scope="module")
def short_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put_weights(tmp_path_factory.mktemp("weights"), SHORT)


def test_dilation_and_pooling_take_any_weights(short_weights: Path) -> None:
    dilated = ResidualTrunk(
        resnet_stages(SHORT, strides=(1, 2, 1, 1), dilations={3: (2,), 4: (4,)}), pool=nn.Identity()
    )
    load_resnet(short_weights, dilated)
    kept = torch.load(short_weights, weights_only=True)
    assert all(torch.equal(value, kept[name]) for name, value in dilated.state_dict().items())


def test_loading_draws_nothing(short_weights: Path) -> None:
    built = resnet(SHORT)
    state = torch.get_rng_state()
    load_resnet(short_weights, built)
    assert torch.equal(torch.get_rng_state(), state)


def unlike(path: Path, built: ResidualTrunk) -> str:
    """Refuse a file, the trunk untouched; return why."""
    before = {name: value.clone() for name, value in built.state_dict().items()}
    with pytest.raises(CheckpointError, match=re.escape(str(path))) as caught:
        load_resnet(path, built)
    assert all(torch.equal(value, before[name]) for name, value in built.state_dict().items())
    return str(caught.value)


def test_files_of_other_networks_are_refused(short_weights: Path, tmp_path: Path) -> None:
    assert "layer1.1.conv1.weight" in unlike(short_weights, resnet(BLOCKS[101]))
    assert "mis-shaped" in unlike(short_weights, resnet(SHORT, 1 / 2))
    bare = tmp_path / "bare.pth"
    torch.save(resnet(SHORT).state_dict(), bare)
    assert "missing 2: fc.weight, fc.bias" in unlike(bare, resnet(SHORT))
    fewer = put_weights(tmp_path, SHORT, **{"fc.weight": torch.zeros(10, 2048), "fc.bias": torch.zeros(10)})
    assert "fc.weight (10, 2048) where the model has (1000, 2048)" in unlike(fewer, resnet(SHORT))
    more = put_weights(tmp_path, SHORT, **{"aux.weight": torch.zeros(1)})
    assert "unexpected 1: aux.weight" in unlike(more, resnet(SHORT))
    infinite = put_weights(tmp_path, SHORT, **{"bn1.weight": torch.full((64,), np.nan)})
    assert "not finite in bn1.weight" in unlike(infinite, resnet(SHORT))


def test_damaged_files_are_refused(short_weights: Path, tmp_path: Path) -> None:
    content = short_weights.read_bytes()
    flipped = tmp_path / short_weights.name
    flipped.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "in its name" in unlike(flipped, resnet(SHORT))
    short = tmp_path / "resnet.pth"
    short.write_bytes(content[: len(content) // 2])
    assert "corrupt or cut short" in unlike(short, resnet(SHORT))
    assert "no such file" in unlike(tmp_path / "resnet-11ad3fa6.pth", resnet(SHORT))
