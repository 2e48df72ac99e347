"""One record's outcomes under every convention, and beside the claim that they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.claims.intervals import Interval
from harness.claims.model import Claim, Paper
from harness.errors import UsageError
from harness.experiment import Experiment
from harness.explain.conventions import SEGMENTATION_METRICS, Axis, Choice, Option, Untried
from harness.explain.rescore import Boxes, Rescoring, Way, classification, localisation, outcome_kinds, segmentation
from harness.explain.waterfall import Survey, Values, Waterfall, survey, waterfall
from harness.ledger.record import Record, measured_systems, variant_arrays
from harness.scoring.reach import conversion, metric_of, reach_of
from harness.scoring.sweeps import box_rule, swept_thresholds
from harness.statistics.evidence import Evidence
from harness.statistics.intervals import Bounds, Floats, percentile

Arrays = Mapping[str, NDArray[Any]]
Outcome = TypeVar("Outcome")

KINDS: Mapping[str, tuple[str, int]] = {
    **dict.fromkeys(SEGMENTATION_METRICS, ("segmentation", 0)),
    "top1-localisation-error": ("localisation", 1),
    "top5-localisation-error": ("localisation", 5),
    "top1-error": ("classification", 1),
    "top5-error": ("classification", 5),
}
"""By metric, the outcomes it is computed from, and how many guesses it allows; the first of a kind is its default."""

OF_THE_CLAIM = (Evidence.RELEASED_WEIGHTS, Evidence.RETRAINED, Evidence.SUBSET)
"""Evidence whose distance from a printed number is a gap to explain; all else measures something else."""


@dataclass(frozen=True, slots=True)
class Number:
    """A score in percent with its 95 % interval over images; None where it, or a resample's, does not exist."""

    value: float | None
    interval: Bounds | None


@dataclass(frozen=True, slots=True)
class Row:
    """One convention changed, the others as usual.

    Attributes:
        usual: It is what the measurement was scored by.
        official: It is what the dataset's own evaluation does.
        score: Under it.
        change: From the usual, on the same images and resamples.
    """

    axis: str
    title: str
    option: str
    words: str
    used_by: str
    usual: bool
    official: bool
    score: Number
    change: Number


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the waterfall with the interval of its change over images."""

    title: str
    words: str
    score: Number
    change: Number


@dataclass(frozen=True, slots=True)
class Nearest:
    """What all combinations say; ``changes`` are title and words of the nearest one."""

    survey: Survey
    changes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """What conventions make of the difference from a claim.

    Attributes:
        waterfall: In percent.
        stages: Of the waterfall's steps.
        start: Our number.
        nearest: None where there are too many combinations to score.
    """

    claim: Claim
    waterfall: Waterfall
    start: Number
    stages: tuple[Stage, ...]
    nearest: Nearest | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """One metric of one record under its conventions.

    Attributes:
        images: Behind each number.
        gap: None where no claim is about what was measured.
        others: Ids of further claims that the record is about.
    """

    metric: str
    images: int
    rows: tuple[Row, ...]
    gap: Gap | None
    others: tuple[str, ...]
    untried: tuple[Untried, ...]


def explanations(
    record: Record, arrays: Arrays, suffix: str, paper: Paper | None, experiment: Experiment | None
) -> tuple[Explanation, ...]:
    """Explain each kind of outcome a record holds, beside the first claim that it reaches.

    Args:
        arrays: All of the record's.
        suffix: Of the arrays of the system that is meant; empty for the record's own.
        paper, experiment: Where claims are looked for; None: nowhere.

    Raises:
        UsageError: The record holds no outcomes that can be scored again.
    """
    system = measured_systems(record.recipe, record.system)[suffix]
    kinds = outcome_kinds(variant_arrays(arrays, suffix))
    if not kinds:
        held = ", ".join(sorted(arrays)) or "none"
        raise UsageError(
            f"the record of {system} keeps no counts, ranks or boxes to score again; its arrays: {held}",
            "Name a record of a trained or evaluated network.",
        )
    claims = reached(record, system, paper, experiment)
    found = []
    for kind in kinds:
        mine = [claim for claim in claims if KINDS[claim.metric][0] == kind]
        metric = mine[0].metric if mine else next(m for m, (k, _) in KINDS.items() if k == kind)
        scoring = rescoring(record, arrays, metric, suffix)
        found.append(explain(scoring, metric, mine[0] if mine else None, tuple(c.id for c in mine[1:])))
    return tuple(found)


def reached(record: Record, system: str, paper: Paper | None, experiment: Experiment | None) -> list[Claim]:
    """Return the claims whose very number a record measured, in the paper's order."""
    if paper is None or experiment is None or not measures_claims(record):
        return []
    return [
        claim
        for claim in paper.claims.values()
        if claim.metric in KINDS
        and (claim.system, claim.dataset) == (system, record.data.name if record.data else None)
        and reach_of(experiment, claim) is not None
    ]


