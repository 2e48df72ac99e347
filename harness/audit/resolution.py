"""Rankings finer than the test set can resolve.

A relation ``left < right`` between measured proportions is a difference d = left - right of binomial variables. Its
variance follows by the delta method: ``Var d = sum (dd/dp_i)^2 p_i (1 - p_i) / n_i``, each claim treated as an
independent sample. That is the *unpaired* bound: systems tested on the same images differ by less than this allows
only as far as their errors coincide, which a table does not print. ``|d| / sd`` below 1.96 means that two equal systems
would differ by as much in more than 5 % of test sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from math import sqrt

from harness.audit.finding import Finding, Severity
from harness.audit.rules import NOT_SIGNIFICANT, UNRESOLVED
from harness.audit.wording import number, probability
from harness.audit.worksheet import Equation, Worksheet, whole
from harness.claims.expressions import RATIONALS, Binary, Node, Number, evaluate
from harness.claims.model import Claim
from harness.claims.vocabulary import Quantity
from harness.statistics.proportions import critical, two_sided

CONFIDENCE = 0.95
ORDERS = ("<", "<=", ">", ">=")
STEP = Fraction(1, 10**6)


@dataclass(frozen=True, slots=True)
class Resolution:
    """A difference with its unpaired binomial standard deviation, in the relation's unit."""

    difference: Fraction
    deviation: float

    @property
    def p(self) -> float:
        return two_sided(float(self.difference) / self.deviation)

    @property
    def resolved(self) -> bool:
        return self.p < 1 - CONFIDENCE

    @property
    def least(self) -> float:
        """The smallest difference that the test set resolves."""
        return critical(CONFIDENCE) * self.deviation


def unresolvable(equation: Equation, claims: Mapping[str, Claim]) -> str:
    """Say why no binomial spread can be given for an equation; empty if one can."""
    for claim in (claims[id] for id in equation.operands):
        if claim.definition.quantity is not Quantity.PROPORTION:
            return f"{claim.definition.title} is not a count of images, so its spread is not known from the print"
        if claim.n is None:
            return f"the number of test images behind {claim.id} is not known"
    return "" if equation.operands else "no measured number is involved"


def resolution(equation: Equation, claims: Mapping[str, Claim]) -> Resolution | None:
    """Return the difference of the two sides and its spread; None where :func:`unresolvable` says why not."""
    if unresolvable(equation, claims):
        return None
    node = Binary("-", equation.left, equation.right)
    values = {id: claims[id].printed.value for id in equation.operands}
    variance = 0.0
    for id in equation.operands:
        slope = _slope(node, values, id)
        total, n = whole(claims[id].unit), claims[id].n
        assert n is not None
        p = float(values[id] / total)
        variance += float(slope * total) ** 2 * max(0.0, p * (1 - p)) / n
    face: Fraction = evaluate(node, values.__getitem__, RATIONALS)
    return Resolution(face, sqrt(variance)) if variance > 0 else None


def _slope(node: Node, values: Mapping[str, Fraction], id: str) -> Fraction:
    def at(shift: Fraction) -> Fraction:
        result: Fraction = evaluate(node, {**values, id: values[id] + shift}.__getitem__, RATIONALS)
        return result

    return (at(STEP) - at(-STEP)) / (2 * STEP)


def detect(sheet: Worksheet) -> Iterator[Finding]:
    """Yield statements that rank systems, or call a difference significant, more finely than the test sets resolve."""
    for _, group in groupby(sheet.equations.values(), key=lambda equation: equation.relation.statement):
        cases = [e for e in group if e.relation.op in ORDERS and (e.relation.significant or _is_ranking(e))]
        judged = [(case, resolution(case, sheet.paper.claims)) for case in cases]
        unresolved = [(case, found) for case, found in judged if found is not None and not found.resolved]
        if unresolved:
            yield _finding(sheet, unresolved, len(cases))


def _finding(sheet: Worksheet, unresolved: list[tuple[Equation, Resolution]], cases: int) -> Finding:
    relation = unresolved[0][0].relation
    differences = "; ".join(
        f"{equation.relation.left} {equation.relation.op} {equation.relation.right} by "
        f"{number(abs(found.difference))} {relation.unit}, where {found.least:.2g} are resolved (p = "
        f"{probability(found.p)})"
        for equation, found in unresolved
    )
    operands = tuple(dict.fromkeys(id for equation, _ in unresolved for id in equation.operands))
    return Finding(
        rule=NOT_SIGNIFICANT if relation.significant else UNRESOLVED,
        severity=Severity.WARNING if relation.significant else Severity.NOTE,
        message=(
            f"“{relation.quote}”: {len(unresolved)} of {cases} comparisons are finer than two independent samples of "
            f"the test set's size resolve at 95 %: {differences}. Per-image outcomes would allow a sharper, paired "
            f"test."
        ),
        line=relation.place.line,
        claims=operands,
        printed=tuple(str(sheet.paper.claims[id].printed) for id in operands),
        relation=relation.id,
        conclusion=relation.conclusion,
    )


def _is_ranking(equation: Equation) -> bool:
    """Return whether two systems are compared with each other, and not a difference with a threshold."""
    return not (isinstance(equation.left, Number) or isinstance(equation.right, Number))
