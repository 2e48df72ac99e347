"""The context modules: Table 1 against gradients and closed forms, and the identity that they start from."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from harness.architecture import count, depth, receptive_field, receptive_field_by_gradient, receptive_size
from harness.errors import UsageError
from reproductions.dilation.context import ContextModule, initialise_as_identity
from reproductions.dilation.models import build_context
from reproductions.dilation.specs import (
    BASIC,
    CONTEXTS,
    DILATION_7,
    DILATION_10,
    LARGE,
    ContextSpec,
    Margin,
    find_context,
)

EVERY = list(CONTEXTS.values())
TABLE_1 = [3, 5, 9, 17, 33, 65, 67, 67]


def maps_of(spec: ContextSpec, classes: int = 2, seed: int = 0) -> Tensor:
    side = spec.reach + 4
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(1, classes, side, side + 3, generator=draws, dtype=torch.float64)


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]


@pytest.mark.parametrize("spec", [BASIC, LARGE], ids=lambda spec: spec.name)
def test_receptive_fields_of_table_1(spec: ContextSpec) -> None:
    module = build_context(spec, 1)
    layers = convolutions(module)
    fields = [receptive_field(nn.Sequential(*layers[: index + 1])).size for index in range(len(layers))]
    assert fields == [(side, side) for side in TABLE_1]
    assert [receptive_size(spec.dilations[: index + 1]) for index in range(7)] == TABLE_1[:-1]


@pytest.mark.parametrize("margin", [Margin.ZEROS, Margin.LAYERS])
def test_receptive_field_by_gradient(margin: Margin) -> None:
    module = build_context(DILATION_7, 1, margin=margin)
    field = receptive_field_by_gradient(module, (1, 75, 75))
    assert field == receptive_field(module)
    assert (field.size, field.start) == ((35, 35), (-17, -17))


@pytest.mark.parametrize(
    ("name", "layers", "field", "classes", "parameters"),
    [
        ("Basic", 8, 67, 21, 28_392),
        ("Large", 8, 67, 21, 6_803_139),
        ("Dilation7", 7, 35, 11, 6_732),
        ("Dilation8", 8, 67, 11, 7_832),
        ("Dilation10", 10, 259, 19, 29_792),
    ],
)
def test_released_modules(name: str, layers: int, field: int, classes: int, parameters: int) -> None:
    with torch.device("meta"):
        module = build_context(name, classes)
    assert depth(module) == module.spec.layers == layers
    assert receptive_field(module).size == (field, field)
    assert count(module).total == parameters


@pytest.mark.parametrize("classes", [1, 11, 21])
def test_the_basic_module_has_64_weights_for_each_pair_of_classes(classes: int) -> None:
    weights = [layer.weight.numel() for layer in convolutions(build_context(BASIC, classes))]
    assert sum(weights) == 64 * classes**2
    assert weights == [9 * classes**2] * 7 + [classes**2]


def test_the_large_module_against_its_closed_form() -> None:
    widths = (1, 2, 2, 4, 8, 16, 32, 32)
    products = [9 * a * b for a, b in pairwise(widths)] + [32]
    assert sum(layer.weight.numel() for layer in convolutions(build_context(LARGE, 3))) == sum(products) * 9


@pytest.mark.parametrize("margin", list(Margin))
@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_a_module_starts_as_the_identity_on_what_is_not_negative(spec: ContextSpec, margin: Margin) -> None:
    maps = maps_of(spec)
    module = build_context(spec, 2, margin=margin).double()
    torch.testing.assert_close(module(maps), maps.relu())


def by_equation_5(c_in: int, c_out: int, classes: int, b: int, a: int, row: int, column: int) -> float:
    centre = (row, column) == (1, 1)
    return classes / c_out if centre and a * classes // c_in == b * classes // c_out else 0.0


@pytest.mark.parametrize(("c_in", "c_out"), [(3, 3), (3, 6), (6, 6), (6, 12), (12, 3), (3, 96)])
def test_weights_are_those_of_equation_5(c_in: int, c_out: int) -> None:
    layer = nn.Conv2d(c_in, c_out, 3)
    initialise_as_identity(layer, 3)
    for b, a, row, column in torch.cartesian_prod(*(torch.arange(n) for n in layer.weight.shape)).tolist():
        assert layer.weight[b, a, row, column].item() == by_equation_5(c_in, c_out, 3, b, a, row, column)
    assert layer.bias is not None
    assert not bool(layer.bias.any())


def test_equation_5_with_as_many_channels_out_is_equation_4() -> None:
    layer = nn.Conv2d(5, 5, 3)
    initialise_as_identity(layer, 5)
    dirac = torch.empty(5, 5, 3, 3)
    assert torch.equal(layer.weight, nn.init.dirac_(dirac))


def test_noise_spares_the_taps_that_copy() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(21, 42, 3)
    initialise_as_identity(layer, 21, deviation=0.01)
    noise = layer.weight.detach()
    copies = noise[:, :, 1, 1] == 0.5
    assert int(copies.sum()) == 42
    assert noise.std().item() > 0.01
    noise[:, :, 1, 1][copies] = 0
    assert noise.std().item() == pytest.approx(0.01, rel=0.05)


def test_random_initialisation_is_that_of_he_et_al() -> None:
    torch.manual_seed(0)
    module = build_context(BASIC, 64, identity=False)
    for layer in convolutions(module):
        taps = layer.weight.shape[-1] ** 2
        assert layer.weight.std().item() == pytest.approx((2 / (taps * 64)) ** 0.5, rel=0.1)


def trained(margin: Margin, classes: int = 2) -> ContextModule:
    """A module with weights and biases such as training leaves behind."""
    torch.manual_seed(1)
    module = build_context(DILATION_7, classes, margin=margin, deviation=0.05)
    for layer in convolutions(module):
        nn.init.normal_(layer.bias, 0.2, 0.1) if layer.bias is not None else None
    return module.double()


def test_the_margin_matters_only_within_reach_of_the_border() -> None:
    maps = torch.rand(1, 2, 60, 60, dtype=torch.float64)
    once, layers, mirror = (trained(margin)(maps) for margin in (Margin.ZEROS, Margin.LAYERS, Margin.MIRROR))
    inside = (..., slice(17, -17), slice(17, -17))
    for other in (layers, mirror):
        torch.testing.assert_close(once[inside], other[inside])
        assert float((once - other).detach().abs().max()) > 1e-3


def test_a_mirrored_margin_is_numpys_reflection() -> None:
    import numpy as np

    maps = torch.rand(1, 2, 30, 25, dtype=torch.float64)
    module = trained(Margin.MIRROR)
    padded = np.pad(maps.numpy(), ((0, 0), (0, 0), (17, 17), (17, 17)), mode="reflect")
    torch.testing.assert_close(module(maps), module.layers(torch.from_numpy(padded)))


@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_features_are_what_the_last_layer_reads(spec: ContextSpec) -> None:
    maps = maps_of(spec)
    module = build_context(spec, 2, deviation=0.1).double()
    assert torch.equal(module(maps), module.layers[-1](module.features(maps)))


def test_smaller_maps_take_fewer_layers() -> None:
    assert BASIC.within(64) == BASIC
    assert LARGE.within(64) == LARGE
    assert BASIC.within(32).dilations == DILATION_7.dilations
    assert BASIC.within(32).widths == DILATION_7.widths
    assert LARGE.within(16) == ContextSpec("Large", (1, 1, 2, 4, 1), (2, 2, 4, 8, 8, 1))
    assert DILATION_10.within(128).dilations == (1, 1, 2, 4, 8, 16, 32, 1)


def test_names() -> None:
    assert find_context("large") is LARGE
    with pytest.raises(UsageError, match="Did you mean Dilation10"):
        find_context("dilation-10")
    with pytest.raises(UsageError, match="The modules are: Basic, Large"):
        find_context("pyramid")
    with pytest.raises(UsageError, match="at least one class"):
        build_context(BASIC, 0)
