"""``harness.results``: its shape, its numbers against the records' own images, and that importing it costs nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from citation_samples import CLAIM, DEVIATION, RELEASED, everything
from scoring_samples import ERRORS, IMAGENET, classified, experiment, fill, howe, joined, mini_paper
from scoring_samples import SCENES as SCENE_IMAGES

import harness
from harness.claims.papers import find_paper
from harness.errors import UsageError
from harness.ledger.record import Code
from harness.ledger.store import Ledger
from harness.runner.identity import code_digest
from harness.scoring.model import Results
from harness.scoring.tidy import CLAIM_COLUMNS, RELATION_COLUMNS, claims_table, relations_table
from harness.statistics.evidence import Evidence

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Ledger]:
    return everything(tmp_path_factory.mktemp("paper"))


@pytest.fixture(scope="module")
def table(sampled: tuple[Results, Ledger]) -> pd.DataFrame:
    return claims_table([sampled[0]])


def one(table: pd.DataFrame, claim: str, evidence: str) -> pd.Series:
    (found,) = (row for _, row in table[(table.claim == f"mini/{claim}") & (table.evidence == evidence)].iterrows())
    return found


def test_every_claim_has_one_row_with_a_verdict_in_the_papers_order(table: pd.DataFrame, sampled) -> None:
    decided = table.dropna(subset="verdict")
    assert decided.claim.tolist() == [f"mini/{row.claim.id}" for row in sampled[0].claims]
    assert decided.verdict.tolist() == [row.verdict.word.value for row in sampled[0].claims]
    assert table[table.verdict.isna()].measured.notna().all()


def test_every_measurement_has_one_row(table: pd.DataFrame, sampled) -> None:
    shown = [(f"mini/{row.claim.id}", m.experiment) for row in sampled[0].claims for m in row.measurements]
    measured = table[table.measured.notna()]
    assert sorted(zip(measured.claim, measured.experiment, strict=True)) == sorted(shown)


@pytest.mark.parametrize("results", [0, 1], ids=["no paper", "one paper"])
def test_columns_and_dtypes_are_the_documented_ones(sampled, results: int) -> None:
    made = [sampled[0]][:results]
    for build, columns in ((claims_table, CLAIM_COLUMNS), (relations_table, RELATION_COLUMNS)):
        assert {name: str(dtype) for name, dtype in build(made).dtypes.items()} == dict(columns)
        assert build.__doc__ is not None
    documented = claims_table.__doc__ or ""
    assert all(name in documented for name in CLAIM_COLUMNS)


def test_a_measured_row_is_that_of_the_records_images(table: pd.DataFrame, sampled) -> None:
    row = one(table, CLAIM, "released-weights")
    wrong = np.array([100.0 * (classified(0.3, seed)["ranks"] >= 1) for seed in (0, 1, 2)])
    assert row.measured == pytest.approx(wrong.mean())
    half = howe(wrong.mean(axis=1), wrong.mean(axis=0).std(ddof=0) / 20)
    assert (row.high - row.low) / 2 == pytest.approx(half, rel=0.1)
    assert (row.n, row.seeds, row.unit, row.deviations) == (400, "0 1 2", "%", 1)
    assert (row.claimed, row.claimed_value, row.claimed_low, row.claimed_high) == ("30.0", 30.0, 29.95, 30.05)
    assert row.deviation_topics == DEVIATION.topic
    stored = {s.digest: s.record for s in sampled[1].records() if s.record.experiment == RELEASED.key}
    assert set(row.records.split()) == {d for d, r in stored.items() if r.system == "Plain"}
    assert row.date == "2025-01-01"
    assert (row.device, row.processor, row.citable) == ("cpu", "Some CPU", True)
    assert pd.isna(row.commit)
    assert pd.isna(row.why_not)
    assert pd.isna(row.remedy)


def test_what_was_measured_on_stands_beside_the_claims_own_data_set(table: pd.DataFrame) -> None:
    measured = table[table.measured.notna()].dropna(subset="dataset").set_index("evidence")
    assert set(measured.loc[["released-weights"]].measured_on) == {"imagenet/val"}
    assert set(measured.loc[["synthetic"]].measured_on) == {SCENE_IMAGES.name}
    assert table[table.evidence == "exact"].measured_on.isna().all()


def test_a_commit_is_that_of_the_code_and_changes_to_it_are_told(tmp_path: Path) -> None:
    paper, ledger = mini_paper(tmp_path), Ledger(tmp_path / "ledger")
    for seed, dirty in enumerate((False, True)):
        code = Code(code_digest(RELEASED.source), "a" * 40, dirty)
        fill(ledger, RELEASED, {"Plain": 0.3}, [seed], data=IMAGENET, code=code)
    row = one(claims_table([joined(paper, ledger, RELEASED)]), CLAIM, "released-weights")
    assert row.commit == f"{'a' * 40}; {'a' * 40} with changes"


def test_the_difference_is_measured_minus_claimed(table: pd.DataFrame) -> None:
    measured = table[table.difference.notna() & table.measured.notna()]
    assert len(measured) >= 5
    gap = (measured.measured - measured.claimed_value - measured.difference).abs()
    assert (gap <= (measured.claimed_high - measured.claimed_low) / 2 + 1e-9).all()


def test_only_what_may_be_cited_is_citable_and_the_rest_says_why(table: pd.DataFrame) -> None:
    assert set(table[table.citable].evidence) == {"exact", "released-weights", "arithmetic"}
    assert not table[table.evidence == "synthetic"].citable.any()
    refused = table[~table.citable]
    assert refused.why_not.notna().all()
    assert refused.remedy.notna().all()
    assert table[table.citable].why_not.isna().all()


def test_nothing_measured_is_missing_and_never_a_number(table: pd.DataFrame) -> None:
    empty = table[table.evidence.isna()]
    assert set(empty.verdict) == {"not measured"}
    assert empty[["measured", "low", "high", "difference"]].isna().all(axis=None)
    assert empty[["n", "records", "date", "device"]].isna().all(axis=None)


def test_no_text_is_empty(table: pd.DataFrame, sampled) -> None:
    for made in (table, relations_table([sampled[0]])):
        assert not (made.select_dtypes("string") == "").any(axis=None)


def test_relations_have_their_arithmetic_and_each_experiments_verdict(sampled) -> None:
    made = relations_table([sampled[0]])
    expected = [
        (f"mini/{row.relation.id}", word)
        for row in sampled[0].relations
        for word in (row.arithmetic.outcome.value, *(verdict.word.value for verdict in row.measured))
    ]
    assert list(zip(made.relation, made.verdict, strict=True)) == expected
    measured = made[made.evidence != "arithmetic"]
    assert (measured.experiment == "scenes").any()
    assert (measured.dropna(subset="low").low <= measured.dropna(subset="low").difference).all()


def test_the_date_is_the_newest_records(tmp_path: Path) -> None:
    paper, ledger = mini_paper(tmp_path), Ledger(tmp_path / "ledger")
    for seed, day in ((0, "2025-05-06"), (1, "2024-01-02")):
        fill(ledger, RELEASED, {"Plain": 0.3}, [seed], data=IMAGENET, started=f"{day}T23:59:59+00:00")
    made = claims_table([joined(paper, ledger, RELEASED)])
    assert one(made, CLAIM, "released-weights").date == "2025-05-06"


def test_the_table_does_not_depend_on_the_order_of_records(tmp_path: Path) -> None:
    paper = mini_paper(tmp_path)
    tables = []
    for name, seeds in (("a", (0, 1, 2)), ("b", (2, 0, 1))):
        ledger = Ledger(tmp_path / name)
        for evidence in (Evidence.RETRAINED, Evidence.SYNTHETIC)[:: 1 if name == "a" else -1]:
            data = IMAGENET if evidence is Evidence.RETRAINED else SCENE_IMAGES
            fill(ledger, experiment(evidence.value, evidence), ERRORS, seeds, data=data)
        declared = [experiment(kind.value, kind) for kind in (Evidence.RETRAINED, Evidence.SYNTHETIC)]
        tables.append(claims_table([joined(paper, ledger, *declared)]))
    pd.testing.assert_frame_equal(*tables)


def test_a_paper_with_an_empty_ledger(tmp_path: Path) -> None:
    made = harness.results("drn", ledger=tmp_path / "none")
    claims = find_paper("drn").claims
    assert made.claim.tolist() == [f"drn/{claim}" for claim in claims]
    assert set(made.paper) == {"drn"}
    assert set(made[made.citable].evidence) == {"arithmetic"}


def test_papers_and_kinds(tmp_path: Path) -> None:
    both = harness.results(["hdc", "drn", "hdc"], ledger=str(tmp_path))
    assert both.paper.drop_duplicates().tolist() == ["hdc", "drn"]
    relations = harness.results("drn", ledger=tmp_path, kind="relations")
    assert relations.relation.is_unique
    with pytest.raises(UsageError, match="Did you mean drn"):
        harness.results("dnr", ledger=tmp_path)
    with pytest.raises(UsageError, match="claims, relations"):
        harness.results("drn", ledger=tmp_path, kind="rows")


def test_the_committed_ledger_agrees_with_itself() -> None:
    made = harness.results("hdc", ledger=ROOT / "reports" / "ledger")
    measured = made.dropna(subset="measured")
    assert (measured.low <= measured.measured).all()
    assert (measured.measured <= measured.high).all()
    exact = measured[measured.evidence == "exact"]
    assert (exact.low == exact.high).all()
    fits = exact.measured.between(exact.claimed_low, exact.claimed_high)
    assert not (exact.verdict[~fits] == "exact").any()


def test_importing_the_package_loads_next_to_nothing() -> None:
    program = "import harness, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "harness" in loaded
    assert not loaded & {"pandas", "numpy", "torch", "msgspec", "click", "scipy"}
    assert {name for name in loaded if name.startswith("harness.")} == set()
