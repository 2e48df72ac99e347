"""HDC's experiments that train whole networks on CamVid: what they declare, what they build, and their whole path."""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from dataset_layouts import put_image, put_png
from experiment_desk import ExperimentDesk, vague_deviations
from ledger_samples import sample_record
from torch import Tensor, nn

from harness.claims.papers import find_paper
from harness.datasets import camvid
from harness.engine import checkpoint
from harness.engine.optimiser import group_of
from harness.errors import CheckpointError, UsageError
from harness.experiment import Context, Options, Unit, experiments_of
from harness.ledger.store import Ledger
from harness.metrics.segmentation import class_iou
from harness.networks.vgg import vgg16
from harness.runner.prepare import Job, prepare
from harness.runner.run import run
from harness.scoring.reach import reach_of
from harness.scoring.scores import Metric, ScoreError, metrics, samples, score
from harness.segmentation import sets
from harness.statistics.evidence import Evidence
from reproductions.hdc import gpu_recipes, recipes
from reproductions.hdc.comparison import AtCells, whole
from reproductions.hdc.gpu_recipes import RATES, THIN_CLASSES, WholeRecipe
from reproductions.hdc.models import Segmenter
from reproductions.hdc.sequences import RES4, RES5, Variant, res4, res5
from reproductions.hdc.specs import find_spec

