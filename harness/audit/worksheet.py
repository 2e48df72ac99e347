"""A paper laid out for recomputation: relations parsed once, and found by the claims they rest on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

from harness.claims.expressions import Ids, Node, names, parse, resolve
from harness.claims.intervals import Interval
from harness.claims.model import Claim, Column, Paper, Relation, Table
from harness.claims.printed import Printed
from harness.claims.vocabulary import UNITS, Quantity

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Equation:
    """A relation with its sides parsed.

    Attributes:
        operands: Ids of the claims it speaks of, each once.
    """

    relation: Relation
    left: Node
    right: Node
    operands: tuple[str, ...]


@dataclass(frozen=True)
class Worksheet:
    """A paper with its checkable relations parsed.

    Attributes:
        equations: Relation id to its equation, in file order; relations marked unchecked have none.
        resting: Claim id to the equations that speak of it.
    """

    paper: Paper
    equations: Mapping[str, Equation]
    resting: Mapping[str, tuple[Equation, ...]]

    def resting_on(self, claims: Iterable[str]) -> tuple[Equation, ...]:
        """Return the equations that speak of any of these claims, in file order of the first claim, each once."""
        found = {e.relation.id: e for claim in claims for e in self.resting.get(claim, ())}
        return tuple(found.values())

    def conclusion(self, claims: Iterable[str]) -> str:
        """Say which statements of the paper rest on some claims; empty if none does."""
        statements = list(dict.fromkeys(e.relation.statement for e in self.resting_on(claims)))
        if not statements:
            return ""
        more = f" and {len(statements) - MOST_NAMED} more" if len(statements) > MOST_NAMED else ""
        return f"Statements that rest on these numbers: {', '.join(statements[:MOST_NAMED])}{more}."

    def with_printed(self, values: Mapping[str, Printed]) -> Worksheet:
        """Return the worksheet with other decimals printed for some claims."""
        claims = {**self.paper.claims, **{id: replace(self.paper.claims[id], printed=v) for id, v in values.items()}}
        return replace(self, paper=replace(self.paper, claims=claims))

    def column(self, table: Table, column: Column) -> Iterator[Claim]:
        """Yield the column's claims in printed order; rows without a number are left out."""
        for row in table.rows:
            claim = self.paper.claims.get(f"{table.id}/{row}/{column.id}")
            if claim is not None:
                yield claim


def lay_out(paper: Paper) -> Worksheet:
    """Parse a paper's relations; time is linear in claims and in the length of the relations."""
    equations: dict[str, Equation] = {}
    resting: dict[str, list[Equation]] = {}
    known = Ids(paper.claims)
    for relation in paper.relations:
        if relation.unchecked is not None:
            continue
        left, right = (resolve(parse(text), known, {}) for text in (relation.left, relation.right))
        operands = tuple(dict.fromkeys([*names(left), *names(right)]))
        equation = Equation(relation, left, right, operands)
        equations[relation.id] = equation
        for claim in operands:
            resting.setdefault(claim, []).append(equation)
    return Worksheet(paper, equations, {claim: tuple(rest) for claim, rest in resting.items()})


def by_setting(table: Table) -> list[dict[str, Column]]:
    """Group a table's columns by what they describe, dataset, protocol and unit, each group as metric to column.

    Where several columns of a group share a metric, what tells them apart is unsaid, and they are left out.
    """
    groups: dict[tuple[str | None, ...], dict[str, list[Column]]] = {}
    for column in table.columns:
        group = groups.setdefault((column.system, column.dataset, column.protocol, column.unit), {})
        group.setdefault(column.metric, []).append(column)
    return [{metric: same[0] for metric, same in group.items() if len(same) == 1} for group in groups.values()]


def enclosure(claim: Claim) -> Interval:
    """Return every value the print may stand for: a whole count or setting in its base unit is exact."""
    counted = claim.definition.quantity in (Quantity.COUNT, Quantity.SETTING)
    if counted and claim.printed.decimals == 0 and UNITS[claim.unit].factor == 1:
        return Interval.point(claim.printed.value)
    return claim.printed.interval


@cache
def whole(unit: str) -> Fraction:
    """Return what 100 % is in a unit of proportion: 100 for ``%``, 1 for ``fraction``."""
    return 100 / UNITS[unit].factor
