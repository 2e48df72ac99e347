"""Gridding: limits, invariances, agreement of both methods, and the order of the paper's constructions."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from harness.architecture import feature_map, gridding, gridding_by_gradient, map_gridding
from harness.architecture.linear import Smoothing
from reproductions.drn.models import Schedule, build

SMOOTHINGS: tuple[Smoothing, ...] = get_args(Smoothing)


def small(name: str, schedule: Schedule | None = None) -> nn.Module:
    with torch.device("meta"):
        return feature_map(build(name, num_classes=2, width=0.02, schedule=schedule))


def conv(dilation: int) -> nn.Conv2d:
    return nn.Conv2d(1, 1, 3, padding=dilation, dilation=dilation)


def test_a_dilated_convolution_is_a_pure_grid() -> None:
    """Figure 4 of the paper: one active pixel, a 3x3 convolution of dilation 2."""
    worst = gridding(nn.Sequential(nn.Identity(), conv(2)), period=2)
    assert worst.score == pytest.approx(1)
    assert set(map(abs, worst.frequency)) <= {0.0, 0.5}


@pytest.mark.parametrize(
    ("dilations", "score"),
    [
        ((), 0),
        ((1,), 0),
        ((1, 1, 1), 0),
        ((2, 1), 0),
        ((4, 2, 1), 0),
        ((1, 4, 2, 1), 0),
        ((2,), 1),
        ((4,), 1),
        ((1, 2), 1),
        ((2, 4), 1),
        ((1, 2, 4), 1),
        ((4, 2), 1),
        ((4, 1), 1 / 4),
        ((4, 1, 1), 1 / 16),
    ],
)
def test_stacks_by_hand(dilations: tuple[int, ...], score: float) -> None:
    """Binomial taps of dilation d pass frequency f with amplitude cos(pi d f)^2 in either axis.

    Dilation 4 passes 1/4 and 1/2 whole; 2 passes 1/2 and nulls 1/4; 1 nulls 1/2 and passes half the amplitude of 1/4.
    """
    network = nn.Sequential(nn.Identity(), *map(conv, dilations))
    assert gridding(network).score == pytest.approx(score, abs=1e-9)


class Residual(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = super().forward(x)
        return out + x


def test_a_skip_connection_lets_the_grid_pass_by_hand() -> None:
    """Two 1-dilated layers null frequency 1/2; around them the skip keeps a quarter of its power."""
    network = nn.Sequential(conv(2), Residual(conv(1), conv(1)))
    assert gridding(network, period=2).score == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "schedule", "smoothing"),
    [
        ("ResNet-18", None, "uniform"),
        ("DRN-A-18", Schedule.PAPER, "binomial"),
        ("DRN-A-18", Schedule.RELEASED, "uniform"),
        ("DRN-B-26", None, "binomial"),
        ("DRN-C-26", None, "uniform"),
    ],
)
def test_closed_form_is_what_a_run_shows(name: str, schedule: Schedule | None, smoothing: Smoothing) -> None:
    network = small(name, schedule)
    closed, run = (
        gridding(network, smoothing=smoothing),
        gridding_by_gradient(network, (3, 640, 640), smoothing=smoothing),
    )
    assert closed.score == pytest.approx(run.score, abs=1e-9)
    assert closed.source == run.source


@pytest.mark.parametrize("schedule", [Schedule.PAPER, Schedule.RELEASED, Schedule.FIGURE])
@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_the_paper_s_degridding_steps_each_reduce_it(schedule: Schedule, smoothing: Smoothing) -> None:
    """Section 4: added layers (B) reduce gridding, removing their skip connections (C) reduces it further."""
    a, b, c, resnet = (
        gridding(small(name, schedule if name == "DRN-A-18" else None), smoothing=smoothing).score
        for name in ("DRN-A-18", "DRN-B-26", "DRN-C-26", "ResNet-18")
    )
    assert a == pytest.approx(1, abs=1e-5)
    assert a > 2 * b > 4 * c
    assert c == pytest.approx(resnet)


def test_scores_of_the_three_constructions() -> None:
    scores = {
        name: gridding(small(name)).score for name in ("DRN-A-18", "DRN-B-26", "DRN-C-26", "DRN-C-42", "DRN-D-22")
    }
    expected = {"DRN-A-18": 1, "DRN-B-26": 0.25, "DRN-C-26": 0, "DRN-C-42": 0, "DRN-D-22": 0}
    assert scores == pytest.approx(expected, abs=1e-9)


def test_a_run_on_too_small_an_image_is_refused() -> None:
    with pytest.raises(ValueError, match="use a larger image"):
        gridding_by_gradient(small("DRN-A-18"), (3, 128, 128))


def grid(size: int) -> tuple[Tensor, Tensor]:
    axis = torch.arange(size, dtype=torch.float64)
    return axis[:, None].expand(size, size), axis.expand(size, size)


def share(plane: Tensor, period: int = 4) -> float:
    return float(map_gridding(plane[None, None], period))


SIZES = [16, 20, 28, 56]


@pytest.mark.parametrize("size", SIZES)
def test_periodic_maps_are_all_grid(size: int) -> None:
    rows, columns = grid(size)
    combs = [(rows % 4 == 1) & (columns % 4 == 2), (rows % 2 == 0) & (columns % 2 == 1), (rows + columns) % 2 == 0]
    assert [share(comb.double()) for comb in (*combs, columns % 4 == 0)] == pytest.approx([1] * 4, abs=1e-6)
    assert share(combs[1].double(), period=2) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_smooth_maps_have_none(size: int) -> None:
    rows, columns = grid(size)
    distance = ((rows - 0.4 * size) ** 2 + (columns - 0.55 * size) ** 2) / size**2
    smooth = [rows + 2 * columns, torch.exp(-20 * distance), distance, torch.sin(2 * math.pi * columns / size)]
    assert [share(plane) for plane in smooth] == pytest.approx([0] * 4, abs=1e-9)


def test_a_flat_map_and_a_single_cell_have_none() -> None:
    cell = torch.zeros(28, 28, dtype=torch.float64)
    assert share(cell + 0.1) == 0
    cell[14, 14] = 1
    assert share(cell) == pytest.approx(0, abs=1e-9)


def test_noise_has_little() -> None:
    noise = torch.randn(200, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert float(map_gridding(noise).mean()) < 0.03


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_scale_and_offset_do_not_matter(seed: int, scale: float, offset: float) -> None:
    rows, columns = grid(28)
    noise = torch.randn(1, 3, 28, 28, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    maps = noise + 2 * ((rows + columns) % 2)
    torch.testing.assert_close(map_gridding(maps * scale + offset), map_gridding(maps), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(map_gridding(-maps), map_gridding(maps))
    torch.testing.assert_close(map_gridding(maps.transpose(-1, -2)), map_gridding(maps))


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 2))
def test_the_share_is_the_share_of_variance(amplitude: float) -> None:
    """A wave of 4 cells beside one of 14, both whole multiples of the map: the shares of energy are known."""
    _, columns = grid(56)
    wave = amplitude * torch.cos(2 * math.pi * columns / 4)
    swell = torch.cos(2 * math.pi * columns / 14)
    assert share(wave + swell) == pytest.approx(amplitude**2 / (1 + amplitude**2), abs=1e-6)


def test_images_are_scored_alone_and_channels_together() -> None:
    rows, columns = grid(28)
    comb, ramp = ((rows + columns) % 2).double(), rows / 28
    pair = map_gridding(torch.stack([torch.stack([comb, comb]), torch.stack([ramp, ramp])]))
    assert pair.tolist() == pytest.approx([1, 0], abs=1e-9)
    assert 0.5 < float(map_gridding(torch.stack([comb, ramp])[None])) < 1


def test_maps_that_are_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match="15x40 are too small for period 4"):
        map_gridding(torch.zeros(1, 1, 15, 40))
