"""Networks of the paper deeplab trained end to end on photographs: what is declared, and the path at toy size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from dataset_layouts import put_voc
from experiment_desk import ExperimentDesk, uncovered, vague_deviations

from harness.claims.papers import find_paper
from harness.datasets.voc import CLASSES
from harness.engine.crf import DEEPLAB_SEARCH
from harness.engine.optimiser import group_of, sgd
from harness.engine.recipe import Training
from harness.engine.train import arithmetic
from harness.errors import CheckpointError
from harness.experiment import Context, Experiment, Options, Unit, experiments_of
from harness.ledger.store import Ledger, Stored
from harness.networks.vgg import VGG16, vgg16
from harness.runner.run import Summary
from harness.scoring.cohort import gather
from harness.segmentation.desk import NETWORK, Desk
from harness.segmentation.frozen import imagenet_normalisation
from harness.segmentation.recipe import PhotoData
from harness.segmentation.sets import load_sets
from harness.statistics.evidence import Evidence
from reproductions.deeplab import recipes
from reproductions.deeplab.comparison import from_imagenet, network
from reproductions.deeplab.deviations import deviations
from reproductions.deeplab.losses import training_loss
from reproductions.deeplab.models import Trained
from reproductions.deeplab.recipes import FINE_TUNED, POLY, STEP
from reproductions.deeplab.specs import CROP, TABLE_1, TABLE_3

pytestmark = pytest.mark.usefixtures("one_thread", "decoded_aside")
KEY = "voc-gpu"
DESK = ExperimentDesk("deeplab")
RECIPE, TOY = recipes.fine_tuned("gpu"), recipes.fine_tuned("toy")
MEASURED = ("VGG-16 4x4, rate 8", POLY, "VGG-16 ASPP-L")
"""An even kernel with a CRF, a schedule without, and parallel branches."""


def declared(**options: object) -> Experiment:
    return DESK.declared(**options)[KEY]


def on_meta(system: str) -> Trained:  # type: ignore[type-arg]
    with torch.device("meta"):
        return Trained(network(system, RECIPE))


# What is declared -----------------------------------------------------------------------------------------------


def test_it_needs_a_gpu_photographs_and_weights(tmp_path: Path) -> None:
    assert declared().needs == "a GPU: --device cuda; a folder that holds VOCdevkit: --data DIR"
    assert declared(device="cuda").needs == "a folder that holds VOCdevkit: --data DIR"
    assert declared(device="cuda", data=tmp_path).needs == f"{RECIPE.weights} in the data folder"
    (tmp_path / RECIPE.weights).parent.mkdir()
    (tmp_path / RECIPE.weights).touch()
    assert declared(device="cuda", data=tmp_path).needs == ""
    assert declared(toy=True, data=tmp_path).needs == "", "a test of the path takes no GPU"
    assert declared().command == "remeasure run deeplab --only voc-gpu --data DIR --device cuda"


def test_systems_are_those_of_tables_1_to_3() -> None:
    found = declared()
    operands = {operand.system for operand in find_paper("deeplab").operands.values()}
    assert found.systems == (*TABLE_1, POLY, *TABLE_3)
    assert set(found.systems) | {f"{system} + CRF" for system in (*TABLE_1, *TABLE_3)} <= operands
    assert {f"{system} + CRF" for system in (*TABLE_1, *TABLE_3)} <= set(found.measured())
    assert len(found.units()) == 8 * 3
    assert found.evidence is Evidence.SCALED_DOWN
    assert POLY not in RECIPE.refined, "Table 2 is before the CRF"


def test_the_recipe_is_the_papers_where_it_says_so() -> None:
    last, training = RECIPE.training_of(TABLE_3[0]), RECIPE.training
    assert (last.batch, last.decay, last.power, last.learning_rate) == (10, "poly", 0.9, 0.001)
    assert (last.momentum, last.weight_decay, last.warmup, last.parts) == (0.9, 5e-4, 0.0, 1)
    varied = training.augmentation
    assert (varied.crop, varied.flip, varied.outside, varied.shift) == ((CROP, CROP), True, "mean", 0)
    assert varied.scales == (0.5, 0.75, 1, 1.25, 1.5)
    assert (RECIPE.width, RECIPE.head, RECIPE.dropout, RECIPE.geometry.stride) == (1, 1, 0.5, 8)
    assert RECIPE.crf is not None
    assert (RECIPE.crf.stages, RECIPE.crf.w2, RECIPE.crf.sigma_gamma) == (DEEPLAB_SEARCH, 3, 3)
    assert (training.precision, training.repeatable) == ("bfloat16", False)


def test_schedules_are_those_of_the_tables() -> None:
    """Table 1 was trained by step, Table 3 by the last row of Table 2: 6K of 30 images against 20K of 10."""
    step, poly, last = (RECIPE.training_of(system) for system in (STEP, POLY, TABLE_3[0]))
    assert all(RECIPE.training_of(system) == step for system in TABLE_1)
    assert all(RECIPE.training_of(system) == last for system in TABLE_3)
    assert (step.batch, step.decay, step.stages, poly.decay) == (30, "step", 3, "poly")
    assert (step.batch * step.epochs / last.epochs) / last.batch == pytest.approx((6 * 30 * 30) / (20 * 10 * 10))
    rates = [step.rate(iteration, 6_000) for iteration in (0, 1_999, 2_000, 4_000)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5])
    assert last.rate(10_000, 20_000) == pytest.approx(1e-3 * 0.5**0.9)


@pytest.mark.parametrize("system", FINE_TUNED)
def test_groups_hold_what_they_should(system: str) -> None:
    model, training = on_meta(system), RECIPE.training_of(system)
    branches = 4 if "ASPP" in system else 1
    factors = {name: (group.rate, group.decay) for name, group in group_of(model, training.groups).items()}
    for name, found in factors.items():
        part, kind = name.split(".")[1], name.rpartition(".")[2]
        expected = {
            ("trunk", "weight"): (1, 1),
            ("trunk", "bias"): (2, 0),
            ("head", "weight"): (10, 1),
            ("head", "bias"): (20, 0),
        }
        assert found == expected[part, kind], name
    assert len(factors) == 2 * 13 + 2 * 3 * branches, "no batch norm, and every layer learns"
    groups = {
        (group["factor"], group["weight_decay"]): len(group["params"]) for group in sgd(model, training).param_groups
    }
    assert groups == {(1, 5e-4): 13, (2, 0): 13, (10, 5e-4): 3 * branches, (20, 0): 3 * branches}


def test_networks_have_the_papers_parameters() -> None:
    """Table 1 prints 134.3, 65.1, 65.1 and 20.5 million."""
    counts = [sum(p.numel() for p in on_meta(system).parameters()) for system in (*TABLE_1, TABLE_3[2])]
    assert counts == [134_346_581, 65_140_565, 65_140_565, 20_505_429, 37_877_652]


def test_maps_at_the_papers_crop_have_41_cells() -> None:
    for system in FINE_TUNED:
        scores = on_meta(system)(torch.empty(1, 3, CROP, CROP, device="meta"))
        assert isinstance(scores, torch.Tensor)
        assert scores.shape == (1, 21, 41, 41)


def test_a_budget_cuts_epochs_and_says_so() -> None:
    full, cut = declared(), declared(epochs={KEY: 3})
    assert (cut.recipe["training"]["epochs"], cut.trade and cut.trade.epochs) == (3, 3)
    assert {d.topic for d in cut.deviations} - {d.topic for d in full.deviations} == {"time budget"}


def test_deviations_name_what_differs() -> None:
    found = {d.topic: d for d in deviations(RECIPE, RECIPE.training.epochs)}
    last, step = RECIPE.training_of(TABLE_3[0]), RECIPE.training_of(STEP)
    assert isinstance(RECIPE.data, PhotoData)
    assert vague_deviations([declared()]) == []
    said = {
        "data": (f"at most {RECIPE.data.limit} images", "321x321"),
        "initial weights and learning rates of fc6 and fc7": ("random weights", "0.01", "ten times", "twenty times"),
        "initial weights and colours of VGG-16": ("torchvision", "RGB"),
        "length and precision of training": (
            f"batches of {last.batch} for {last.epochs} epochs",
            f"of {step.batch} for {step.epochs}",
            "bfloat16",
        ),
        "schedules of Table 2": (f"{step.epochs} epochs of batches of {step.batch}", "ASPP-S and ASPP-L"),
        "augmentation": ("0.5 0.75 1 1.25 1.5", "321", "all networks"),
        "size of test images": ("321 pixels",),
        "search of the CRF's parameters": (f"{RECIPE.data.tuning} images", "30 40 50 60 70 80 90 100"),
        "trimap": (f"at most {RECIPE.band} from",),
        "classes in the mean IoU": (f"at least {RECIPE.least_images} test images",),
        "loss": ("mean over",),
    }
    for topic, words in said.items():
        assert all(word in found[topic].ours for word in words), found[topic]
    assert found.keys() == said.keys()
    assert not any("frozen" in d.ours or "not trained any further" in d.ours for d in found.values())


def test_sources_cover_what_is_imported_to_measure() -> None:
    besides = ("reproductions.deeplab.recipes", *(f"harness.datasets.{name}" for name in ("camvid", "lists")))
    assert uncovered("reproductions.deeplab.comparison", declared().source, besides=besides) == []


# What is measured -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of two shapes in VOC's layout, labelled in blocks, and weights in the layout of torchvision's."""
    data = put_voc(tmp_path_factory.mktemp("data"))
    torch.manual_seed(0)
    trunk = {f"features.{name}": value.half() for name, value in vgg16().state_dict().items()}
    (data / RECIPE.weights).parent.mkdir()
    torch.save(trunk, data / RECIPE.weights)
    return data


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


