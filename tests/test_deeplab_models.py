"""DeepLab's networks: what their parts compute, multi-scale inputs, fusion and losses."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.architecture import receptive_field
from harness.errors import UsageError
from harness.networks.aspp import LARGE_RATES, SMALL_RATES, Pyramid, aspp
from reproductions.deeplab.exact import first_convolution
from reproductions.deeplab.losses import cell_loss, multi_scale_loss, training_loss
from reproductions.deeplab.models import DeepLab, MultiScale, Trained, build, fuse
from reproductions.deeplab.specs import MODELS, SCALES, Geometry, ModelSpec, find_spec

WIDTH = 1 / 32
SMALL_RESNET = (1, 1, 2, 1)


def small(name: str, seed: int = 0) -> DeepLab:
    torch.manual_seed(seed)
    spec = find_spec(name)
    if spec.trunk == "ResNet-101":
        spec = ModelSpec(name, spec.trunk, spec.kernel, spec.rates, blocks=SMALL_RESNET)
    return build(spec, classes=4, width=WIDTH).eval()


def test_rates_of_the_paper() -> None:
    assert find_spec("VGG-16 ASPP-S").rates == SMALL_RATES == (2, 4, 8, 12)
    assert find_spec("VGG-16 ASPP-L").rates == find_spec("ResNet-101 + ASPP").rates == LARGE_RATES == (6, 12, 18, 24)


@pytest.mark.parametrize("rates", [(12,), SMALL_RATES, LARGE_RATES])
def test_aspp_is_the_sum_of_dilated_convolutions(rates: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    head, x = aspp(6, 3, rates=rates).double(), torch.randn(2, 6, 13, 17, dtype=torch.float64)
    state = head.state_dict()
    assert set(state) == {f"c{index}.{name}" for index in range(len(rates)) for name in ("weight", "bias")}
    expected = torch.zeros(2, 3, 13, 17, dtype=torch.float64)
    padded = F.pad(x, (24,) * 4)
    for index, rate in enumerate(rates):
        weight, bias = state[f"c{index}.weight"], state[f"c{index}.bias"]
        expected += bias[:, None, None]
        for row in range(3):
            for column in range(3):
                down, right = 24 + rate * (row - 1), 24 + rate * (column - 1)
                window = padded[..., down : down + 13, right : right + 17]
                expected += torch.einsum("ncij,kc->nkij", window, weight[:, :, row, column])
    torch.testing.assert_close(head(x), expected)


def test_a_new_aspp_head_starts_small_and_without_bias() -> None:
    torch.manual_seed(0)
    for branch in aspp(64, 21).children():
        assert isinstance(branch, nn.Conv2d)
        assert branch.bias is not None
        assert float(branch.weight.detach().std()) == pytest.approx(0.01, rel=0.05)
        assert not branch.bias.any()


@pytest.mark.parametrize(
    ("classes", "rates", "message"), [(0, (6,), "one class"), (3, (), "at least one"), (3, (0,), "positive")]
)
def test_impossible_heads_are_refused(classes: int, rates: tuple[int, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        aspp(4, classes, rates=rates)


def test_even_kernels_have_no_centre() -> None:
    with pytest.raises(ValueError, match="no centre"):
        aspp(4, 2, kernel=4)


def test_a_pyramid_of_vgg_sums_whole_branches() -> None:
    network = small("VGG-16 ASPP-S")
    assert isinstance(network.head, Pyramid)
    x = torch.randn(1, 3, 65, 65)
    with torch.no_grad():
        features = network.features(x)
        summed = torch.stack([branch(features) for branch in network.head.children()]).sum(dim=0)
        torch.testing.assert_close(network.scores(x), summed)


def test_a_pyramid_with_three_silent_branches_is_large_fov() -> None:
    """LargeFOV is the branch of rate 12 alone, which both pyramids contain."""
    single = small("VGG-16 LargeFOV")
    x = torch.randn(1, 3, 65, 65)
    for name, kept in (("VGG-16 ASPP-S", 3), ("VGG-16 ASPP-L", 1)):
        pyramid = small(name, seed=1)
        pyramid.trunk.load_state_dict(single.trunk.state_dict())
        for index, branch in enumerate(pyramid.head.children()):
            if index == kept:
                branch.load_state_dict(single.head.get_submodule("c0").state_dict())
            else:
                nn.init.zeros_(branch.get_parameter("fc8.weight"))
                nn.init.zeros_(branch.get_parameter("fc8.bias"))
        with torch.no_grad():
            torch.testing.assert_close(pyramid(x), single(x))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [(49, 65), (48, 50), (33, 71)])
def test_scores_at_cells_and_pixels(name: str, size: tuple[int, int]) -> None:
    network = small(name)
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        cells, pixels = network.scores(x), network(x)
    assert pixels.shape == (2, 4, *size)
    rows, columns = (-(-side // 8) for side in size)
    torch.testing.assert_close(pixels[..., ::8, ::8], cells[..., :rows, :columns])
    assert network.features(x).shape[-2:] == cells.shape[-2:]


def test_width_and_normalisation() -> None:
    with torch.device("meta"):
        half = build("VGG-16 LargeFOV", width=0.5)
        normalised = build("VGG-16 LargeFOV", width=0.5, batch_norm=True)
        full = build("VGG-16 LargeFOV")
    assert half.state_dict()["head.c0.fc6.weight"].shape == (512, 256, 3, 3)
    assert half.state_dict()["head.c0.fc8.weight"].shape == (21, 512, 1, 1)
    layers = [[type(layer) for layer in network.modules()] for network in (half, normalised, full)]
    assert [kinds.count(nn.BatchNorm2d) for kinds in layers] == [0, 15, 0]


def test_unknown_names_and_impossible_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="VGG-16 ASPP-L"):
        build("VGG-16 ASPP-XL")
    with pytest.raises(UsageError, match="one class"):
        build("ResNet-101", classes=0)
    with pytest.raises(UsageError, match="width"):
        build("ResNet-101", width=0)


def test_training_in_parentheses_does_not_change_the_network() -> None:
    assert find_spec("vgg-16 largefov (poly, 30, 6K)") == find_spec("VGG-16 LargeFOV")


def test_resnet_strides_on_its_first_1x1_and_dilates_whole_stages() -> None:
    with torch.device("meta"):
        trunk = build("ResNet-101").trunk
    strided = [name for name, layer in trunk.named_modules() if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2)]
    assert strided == ["conv1", "layer2.0.conv1", "layer2.0.downsample.0"]
    for stage, blocks, dilation in ((1, 3, 1), (2, 4, 1), (3, 23, 2), (4, 3, 4)):
        rates = [trunk.get_submodule(f"layer{stage}.{block}.conv2").dilation for block in range(blocks)]
        assert rates == [(dilation, dilation)] * blocks


REDUCED = Geometry(stages=3, blocks=2, stride=4, divisor=2)


def reduced(name: str) -> DeepLab:
    torch.manual_seed(0)
    return build(name, classes=4, width=WIDTH, batch_norm=True, geometry=REDUCED).eval()


@pytest.mark.parametrize(
    ("name", "size", "dilations"),
    [
        ("VGG-16 ASPP-S", 1 + (2 + 2 + 2) + 2 * (2 + 2 + 2) + 4 * (3 * 2 + 2), [1, 1, 1]),
        ("ResNet-101 + ASPP", 123, [1, 2, 4]),
    ],
)
def test_networks_for_small_images_end_sooner_and_stay_in_place(name: str, size: int, dilations: list[int]) -> None:
    network = reduced(name)
    field = receptive_field(network.trunk)
    assert (field.size, field.stride) == ((size, size), (4, 4))
    assert field.start == (-(size - 1) // 2,) * 2, "cell k lies on pixel 4 k"
    found = [layer for layer in network.trunk.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)]
    assert sorted({layer.dilation[0] for layer in found}) == sorted(set(dilations))
    x = torch.randn(2, 3, 33, 45)
    with torch.no_grad():
        torch.testing.assert_close(network(x)[..., ::4, ::4], network.scores(x)[..., :9, :12])


def test_reduced_rates_are_halves() -> None:
    rates = [first_convolution(branch).dilation[0] for branch in reduced("VGG-16 ASPP-S").head.children()]
    assert rates == [1, 2, 4, 6]


class Recording(DeepLab):
    """Scores made of the images themselves: every eighth pixel of each channel."""

    def __init__(self) -> None:
        super().__init__(nn.Identity(), nn.Identity())

    def scores(self, x: Tensor) -> Tensor:
        return x[..., ::8, ::8]


def test_scales_share_one_network_and_fuse_by_the_maximum() -> None:
    network = small("ResNet-101 + ASPP")
    model = MultiScale(network).eval()
    x = torch.randn(1, 3, 65, 81)
    half = F.interpolate(x, size=(33, 41), mode="bilinear", align_corners=True)
    three_quarters = F.interpolate(x, size=(49, 61), mode="bilinear", align_corners=True)
    with torch.no_grad():
        expected = [network.scores(images) for images in (x, three_quarters, half)]
        for ours, reference in zip(model.branches(x), expected, strict=True):
            torch.testing.assert_close(ours, reference)
        at_one = [F.interpolate(s, size=(9, 11), mode="bilinear", align_corners=True) for s in expected]
        torch.testing.assert_close(model.scores(x), torch.stack(at_one).amax(dim=0))
        assert model(x).shape == (1, 4, 65, 81)
    assert set(model.state_dict()) == {f"network.{key}" for key in network.state_dict()}


def test_scales_see_the_same_place_at_the_same_place() -> None:
    ramp = torch.linspace(0, 1, 65, dtype=torch.float64).expand(1, 3, 65, 65)
    branches = MultiScale(Recording()).branches(ramp)
    assert [scores.shape[-1] for scores in branches] == [9, 7, 5]
    for scores in branches:
        assert float(scores[0, 0, 0, 0]) == 0
    torch.testing.assert_close(fuse(branches[:1] + branches[2:]), branches[0])


def test_one_scale_is_the_network_itself() -> None:
    network = small("VGG-16 LargeFOV")
    x = torch.randn(1, 3, 49, 49)
    with torch.no_grad():
        assert torch.equal(MultiScale(network, (Fraction(1),))(x), network(x))


@pytest.mark.parametrize("scales", [(), (Fraction(1, 2), Fraction(1))])
def test_the_first_scale_is_1(scales: tuple[Fraction, ...]) -> None:
    with pytest.raises(ValueError, match="has to be 1"):
        MultiScale(Recording(), scales)


def test_cell_loss_by_hand() -> None:
    scores = torch.tensor([[[[2.0, 0.0]], [[0.0, 1.0]]]], dtype=torch.float64)
    labels = torch.full((1, 1, 9), 7)
    labels[0, 0, 0], labels[0, 0, 8] = 0, 255
    expected = -torch.log_softmax(torch.tensor([2.0, 0.0], dtype=torch.float64), dim=0)[0]
    torch.testing.assert_close(cell_loss(scores, labels).value, expected)


def test_all_void_costs_nothing() -> None:
    scores = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = cell_loss(scores, torch.full((1, 9, 9), 255)).value
    (gradient,) = torch.autograd.grad(loss, scores)
    assert float(loss.detach()) == 0
    assert torch.equal(gradient, torch.zeros_like(scores))


def test_four_losses() -> None:
    torch.manual_seed(0)
    model = MultiScale(small("VGG-16 LargeFOV"))
    x, labels = torch.randn(2, 3, 65, 65), torch.randint(4, (2, 65, 65))
    with torch.no_grad():
        branches = model.branches(x)
        losses = [
            F.cross_entropy(branches[0], labels[:, ::8, ::8]),
            F.cross_entropy(branches[2], labels[:, ::16, ::16]),
            F.cross_entropy(model.scores(x), labels[:, ::8, ::8]),
        ]
        # 65 pixels give 7 cells at 3/4, 32/3 pixels apart: 0, 10.67, 21.33, 32, ...
        places = torch.tensor([0, 11, 21, 32, 43, 53, 64])
        losses.append(F.cross_entropy(branches[1], labels[:, places][:, :, places]))
        torch.testing.assert_close(multi_scale_loss(branches, labels).value, torch.stack(losses).sum())
        torch.testing.assert_close(training_loss(Trained(model)(x), labels).value, torch.stack(losses).mean())
        torch.testing.assert_close(training_loss(Trained(model.network)(x), labels).value, losses[0])
    assert len(SCALES) + 1 == 4


def test_gradients_of_all_scales_reach_the_shared_weights() -> None:
    model = MultiScale(small("VGG-16 LargeFOV"))
    x, labels = torch.randn(1, 3, 65, 65), torch.randint(4, (1, 65, 65))
    parameters = list(model.parameters())
    total = torch.autograd.grad(multi_scale_loss(model.branches(x), labels).value, parameters)
    separate = [torch.autograd.grad(cell_loss(scores, labels).value, parameters) for scores in model.branches(x)]
    separate.append(torch.autograd.grad(cell_loss(model.scores(x), labels).value, parameters))
    for whole, parts in zip(total, zip(*separate, strict=True), strict=True):
        torch.testing.assert_close(whole, torch.stack(parts).sum(dim=0), rtol=1e-3, atol=1e-5)
