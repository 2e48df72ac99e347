"""Receptive fields: closed form against published values, gradients and the paper's statements."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from harness.architecture import (
    ReceptiveField,
    feature_map,
    receptive_field,
    receptive_field_by_gradient,
    receptive_fields,
)
from reproductions.drn.models import Schedule, build


def small(name: str, schedule: Schedule | None = None) -> nn.Module:
    with torch.device("meta"):
        return feature_map(build(name, num_classes=2, width=0.02, schedule=schedule))


def side(module: nn.Module) -> int:
    field = receptive_field(module)
    assert field.size[0] == field.size[1]
    return field.size[0]


def test_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 2, (3, 1), stride=2, padding=(1, 0)), nn.MaxPool2d(2), nn.Conv2d(2, 2, 3, dilation=4)
    )
    assert receptive_field(network) == ReceptiveField(start=(-1, 0), size=(5 + 8 * 4, 3 + 8 * 4), stride=(4, 4))


def strided_first(name: str) -> nn.Module:
    """Move the stride of each bottleneck from its 3x3 to its first 1x1 convolution, where He et al. have it."""
    with torch.device("meta"):
        model = build(name, num_classes=2, width=0.02)
    for group in (model.get_submodule(f"layer{index}") for index in (2, 3, 4)):
        first, second = group.get_submodule("0.conv1"), group.get_submodule("0.conv2")
        assert isinstance(first, nn.Conv2d)
        assert isinstance(second, nn.Conv2d)
        first.stride, second.stride = second.stride, first.stride
    return feature_map(model)


def test_published_values() -> None:
    """Araujo, Norris and Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill 2019."""
    assert side(small("ResNet-18")) == 435
    assert side(small("ResNet-34")) == 899
    assert side(strided_first("ResNet-50")) == 483
    assert side(strided_first("ResNet-101")) == 1027
    assert (side(small("ResNet-50")), side(small("ResNet-101"))) == (427, 971)


NETWORKS = [
    ("ResNet-18", None),
    *(("DRN-A-18", schedule) for schedule in Schedule),
    ("DRN-B-26", None),
    ("DRN-C-26", None),
    ("ResNet-50", None),
    *(("DRN-A-50", schedule) for schedule in Schedule),
    ("DRN-C-58", None),
    ("DRN-D-22", None),
]


@pytest.mark.parametrize(("name", "schedule"), NETWORKS)
def test_closed_form_is_what_gradients_reach(name: str, schedule: Schedule | None) -> None:
    network = small(name, schedule)
    field = receptive_field(network)
    size = field.size[0] + 4 * field.stride[0]
    assert receptive_field_by_gradient(network, (3, size, size)) == field


@st.composite
def stacks(draw: st.DrawFn) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 4))):
        kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
        stride, dilation = draw(st.integers(1, 2)), draw(st.integers(1, 3))
        if draw(st.booleans()):
            layers.append(nn.Conv2d(2, 2, kernel, stride, padding=draw(st.integers(0, 3)), dilation=dilation))
        else:
            layers.append(nn.MaxPool2d(max(kernel), stride, padding=max(kernel) // 2))
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


@settings(max_examples=40, deadline=None)
@given(stacks())
def test_random_stacks(network: nn.Sequential) -> None:
    assert receptive_field(network) == receptive_field_by_gradient(network, (2, 160, 160))


def test_branches_join_to_the_smallest_box_around_them() -> None:
    class Parallel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ahead = nn.Conv2d(1, 1, 2, padding=0)
            self.behind = nn.Conv2d(1, 1, 4, padding=3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            wide: torch.Tensor = self.behind(x)
            return self.ahead(x) + wide[..., :-4, :-4]

    with pytest.raises(NotImplementedError, match="getitem"):
        receptive_field(Parallel())

    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shifted = nn.Conv2d(1, 1, 3, padding=4, dilation=4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.shifted(x) + x
            return out

    assert receptive_field(Skip()) == ReceptiveField((-4, -4), (9, 9), (1, 1))


def test_an_image_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="use a larger one"):
        receptive_field_by_gradient(small("ResNet-18"), (3, 320, 320))


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_which_schedules_keep_the_receptive_field_of_every_unit(depth: int) -> None:
    """Section 2: "units in the dilated layers have the same receptive field as corresponding units"."""
    original = receptive_fields(small(f"ResNet-{depth}"))
    kept = {}
    for schedule in Schedule:
        converted = receptive_fields(small(f"DRN-A-{depth}", schedule))
        assert list(converted) == list(original)
        kept[schedule] = all(
            (field.start, field.size) == (original[name].start, original[name].size)
            for name, field in converted.items()
        )
    assert kept == {schedule: schedule is Schedule.PAPER for schedule in Schedule}


@pytest.mark.parametrize(
    ("depth", "sides"),
    [
        (18, {"paper": 435, "released": 355, "figure": 483, "naive": 227}),
        (34, {"paper": 899, "released": 819, "figure": 947, "naive": 467}),
        (50, {"paper": 427, "released": 411, "figure": 475, "naive": 235}),
    ],
)
def test_receptive_fields_of_each_schedule(depth: int, sides: dict[str, int]) -> None:
    assert {schedule.value: side(small(f"DRN-A-{depth}", schedule)) for schedule in Schedule} == sides
