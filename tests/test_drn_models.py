"""The paper's networks against torchvision, released counts and keys, and what the paper says of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from harness.errors import CheckpointError, UsageError
from reproductions.drn.models import (
    MODELS,
    Classifier,
    Schedule,
    Segmenter,
    Upsampling,
    bilinear_kernel,
    build,
    build_segmenter,
    find_spec,
    load_released,
)

# Released networks: parameters with 1000 classes; with the 19-class segmentation head but without its frozen
# upsampling kernel; entries of the classifier's state dict, batch counters included.
COUNTS = {
    "ResNet-18": (11_689_512, 11_186_259, 122),
    "DRN-A-18": (11_689_512, 11_186_259, 122),
    "DRN-B-26": (21_126_584, 20_623_331, 182),
    "DRN-C-26": (21_126_584, 20_623_331, 182),
    "ResNet-34": (21_797_672, 21_294_419, 218),
    "DRN-A-34": (21_797_672, 21_294_419, 218),
    "DRN-C-42": (31_234_744, 30_731_491, 278),
    "ResNet-50": (25_557_032, 23_546_963, 320),
    "DRN-A-50": (25_557_032, 23_546_963, 320),
    "DRN-C-58": (41_591_608, 41_088_355, 380),
    "ResNet-101": (44_549_160, 42_539_091, 626),
    "DRN-D-22": (16_393_752, 15_890_499, 152),
    "DRN-D-38": (26_501_912, 25_998_659, 248),
    "DRN-D-54": (35_809_176, 35_305_923, 344),
    "DRN-D-105": (54_801_304, 54_298_051, 650),
}
NAMES = list(MODELS)


def on_meta(name: str) -> Classifier:
    with torch.device("meta"):
        return build(name)


def small(name: str, schedule: Schedule | None = None, seed: int = 0) -> Classifier:
    torch.manual_seed(seed)
    return build(name, num_classes=5, width=0.125, schedule=schedule).eval()


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_every_printed_model_is_there() -> None:
    assert set(COUNTS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_released_counts(name: str) -> None:
    classifier = on_meta(name)
    with torch.device("meta"):
        segmenter = build_segmenter(name)
    total, segmentation, entries = COUNTS[name]
    assert parameters(classifier) == total
    assert len(classifier.state_dict()) == entries
    assert parameters(segmenter) - segmenter.up.weight.numel() == segmentation


def test_counts_agree_with_the_recorded_ones(shared: Callable[[str], Path]) -> None:
    recorded = json.loads(shared("metric_oracles.json").read_text())["params"]
    drn = {name: spec for name, spec in MODELS.items() if spec.family != "ResNet"}
    built = {spec.slug.replace("-", "_"): parameters(on_meta(name)) for name, spec in drn.items()}
    assert built == {slug: recorded[slug] for slug in built}


@pytest.mark.parametrize("name", ["ResNet-18", "ResNet-34", "ResNet-50", "ResNet-101", "DRN-A-18", "DRN-A-50"])
def test_keys_and_shapes_are_torchvisions(name: str) -> None:
    reference = getattr(torchvision.models, "resnet" + name.rpartition("-")[2])
    with torch.device("meta"):
        expected = reference().state_dict()
    state = on_meta(name).state_dict()
    assert list(state) == list(expected)
    assert all(state[key].shape == value.shape for key, value in expected.items())


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        (
            "DRN-C-26",
            r"conv1\.weight|bn1\.BN|fc\.(weight|bias)"
            r"|layer[1-8]\.\d\.(conv[12]\.weight|bn[12]\.BN|downsample\.0\.weight|downsample\.1\.BN)",
        ),
        (
            "DRN-C-58",
            r"conv1\.weight|bn1\.BN|fc\.(weight|bias)"
            r"|layer[1-8]\.\d\.(conv[123]\.weight|bn[123]\.BN|downsample\.0\.weight|downsample\.1\.BN)",
        ),
        (
            "DRN-D-22",
            r"layer[01278]\.(0\.weight|1\.BN)|fc\.(weight|bias)"
            r"|layer[3-6]\.\d\.(conv[12]\.weight|bn[12]\.BN|downsample\.0\.weight|downsample\.1\.BN)",
        ),
    ],
)
def test_keys_are_those_of_the_released_files(name: str, pattern: str) -> None:
    statistics = "(weight|bias|running_mean|running_var|num_batches_tracked)"
    matcher = re.compile(pattern.replace("BN", statistics))
    state = on_meta(name).state_dict()
    assert [key for key in state if not matcher.fullmatch(key)] == []
    assert state["fc.weight"].shape == (1000, 512, 1, 1)


@pytest.mark.parametrize(("name", "last"), [("DRN-A-50", 7), ("DRN-C-26", 10), ("DRN-D-22", 8)])
def test_segmentation_keys_number_the_trunk(name: str, last: int) -> None:
    with torch.device("meta"):
        state = build_segmenter(name).state_dict()
    stages = {int(key.split(".")[1]) for key in state if key.startswith("base.")}
    assert (min(stages), max(stages)) == (0, last)
    assert {key for key in state if not key.startswith("base.")} == {"seg.weight", "seg.bias", "up.weight"}
    assert state["up.weight"].shape == (19, 1, 16, 16)


@pytest.mark.parametrize("depth", [18, 50])
def test_resnet_is_torchvisions_to_the_bit(depth: int) -> None:
    torch.manual_seed(3)
    model = build(f"ResNet-{depth}").eval()
    torch.manual_seed(3)
    reference = getattr(torchvision.models, f"resnet{depth}")().eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(images), reference(images))


def test_the_papers_schedule_for_bottlenecks_is_torchvisions_dilation() -> None:
    reference = torchvision.models.resnet50(replace_stride_with_dilation=[False, True, True]).eval()
    model = build("DRN-A-50", schedule=Schedule.PAPER).eval()
    model.load_state_dict(reference.state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(images), reference(images))


@pytest.mark.parametrize(("depth", "size"), [(18, 64), (18, 72), (50, 64)])
def test_a_converted_resnet_computes_the_same_units_and_those_between(depth: int, size: int) -> None:
    resnet = small(f"ResNet-{depth}")
    images = torch.randn(2, 3, size, size)
    same = {}
    with torch.no_grad():
        for schedule in Schedule:
            drn = small(f"DRN-A-{depth}", schedule, seed=1)
            drn.load_state_dict(resnet.state_dict())
            every_fourth = drn.features(images)[..., ::4, ::4]
            same[schedule] = torch.allclose(every_fourth, resnet.features(images), atol=1e-4)
    assert same == {schedule: schedule is Schedule.PAPER for schedule in Schedule}


def test_b_differs_from_c_only_by_the_last_skip_connections() -> None:
    c, b = small("DRN-C-26"), small("DRN-B-26")
    images = torch.randn(2, 3, 48, 48)
    for model in (b, c):
        for level in ("layer7", "layer8"):
            nn.init.zeros_(model.get_submodule(f"{level}.0.bn2").weight)
    b.load_state_dict(c.state_dict())
    with torch.no_grad():
        level_six = nn.Sequential(*b.trunk()[:-2])(images)
        assert level_six.abs().max() > 0
        assert torch.equal(b.features(images), level_six)
        assert torch.equal(c.features(images), torch.zeros_like(level_six))


@pytest.mark.parametrize("name", ["ResNet-18", "DRN-A-18", "DRN-B-26", "DRN-C-26", "DRN-C-58", "DRN-D-22"])
@pytest.mark.parametrize("size", [(48, 48), (50, 33)])
def test_heads_agree_on_any_image_size(name: str, size: tuple[int, int]) -> None:
    model = small(name)
    stride = model.spec.output_stride
    cells = tuple(-(-side // stride) for side in size)
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        scores, maps = model.scores(images), model.activation_maps(images)
        assert model.features(images).shape[-2:] == cells
        assert scores.shape == maps.shape == (2, 5, *cells)
        torch.testing.assert_close(maps.sum(dim=1), torch.ones(2, *cells))
        torch.testing.assert_close(model(images), scores.mean(dim=(2, 3)), atol=1e-4, rtol=1e-4)


def test_pooling_equals_the_released_fixed_window_at_the_papers_size() -> None:
    model = small("DRN-C-26")
    with torch.no_grad():
        features = model.features(torch.randn(1, 3, 224, 224))
    assert features.shape[-2:] == (28, 28)
    torch.testing.assert_close(model.avgpool(features), F.avg_pool2d(features, 28))


@pytest.mark.parametrize("name", ["ResNet-18", "ResNet-50", "DRN-C-26", "DRN-C-58", "DRN-D-22"])
def test_width_scales_hidden_channels_only(name: str) -> None:
    with torch.device("meta"):
        half, full = build(name, num_classes=7, width=0.5), build(name, num_classes=7)
    for key, value in full.state_dict().items():
        shape = half.state_dict()[key].shape
        kept = {3, 7} if key == "fc.bias" or value.shape[:1] == (7,) or value.shape[1:2] == (3,) else set()
        expected = [n if axis > 1 or n in kept else n // 2 for axis, n in enumerate(value.shape)]
        assert list(shape) == expected, key


@pytest.mark.parametrize("name", ["ResNet-18", "DRN-A-50", "DRN-C-58", "DRN-D-22"])
def test_convolutions_start_by_hes_rule_for_the_fan_out(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, num_classes=10, width=0.25)
    for key, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 2000 and key != "fc":
            fan_out = layer.out_channels * layer.kernel_size[0] * layer.kernel_size[1]
            assert float(layer.weight.detach().std()) == pytest.approx((2 / fan_out) ** 0.5, rel=0.1), key


@pytest.mark.parametrize("name", ["ResNet-18", "DRN-A-18", "DRN-B-26", "DRN-C-26"])
def test_untrained_networks_guess(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, num_classes=10, width=0.25)
    with torch.no_grad():
        loss = F.cross_entropy(model(torch.randn(64, 3, 48, 48)), torch.randint(10, (64,)))
    assert float(loss) == pytest.approx(2.303, abs=0.5)


def test_equal_seeds_give_equal_networks() -> None:
    first, second = small("DRN-A-18", seed=5).state_dict(), small("DRN-A-18", seed=5).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("stride", [2, 8, 32])
def test_bilinear_kernel_partitions_unity(stride: int) -> None:
    kernel = bilinear_kernel(stride)
    phases = kernel.unflatten(0, (2, stride)).unflatten(2, (2, stride)).sum(dim=(0, 2))
    torch.testing.assert_close(phases, torch.ones(stride, stride))


def segmenter(upsampling: Upsampling, name: str = "DRN-C-26") -> Segmenter:
    return Segmenter(small(name), 3, upsampling).eval()


@pytest.mark.parametrize("name", ["DRN-C-26", "ResNet-18"])
def test_deconvolution_interpolates_between_cell_centres_except_at_the_border(name: str) -> None:
    images = torch.randn(1, 3, 256, 256)
    model = segmenter(Upsampling.DECONVOLUTION, name)
    margin = model.spec.output_stride // 2
    with torch.no_grad():
        deconvolved = model(images)
        model.upsampling = Upsampling.HALF_PIXEL
        interpolated = model(images)
    inner = (..., slice(margin, -margin), slice(margin, -margin))
    assert deconvolved.shape == (1, 3, 256, 256)
    torch.testing.assert_close(deconvolved[inner], interpolated[inner], atol=1e-4, rtol=1e-4)
    assert (deconvolved[..., 0, :] - interpolated[..., 0, :]).abs().max() > 1e-3


def test_deconvolution_fades_at_the_border() -> None:
    up = segmenter(Upsampling.DECONVOLUTION).up
    with torch.no_grad():
        ones = up(torch.ones(1, 3, 4, 4))
    torch.testing.assert_close(ones[0, 0, 16, :5], torch.tensor([0.5625, 0.6875, 0.8125, 0.9375, 1.0]))
    assert float(ones[0, 0, 0, 0]) == pytest.approx(0.3164, abs=1e-4)


def test_corner_alignment_puts_corner_cells_on_corner_pixels() -> None:
    model = segmenter(Upsampling.CORNERS)
    images = torch.randn(1, 3, 48, 64)
    with torch.no_grad():
        pixels, cells = model(images), model.scores(images)
    torch.testing.assert_close(pixels[..., ::47, ::63], cells[..., ::5, ::7])


@pytest.mark.parametrize("upsampling", list(Upsampling))
def test_segmentation_scores_every_pixel_of_any_image(upsampling: Upsampling) -> None:
    with torch.no_grad():
        assert segmenter(upsampling)(torch.randn(1, 3, 45, 61)).shape == (1, 3, 45, 61)


def test_the_upsampling_kernel_is_not_trained() -> None:
    model = segmenter(Upsampling.DECONVOLUTION)
    model(torch.randn(1, 3, 32, 32)).sum().backward()
    assert model.up.weight.grad is None
    assert model.seg.weight.grad is not None


def test_a_segmenter_shares_the_classifiers_trunk() -> None:
    classifier = small("DRN-C-26")
    model = Segmenter(classifier, 4)
    images = torch.randn(1, 3, 32, 32)
    nn.init.zeros_(classifier.get_submodule("layer8.0.bn2").weight)
    with torch.no_grad():
        assert torch.equal(model.features(images), classifier.features(images))


def test_a_trained_upsampling_kernel_is_refused(tmp_path: Path) -> None:
    model = segmenter(Upsampling.DECONVOLUTION)
    torch.save(model.state_dict(), tmp_path / "good.pth")
    load_released(tmp_path / "good.pth", segmenter(Upsampling.DECONVOLUTION))
    torch.save({**model.state_dict(), "up.weight": model.up.weight * 1.01}, tmp_path / "bad.pth")
    with pytest.raises(CheckpointError, match=r"up\.weight is not the bilinear kernel"):
        load_released(tmp_path / "bad.pth", segmenter(Upsampling.DECONVOLUTION))


@pytest.mark.parametrize("alias", ["DRN-C-26", "drn-c-26", "drn_c_26", " Drn-C-26 "])
def test_names_are_found_in_any_spelling(alias: str) -> None:
    assert find_spec(alias) is MODELS["DRN-C-26"]


def test_unknown_names_offer_the_closest() -> None:
    with pytest.raises(UsageError, match=r"Did you mean .*DRN-C-26"):
        build("drn-c-25")
    with pytest.raises(UsageError, match="The models are: ResNet-18"):
        build("vgg")


@pytest.mark.parametrize(
    "make",
    [
        lambda: build("ResNet-18", num_classes=0),
        lambda: build("ResNet-18", width=0),
        lambda: build("ResNet-18", width=float("nan")),
        lambda: build("DRN-C-26", schedule=Schedule.PAPER),
        lambda: build_segmenter("DRN-C-26", num_classes=0),
    ],
)
def test_impossible_networks_are_usage_errors(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(UsageError):
        make()
