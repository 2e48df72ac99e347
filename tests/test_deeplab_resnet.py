"""Networks of the paper deeplab on ResNet-101, trained end to end: weights, what is declared, the path at toy size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from dataset_layouts import put_voc
from experiment_desk import SILENT, ExperimentDesk, uncovered, vague_deviations
from resnet_files import put_weights, resnet, torchvisions
from torch import nn

from harness.claims.papers import find_paper
from harness.datasets.segmented import VOID
from harness.datasets.voc import CLASSES
from harness.engine.losses import Terms
from harness.engine.optimiser import group_of, learning, sgd
from harness.engine.train import arithmetic
from harness.errors import UsageError
from harness.experiment import Context, Experiment, Options, Unit, experiments_of
from harness.ledger.store import Ledger, Stored
from harness.networks.residual import BLOCKS
from harness.pretrained import load_resnet
from harness.runner.run import Summary
from harness.scoring.cohort import gather
from harness.segmentation.desk import NETWORK, Desk
from harness.segmentation.frozen import imagenet_normalisation
from harness.segmentation.recipe import PhotoData
from harness.segmentation.sets import load_sets
from harness.statistics.evidence import Evidence
from reproductions.deeplab import recipes, residual_recipes
from reproductions.deeplab.losses import cell_loss
from reproductions.deeplab.models import MultiScale, Trained, fuse
from reproductions.deeplab.recipes import MULTI_SCALE
from reproductions.deeplab.residual_deviations import residual_deviations
from reproductions.deeplab.residual_recipes import PLAIN, SYSTEMS, VARIED, WITH_ASPP, WITH_LARGE_FOV
from reproductions.deeplab.residual_runs import loss, measure, network, trunk
from reproductions.deeplab.specs import CROP

pytestmark = pytest.mark.usefixtures("one_thread", "decoded_aside")
KEY = "voc-resnet-gpu"
DESK = ExperimentDesk("deeplab")
RECIPE, TOY = residual_recipes.residual("gpu"), residual_recipes.residual("toy")
MEASURED = (PLAIN, WITH_ASPP)
"""A single scale as it is, and all of the table's rows together, both with a CRF."""


def declared(**options: object) -> Experiment:
    return DESK.declared(**options)[KEY]


def on_meta(system: str) -> Trained:  # type: ignore[type-arg]
    with torch.device("meta"):
        return Trained(network(system, replace(RECIPE, weights=""), Path()))


# How weights come in --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put_weights(tmp_path_factory.mktemp("weights"), BLOCKS[101])


def restored(path: Path, blocks: Sequence[int]) -> list[nn.Module]:
    """The layers of torchvision's own network with a file's weights."""
    model = torchvisions(blocks)
    model.load_state_dict(torch.load(path, weights_only=True))
    return list(model.eval().children())


def test_the_files_name_is_torchvisions() -> None:
    released = torchvision.models.ResNet101_Weights.IMAGENET1K_V1
    assert f"weights/{released.url.rpartition('/')[2]}" == RECIPE.weights
    preset, ours = released.transforms(), imagenet_normalisation("cpu")
    assert torch.allclose(ours.mean / 255, torch.tensor(preset.mean))
    assert torch.allclose(ours.deviation / 255, torch.tensor(preset.std))


def test_a_trunk_with_weights_is_torchvisions_network(weights: Path) -> None:
    built = resnet(BLOCKS[101]).eval()
    loaded = load_resnet(weights, built)
    assert loaded.tensors == len(built.state_dict()) + 2, "all of the file, its classifier included"
    images = torch.randn(1, 3, 65, 49)
    with torch.no_grad():
        expected = nn.Sequential(*restored(weights, BLOCKS[101])[:-2])(images)
        torch.testing.assert_close(built(images), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_the_papers_trunk_is_torchvisions_network_four_times_as_dense(weights: Path) -> None:
    built = trunk(RECIPE).eval()
    load_resnet(weights, built)
    kept = torch.load(weights, weights_only=True)
    assert all(torch.equal(value, kept[name]) for name, value in built.state_dict().items())
    dense = torchvision.models.resnet101(weights=None, replace_stride_with_dilation=[False, True, True]).eval()
    dense.load_state_dict(kept)
    images = torch.randn(1, 3, 65, 65)
    with torch.no_grad():
        found = built(images)
        expected = nn.Sequential(*list(dense.children())[:-2])(images)
        sampled = nn.Sequential(*restored(weights, BLOCKS[101])[:-2])(images)
    assert found.shape == (1, 2048, 9, 9)
    near = 1e-5 * float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=near)
    torch.testing.assert_close(found[..., ::4, ::4], sampled, rtol=1e-5, atol=near)


