"""The experiments of the paper hdc: what is derived against the paper, what is trained end to end."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from experiment_desk import SILENT, ExperimentDesk, uncovered, vague_deviations
from torch import nn

from harness.claims.papers import find_paper
from harness.errors import UsageError
from harness.experiment import Context, Unit
from harness.metrics.segmentation import confusion_counts
from harness.segmentation import sets as segmentation_sets
from harness.segmentation.sets import load_sets
from harness.statistics.evidence import Evidence
from reproductions.hdc import exact, recipes
from reproductions.hdc.comparison import cell_loss, on_maps, small
from reproductions.hdc.experiments import STATEMENTS
from reproductions.hdc.specs import MODELS, find_spec

pytestmark = pytest.mark.usefixtures("one_thread")
DESK = ExperimentDesk("hdc")
declared, run_toy, derived = DESK.declared, DESK.run_toy, DESK.derived
TRAINED = {"scenes": recipes.DECODERS, "dilations": recipes.VARIANTS}
PHOTOGRAPHED = {"camvid": recipes.DECODERS, "camvid-dilations": recipes.VARIANTS}
SETTINGS = ("recipes", "gpu_recipes", "rule")
"""Modules whose numbers are in the recipes, or that nothing trained is measured by."""


# What is declared -----------------------------------------------------------------------------------------------


def test_declaring_needs_no_torch() -> None:
    assert DESK.keys_at_once() == "['architecture', 'statements', 'rule', 'scenes', 'dilations'] False"
    lacking = {key: each.needs for key, each in declared().items() if not key.startswith("released")}
    needs = {key: needed for key, needed in lacking.items() if needed and not key.endswith("-gpu")}
    assert needs == dict.fromkeys(PHOTOGRAPHED, "a folder that holds CamVid: --data DIR")


def test_systems_are_those_of_the_claims() -> None:
    paper = find_paper("hdc")
    systems = {claim.system for claim in (*paper.claims.values(), *paper.unprinted.values())}
    stacks = {system for system in recipes.STACKS if " of " in system and "Figure" not in system}
    assert set(MODELS) | set(STATEMENTS) - stacks <= systems
    assert set(recipes.DECODERS) | set(recipes.VARIANTS) | {f"{recipes.REFINED} + CRF"} <= systems
    assert set(STATEMENTS) == set(exact.STATEMENTS)


def test_recipes_are_plain_json_and_tell_the_scales_apart() -> None:
    found = [declared(**o)["scenes"].recipe for o in ({}, {"toy": True}, {"epochs": {"scenes": 4}})]
    found += [declared()[key].recipe for key in ("dilations", *PHOTOGRAPHED)]
    assert len({json.dumps(recipe, sort_keys=True) for recipe in found}) == 6
    assert [recipe["scale"] for recipe in found] == ["cpu", "toy", *["cpu"] * 4]


def test_a_budget_cuts_epochs_and_says_so() -> None:
    for key in (*TRAINED, *PHOTOGRAPHED):
        full, cut = declared()[key], declared(epochs={key: 3}, seeds=2)[key]
        assert full.trade is not None
        assert (full.recipe["training"]["epochs"], cut.recipe["training"]["epochs"]) == (full.trade.epochs, 3)
        assert (full.seeds, cut.seeds) == ((0, 1, 2), (0, 1))
        assert {d.topic for d in cut.deviations} - {d.topic for d in full.deviations} == {"time budget"}


def test_every_deviation_says_what_where_and_why() -> None:
    found = declared().values()
    assert vague_deviations(found) == []
    assert all(e.deviations or e.evidence is Evidence.TIMING for e in found)


def test_sources_cover_what_is_imported_to_measure() -> None:
    """Every module of the project that measuring a trained unit imports is in the digest or cannot change a number."""
    frozen, trained = declared()["camvid"].source, declared()["scenes"].source
    assert set(trained) <= set(frozen)
    besides = ("harness.datasets.voc", "harness.metrics", *(f"reproductions.hdc.{name}" for name in SETTINGS))
    assert uncovered("reproductions.hdc.comparison", frozen, besides=besides) == []


# What is derived ------------------------------------------------------------------------------------------------

DIFFERING = {
    "t2/no-dilation/rf-increased": 52,
    "t2/dilation-conv/rf-increased": 80,
    "t2/dilation-bigger/rf-increased": 248,
}
"""The increases of Table 2 that do not follow from the rates of Section 4.1."""


@pytest.mark.parametrize("key", ["architecture", "statements"])
def test_derived_quantities_are_the_printed_ones(key: str) -> None:
    experiment = declared()[key]
    assert experiment.evidence is Evidence.EXACT
    compared = 0
    for claim in find_paper("hdc").claims.values():
        if claim.system not in experiment.systems or all(reach.metric != claim.metric for reach in experiment.reaches):
            continue
        value = derived(key, claim.system).get(claim.metric)
        if not isinstance(value, int | float):
            continue
        interval = claim.printed.interval
        inside = float(interval.low) <= value <= float(interval.high)
        compared += 1
        assert inside != (claim.id in DIFFERING), (claim.id, value)
        assert claim.id not in DIFFERING or DIFFERING[claim.id] == value
    assert compared >= (12 if key == "architecture" else 35)


def test_receptive_fields_are_those_of_the_rates() -> None:
    """The stem and the blocks before res4b see 99 pixels; each cell of increase is 8 more."""
    for name, increase in {"No dilation": 52, "Dilation-RF": 116, "Dilation-bigger": 248}.items():
        values = derived("architecture", name)
        assert (values["receptive-field"], values["receptive-field-increase"]) == (99 + 8 * increase, increase)
    assert (
        derived("architecture", "Dilation-RF")["receptive-field"]
        == derived("architecture", recipes.REFINED)["receptive-field"]
    )


def test_hybrid_networks_see_everything_and_the_uniform_one_a_quarter() -> None:
    assert derived("architecture", recipes.REFINED)["coverage"] == pytest.approx(100 * (59 / 117) ** 2)
    for name in ("No dilation", "Dilation-conv", "Dilation-RF", "Dilation-bigger"):
        assert derived("architecture", name)["coverage"] == 100


def test_gridding_is_less_at_the_periods_of_the_uniform_network_only() -> None:
    uniform, conv, hybrid, bigger = (
        derived("architecture", name) for name in (recipes.REFINED, "Dilation-conv", "Dilation-RF", "Dilation-bigger")
    )
    assert uniform["gridding"] == pytest.approx(1)
    assert conv["gridding"] == pytest.approx(1), "its last block is dilated by 2"
    assert float(bigger["gridding"]) < float(hybrid["gridding"]) < 0.6
    assert float(hybrid["gridding-of-own-rates"]) == pytest.approx(1)
    assert float(bigger["gridding-of-own-rates"]) == pytest.approx(1)
    assert derived("architecture", "No dilation")["gridding-of-own-rates"] == 0


def test_a_larger_cell_saves_most_of_the_cost_of_duc() -> None:
    one, two = (derived("architecture", f"DUC DS=8 ASPP=6 Aug=yes Cell={cell}") for cell in (1, 2))
    saved = 68 * 68 * 6 * 9 * 2048 * 19 * (64 - 16)
    assert int(one["multiply-adds"]) - int(two["multiply-adds"]) == saved


def test_the_rule_is_recorded_with_counts() -> None:
    values = derived("rule", "rule M2 <= K: all sequences of 2 to 5 rates up to 10")
    assert values["sequences"] == sum(10**length for length in (2, 3, 4, 5))
    assert (values["accepted-with-holes"], values["rejected-though-covered"]) == (9636, 21470)
    assert values["first-accepted-with-holes"] == "2, 2"


# What is trained ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "system"), [(key, system) for key, systems in TRAINED.items() for system in systems])
def test_a_toy_run_of_every_system(key: str, system: str, tmp_path: Path) -> None:
    experiment = declared(toy=True)[key]
    recipe = recipes.scenes("toy") if key == "scenes" else recipes.dilations("toy")
    outcome = run_toy(key, system, tmp_path)
    count, classes, side = recipe.data.test, len(recipe.classes), recipe.data.spec.size
    arrays = outcome.arrays
    suffixes = ("", ".crf") if key == "scenes" and system == recipes.REFINED else ("",)
    for suffix in suffixes:
        assert arrays[f"confusion{suffix}"].shape == (count, classes, classes + 1)
        assert (arrays[f"confusion{suffix}"].sum(axis=(1, 2)) == side * side).all()
        assert arrays[f"panel_labels{suffix}"].shape[1:] == (side, side)
    assert ("confusion.crf" in arrays) == (len(suffixes) == 2)
    assert ("gridding" in arrays) == (key == "dilations")
    if "gridding" in arrays:
        assert arrays["gridding"].shape == (count,)
        assert np.isfinite(arrays["gridding"]).all()
    assert [row["phase"] for row in outcome.log] == ["network"] * recipe.training.epochs
    assert all(math.isfinite(float(row["loss"])) for row in outcome.log)
    assert system in experiment.measured()


def test_a_unit_is_the_same_again(tmp_path: Path) -> None:
    first, second = (run_toy("scenes", recipes.DECODERS[0], tmp_path / name) for name in ("first", "second"))
    assert first.arrays.keys() == second.arrays.keys()
    assert all(np.array_equal(first.arrays[name], second.arrays[name]) for name in first.arrays)


def test_systems_differ_in_one_factor_only() -> None:
    recipe = recipes.dilations("cpu")
    states = []
    for system in recipes.VARIANTS:
        torch.manual_seed(5)
        states.append(small(find_spec(system), recipe).state_dict())
    assert all(torch.equal(state[key], value) for state in states for key, value in states[0].items())
    recipe = recipes.scenes("cpu")
    trunks = []
    for system in recipes.DECODERS:
        torch.manual_seed(5)
        trunks.append(small(find_spec(system), recipe).trunk.state_dict())
    assert all(torch.equal(trunk[key], value) for trunk in trunks for key, value in trunks[0].items())


def test_the_loss_is_of_the_pixels_next_to_the_middles_of_cells() -> None:
    labels = torch.arange(36).reshape(1, 6, 6) % 7
    scores = torch.randn(1, 7, 3, 3)
    by_hand = -torch.stack(
        [scores[0, :, y, x].log_softmax(0)[labels[0, 2 * y + 1, 2 * x + 1]] for y in range(3) for x in range(3)]
    ).mean()
    torch.testing.assert_close(cell_loss(2, scores, labels).value, by_hand)


def test_label_maps_of_a_record_are_those_that_are_counted(tmp_path: Path) -> None:
    outcome = run_toy("scenes", recipes.REFINED, tmp_path)
    truth = load_sets(recipes.scenes("toy").data, None).test.labels
    places = outcome.arrays["panel_index"]
    for suffix in ("", ".crf"):
        counted = confusion_counts(truth[places], outcome.arrays[f"panel_labels{suffix}"], 11)
        assert np.array_equal(counted, outcome.arrays[f"confusion{suffix}"][places])


# What stands on photographs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "system"),
    [("camvid", recipes.REFINED), ("camvid", recipes.DECODERS[0]), ("camvid-dilations", "Dilation-bigger")],
)
def test_a_toy_run_on_photographs(
    key: str, system: str, tmp_path: Path, shared: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shared("data/weights/vgg16_features_fp16.pth").parents[1]
    monkeypatch.setattr(segmentation_sets, "CACHE", tmp_path / "images")
    experiment = declared(toy=True, data=folder)[key]
    assert not experiment.needs
    outcome = experiment.measure(Unit(key, system, 0), Context(tmp_path, "cpu", lambda *_: None))
    arrays = outcome.arrays
    assert arrays["confusion"].shape == (12, 11, 12)
    assert arrays["confusion"].sum() > 0.8 * 12 * 96 * 128
    assert "panel_images" not in arrays
    assert ("confusion.crf" in arrays) == (system == recipes.REFINED)
    assert ("gridding" in arrays) == (key == "camvid-dilations")
    assert all(math.isfinite(float(row["loss"])) for row in outcome.log)


def test_without_weights_the_experiments_on_photographs_ask_for_them(tmp_path: Path) -> None:
    for key in PHOTOGRAPHED:
        assert declared(data=tmp_path)[key].needs == "weights/vgg16_features_fp16.pth in the data folder"
    with pytest.raises(UsageError, match="no folder with photographs"):
        declared()["camvid"].measure(Unit("camvid", recipes.REFINED, 0), SILENT)


def test_dilations_on_maps_are_those_of_the_variant() -> None:
    recipe = recipes.photographed_dilations("cpu")
    for system, expected in {"Dilation-RF": (1, 2, 3, 2, 3, 4, 5), "Dilation-bigger": (1, 2, 5, 9, 5, 9, 17)}.items():
        trunk = on_maps(find_spec(system), recipe).trunk
        found = [layer for layer in trunk.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)]
        assert tuple(layer.dilation[0] for layer in found) == expected
