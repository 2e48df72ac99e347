"""The paper's networks: counts of the release, dilations block by block, DUC against its definition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from harness.errors import UsageError
from harness.networks.residual import BLOCKS, ResidualTrunk, resnet_stages
from reproductions.hdc.decoders import Head, deconvolution, head, matching_width, subpixels
from reproductions.hdc.exact import module_rates
from reproductions.hdc.models import EXTRA_RATE, STRIDES, Segmenter, build, build_trunk
from reproductions.hdc.sequences import Variant, res4, res5
from reproductions.hdc.specs import BASELINE, BIGGER_PATCH, MODELS, RELEASED, Decoder, ModelSpec, find_spec

SMALL = (1, 1, 3, 3)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def on_meta(spec: ModelSpec) -> Segmenter:
    with torch.device("meta"):
        return build(spec)


def small(decoder: Decoder, *, cell: int = 2, stride: int = 8, classes: int = 3) -> Segmenter:
    torch.manual_seed(0)
    trunk = build_trunk(Variant.UNIFORM, SMALL, strides=STRIDES[stride], extra=EXTRA_RATE[stride], width=0.0625)
    decoded = head(decoder, trunk.channels, classes, rates=(1, 2), stride=stride, cell=cell)
    return Segmenter(trunk, decoded, stride).eval()


# Counts of the released network and of the same network without DUC: 19 classes, 4 paths, the deep stem.


def test_counts_of_the_release() -> None:
    released = on_meta(RELEASED)
    assert parameters(released.trunk) == 42_623_936
    assert parameters(released.head) == 22_414_528
    assert parameters(released) == 65_038_464
    assert parameters(on_meta(replace(RELEASED, cell=1))) == 132_282_048
    assert parameters(on_meta(replace(RELEASED, decoder=Decoder.BILINEAR))) == 44_024_844


def test_the_stem_costs_what_three_small_convolutions_do() -> None:
    deep, plain = on_meta(RELEASED).trunk, on_meta(BASELINE).trunk
    convolutions = [layer for layer in deep.conv1.modules() if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels, layer.stride[0]) for layer in convolutions] == [
        (3, 64, 2),
        (64, 64, 1),
        (64, 128, 1),
    ]
    assert sum(layer.weight.numel() for layer in convolutions) == 27 * 64 + 9 * 64 * 64 + 9 * 64 * 128
    assert parameters(plain.conv1) == 49 * 3 * 64


def test_the_baseline_has_as_many_as_deeplab() -> None:
    assert parameters(on_meta(BASELINE)) == 43_901_068
    assert parameters(on_meta(find_spec("ResNet-152 DUC+HDC fine")).trunk) == 58_143_808


@pytest.mark.parametrize("name", list(MODELS))
def test_heads_have_the_parameters_of_their_formula(name: str) -> None:
    spec = MODELS[name]
    built = parameters(on_meta(spec).head)
    duc = spec.paths * (9 * 2048 + 1) * 19 * (spec.stride // spec.cell) ** 2
    if spec.decoder is Decoder.BILINEAR:
        assert built == spec.paths * (9 * 2048 + 1) * 19
    elif spec.decoder is Decoder.DUC:
        assert built == duc
    else:
        assert built == pytest.approx(duc, rel=0.002)


# Dilations --------------------------------------------------------------------------------------------------------

PRINTED = {
    "No dilation": ((1,) * 23, (1, 1, 1)),
    "Dilation-conv": ((2, 1) * 11 + (2,), (2, 1, 2)),
    "Dilation-RF": ((1, 2, 3) * 7 + (2, 2), (3, 4, 5)),
    "Dilation-bigger": ((1, 2, 5, 9) * 5 + (1, 2, 5), (5, 9, 17)),
    BASELINE.name: ((2,) * 23, (4, 4, 4)),
    BIGGER_PATCH.name: ((2,) * 23, (4, 4, 4)),
    RELEASED.name: ((2, 2, 5, 9) + (1, 2, 5, 9) * 4 + (1, 2, 5), (5, 9, 17)),
}


@pytest.mark.parametrize("name", list(PRINTED))
def test_every_block_has_the_dilation_that_is_printed(name: str) -> None:
    model = on_meta(MODELS[name])
    assert (module_rates(model, "layer3"), module_rates(model, "layer4")) == PRINTED[name]
    assert {*module_rates(model, "layer1"), *module_rates(model, "layer2")} == {1}


def test_a_smaller_stride_doubles_all_dilations_that_follow() -> None:
    model = on_meta(find_spec("Baseline DS=4 ASPP=4 Aug=yes"))
    assert [set(module_rates(model, f"layer{number}")) for number in (1, 2, 3, 4)] == [{1}, {2}, {4}, {8}]


@given(st.sampled_from(list(Variant)), st.integers(0, 60))
def test_sequences_of_any_length_begin_alike(variant: Variant, blocks: int) -> None:
    """Groups go on: a longer module begins as a shorter one does, but for the blocks that Dilation-RF leaves over."""
    rates = res4(variant, blocks)
    assert len(rates) == blocks
    whole = blocks - blocks % 3 if variant is Variant.RF else blocks
    assert rates[:whole] == res4(variant, blocks + 30)[:whole]
    assert set(rates[whole:]) <= {2}


def test_modules_of_three_blocks() -> None:
    expected = {"uniform": (4, 4, 4), "No dilation": (1, 1, 1), "Dilation-conv": (2, 1, 2), "Dilation-RF": (3, 4, 5)}
    found = {variant.value: res5(variant) for variant in Variant}
    bigger = dict.fromkeys(("Dilation-bigger", "the released code"), (5, 9, 17))
    assert found == expected | bigger


# Sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "size", "cells"),
    [
        (BASELINE, (544, 544), (68, 68)),
        (BIGGER_PATCH, (880, 880), (110, 110)),
        (RELEASED, (800, 800), (100, 100)),
        (RELEASED, (1024, 2048), (128, 256)),
    ],
)
def test_map_sizes(spec: ModelSpec, size: tuple[int, int], cells: tuple[int, int]) -> None:
    model = on_meta(spec)
    assert model.features(torch.empty(1, 3, *size, device="meta")).shape[-2:] == cells


def test_a_pool_that_rounds_up_does_not_give_the_printed_map() -> None:
    """DeepLab's does: 544 pixels would make 69 cells, where Section 4.1 prints 68."""
    with torch.device("meta"):
        stages = resnet_stages(BLOCKS[101], strides=(1, 2, 1, 1))
        trunk = ResidualTrunk(stages, strided="1x1", pool=nn.MaxPool2d(3, 2, 1, ceil_mode=True))
        assert trunk(torch.empty(1, 3, 544, 544)).shape[-1] == 69


