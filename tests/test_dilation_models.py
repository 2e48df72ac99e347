"""The three front ends and the whole networks: released sizes and counts, and second implementations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.architecture import count, depth, feature_map, map_size, receptive_field, receptive_field_by_gradient
from harness.errors import UsageError
from harness.networks.upsampling import Alignment
from harness.networks.vgg import VGG16
from reproductions.dilation.frontend import DenseVGG, FCN8s, deeplab, dilated_front_end, front_end
from reproductions.dilation.models import Segmenter, build, build_context
from reproductions.dilation.specs import BASIC, DEPLOYMENTS, MARGIN, Deployment, FrontEnd, Margin, Size

NARROW = Size(width=1 / 32)


def on_meta(kind: FrontEnd, classes: int = 21) -> DenseVGG | FCN8s:
    with torch.device("meta"):
        return front_end(kind, classes)


def unpadded(network: DenseVGG | FCN8s) -> nn.Module:
    return nn.Sequential(network.trunk, network.head)


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """Weights at which every layer matters, in double precision."""
    torch.manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.normal_(layer.bias, 0.1, 0.1)
    return network.double().eval()


@pytest.mark.parametrize(("classes", "parameters"), [(21, 134_346_581), (19, 134_338_387), (11, 134_305_611)])
def test_parameters_of_the_dilated_front_end(classes: int, parameters: int) -> None:
    assert count(on_meta(FrontEnd.DILATED, classes)).total == parameters


def test_parameters_of_the_other_front_ends() -> None:
    vgg = 134_260_544
    """The thirteen convolutions, fc6 and fc7: torchvision's VGG-16 without its thousand classes."""
    scores = 21 * (4096 + 512 + 256 + 3)
    frozen = 21 * (4 * 4 + 4 * 4 + 16 * 16)
    found = count(on_meta(FrontEnd.FCN))
    assert (found.total, found.frozen, found.dead) == (vgg + scores + frozen, frozen, 0)
    assert count(on_meta(FrontEnd.DEEPLAB)).total == 65_140_565
    assert count(on_meta(FrontEnd.LARGE_FOV)).total == 20_505_429


@pytest.mark.parametrize(
    ("kind", "field", "stride", "layers"),
    [
        (FrontEnd.DILATED, 380, 8, 16),
        (FrontEnd.FCN, 404, 32, 19),
        (FrontEnd.DEEPLAB, 323, 8, 16),
        (FrontEnd.LARGE_FOV, 419, 8, 16),
    ],
)
def test_fields_of_the_front_ends(kind: FrontEnd, field: int, stride: int, layers: int) -> None:
    network = on_meta(kind)
    found = receptive_field(feature_map(network))
    assert (found.size, found.stride) == ((field, field), (stride, stride))
    assert depth(network) == layers


def test_the_field_of_the_dilated_front_end_by_gradient() -> None:
    network = feature_map(dilated_front_end(1, margin=Margin.ZEROS, size=Size(width=1 / 512)))
    assert receptive_field_by_gradient(network, (3, 420, 420)) == receptive_field(network)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment.dataset)
