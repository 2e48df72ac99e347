"""Every relation recomputed from printed inputs by interval arithmetic.

Each printed decimal stands for all values that round to it, so a relation is

* *consistent* if it holds for the printed decimals themselves (``=``: after rounding to the precision of the side that
  prints the result; ``<`` and its kin: for all values that round to the print);
* *consistent within rounding* if it holds for some values that round to the print;
* *inconsistent* if it holds for none, and only then is the paper accused;
* *undecided* if the order of the two sides is within rounding and the print does not show it either.

A lone number on one side of ``=`` is a printed result with a rounding interval of its own; in ``< <= > >=`` it is an
exact threshold, and ``~`` means "apart by at most the margin".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby, islice, product

from harness.audit.finding import Consequence, Finding, Outcome, RelationVerdict, Severity
from harness.audit.resolution import resolution, unresolvable
from harness.audit.rules import COUNTER_EXAMPLE, READING, RELATION, TRUNCATED, UNDECIDED, Rule
from harness.audit.wording import measure, number, probability, span
from harness.audit.worksheet import Equation, Worksheet, enclosure
from harness.claims.expressions import RATIONALS, Binary, Name, Node, enclose, evaluate, names
from harness.claims.intervals import Interval
from harness.claims.model import Claim
from harness.claims.printed import PRINTED, Printed

CUT_OFF = "holds if the digits were cut off instead of rounded"
OTHER_READING = "holds for another reading of an uncertain copy"
MOST_READINGS = 64
LONGEST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a relation.

    Attributes:
        face: Its value with the printed decimals taken as exact.
        range: Everything it can be.
        result: The decimal, where the side is nothing but one printed number or one claim.
    """

    face: Fraction
    range: Interval
    result: Printed | None


def verdicts(sheet: Worksheet) -> tuple[RelationVerdict, ...]:
    """Return the verdict on every relation of the paper, in file order."""
    return tuple(
        RelationVerdict(relation, Outcome.NOT_CHECKABLE, relation.unchecked)
        if relation.unchecked is not None
        else verdict(sheet.equations[relation.id], sheet.paper.claims)
        for relation in sheet.paper.relations
    )


def verdict(equation: Equation, claims: Mapping[str, Claim]) -> RelationVerdict:
    """Judge a relation, look at other readings if it fails, and say what of its words is not arithmetic."""
    judged = judge(equation, claims)
    if judged.outcome is Outcome.INCONSISTENT:
        reading = _other_reading(equation, claims)
        if reading:
            return replace(judged, outcome=Outcome.UNDECIDED, reason=f"{OTHER_READING}: {reading}")
    if equation.relation.significant and judged.outcome is not Outcome.NOT_CHECKABLE:
        return replace(judged, reason="; ".join(filter(None, [judged.reason, _significance(equation, claims)])))
    return judged


def judge(equation: Equation, claims: Mapping[str, Claim]) -> RelationVerdict:
    """Judge a relation by its printed numbers alone."""
    relation = equation.relation
    exact = relation.op != "="
    try:
        left = _side(equation.left, relation.left, claims, exact)
        right = _side(equation.right, relation.right, claims, exact)
        difference = _difference(equation, left, right, claims)
    except ZeroDivisionError:
        return RelationVerdict(relation, Outcome.NOT_CHECKABLE, "a divisor may be zero within its rounding")
    face = left.face - right.face
    reason = ""
    if relation.op == "=":
        outcome = _equal(left, right, difference)
        reason = CUT_OFF if outcome is Outcome.INCONSISTENT and _cut_off(left, right) else ""
    elif relation.op == "~":
        assert relation.margin is not None
        outcome = _near(abs(difference), abs(face), relation.margin.value)
    else:
        outcome = _ordered(relation.op, difference, face)
    return RelationVerdict(relation, outcome, reason, left.range, right.range, left.face, right.face)


def _side(node: Node, text: str, claims: Mapping[str, Claim], exact: bool) -> Side:
    face: Fraction = evaluate(node, lambda id: claims[id].printed.value, RATIONALS)
    if PRINTED.fullmatch(text.strip()):
        literal = Printed(text.strip())
        return Side(face, Interval.point(face) if exact else literal.interval, literal)
    result = claims[node.id].printed if isinstance(node, Name) else None
    return Side(face, _range(node, claims), result)