pytestmark = pytest.mark.usefixtures("one_thread")
DESK = ExperimentDesk("hdc")
SYSTEMS = {"camvid-gpu": recipes.DECODERS, "camvid-dilations-gpu": recipes.VARIANTS}
DILATED = {"Dilation-RF": Variant.RF, "Dilation-bigger": Variant.BIGGER, "No dilation": Variant.NONE}
WEIGHTS = "weights/vgg16_features_fp16.pth"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with as many frames as CamVid has, tiny ones, and weights of VGG-16 in torchvision's layout."""
    root = tmp_path_factory.mktemp("photographs")
    labels = (np.arange(144).reshape(12, 12) // 12).astype(np.uint8)
    for split, count in camvid.RELEASE_COUNTS.items():
        for place in range(count):
            put_image(root / f"CamVid/{split}/{split}_{place:03}.png", 12, 12)
            put_png(root / f"CamVid/{split}annot/{split}_{place:03}.png", np.roll(labels, place, axis=0))
    (root / "weights").mkdir()
    torch.manual_seed(0)
    torch.save({f"features.{name}": value.half() for name, value in vgg16().state_dict().items()}, root / WEIGHTS)
    return root


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in, with the cache of decoded frames."""
    monkeypatch.setattr(sets, "CACHE", tmp_path / "images")
    return tmp_path


@lru_cache(maxsize=4)
def built(system: str, recipe_of: str, scale: str, folder: Path) -> Segmenter:
    """Build a system as a unit of seed 0 does."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return whole(find_spec(system), recipe(recipe_of, scale), folder)


def recipe(key: str, scale: str) -> WholeRecipe:
    make = gpu_recipes.decoders if key == "camvid-gpu" else gpu_recipes.dilations
    return make("gpu" if scale == "gpu" else "toy")


# What is declared -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", SYSTEMS)
def test_each_needs_a_gpu_the_photographs_and_the_weights(key: str, folder: Path, tmp_path: Path) -> None:
    experiment = DESK.declared()[key]
    assert experiment.needs == "a GPU: --device cuda; a folder that holds CamVid: --data DIR"
    assert DESK.declared(device="cuda", data=tmp_path)[key].needs == f"{WEIGHTS} in the data folder"
    assert DESK.declared(device="cuda", data=folder)[key].needs == ""
    assert DESK.declared(toy=True, data=folder)[key].needs == "", "the path is tested without a GPU"
    assert experiment.command == f"remeasure run hdc --only {key} --data DIR --device cuda"
    assert (experiment.systems, experiment.seeds) == (SYSTEMS[key], (0, 1, 2))
    assert experiment.evidence is Evidence.SCALED_DOWN
    assert DESK.declared(seeds=5)[key].seeds == tuple(range(5))


@pytest.mark.parametrize("key", SYSTEMS)
def test_recipes_are_plain_json_of_their_own_at_each_scale(key: str) -> None:
    full, toy, cut = (DESK.declared(**o)[key] for o in ({}, {"toy": True}, {"epochs": {key: 7}}))
    assert len({json.dumps(each.recipe, sort_keys=True) for each in (full, toy, cut)}) == 3
    assert [each.recipe["scale"] for each in (full, toy, cut)] == ["gpu", "toy", "gpu"]
    assert cut.recipe["training"]["epochs"] == 7
    assert {d.topic for d in cut.deviations} - {d.topic for d in full.deviations} == {"time budget"}


def test_the_training_is_the_printed_one() -> None:
    facts = {fact.id: fact.value for fact in find_paper("hdc").facts}
    for key in SYSTEMS:
        training = recipe(key, "gpu").training
        assert f"{training.learning_rate:f}".rstrip("0") in facts["s4.1/learning-rate"]
        assert training.decay in facts["s4.1/learning-rate"]
        assert f"power {training.power}" in facts["s4.1/learning-rate"]
        assert str(training.weight_decay) == facts["s4.1/weight-decay"]
        assert str(training.momentum) == facts["s4.1/momentum"]
        assert str(training.batch) == facts["s4.1/batch"]
        assert training.warmup == 0
    assert find_spec("DUC DS=8 ASPP=4 Aug=yes Cell=1").rates == RATES


@pytest.mark.parametrize("key", SYSTEMS)
@pytest.mark.parametrize("scale", ["toy", "gpu"])
def test_frames_and_pieces_fill_whole_cells(key: str, scale: str) -> None:
    made = recipe(key, scale)
    crop = made.training.augmentation.crop
    assert crop is not None
    assert not any(side % made.stride for side in (*made.size, *crop))
    assert all(piece <= side for piece, side in zip(crop, made.size, strict=True)), "nothing is padded"
    assert min(made.size) // made.stride >= 4 * recipes.GRIDDING_PERIOD, "gridding can be measured"


@pytest.mark.parametrize("key", SYSTEMS)
def test_deviations_tell_every_setting_that_differs(key: str) -> None:
    experiment, made = DESK.declared()[key], recipe(key, "gpu")
    assert vague_deviations([experiment]) == []
    ours = {deviation.topic: deviation.ours for deviation in experiment.deviations}
    assert "all 367 training and 233 test frames, 360x480" in ours["data"]
    assert "320x320" in ours["training pieces"]
    assert f"{made.training.epochs} epochs" in ours["training schedule"]
    assert f"({made.training.epochs * (367 // 12):,} steps)" in ours["training schedule"]
    assert "10 times as fast, their biases 20 times, VGG-16's biases 2 times" in ours["learning rates of layers"]
    assert "bfloat16" in ours["precision of training"]
    assert "6, 12, 18, 24" in ours["ASPP module"]
    assert all(name in ours["small objects"] for name in THIN_CLASSES)
    assert ("CRF parameters" in ours) == ("width of the deconvolutions" in ours) == (made.crf is not None)
    assert (
        ("23 and 3 bottlenecks of 256 and 512" in ours["trunk"]) == ("batch normalisation" in ours) == any(made.blocks)
    )


def test_the_statement_on_small_objects_is_reached() -> None:
    paper, experiment = find_paper("hdc"), DESK.declared()["camvid-gpu"]
    (said,) = (relation for relation in paper.relations if relation.id == "s4.1/small-objects")
    assert said.direction == "trained/duc/thin-miou > trained/baseline/thin-miou"
    for name in ("trained/duc/thin-miou", "trained/baseline/thin-miou"):
        assert reach_of(experiment, paper.operands[name]) is not None
        assert reach_of(DESK.declared()["camvid"], paper.operands[name]) is None


# What is built --------------------------------------------------------------------------------------------------


def vgg_layers(model: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]


@pytest.mark.parametrize(("key", "convolutions"), [("camvid-gpu", 13), ("camvid-dilations-gpu", 10)])
def test_networks_begin_with_the_weights_of_the_file(key: str, convolutions: int, folder: Path) -> None:
    model = built(recipes.REFINED, key, "gpu", folder)
    layers = vgg_layers(model.trunk.get_submodule("vgg"))
    kept = torch.load(folder / WEIGHTS, weights_only=True)
    weights = [value.float() for name, value in kept.items() if name.endswith("weight")]
    assert len(layers) == convolutions
    assert all(torch.equal(layer.weight, value) for layer, value in zip(layers, weights, strict=False))
    assert [layer.dilation[0] for layer in layers] == [1] * 10 + [2] * (convolutions - 10)
    with torch.inference_mode():
        maps = model.trunk(torch.zeros(1, 3, 64, 80))
    assert maps.shape == (1, 512 if convolutions == 13 else 2048, 8, 10)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / WEIGHTS)
    with pytest.raises(CheckpointError):
        whole(find_spec(recipes.REFINED), recipe("camvid-gpu", "toy"), tmp_path)
    with pytest.raises(UsageError, match="no folder with photographs"):
        DESK.declared()["camvid-gpu"].measure(Unit("camvid-gpu", recipes.REFINED, 0), Context(tmp_path, "cpu", print))


