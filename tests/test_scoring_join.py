"""Verdicts on claims from a ledger, and what stands beside them."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scoring_samples import (
    ERRORS,
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
    per_image,
    record_of,
    relation_row,
    segmented,
)

from harness.claims.load import load_paper
from harness.claims.model import Paper
from harness.errors import ClaimsError
from harness.experiment import Reach
from harness.ledger.store import Ledger
from harness.statistics.evidence import WORDS, Evidence, Word


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return mini_paper(tmp_path)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


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


def test_scoring_need_no_torch() -> None:
    code = "import sys, harness.scoring.join; assert not {'torch', 'scipy'} & set(sys.modules), 'imported'"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[1])
