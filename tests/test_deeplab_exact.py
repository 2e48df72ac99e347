"""Exact quantities of the paper's networks: printed counts, fields of view, Caffe's sizes, each by a second method."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.architecture import feature_map, map_size, receptive_field_by_gradient
from harness.experiment import Context, Unit
from harness.networks.vgg import vgg16
from reproductions.deeplab.exact import architecture, field_of_view, first_convolution, on_meta
from reproductions.deeplab.interpolation import rescale, sample_labels, scaled_side
from reproductions.deeplab.models import build
from reproductions.deeplab.specs import MODELS, RESNETS, TABLE_1, TABLE_3

# Parameters with 21 classes, counted on the released definitions.
COUNTS = {
    "VGG-16 7x7, rate 4": 134_346_581,
    "VGG-16 4x4, rate 4": 65_140_565,
    "VGG-16 4x4, rate 8": 65_140_565,
    "VGG-16 LargeFOV": 20_505_429,
    "VGG-16 ASPP-S": 37_877_652,
    "VGG-16 ASPP-L": 37_877_652,
    "ResNet-101": 42_500_160 + 2048 * 21 + 21,
    "ResNet-101 + LargeFOV": 42_887_253,
    "ResNet-101 + ASPP": 44_048_532,
}
PRINTED = {  # Table 1: kernel, rate, field of view, millions of parameters
    "VGG-16 7x7, rate 4": (7, 4, 224, "134.3"),
    "VGG-16 4x4, rate 4": (4, 4, 128, "65.1"),
    "VGG-16 4x4, rate 8": (4, 8, 224, "65.1"),
    "VGG-16 LargeFOV (step)": (3, 12, 224, "20.5"),
}
WIDTH = 1 / 64


def measured(system: str) -> dict[str, int | float | str]:
    return dict(architecture(Unit("architecture", system, 0), Context(Path(), "cpu", lambda *_: None)).values)


@pytest.mark.parametrize("name", MODELS)
def test_released_counts(name: str) -> None:
    assert measured(name)["parameters"] == COUNTS[name]


def test_counts_agree_with_the_recorded_ones(shared: Callable[[str], Path]) -> None:
    recorded = json.loads(shared("metric_oracles.json").read_text())["params"]
    names = {
        "dilation_front_21": "VGG-16 7x7, rate 4",
        "deeplab_vgg_4x4_21": "VGG-16 4x4, rate 8",
        "deeplab_vgg_largefov_21": "VGG-16 LargeFOV",
        "deeplab_vgg_aspp_21": "VGG-16 ASPP-L",
        "deeplab_r101_aspp_21": "ResNet-101 + ASPP",
    }
    assert {key: COUNTS[name] for key, name in names.items()} == {key: recorded[key] for key in names}


@pytest.mark.parametrize(
    ("classes", "parameters"), [(19, 43_901_068), (60, 46_924_080), (7, 43_016_284), (182, 55_919_384)]
)
def test_counts_for_the_other_data_sets(classes: int, parameters: int) -> None:
    with torch.device("meta"):
        network = build("ResNet-101 + ASPP", classes=classes)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize("name", TABLE_1)
def test_table_1_as_printed(name: str) -> None:
    kernel, rate, view, millions = PRINTED[name]
    values = measured(name)
    assert (values["kernel-side"], values["dilation"], values["field-of-view"]) == (kernel, rate, view)
    assert f"{int(values['parameters']) / 1e6:.1f}" == millions


@pytest.mark.parametrize("name", [*TABLE_1, "VGG-16 ASPP-L"])
def test_parameters_by_arithmetic(name: str) -> None:
    spec = MODELS[name.partition(" (")[0]]
    trunk = sum(
        9 * source * target + target
        for source, target in zip(
            (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512),
            (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
            strict=True,
        )
    )
    wide = spec.channels
    head = (512 * spec.kernel**2 + 1) * wide + (wide + 1) * wide + (wide + 1) * 21
    assert measured(name)["parameters"] == trunk + len(spec.rates) * head


@pytest.mark.parametrize("name", TABLE_1)
def test_field_of_view_by_marking_pixels(name: str) -> None:
    """Mark, along a row of the image, the 32 pixels around each tap of the filter with holes."""
    spec = MODELS[name.partition(" (")[0]]
    pixels = {8 * spec.rates[0] * tap + offset for tap in range(spec.kernel) for offset in range(32)}
    assert max(pixels) - min(pixels) + 1 == measured(name)["field-of-view"]


def test_field_of_view_of_the_network_before_atrous_convolution_is_its_image() -> None:
    with torch.device("meta"):
        assert field_of_view(vgg16(), nn.Conv2d(512, 4096, 7)) == 224


@pytest.mark.parametrize("name", ["VGG-16 4x4, rate 4", "VGG-16 LargeFOV", "VGG-16 ASPP-S"])
def test_receptive_field_and_stride_by_gradients(name: str) -> None:
    network = build(name, classes=1, width=WIDTH)
    found = receptive_field_by_gradient(nn.Sequential(network.trunk, network.head), (3, 449, 449))
    values = measured(name)
    assert found.size == (values["receptive-field"],) * 2
    assert found.stride == (values["output-stride"],) * 2 == (8, 8)
    assert found.start == tuple(-(side - 1) // 2 for side in found.size), "cell k lies on pixel 8 k"


@pytest.mark.parametrize("name", [*TABLE_3, *RESNETS])
@pytest.mark.parametrize("side", [321, 513])
def test_map_sides_of_the_released_networks(name: str, side: int) -> None:
    trunk = on_meta(name).trunk
    assert map_size(trunk, (side, side)) == (side // 8 + 1,) * 2
    assert trunk(torch.empty(1, 3, side, side, device="meta")).shape[-2:] == map_size(trunk, (side, side))


def test_ceil_mode_of_the_released_networks() -> None:
    trunk = on_meta("VGG-16 LargeFOV").trunk
    assert map_size(trunk, (306, 306)) == (40, 40)
    assert map_size(feature_map(on_meta("ResNet-101")), (321, 321)) == (41, 41)


@pytest.mark.parametrize("name", [*TABLE_1, *TABLE_3, *RESNETS])
def test_depth_is_that_of_the_name(name: str) -> None:
    assert measured(name)["layers"] == (101 if name.startswith("ResNet") else 16)


@pytest.mark.parametrize("name", ["VGG-16 LargeFOV", "ResNet-101 + ASPP"])
def test_multiply_adds_by_hooks_on_a_second_counter(name: str) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    network = on_meta(name).eval()
    with FlopCounterMode(display=False) as counter:
        network.scores(torch.empty(1, 3, 321, 321, device="meta"))
    assert counter.get_total_flops() == 2 * int(measured(name)["multiply-adds"])


def test_modules_without_convolutions_are_refused() -> None:
    with pytest.raises(ValueError, match="no convolution"):
        first_convolution(nn.ReLU())


def test_sizes_of_caffes_interp() -> None:
    assert [scaled_side(321, scale) for scale in (Fraction(1, 2), Fraction(3, 4), Fraction(1))] == [161, 241, 321]
    assert [scaled_side(513, scale) for scale in (Fraction(1, 2), Fraction(3, 4))] == [257, 385]
    assert [scaled_side(side, Fraction(8)) for side in (41, 65)] == [321, 513]
    assert [map_size(on_meta("ResNet-101").trunk, (side, side))[0] for side in (161, 241, 257, 385)] == [21, 31, 33, 49]


@given(st.integers(1, 200), st.integers(1, 8), st.integers(1, 8))
def test_sizes_keep_the_corners(cells: int, zoom: int, shrink: int) -> None:
    scale = Fraction(zoom, shrink)
    side = cells * scale.denominator + 1
    assert scaled_side(side, scale) == cells * scale.numerator + 1
    assert scaled_side(scaled_side(side, scale), 1 / scale) == side


def test_rescaling_a_ramp_is_exact() -> None:
    ramp = torch.linspace(0, 1, 33, dtype=torch.float64).expand(1, 1, 17, 33)
    for scale, shape in ((Fraction(1, 2), (9, 17)), (Fraction(3, 4), (13, 25)), (Fraction(2), (33, 65))):
        expected = torch.linspace(0, 1, shape[1], dtype=torch.float64).expand(1, 1, *shape)
        torch.testing.assert_close(rescale(ramp, scale), expected)


def test_labels_are_taken_at_every_eighth_pixel() -> None:
    labels = torch.arange(2 * 33 * 49).view(2, 33, 49)
    assert torch.equal(sample_labels(labels, (5, 7)), labels[:, ::8, ::8])
    assert torch.equal(sample_labels(labels, (3, 4)), labels[:, ::16, ::16])
    assert torch.equal(sample_labels(labels, (33, 49)), labels)


@given(st.integers(2, 90), st.integers(2, 90))
def test_labels_are_those_of_the_nearest_pixel(side: int, cells: int) -> None:
    row = torch.arange(side)[None, None]
    taken = sample_labels(row, (1, cells)).flatten().tolist()
    for cell, pixel in enumerate(taken):
        place = Fraction(cell * (side - 1), cells - 1)
        assert abs(pixel - place) == min(abs(other - place) for other in range(side))
    assert (taken[0], taken[-1]) == (0, side - 1)