def _difference(equation: Equation, left: Side, right: Side, claims: Mapping[str, Claim]) -> Interval:
    """Enclose left minus right, in one expression where both speak of the same claim."""
    if set(names(equation.left)).isdisjoint(names(equation.right)):
        return left.range - right.range
    return _range(Binary("-", equation.left, equation.right), claims)


def _range(node: Node, claims: Mapping[str, Claim]) -> Interval:
    return enclose(node, {id: enclosure(claims[id]) for id in names(node)})


def _equal(left: Side, right: Side, difference: Interval) -> Outcome:
    """Compare at the precision of a side that prints the result; of two such sides at the coarser precision."""
    if left.face == right.face or _rounds_to(left.face, right) or _rounds_to(right.face, left):
        return Outcome.CONSISTENT
    possible = difference.low <= 0 <= difference.high
    return Outcome.WITHIN_ROUNDING if possible else Outcome.INCONSISTENT


def _rounds_to(value: Fraction, side: Side) -> bool:
    return side.result is not None and side.range.low <= value <= side.range.high


def _cut_off(left: Side, right: Side) -> bool:
    pairs = ((left, right), (right, left))
    return any(side.result is not None and side.result.truncation_interval.meets(other.range) for side, other in pairs)


def _ordered(op: str, difference: Interval, face: Fraction) -> Outcome:
    """Decide ``difference op 0``. Two prints next to each other share the end of their intervals: that is an order."""
    if op in (">", ">="):
        difference, face = -difference, -face
    strict = op in ("<", ">")
    if difference.high < 0 or (difference.high == 0 and (not strict or difference.width > 0)):
        return Outcome.CONSISTENT
    if difference.low > 0 or (difference.low == 0 and strict):
        return Outcome.INCONSISTENT
    return Outcome.WITHIN_ROUNDING if face < 0 or (face == 0 and not strict) else Outcome.UNDECIDED


def _near(apart: Interval, face: Fraction, margin: Fraction) -> Outcome:
    if face <= margin:
        return Outcome.CONSISTENT
    return Outcome.WITHIN_ROUNDING if apart.low <= margin else Outcome.INCONSISTENT


def _other_reading(equation: Equation, claims: Mapping[str, Claim]) -> str:
    """Return the first combination of other readings for which the relation holds, in words; empty if none does."""
    uncertain = [claims[id] for id in equation.operands if claims[id].readings]
    choices = product(*([claim.printed, *claim.readings] for claim in uncertain))
    for choice in islice(choices, 1, MOST_READINGS):
        read = {claim.id: replace(claim, printed=text) for claim, text in zip(uncertain, choice, strict=True)}
        if judge(equation, {**{id: claims[id] for id in equation.operands}, **read}).holds:
            return ", ".join(f"{c.id} read as {t}" for c, t in zip(uncertain, choice, strict=True) if t != c.printed)
    return ""


def _significance(equation: Equation, claims: Mapping[str, Claim]) -> str:
    missing = unresolvable(equation, claims)
    if missing:
        return f"significance not checkable: {missing}"
    found = resolution(equation, claims)
    if found is None:
        return "significance not checkable: the spread is zero"
    word = "resolved" if found.resolved else "not resolved"
    return f"{word} by the test set at 95 %, unpaired (p = {probability(found.p)})"


def detect(sheet: Worksheet, judged: Iterable[RelationVerdict]) -> Iterator[Finding]:
    """Yield a finding for each relation that fails, and one for each universal statement with counter-examples."""
    for _, group in groupby(judged, key=lambda v: v.relation.statement):
        cases = list(group)
        failing = [case for case in cases if case.outcome is Outcome.INCONSISTENT]
        cut_off = [case for case in failing if case.reason.startswith(CUT_OFF)]
        wrong = [case for case in failing if case not in cut_off]
        if wrong and cases[0].relation.universal is not None:
            yield _counter_example(sheet, cases, wrong)
        else:
            yield from (_failure(sheet, case) for case in wrong)
        for case in cut_off:
            yield _finding(sheet, TRUNCATED, Severity.NOTE, [case], f"{_recomputed(case)}; the statement {CUT_OFF}.")
        for case in cases:
            if case.outcome is Outcome.UNDECIDED:
                yield _undecided(sheet, case)


