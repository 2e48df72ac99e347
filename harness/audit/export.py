"""An audit as data for a machine: nothing but what ``json.dumps`` writes, exact numbers as text, never as floats."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from harness.audit.finding import Audit, Finding, Outcome, RelationVerdict, Severity
from harness.claims.intervals import Interval

VERSION = 1


def to_json(audit: Audit) -> dict[str, Any]:
    """Return the whole audit. Exact numbers are decimals or fractions such as ``"1349/50"``."""
    return {
        "version": VERSION,
        "paper": audit.paper,
        "title": audit.title,
        "claims": audit.claims,
        "relations": audit.relations,
        "checked": audit.checked,
        "outcomes": {outcome.value: audit.count(outcome) for outcome in Outcome},
        "severities": {severity.value: len(audit.by_severity(severity)) for severity in Severity},
        "findings": [_finding(found) for found in audit.findings],
        "verdicts": [_verdict(verdict) for verdict in audit.verdicts],
        "not_checkable": dict(audit.not_checkable),
        "powerless": dict(audit.powerless),
    }


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "fingerprint": found.fingerprint,
        "rule": found.rule.id,
        "title": found.rule.title,
        "severity": found.severity.value,
        "message": found.message,
        "line": found.line,
        "relation": found.relation,
        "claims": [{"id": id, "printed": text} for id, text in zip(found.claims, found.printed, strict=True)],
        "recomputed": _interval(found.recomputed),
        "conclusion": found.conclusion,
        "consequences": [
            {
                "relation": consequence.relation,
                "quote": consequence.quote,
                "before": consequence.before.value,
                "after": consequence.after.value,
                "message": consequence.message,
                "conclusion": consequence.conclusion,
            }
            for consequence in found.consequences
        ],
    }


def _verdict(verdict: RelationVerdict) -> dict[str, Any]:
    relation = verdict.relation
    return {
        "relation": relation.id,
        "statement": relation.statement,
        "section": relation.place.section,
        "line": relation.place.line,
        "quote": relation.quote,
        "expression": f"{relation.left} {relation.op} {relation.right}".strip(),
        "unit": relation.unit,
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "left": _side(verdict.left_face, verdict.left),
        "right": _side(verdict.right_face, verdict.right),
    }


def _side(face: Fraction | None, interval: Interval | None) -> dict[str, Any] | None:
    return None if face is None else {"printed": str(face), "within_rounding": _interval(interval)}


def _interval(interval: Interval | None) -> list[str] | None:
    return None if interval is None else [str(interval.low), str(interval.high)]
