"""Verdicts and measurements from a ledger, held against closed forms."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from results_samples import (
    HALF_POINT,
    IMAGENET,
    IMAGES,
    claim_row,
    classified,
    experiment,
    fill,
    joined,
    located,
    mini_paper,
    record_of,
    relation_row,
    segmented,
)
from scipy import stats

from harness.claims.load import load_paper
from harness.claims.model import Paper
from harness.errors import ClaimsError
from harness.experiment import Reach
from harness.ledger.store import Ledger
from harness.results.model import Measurement, Results
from harness.statistics.evidence import WORDS, Evidence, Word

ERRORS = {"Plain": 0.45, "Dilated": 0.3, "Degridded": 0.12}


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return mini_paper(tmp_path)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


def measurement(results: Results, system: str, metric: str) -> Measurement:
    (found,) = (m for m in results.measurements if (m.system, m.metric) == (system, metric))
    return found


def per_image(system: str, seeds: tuple[int, ...] = (0, 1, 2)) -> np.ndarray:
    """Return the errors [S, N] that the records hold, in percent."""
    return np.array([100.0 * (classified(ERRORS[system], seed)["ranks"] >= 1) for seed in seeds])


def howe(per_seed: np.ndarray, image_error: float) -> float:
    seeds = len(per_seed)
    by_seed = stats.t.ppf(0.975, seeds - 1) * per_seed.std(ddof=1) / math.sqrt(seeds)
    return math.hypot(by_seed, stats.t.ppf(0.975, IMAGES - 1) * image_error)


def test_measurement_over_seeds_is_the_closed_form(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, experiment(), ERRORS)
    measured = measurement(joined(paper, ledger, experiment()), "Dilated", "top1-error")
    wrong = per_image("Dilated")
    assert measured.per_seed == pytest.approx(wrong.mean(axis=1))
    assert measured.estimate == pytest.approx(wrong.mean())
    error = math.hypot(wrong.mean(axis=0).std(ddof=1) / math.sqrt(IMAGES), 100 * 1.96 / (2 * IMAGES))
    assert measured.high - measured.estimate == pytest.approx(howe(wrong.mean(axis=1), error), rel=0.03)
    assert (measured.seeds, measured.n, measured.unit) == ((0, 1, 2), IMAGES, "%")


def test_one_seed_of_a_proportion_gets_wilsons_interval(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, experiment(), {"Plain": 0.45}, seeds=(1,))
    measured = measurement(joined(paper, ledger, experiment()), "Plain", "top1-error")
    wrong = int((classified(0.45, 1)["ranks"] >= 1).sum())
    expected = stats.binomtest(wrong, IMAGES).proportion_ci(method="wilson")
    assert (measured.low, measured.high) == pytest.approx((100 * expected.low, 100 * expected.high))


def test_one_seed_of_an_iou_gets_a_bootstrap_interval(paper: Paper, ledger: Ledger) -> None:
    recipe = {"epochs": 8, "classes": ["Sky", "Tree", "Road"]}
    ledger.append(record_of(experiment(), "Plain", recipe=recipe), segmented(0.8, 0))
    results = joined(paper, ledger, experiment())
    whole = measurement(results, "Plain", "miou")
    classes = [m for m in results.measurements if m.metric == "iou"]
    assert [m.label for m in classes] == ["sky", "tree", "road"]
    assert np.mean([m.estimate for m in classes]) == pytest.approx(whole.estimate)
    for measured in (whole, *classes):
        assert measured.low < measured.estimate < measured.high
        assert measured.n == 60
    (beside,) = claim_row(results, "t2/plain/iou-sky").measurements
    assert (beside.label, beside.estimate) == ("sky", classes[0].estimate)


def test_intervals_of_percentages_stay_between_0_and_100(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, experiment(), {"Plain": -1.0, "Dilated": 2.0})
    results = joined(paper, ledger, experiment())
    none, every = (measurement(results, system, "top1-error") for system in ("Plain", "Dilated"))
    assert (none.estimate, none.low) == (0.0, 0.0)
    assert (every.estimate, every.high) == (100.0, 100.0)
    assert 0 < none.high < 2
    assert 98 < every.low < 100


@pytest.mark.parametrize("evidence", [Evidence.SYNTHETIC, Evidence.SCALED_DOWN])
def test_other_data_supports_relations_and_gives_no_verdict_on_claims(
    paper: Paper, ledger: Ledger, evidence: Evidence
) -> None:
    scenes = experiment(evidence=evidence)
    fill(ledger, scenes, ERRORS)
    results = joined(paper, ledger, scenes)
    (verdict,) = relation_row(results, "gain").measured
    assert (verdict.word, verdict.evidence, verdict.experiment) == (Word.SUPPORTS, evidence, "scenes")
    assert "over 3 seeds and 400 images" in verdict.reason
    row = claim_row(results, "t1/plain/top1")
    assert row.verdict.word is Word.NOT_MEASURED
    assert row.verdict.evidence is None
    assert [m.estimate for m in row.measurements] == [pytest.approx(per_image("Plain").mean())]
    assert "Needs the test images of imagenet/val (400) and a network trained on that dataset" in row.missing
    assert f"“Scenes” ({evidence.value})" in row.missing
    assert row.command == ""


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


COUNTS = {"Plain": 11_689_512, "Dilated": 11_689_512, "Degridded": 21_126_584}


def exact_records(ledger: Ledger) -> None:
    for system, count in COUNTS.items():
        ledger.append(
            record_of(experiment("exact", Evidence.EXACT), system, data=None, values={"parameters": count}), {}
        )


def test_derived_counts_are_exact_or_differ(paper: Paper, ledger: Ledger) -> None:
    exact_records(ledger)
    results = joined(paper, ledger, experiment("exact", Evidence.EXACT))
    plain, degridded = (claim_row(results, f"t1/{row}/params") for row in ("plain", "degridded"))
    assert plain.verdict.word is Word.EXACT
    assert "11.689512 M rounds to the printed 11.7" in plain.verdict.reason
    assert degridded.verdict.word is Word.DIFFERS
    assert degridded.verdict.difference == pytest.approx(-0.073416)
    (beside,) = plain.measurements
    assert (beside.estimate, beside.low, beside.high, beside.unit) == (11.689512, 11.689512, 11.689512, "M")
    assert (beside.seeds, beside.n) == ((), 0)
    assert plain.missing == ""
    (same_size,) = relation_row(results, "same-size").measured
    assert same_size.word is Word.EXACT


def released(**changes) -> tuple:
    return experiment("released", Evidence.RELEASED_WEIGHTS, **changes), IMAGENET


@pytest.mark.parametrize(("shift", "word"), [(0, Word.REPRODUCED), (60, Word.WORSE), (-60, Word.BETTER)])
def test_released_weights_reproduce_the_claim(paper: Paper, ledger: Ledger, shift: int, word: Word) -> None:
    generous = replace(HALF_POINT, value=5.0)
    of, data = released(reaches=(Reach("top1-error", "1-crop", generous),))
    ranks = np.zeros(IMAGES, np.uint16)
    ranks[: 120 + shift] = 1
    ledger.append(record_of(of, "Plain", data=data), {"ranks": ranks})
    verdict = claim_row(joined(paper, ledger, of), "t1/plain/top1").verdict
    assert (verdict.word, verdict.evidence) == (word, Evidence.RELEASED_WEIGHTS)
    assert verdict.difference == pytest.approx(100 * shift / IMAGES)
    assert verdict.unit == "pp"


def test_a_claim_needs_all_its_test_images(paper: Paper, ledger: Ledger) -> None:
    of, data = released()
    ledger.append(record_of(of, "Plain", data=data), classified(0.3, 0, images=IMAGES // 2))
    verdict = claim_row(joined(paper, ledger, of), "t1/plain/top1").verdict
    assert verdict.word is Word.INCONCLUSIVE
    assert "200 images where the claim has 400" in verdict.reason


def test_a_claim_needs_its_own_test_images(paper: Paper, ledger: Ledger) -> None:
    of, _ = released()
    ledger.append(record_of(of, "Plain"), classified(0.3, 0))
    row = claim_row(joined(paper, ledger, of), "t1/plain/top1")
    assert row.verdict.word is Word.NOT_MEASURED
    assert len(row.measurements) == 1


def test_without_a_margin_nothing_is_reproduced(paper: Paper, ledger: Ledger) -> None:
    of, data = released(reaches=(Reach("top1-error", "1-crop"),))
    ledger.append(record_of(of, "Plain", data=data), classified(0.3, 0))
    verdict = claim_row(joined(paper, ledger, of), "t1/plain/top1").verdict
    assert verdict.word is Word.INCONCLUSIVE
    assert "no margin" in verdict.reason


def test_a_subset_is_never_reproduced(paper: Paper, ledger: Ledger) -> None:
    generous = replace(HALF_POINT, value=10.0)
    of = experiment("subset", Evidence.SUBSET, reaches=(Reach("top1-error", "1-crop", generous),))
    ranks = np.zeros(200, np.uint16)
    ranks[:60] = 1
    ledger.append(record_of(of, "Plain", data=IMAGENET), {"ranks": ranks})
    ledger.append(record_of(of, "Dilated", data=IMAGENET), {"ranks": np.ones_like(ranks) - (np.arange(200) < 9)})
    results = joined(paper, ledger, of)
    assert claim_row(results, "t1/plain/top1").verdict.word is Word.COMPATIBLE
    assert claim_row(results, "t1/dilated/top1").verdict.word is Word.INCOMPATIBLE


def test_the_strongest_evidence_judges(paper: Paper, ledger: Ledger) -> None:
    part = experiment("part", Evidence.SUBSET)
    whole, data = released()
    for of in (part, whole):
        ledger.append(record_of(of, "Plain", data=data), classified(0.3, 0))
    for order in ((part, whole), (whole, part)):
        row = claim_row(joined(paper, ledger, *order), "t1/plain/top1")
        assert row.verdict.evidence is Evidence.RELEASED_WEIGHTS
        assert {m.evidence for m in row.measurements} == {Evidence.RELEASED_WEIGHTS, Evidence.SUBSET}


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


def test_differences_are_judged_by_arithmetic_and_settings_say_why_not(paper: Paper, ledger: Ledger) -> None:
    results = joined(paper, ledger)
    gain = claim_row(results, "s1/gain")
    assert (gain.verdict.word, gain.verdict.evidence) == (Word.CONSISTENT, Evidence.ARITHMETIC)
    assert "t1/plain/top1 - t1/dilated/top1" in gain.verdict.reason
    crop = claim_row(results, "s1/crop")
    assert crop.verdict.word is Word.NOT_MEASURED
    assert crop.missing == "No experiment of this version derives it."


def test_what_arithmetic_leaves_open_is_no_verdict(tmp_path: Path, ledger: Ledger) -> None:
    toml = mini_paper(tmp_path).path
    text = toml.read_text("utf-8").replace('value = "5.0"', 'value = "7.0"\nreadings = ["5.0"]')
    toml.write_text(text, "utf-8")
    row = claim_row(joined(load_paper(toml), ledger), "s1/gain")
    assert (row.verdict.word, row.verdict.evidence) == (Word.NOT_MEASURED, None)
    assert "no statement settles it" in row.missing


def test_an_experiment_that_was_not_run_gives_its_command(paper: Paper, ledger: Ledger) -> None:
    row = claim_row(joined(paper, ledger, experiment("exact", Evidence.EXACT)), "t1/plain/params")
    assert row.verdict.word is Word.NOT_MEASURED
    assert row.command == "remeasure run mini --only exact"


def test_a_relation_without_a_direction_misses_nothing(paper: Paper, ledger: Ledger) -> None:
    row = relation_row(joined(paper, ledger, experiment()), "looks-better")
    assert (row.measured, row.missing, row.command) == ((), "", "")


def test_a_unit_that_cannot_be_compared_is_an_error_of_the_claims_file(paper: Paper, ledger: Ledger) -> None:
    claim = replace(paper.claims["t1/plain/params"], unit="px")
    odd = replace(paper, claims={**paper.claims, claim.id: claim})
    exact_records(ledger)
    with pytest.raises(ClaimsError, match="t1/plain/params is printed in 'px'"):
        joined(odd, ledger, experiment("exact", Evidence.EXACT))


@pytest.mark.parametrize("evidence", [e for e in Evidence if e is not Evidence.ARITHMETIC])
def test_every_word_lies_in_the_row_of_its_evidence(paper: Paper, ledger: Ledger, evidence: Evidence) -> None:
    of = experiment(evidence=evidence, recipe={"batch": 8})
    for system, error in ERRORS.items():
        for seed in range(2):
            arrays = classified(error, seed) | located(error, seed) | segmented(1 - error, seed)
            arrays["seconds"] = np.linspace(0.1, 0.2, 20) + error
            values = {"parameters": COUNTS[system]}
            ledger.append(record_of(of, system, seed, data=IMAGENET, values=values), arrays)
    results = joined(paper, ledger, of)
    verdicts = [row.verdict for row in results.claims] + [v for row in results.relations for v in row.measured]
    assert any(verdict.evidence is evidence for verdict in verdicts)
    for verdict in verdicts:
        if verdict.evidence is None:
            assert verdict.word is Word.NOT_MEASURED
        else:
            assert verdict.word in WORDS[verdict.evidence]
        for number in (verdict.difference, verdict.low, verdict.high):
            assert number is None or math.isfinite(number)
    for row in results.claims:
        assert (row.verdict.word is Word.NOT_MEASURED) == bool(row.missing)


def test_findings_stand_with_their_claims_and_relations(paper: Paper, ledger: Ledger) -> None:
    wrong = (paper.path.parent / "wrong").with_suffix(".toml")
    wrong.write_text(paper.path.read_text("utf-8").replace('value = "5.0"', 'value = "7.0"'), "utf-8")
    results = joined(load_paper(wrong), ledger)
    assert claim_row(results, "s1/gain").verdict.word is Word.INCONSISTENT
    assert any("relation/inconsistent" in f.rule.id for f in claim_row(results, "s1/gain").findings)
    assert any("relation/inconsistent" in f.rule.id for f in relation_row(results, "gain").findings)
    assert relation_row(results, "slower").findings == ()


def test_a_counter_example_stands_with_the_case_that_fails(tmp_path: Path, ledger: Ledger) -> None:
    toml = mini_paper(tmp_path).path
    toml.write_text(toml.read_text("utf-8").replace('["55.0", "91.0", "67.0"]', '["55.0", "91.0", "65.0"]'), "utf-8")
    results = joined(load_paper(toml), ledger)
    rules = [{f.rule.id for f in relation_row(results, f"segmentation#{case}").findings} for case in (1, 2)]
    assert "relation/counter-example" in rules[0]
    assert "relation/counter-example" not in rules[1]


def test_results_need_no_torch() -> None:
    code = "import sys, harness.results.join; assert not {'torch', 'scipy'} & set(sys.modules), 'imported'"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[1])