@pytest.fixture(scope="module")
def records(home: Path) -> Mapping[str, Stored]:
    return {stored.record.system: stored for stored in Ledger(home / "ledger").records(verify_arrays=True)}


@pytest.mark.parametrize("system", MEASURED)
def test_a_record_keeps_what_its_report_needs(system: str, records: Mapping[str, Stored]) -> None:
    record, arrays = records[system].record, records[system].arrays()
    suffixes = ("", ".near", *((".crf", ".near-crf") if system in TOY.refined else ()))
    assert {name for name in arrays if name.startswith("confusion")} == {f"confusion{suffix}" for suffix in suffixes}
    inside = [65 * 49 if number % 2 else 65 * 36 for number in range(14, 20)]
    assert (arrays["confusion"].sum(axis=(1, 2)) < inside).all(), "padding and void do not count"
    for suffix in suffixes:
        assert arrays[f"confusion{suffix}"].shape == (6, 21, 22)
        assert 0 < arrays[f"confusion{suffix}"].sum() <= arrays["confusion"].sum()
    assert "panel_images" not in arrays, "photographs are not kept"
    assert arrays["panel_labels"].shape == (6, 65, 65)
    assert arrays["panel_labels"].max() < len(CLASSES)
    assert ("crf-w1" in record.values) == (system in TOY.refined)
    assert [row["phase"] for row in record.log] == [NETWORK] * TOY.training_of(system).epochs
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
    cost = experiment.cost(Unit(KEY, POLY, 0), "cpu")
    assert min(cost.setup, cost.per_epoch) > 0