@pytest.mark.parametrize(("key", "system"), [(key, system) for key in SYSTEMS for system in SYSTEMS[key][:2]])
def test_what_is_new_learns_ten_times_as_fast(key: str, system: str, folder: Path) -> None:
    model = AtCells(built(system, key, "gpu", folder))
    groups = group_of(model, recipe(key, "gpu").training.groups)
    old = 13 if key == "camvid-gpu" else 10
    assert set(groups) == {name for name, _ in model.named_parameters()}
    for name, group in groups.items():
        bias, vgg = name.endswith(".bias"), ".vgg." in name
        assert (group.rate, group.decay) == ((2 if bias else 1, 1 - bias) if vgg else (20 if bias else 10, 1 - bias))
    counted = Counter((".vgg." in name, name.endswith(".bias")) for name in groups)
    assert counted[True, False] == counted[True, True] == old
    if key == "camvid-dilations-gpu":
        norms = 3 * (RES4[101] + RES5) + 2
        convolutions = norms + len(RATES)
        assert (counted[False, False], counted[False, True]) == (convolutions + norms, norms + len(RATES))


def test_residual_modules_are_those_of_the_paper(folder: Path) -> None:
    for system, variant in DILATED.items():
        trunk = built(system, "camvid-dilations-gpu", "gpu", folder).trunk
        for name, wide, rates in (("res4b", 256, res4(variant)), ("res5b", 512, res5(variant))):
            layers = [layer for layer in vgg_layers(trunk.get_submodule(name)) if layer.kernel_size == (3, 3)]
            assert tuple(layer.dilation[0] for layer in layers) == rates
            assert {(layer.in_channels, layer.out_channels) for layer in layers} == {(wide, wide)}


def states(key: str, folder: Path, part: str) -> list[dict[str, Tensor]]:
    networks = (built(system, key, "toy", folder) for system in SYSTEMS[key])
    return [network.get_submodule(part).state_dict() if part else network.state_dict() for network in networks]


@pytest.mark.parametrize(("key", "part"), [("camvid-gpu", "trunk"), ("camvid-dilations-gpu", "")])
def test_systems_begin_alike_but_for_what_is_compared(key: str, part: str, folder: Path) -> None:
    first, *others = states(key, folder, part)
    assert all(other.keys() == first.keys() for other in others)
    assert all(torch.equal(other[name], value) for other in others for name, value in first.items())


