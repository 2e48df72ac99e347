"""VGG-16 as torchvision has it, with pools left out, and its fully connected layers as convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from harness.architecture import count, map_size, receptive_field
from harness.errors import CheckpointError, UsageError
from harness.networks.vgg import FEWER_CONVOLUTIONS, POOLS, Pool, fully_connected, load_imagenet, vgg16

FLOOR = (Pool(ceil=False),) * 5
WEIGHTS = "data/weights/vgg16_features_fp16.pth"


@pytest.mark.parametrize("batch_norm", [False, True])
def test_it_is_torchvisions_network(batch_norm: bool) -> None:
    torch.manual_seed(0)
    ours = vgg16(pools=FLOOR, batch_norm=batch_norm).eval()
    build = torchvision.models.vgg16_bn if batch_norm else torchvision.models.vgg16
    with torch.device("meta"):
        theirs = build(weights=None).features.eval()
    theirs.load_state_dict(ours.state_dict(), assign=True)
    image = torch.randn(1, 3, 48, 64)
    assert torch.equal(ours(image), theirs(image))


def test_fewer_convolutions_make_vgg_11() -> None:
    torch.manual_seed(0)
    ours = vgg16(pools=FLOOR, convolutions=FEWER_CONVOLUTIONS)
    with torch.device("meta"):
        theirs = torchvision.models.vgg11(weights=None).features
    theirs.load_state_dict(ours.state_dict(), assign=True)
    image = torch.randn(1, 3, 32, 32)
    assert torch.equal(ours(image), theirs(image))


def test_caffe_rounds_the_size_of_a_map_up() -> None:
    with torch.device("meta"):
        network = vgg16(width=1 / 64)
    assert map_size(network, (500, 500)) == (16, 16)
    assert tuple(network(torch.empty(1, 3, 500, 500, device="meta")).shape[2:]) == (16, 16)


@pytest.mark.parametrize(
    ("pools", "dilations", "stride"),
    [(POOLS, (1,) * 5, 32), ((*POOLS[:3], None, None), (1, 1, 1, 1, 2), 8), ((Pool(3),) * 5, (1,) * 5, 32)],
)
@pytest.mark.parametrize("padded", [True, False])
def test_pools_set_the_stride(
    pools: Sequence[Pool | None], dilations: Sequence[int], stride: int, padded: bool
) -> None:
    network = vgg16(pools=pools, dilations=dilations, padded=padded, width=1 / 64)
    assert receptive_field(network).stride == (stride, stride)


def test_layers_keep_their_numbers_when_pools_go() -> None:
    whole, cut = vgg16(width=1 / 64), vgg16(pools=(None, *POOLS[1:4], None), width=1 / 64)
    assert set(cut.state_dict()) == set(whole.state_dict())
    assert cut.load_state_dict(whole.state_dict()).missing_keys == []


@pytest.mark.parametrize("pools", [POOLS, (*POOLS[:3], None, None)])
def test_stages_are_the_network_cut_in_five(pools: Sequence[Pool | None]) -> None:
    network = vgg16(pools=pools, width=1 / 16)
    image = torch.randn(2, 3, 64, 40)
    maps = network.stages(image)
    assert [tuple(m.shape[1:2]) for m in maps] == [(4,), (8,), (16,), (32,), (32,)]
    assert torch.equal(maps[-1], network(image))
    for number, name in ((1, "4"), (2, "9"), (3, "16")):
        first = nn.Sequential(*(layer for key, layer in network.named_children() if int(key) <= int(name)))
        assert torch.equal(maps[number - 1], first(image))


def test_a_pool_without_stride_and_dilation_after_it_compute_the_same_at_every_other_cell() -> None:
    """The a-trous idea: dropping a stride densifies the map, and dilation keeps what each cell means."""
    dense = vgg16(pools=(*POOLS[:3], Pool(stride=1), None), dilations=(1, 1, 1, 1, 2), padded=False, width=1 / 16)
    coarse = vgg16(pools=(*POOLS[:4], None), padded=False, width=1 / 16)
    coarse.load_state_dict(dense.state_dict())
    image = torch.randn(1, 3, 245, 261, dtype=torch.float64)
    fine, sparse = dense.double()(image), coarse.double()(image)
    assert min(sparse.shape[-2:]) >= 2
    every_other = fine[..., ::2, ::2]
    torch.testing.assert_close(every_other, sparse[..., : every_other.shape[-2], : every_other.shape[-1]])


def test_convolutional_layers_are_the_fully_connected_ones() -> None:
    torch.manual_seed(0)
    head = fully_connected(8, 5, kernel=7, dilation=1, channels=16, padded=False).eval()
    linear = nn.Sequential(nn.Linear(8 * 49, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 5))
    for layer, name in ((0, "fc6"), (2, "fc7"), (4, "fc8")):
        weight, bias = head.get_parameter(f"{name}.weight"), head.get_parameter(f"{name}.bias")
        linear[layer].load_state_dict({"weight": weight.flatten(1), "bias": bias})
    maps = torch.randn(3, 8, 7, 7)
    torch.testing.assert_close(head(maps).flatten(1), linear(maps.flatten(1)))


@given(st.integers(1, 7), st.integers(1, 12), st.integers(10, 20))
@settings(max_examples=30)
def test_a_padded_head_keeps_the_size(kernel: int, dilation: int, side: int) -> None:
    if dilation * (kernel - 1) % 2:
        return
    head = fully_connected(2, 3, kernel=kernel, dilation=dilation, channels=4)
    assert head(torch.zeros(1, 2, side, side + 1)).shape == (1, 3, side, side + 1)


@pytest.mark.parametrize(
    ("kernel", "dilation", "channels", "parameters"),
    [(7, 4, 4096, 134_346_581), (4, 4, 4096, 65_140_565), (3, 12, 1024, 20_505_429)],
)
def test_parameters_of_published_networks(kernel: int, dilation: int, channels: int, parameters: int) -> None:
    with torch.device("meta"):
        head = fully_connected(512, 21, kernel=kernel, dilation=dilation, channels=channels)
        network = nn.Sequential(vgg16(), head)
    assert count(network).total == parameters


def test_it_starts_as_he_et_al_say_and_scores_near_zero() -> None:
    torch.manual_seed(0)
    network = vgg16(width=1 / 4)
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            expected = (2 / (9 * layer.in_channels)) ** 0.5
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.15)
            assert not bool(layer.bias is None or layer.bias.any())
    head = fully_connected(64, 21, kernel=3, dilation=1, channels=256, deviation=0.001)
    assert head.get_parameter("fc8.weight").std().item() == pytest.approx(0.001, rel=0.1)


def test_imagenet_weights_are_loaded_whatever_the_pools(shared: Callable[[str], Path]) -> None:
    path = shared(WEIGHTS)
    stored = torch.load(path, weights_only=True)
    trunk = vgg16(pools=(*POOLS[:3], None, None), dilations=(1, 1, 1, 1, 2), padded=False)
    assert load_imagenet(path, trunk).tensors == 26
    assert all(torch.equal(value, stored[f"features.{key}"].float()) for key, value in trunk.state_dict().items())


def test_imagenet_weights_need_the_whole_width(shared: Callable[[str], Path]) -> None:
    with pytest.raises(CheckpointError, match="mis-shaped 26"):
        load_imagenet(shared(WEIGHTS), vgg16(width=1 / 2))


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(UsageError, match="factor above 0"):
        vgg16(width=0)
    with pytest.raises(UsageError, match="at least one class"):
        fully_connected(8, 0, kernel=3, dilation=1, channels=4)
    with pytest.raises(ValueError, match="zip"):
        vgg16(pools=POOLS[:4])
