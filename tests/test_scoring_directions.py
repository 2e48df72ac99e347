"""Directions of the prose judged by what a ledger holds, held against closed forms."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scoring_samples import (
    ERRORS,
    IMAGES,
    claim_row,
    classified,
    experiment,
    fill,
    howe,
    joined,
    located,
    measurement,
    mini_paper,
    per_image,
    record_of,
    relation_row,
    segmented,
)

from harness.claims.model import Paper
from harness.ledger.store import Ledger
from harness.scoring.model import Results
from harness.statistics.evidence import Evidence, Word


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return mini_paper(tmp_path)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


def test_a_direction_is_the_seed_and_image_paired_difference(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, experiment(), ERRORS)
    (verdict,) = relation_row(joined(paper, ledger, experiment()), "gain").measured
    difference = per_image("Dilated") - per_image("Plain")
    assert verdict.difference == pytest.approx(difference.mean())
    assert verdict.unit == "pp"
    image_error = difference.mean(axis=0).std(ddof=1) / math.sqrt(IMAGES)
    assert verdict.high is not None
    half = howe(difference.mean(axis=1), image_error)
    assert verdict.high - difference.mean() == pytest.approx(half, rel=0.03)


def test_the_other_way_round_contradicts(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, experiment(), {"Plain": 0.2, "Dilated": 0.5})
    (verdict,) = relation_row(joined(paper, ledger, experiment()), "gain").measured
    assert verdict.word is Word.CONTRADICTS


def test_no_difference_is_inconclusive(paper: Paper, ledger: Ledger) -> None:
    for seed in range(3):
        for system, twin in (("Plain", seed), ("Dilated", seed + 50)):
            ledger.append(record_of(experiment(), system, seed), classified(0.3, twin))
    (verdict,) = relation_row(joined(paper, ledger, experiment()), "gain").measured
    assert verdict.word is Word.INCONCLUSIVE
    assert "holds 0" in verdict.reason


def test_one_seed_is_inconclusive_however_large_the_difference(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, experiment(), ERRORS, seeds=(0,))
    (verdict,) = relation_row(joined(paper, ledger, experiment()), "gain").measured
    assert verdict.word is Word.INCONCLUSIVE
    assert "one seed" in verdict.reason


def test_only_seeds_that_all_systems_have_are_paired(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, experiment(), {"Plain": 0.45}, seeds=(0, 1, 2))
    fill(ledger, experiment(), {"Dilated": 0.3}, seeds=(1, 2, 5))
    results = joined(paper, ledger, experiment())
    (verdict,) = relation_row(results, "gain").measured
    assert verdict.difference == pytest.approx((per_image("Dilated", (1, 2)) - per_image("Plain", (1, 2))).mean())
    assert "over 2 seeds" in verdict.reason
    assert measurement(results, "Dilated", "top1-error").seeds == (1, 2, 5)


def test_seeds_without_a_counterpart_judge_nothing(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, experiment(), {"Plain": 0.45}, seeds=(0, 1))
    fill(ledger, experiment(), {"Dilated": 0.3}, seeds=(2, 3))
    row = relation_row(joined(paper, ledger, experiment()), "gain")
    assert row.measured == ()
    assert "No usable records" in row.missing


def test_a_ratio_of_errors_is_evaluated_seed_by_seed(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, experiment(), ERRORS)
    (verdict,) = relation_row(joined(paper, ledger, experiment()), "relative").measured
    plain, degridded = (per_image(system).mean(axis=1) for system in ("Plain", "Degridded"))
    expected = (plain - degridded) / plain - 0.3
    assert verdict.difference == pytest.approx(expected.mean())
    assert verdict.unit == ""
    assert verdict.word is Word.SUPPORTS
    wrong_plain, wrong_degridded = per_image("Plain"), per_image("Degridded")
    gradient = (-wrong_degridded / plain[:, None] + degridded[:, None] * wrong_plain / plain[:, None] ** 2).mean(axis=0)
    delta_method = gradient.std(ddof=1) / math.sqrt(IMAGES)
    assert verdict.high is not None
    assert verdict.high - expected.mean() == pytest.approx(howe(expected, delta_method), rel=0.05)


def test_a_difference_of_differences_over_two_metrics(paper: Paper, ledger: Ledger) -> None:
    scenes, boxes = experiment(), {"Plain": 0.8, "Degridded": 0.1}
    for seed in range(3):
        for system, error in boxes.items():
            arrays = classified(ERRORS[system], seed) | located(error, seed, images=150)
            ledger.append(record_of(scenes, system, seed), arrays)
    (verdict,) = relation_row(joined(paper, ledger, scenes), "more-on-localisation").measured
    wrong_box = {
        system: np.array(
            [
                100.0 * ((a["loc_ranks"] >= 1) | (a["loc_iou"] <= 0.5))
                for s in range(3)
                if (a := located(e, s, images=150))
            ]
        )
        for system, e in boxes.items()
    }
    boxes_gain = wrong_box["Plain"] - wrong_box["Degridded"]
    class_gain = per_image("Plain") - per_image("Degridded")
    expected = boxes_gain.mean(axis=1) - class_gain.mean(axis=1)
    assert verdict.difference == pytest.approx(expected.mean())
    assert verdict.word is Word.SUPPORTS
    image_error = math.hypot(
        boxes_gain.mean(axis=0).std(ddof=1) / math.sqrt(150), class_gain.mean(axis=0).std(ddof=1) / math.sqrt(IMAGES)
    )
    half = math.hypot(
        stats.t.ppf(0.975, 2) * expected.std(ddof=1) / math.sqrt(3), stats.t.ppf(0.975, 149) * image_error
    )
    assert verdict.high is not None
    assert verdict.high - expected.mean() == pytest.approx(half, rel=0.05)


def test_confusion_counts_judge_segmentation(paper: Paper, ledger: Ledger) -> None:
    scenes, skills = experiment(), {"Plain": 0.7, "Dilated": 0.8, "Degridded": 0.8}
    for seed in range(3):
        for system, skill in skills.items():
            twin = seed + 10 if system == "Degridded" else seed
            ledger.append(record_of(scenes, system, seed), segmented(skill, twin))
    results = joined(paper, ledger, scenes)
    assert [relation_row(results, f"segmentation#{case}").measured[0].word for case in (1, 2)] == [
        Word.SUPPORTS,
        Word.INCONCLUSIVE,
    ]


def test_a_divisor_that_can_be_zero_leaves_it_open(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, experiment(), {"Plain": -1.0, "Degridded": 0.3})
    (verdict,) = relation_row(joined(paper, ledger, experiment()), "relative").measured
    assert verdict.word is Word.INCONCLUSIVE
    assert "divisor" in verdict.reason
    assert verdict.difference is None


def test_another_protocol_is_not_judged(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, experiment(), ERRORS)
    results = joined(paper, ledger, experiment())
    assert claim_row(results, "t1/plain/top1-10crop").measurements == ()
    row = relation_row(results, "ten-crops")
    assert row.measured == ()
    assert row.missing == ("No experiment of this version measures Dilated (10-crop), Plain (10-crop) in this respect.")


def test_a_missing_system_names_the_command(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, experiment(), {"Plain": 0.45})
    row = relation_row(joined(paper, ledger, experiment()), "gain")
    assert row.measured == ()
    assert row.command == "remeasure run mini --only scenes"


def test_each_experiment_gives_its_own_verdict(paper: Paper, ledger: Ledger) -> None:
    scenes, photographs = experiment(), experiment("photographs", Evidence.SCALED_DOWN)
    fill(ledger, scenes, ERRORS)
    fill(ledger, photographs, {"Plain": 0.2, "Dilated": 0.5})
    results = joined(paper, ledger, scenes, photographs)
    assert [(v.experiment, v.word) for v in relation_row(results, "gain").measured] == [
        ("scenes", Word.SUPPORTS),
        ("photographs", Word.CONTRADICTS),
    ]
    assert [m.experiment for m in claim_row(results, "t1/plain/top1").measurements] == ["scenes", "photographs"]


def test_a_relation_without_a_direction_misses_nothing(paper: Paper, ledger: Ledger) -> None:
    row = relation_row(joined(paper, ledger, experiment()), "looks-better")
    assert (row.measured, row.missing, row.command) == ((), "", "")


def timed(ledger: Ledger, seconds: dict[str, float]) -> Results:
    of = experiment("bench", Evidence.TIMING, recipe={"batch": 32}, seeds=(0,))
    for index, (system, mean) in enumerate(seconds.items()):
        repeats = mean * np.random.default_rng(index).lognormal(0, 0.02, 30)
        ledger.append(record_of(of, system, data=None), {"seconds": repeats})
    return joined(mini_paper(ledger.root.parent), ledger, of)


def test_ratios_of_rates_are_judged_and_absolute_rates_are_not(ledger: Ledger) -> None:
    results = timed(ledger, {"Plain": 0.1, "Dilated": 0.15})
    row = claim_row(results, "t1/plain/rate")
    assert row.verdict.word is Word.NOT_COMPARABLE
    (beside,) = row.measurements
    assert beside.estimate == pytest.approx(320, rel=0.02)
    assert beside.low < beside.estimate < beside.high
    (ratio,) = relation_row(results, "slower").measured
    assert ratio.word is Word.SUPPORTS
    assert ratio.difference == pytest.approx(1.5 - 2, abs=0.03)


def test_a_ratio_of_rates_can_contradict(ledger: Ledger) -> None:
    (ratio,) = relation_row(timed(ledger, {"Plain": 0.1, "Dilated": 0.25}), "slower").measured
    assert ratio.word is Word.CONTRADICTS