def test_networks_start_from_the_file_and_learn_in_every_layer(folder: Path, tmp_path: Path) -> None:
    weights = folder / TOY.weights
    kept = torch.load(weights, weights_only=True)
    unit = Unit(KEY, STEP, 0)
    context = Context(tmp_path, "cpu", lambda *_: None)
    desk = Desk.of(unit, context, TOY, load_sets(TOY.data, folder), imagenet_normalisation("cpu"))
    with arithmetic(desk.device):
        model = desk.place(lambda: Trained(from_imagenet(unit.system, TOY, weights)))
        before = {name: value.clone() for name, value in model.state_dict().items()}
        training: Training = TOY.training_of(unit.system)
        desk.train(NETWORK, model, training, loss=training_loss)
    trunk = {name.replace("network.trunk", "features"): value for name, value in before.items() if "trunk" in name}
    assert trunk.keys() == kept.keys()
    assert all(torch.equal(trunk[name], value.float()) for name, value in kept.items())
    still = [name for name, value in model.state_dict().items() if torch.equal(value, before[name])]
    assert still == []


def test_seeds_differ_in_the_new_layers_alone(folder: Path) -> None:
    built = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        built.append(from_imagenet(TABLE_3[0], TOY, folder / TOY.weights))
    assert all(isinstance(one.trunk, VGG16) for one in built)
    first, second = (one.state_dict() for one in built)
    differ = {name for name in first if not torch.equal(first[name], second[name])}
    assert differ == {f"head.c0.fc{layer}.weight" for layer in (6, 7, 8)}
    assert all(float(first[name].std()) == pytest.approx(TOY.filler, rel=0.2) for name in differ)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save(vgg16(width=1 / 8).state_dict(), path)
    with pytest.raises(CheckpointError, match=re.escape(str(path))):
        from_imagenet(TABLE_3[0], TOY, path)