@pytest.mark.parametrize("decoder", list(Decoder))
@pytest.mark.parametrize("stride", [8, 4])
@pytest.mark.parametrize("size", [(48, 64), (45, 61)])
def test_every_pixel_gets_scores(decoder: Decoder, stride: int, size: tuple[int, int]) -> None:
    model = small(decoder, stride=stride)
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        assert model(images).shape == (2, 3, *size)
        assert model.features(images).shape[-2:] == tuple(-(-side // stride) for side in size)
        cells = tuple(-(-side // stride) * stride // model.cell for side in size)
        assert model.scores(images).shape == (2, 3, *cells)
    assert model.cell == {Decoder.BILINEAR: stride, Decoder.DUC: 2}.get(decoder, 1)


# DUC --------------------------------------------------------------------------------------------------------------


def by_definition(channels: Tensor, classes: int, factor: int) -> Tensor:
    """Pixel (dy, dx) of cell (y, x) of class c is channel (c * factor + dy) * factor + dx of that cell."""
    n, _, h, w = channels.shape
    pixels = channels.new_empty(n, classes, h * factor, w * factor)
    for c in range(classes):
        for dy in range(factor):
            for dx in range(factor):
                pixels[:, c, dy::factor, dx::factor] = channels[:, (c * factor + dy) * factor + dx]
    return pixels


@pytest.mark.parametrize(("classes", "stride", "cell"), [(3, 8, 2), (2, 8, 1), (5, 4, 1), (1, 8, 4)])
def test_channels_are_class_by_class_then_row_then_column(classes: int, stride: int, cell: int) -> None:
    torch.manual_seed(0)
    factor = stride // cell
    duc = head(Decoder.DUC, 6, classes, rates=(1, 2), stride=stride, cell=cell).eval()
    features = torch.randn(2, 6, 4, 5)
    with torch.no_grad():
        channels = duc[0](features)
        assert channels.shape == (2, classes * factor**2, 4, 5)
        assert torch.equal(duc(features), by_definition(channels, classes, factor))


def test_subpixel_major_channels_would_be_another_order() -> None:
    channels = torch.arange(8.0).reshape(1, 8, 1, 1)
    assert F.pixel_shuffle(channels, 2)[0].tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    assert by_definition(channels, 2, 2)[0].tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    depth_to_space = channels.reshape(1, 4, 2, 1, 1).transpose(1, 2).reshape(1, 8, 1, 1)
    assert not torch.equal(by_definition(depth_to_space, 2, 2), by_definition(channels, 2, 2))


def test_labels_are_laid_out_as_in_the_release() -> None:
    """Each row of the release's label array is one sub-pixel of all cells: row dy * 2 + dx."""
    labels = torch.arange(16).reshape(1, 4, 4)
    rows = subpixels(labels, 2).flatten(2)[0].tolist()
    assert rows == [[0, 2, 8, 10], [1, 3, 9, 11], [4, 6, 12, 14], [5, 7, 13, 15]]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 1000))
def test_the_loss_needs_no_reshaping(classes: int, factor: int, seed: int) -> None:
    """Section 3.1: "the 'reshape' operation may not be necessary"; channels against the release's label layout."""
    generator = torch.Generator().manual_seed(seed)
    channels = torch.randn(2, classes * factor**2, 3, 2, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (2, 3 * factor, 2 * factor), generator=generator)
    reshaped = F.cross_entropy(F.pixel_shuffle(channels, factor), labels)
    vectors = channels.reshape(2, classes, -1)
    torch.testing.assert_close(reshaped, F.cross_entropy(vectors, subpixels(labels, factor).flatten(1)))


def test_cells_as_large_as_the_stride_are_the_baseline() -> None:
    duc, bilinear = small(Decoder.DUC, cell=8), small(Decoder.BILINEAR)
    bilinear.load_state_dict(duc.state_dict())
    images = torch.randn(1, 3, 40, 48)
    with torch.no_grad():
        assert torch.equal(duc(images), bilinear(images))


def test_cells_are_interpolated_between_their_centres() -> None:
    model = small(Decoder.DUC, cell=2)
    images = torch.randn(1, 3, 48, 48)
    with torch.no_grad():
        expected = F.interpolate(model.scores(images), size=(48, 48), mode="bilinear", align_corners=False)
        torch.testing.assert_close(model(images), expected)


# Deconvolution ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_deconvolution_is_convolution_between_inserted_zeros(factor: int) -> None:
    torch.manual_seed(0)
    layer = deconvolution(3, 2, factor)
    maps = torch.randn(1, 3, 5, 4)
    spread = torch.zeros(1, 3, (5 - 1) * factor + 1, (4 - 1) * factor + 1)
    spread[..., ::factor, ::factor] = maps
    kernel = layer.weight.transpose(0, 1).flip(-1, -2)
    padding = 2 * factor - 1 - factor // 2
    with torch.no_grad():
        expected = F.conv2d(spread, kernel, layer.bias, padding=padding)
        assert layer(maps).shape[-2:] == (5 * factor, 4 * factor)
        torch.testing.assert_close(layer(maps), expected)


def test_deconvolution_keeps_the_scale() -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        result = deconvolution(64, 64, 4)(torch.randn(1, 64, 20, 20))[..., 4:-4, 4:-4]
    assert float(result.std()) == pytest.approx(1, abs=0.1)


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 400), st.integers(1, 21), st.integers(1, 6), st.sampled_from([(8,), (2, 4), (4,), (2, 2)]))
def test_the_width_is_the_best_of_all(in_channels: int, classes: int, paths: int, factors: tuple[int, ...]) -> None:
    duc_factor = 4
    target = paths * (9 * in_channels + 1) * classes * duc_factor**2
    width = matching_width(in_channels, classes, paths=paths, factors=factors, duc_factor=duc_factor)

    def excess(channels: int) -> int:
        layers: list[nn.Module] = [nn.Conv2d(in_channels, channels, 3) for _ in range(paths)]
        layers += [deconvolution(channels, channels, factor) for factor in factors[:-1]]
        return abs(parameters(Head(1, *layers, deconvolution(channels, classes, factors[-1]))) - target)

    with torch.device("meta"):
        assert excess(width) <= excess(width + 1)
        assert width == 1 or excess(width) <= excess(width - 1)