def test_no_dilation_has_a_head_start(folder: Path) -> None:
    """Blocks begin as their skip connections, so that rates make no difference before the first step."""
    images = torch.randn(2, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        first, *others = (
            built(system, "camvid-dilations-gpu", "toy", folder).eval().scores(images) for system in recipes.VARIANTS
        )
    assert float(first.std()) > 0
    assert all(torch.equal(first, other) for other in others)


# The whole path -------------------------------------------------------------------------------------------------


def job(key: str, system: str, folder: Path, elsewhere: Path) -> Job:
    options = Options(device="cpu", toy=True, data=folder, only=(key, system))
    ledger = Ledger(elsewhere / "ledger")
    return prepare(
        "hdc", experiments_of("hdc"), options, ledger=ledger, progress=lambda *_: None, state=elsewhere / "state"
    )


@pytest.mark.parametrize(
    ("key", "system"),
    [
        ("camvid-gpu", recipes.REFINED),
        ("camvid-gpu", "ResNet-101, deconvolution in two steps"),
        ("camvid-dilations-gpu", "Dilation-bigger"),
    ],
)
def test_a_toy_run_is_recorded_once_with_all_that_is_scored(
    key: str, system: str, folder: Path, elsewhere: Path
) -> None:
    ledger = Ledger(elsewhere / "ledger")

    def again() -> int:
        work = job(key, system, folder, elsewhere)
        state = elsewhere / "state"
        return len(run(work, ledger=ledger, tell=lambda _: None, progress=lambda *_: None, state=state).measured)

    assert (again(), again()) == (1, 0)
    (stored,) = ledger.records(verify_arrays=True)
    record, arrays = stored.record, stored.arrays()
    made = recipe(key, "toy")
    assert record.recipe["scale"] == "toy"
    assert record.evidence is Evidence.SCALED_DOWN
    assert [(row["phase"], np.isfinite(row["loss"])) for row in record.log] == [("network", True)]
    assert arrays["gridding"].shape == (made.data.limit,)
    assert "panel_images" not in arrays, "no photograph is kept"
    suffixes = ("", ".crf") if system == recipes.REFINED and key == "camvid-gpu" else ("",)
    assert {name for name in arrays if name.startswith("confusion")} == {f"confusion{suffix}" for suffix in suffixes}
    scored = samples(record, arrays)
    for suffix, measured in zip(suffixes, (system, f"{system} + CRF"), strict=False):
        counts = arrays[f"confusion{suffix}"].astype(np.int64)
        assert counts.shape == (made.data.limit, 11, 12)
        iou = 100 * class_iou(counts.sum(axis=0))
        thin = np.nanmean([iou[camvid.CLASSES.index(name)] for name in THIN_CLASSES])
        found = {m: float(v) for s in scored[measured] for m, v in zip(metrics(s), score(s)[0], strict=True)}
        assert found[Metric("thin-miou")] == pytest.approx(thin)
        assert found[Metric("miou")] == pytest.approx(np.nanmean(iou))


def test_every_layer_learns(folder: Path, elsewhere: Path) -> None:
    """From VGG's first one on; also those in blocks, where only the last scale has a gradient in the first step."""
    key, system = "camvid-dilations-gpu", "Dilation-RF"
    DESK.run_toy(key, system, elsewhere, data=folder)
    content = checkpoint.read(elsewhere / "network.pt")
    assert content is not None
    learnt = checkpoint.decode(content, elsewhere, torch.device("cpu"))["model"]
    before = AtCells(built(system, key, "toy", folder)).named_parameters()
    assert [name for name, value in before if torch.equal(learnt[name], value)] == []


# Means over some of the classes ---------------------------------------------------------------------------------


def test_a_mean_is_over_the_classes_that_the_recipe_names() -> None:
    random = np.random.default_rng(0)
    counts = random.integers(1, 50, size=(25, 3, 4)).astype(np.int32)
    base = sample_record(values={}, recipe={"classes": ["a", "b", "c"], "means": {"thin-miou": ["c", "a"]}})
    (found,) = samples(base, {"confusion": counts})[base.system]
    weights = random.multinomial(25, [1 / 25] * 25, size=4).astype(float)
    for row, drawn in zip(score(found, weights), weights.astype(int), strict=True):
        iou = 100 * class_iou(np.repeat(counts.astype(np.int64), drawn, axis=0).sum(axis=0))
        np.testing.assert_allclose(row, [iou.mean(), iou[[0, 2]].mean(), *iou])
    for wrong in ({"thin-miou": ["d"]}, {"thin-miou": []}, {"strange": ["a"]}):
        bad = sample_record(values={}, recipe={"classes": ["a", "b", "c"], "means": wrong})
        with pytest.raises(ScoreError, match="the recipe's mean"):
            samples(bad, {"confusion": counts})
