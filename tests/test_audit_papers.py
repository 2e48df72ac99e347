"""The audit over several papers: what a careful reader finds is found, and printed with a line for each paper."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from harness.audit.finding import Audit, Outcome, RelationVerdict, Severity
from harness.audit.run import audit
from harness.claims.papers import find_paper, packages
from harness.cli import cli
from harness.errors import ExitCode

KINDS = {
    "relation/inconsistent": "a column that cannot be recomputed from the text, a rule that its own examples break",
    "relation/counter-example": "a universal statement with a counter-example",
    "two-values/differ": "one configuration with two values",
    "comparison/unlike": "a comparison that mixes unlike settings",
    "references/origin": "a baseline that differs from its source",
}


@pytest.fixture(scope="module")
def audits() -> list[Audit]:
    return [audit(find_paper(key)) for key in packages()]


@pytest.mark.parametrize("rule", KINDS)
def test_what_a_careful_reader_finds_is_found(audits: list[Audit], rule: str) -> None:
    assert [done.paper for done in audits if any(finding.rule.id == rule for finding in done.findings)], KINDS[rule]


def excluded(verdict: RelationVerdict) -> bool:
    """Return whether no values within the two sides' rounding make the relation true."""
    left, right, relation = verdict.left, verdict.right, verdict.relation
    assert left is not None
    assert right is not None
    match relation.op:
        case "=":
            return not left.meets(right)
        case "~":
            assert relation.margin is not None
            return max(left.low - right.high, right.low - left.high) > relation.margin.value
        case "<" | "<=":
            return left.low > right.high or (relation.op == "<" and left.low == right.high)
        case _:
            return left.high < right.low or (relation.op == ">" and left.high == right.low)


def test_nothing_that_rounding_explains_is_accused(audits: list[Audit]) -> None:
    accused = [v for done in audits for v in done.verdicts if v.outcome is Outcome.INCONSISTENT]
    assert accused
    assert [verdict.relation.id for verdict in accused if not excluded(verdict)] == []


def test_every_finding_has_a_fingerprint_of_its_own(audits: list[Audit]) -> None:
    for done in audits:
        assert len({finding.fingerprint for finding in done.findings}) == len(done.findings)


def test_several_papers_end_with_a_line_for_each() -> None:
    result = CliRunner().invoke(cli, ["audit", *packages()])
    assert result.exit_code in (0, ExitCode.FINDINGS)
    lines = result.stdout.splitlines()
    start = lines.index(f"{len(packages())} papers") + 2
    overview = [line.split("\t") for line in lines[start : start + len(packages()) + 1]]
    assert [row[0] for row in overview] == [*packages(), "all"]
    columns = list(zip(*(map(int, row[1:]) for row in overview), strict=True))
    assert all(sum(column[:-1]) == column[-1] for column in columns)
    for done in json.loads(CliRunner().invoke(cli, ["audit", "--json", *packages()]).stdout):
        row = next(row for row in overview if row[0] == done["paper"])
        assert row[1:4] == [str(done[key]) for key in ("claims", "relations", "checked")]
        assert row[-3:] == [str(done["severities"][severity.value]) for severity in Severity]


def test_one_paper_needs_no_overview() -> None:
    assert "1 papers" not in CliRunner().invoke(cli, ["audit", "drn"]).stdout