@pytest.mark.parametrize("decoder", list(Decoder))
def test_every_decoder_learns(decoder: Decoder) -> None:
    model = small(decoder, classes=2).train()
    images = torch.randn(4, 3, 32, 32)
    labels = (F.avg_pool2d(images[:, :1], 7, stride=1, padding=3)[:, 0] > 0).long()[..., :: model.cell, :: model.cell]
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(25):
        loss = F.cross_entropy(model.scores(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in model.head.parameters())


# Names and mistakes -----------------------------------------------------------------------------------------------


def test_rates_of_the_heads() -> None:
    assert find_spec("Baseline DS=8 ASPP=4 Aug=yes").rates == (6, 12, 18, 24)
    assert BIGGER_PATCH.rates == (6, 12, 18, 24, 30, 36)
    assert find_spec("DUC DS=8 ASPP=no Aug=no Cell=1").rates == (12,)


@pytest.mark.parametrize(
    "make",
    [
        lambda: build("ResNet-7"),
        lambda: build(BASELINE, classes=0, width=0.02),
        lambda: build(BASELINE, width=0),
        lambda: build(BASELINE, width=float("nan")),
    ],
)
def test_impossible_networks_are_usage_errors(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(UsageError):
        make()


def test_cells_have_to_divide_the_stride() -> None:
    with pytest.raises(ValueError, match="do not divide"):
        head(Decoder.DUC, 4, 2, rates=(1,), stride=8, cell=3)
