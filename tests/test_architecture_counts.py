"""Parameters, layers, multiply-adds and map sizes, each against a second method."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models as torchvision_models

from harness.architecture import ParameterCount, count, depth, describe, feature_map, map_size, multiply_adds
from reproductions.drn.models import MODELS, Classifier, build, build_segmenter

NAMES = list(MODELS)
PRINTED_DEPTHS = {18, 26, 34, 42, 50, 101}


def on_meta(name: str) -> Classifier:
    with torch.device("meta"):
        return build(name)


def meta_output(model: nn.Module, size: int = 64) -> Tensor:
    output: Tensor = model(torch.empty(1, 3, size, size, device="meta"))
    return output


def test_parameters_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, (3, 5)), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1, groups=2, bias=False)
    )
    assert count(network) == ParameterCount(total=(3 * 8 * 15 + 8) + 16 + 4 * 4, frozen=0, dead=0)


def test_shared_and_frozen_parameters() -> None:
    first, second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
    second.weight = first.weight
    first.bias.requires_grad_(False)
    assert count(nn.Sequential(first, second)) == ParameterCount(total=9 + 3 + 3, frozen=3, dead=0)


@pytest.mark.parametrize("name", NAMES)
def test_dead_parameters_are_those_without_a_gradient(name: str) -> None:
    model = on_meta(name)
    gradients = torch.autograd.grad(meta_output(model).sum(), list(model.parameters()), allow_unused=True)
    without = sum(p.numel() for p, gradient in zip(model.parameters(), gradients, strict=True) if gradient is None)
    assert count(model).dead == without == (1_049_600 if name == "DRN-C-58" else 0)


def test_a_branch_that_is_computed_and_dropped_is_dead() -> None:
    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kept, self.dropped = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 5, 1)

        def forward(self, x: Tensor) -> Tensor:
            self.dropped(x)
            kept: Tensor = self.kept(x)
            return kept

    assert count(Dropping()) == ParameterCount(total=8 + 20, frozen=0, dead=20)


def test_the_frozen_upsampling_kernel_is_counted_apart() -> None:
    with torch.device("meta"):
        assert count(build_segmenter("DRN-D-22")).frozen == 19 * 16 * 16


def longest_path(output: Tensor) -> int:
    """Return the most convolutions and matrix products that any path of the autograd graph passes."""
    root = output.grad_fn
    assert root is not None
    depths: dict[Node, int] = {}
    stack = [root]
    while stack:
        sources = [source for source, _ in stack[-1].next_functions if source is not None]
        unknown = [source for source in sources if source not in depths]
        if unknown:
            stack.append(unknown[0])
            continue
        node = stack.pop()
        weighted = node.name().startswith(("Convolution", "Addmm", "Mm", "Linear"))
        depths[node] = max((depths[source] for source in sources), default=0) + weighted
    return depths[root]


@pytest.mark.parametrize("name", NAMES)
def test_depth_is_the_number_in_the_name(name: str) -> None:
    model = on_meta(name)
    assert depth(model) == longest_path(meta_output(model)) == int(name.rpartition("-")[2])


def test_all_printed_depths_are_covered() -> None:
    assert {depth(on_meta(name)) for name in NAMES} >= PRINTED_DEPTHS


def test_the_longer_branch_counts() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.long = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1))
            self.short = nn.Conv2d(3, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            both: Tensor = self.long(x) + self.short(x)
            return both

    assert depth(nn.Sequential(nn.Conv2d(3, 3, 1), Branches(), nn.ReLU(), nn.AdaptiveAvgPool2d(1))) == 3


def test_multiply_adds_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4),
        nn.ConvTranspose2d(8, 2, 4, stride=2, padding=1, groups=2),
        nn.Flatten(),
        nn.Linear(2 * 10 * 10, 5),
    )
    expected = 25 * 8 * 27 + 25 * 8 * 18 + 25 * 8 * 1 * 16 + 200 * 5
    assert multiply_adds(network, (3, 10, 10)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_multiply_adds_are_half_of_what_torch_dispatches(name: str) -> None:
    model = on_meta(name).eval()
    with FlopCounterMode(display=False) as counter:
        meta_output(model, 224)
    assert 2 * multiply_adds(model, (3, 224, 224)) == counter.get_total_flops()


@pytest.mark.parametrize("depth_", [18, 34, 50, 101])
def test_multiply_adds_agree_with_torchvisions_documentation(depth_: int) -> None:
    documented = torchvision_models.get_model_weights(f"resnet{depth_}")["IMAGENET1K_V1"].meta["_ops"]
    assert round(multiply_adds(on_meta(f"ResNet-{depth_}"), (3, 224, 224)) / 1e9, 3) == documented


def test_counting_leaves_the_network_alone() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1)).train()
    before = copy.deepcopy(network.state_dict())
    multiply_adds(network, (3, 8, 8))
    assert network.training
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not network[0]._forward_hooks


@pytest.mark.parametrize("name", NAMES)
def test_map_size_at_the_papers_resolution(name: str) -> None:
    model = on_meta(name)
    side = 7 if name.startswith("ResNet") else 28
    assert map_size(feature_map(model), (224, 224)) == (side, side)


@pytest.mark.parametrize("name", ["ResNet-18", "DRN-A-50", "DRN-C-26", "DRN-D-22"])
def test_map_size_is_that_of_a_run(name: str) -> None:
    model = on_meta(name).eval()
    for size in [(1, 1), (31, 33), (112, 111), (224, 480), (257, 1024)]:
        run = model.features(torch.empty(1, 3, *size, device="meta"))
        assert map_size(feature_map(model), size) == tuple(run.shape[-2:])


@pytest.mark.parametrize("name", ["ResNet-50", "DRN-A-18", "DRN-B-26", "DRN-C-58"])
def test_output_stride_is_the_growth_that_adds_a_cell(name: str) -> None:
    features = feature_map(on_meta(name))
    sides = [map_size(features, (side, 64))[0] for side in range(300, 400)]
    jumps = [index for index in range(1, 100) if sides[index] > sides[index - 1]]
    growth = {later - earlier for earlier, later in pairwise(jumps)}
    assert growth == {describe(lambda: build(name)).output_stride}


def test_an_image_that_is_too_small_is_named() -> None:
    with pytest.raises(ValueError, match="4x9 leaves nothing"):
        map_size(nn.Conv2d(3, 3, 5), (4, 9))


def test_describe_gathers_what_the_parts_say() -> None:
    summary = describe(lambda: build("DRN-C-58"), (256, 192))
    assert (summary.parameters, summary.dead_parameters, summary.layers) == (41_591_608, 1_049_600, 58)
    assert summary.map_size == (32, 24)
    assert summary.output_stride == 8
    assert summary.multiply_adds == multiply_adds(on_meta("DRN-C-58"), (3, 256, 192))


def test_a_network_without_feature_maps_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Conv2d has no method features"):
        describe(lambda: nn.Conv2d(3, 3, 1))
