"""What leaves the audit: SARIF, JSON, rows, fingerprints; and its size."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from audit_cases import paper_of, relation, two_systems

from harness.audit import rules
from harness.audit.export import to_json
from harness.audit.finding import Audit, Severity
from harness.audit.generated import clean_paper
from harness.audit.rules import RULES, Rule
from harness.audit.run import audit
from harness.audit.sarif import to_sarif
from harness.audit.text import finding_rows, overview_rows, relation_rows, summary_lines
from harness.audit.wording import measure, number, probability, span
from harness.claims.intervals import Interval
from harness.claims.model import Claim
from harness.claims.papers import find_paper

ROOT = Path(__file__).resolve().parents[1]


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    """Write the schema of an object that has no other properties."""
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


TEXT = {"type": "string", "minLength": 1}
MESSAGE = closed(["text"], text=TEXT)
RULE = closed(["id"], id=TEXT, shortDescription=MESSAGE, fullDescription=MESSAGE, help=MESSAGE)
REGION = closed(["startLine"], startLine={"type": "integer", "minimum": 1})
PHYSICAL = closed(
    ["artifactLocation"], artifactLocation=closed(["uri"], uri={"type": "string", "format": "uri"}), region=REGION
)
LOGICAL = {"type": "array", "uniqueItems": True, "items": closed([], fullyQualifiedName=TEXT)}
RESULT = closed(
    ["message"],
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": 0},
    level={"enum": ["none", "note", "warning", "error"]},
    message=MESSAGE,
    locations={"type": "array", "items": closed([], physicalLocation=PHYSICAL, logicalLocations=LOGICAL)},
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
)
DRIVER = closed(["name"], name=TEXT, version=TEXT, rules={"type": "array", "uniqueItems": True, "items": RULE})
RUN = closed(
    ["tool"],
    tool=closed(["driver"], driver=DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results={"type": "array", "items": RESULT},
)
SARIF = closed(
    ["version", "runs"], **{"$schema": TEXT}, version={"const": "2.1.0"}, runs={"type": "array", "items": RUN}
)
"""The part of the SARIF 2.1.0 schema (OASIS, appendix A) that is used: names, requirements, nothing beside."""


@pytest.fixture(scope="module")
def drn() -> Audit:
    return audit(find_paper("drn"))


def test_sarif_follows_the_schema_and_points_at_the_lines(drn: Audit) -> None:
    log = json.loads(json.dumps(to_sarif([drn], ROOT)))
    jsonschema.validate(log, SARIF)
    (run,) = log["runs"]
    lines = drn.path.read_text(encoding="utf-8").splitlines()
    assert len(run["results"]) == len(drn.findings)
    for result, finding in zip(run["results"], drn.findings, strict=True):
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == finding.rule.id
        assert result["level"] == finding.severity.value
        place = result["locations"][0]["physicalLocation"]
        assert ROOT / place["artifactLocation"]["uri"] == drn.path.resolve()
        line = lines[place["region"]["startLine"] - 1]
        claim = find_paper("drn").claims[finding.claims[0]]
        assert line == "[[relation]]" if finding.relation else f'"{claim.system}"' in line


def test_sarif_of_a_file_elsewhere_has_an_absolute_uri(drn: Audit, tmp_path: Path) -> None:
    log = to_sarif([drn], tmp_path)
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == drn.path.resolve().as_uri()


def test_sarif_of_nothing_is_valid() -> None:
    jsonschema.validate(to_sarif([]), SARIF)


def test_json_holds_every_verdict_and_finding_without_floats(drn: Audit) -> None:
    data = json.loads(json.dumps(to_json(drn)))
    assert [verdict["relation"] for verdict in data["verdicts"]] == [v.relation.id for v in drn.verdicts]
    assert [finding["fingerprint"] for finding in data["findings"]] == [f.fingerprint for f in drn.findings]
    assert sum(data["outcomes"].values()) == data["relations"] == len(drn.verdicts)
    assert sum(data["severities"].values()) == len(drn.findings)
    assert not any(isinstance(value, float) for value in leaves(data))


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item)
    else:
        yield value


def test_rows_have_the_columns_they_declare(drn: Audit) -> None:
    for columns, rows in (finding_rows(drn), relation_rows(drn, every=True) or ((), ())):
        assert rows
        assert {len(row) for row in rows} == {len(columns)}
    every, some = relation_rows(drn, every=True), relation_rows(drn, every=False)
    assert every is not None
    assert some is not None
    assert len(every[1]) == drn.relations > len(some[1])
    assert f"{drn.relations} relations" in summary_lines(drn)[0]


def test_the_overview_has_a_line_for_each_paper_and_their_sums(drn: Audit) -> None:
    small = audit(paper_of(two_systems("30.43", "28.00") + relation("t1/a/top1 - t1/b/top1", "=", "9.99")))
    columns, rows = overview_rows([drn, small])
    assert [row[0] for row in rows] == ["drn", "case", "all"]
    assert rows[1][1:] == ("2", "1", "1", "0", "1", "0", "0", "1", "0", "0")
    for column, one, other, total in list(zip(columns, *rows, strict=True))[1:]:
        assert int(one) + int(other) == int(total), column
    for row in rows:
        count = dict(zip(columns[1:], map(int, row[1:]), strict=True))
        assert count["relations"] == count["checked"] + count["not checkable"]
        assert count["checked"] == count["consistent"] + count["inconsistent"] + count["undecided"]


def test_reasons_why_relations_are_not_checkable_come_most_frequent_first(drn: Audit) -> None:
    counts = [int(line.split()[2].rstrip(":")) for line in summary_lines(drn) if line.startswith("not checkable")]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == drn.relations - drn.checked


def test_an_expression_too_long_to_read_is_left_to_the_relation() -> None:
    long = " + ".join(["t1/a/top1 - t1/b/top1"] * 9)
    (finding,) = audit(paper_of(two_systems("30.43", "28.00") + relation(long, "=", "9.99"))).findings
    assert "the printed numbers give 21.87 " in finding.message
    assert long not in finding.message


def test_a_plain_number_has_no_unit() -> None:
    assert (measure("24", "1"), measure("24", "%")) == ("24", "24 %")


def test_a_paper_without_relations_or_findings_is_presented_too() -> None:
    quiet = audit(paper_of(two_systems("30.43", "28.00")))
    assert (quiet.findings, quiet.verdicts) == ((), ())
    assert relation_rows(quiet) is None
    assert "findings: none" in summary_lines(quiet)
    assert to_json(quiet)["findings"] == []


def wrong(gain: str, before: str = "") -> Audit:
    return audit(paper_of(before + two_systems("30.43", gain) + relation("t1/a/top1 - t1/b/top1", "=", "9.99")))


def test_a_fingerprint_survives_moved_lines_and_not_a_changed_number() -> None:
    (first,), (moved,), (changed,) = (
        done.findings for done in (wrong("28.00"), wrong("28.00", "# a remark\n\n"), wrong("28.01"))
    )
    assert first.line != moved.line
    assert first.fingerprint == moved.fingerprint == replace(first, message="other words").fingerprint
    assert first.fingerprint != changed.fingerprint


def test_fingerprints_of_one_audit_differ(drn: Audit) -> None:
    assert len({finding.fingerprint for finding in drn.findings}) == len(drn.findings)


def test_findings_come_most_serious_first(drn: Audit) -> None:
    ranks = [list(Severity).index(finding.severity) for finding in drn.findings]
    assert ranks == sorted(ranks)


def test_every_rule_is_listed_once_and_documented() -> None:
    defined = [value for value in vars(rules).values() if isinstance(value, Rule)]
    assert sorted(rule.id for rule in defined) == sorted(rule.id for rule in RULES)
    assert len({rule.id for rule in RULES}) == len(RULES)
    documented = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    assert [rule.id for rule in RULES if f"`{rule.id}`" not in documented] == []


class Counted(Mapping[str, Claim]):
    """Claims that count how often they are looked at."""

    def __init__(self, claims: Mapping[str, Claim]) -> None:
        self.claims = claims
        self.looks = 0

    def __getitem__(self, id: str) -> Claim:
        self.looks += 1
        return self.claims[id]

    def __iter__(self) -> Iterator[str]:
        for id in self.claims:
            self.looks += 1
            yield id

    def __len__(self) -> int:
        return len(self.claims)


def test_work_grows_with_the_number_of_claims_and_not_faster() -> None:
    looks = {}
    for tables in (4, 16):
        paper = clean_paper(3, tables)
        counted = Counted(paper.claims)
        audit(replace(paper, claims=counted))
        looks[tables] = counted.looks / len(paper.claims)
    assert looks[16] < 1.3 * looks[4]


@pytest.mark.parametrize(
    ("value", "text"), [("2.4300", "2.43"), ("-0.0004", "0"), ("100", "100"), ("-2.5", "-2.5"), ("0.12345", "0.123")]
)
def test_numbers_are_written_without_trailing_zeros(value: str, text: str) -> None:
    assert number(Fraction(value)) == text
    assert span(Interval.point(Fraction(value))) == text


@pytest.mark.parametrize(("p", "text"), [(0.0123, "0.012"), (4.2e-7, "4e-7"), (0.0, "1e-15"), (1e-30, "1e-15")])
def test_probabilities_keep_their_order_of_magnitude(p: float, text: str) -> None:
    assert probability(p) == text
