"""The experiments of the paper dilation: what is derived against known values, what is trained end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from itertools import combinations
from math import gcd
from pathlib import Path

import msgspec
import numpy as np
import pytest
from experiment_desk import SILENT, ExperimentDesk, equal, uncovered, vague_deviations

from harness.architecture import receptive_size
from harness.claims.papers import find_paper
from harness.errors import UsageError
from harness.experiment import Unit
from harness.scoring.reach import conversion, metric_of
from harness.statistics.evidence import Evidence
from reproductions.dilation import exact, recipes, statements
from reproductions.dilation.experiments import ARCHITECTURES, STATEMENTS, WEIGHTS
from reproductions.dilation.specs import CONVOLUTIONS

pytestmark = pytest.mark.usefixtures("one_thread")
DESK = ExperimentDesk("dilation")
declared, run_toy, derived = DESK.declared, DESK.run_toy, DESK.derived
TRAINED = ("scenes", "scenes-seen-whole", "front-ends", "voc", "voc-front-ends")


# What is declared -----------------------------------------------------------------------------------------------


def test_declaring_needs_no_torch() -> None:
    keys = ["architecture", "statements", "scenes", "scenes-seen-whole", "front-ends", "memory"]
    assert DESK.keys_at_once() == f"{keys} False"


def test_photographs_ask_for_a_folder_and_for_weights_in_it(tmp_path: Path) -> None:
    for key in ("voc", "voc-front-ends"):
        assert declared()[key].needs == "a folder that holds VOCdevkit: --data DIR"
        assert "vgg16_features_fp16.pth" in declared(data=tmp_path)[key].needs
        with pytest.raises(UsageError, match="no folder with photographs"):
            declared()[key].measure(Unit(key, "Front end", 0), SILENT)


def test_systems_are_those_of_the_claims() -> None:
    paper = find_paper("dilation")
    known = {operand.system for operand in paper.operands.values()}
    variants = recipes.CONTEXT_VARIANTS | recipes.RNN_VARIANTS | recipes.FRONT_END_VARIANTS
    trained = {*recipes.FRONT_ENDS, *variants.values()}
    assert trained - known == {"Front + Basic, undilated"}, "a control of ours"
    assert set(ARCHITECTURES) == set(exact.ARCHITECTURES)
    assert set(STATEMENTS) == set(statements.STATEMENTS)


def test_every_printed_number_of_a_derived_system_has_a_comparable_unit() -> None:
    claims = find_paper("dilation").operands.values()
    for key in ("architecture", "statements"):
        reached = {reach.metric for reach in declared()[key].reaches}
        for claim in claims:
            if claim.system in declared()[key].systems and claim.metric in reached:
                assert conversion(metric_of(claim), claim) > 0


def test_every_statement_of_the_claims_is_derived() -> None:
    """Counts and settings that follow from a network or an operator; what is left is of data sets."""
    claims = find_paper("dilation").claims.values()
    exactly = {"kernel-side", "dilation", "receptive-field", "channels", "layers", "ratio", "count", "map-side"}
    systems = set(ARCHITECTURES) | set(STATEMENTS)
    assert {c.system for c in claims if c.metric in exactly} <= systems


def test_recipes_are_plain_json_and_tell_the_scales_apart() -> None:
    for key in TRAINED:
        found = [declared(**o)[key].recipe for o in ({}, {"toy": True}, {"epochs": {key: 3}})]
        assert len({json.dumps(msgspec.to_builtins(recipe), sort_keys=True) for recipe in found}) == 3
        assert [recipe["scale"] for recipe in found] == ["cpu", "toy", "cpu"]


def test_a_budget_cuts_epochs_and_says_so() -> None:
    for key in TRAINED:
        full, cut = declared()[key], declared(epochs={key: 3}, seeds=2)[key]
        assert (cut.recipe["training"]["epochs"], cut.seeds) == (3, (0, 1))
        extra = {d.topic for d in cut.deviations} - {d.topic for d in full.deviations}
        assert extra == {"time budget"}


def test_every_deviation_says_what_where_and_why() -> None:
    assert all(experiment.deviations for experiment in declared().values())
    assert vague_deviations(declared().values()) == []


def test_sources_cover_what_is_imported_to_measure() -> None:
    """Every module of the project that measuring a trained unit imports is in the digest or cannot change a number."""
    source = {module for key in TRAINED for module in declared()[key].source}
    besides = (
        "harness.datasets.camvid",
        "harness.metrics.classification",
        "harness.metrics.localisation",
        "reproductions.dilation.recipes",
    )
    assert uncovered("reproductions.dilation.comparison", source, besides=besides) == []


# What is derived ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("VGG-16", {"parameters": 138_357_544, "layers": 16, "output-stride": 32}),
        ("Front end", {"parameters": 134_346_581, "receptive-field": 380, "output-stride": 8, "map-side": 64}),
        ("DeepLab", {"parameters": 65_140_565}),
        ("DeepLab-LFOV", {"parameters": 20_505_429}),
        ("Basic", {"parameters": 28_392, "layers": 8, "receptive-field": 67, "coverage": 100, "channels": 21}),
        ("Large", {"parameters": 6_803_139, "layers": 8, "receptive-field": 67, "map-side": 64}),
        ("context module of Dilation7", {"layers": 7, "receptive-field": 35}),
        ("context module of Dilation10", {"layers": 10, "receptive-field": 259}),
        ("Exponential stack", {"receptive-field": 15, "parameters": 27, "coverage": 100, "output-stride": 1}),
        ("Plain stack", {"receptive-field": 7, "parameters": 27, "coverage": 100, "output-stride": 1}),
        ("Front + Basic", {"parameters": 134_346_581 + 28_392, "receptive-field": 380 + 8 * 66}),
    ],
)
def test_known_quantities(system: str, expected: dict[str, int]) -> None:
    found = derived("architecture", system)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(("side", "layers"), [(3, 1), (63, 31), (67, 33), (259, 129), (68, 34)])
def test_plain_stacks_grow_by_two_cells_a_layer(side: int, layers: int) -> None:
    assert exact.plain_layers(side) == layers == -(-(side - 1) // 2)
    assert receptive_size([1] * layers) >= side > receptive_size([1] * (layers - 1))


def test_a_plain_stack_as_wide_as_basic_takes_more_than_four_times_its_weights() -> None:
    plain = derived("architecture", "Plain stack as wide as Basic")
    assert (plain["layers"], plain["parameters"], plain["receptive-field"]) == (33, 33 * 9, 67)
    assert derived("statements", "parameters of Basic over C²") == {"ratio": 64}


def test_multiply_adds_of_the_basic_module_by_hand() -> None:
    """Each unpadded 3x3 layer makes a map two dilations smaller of one that begins with 33 cells on every side."""
    side, work = 64 + 2 * 33, 0
    for dilation in (1, 1, 2, 4, 8, 16, 1):
        side -= 2 * dilation
        work += side**2 * 9 * 21**2
    assert side == 64
    assert derived("architecture", "Basic")["multiply-adds"] == work + 64**2 * 21**2


def test_derived_claims_are_the_printed_ones() -> None:
    """Every number of the claims file that the derivations reach agrees with it."""
    found = {
        (system, metric): value
        for key in ("architecture", "statements")
        for system in declared()[key].systems
        for metric, value in derived(key, system).items()
    }
    compared = 0
    for claim in find_paper("dilation").claims.values():
        value = found.get((claim.system, claim.metric))
        if value is not None and not isinstance(value, str):
            assert Fraction(value) * conversion(metric_of(claim), claim) == claim.printed.value, claim.id
            compared += 1
    assert compared >= 50


def covered(rates: tuple[int, ...]) -> bool:
    reached = {0}
    for rate in rates:
        reached = {cell + step for cell in reached for step in (-rate, 0, rate)}
    return len(reached) == 1 + 2 * sum(rates)


def test_counts_of_sets_of_rates_by_enumeration() -> None:
    sets = [rates for size in (2, 3, 4) for rates in combinations(range(1, 13), size)]
    pairwise = [all(gcd(a, b) == 1 for a, b in combinations(rates, 2)) for rates in sets]
    expected = {
        "sets of rates with a common factor that leave no blind spot": sum(
            gcd(*rates) > 1 and covered(rates) for rates in sets
        ),
        "sets of rates without a common factor that leave blind spots": sum(
            gcd(*rates) == 1 and not covered(rates) for rates in sets
        ),
        "sets of pairwise coprime rates that leave blind spots": sum(
            coprime and not covered(rates) for rates, coprime in zip(sets, pairwise, strict=True)
        ),
        "sets of rates not pairwise coprime that leave no blind spot": sum(
            not coprime and covered(rates) for rates, coprime in zip(sets, pairwise, strict=True)
        ),
    }
    assert {system: derived("statements", system)["count"] for system in expected} == expected
    assert covered((1, 2, 5, 9))
    assert derived("statements", "rates 1, 2, 5, 9")["coverage"] == 100


@pytest.mark.parametrize(
    "system", ["equation 2 less the library's operator", "inserted zeros less the library's operator"]
)
def test_operators_agree_exactly_on_whole_numbers(system: str) -> None:
    assert derived("statements", system) == {"difference": 0.0}


# What is trained ------------------------------------------------------------------------------------------------


def test_context_modules_end_to_end(tmp_path: Path) -> None:
    outcome = run_toy("scenes", "Front end", tmp_path)
    recipe = recipes.scenes("toy")
    pixels = recipe.data.spec.size**2 if isinstance(recipe.data, recipes.SceneData) else 0
    for suffix in ("", *(f".{name}" for name in recipe.variants)):
        counts = outcome.arrays[f"confusion{suffix}"]
        assert counts.shape == (recipe.data.test, 11, 12)
        assert (counts.sum(axis=(1, 2)) == pixels).all()
    phases = [row["phase"] for row in outcome.log]
    assert phases == ["network"] * 2 + ["rnn", "basic", "basic-rnn", "large", "large-rnn", "random", "undilated"]
    assert all(np.isfinite(float(row["loss"])) for row in outcome.log)
    assert {"crf-w1", "basic-crf-w1", "large-crf-w1"} <= set(outcome.values)


@pytest.mark.parametrize("system", recipes.FRONT_ENDS)
def test_front_ends_end_to_end(system: str, tmp_path: Path) -> None:
    outcome = run_toy("front-ends", system, tmp_path)
    assert ("confusion.crf" in outcome.arrays) == (system == "DeepLab")
    assert outcome.arrays["confusion"].shape == (12, 11, 12)
    assert outcome.arrays["panel_images"].shape == (6, 32, 32, 3)


def test_seeds_differ_and_repeat(tmp_path: Path) -> None:
    first, again, other = (
        run_toy("front-ends", "FCN-8s", tmp_path / str(place), seed) for place, seed in enumerate((0, 0, 1))
    )
    assert equal(first, again)
    losses = [[row["loss"] for row in outcome.log] for outcome in (first, again, other)]
    assert losses[0] == losses[1] != losses[2]


def test_costs_are_estimated_by_doing() -> None:
    experiment = declared(toy=True)["front-ends"]
    assert experiment.cost is not None
    assert experiment.cost(Unit("front-ends", "FCN-8s", 0), "cpu").per_epoch > 0


@pytest.mark.parametrize(("key", "system"), [("voc", "Front end"), ("voc-front-ends", "DeepLab")])
def test_photographs_end_to_end(
    key: str, system: str, shared: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shared("data/VOCdevkit").parent
    shared(f"data/{WEIGHTS}")
    monkeypatch.chdir(tmp_path)
    outcome = run_toy(key, system, tmp_path / "scratch", data=folder)
    assert "panel_images" not in outcome.arrays
    assert outcome.arrays["confusion"].shape == (8, 21, 22)
    assert outcome.arrays["confusion.crf"].shape == (8, 21, 22)
    assert "confusion.rnn" not in outcome.arrays
    assert len(str(outcome.values["weights-sha256"])) == 64


# What is measured -----------------------------------------------------------------------------------------------


def test_memory_of_operators() -> None:
    """The result alone is a lower bound."""
    experiment = declared(toy=True)["memory"]
    assert experiment.evidence is Evidence.TIMING
    assert experiment.systems == tuple(CONVOLUTIONS)
    full = declared()["memory"]
    result = 64 * 512 * 512 * 4 / 2**20
    standard, dilated = (
        float(full.measure(Unit("memory", f"3x3, dilation {rate}", 0), SILENT).values["memory"]) for rate in (1, 4)
    )
    assert min(standard, dilated) >= result
    assert dilated == pytest.approx(standard, rel=0.1)
