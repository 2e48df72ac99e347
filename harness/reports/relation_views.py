"""What the prose says, statement by statement, with the arithmetic and the measured direction of each case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.audit.finding import Finding, RelationVerdict
from harness.audit.wording import number, span
from harness.claims.intervals import Interval
from harness.claims.model import Paper, Relation
from harness.reports.values import Difference, difference_of, readable, states_less
from harness.scoring.model import RelationRow, Results, Verdict
from harness.statistics.evidence import Evidence
from harness.wording.numbers import MINUS, with_unit
from harness.wording.words import OPERATORS, OUTCOMES, VERDICTS, Mark

MOST_DECIMALS = 3
MOST_OPEN = 3
NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class MeasuredDirection:
    """A measurement of a case's direction.

    Attributes:
        lead: By how much the measured numbers go the way the paper says; negative: the other way.
    """

    verdict: Verdict
    mark: Mark
    lead: Difference | None

    @property
    def synthetic(self) -> bool:
        return self.verdict.evidence is Evidence.SYNTHETIC


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a statement.

    Attributes:
        anchor: Of the case; of the statement where the statement is this case alone.
        recomputed: What each side can be; empty if nothing could be computed.
        direction: What a measurement can support or contradict, in words; empty if none can.
    """

    row: RelationRow
    anchor: str
    text: str
    recomputed: str
    mark: Mark
    direction: str
    measured: tuple[MeasuredDirection, ...]

    @property
    def relation(self) -> Relation:
        return self.row.relation


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of the paper with its cases."""

    id: str
    quote: str
    section: str
    cases: tuple[Case, ...]
    findings: tuple[Finding, ...]

    @property
    def anchor(self) -> str:
        return anchor_of(self.id)

    @property
    def first(self) -> Relation:
        return self.cases[0].relation

    @property
    def plain(self) -> tuple[Case, ...]:
        """The cases that may be folded away: many, and nothing speaks against them or was measured."""
        plain = tuple(case for case in self.cases if case.mark.tone in ("good", "none") and not case.measured)
        return plain if len(plain) > MOST_OPEN else ()

    @property
    def shown(self) -> tuple[Case, ...]:
        """The cases that are not folded away."""
        return tuple(case for case in self.cases if case not in self.plain)

    @property
    def arithmetic(self) -> str:
        """All arithmetic verdicts, for the filter."""
        return " ".join(dict.fromkeys(case.mark.text.replace(" ", "-") for case in self.cases))

    @property
    def words(self) -> str:
        """All measured verdicts, for the filter."""
        found = dict.fromkeys(m.mark.text.replace(" ", "-") for case in self.cases for m in case.measured)
        return " ".join(found) or "not-measured"


def anchor_of(id: str) -> str:
    """Return where a statement or a case stands on the page; no other anchor begins with ``says/``."""
    return f"says/{'-'.join(id.split())}"


def relation_anchors(prose: Sequence[Statement]) -> dict[str, str]:
    """Map the id of each relation, and of each statement, to the anchor it has on the page."""
    anchors = {statement.id: statement.anchor for statement in prose}
    anchors.update((case.relation.id, case.anchor) for statement in prose for case in statement.cases)
    return anchors


def statements(results: Results) -> tuple[Statement, ...]:
    """Return every statement in file order."""
    grouped: dict[str, list[RelationRow]] = {}
    for row in results.relations:
        grouped.setdefault(row.relation.statement, []).append(row)
    return tuple(_statement(id, rows, results.paper) for id, rows in grouped.items())


def _statement(id: str, rows: list[RelationRow], paper: Paper) -> Statement:
    first = rows[0].relation
    findings = {finding.fingerprint: finding for row in rows for finding in row.findings}
    cases = tuple(_case(row, paper) for row in rows)
    return Statement(id, first.quote, first.place.section, cases, tuple(findings.values()))


def _case(row: RelationRow, paper: Paper) -> Case:
    relation = row.relation
    turned = states_less(relation)
    measured = tuple(
        MeasuredDirection(verdict, VERDICTS[verdict.word], difference_of(verdict, turned=turned))
        for verdict in row.measured
    )
    return Case(
        row=row,
        anchor=anchor_of(relation.id),
        text="" if relation.unchecked is not None else statement_text(relation, paper),
        recomputed=_recomputed(row.arithmetic),
        mark=OUTCOMES[row.arithmetic.outcome],
        direction=readable(relation.direction, paper) if relation.direction else "",
        measured=measured,
    )


def statement_text(relation: Relation, paper: Paper) -> str:
    """Write a relation with names for ids: ``ResNet-18 − DRN-A-18 = 2.43 pp (top-1 error, 1-crop)``."""
    text = readable(f"{relation.left} {relation.op} {relation.right}", paper)
    body, bracket, aspect = text.partition(" (") if text.endswith(")") and text.count(" (") == 1 else (text, "", "")
    return f"{with_unit(body, relation.unit)}{bracket}{aspect}" if _has_number(relation) else text


def _has_number(relation: Relation) -> bool:
    return any(side.replace(".", "").lstrip("-").isdigit() for side in (relation.left, relation.right))


def _recomputed(verdict: RelationVerdict) -> str:
    if verdict.left is None or verdict.right is None:
        return ""
    sign = OPERATORS[verdict.relation.op]
    text = f"{_side(verdict.left)} {sign} {_side(verdict.right)}"
    return with_unit(text, verdict.relation.unit).replace("-", MINUS)


def _side(interval: Interval) -> str:
    if interval.width == 0:
        return number(interval.low, MOST_DECIMALS)
    return f"[{span(interval, MOST_DECIMALS).replace(' to ', f',{NO_BREAK}')}]"