def measures_claims(record: Record) -> bool:
    """Whether a record's distance from a printed number is a gap that conventions could explain."""
    whole = record.complete and record.recipe.get("scale") != "toy"
    return whole and record.evidence in OF_THE_CLAIM and record.data is not None


def chosen_claim(record: Record, arrays: Arrays, system: str, paper: Paper, id: str) -> Claim:
    """Return a claim that a user names for a record; its protocol may be another.

    Raises:
        UsageError: There is no such claim, or the record measured something else.
    """
    claim = paper.claims.get(id.removeprefix(f"{paper.key}/"))
    if claim is None:
        own = [c.id for c in paper.claims.values() if c.system == system and c.metric in KINDS]
        raise UsageError(f"{paper.key} has no claim {id!r}", f"Claims of {system}: {', '.join(own[:12]) or 'none'}.")
    kinds = outcome_kinds(arrays)
    if claim.metric not in KINDS or KINDS[claim.metric][0] not in kinds:
        raise UsageError(
            f"{claim.id} is about {claim.metric}, and the record's outcomes give {', '.join(_metrics_of(kinds))}",
            "Name a claim about one of these.",
        )
    if claim.system != system:
        raise UsageError(f"{claim.id} is about {claim.system}, the record about {system}", "Name a claim about it.")
    data = record.data.name if record.data else "no images"
    if not measures_claims(record) or data != claim.dataset:
        raise UsageError(
            f"{claim.id} is about {claim.dataset}; the record is {record.evidence.value} evidence on {data}"
            f"{'' if record.complete else ', and unfinished'}: their distance is no gap that conventions explain",
            "Leave out --claim for what conventions alone do to the record's number.",
        )
    return claim


def rescoring(record: Record, arrays: Arrays, metric: str, suffix: str = "") -> Rescoring:
    """Return the outcomes behind a metric with their conventions.

    Of ranks and boxes, the record's variants are other ways to show the same network the same images, so that they
    are conventions too; those over other images are left out.

    Args:
        arrays, suffix: As for :func:`explanations`.

    Raises:
        UsageError: They have the wrong shape, or the recipe's rule for boxes cannot be read.
    """
    kind, guesses = KINDS[metric]
    if kind == "classification":
        return classification(_ways(record, arrays, suffix, _ranks, "ranks"), guesses)
    if kind == "localisation":
        boxes = _ways(record, arrays, suffix, _boxes, "loc_iou")
        swept = all(way.outcome.sweep is not None for way in boxes.values())
        thresholds = swept_thresholds(record, variant_arrays(arrays, suffix)) if swept else ()
        return localisation(boxes, guesses, box_rule(record), thresholds)
    counts = variant_arrays(arrays, suffix)["confusion"].astype(np.int64)
    if counts.ndim != 3 or counts.shape[2] != counts.shape[1] + 1 or len(counts) < 2 or counts.min() < 0:
        raise UsageError(f"confusion counts [N, K, K + 1] with at least two images expected, got {counts.shape}")
    names, least = record.recipe.get("classes", []), record.recipe.get("least_images", 0)
    return segmentation(counts, SEGMENTATION_METRICS[metric], dataset_of(record), names, least)


def dataset_of(record: Record) -> str:
    """Return the key of the dataset without its split."""
    return record.data.name.partition("/")[0] if record.data else ""


def explain(
    scoring: Rescoring, metric: str, claim: Claim | None, others: tuple[str, ...] = (), *, whole: bool = True
) -> Explanation:
    """Score outcomes under each single change, and towards a claim if there is one.

    Args:
        whole: Whether to score all combinations too.

    Raises:
        UsageError: The usual conventions give no score.
    """
    values = _Remembered(scoring)
    if not np.isfinite(values([scoring.grid.usual])[0]):
        raise UsageError(f"the usual conventions give no {metric}: no pixel or image counts")
    drop = None
    nearest = None
    if claim is not None:
        target = claim.printed.interval.scaled(1 / conversion(metric_of(claim), claim))
        drop = waterfall(scoring.grid, values, target)
        nearest = _nearest(scoring, values, target) if whole else None
    singles = list(scoring.grid.singles(scoring.grid.usual))
    steps = drop.steps if drop else ()
    needed = dict.fromkeys([scoring.grid.usual, *(c for _, _, c in singles), *(step.choice for step in steps)])
    drawn = dict(zip(needed, scoring.resampled(list(needed)).T, strict=True))
    numbers = _Numbers(dict(zip(needed, values(list(needed)), strict=True)), drawn)
    gap = None
    if claim is not None and drop is not None:
        gap = Gap(claim, drop, numbers.score(scoring.grid.usual), tuple(_stages(scoring, drop, numbers)), nearest)
    return Explanation(metric, scoring.images, tuple(_rows(scoring, numbers)), gap, others, scoring.grid.untried)