# What is declared -----------------------------------------------------------------------------------------------


def test_it_needs_a_gpu_photographs_and_weights(tmp_path: Path) -> None:
    assert declared().needs == "a GPU: --device cuda; a folder that holds VOCdevkit: --data DIR"
    assert declared(device="cuda", data=tmp_path).needs == f"{RECIPE.weights} in the data folder"
    (tmp_path / RECIPE.weights).parent.mkdir()
    (tmp_path / RECIPE.weights).touch()
    assert declared(device="cuda", data=tmp_path).needs == ""
    assert declared(toy=True, data=tmp_path / "weights").needs == "", "a test of the path takes no GPU and no weights"
    assert declared().command == f"remeasure run deeplab --only {KEY} --data DIR --device cuda"
    with pytest.raises(UsageError, match="no folder with photographs"):
        declared().measure(Unit(KEY, PLAIN, 0), SILENT)


def test_systems_are_the_rows_of_table_4_without_coco() -> None:
    found = declared()
    claims = find_paper("deeplab").claims.values()
    printed = [claim.system for claim in claims if claim.id.startswith("t4/")]
    assert len(printed) == 7
    assert set(found.systems) <= {system.replace(" + COCO", "") for system in printed}
    assert {system.replace(" + COCO", "") for system in printed} <= set(found.measured())
    assert {PLAIN, MULTI_SCALE} <= set(printed), "their printed scores stand beside ours"
    near = {f"{PLAIN}{crf} near boundaries" for crf in ("", " + CRF")}
    assert near <= {operand.system for operand in find_paper("deeplab").operands.values()} & set(found.measured())
    assert len(found.units()) == 5 * 3
    assert found.evidence is Evidence.SCALED_DOWN


def test_the_recipe_is_the_released_codes_where_it_says_so() -> None:
    training = RECIPE.training
    assert (training.batch, training.decay, training.power, training.learning_rate) == (10, "poly", 0.9, 2.5e-4)
    assert (training.momentum, training.weight_decay, training.warmup) == (0.9, 5e-4, 0.0)
    assert (training.batch_norm, training.precision, training.repeatable) == ("frozen", "bfloat16", False)
    assert (RECIPE.width, RECIPE.dropout, RECIPE.geometry.stride, RECIPE.geometry.blocks) == (1, 0, 8, None)
    rates = [training.rate(step, 20_000) for step in (0, 5_000, 10_000, 15_000, 19_999)]
    assert rates == pytest.approx([2.5e-4, 1.92972e-4, 1.33972e-4, 7.17936e-5, 3.36522e-8], rel=1e-5)
    vgg = recipes.fine_tuned("gpu")
    assert (RECIPE.data, RECIPE.crf, RECIPE.least_images) == (vgg.data, vgg.crf, vgg.least_images)


@pytest.mark.parametrize("system", SYSTEMS)
def test_only_rows_with_aug_see_scaled_images(system: str) -> None:
    varied = RECIPE.training_of(system).augmentation
    assert varied.scales == ((0.5, 0.75, 1, 1.25, 1.5) if "Aug" in system else ())
    assert (varied.crop, varied.flip, varied.outside, varied.shift) == ((CROP, CROP), True, "mean", 0)
    assert replace(RECIPE.training_of(system), augmentation=RECIPE.training.augmentation) == RECIPE.training


@pytest.mark.parametrize("system", SYSTEMS)
def test_groups_hold_what_they_should(system: str) -> None:
    model, training = on_meta(system), RECIPE.training_of(system)
    branches = 4 if system == WITH_ASPP else 1
    for name, group in group_of(model, training.groups).items():
        kind = name.rpartition(".")[2]
        expected = {"weight": (10, 1), "bias": (20, 0)}[kind] if ".head." in name else (1, 1)
        assert (group.rate, group.decay) == expected, name
    with learning(model, training):
        found = {
            (group["factor"], group["weight_decay"]): len(group["params"])
            for group in sgd(model, training).param_groups
        }
    convolutions = 1 + 3 * sum(BLOCKS[101]) + 4
    assert found == {(1, 5e-4): convolutions, (10, 5e-4): branches, (20, 0): branches}, "no batch norm learns"


