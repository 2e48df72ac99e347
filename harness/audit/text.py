"""An audit as plain lines and rows; whoever prints them decides how."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from harness.audit.finding import Audit, Outcome, Severity
from harness.audit.wording import number, span
from harness.claims.intervals import Interval

Rows = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Column heads, and rows of as many cells."""

PLAIN = (Outcome.CONSISTENT, Outcome.NOT_CHECKABLE)


def summary_lines(audit: Audit) -> list[str]:
    """Return what was checked, what was found, and what could not be checked and why."""
    outcomes = ", ".join(f"{audit.count(outcome)} {outcome.value}" for outcome in Outcome if audit.count(outcome))
    severities = ((len(audit.by_severity(severity)), severity.value) for severity in Severity)
    findings = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in severities if count)
    unchecked = sorted(audit.not_checkable.items(), key=lambda reason: -reason[1])
    return [
        f"{audit.title} ({audit.paper}): {audit.claims} claims, {audit.relations} relations, {audit.checked} checked",
        f"relations: {outcomes or 'none'}",
        f"findings: {findings or 'none'}",
        *(f"not checkable, {count}: {reason}" for reason, count in unchecked),
        *(f"no test possible, {count}: {reason}" for reason, count in audit.powerless.items()),
    ]


def overview_rows(audits: Sequence[Audit]) -> Rows:
    """Return a row for each paper, and one for all of them."""
    columns = (
        "paper", "claims", "relations", "checked", "consistent", "inconsistent", "undecided", "not checkable",
        *(f"{severity.value}s" for severity in Severity),
    )  # fmt: skip
    counts = [_counts(audit) for audit in audits]
    total = [sum(column) for column in zip(*counts, strict=True)]
    named = [*((audit.paper, count) for audit, count in zip(audits, counts, strict=True)), ("all", total)]
    return columns, [(name, *map(str, count)) for name, count in named]


def _counts(audit: Audit) -> list[int]:
    return [
        audit.claims,
        audit.relations,
        audit.checked,
        audit.consistent,
        audit.count(Outcome.INCONSISTENT),
        audit.count(Outcome.UNDECIDED),
        audit.count(Outcome.NOT_CHECKABLE),
        *(len(audit.by_severity(severity)) for severity in Severity),
    ]


def finding_rows(audit: Audit) -> Rows:
    """Return a row for each finding, most serious first."""
    rows = [
        (
            found.severity.value,
            f"{found.rule.title}\n{found.relation or found.claims[0]}\n{audit.path.name}:{found.line}",
            found.message,
            found.conclusion,
        )
        for found in audit.findings
    ]
    return ("severity", "finding", "what", "what would change"), rows


def relation_rows(audit: Audit, *, every: bool = True) -> Rows | None:
    """Return a row for each relation, or only for those that do not simply hold; None if there is none."""
    rows = [
        (
            verdict.relation.id,
            verdict.relation.quote,
            verdict.outcome.value,
            _side(verdict.left_face, verdict.left),
            verdict.relation.op,
            _side(verdict.right_face, verdict.right),
            verdict.reason,
        )
        for verdict in audit.verdicts
        if every or verdict.outcome not in PLAIN
    ]
    return (("relation", "words", "verdict", "left", "", "right", "why"), rows) if rows else None


def _side(face: Fraction | None, interval: Interval | None) -> str:
    if face is None or interval is None:
        return ""
    return number(face) if interval.width == 0 else f"{number(face)} ({span(interval)})"
