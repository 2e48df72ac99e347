"""The audit of DRN: complete, and every finding checked by hand."""

from __future__ import annotations

import csv
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from harness.audit.finding import Audit, Finding, Outcome, Severity
from harness.audit.rules import IDENTICAL, MONOTONE, ORIGIN_DIFFERS, OUTLIER, READING, UNRESOLVED, Rule
from harness.audit.run import audit
from harness.claims.papers import find_paper


@pytest.fixture(scope="module")
def drn() -> Audit:
    return audit(find_paper("drn"))


def the(drn: Audit, rule: Rule) -> Finding:
    (finding,) = [finding for finding in drn.findings if finding.rule is rule]
    return finding


def test_every_relation_has_a_verdict_and_every_gap_a_reason(drn: Audit) -> None:
    paper = find_paper("drn")
    assert [verdict.relation.id for verdict in drn.verdicts] == [relation.id for relation in paper.relations]
    for verdict in drn.verdicts:
        unchecked = verdict.outcome is Outcome.NOT_CHECKABLE
        assert unchecked == (verdict.relation.unchecked is not None)
        assert verdict.reason or not unchecked


def test_no_statement_contradicts_the_printed_numbers(drn: Audit) -> None:
    assert drn.count(Outcome.INCONSISTENT) == 0
    assert [v.relation.id for v in drn.verdicts if v.outcome is Outcome.UNDECIDED] == ["s2/more-values"]


def test_nothing_else_is_raised(drn: Audit) -> None:
    assert [(finding.severity, finding.rule) for finding in drn.findings] == [
        (Severity.ERROR, ORIGIN_DIFFERS),
        (Severity.NOTE, OUTLIER),
        (Severity.NOTE, IDENTICAL),
        (Severity.NOTE, MONOTONE),
        (Severity.NOTE, UNRESOLVED),
        (Severity.NOTE, READING),
    ]


def test_a_digit_of_the_resnet_34_baseline_differs_from_its_source(drn: Audit) -> None:
    finding = the(drn, ORIGIN_DIFFERS)
    assert finding.claims == ("t1/resnet-34/top1-1crop",)
    assert finding.printed == ("27.73",)
    assert finding.recomputed is not None
    assert finding.recomputed.low < Fraction("26.73") < finding.recomputed.high
    becomes = {consequence.relation: consequence.message for consequence in finding.consequences}
    assert len(becomes) == 2
    assert any("becomes 1.92 pp instead of 2.92" in message for message in becomes.values())
    assert any("becomes 7.183 % instead of 10.53" in message for message in becomes.values())


def test_table_1_alone_points_at_the_same_cell_and_digit(drn: Audit) -> None:
    finding = the(drn, OUTLIER)
    assert finding.claims == ("t1/resnet-34/top1-1crop",)
    assert "26.73" in finding.message


def test_the_pair_of_identical_errors_is_seen(drn: Audit) -> None:
    cells = {f"t1/{row}/top{k}-1crop" for row in ("drn-c-42", "drn-a-50") for k in (1, 5)}
    assert set(the(drn, IDENTICAL).claims) == cells


def test_drn_a_34_localises_worse_than_drn_a_18(drn: Audit) -> None:
    finding = the(drn, MONOTONE)
    assert finding.printed == ("55.5", "54.6", "50.7", "48.2")


def test_a_gain_in_localisation_over_the_gain_in_classification_is_not_resolved(drn: Audit) -> None:
    """55.7 - 54.0 - (24.01 - 22.94) = 0.63; four binomial errors of 50,000 images have a spread of 0.41."""
    message = the(drn, UNRESOLVED).message
    assert "by 0.28 pp" in message
    assert "by 0.63 pp" in message


def test_a_lost_superscript_is_a_note_about_the_copy(drn: Audit) -> None:
    finding = the(drn, READING)
    assert finding.relation == "s2/more-values"
    assert "read as 16" in finding.message


def test_means_of_table_3_are_those_of_a_second_transcription(drn: Audit, shared: Callable[[str], Path]) -> None:
    ious: dict[str, list[Fraction]] = {}
    with shared("papers/drn.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["location"] == "Table 3" and row["metric"].startswith("IoU "):
                ious.setdefault(row["subject"], []).append(Fraction(row["value"]))
    recomputed = {v.left_face for v in drn.verdicts if v.relation.statement == "t3/mean-of-classes"}
    assert recomputed == {sum(parts, Fraction(0)) / 19 for parts in ious.values()}
    assert [len(parts) for parts in ious.values()] == [19, 19, 19]
