"""Comparisons that mix unlike settings, so that no single one of them can be credited with the difference.

A relation compares two numbers where it sets them side by side (``a < b``, ``a ~ b``), subtracts one from the other, or
divides one by the other. For two measured numbers of one metric, what differs is counted:

* what was measured: dataset, protocol, and on the same dataset the number of test images;
* the settings that the claims file states of both systems; where none of these differs, the systems themselves.

One difference is what the comparison is about. Two or more are a note, one for each pair of systems. A maximum over
rivals is a ranking, which credits nothing, and ``a = b`` repeats a number: neither is looked at. Settings that only one
side states are unknown, not unlike. Time is linear in the length of the relations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.audit.finding import Finding, Severity
from harness.audit.rules import UNLIKE
from harness.audit.wording import listing, measure
from harness.audit.worksheet import Equation, Worksheet
from harness.claims.document import slug
from harness.claims.expressions import Binary, Call, Name, Negation, Node, Power
from harness.claims.model import Claim, Paper

LEAST_UNLIKE = 2

Key = tuple[frozenset[str], frozenset[frozenset[str]]]
"""Two systems, and in what they are unlike."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something in which the two sides of a comparison are unlike."""

    what: str
    one: str
    other: str

    def __str__(self) -> str:
        return f"{self.what} ({self.one}, {self.other})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two numbers that an equation compares, and in what they are unlike."""

    equation: Equation
    one: Claim
    other: Claim
    differences: tuple[Difference, ...]

    @property
    def key(self) -> Key:
        """The same for all comparisons of two systems that are unlike in the same ways, whichever comes first."""
        ways = frozenset(frozenset({d.what, d.one, d.other}) for d in self.differences)
        return frozenset({self.one.system, self.other.system}), ways


def detect(sheet: Worksheet) -> Iterator[Finding]:
    """Yield, for each pair of systems that are unlike in several ways, the statements that compare them."""
    unlike: dict[Key, list[Comparison]] = {}
    for equation in sheet.equations.values():
        for ids in compared(equation):
            one, other = (sheet.paper.claims[id] for id in ids)
            pair = Comparison(equation, one, other, tuple(differences(sheet.paper, one, other)))
            if len(pair.differences) >= LEAST_UNLIKE:
                unlike.setdefault(pair.key, []).append(pair)
    for pairs in unlike.values():
        yield _finding(sheet, pairs)


def compared(equation: Equation) -> Iterator[tuple[str, str]]:
    """Yield the ids of each two claims that the equation holds against each other."""
    if equation.relation.op != "=":
        yield from _two_names(equation.left, equation.right)
    yield from _inside(equation.left)
    yield from _inside(equation.right)


def _inside(node: Node) -> Iterator[tuple[str, str]]:
    match node:
        case Binary(operator, left, right):
            if operator in ("-", "/"):
                yield from _two_names(left, right)
            yield from _inside(left)
            yield from _inside(right)
        case Call(_, arguments):
            for argument in arguments:
                yield from _inside(argument)
        case Power(operand, _) | Negation(operand):
            yield from _inside(operand)


def _two_names(left: Node, right: Node) -> Iterator[tuple[str, str]]:
    if isinstance(left, Name) and isinstance(right, Name):
        yield left.id, right.id


def differences(paper: Paper, one: Claim, other: Claim) -> Iterator[Difference]:
    """Yield in what two measured numbers of one metric are unlike; nothing for any others."""
    if one.metric != other.metric or not one.definition.quantity.measured:
        return
    if one.dataset != other.dataset:
        yield from _stated("dataset", one.dataset, other.dataset)
    else:
        yield from _stated("test images", one.n, other.n)
    yield from _stated("protocol", one.protocol, other.protocol)
    if slug(one.system) != slug(other.system):
        settings = list(_settings(paper, one.system, other.system))
        yield from settings or [Difference("system", one.system, other.system)]


def _settings(paper: Paper, one: str, other: str) -> Iterator[Difference]:
    if one in paper.systems and other in paper.systems:
        first, second = paper.systems[one].settings, paper.systems[other].settings
        for name, value in first.items():
            yield from _stated(name, value, second.get(name))


def _stated(what: str, one: str | int | None, other: str | int | None) -> Iterator[Difference]:
    if one is not None and other is not None and one != other:
        yield Difference(what, str(one), str(other))


def _finding(sheet: Worksheet, pairs: list[Comparison]) -> Finding:
    first = pairs[0]
    relation = first.equation.relation
    one, other = (f"{claim.system} ({measure(claim.printed, claim.unit)})" for claim in (first.one, first.other))
    involved = tuple(dict.fromkeys(claim.id for pair in pairs for claim in (pair.one, pair.other)))
    statements = tuple(dict.fromkeys(pair.equation.relation.statement for pair in pairs))
    return Finding(
        rule=UNLIKE,
        severity=Severity.NOTE,
        message=(
            f"“{relation.quote}” compares {one} with {other}, which are unlike in {len(first.differences)} ways: "
            f"{listing([str(difference) for difference in first.differences])}. The numbers cannot tell which of them "
            f"counts."
        ),
        line=relation.place.line,
        claims=involved,
        printed=tuple(str(sheet.paper.claims[id].printed) for id in involved),
        relation=relation.id,
        conclusion=f"Statements that compare them: {listing(statements)}.",
    )