def test_networks_have_the_papers_parameters_and_cells() -> None:
    """42,500,160 in the trunk; heads of 1x1, LargeFOV and ASPP for 21 classes."""
    counts = {PLAIN: 42_543_189, WITH_LARGE_FOV: 42_887_253, WITH_ASPP: 44_048_532}
    for system, count in counts.items():
        model = on_meta(system)
        assert sum(parameter.numel() for parameter in model.parameters()) == count
        scores = model(torch.empty(1, 3, CROP, CROP, device="meta"))
        sides = [one.shape for one in (scores if isinstance(scores, list) else [scores])]
        assert sides == [(1, 21, side, side) for side in ((41, 31, 21) if "MSC" in system else (41,))]
        assert isinstance(model.network, MultiScale) == ("MSC" in system)


def test_several_scales_cost_the_sum_of_their_losses() -> None:
    torch.manual_seed(0)
    maps = [torch.randn(2, 21, side, side) for side in (41, 31, 21)]
    labels = torch.randint(0, 21, (2, CROP, CROP))
    labels[:, :50] = VOID
    found, terms = loss(maps, labels), [cell_loss(scores, labels).value for scores in (*maps, fuse(maps))]
    assert isinstance(found, Terms)
    assert len(found.totals) == 4
    assert float(found.value) == pytest.approx(float(sum(terms)), rel=1e-6)
    assert torch.equal(loss(maps[0], labels).value, terms[0])
    half = nn.functional.cross_entropy(maps[2], labels[:, ::16, ::16], ignore_index=VOID)
    assert float(terms[2]) == pytest.approx(float(half), rel=1e-5), "labels at half the scale are every 16th"


def test_a_budget_cuts_epochs_and_says_so() -> None:
    full, cut = declared(), declared(epochs={KEY: 3})
    assert (cut.recipe["training"]["epochs"], cut.trade and cut.trade.epochs) == (3, 3)
    assert {d.topic for d in cut.deviations} - {d.topic for d in full.deviations} == {"time budget"}


def test_deviations_name_what_differs() -> None:
    found = {d.topic: d for d in residual_deviations(RECIPE, RECIPE.training.epochs)}
    assert isinstance(RECIPE.data, PhotoData)
    training = RECIPE.training
    assert vague_deviations([declared(), declared(toy=True)]) == []
    said = {
        "initial weights and colours of ResNet-101": ("IMAGENET1K_V1", "3x3", "RGB"),
        "training on MS-COCO": ("all systems start from ImageNet",),
        "head of ResNet-101 without LargeFOV or ASPP": ("1x1",),
        "length and precision of training": (
            f"{training.epochs} epochs of batches of {training.batch}",
            "bfloat16",
            "0.00025",
            "frozen batch norm",
        ),
        "augmentation": ("0.5 0.75 1 1.25 1.5", "321", "without Aug"),
        "loss": ("mean over", "the sum of the four", "3/4"),
        "data": (f"at most {RECIPE.data.limit} images", "321x321"),
        "size of test images": ("321 pixels",),
        "search of the CRF's parameters": (f"{RECIPE.data.tuning} images", "30 40 50 60 70 80 90 100"),
        "trimap": (f"at most {RECIPE.band} from",),
        "classes in the mean IoU": (f"at least {RECIPE.least_images} test images",),
    }
    assert found.keys() == said.keys()
    for topic, words in said.items():
        assert all(word in found[topic].ours for word in words), found[topic]
    assert not any("fc6" in d.ours or "VGG" in d.ours for d in found.values())
    toy = {d.topic: d.ours for d in residual_deviations(TOY, TOY.training.epochs)}
    assert "all weights random" in toy["width, depth and initial weights"]
    assert "IMAGENET1K_V1" not in " ".join(toy.values())


def test_sources_cover_what_is_imported_to_measure() -> None:
    besides = ("reproductions.deeplab.recipes", *(f"harness.datasets.{name}" for name in ("camvid", "lists")))
    assert uncovered("reproductions.deeplab.residual_runs", declared().source, besides=besides) == []


# What is measured -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put_voc(tmp_path_factory.mktemp("data"))


def recorded(folder: Path, home: Path) -> Summary:
    return DESK.record_toy(home, folder, KEY, *MEASURED)