@dataclass(frozen=True)
class _Remembered:
    """Scores of choices, each computed once."""

    scoring: Rescoring
    known: dict[Choice, float] = field(default_factory=dict)

    def __call__(self, choices: Sequence[Choice]) -> list[float]:
        missing = [choice for choice in dict.fromkeys(choices) if choice not in self.known]
        if missing:
            self.known.update(zip(missing, self.scoring.values(missing), strict=True))
        return [self.known[choice] for choice in choices]


@dataclass(frozen=True)
class _Numbers:
    """Scores by choice, and float64 [B] on common resamples."""

    values: Mapping[Choice, float]
    drawn: Mapping[Choice, Floats]

    def score(self, choice: Choice) -> Number:
        return _number(self.values[choice], self.drawn[choice])

    def change(self, before: Choice, after: Choice) -> Number:
        return _number(self.values[after] - self.values[before], self.drawn[after] - self.drawn[before])


def _number(value: float, drawn: Floats) -> Number:
    if not np.isfinite(value):
        return Number(None, None)
    return Number(value, percentile(drawn) if np.isfinite(drawn).all() else None)


def _rows(scoring: Rescoring, numbers: _Numbers) -> Iterator[Row]:
    grid = scoring.grid
    for axis in grid.axes:
        for option in axis.options:
            choice = grid.changed(grid.usual, axis.key, option.key)
            if choice in numbers.values:
                yield _row(axis, option, numbers.score(choice), numbers.change(grid.usual, choice))


def _row(axis: Axis, option: Option, score: Number, change: Number) -> Row:
    return Row(
        axis.key,
        axis.title,
        option.key,
        option.words,
        option.used_by,
        option.key == axis.usual,
        option.key == axis.official,
        score,
        change,
    )


def _stages(scoring: Rescoring, drop: Waterfall, numbers: _Numbers) -> Iterator[Stage]:
    before = scoring.grid.usual
    for step in drop.steps:
        yield Stage(step.axis.title, step.option.words, numbers.score(step.choice), numbers.change(before, step.choice))
        before = step.choice


def _nearest(scoring: Rescoring, values: Values, target: Interval) -> Nearest | None:
    found = survey(scoring.grid, values, target)
    if found is None:
        return None
    changes = scoring.grid.changes(found.nearest)
    return Nearest(found, tuple((axis.title, option.words) for axis, option in changes))


def _metrics_of(kinds: Sequence[str]) -> list[str]:
    return [metric for metric, (kind, _) in KINDS.items() if kind in kinds]


def _ways(
    record: Record, arrays: Arrays, suffix: str, read: Callable[[Arrays], Outcome], name: str
) -> dict[str, Way[Outcome]]:
    """Return what was measured and, beside the record's own system, its variants over the same images."""
    found = {"": Way("as measured", read(variant_arrays(arrays, suffix)))}
    if suffix:
        return found
    for other, system in measured_systems(record.recipe, record.system).items():
        own = variant_arrays(arrays, other)
        if other and name in own and len(own[name]) == len(arrays[name]):
            found[other] = Way(system.removeprefix(record.system).lstrip(", "), read(own))
    return found


def _ranks(arrays: Arrays) -> NDArray[np.integer]:
    ranks = arrays["ranks"]
    if ranks.ndim not in (1, 2) or len(ranks) < 2 or 0 in ranks.shape:
        raise UsageError(f"ranks [N] or [N, crops] with at least two images expected, got {ranks.shape}")
    return ranks


def _boxes(arrays: Arrays) -> Boxes:
    ranks, iou, sweep = arrays["loc_ranks"], arrays["loc_iou"], arrays.get("loc_sweep")
    if ranks.ndim != 1 or len(ranks) < 2 or ranks.shape != iou.shape or np.isnan(iou).any():
        raise UsageError(f"loc_ranks {ranks.shape} and loc_iou {iou.shape} do not belong together, or hold NaN")
    if sweep is not None and (sweep.ndim != 2 or len(sweep) != len(iou) or np.isnan(sweep).any()):
        raise UsageError(f"loc_sweep {sweep.shape} does not belong to loc_iou {iou.shape}, or holds NaN")
    return Boxes(ranks, iou, sweep)