def _failure(sheet: Worksheet, case: RelationVerdict) -> Finding:
    relation = case.relation
    severity = Severity.WARNING if relation.op == "~" else Severity.ERROR
    margin = f" within {measure(relation.margin, relation.unit)} ({relation.margin_reason})" if relation.margin else ""
    return _finding(sheet, RELATION, severity, [case], f"{_recomputed(case)}{margin}.")


def _counter_example(sheet: Worksheet, cases: list[RelationVerdict], failing: list[RelationVerdict]) -> Finding:
    holding = sum(case.holds for case in cases)
    examples = "; ".join(_recomputed(case, quote=False) for case in failing)
    message = (
        f"“{cases[0].relation.quote}” says “{cases[0].relation.universal}”, and {holding} of {len(cases)} cases hold. "
        f"Against it: {examples}."
    )
    severity = Severity.WARNING if cases[0].relation.op == "~" else Severity.ERROR
    return _finding(sheet, COUNTER_EXAMPLE, severity, failing, message)


def _undecided(sheet: Worksheet, case: RelationVerdict) -> Finding:
    if case.reason.startswith(OTHER_READING):
        message = f"{_recomputed(case)} as copied; the statement {case.reason}."
        return _finding(sheet, READING, Severity.NOTE, [case], message)
    message = f"{_recomputed(case)}: the print does not show the order, and rounding leaves it open."
    return _finding(sheet, UNDECIDED, Severity.NOTE, [case], message)


def _finding(sheet: Worksheet, rule: Rule, severity: Severity, cases: list[RelationVerdict], message: str) -> Finding:
    relation = cases[0].relation
    operands = tuple(dict.fromkeys(id for case in cases for id in sheet.equations[case.relation.id].operands))
    return Finding(
        rule=rule,
        severity=severity,
        message=message,
        line=relation.place.line,
        claims=operands,
        printed=tuple(str(sheet.paper.claims[id].printed) for id in operands),
        recomputed=cases[0].left,
        relation=relation.id,
        conclusion=relation.conclusion,
    )


def _recomputed(case: RelationVerdict, *, quote: bool = True) -> str:
    """Say what was printed and what the printed inputs give."""
    relation = case.relation
    left, right = _side_text(relation.left, case.left_face, case.left), relation.right
    if not PRINTED.fullmatch(right.strip()):
        right = _side_text(relation.right, case.right_face, case.right)
    words = f"“{relation.quote}”: " if quote else ""
    if relation.op == "=":
        return f"{words}{left}, where the paper says {measure(right, relation.unit)}"
    return f"{words}{left}, which is not {relation.op} {measure(right, relation.unit)}"


def _side_text(text: str, face: Fraction | None, interval: Interval | None) -> str:
    """Write an expression with its value; one too long to read is left to the relation."""
    if face is None or interval is None:
        return text
    value = number(face) + (f" ({span(interval)} within rounding)" if interval.width else "")
    return f"{text} = {value}" if len(text) <= LONGEST_SHOWN else f"the printed numbers give {value}"


def consequences(sheet: Worksheet, values: Mapping[str, Printed]) -> tuple[Consequence, ...]:
    """Return the relations that hold no longer, or only then, when other decimals stand for some claims."""
    found: list[Consequence] = []
    for equation in sheet.resting_on(values):
        relation = equation.relation
        claims = {id: sheet.paper.claims[id] for id in equation.operands}
        changed = {id: replace(claims[id], printed=values[id]) for id in claims if id in values}
        before, after = judge(equation, claims), judge(equation, {**claims, **changed})
        if before.outcome is after.outcome or (before.holds and after.holds):
            continue
        message = f"“{relation.quote}”: {after.outcome.value}, was {before.outcome.value}"
        if before.left_face is not None and after.left_face is not None:
            message = (
                f"“{relation.quote}”: {relation.left} becomes {measure(number(after.left_face), relation.unit)} "
                f"instead of {number(before.left_face)} ({after.outcome.value})"
            )
        found.append(
            Consequence(relation.id, relation.quote, before.outcome, after.outcome, message, relation.conclusion)
        )
    return tuple(found)