@pytest.fixture(scope="module")
def home(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger after a toy run of the experiment through the runner."""
    place = tmp_path_factory.mktemp("run")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert len(recorded(folder, place).measured) == len(MEASURED)
    torch.set_num_threads(threads)
    return place


@pytest.mark.parametrize("system", MEASURED)
def test_a_record_keeps_what_its_report_needs(system: str, home: Path) -> None:
    records: Mapping[str, Stored] = {
        stored.record.system: stored for stored in Ledger(home / "ledger").records(verify_arrays=True)
    }
    record, arrays = records[system].record, records[system].arrays()
    suffixes = ("", ".near", ".crf", ".near-crf")
    assert {name for name in arrays if name.startswith("confusion")} == {f"confusion{suffix}" for suffix in suffixes}
    for suffix in suffixes:
        assert arrays[f"confusion{suffix}"].shape == (6, 21, 22)
        assert 0 < arrays[f"confusion{suffix}"].sum() <= arrays["confusion"].sum()
    assert "panel_images" not in arrays, "photographs are not kept"
    assert arrays["panel_labels"].shape == (6, 65, 65)
    assert arrays["panel_labels"].max() < len(CLASSES)
    assert "crf-w1" in record.values
    assert [row["phase"] for row in record.log] == [NETWORK] * TOY.training.epochs
    assert all(np.isfinite(float(row["loss"])) for row in record.log)
    assert (record.recipe["scale"], record.evidence) == ("toy", Evidence.SCALED_DOWN)


def test_a_toy_run_is_kept_and_shows_no_result(folder: Path, home: Path) -> None:
    again = recorded(folder, home)
    assert (len(again.measured), again.kept) == (0, len(MEASURED))
    experiments = experiments_of("deeplab")(Options(data=folder, device="cpu", toy=True))
    gathered = gather("deeplab", experiments, Ledger(home / "ledger"))
    assert gathered.cohorts == ()
    assert len(gathered.refused) == len(MEASURED)
    assert all("toy" in refused.reason for refused in gathered.refused)


def test_what_it_costs_is_found_by_doing(folder: Path) -> None:
    experiment = declared(toy=True, data=folder)
    assert experiment.cost is not None
    cost = experiment.cost(Unit(KEY, MULTI_SCALE, 0), "cpu")
    assert min(cost.setup, cost.per_epoch) > 0


def test_networks_start_from_the_file_and_all_but_batch_norm_learns(
    weights: Path, folder: Path, tmp_path: Path
) -> None:
    """One step of the whole network on crops of 65 pixels."""
    recipe = replace(
        TOY, width=1.0, geometry=RECIPE.geometry, weights=weights.name, training=replace(TOY.training, epochs=1)
    )
    context = Context(tmp_path, "cpu", lambda *_: None)
    desk = Desk.of(Unit(KEY, VARIED, 0), context, recipe, load_sets(TOY.data, folder), imagenet_normalisation("cpu"))
    training = replace(recipe.training_of(VARIED), batch=2)
    train = desk.images.train
    few = replace(train, pixels=train.pixels[:2], targets=train.targets[:2], extents=train.extents[:2])
    with arithmetic(desk.device):
        model = desk.place(lambda: Trained(network(VARIED, recipe, weights.parent)))
        before = {name: value.clone() for name, value in model.state_dict().items()}
        desk.train(NETWORK, model, training, few, loss)
    kept = torch.load(weights, weights_only=True)
    start = {name.partition("trunk.")[2]: value for name, value in before.items() if "trunk." in name}
    assert start.keys() == {name for name in kept if not name.startswith("fc.")}
    assert all(torch.equal(value, kept[name]) for name, value in start.items())
    still = {name for name, value in model.state_dict().items() if torch.equal(value, before[name])}
    norms = {
        f"{name}.{key}"
        for name, part in model.named_modules()
        if isinstance(part, nn.BatchNorm2d)
        for key in part.state_dict()
    }
    assert still == norms


def test_seeds_differ_in_the_head_alone(weights: Path) -> None:
    recipe, built = replace(RECIPE, weights=weights.name), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        built.append(network(WITH_ASPP, recipe, weights.parent).state_dict())
    differ = {name for name, value in built[0].items() if not torch.equal(value, built[1][name])}
    assert differ == {f"network.head.c{branch}.weight" for branch in range(4)}
    assert all(float(built[0][name].std()) == pytest.approx(RECIPE.filler, rel=0.1) for name in differ)


def test_another_recipe_is_refused(folder: Path, tmp_path: Path) -> None:
    other = recipes.fine_tuned("toy")
    with pytest.raises(TypeError, match="DeepLabRecipe"):
        measure(
            Unit(KEY, PLAIN, 0), Context(tmp_path, "cpu", lambda *_: None), other, load_sets(other.data, folder), folder
        )


def test_photographs(shared: Callable[[str], Path], tmp_path: Path) -> None:
    data = shared("data/VOCdevkit").parent
    outcome = DESK.run_toy(KEY, MULTI_SCALE, tmp_path, data=data)
    assert outcome.arrays["confusion"].shape == (12, 21, 22)
    assert {name for name in outcome.arrays if name.startswith("confusion")} == {"confusion", "confusion.near"}
