"""The simulation of nights: what is drawn, the other rules as their authors wrote them, and the goals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.nights import rules, tally
from benchmarks.nights.__main__ import SEED, simulate
from benchmarks.nights.histories import NIGHTS, NOISES, SETTLED, History, Plan
from benchmarks.nights.histories import simulate as draw
from benchmarks.nights.outcomes import Loss, count
from benchmarks.nights.plans import PLANS, QUIET, STEPS
from benchmarks.nights.tables import markdown
from benchmarks.nights.tally import OURS, Find, Outcome, Rule, false_alarms, found_within, median_delay
from harness.regression.model import Kind

QUIET_PLAN = Plan("noise", slow_runs=0.0, slow_nights=0.0)


def history(values: list[float], onset: int = NIGHTS) -> History:
    """Return a history of one metric, confirmed by the same values."""
    mean = np.array([values])
    segment = np.zeros(len(values), dtype=np.int64)
    return History(mean, mean, mean, np.array([0.01]), np.array([onset]), segment)


def test_histories_are_as_noisy_as_they_say() -> None:
    drawn = draw(replace(QUIET_PLAN, metrics=400), np.random.default_rng(0))
    for noise in NOISES:
        logs = np.log(drawn.mean[drawn.noise == noise])
        assert logs.std(axis=1, ddof=1).mean() == pytest.approx(noise, rel=0.1)
    assert np.all(drawn.least < drawn.mean)
    spread = [np.log(values).std(axis=1).mean() for values in (drawn.least, drawn.mean)]
    assert spread[0] < spread[1], "the minimum of the rounds is steadier than their mean"


def test_slow_nights_are_everyones_and_slow_runs_their_own() -> None:
    nights = draw(Plan("nights", slow_runs=0.0, slow_nights=0.3), np.random.default_rng(1))
    quiet = nights.noise == NOISES[0]
    slow = nights.mean[quiet] > 1.05 * np.median(nights.mean[quiet], axis=1, keepdims=True)
    assert np.all(slow.all(axis=0) | ~slow.any(axis=0))
    assert 5 < slow[0].sum() < 35
    runs = draw(Plan("runs", slow_runs=0.3, slow_nights=0.0), np.random.default_rng(1))
    slow = runs.mean[quiet] > 1.05 * np.median(runs.mean[quiet], axis=1, keepdims=True)
    assert not slow.all(axis=0).any()
    assert 0.2 < slow.mean() < 0.4


def test_steps_and_drifts_are_planted_where_the_truth_says() -> None:
    calm = Plan("step", slow_runs=0.0, slow_nights=0.0, step=0.1, changed=0.5)
    drawn = draw(calm, np.random.default_rng(2))
    changed = drawn.true_change()
    for metric in np.flatnonzero((drawn.onset < NIGHTS) & (drawn.noise == NOISES[0])):
        before, after = drawn.mean[metric, ~changed[metric]], drawn.mean[metric, changed[metric]]
        assert np.median(after) / np.median(before) == pytest.approx(1.1, abs=0.01)
    assert (drawn.onset < NIGHTS).mean() == 0.5
    drawn = draw(replace(calm, step=0.0, drift=0.01), np.random.default_rng(3))
    metric = int(np.flatnonzero((drawn.onset < NIGHTS) & (drawn.noise == NOISES[0]))[0])
    elapsed = NIGHTS - drawn.onset[metric]
    assert drawn.mean[metric, -1] / np.median(drawn.mean[metric, : drawn.onset[metric]]) == pytest.approx(
        1.01**elapsed, rel=0.03
    )


def test_a_threshold_fires_above_it() -> None:
    alarms = rules.threshold(history([1.0, 1.0, 1.06, 1.0]), 0.05)
    assert alarms.tolist() == [[False, False, True, False]]


def test_pytest_benchmark_compares_with_one_run_alone() -> None:
    values = [1.0, 1.06, 1.06, 1.0]
    assert rules.pytest_benchmark(history(values), "min:5%", first=False).tolist() == [[False, True, False, False]]
    assert rules.pytest_benchmark(history(values), "mean:5%", first=True).tolist() == [[False, True, True, False]]


def test_asv_finds_a_large_step_that_lasts() -> None:
    rng = np.random.default_rng(4)
    values = np.exp(rng.normal(0, 0.005, 20))
    values[12:] *= 1.2
    alarms = rules.asv(history(values.tolist()), [0])
    assert not alarms[0, :12].any()
    assert alarms[0, 15:].all()


def test_no_rule_compares_across_devices() -> None:
    values = [1.0] * 10 + [3.0] * 10
    moved = replace(history(values), segment=np.repeat([0, 1], 10))
    assert not rules.threshold(moved, 0.05).any()
    assert not rules.pytest_benchmark(moved, "mean:5%", first=False).any()
    assert not rules.asv(moved, [0]).any()
    worse, better = rules.watched(moved, Kind.SPEED)
    assert not worse.any()
    assert not better.any()


def test_alarms_are_counted_against_the_truth() -> None:
    alarms = np.zeros((1, NIGHTS), dtype=np.bool_)
    alarms[0, [3, 20, 42, 50]] = True
    outcome = tally.outcome(history([1.0] * NIGHTS, onset=40), Rule("r", alarms, [0]))
    assert (outcome.false, outcome.nights) == (1, 40 - SETTLED), "one is too early to count, two are no false ones"
    assert outcome.finds == (Find(0.01, 3),)
    never = tally.outcome(history([1.0] * NIGHTS, onset=55), Rule("r", alarms, [0]))
    assert never.finds == (Find(0.01, None),)


def test_rates_and_delays() -> None:
    assert false_alarms([Outcome(0, 1500, 0, 100, ())] * 2) == (0.0, 0.0, 1.0)
    rate = false_alarms([Outcome(2, 1000, 1, 100, ()), Outcome(0, 1000, 0, 100, ())])
    assert rate.value == 1.0
    assert rate.low == 0.0 < rate.value < rate.high
    finds = [Find(0.01, 1), Find(0.01, 2), Find(0.01, None)]
    assert found_within(finds, 2) == 2
    assert median_delay(finds) == 2
    assert median_delay(finds[1:]) == np.inf


def test_a_small_simulation() -> None:
    """Few histories; the bounds are far from what is expected, so that none is a lottery."""
    for place, plan in ((2, QUIET[2]), (8, STEPS[3])):
        drawn = [draw(plan, np.random.default_rng([11, place, index])) for index in range(2)]
        ours = [tally.outcome(one, Rule(OURS, rules.watched(one, Kind.SPEED)[0], list(range(40)))) for one in drawn]
        fixed = [tally.outcome(one, Rule("5 %", rules.threshold(one, 0.05), list(range(40)))) for one in drawn]
        assert false_alarms(ours).value < 8
        assert false_alarms(fixed).value > 20
        finds = [find for one in ours for find in one.finds if find.noise <= 0.01]
        assert found_within(finds, 3) >= 0.5 * len(finds)


def test_a_loss_of_accuracy_is_seen_by_pairing() -> None:
    seen = count(Loss(flips=0.01, points=0.5), 8, np.random.default_rng(5))
    assert seen.check >= 5
    assert seen.unpaired <= 3
    assert count(Loss(flips=0.02, points=0.0), 8, np.random.default_rng(6)).check <= 2


@pytest.mark.long
def test_the_goals() -> None:
    """At most one false alarm in 1,000 metric-nights, and a 5 % slowdown at 1 % noise found within two nights."""
    outcomes, seen = simulate(SEED, 20, 200, 2)
    assert {plan.name for plan in PLANS} == outcomes.keys()
    for plan in QUIET:
        assert false_alarms([one[OURS] for one in outcomes[plan.name]]).value <= 1.0
    finds = [
        find
        for plan in STEPS
        if plan.step == 0.05
        for one in outcomes[plan.name]
        for find in one[OURS].finds
        if find.noise == 0.01
    ]
    assert found_within(finds, 2) >= 0.9 * len(finds)
    loss = next(one for one in seen if one.loss == Loss(0.01, 0.5))
    assert loss.check >= 0.7 * loss.draws
    assert "0.5 points lost" in markdown(outcomes, seen)
