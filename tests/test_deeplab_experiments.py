"""The experiments of the paper deeplab: what is derived against the claims, what is trained end to end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from experiment_desk import SILENT, ExperimentDesk, uncovered, vague_deviations
from numpy.typing import NDArray

from harness.claims.papers import find_paper
from harness.claims.vocabulary import UNITS
from harness.cli.bench import bench
from harness.engine.timings import read
from harness.engine.train import arithmetic
from harness.errors import UsageError
from harness.experiment import Context, Outcome, Unit
from harness.scoring.scores import Metric
from harness.segmentation.desk import NETWORK, Desk
from harness.segmentation.frozen import AtPixels
from harness.segmentation.sets import load_sets
from harness.statistics.evidence import Evidence
from reproductions.deeplab import recipes, statements
from reproductions.deeplab.comparison import measure, network, on_maps
from reproductions.deeplab.exact import first_convolution
from reproductions.deeplab.experiments import STATEMENTS, WAYS
from reproductions.deeplab.losses import training_loss
from reproductions.deeplab.models import DeepLab, MultiScale, Trained, vgg_trunk
from reproductions.deeplab.recipes import MULTI_SCALE, POLY, STEP, SYSTEMS
from reproductions.deeplab.specs import TABLE_1, TABLE_3

pytestmark = pytest.mark.usefixtures("one_thread")
DESK = ExperimentDesk("deeplab")
declared, run_toy = DESK.declared, DESK.run_toy
TOY = recipes.scenes("toy")
EXACT = ("architecture", "statements")
TRAINED = ("scenes", "voc")


# What is declared -----------------------------------------------------------------------------------------------


def test_declaring_needs_no_torch_and_no_folder() -> None:
    assert DESK.keys_at_once() == "['architecture', 'statements', 'scenes'] False"


def test_photographs_ask_for_a_folder_and_for_weights(tmp_path: Path) -> None:
    experiment = declared()["voc"]
    assert "--data DIR" in experiment.needs
    with pytest.raises(UsageError, match="no folder with photographs"):
        experiment.measure(Unit("voc", TABLE_3[0], 0), SILENT)
    assert "vgg16_features_fp16.pth" in declared(data=tmp_path)["voc"].needs


def test_systems_are_those_of_the_claims() -> None:
    paper = find_paper("deeplab")
    systems = {operand.system for operand in paper.operands.values()}
    found = declared()
    assert set(STATEMENTS) == set(statements.STATEMENTS)
    for key in (*EXACT, "scenes"):
        unclaimed = set(found[key].systems) - systems
        assert unclaimed == ({"ResNet-101 + LargeFOV", "ResNet-101 + ASPP"} if key == "architecture" else set())
    printed_after_crf = {f"{system} + CRF" for system in (STEP, *TABLE_3)}
    near = {f"{system}{crf} near boundaries" for system in (TABLE_3[0], "ResNet-101") for crf in ("", " + CRF")}
    assert printed_after_crf | near <= systems & set(found["scenes"].measured())


def test_every_claim_that_follows_from_a_network_is_reached() -> None:
    """No printed count, size or rate of the networks is left out of the derivations."""
    found = [declared()[key] for key in EXACT]
    derivable = {"parameters", "kernel-side", "dilation", "field-of-view", "output-stride", "channels"}
    reached = {(system, reach.metric) for e in found for system in e.systems for reach in e.reaches}
    missing = {
        (claim.system, claim.metric)
        for claim in find_paper("deeplab").claims.values()
        if claim.metric in derivable and (claim.system, claim.metric) not in reached
    }
    assert missing == set()


def test_recipes_are_plain_json_and_tell_the_scales_apart() -> None:
    found = [declared(**options)["scenes"].recipe for options in ({}, {"toy": True}, {"epochs": {"scenes": 4}})]
    assert len({json.dumps(recipe, sort_keys=True) for recipe in found}) == 3
    assert [recipe["scale"] for recipe in found] == ["cpu", "toy", "cpu"]


def test_a_budget_cuts_epochs_and_says_so() -> None:
    for key in TRAINED:
        full, cut = declared()[key], declared(epochs={key: 3})[key]
        assert (cut.recipe["training"]["epochs"], cut.trade and cut.trade.epochs) == (3, 3)
        assert {d.topic for d in cut.deviations} - {d.topic for d in full.deviations} == {"time budget"}


def test_every_deviation_says_what_where_and_why() -> None:
    assert all(experiment.deviations for experiment in declared().values())
    assert vague_deviations(declared().values()) == []


def test_sources_cover_what_is_imported_to_measure() -> None:
    """Every module of the project that measuring a trained unit imports is in the digest or cannot change a number."""
    besides = ("reproductions.deeplab.recipes", *(f"harness.datasets.{name}" for name in ("camvid", "lists", "voc")))
    assert uncovered("reproductions.deeplab.comparison", declared()["scenes"].source, besides=besides) == []


# What is derived ------------------------------------------------------------------------------------------------


def test_all_derivations_agree_with_what_is_printed() -> None:
    claims = find_paper("deeplab").claims.values()
    compared = 0
    for key in EXACT:
        experiment = declared()[key]
        for unit in experiment.units():
            for metric, value in experiment.measure(unit, SILENT).values.items():
                for claim in claims:
                    if (claim.system, claim.metric) == (unit.system, metric):
                        ours, theirs = UNITS[Metric(metric).unit], UNITS[claim.unit]
                        assert ours.dimension == theirs.dimension, claim.id
                        scaled = value * ours.factor / theirs.factor  # type: ignore[operator]
                        low, high = claim.printed.interval.low, claim.printed.interval.high
                        assert low <= scaled <= high, (claim.id, value)
                        compared += 1
    assert compared >= 50


@pytest.mark.parametrize("name", STATEMENTS)
def test_statements_give_whole_numbers(name: str) -> None:
    values = statements.STATEMENTS[name]()
    assert values
    assert all(isinstance(value, int) and value > 0 for value in values.values())


def test_an_atrous_convolution_costs_what_a_convolution_costs() -> None:
    plain, atrous = (statements.STATEMENTS[name]() for name in ("3x3 convolution", "3x3 atrous convolution, rate 12"))
    assert (plain.pop("field-of-view"), atrous.pop("field-of-view")) == (3, 3 + (3 - 1) * (12 - 1))
    assert plain == atrous == {"parameters": (9 * 512 + 1) * 1024, "multiply-adds": 9 * 512 * 1024}


def test_no_single_number_describes_different_ones() -> None:
    with pytest.raises(ValueError, match=r"\[1, 2\]"):
        statements.common([1, 2, 1])


# What is trained ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    folder = tmp_path_factory.mktemp("units")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found = {}
    for place, system in enumerate(SYSTEMS):
        scratch = folder / str(place)
        scratch.mkdir()
        found[system] = run_toy("scenes", system, scratch)
    torch.set_num_threads(threads)
    return found


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_unit_keeps_what_its_report_needs(system: str, outcomes: Mapping[str, Outcome]) -> None:
    check(outcomes[system], ("", ".crf") if system in TOY.refined else ("",), images=8, classes=11, side=65)


def check(outcome: Outcome, suffixes: tuple[str, ...], *, images: int, classes: int, side: int) -> None:
    arrays: Mapping[str, NDArray[Any]] = outcome.arrays
    stems = {name.partition(".")[2] for name in arrays if name.startswith("confusion")}
    near = {"": "near", ".crf": "near-crf"}
    assert stems == {suffix.removeprefix(".") for suffix in suffixes} | {near[suffix] for suffix in suffixes}
    for suffix in suffixes:
        counts, band = arrays[f"confusion{suffix}"], arrays[f"confusion.{near[suffix]}"]
        assert counts.shape == band.shape == (images, classes, classes + 1)
        assert (band <= counts).all()
        assert 0 < band.sum() < counts.sum() <= images * side**2
        assert arrays[f"panel_labels{suffix}"].shape[1:] == (side, side)
        assert arrays[f"panel_labels{suffix}"].max() < classes
    assert ("crf-w1" in outcome.values) == (".crf" in suffixes)
    assert {row["phase"] for row in outcome.log} == {NETWORK}
    assert all(np.isfinite(float(row["loss"])) for row in outcome.log)


def test_a_unit_is_a_pure_function(outcomes: Mapping[str, Outcome], tmp_path: Path) -> None:
    again = run_toy("scenes", MULTI_SCALE, tmp_path)
    assert again.arrays.keys() == outcomes[MULTI_SCALE].arrays.keys()
    assert all(np.array_equal(again.arrays[name], array) for name, array in outcomes[MULTI_SCALE].arrays.items())


def test_training_lowers_the_loss_at_the_cells(tmp_path: Path) -> None:
    """Ten passes over the toy's scenes bring every kind of network well below the loss of guessing, ln 11 = 2.4."""
    recipe = replace(TOY, training=replace(TOY.training, epochs=10))
    sets = load_sets(recipe.data, None)
    for place, system in enumerate((TABLE_3[2], MULTI_SCALE)):
        (tmp_path / str(place)).mkdir()
        context = Context(tmp_path / str(place), "cpu", lambda *_: None)
        desk = Desk.of(Unit("scenes", system, 0), context, recipe, sets)
        with arithmetic(desk.device):
            model = desk.place(lambda system=system: Trained(network(system, recipe)))  # type: ignore[misc]
            log = desk.train(NETWORK, model, recipe.training, loss=training_loss)
        assert float(log[-1]["loss"]) < 1.5 < float(log[0]["loss"]) + 0.5


