"""Relations judged by measurement: the comparison a statement makes, on measured instead of printed numbers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np

from harness.claims.expressions import RATIONALS, Algebra, Binary, Call, Negation, Node, Power, evaluate, names
from harness.claims.model import Paper, Relation
from harness.claims.relations import comparison as parts_of
from harness.claims.relations import resolved
from harness.scoring.cohort import Cohort, Score, Seed
from harness.scoring.model import Verdict
from harness.scoring.reach import beside, conversion, metric_of
from harness.scoring.scores import images
from harness.statistics.evidence import WORDS, Evidence, Word
from harness.statistics.intervals import RESAMPLES, Estimate, Floats, seeds_and_images, standard_error
from harness.statistics.verdicts import comparison, exact_comparison, undecided

ARRAYS: Algebra[Any] = Algebra(
    lambda number: np.float64(float(number)),
    lambda operands: reduce(np.minimum, operands),
    lambda operands: reduce(np.maximum, operands),
    operator.pow,
)
COMPARE: Mapping[str, Callable[[Fraction, Fraction], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}

Sides = tuple[Node, Node]
Operands = Mapping[str, Mapping[Seed, Score]]


def compared(relation: Relation, paper: Paper) -> tuple[str, ...]:
    """Return the ids of what a relation's direction compares, each once; none if it has no direction."""
    if relation.direction is None:
        return ()
    left, _, right = parts_of(relation.direction)
    return tuple(dict.fromkeys(name for side in (left, right) for name in names(resolved(side, paper))))


def judge(relation: Relation, paper: Paper, cohort: Cohort) -> Verdict | None:
    """Judge a relation's direction by what a cohort measured.

    The expression is evaluated on the scores of each seed, the same seed for all systems, and on resamples of the
    images, the same images for all systems and seeds; the mean over seeds is judged. Metrics on different numbers of
    images are resampled apart.

    Returns:
        None if the direction has an operand the cohort has not measured for a common seed, its evidence is of a kind
        that judges claims, not relations, or it asks for equality and the evidence is not exact.
    """
    ids = compared(relation, paper)
    if relation.direction is None or not ids:
        return None
    operands: dict[str, Mapping[Seed, Score]] = {}
    for claim_id in ids:
        found = beside(cohort, paper.operands[claim_id])
        if found is None:
            return None
        operands[claim_id] = found.scores
    left, op, right = parts_of(relation.direction)
    sides = resolved(left, paper), resolved(right, paper)
    if cohort.evidence is Evidence.EXACT:
        return _derived(sides, op, operands, paper, cohort)
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in operands.values())))
    if not seeds or op == "=" or Word.SUPPORTS not in WORDS[cohort.evidence]:
        return None
    return _measured(sides, op, {k: {s: v[s] for s in seeds} for k, v in operands.items()}, paper, cohort)


def _derived(sides: Sides, op: str, operands: Operands, paper: Paper, cohort: Cohort) -> Verdict | None:
    def value(claim_id: str) -> Fraction:
        claim = paper.operands[claim_id]
        derived = next(iter(operands[claim_id].values())).value
        return Fraction(derived) * conversion(metric_of(claim), claim)

    try:
        left, right = (evaluate(side, value, RATIONALS) for side in sides)
    except ZeroDivisionError:
        return None
    word, reason = exact_comparison(COMPARE[op](left, right), left, op, right)
    return Verdict(word, Evidence.EXACT, cohort.experiment.key, reason, difference=float(left - right))


def _measured(sides: Sides, op: str, operands: Operands, paper: Paper, cohort: Cohort) -> Verdict:
    factors = {k: float(conversion(metric_of(paper.operands[k]), paper.operands[k])) for k in operands}
    unit = _unit(sides, operands, paper)

    def scores(claim_id: str) -> Floats:
        return factors[claim_id] * np.array([score.value for score in operands[claim_id].values()])

    def resampled(claim_id: str) -> Floats:
        return factors[claim_id] * np.stack([_drawn(score) for score in operands[claim_id].values()])

    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        per_seed = _difference(sides, scores)
        drawn = _difference(sides, resampled).mean(axis=0)
    if not (np.isfinite(per_seed).all() and np.isfinite(drawn).all()):
        word, reason = undecided(cohort.evidence, "A divisor is zero, or near it, in the measurement or its resamples.")
        return Verdict(word, cohort.evidence, cohort.experiment.key, reason)
    estimate = _estimate(per_seed, drawn, operands)
    word, reason = comparison(cohort.evidence, estimate, op, unit)
    return Verdict(
        word, cohort.evidence, cohort.experiment.key, reason, estimate.value, estimate.low, estimate.high, unit
    )


def _difference(sides: Sides, values: Callable[[str], Floats]) -> Floats:
    left, right = (evaluate(side, values, ARRAYS) for side in sides)
    difference: Floats = np.asarray(left - right)
    return difference


def _drawn(score: Score) -> Floats:
    return np.full(RESAMPLES, score.value) if score.resampled is None else score.resampled


def _estimate(per_seed: Floats, drawn: Floats, operands: Operands) -> Estimate:
    counts = [images(score.sample) for by_seed in operands.values() for score in by_seed.values()]
    fewest = min((count for count in counts if count), default=0)
    return seeds_and_images(per_seed, standard_error(drawn, fewest) if fewest else 0.0, fewest)


def _unit(sides: Sides, operands: Operands, paper: Paper) -> str:
    """Return the unit of a difference of the sides; empty if they multiply or divide."""
    if any(_is_product(side) for side in sides):
        return ""
    units = {paper.operands[claim_id].unit for claim_id in operands}
    return "pp" if units == {"%"} else " and ".join(sorted(units))


def _is_product(node: Node) -> bool:
    match node:
        case Binary(symbol, left, right):
            return symbol in "*/" or _is_product(left) or _is_product(right)
        case Call(_, arguments):
            return any(_is_product(argument) for argument in arguments)
        case Negation(operand):
            return _is_product(operand)
        case Power():
            return True
        case _:
            return False
