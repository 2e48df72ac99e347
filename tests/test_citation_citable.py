"""Which numbers may be cited: every way in which one may not, and that the reason names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from citation_samples import CLAIM, COUNTS, EXACT, RELEASED, everything, exact_records, row_of
from scoring_samples import (
    IMAGENET,
    IMAGES,
    claim_row,
    classified,
    experiment,
    fill,
    joined,
    mini_paper,
    record_of,
    relation_row,
)
from scoring_samples import SCENES as SCENE_IMAGES

from harness.claims.model import Paper
from harness.ledger.record import Code
from harness.ledger.store import Ledger
from harness.reports.claim_views import claim_views
from harness.scoring.citable import deciding, refusal, refusal_of, remedy
from harness.statistics.evidence import Evidence, Word

PLAIN = {"Plain": 0.3}


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return mini_paper(tmp_path)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.mark.parametrize("evidence", [Evidence.RELEASED_WEIGHTS, Evidence.RETRAINED])
@pytest.mark.parametrize("error", [0.1, 0.3, 0.8])
def test_all_of_the_claims_images_may_be_cited_whatever_the_verdict(
    paper: Paper, ledger: Ledger, evidence: Evidence, error: float
) -> None:
    whole = experiment("whole", evidence)
    fill(ledger, whole, {"Plain": error}, data=IMAGENET)
    row = row_of(paper, ledger, whole)
    assert row.verdict.word in (Word.BETTER, Word.WORSE, Word.REPRODUCED, Word.INCONCLUSIVE)
    assert deciding(row) == row.measurements[0]
    assert refusal_of(row) == refusal(row, row.measurements[0]) == ""


def test_what_is_derived_may_be_cited_where_it_differs_too(paper: Paper, ledger: Ledger) -> None:
    exact_records(ledger)
    ledger.append(record_of(EXACT, "Plain", 1, data=None, values={"parameters": 5}), {})
    assert refusal_of(row_of(paper, ledger, EXACT, claim="t1/dilated/params")) == ""
    other = Ledger(ledger.root.parent / "other")
    other.append(record_of(EXACT, "Plain", data=None, values={"parameters": 5}), {})
    row = row_of(paper, other, EXACT, claim="t1/plain/params")
    assert (row.verdict.word, refusal_of(row)) == (Word.DIFFERS, "")


def test_arithmetic_may_be_cited(paper: Paper, ledger: Ledger) -> None:
    row = row_of(paper, ledger, claim="s1/gain")
    assert (row.verdict.evidence, deciding(row), refusal_of(row)) == (Evidence.ARITHMETIC, None, "")


@pytest.mark.parametrize(
    ("evidence", "said"), [(Evidence.SYNTHETIC, "never citable"), (Evidence.SCALED_DOWN, "Scaled down")]
)
@pytest.mark.parametrize("data", [SCENE_IMAGES, IMAGENET])
def test_scenes_and_small_runs_never_stand_for_a_claim(
    paper: Paper, ledger: Ledger, evidence: Evidence, said: str, data: Any
) -> None:
    small = experiment("small", evidence)
    fill(ledger, small, PLAIN, data=data)
    row = row_of(paper, ledger, small)
    assert said in refusal(row, row.measurements[0])
    assert refusal_of(row).startswith("Not measured.")
    assert said in refusal_of(row)
    assert "Needs the test images of imagenet/val" in remedy(row, "mini")


def test_part_of_the_images_is_not_the_claims_number(paper: Paper, ledger: Ledger) -> None:
    part = experiment("part", Evidence.SUBSET)
    ledger.append(record_of(part, "Plain", data=replace_count(100)), classified(0.3, 0, images=100))
    row = row_of(paper, ledger, part)
    assert row.verdict.word in (Word.COMPATIBLE, Word.INCOMPATIBLE, Word.INCONCLUSIVE)
    assert refusal_of(row) == "Partial: measured on 100 of the claim's 400 test images."
    assert "remeasure plan mini --owed" in remedy(row, "mini")


def test_fewer_images_are_partial_whatever_their_record_calls_itself(paper: Paper, ledger: Ledger) -> None:
    ledger.append(record_of(RELEASED, "Plain", data=replace_count(399)), classified(0.3, 0, images=399))
    assert refusal_of(row_of(paper, ledger, RELEASED)) == "Partial: measured on 399 images where the claim has 400."


def replace_count(images: int) -> Any:
    return type(IMAGENET)(IMAGENET.name, IMAGENET.digest, 0, images)


def test_other_images_are_named(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, RELEASED, PLAIN, data=SCENE_IMAGES)
    row = row_of(paper, ledger, RELEASED)
    assert refusal(row, row.measurements[0]) == "Measured on other images than the claim's (imagenet/val)."
    assert refusal_of(row)


@pytest.mark.parametrize("evidence", [Evidence.RELEASED_WEIGHTS, Evidence.RETRAINED, Evidence.SUBSET])
def test_strong_evidence_on_other_images_never_judges_a_claim(paper: Paper, ledger: Ledger, evidence: Evidence) -> None:
    """Part of other images is not part of the claim's; nor does it become weaker evidence beside the claim's own."""
    elsewhere = experiment("elsewhere", evidence)
    fill(ledger, elsewhere, PLAIN, data=SCENE_IMAGES)
    fill(ledger, RELEASED, PLAIN, data=IMAGENET)
    for experiments in ((elsewhere,), (elsewhere, RELEASED)):
        results = joined(paper, ledger, *experiments)
        row = claim_row(results, CLAIM)
        other = next(m for m in row.measurements if m.experiment == "elsewhere")
        assert other.data == SCENE_IMAGES.name
        assert refusal(row, other) == "Measured on other images than the claim's (imagenet/val)."
        view = next(view for view in claim_views(results) if view.id == CLAIM)
        assert [value.measurement.experiment for value in view.orientation] == ["elsewhere"]
        assert [value.measurement.experiment for value in view.values] == [e.key for e in experiments[1:]]


def test_only_the_strongest_evidence_is_cited(paper: Paper, ledger: Ledger) -> None:
    trained = experiment("trained", Evidence.RETRAINED)
    fill(ledger, trained, PLAIN, data=IMAGENET)
    fill(ledger, RELEASED, PLAIN, data=IMAGENET)
    row = row_of(paper, ledger, trained, RELEASED)
    reasons = {m.experiment: refusal(row, m) for m in row.measurements}
    assert reasons == {
        "released": "",
        "trained": "The verdict rests on stronger evidence (released-weights, “released”).",
    }


def test_beside_a_number_that_may_be_cited_the_others_refer_to_it(tmp_path: Path) -> None:
    row = claim_row(everything(tmp_path)[0], CLAIM)
    released, scenes = sorted(row.measurements, key=lambda m: m.experiment)
    assert (refusal(row, released), refusal_of(row)) == ("", "")
    assert refusal(row, scenes).startswith("Synthetic")
    assert remedy(row, "mini") == f"Cite what the verdict rests on: remeasure cite mini/{CLAIM}"


def test_times_of_other_hardware(ledger: Ledger, paper: Paper) -> None:
    speed = experiment("speed", Evidence.TIMING, recipe={"batch": 8})
    ledger.append(record_of(speed, "Plain", data=None), {"seconds": np.linspace(0.01, 0.02, 20)})
    row = row_of(paper, ledger, speed, claim="t1/plain/rate")
    assert "not comparable" in refusal_of(row)
    assert "ratio" in remedy(row, "mini")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"code": Code("0" * 64)}, "made by code that has changed since"),
        ({"complete": False}, "its evaluation stopped early"),
        ({"recipe": {"epochs": 8, "scale": "toy"}}, "of a toy run"),
    ],
    ids=["stale", "incomplete", "toy"],
)
def test_records_that_do_not_count_are_named(paper: Paper, ledger: Ledger, changes: Any, said: str) -> None:
    stored = ledger.append(record_of(RELEASED, "Plain", data=IMAGENET, **changes), classified(0.3, 0))
    row = row_of(paper, ledger, RELEASED)
    assert row.verdict.word is Word.NOT_MEASURED
    assert said in refusal_of(row)
    assert stored.digest.startswith(refusal_of(row).partition("count: ")[2][:16])
    assert remedy(row, "mini") == f"Measure it: {RELEASED.command}"
    (other,) = {
        refusal_of(row_of(paper, ledger, RELEASED, claim=c)) for c in ("t1/dilated/top1", "t1/plain/top1-10crop")
    }
    assert other == "Not measured."


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_damaged_records_are_named(paper: Paper, ledger: Ledger, suffix: str) -> None:
    (stored,) = fill(ledger, RELEASED, PLAIN, [0], data=IMAGENET)
    path = stored.path.with_suffix(suffix)
    path.write_bytes(path.read_bytes()[:-40])
    why = refusal_of(row_of(paper, ledger, RELEASED))
    assert why.startswith("Not measured. Records that do not count: ")
    assert stored.path.stem in why


def test_many_records_are_counted(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, RELEASED, PLAIN, range(9), data=IMAGENET, code=Code("0" * 64))
    why = refusal_of(row_of(paper, ledger, RELEASED))
    assert why.count("code that has changed") == 3
    assert "and 6 more" in why


def test_a_record_measured_again_hides_no_number(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, RELEASED, PLAIN, data=IMAGENET, code=Code("0" * 64))
    fill(ledger, RELEASED, PLAIN, data=IMAGENET)
    row = row_of(paper, ledger, RELEASED)
    assert (refusal_of(row), row.unused) == ("", ())


def test_a_stale_record_of_other_images_would_not_have_helped(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, RELEASED, PLAIN, data=SCENE_IMAGES, code=Code("0" * 64))
    assert refusal_of(row_of(paper, ledger, RELEASED)) == "Not measured."


def test_nothing_is_cited_that_nothing_measured(paper: Paper, ledger: Ledger) -> None:
    results = joined(paper, ledger, RELEASED)
    refused = {row.claim.id: refusal_of(row) for row in results.claims}
    assert refused.pop("s1/gain") == ""
    assert set(refused.values()) == {"Not measured."}
    assert relation_row(results, "gain").measured == ()


def test_the_samples_have_every_kind(tmp_path: Path) -> None:
    results, _ = everything(tmp_path)
    citable = {row.claim.id for row in results.claims if not refusal_of(row)}
    assert citable == {CLAIM, "t1/dilated/top1", "s1/gain", *(f"t1/{system.lower()}/params" for system in COUNTS)}
    assert claim_row(results, CLAIM).measurements[0].n == IMAGES