def test_deployed_sizes(deployment: Deployment) -> None:
    maps = {"Pascal VOC 2012": (66, 66), "CamVid": (66, 91), "KITTI": (60, 159), "Cityscapes": (128, 128)}
    network = unpadded(on_meta(FrontEnd.DILATED))
    found = map_size(network, deployment.input_size)
    assert found == maps[deployment.dataset]
    assert found == tuple(-(-(side - 2 * MARGIN) // 8) for side in deployment.input_size)
    image = torch.empty(1, 3, *deployment.input_size, device="meta")
    assert tuple(network(image).shape[-2:]) == found


def test_kitti_needs_pools_that_round_up() -> None:
    network = unpadded(on_meta(FrontEnd.DILATED))
    for layer in network.modules():
        if isinstance(layer, nn.MaxPool2d):
            layer.ceil_mode = False
    assert map_size(network, (852, 1640)) == (60, 158)


@pytest.mark.parametrize("side", [500, 628, 852, 884, 900, 1396])
def test_372_pixels_are_lost_without_a_margin(side: int) -> None:
    assert map_size(unpadded(on_meta(FrontEnd.DILATED)), (side, side)) == ((side - 372) // 8,) * 2


def by_hand(state: dict[str, Tensor], image: Tensor) -> Tensor:
    """The dilated front end layer by layer, from its weights and Section 4 alone."""
    x = torch.from_numpy(np.pad(image.numpy(), ((0, 0), (0, 0), (186, 186), (186, 186)), mode="reflect"))
    numbers = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    for index, number in enumerate(numbers):
        dilation = 2 if index >= 10 else 1
        weight, bias = state[f"trunk.{number}.weight"], state[f"trunk.{number}.bias"]
        x = F.conv2d(x, weight, bias, dilation=dilation).relu()
        if number in (2, 7, 14):
            x = F.max_pool2d(x, 2, ceil_mode=True)
    x = F.conv2d(x, state["head.fc6.weight"], state["head.fc6.bias"], dilation=4).relu()
    x = F.conv2d(x, state["head.fc7.weight"], state["head.fc7.bias"]).relu()
    return F.conv2d(x, state["head.fc8.weight"], state["head.fc8.bias"])


def test_the_dilated_front_end_by_hand() -> None:
    network = randomised(dilated_front_end(3, size=NARROW))
    image = torch.randn(1, 3, 190, 201, dtype=torch.float64)
    with torch.no_grad():
        scores = network(image)
        torch.testing.assert_close(scores, by_hand(network.state_dict(), image))
    assert tuple(scores.shape) == (1, 3, 24, 26)


def test_tiles_with_real_surroundings_make_up_the_whole() -> None:
    """Nothing is padded inside, so a cell depends on its 380 pixels alone: the released code cuts images into tiles."""
    network = unpadded(dilated_front_end(3, size=NARROW))
    randomised(network)
    image = torch.randn(1, 3, 372 + 48, 372 + 32, dtype=torch.float64)
    with torch.no_grad():
        whole = network(image)
        tiles = [[network(image[..., y : y + 396, x : x + 388]) for x in (0, 16)] for y in (0, 24)]
    torch.testing.assert_close(torch.cat([torch.cat(row, dim=3) for row in tiles], dim=2), whole)


@pytest.mark.parametrize("kind", [FrontEnd.DILATED, FrontEnd.DEEPLAB])
@pytest.mark.parametrize("size", [(64, 72), (65, 67)])
def test_scores_and_pixels(kind: FrontEnd, size: tuple[int, int]) -> None:
    network = build(kind, classes=4, size=NARROW, margin=Margin.LAYERS)
    assert isinstance(network, Segmenter)
    image = torch.randn(2, 3, *size)
    cells = [-(-side // 8) if kind is FrontEnd.DILATED else -(-(side - 1) // 8) + 1 for side in size]
    assert tuple(network.scores(image).shape) == (2, 4, *cells)
    assert tuple(network(image).shape) == (2, 4, *size)
    torch.testing.assert_close(network.probabilities(image).sum(dim=1), torch.ones(2, *size))


def test_the_head_reads_the_features() -> None:
    image = torch.randn(1, 3, 64, 64)
    for network in (deeplab(3, size=NARROW), dilated_front_end(3, margin=Margin.LAYERS, size=NARROW)):
        network.eval()
        assert torch.equal(network.head[-1](network.features(image)), network(image))


def test_where_cells_are_centred() -> None:
    """The dilated front end is trained on the label of pixel 8 k and sees most of what surrounds pixel 8 k + 3.5."""
    centres = {
        kind: field.start[0] + (field.size[0] - 1) / 2
        for kind in (FrontEnd.DILATED, FrontEnd.DEEPLAB)
        for field in [receptive_field(on_meta(kind))]
    }
    assert centres == {FrontEnd.DILATED: 3.5, FrontEnd.DEEPLAB: 0}


@pytest.mark.parametrize("margin", [Margin.ZEROS, Margin.LAYERS])
def test_skips_of_fcn_8s_meet_where_their_fields_are_centred(margin: Margin) -> None:
    """Centres of cells follow from receptive fields; a deconvolution puts cell 0's centre in the middle of its taps."""
    network = FCN8s(2, margin=margin, size=NARROW)
    centres = {}
    for name, end in (("pool3", 17), ("pool4", 24), ("fc", 31)):
        layers = [layer for number, layer in network.trunk.named_children() if int(number) < end]
        head = [network.head] if name == "fc" else []
        field = receptive_field(nn.Sequential(network.margin, *layers, *head))
        centres[name] = field.start[0] + (field.size[0] - 1) / 2

    def after(up: nn.ConvTranspose2d, first: float, stride: int) -> float:
        return first - ((up.kernel_size[0] - 1) / 2 - up.padding[0]) * stride / up.stride[0]

    at_pool4, at_pool3, at_image = network.offsets
    first = after(network.up_fc, centres["fc"], 32)
    assert first == centres["pool4"] + 16 * at_pool4
    first = after(network.up_pool4, first, 16)
    assert first == centres["pool3"] + 8 * at_pool3
    assert after(network.up_pool3, first, 8) == -at_image


def fcn_by_hand(network: FCN8s, image: Tensor) -> Tensor:
    state = network.state_dict()

    def layer(x: Tensor, name: str, **options: int) -> Tensor:
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], **options)

    def doubled(x: Tensor) -> Tensor:
        return F.interpolate(F.pad(x, (1, 1, 1, 1)), scale_factor=2, mode="bilinear")[..., 1:-1, 1:-1]

    x = F.pad(image, (99, 99, 99, 99))
    pools = {}
    for number in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28):
        x = layer(x, f"trunk.{number}", padding=1).relu()
        if number in (2, 7, 14, 21, 28):
            x = pools[number] = F.max_pool2d(x, 2, ceil_mode=True)
    x = layer(layer(layer(x, "head.fc6").relu(), "head.fc7").relu(), "head.fc8")
    for offset, pool, name in ((5, pools[21], "score_pool4"), (9, pools[14], "score_pool3")):
        up = doubled(x)
        x = up + layer(pool, name)[..., offset : offset + up.shape[-2], offset : offset + up.shape[-1]]
    spread = F.interpolate(F.pad(x, (1, 1, 1, 1)), scale_factor=8, mode="bilinear")[..., 4:-4, 4:-4]
    return spread[..., 31 : 31 + image.shape[-2], 31 : 31 + image.shape[-1]]


def test_fcn_8s_by_hand() -> None:
    network = FCN8s(2, margin=Margin.ZEROS, size=NARROW)
    randomised(network)
    image = torch.randn(1, 3, 75, 90, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network(image), fcn_by_hand(network, image))


@pytest.mark.parametrize("margin", [Margin.ZEROS, Margin.LAYERS])
@pytest.mark.parametrize("size", [(64, 64), (65, 90), (33, 47)])
def test_fcn_8s_scores_every_pixel(margin: Margin, size: tuple[int, int]) -> None:
    network = FCN8s(5, margin=margin, size=Size(width=1 / 32, batch_norm=True)).eval()
    assert tuple(network(torch.randn(1, 3, *size)).shape) == (1, 5, *size)


def test_a_context_module_starts_by_truncating_the_scores_of_its_front_end() -> None:
    torch.manual_seed(0)
    bare = build(FrontEnd.DILATED, classes=3, size=NARROW, margin=Margin.LAYERS).eval()
    module = build_context(BASIC, 3)
    torch.manual_seed(0)
    with_context = build(FrontEnd.DILATED, module, classes=3, size=NARROW, margin=Margin.LAYERS).eval()
    assert isinstance(bare, Segmenter)
    assert isinstance(with_context, Segmenter)
    image = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(with_context.scores(image), bare.scores(image).relu())
    assert bool((bare.scores(image) < 0).any())


def test_the_whole_network_adds_its_contexts_reach() -> None:
    with torch.device("meta"):
        network = build(FrontEnd.DILATED, build_context(BASIC))
    field = receptive_field(feature_map(network))
    assert field.size == (380 + 8 * 66,) * 2
    assert count(network).total == 134_346_581 + 28_392


def test_batch_norm_is_for_training_from_scratch() -> None:
    for kind in FrontEnd:
        for batch_norm in (False, True):
            network = front_end(kind, 3, size=Size(width=1 / 32, batch_norm=batch_norm))
            found = sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
            assert found == (13 + 2 if batch_norm else 0)
            assert isinstance(network.trunk, VGG16)


def test_pools_that_stay_change_no_size_and_add_no_parameter() -> None:
    with torch.device("meta"):
        pooled = front_end(FrontEnd.POOLED, 21)
    assert count(pooled).total == 134_346_581
    assert map_size(feature_map(pooled), (512, 512)) == map_size(feature_map(on_meta(FrontEnd.DILATED)), (512, 512))
    assert receptive_field(pooled).size == (380 + 2 * 16,) * 2
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in pooled.modules()) == 5


SMALL = Size(width=1 / 32, convolutions=(1, 1, 2, 2, 2), stride=4, kernel=3, batch_norm=True)


@pytest.mark.parametrize(
    "size",
    [
        Size(),
        SMALL,
        Size(convolutions=(1, 1, 1, 1, 1), stride=4, kernel=1),
        Size(convolutions=(1, 2, 1, 2, 1), kernel=5),
    ],
)
def test_the_closed_form_of_the_field(size: Size) -> None:
    with torch.device("meta"):
        network = dilated_front_end(1, margin=Margin.LAYERS, size=size)
    assert receptive_field(feature_map(network)).size == (size.field, size.field)


@pytest.mark.parametrize("kind", list(FrontEnd))
def test_small_versions_keep_the_arrangement(kind: FrontEnd) -> None:
    network = build(kind, classes=5, margin=Margin.LAYERS, size=SMALL).eval()
    assert tuple(network(torch.randn(1, 3, 64, 64)).shape) == (1, 5, 64, 64)
    found = receptive_field(feature_map(network))
    assert found.stride == ((16, 16) if kind is FrontEnd.FCN else (4, 4))
    assert depth(network) == (8 + 3 + 3 if kind is FrontEnd.FCN else 8 + 3)


def test_what_no_publication_describes_is_refused() -> None:
    with pytest.raises(UsageError, match="no margin 'mirror' at stride 8"):
        front_end(FrontEnd.FCN, 3, margin=Margin.MIRROR, size=NARROW)
    with pytest.raises(UsageError, match="no margin 'zeros' at stride 4"):
        front_end(FrontEnd.FCN, 3, size=Size(width=1 / 32, stride=4))
    with pytest.raises(UsageError, match="186 pixels"):
        front_end(FrontEnd.DILATED, 3, size=Size(width=1 / 32, stride=4))
    with pytest.raises(UsageError, match="no margin 'zeros'"):
        front_end(FrontEnd.DEEPLAB, 3, margin=Margin.ZEROS, size=NARROW)
    with pytest.raises(UsageError, match="no score map"):
        build(FrontEnd.FCN, build_context(BASIC), size=NARROW)
    with pytest.raises(UsageError, match="upsampling of its own"):
        build(FrontEnd.FCN, alignment=Alignment.CENTRES, size=NARROW)
    with pytest.raises(UsageError, match="at least one class"):
        build(FrontEnd.DILATED, classes=0, size=NARROW)
