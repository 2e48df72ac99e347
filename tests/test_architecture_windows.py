"""Pools that round up, margins and branches that meet, against the operators themselves."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from harness.architecture import (
    count,
    gridding,
    gridding_by_gradient,
    map_size,
    receptive_field,
    receptive_field_by_gradient,
)

sides = st.integers(1, 40)


@given(sides, sides, st.integers(1, 4), st.integers(1, 4), st.integers(0, 2), st.integers(1, 2), st.booleans())
@settings(max_examples=150)
def test_the_size_after_pooling_is_the_operators(
    rows: int, columns: int, kernel: int, stride: int, padding: int, dilation: int, ceil: bool
) -> None:
    assume(2 * padding <= kernel)
    assume(min(rows, columns) + 2 * padding >= dilation * (kernel - 1) + 1)
    layer = nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil)
    shape = layer(torch.empty(1, 1, rows, columns, device="meta")).shape
    assert map_size(layer, (rows, columns)) == tuple(shape[-2:])


@pytest.mark.parametrize("pool", [nn.MaxPool2d, nn.AvgPool2d])
@pytest.mark.parametrize("side", [61, 62, 63])
def test_a_receptive_field_does_not_depend_on_rounding(pool: type[nn.MaxPool2d | nn.AvgPool2d], side: int) -> None:
    def network(ceil: bool) -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 2, 3), pool(3, 2, 1, ceil_mode=ceil), nn.Conv2d(2, 1, 3, dilation=2))

    assert receptive_field(network(True)) == receptive_field(network(False))
    assert receptive_field(network(True)) == receptive_field_by_gradient(network(True), (1, side, side))


def test_gridding_of_a_network_that_rounds_up() -> None:
    network = nn.Sequential(nn.MaxPool2d(2, 2, ceil_mode=True), nn.Conv2d(1, 1, 3, padding=4, dilation=4))
    closed, run = gridding(network), gridding_by_gradient(network, (1, 127, 127))
    assert closed.score == pytest.approx(run.score)
    assert closed.score == pytest.approx(1)


@pytest.mark.parametrize("margin", [nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d])
def test_a_margin_is_padding(margin: type[nn.ZeroPad2d | nn.ReflectionPad2d | nn.ReplicationPad2d]) -> None:
    network = nn.Sequential(margin((3, 3, 5, 5)), nn.Conv2d(1, 1, 3, stride=2))
    field = receptive_field(network)
    assert (field.start, field.size, field.stride) == ((-5, -3), (3, 3), (2, 2))
    assert map_size(network, (20, 21)) == tuple(network(torch.zeros(1, 1, 20, 21)).shape[-2:])


def test_an_uneven_margin_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="ZeroPad2d"):
        receptive_field(nn.ZeroPad2d((1, 2, 0, 0)))


class Branches(nn.Module):
    def __init__(self, meet: str) -> None:
        super().__init__()
        self.near = nn.Conv2d(2, 2, 3, padding=1)
        self.far = nn.Conv2d(2, 2, 3, padding=6, dilation=6)
        self.meet = meet

    def forward(self, x: Tensor) -> Tensor:
        near, far = self.near(x), self.far(x)
        return torch.cat([near, far], dim=1) if self.meet == "cat" else torch.maximum(near, far)


@pytest.mark.parametrize("meet", ["cat", "maximum"])
def test_branches_meet(meet: str) -> None:
    network = Branches(meet)
    assert receptive_field(network).size == (13, 13)
    assert map_size(network, (20, 30)) == (20, 30)
    assert count(network).dead == 0
