"""Residual trunks against torchvision's networks, counts from elsewhere, and where they stride and dilate."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from harness.errors import UsageError
from harness.networks.residual import (
    BLOCKS,
    CHANNELS,
    Bottleneck,
    ResidualTrunk,
    StridedLayer,
    initialise,
    residual_level,
    resnet_stages,
)

# Parameters up to the last feature map, counted in other implementations of these networks.
COUNTS = {50: 23_508_032, 101: 42_500_160, 152: 58_143_808}
DEEP_STEM = 42_623_936


def tiny(strided: StridedLayer = "3x3", strides: tuple[int, ...] = (1, 2, 1, 1)) -> ResidualTrunk:
    torch.manual_seed(0)
    stages = resnet_stages((1, 2, 2, 2), strides=strides, dilations={3: (2, 3), 4: (4, 5)})
    return ResidualTrunk(stages, strided=strided, width=0.125).eval()


def spatial(module: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)]


@pytest.mark.parametrize("depth", list(COUNTS))
def test_counts(depth: int) -> None:
    with torch.device("meta"):
        trunk = ResidualTrunk(resnet_stages(BLOCKS[depth]))
    assert sum(parameter.numel() for parameter in trunk.parameters()) == COUNTS[depth]
    assert trunk.channels == 2048


def test_count_with_three_small_convolutions() -> None:
    with torch.device("meta"):
        trunk = ResidualTrunk(resnet_stages(BLOCKS[101]), stem="three 3x3")
    assert sum(parameter.numel() for parameter in trunk.parameters()) == DEEP_STEM


@pytest.mark.parametrize("replaced", [(False, False, False), (False, True, True)])
def test_weights_of_torchvision_give_its_feature_map_to_the_bit(replaced: tuple[bool, bool, bool]) -> None:
    reference = torchvision.models.resnet50(replace_stride_with_dilation=list(replaced)).eval()
    dilated = replaced[2]
    dilations = {3: (1, *(2,) * 5), 4: (2, 4, 4)} if dilated else None
    strides = (1, 2, 1, 1) if dilated else (1, 2, 2, 2)
    trunk = ResidualTrunk(resnet_stages(BLOCKS[50], strides=strides, dilations=dilations)).eval()
    state = {key: value for key, value in reference.state_dict().items() if not key.startswith("fc.")}
    trunk.load_state_dict(state)
    assert list(trunk.state_dict()) == list(state)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = nn.Sequential(*list(reference.children())[:-2])(images)
        assert torch.equal(trunk(images), expected)


def test_a_fresh_network_is_initialised_as_torchvisions() -> None:
    torch.manual_seed(4)
    trunk = ResidualTrunk(resnet_stages(BLOCKS[50]))
    torch.manual_seed(4)
    with torch.no_grad():
        reference = torchvision.models.resnet50().state_dict()
    state = trunk.state_dict()
    stds = {key: float(state[key].std() / reference[key].std()) for key in state if key.endswith("conv2.weight")}
    assert all(ratio == pytest.approx(1, abs=0.05) for ratio in stds.values())


def test_every_block_has_its_own_dilation() -> None:
    trunk = tiny()
    found = {name: [layer.dilation[0] for layer in spatial(level)] for name, level in trunk.named_children()}
    assert {name: rates for name, rates in found.items() if rates} == {
        "layer1": [1],
        "layer2": [1, 1],
        "layer3": [2, 3],
        "layer4": [4, 5],
    }
    assert all(
        layer.padding == layer.dilation
        for level in ("layer3", "layer4")
        for layer in spatial(trunk.get_submodule(level))
    )


@pytest.mark.parametrize(("strided", "expected"), [("1x1", (2, 1)), ("3x3", (1, 2))])
def test_a_bottleneck_strides_where_it_is_told(strided: StridedLayer, expected: tuple[int, int]) -> None:
    block = tiny(strided).get_submodule("layer2.0")
    assert isinstance(block, Bottleneck)
    assert (block.conv1.stride[0], block.conv2.stride[0]) == expected


def test_the_strided_convolution_decides_which_cells_are_seen() -> None:
    """Of a 1x1 convolution with stride 2, a block sees every other cell; of a 3x3 one, all."""
    torch.manual_seed(0)
    seen = {}
    for strided in ("1x1", "3x3"):
        level = residual_level(4, 1, (1,), stride=2, strided=strided)
        level.get_submodule("0.downsample.0").get_parameter("weight").data.zero_()
        image = torch.rand(1, 4, 9, 9, requires_grad=True)
        level.eval()(image)[..., 2, 2].abs().sum().backward()
        assert image.grad is not None
        seen[strided] = (image.grad.abs().sum(dim=(0, 1)) > 0).nonzero().flatten().unique().tolist()
    assert set(seen["1x1"]) <= {2, 4, 6}
    assert set(seen["3x3"]) <= {3, 4, 5}


@pytest.mark.parametrize("size", [(64, 64), (65, 47)])
def test_maps_have_an_eighth_of_the_side(size: tuple[int, int]) -> None:
    with torch.no_grad():
        features = tiny("1x1")(torch.randn(2, 3, *size))
    assert features.shape == (2, 256, *(-(-side // 8) for side in size))


@pytest.mark.parametrize("stem", ["7x7", "three 3x3"])
def test_width_scales_every_layer(stem: str) -> None:
    with torch.device("meta"):
        half, full = (
            ResidualTrunk(resnet_stages((1, 1, 1, 1)), stem="7x7" if stem == "7x7" else "three 3x3", width=width)
            for width in (0.5, 1.0)
        )
    assert half.channels == 1024
    for key, value in full.state_dict().items():
        shape = half.state_dict()[key].shape
        expected = [n if axis > 1 or n == 3 else n // 2 for axis, n in enumerate(value.shape)]
        assert list(shape) == expected, key


def test_basic_blocks_make_a_resnet_18() -> None:
    reference = torchvision.models.resnet18().eval()
    trunk = ResidualTrunk(resnet_stages((2, 2, 2, 2)), block="basic").eval()
    trunk.load_state_dict({key: value for key, value in reference.state_dict().items() if not key.startswith("fc.")})
    assert trunk.channels == CHANNELS[-1]
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(trunk(images), nn.Sequential(*list(reference.children())[:-2])(images))


def test_weights_follow_the_fan_out() -> None:
    conv = nn.Conv2d(64, 128, 3)
    initialise(nn.Sequential(conv))
    assert float(conv.weight.detach().std()) == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    assert conv.bias is not None
    assert not conv.bias.any()


def test_dilations_have_to_match_blocks() -> None:
    with pytest.raises(ValueError, match="stage 3 has 2 blocks and 3 dilations"):
        resnet_stages((1, 2, 2, 2), dilations={3: (1, 2, 3)})
    with pytest.raises(UsageError, match="factor above 0"):
        ResidualTrunk(resnet_stages((1, 1, 1, 1)), width=0)