def test_another_papers_recipe_is_refused(tmp_path: Path) -> None:
    from harness.segmentation.recipe import Recipe

    plain = Recipe(scale="toy", width=1.0, data=TOY.data, classes=TOY.classes, training=TOY.training)
    with pytest.raises(TypeError, match="Recipe"):
        measure(Unit("scenes", STEP, 0), Context(tmp_path, "cpu", lambda *_: None), plain, load_sets(TOY.data, None))


def test_schedules_are_in_the_proportions_of_table_2() -> None:
    """6K iterations of 30 images against 20K of 10: nine tenths of the images in three tenths of the steps."""
    recipe = recipes.scenes("cpu")
    step, poly, last = (recipe.training_of(system) for system in (STEP, POLY, TABLE_3[0]))
    assert (step.decay, poly.decay, last.decay) == ("step", "poly", "poly")
    assert replace(step, decay="poly") == poly
    assert (step.batch / last.batch, step.epochs / last.epochs) == (30 / 10, (6 * 30) / (20 * 10))
    rates = [step.rate(iteration, 6_000) for iteration in (0, 1_999, 2_000, 4_000)]
    assert rates == pytest.approx([recipes.RATE * factor for factor in (1, 1, 0.1, 0.01)])


@pytest.mark.parametrize("system", SYSTEMS)
def test_networks_differ_only_in_what_is_compared(system: str) -> None:
    recipe = recipes.scenes("cpu")
    torch.manual_seed(0)
    built = network(system, recipe)
    assert isinstance(built, MultiScale) == (system == MULTI_SCALE)
    single = built.network if isinstance(built, MultiScale) else built
    assert single.features(torch.zeros(1, 3, 65, 65)).shape[-2:] == (17, 17)
    rates = {
        layer.dilation[0]
        for layer in single.head.modules()
        if isinstance(layer, torch.nn.Conv2d) and layer.kernel_size != (1, 1)
    }
    halves = {"VGG-16 ASPP-S": {1, 2, 4, 6}, "VGG-16 ASPP-L": {3, 6, 9, 12}}
    assert rates == (set() if system.startswith("ResNet") else halves.get(system, {6}))


