"""Which measured metric stands beside which printed number, and in what unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from harness.claims.model import Operand
from harness.claims.vocabulary import UNITS
from harness.errors import ClaimsError
from harness.experiment import Reach
from harness.scoring.cohort import Cohort, Score, Seed
from harness.scoring.declared import AnyExperiment
from harness.scoring.scores import Metric

CLASS_COLUMN = "iou-"
"""How the columns of a table of class IoUs begin; the rest is the class."""


@dataclass(frozen=True)
class Beside:
    """The scores of a claim's system and metric in a cohort, by seed in ascending order, at least one."""

    cohort: Cohort
    reach: Reach
    scores: Mapping[Seed, Score]


def reach_of(experiment: AnyExperiment, claim: Operand) -> Reach | None:
    """Return the experiment's reach that the claim's system, metric and protocol match; None if it has none."""
    wanted = (claim.metric, claim.protocol)
    reach = next((reach for reach in experiment.reaches if (reach.metric, reach.protocol) == wanted), None)
    return reach if reach is not None and claim.system in experiment.measured() else None


def metric_of(claim: Operand) -> Metric:
    """Return what would have to be measured."""
    label = (claim.column or "").removeprefix(CLASS_COLUMN) if claim.metric == "iou" else ""
    return Metric(claim.metric, label)


def beside(cohort: Cohort, claim: Operand) -> Beside | None:
    """Return what a cohort measured of what the claim is about; None if nothing."""
    reach = reach_of(cohort.experiment, claim)
    scores = cohort.scores.get((claim.system, metric_of(claim)))
    return None if reach is None or scores is None else Beside(cohort, reach, scores)


def conversion(metric: Metric, claim: Operand) -> Fraction:
    """Return how many of the claim's unit one of the metric's unit is.

    Raises:
        ClaimsError: The units are of different dimensions.
    """
    ours, theirs = UNITS[metric.unit], UNITS[claim.unit]
    if ours.dimension != theirs.dimension:
        raise ClaimsError(
            f"{claim.id} is printed in {claim.unit!r}, but {claim.metric} is measured in {metric.unit!r}",
            f"Give the claim a unit of the dimension {ours.dimension!r}.",
        )
    return ours.factor / theirs.factor
