"""Which records count: the newest intact one of each unit, of one recipe, made by the present code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scoring_samples import (
    SCENES,
    claim_row,
    classified,
    experiment,
    fill,
    joined,
    mini_paper,
    record_of,
    relation_row,
    segmented,
)

from harness.ledger.record import Code, Data, Environment
from harness.ledger.store import Ledger
from harness.scoring.cohort import gather
from harness.statistics.evidence import Evidence, Word

ERRORS = {"Plain": 0.4, "Dilated": 0.3}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


def test_an_empty_ledger_gives_nothing(ledger: Ledger) -> None:
    gathered = gather("mini", [experiment()], ledger)
    assert (gathered.cohorts, gathered.stale, gathered.refused) == ((), (), ())


def test_the_newest_record_of_a_unit_counts(ledger: Ledger) -> None:
    scenes = experiment()
    old = ledger.append(record_of(scenes, "Plain", started="2025-01-01T00:00:00+00:00"), classified(0.1, 0))
    new = ledger.append(record_of(scenes, "Plain", started="2025-02-01T00:00:00+00:00"), classified(0.6, 0))
    (cohort,) = gather("mini", [scenes], ledger).cohorts
    assert set(cohort.records) == {new.digest}
    assert old.digest not in cohort.records


def test_where_the_newest_is_damaged_the_one_before_counts(ledger: Ledger) -> None:
    scenes = experiment()
    old = ledger.append(record_of(scenes, "Plain", started="2025-01-01T00:00:00+00:00"), classified(0.1, 0))
    new = ledger.append(record_of(scenes, "Plain", started="2025-02-01T00:00:00+00:00"), classified(0.6, 0))
    new.path.with_suffix(".npz").write_bytes(old.path.with_suffix(".npz").read_bytes())
    gathered = gather("mini", [scenes], ledger)
    assert set(gathered.cohorts[0].records) == {old.digest}
    (refused,) = gathered.refused
    assert str(new.path) in refused.path
    assert "ranks" in refused.reason


def test_an_edited_record_is_refused_and_the_others_used(ledger: Ledger) -> None:
    scenes = experiment()
    edited, intact = fill(ledger, scenes, {"Plain": 0.4}, seeds=(0, 1))
    content = json.loads(edited.path.read_text("utf-8"))
    content["seed"] = 7
    edited.path.write_text(json.dumps(content), "utf-8")
    gathered = gather("mini", [scenes], ledger)
    assert set(gathered.cohorts[0].records) == {intact.digest}
    assert [(Path(r.path), "edited or damaged" in r.reason) for r in gathered.refused] == [(edited.path, True)]


def test_scores_that_are_not_numbers_are_refused_and_the_others_used(ledger: Ledger) -> None:
    scenes = experiment()
    bad = classified(0.4, 0) | {"gridding": np.array([0.5, np.nan])}
    refused = ledger.append(record_of(scenes, "Plain", 0), bad)
    kept = ledger.append(record_of(scenes, "Plain", 1), classified(0.4, 1))
    gathered = gather("mini", [scenes], ledger)
    assert set(gathered.cohorts[0].records) == {kept.digest}
    assert [(Path(r.path), "gridding" in r.reason) for r in gathered.refused] == [(refused.path, True)]


def test_records_of_other_code_evidence_or_experiments_are_stale(ledger: Ledger) -> None:
    scenes = experiment()
    other_code = ledger.append(record_of(scenes, "Plain", code=Code("f" * 64)), classified(0.4, 0))
    other_kind = ledger.append(record_of(scenes, "Plain", evidence=Evidence.SCALED_DOWN), classified(0.4, 0))
    gone = ledger.append(record_of(experiment("gone"), "Plain"), classified(0.4, 0))
    gathered = gather("mini", [scenes], ledger)
    assert gathered.cohorts == ()
    assert set(gathered.stale) == {other_code.digest, other_kind.digest, gone.digest}


def test_a_record_that_was_measured_again_is_history(ledger: Ledger) -> None:
    scenes = experiment()
    old = ledger.append(record_of(scenes, "Plain", 0, code=Code("f" * 64)), classified(0.4, 0))
    other = ledger.append(record_of(scenes, "Plain", 1, code=Code("f" * 64)), classified(0.4, 1))
    new = ledger.append(record_of(scenes, "Plain", 0), classified(0.4, 0))
    gathered = gather("mini", [scenes], ledger)
    assert set(gathered.cohorts[0].records) == {new.digest}
    assert (gathered.superseded, gathered.stale) == ((old.digest,), (other.digest,))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"complete": False}, "stopped early"), ({"recipe": {"epochs": 8, "scale": "toy"}}, "toy run")],
)
def test_unfinished_and_toy_runs_give_no_number(ledger: Ledger, tmp_path: Path, changes, reason: str) -> None:
    scenes = experiment(recipe=changes.get("recipe", {"epochs": 8}))
    fill(ledger, scenes, ERRORS, **changes)
    results = joined(mini_paper(tmp_path), ledger, scenes)
    assert results.measurements == ()
    assert relation_row(results, "gain").measured == ()
    assert len(results.refused) == 6
    assert all(reason in refused.reason for refused in results.refused)


def other_device() -> Environment:
    return Environment("3.11.9", "Linux", "Some CPU", 2, 2, "Some GPU", {})


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": {"epochs": 2}},
        {"data": Data("scenes", "0" * 64, 300, 100)},
        {"environment": other_device()},
    ],
)
def test_recipes_data_and_devices_are_never_mixed(ledger: Ledger, changes) -> None:
    scenes = experiment()
    ours = fill(ledger, scenes, ERRORS)
    theirs = fill(ledger, scenes, ERRORS, seeds=(3, 4), **changes)
    gathered = gather("mini", [scenes], ledger)
    assert set(gathered.cohorts[0].records) == {stored.digest for stored in ours}
    assert {Path(refused.path) for refused in gathered.refused} == {stored.path for stored in theirs}
    assert all("another recipe, data or device" in refused.reason for refused in gathered.refused)


def test_the_experiments_own_recipe_goes_before_a_larger_and_newer_group(ledger: Ledger) -> None:
    scenes = experiment()
    ours = fill(ledger, scenes, ERRORS, seeds=(0,))
    fill(ledger, scenes, ERRORS, seeds=(0, 1, 2), recipe={"epochs": 90}, started="2026-01-01T00:00:00+00:00")
    assert set(gather("mini", [scenes], ledger).cohorts[0].records) == {stored.digest for stored in ours}


def test_where_no_group_has_the_experiments_recipe_the_largest_is_used(ledger: Ledger) -> None:
    fill(ledger, experiment(), ERRORS, seeds=(0,), recipe={"epochs": 1}, started="2026-01-01T00:00:00+00:00")
    large = fill(ledger, experiment(), ERRORS, seeds=(0, 1), recipe={"epochs": 2})
    assert set(gather("mini", [experiment()], ledger).cohorts[0].records) == {stored.digest for stored in large}


def test_what_is_derived_is_the_same_on_every_device(ledger: Ledger) -> None:
    derived = experiment("exact", Evidence.EXACT)
    ledger.append(record_of(derived, "Plain", data=None, values={"parameters": 5}), {})
    ledger.append(record_of(derived, "Dilated", data=None, values={"parameters": 5}, environment=other_device()), {})
    (cohort,) = gather("mini", [derived], ledger).cohorts
    assert {system for system, _ in cohort.scores} == {"Plain", "Dilated"}


def test_timings_of_another_processor_stand_apart(ledger: Ledger) -> None:
    timed = experiment("bench", Evidence.TIMING, recipe={"batch": 8})
    repeats = {"seconds": np.linspace(0.1, 0.2, 20)}
    ledger.append(record_of(timed, "Plain", data=None), repeats)
    elsewhere = Environment("3.11.9", "Linux", "Faster CPU", 2, 2, "cpu", {})
    ledger.append(record_of(timed, "Dilated", data=None, environment=elsewhere), repeats)
    (cohort,) = gather("mini", [timed], ledger).cohorts
    assert len(cohort.records) == 1


def test_resamples_are_paired_over_systems_seeds_and_metrics(ledger: Ledger) -> None:
    scenes = experiment()
    arrays = classified(0.4, 0, images=60) | segmented(0.8, 0)
    ledger.append(record_of(scenes, "Plain", 0), arrays)
    ledger.append(record_of(scenes, "Dilated", 1), arrays)
    (cohort,) = gather("mini", [scenes], ledger).cohorts
    for metric in {metric for _, metric in cohort.scores}:
        ours, theirs = cohort.scores["Plain", metric][0], cohort.scores["Dilated", metric][1]
        np.testing.assert_array_equal(ours.resampled, theirs.resampled)


def test_the_result_does_not_depend_on_the_order_of_records(tmp_path: Path) -> None:
    paper, scenes = mini_paper(tmp_path), experiment()
    forward, backward = Ledger(tmp_path / "forward"), Ledger(tmp_path / "backward")
    fill(forward, scenes, ERRORS, seeds=(0, 1, 2))
    fill(backward, scenes, dict(reversed(ERRORS.items())), seeds=(2, 1, 0))
    one, other = joined(paper, forward, scenes), joined(paper, backward, scenes)
    assert one.measurements == other.measurements
    assert [row.measured for row in one.relations] == [row.measured for row in other.relations]


def test_deviations_and_records_of_what_is_shown(ledger: Ledger, tmp_path: Path) -> None:
    scenes = experiment()
    used = fill(ledger, scenes, ERRORS)
    ledger.append(record_of(scenes, "Plain", code=Code("f" * 64), deviations=()), classified(0.4, 0))
    results = joined(mini_paper(tmp_path), ledger, scenes)
    assert set(results.records) == {stored.digest for stored in used}
    assert results.deviations == used[0].record.deviations
    assert {d for m in results.measurements for d in m.records} <= set(results.records)
    assert claim_row(results, "t1/plain/top1").verdict.word is Word.NOT_MEASURED
    assert results.records[used[0].digest].data == SCENES
