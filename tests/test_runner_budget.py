"""A budget is traded for seeds, then for epochs; the trade is said, recorded, and stays the same run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_samples import ENVIRONMENT, sample_record
from msgspec.structs import replace as changed
from runner_desk import UNITS, Desk, Interrupt, quiet
from tiny_paper import EPOCHS, FEATURES, Calls, experiments

from harness.errors import InterruptedRunError, NothingMeasuredError
from harness.experiment import Cost, Experiment, Options, Trade
from harness.ledger.store import Ledger, Stored
from harness.runner.budget import RESERVE, fit
from harness.runner.estimate import cost_of, estimates
from harness.runner.prepare import prepare

SEEDS = 3


def budget(seconds: float) -> Options:
    return Options(device="cpu", budget=seconds)


def seconds_of(chosen: Sequence[Experiment]) -> float:
    """The tiny paper's cost by hand: a second and an epoch's worth of features for each unit."""
    trained = chosen[0]
    assert trained.trade is not None
    return sum(1.0 + trained.trade.epochs * FEATURES[system] for system in trained.systems) * len(trained.seeds)


FULL = seconds_of(experiments(Options()))


@given(st.floats(0.1, 2 * FULL))
def test_the_dearest_recipe_that_fits_is_chosen(seconds: float) -> None:
    options = budget(seconds)
    traded = fit(experiments, options, seconds_of)
    seeds, epochs = traded.seeds or SEEDS, traded.epochs.get("clouds", EPOCHS)
    assert traded.seconds == seconds_of(experiments(traded.apply(options)))
    possible = [(s, EPOCHS) for s in (3, 2)] + [(2, e) for e in range(EPOCHS - 1, 1, -1)]
    affordable = [
        pair for pair in possible if pair[0] * (2 + pair[1] * sum(FEATURES.values())) <= seconds * (1 - RESERVE)
    ]
    assert (seeds, epochs) == (affordable or possible[-1:])[0]


@pytest.mark.parametrize(
    ("seconds", "sentences"),
    [
        (1000, ["what is left to measure takes about 1 min 51 s; the budget of 16 min 40 s cuts nothing."]),
        (100, ["2 of 3 seeds (the fewest that show a spread).", "about 1 min 14 s."]),
        (50, ["2 of 3 seeds (the fewest that show a spread), 2 of 5 epochs (the fewest", "about 32 s."]),
        (1, ["2 of 5 epochs", "about 32 s; more than the budget, but less would mean nothing."]),
    ],
)
def test_the_trade_in_words(seconds: float, sentences: list[str]) -> None:
    said = " ".join(fit(experiments, budget(seconds), seconds_of).sentences)
    for sentence in sentences:
        assert sentence in said


def test_seeds_that_were_asked_for_are_the_most(desk: Desk) -> None:
    options = replace(budget(1000), seeds=1)
    assert fit(experiments, options, seconds_of).seeds == 1
    assert fit(experiments, replace(options, budget=1), seconds_of).seeds == 1
    assert len(desk.job(replace(options, budget=None)).experiments[0].seeds) == 1


def test_what_cannot_be_cut_is_said() -> None:
    def fixed(options: Options) -> tuple[Experiment, ...]:
        return tuple(replace(experiment, trade=None) for experiment in experiments(options))

    traded = fit(fixed, budget(10), lambda _: 99.0)
    assert (traded.seeds, traded.epochs) == (None, {})
    assert traded.sentences == (
        "With the full recipe, what is left to measure takes about 1 min 39 s: more than the budget of 10 s, "
        "but nothing in it can be cut.",
    )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_budget_is_in_the_recipe_and_among_the_deviations(desk: Desk) -> None:
    summary = desk.run(desk.job(budget(50)))
    trained = [stored.record for stored in summary.measured if stored.record.experiment == "clouds"]
    assert len(trained) == 2 * len(FEATURES)
    for record in trained:
        assert record.recipe["epochs"] == len(record.log) == 2
        assert [(d.topic, d.paper, d.ours) for d in record.deviations] == [("epochs", "5", "2")]
    assert {unit.system for unit in desk.calls.timed} == set(FEATURES)
    assert len(desk.calls.timed) == len(FEATURES)


def test_the_same_budget_stays_the_same_run(desk: Desk) -> None:
    """Its first records would give another estimate; the trade that the run began with holds nevertheless."""
    desk.progress = Interrupt(4)
    with pytest.raises(InterruptedRunError):
        desk.run(desk.job(budget(50), again=True))
    desk.progress = quiet
    job = desk.job(budget(50), again=True)
    desk.run(job)
    trained = [s.record for s in desk.ledger.records() if s.record.experiment == "clouds"]
    assert len(trained) == 2 * len(FEATURES)
    assert {record.recipe["epochs"] for record in trained} == {2}
    assert desk.run(desk.job(budget(50))).measured == ()
    assert len(desk.calls.timed) == len(FEATURES)


def test_another_round_or_other_code_trades_anew(desk: Desk) -> None:
    desk.job(budget(50))
    desk.job(budget(50))
    assert len(desk.calls.timed) == len(FEATURES)
    desk.job(budget(50), again=True)
    assert len(desk.calls.timed) == 2 * len(FEATURES)
    desk.job(budget(50), images=50)
    assert len(desk.calls.timed) == 3 * len(FEATURES)


def test_what_is_recorded_costs_nothing(desk: Desk) -> None:
    desk.run()
    job = desk.job(budget(0.5))
    assert "cuts nothing" in job.sentences[0]
    assert desk.run(job).kept == UNITS


def test_an_unknown_duration_is_said(desk: Desk) -> None:
    assert desk.job(budget(50)).sentences[-1] == "How long this takes is not known, and not counted: exact."


def stored_record(folder: Path, **changes: Any) -> Stored:
    return Ledger(folder).append(sample_record(**{"experiment": "clouds", "system": "Wide", **changes}), {})


def test_an_earlier_record_of_this_machine_is_the_estimate(tmp_path: Path) -> None:
    calls = Calls()
    trained, exact = experiments(Options(), calls)
    rows = tuple(
        {"phase": phase, "epoch": i, "seconds": s} for phase, n, s in (("a", 5, 2.0), ("b", 2, 9.0)) for i in range(n)
    )
    settings = {"recipe": dict(trained.recipe), "log": rows, "seconds": 40.0}
    stored = stored_record(tmp_path, **settings)
    elsewhere = changed(ENVIRONMENT, processor="Another")
    others = [
        stored_record(tmp_path, **{**settings, "started": "2026", "environment": elsewhere}),
        stored_record(tmp_path, **{**settings, "started": "2026", "recipe": {**trained.recipe, "rate": 0.1}}),
        stored_record(tmp_path, **{**settings, "started": "2026", "complete": False}),
        stored_record(tmp_path, **{**settings, "started": "2026", "log": rows[:3]}),
    ]  # fmt: skip
    systems = [(trained, "Narrow"), (trained, "Wide"), (trained, "Wide"), (exact, "Narrow")]
    found = estimates(systems, [*others, stored], ENVIRONMENT, device="cpu", progress=quiet)
    assert found["clouds", "Wide"].cost == Cost(30.0, 2.0)
    assert found["clouds", "Wide"].source == f"record {stored.path.stem}"
    assert found["clouds", "Wide"].seconds(trained) == 40.0
    assert found["clouds", "Narrow"].source == "timed here"
    assert ("exact", "Narrow") not in found
    assert [unit.system for unit in calls.timed] == ["Narrow"]


def test_a_record_without_epochs_is_all_setup() -> None:
    trained, exact = experiments(Options())
    assert cost_of(sample_record(seconds=7.0), exact) == Cost(7.0)
    assert cost_of(sample_record(seconds=7.0, log=()), replace(trained, trade=Trade(5, 1, 1))) is None


def test_nothing_to_measure_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NothingMeasuredError, match="no experiment of tiny"):
        prepare("tiny", lambda _: (), Options(device="cpu"), ledger=Ledger(tmp_path), progress=quiet, state=tmp_path)