def test_a_head_on_maps_is_the_rest_of_the_network() -> None:
    recipe = replace(TOY, width=1.0, head=1 / 64, geometry=recipes.photographs("toy").geometry)
    torch.manual_seed(0)
    trunk, rest = vgg_trunk(recipe.geometry, 1.0).eval(), on_maps("VGG-16 ASPP-L", recipe).eval()
    whole = DeepLab(trunk, rest.head).eval()
    images = torch.randn(1, 3, 57, 65)
    with torch.no_grad():
        assert torch.equal(AtPixels(rest.head, (57, 65), 8)(trunk(images)), whole(images))
    rates = [first_convolution(branch).dilation[0] for branch in rest.head.children()]
    assert rates == [3, 6, 9, 12]


def test_heads_on_photographs(shared: Callable[[str], Path], tmp_path: Path) -> None:
    shared("data/VOCdevkit")
    folder = shared("data/weights/vgg16_features_fp16.pth").parents[1]
    outcome = run_toy("voc", "VGG-16 ASPP-L", tmp_path, data=folder)
    check(outcome, ("", ".crf"), images=6, classes=21, side=161)
    assert "panel_images" not in outcome.arrays


# What is timed --------------------------------------------------------------------------------------------------


def test_timings_are_declared_and_refuse_to_run_alone() -> None:
    timed = [e for e in declared().values() if e.evidence is Evidence.TIMING]
    assert [e.key for e in timed] == ["atrous", "atrous-gpu", "training-speed", "training-speed-gpu"]
    assert {e.systems for e in timed} == {WAYS, TABLE_1}
    for experiment in timed:
        with pytest.raises(UsageError, match="nox -s bench"):
            experiment.measure(experiment.units()[0], SILENT)


def test_the_benchmark_becomes_records_and_ratios(tmp_path: Path) -> None:
    path, root = tmp_path / "bench.json", Path(__file__).parents[1]
    command = ["-m", "pytest", "benchmarks/test_atrous.py", "-q", "-k", "atrous_convolution and not sampling"]
    done = subprocess.run(
        [sys.executable, *command, f"--benchmark-json={path}"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    kept = {record.system: (record, arrays) for record, arrays in read(path)}
    assert set(kept) == set(WAYS) - {"sparse sampling"}
    record, arrays = kept["deinterlacing"]
    assert (record.paper, record.evidence) == ("deeplab", Evidence.TIMING)
    assert arrays["seconds"].shape == (record.recipe["blocks"] * record.recipe["rounds"],)
    shown = CliRunner().invoke(bench, ["--from", str(path), "--ledger", str(tmp_path / "ledger")])
    assert shown.exit_code == 0, shown.output
    assert "2 records added" in shown.output
