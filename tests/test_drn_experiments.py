"""The experiments of the paper drn: what is derived against the paper and known counts, what is trained end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from experiment_desk import SILENT, ExperimentDesk, equal, uncovered, vague_deviations
from numpy.typing import NDArray

from harness.claims.papers import find_paper
from harness.datasets import imagenette
from harness.errors import UsageError
from harness.experiment import Context, Outcome, Unit
from harness.metrics.localisation import best_iou
from harness.statistics.evidence import Evidence
from reproductions.drn import exact, pictures, recipes
from reproductions.drn.experiments import STATEMENTS, TABLE_1

pytestmark = pytest.mark.usefixtures("one_thread")
DESK = ExperimentDesk("drn")
declared, derived = DESK.declared, DESK.derived
TOY = recipes.scenes("toy")
N, WIDE = TOY.data.test, TOY.data.wide
K = len(TOY.classes)


def run_toy(system: str, scratch: Path, seed: int = 0, at: Callable[[str, int], None] | None = None) -> Outcome:
    scratch.mkdir(parents=True, exist_ok=True)
    context = Context(scratch, "cpu", lambda what, done, _: at(what, done) if at else None)
    return declared(toy=True)["scenes"].measure(Unit("scenes", system, seed), context)


# What is declared -----------------------------------------------------------------------------------------------


def test_declaring_needs_no_torch_and_no_folder() -> None:
    assert DESK.keys_at_once(Path("nowhere")) == "['architecture', 'statements', 'scenes', 'imagenette'] False"


def test_photographs_are_declared_without_a_folder_and_ask_for_one() -> None:
    experiment = declared()["imagenette"]
    assert "--data DIR" in experiment.needs
    with pytest.raises(UsageError, match="no folder with photographs"):
        experiment.measure(Unit("imagenette", "ResNet-18", 0), SILENT)


def test_systems_are_those_of_the_claims() -> None:
    systems = {claim.system for claim in find_paper("drn").claims.values()}
    assert set(TABLE_1) | set(STATEMENTS) | set(recipes.SYSTEMS) <= systems
    assert set(STATEMENTS) == set(exact.STATEMENTS)


def test_every_reach_is_of_some_claim() -> None:
    claims = find_paper("drn").claims.values()
    for experiment in declared().values():
        for reach in experiment.reaches:
            if reach.metric in ("multiply-adds", "receptive-field", "gridding"):
                continue
            assert any((c.metric, c.protocol) == (reach.metric, reach.protocol) for c in claims), reach


def test_recipes_are_plain_json_and_tell_the_scales_apart() -> None:
    found = [declared(**o)["scenes"].recipe for o in ({}, {"toy": True}, {"epochs": {"scenes": 4}})]
    found.append(declared()["scenes-gpu"].recipe)
    assert len({json.dumps(msgspec.to_builtins(recipe), sort_keys=True) for recipe in found}) == 4
    assert [recipe["scale"] for recipe in found] == ["cpu", "toy", "cpu", "gpu"]
    assert len(found[0]["classes"]) == 11


def test_a_budget_cuts_epochs_and_says_so() -> None:
    full, cut = declared()["scenes"], declared(epochs={"scenes": 3}, seeds=2)["scenes"]
    assert full.trade is not None
    assert cut.trade is not None
    assert (full.recipe["classification"]["epochs"], cut.recipe["classification"]["epochs"]) == (full.trade.epochs, 3)
    assert cut.trade.epochs == 3
    assert (full.seeds, cut.seeds) == ((0, 1, 2), (0, 1))
    extra = {d.topic for d in cut.deviations} - {d.topic for d in full.deviations}
    assert extra == {"time budget"}


def test_every_deviation_says_what_where_and_why() -> None:
    found = declared().values()
    assert vague_deviations(found) == []
    assert all(e.deviations or e.evidence is Evidence.TIMING for e in found)


def test_sources_cover_what_is_imported_to_measure() -> None:
    """Every module of the project that measuring a trained unit imports is in the digest or cannot change a number."""
    assert (
        uncovered("reproductions.drn.comparison", declared()["scenes"].source, besides=("reproductions.drn.recipes",))
        == []
    )


# What is derived ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "parameters"),
    [("DRN-A-18", 11_689_512), ("DRN-A-50", 25_557_032), ("DRN-C-26", 21_126_584), ("DRN-C-42", 31_234_744)],
)
def test_parameters_are_those_of_the_released_models(system: str, parameters: int) -> None:
    assert derived("architecture", system)["parameters"] == parameters


DIFFERING = {"s2/without-striding/receptive-field-loss": 435 / 227}
"""The statement of the text that does not hold of the networks: the receptive field of ResNet-18 goes from 435 to 227
pixels, not to a quarter, since its first three groups stay as they are."""


@pytest.mark.parametrize("key", ["architecture", "statements"])
def test_derived_quantities_are_the_printed_ones(key: str) -> None:
    experiment = declared()[key]
    assert experiment.evidence is Evidence.EXACT
    compared = 0
    for claim in find_paper("drn").claims.values():
        if claim.system not in experiment.systems or all(reach.metric != claim.metric for reach in experiment.reaches):
            continue
        value = derived(key, claim.system).get(claim.metric)
        if not isinstance(value, int | float):
            continue
        factor = 1e6 if claim.unit == "M" else 1
        intervals = [printed.interval for printed in claim.readings or (claim.printed,)]
        inside = any(float(i.low) <= value / factor <= float(i.high) for i in intervals)
        compared += 1
        assert inside != (claim.id in DIFFERING), (claim.id, value)
    assert compared >= (20 if key == "architecture" else 16)


def test_statements_that_fail_fail_by_the_known_amount() -> None:
    claims = find_paper("drn").claims
    for claim_id, expected in DIFFERING.items():
        values = derived("statements", claims[claim_id].system)
        assert values["ratio"] == pytest.approx(expected, rel=0.005)


def test_degridding_separates_the_constructions() -> None:
    resnet, a, b, c = (float(derived("architecture", system)["gridding"]) for system in recipes.SYSTEMS)
    assert a > b > c
    assert resnet == 0


# What is trained ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    torch.set_num_threads(1)
    return {system: run_toy(system, tmp_path_factory.mktemp(system)) for system in recipes.SYSTEMS}


@pytest.mark.parametrize("system", recipes.SYSTEMS)
def test_arrays_are_as_a_record_keeps_them(outcomes: dict[str, Outcome], system: str) -> None:
    shapes = {
        "ranks": ("uint16", (N,)),
        "loc_ranks": ("uint16", (N,)),
        "loc_iou": ("float32", (N,)),
        "loc_sweep": ("float32", (N, len(TOY.thresholds))),
        "loc_boxes": ("int16", (N, 4)),
        "confusion": ("int32", (N, K, K + 1)),
        "panel_images": ("uint8", (6, 32, 32, 3)),
        "panel_index": ("int32", (6,)),
        "panel_boxes": ("int16", (6, 2, 4)),
        "panel_truth": ("uint8", (6, 32, 32)),
        "panel_labels": ("uint8", (6, 32, 32)),
        "panel_maps": ("float32", (6, 1, 1) if system == "ResNet-18" else (6, 4, 4)),
    }
    if system != "ResNet-18":
        shapes["gridding"] = ("float32", (WIDE,))
    arrays = outcomes[system].arrays
    assert {name: (array.dtype.name, array.shape) for name, array in arrays.items()} == shapes


@pytest.mark.parametrize("system", recipes.SYSTEMS)
def test_outcomes_fit_the_scenes(outcomes: dict[str, Outcome], system: str) -> None:
    arrays = outcomes[system].arrays
    seen = pictures.scene_pictures(TOY.data)
    assert seen.test.masks is not None
    assert seen.test.truth is not None
    pixels = np.stack([np.bincount(mask.ravel(), minlength=K) for mask in seen.test.masks])
    assert np.array_equal(arrays["confusion"].sum(axis=2), pixels)
    assert np.array_equal(arrays["ranks"], arrays["loc_ranks"])
    boxes = arrays["loc_boxes"].astype(np.float64)
    boxes[(arrays["loc_boxes"] < 0).all(axis=1)] = np.nan
    again = best_iou(boxes, seen.test.truth.boxes, seen.test.truth.owners)
    assert np.allclose(arrays["loc_iou"], again, atol=1e-6)
    panels = arrays["panel_index"]
    assert np.array_equal(arrays["panel_images"], seen.test.pixels[panels])
    assert len(set(seen.test.labels[panels])) == 6
    assert np.array_equal(arrays["panel_boxes"][:, 1], arrays["loc_boxes"][panels])
    assert np.array_equal(arrays["panel_boxes"][:, 0], seen.test.truth.boxes[panels])
    assert np.array_equal(arrays["panel_truth"], seen.test.masks[panels])
    assert 0 <= arrays["panel_maps"].min() <= arrays["panel_maps"].max() <= 1


def test_panels_are_the_same_for_every_system(outcomes: dict[str, Outcome]) -> None:
    shown: list[NDArray[np.int32]] = [outcome.arrays["panel_index"] for outcome in outcomes.values()]
    assert all(np.array_equal(shown[0], other) for other in shown[1:])


def test_log_has_a_row_for_every_epoch(outcomes: dict[str, Outcome]) -> None:
    assert TOY.segmentation is not None
    phases = [row["phase"] for row in outcomes["DRN-C-26"].log]
    assert phases == ["classification"] * TOY.classification.epochs + ["segmentation"] * TOY.segmentation.epochs


def test_seeds_differ_and_repeat(outcomes: dict[str, Outcome], tmp_path: Path) -> None:
    assert equal(run_toy("DRN-A-18", tmp_path / "same"), outcomes["DRN-A-18"])
    assert not equal(run_toy("DRN-A-18", tmp_path / "other", seed=1), outcomes["DRN-A-18"])


def test_a_killed_unit_goes_on_to_the_same_bits(outcomes: dict[str, Outcome], tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, torch; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "import test_drn_experiments as t; torch.set_num_threads(1);"
        "kill = lambda what, done: os.kill(os.getpid(), signal.SIGKILL)"
        " if what.endswith('segmentation') and done == 3 else None;"
        "t.run_toy('DRN-C-26', Path(sys.argv[2]), at=kill)"
    )
    arguments = (str(Path(__file__).parent), str(tmp_path))
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    child = subprocess.run([sys.executable, "-c", code, *arguments], env=environment, check=False)
    assert child.returncode == -signal.SIGKILL
    steps: list[str] = []
    resumed = run_toy("DRN-C-26", tmp_path, at=lambda what, _: steps.append(what))
    assert equal(resumed, outcomes["DRN-C-26"])
    assert len(steps) < len(outcomes["DRN-C-26"].log) * (TOY.data.train // TOY.classification.batch)


def test_costs_are_estimated_by_doing() -> None:
    experiment = declared(toy=True)["scenes"]
    assert experiment.cost is not None
    cost = experiment.cost(Unit("scenes", "ResNet-18", 0), "cpu")
    assert cost.setup > 0
    assert cost.per_epoch > 0


# Photographs ----------------------------------------------------------------------------------------------------


def test_photographs_end_to_end(shared: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shared("data/imagenette2-112")
    monkeypatch.chdir(tmp_path)
    experiment = declared(toy=True, data=folder)["imagenette"]
    assert experiment.data is not None
    described = experiment.data(lambda *_: None)
    assert (described.train, described.test) == (48, 48)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    outcome = experiment.measure(Unit("imagenette", "DRN-C-26", 0), Context(scratch, "cpu", lambda *_: None))
    assert "panel_images" not in outcome.arrays
    assert {name: array.shape for name, array in outcome.arrays.items()} == {
        "ranks": (48,),
        "loc_ranks": (48,),
        "loc_iou": (48,),
        "loc_sweep": (48, 20),
        "loc_boxes": (48, 4),
        "gridding": (48,),
        "panel_index": (6,),
        "panel_maps": (6, 4, 4),
        "panel_boxes": (6, 2, 4),
    }
    assert set(outcome.values) == {"threshold-even", "threshold-odd"}


def test_objects_are_as_large_as_imagenets() -> None:
    """The mean share of the frame, 0.41, was computed from the official boxes of 500 validation images."""
    truth = pictures.scene_pictures(recipes.scenes("cpu").data).test.truth
    assert truth is not None
    sides = truth.boxes[:, 2:].astype(int) - truth.boxes[:, :2] + 1
    assert (sides.prod(axis=1) / 48**2).mean() == pytest.approx(0.41, abs=0.02)


def test_official_boxes_cover_as_much(shared: Callable[[str], Path]) -> None:
    data = imagenette.open_imagenette(shared("data/imagenette2-112"))
    largest: dict[str, float] = {}
    for box in data.boxes:
        left, top, right, bottom = box.edges
        largest[box.path] = max(largest.get(box.path, 0.0), (right - left) * (bottom - top))
    assert np.mean(list(largest.values())) == pytest.approx(0.41, abs=0.01)
