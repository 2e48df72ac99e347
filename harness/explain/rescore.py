"""Raw outcomes scored under any choice of conventions, as they are and on resamples of the images. No torch.

Every score of confusion counts here is a weighted mean over classes,

    sum_c w_c v_c / sum_c w_c

with v the IoU or the accuracy of a class, and w 1 for a class that counts, its true pixels, or its union. What the mean
is over besides (all images' counts together, images, classes, or pairs of both) is the convention "averaging".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.explain.conventions import Choice, Grid, classification_grid, localisation_grid, segmentation_grid
from harness.metrics.localisation import LocalisationProtocol, OverlapTest, box_correct
from harness.metrics.segmentation import AbsentClass, Averaging, classes_shown
from harness.statistics.intervals import Floats, bootstrap

Answers = Mapping[str, str]
Counts = NDArray[np.int64]
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Rescoring:
    """Outcomes of N images with the conventions they can be scored under.

    Attributes:
        images: N.
        scores: From C choices and weights of the images, float64 [B, N], to float64 [B, C] in percent; NaN where a
            choice has no score.
    """

    grid: Grid
    images: int
    scores: Callable[[Sequence[Choice], Floats], Floats]

    def values(self, choices: Sequence[Choice]) -> list[float]:
        """Return the score of each choice on the images as they are."""
        return [float(value) for value in self.scores(choices, np.ones((1, self.images)))[0]]

    def resampled(self, choices: Sequence[Choice]) -> Floats:
        """Return float64 [B, C], the scores on resamples of the images, the same draws for every choice.

        Raises:
            ValueError: Fewer than two images.
        """

        def statistic(weights: Floats) -> Floats:
            scores = self.scores(choices, weights)
            return np.stack([np.nan_to_num(scores), np.isnan(scores)], axis=-1)

        drawn = bootstrap(statistic, self.images)
        return np.where(drawn[..., 1] > 0, np.nan, drawn[..., 0])


def segmentation(
    counts: Counts, metric: str, dataset: str, class_names: Sequence[str], least_images: int = 0
) -> Rescoring:
    """Rescore confusion counts.

    Args:
        counts: int64 [N, K, K + 1], one matrix per image; the last column is "outside the classes".
        metric: What was measured: "miou" or "pixel-accuracy".
        dataset: Key of the dataset, for what is official.
        class_names: K names, or none.
        least_images: Of the recipe: classes that fewer images show were left out of the mean.
    """
    grid = segmentation_grid(
        metric,
        dataset,
        class_names,
        any_outside=bool(counts[..., -1].any()),
        any_absent=bool((counts.sum(axis=2) == 0).any()),
        least_images=least_images,
    )
    scores = CountScores(counts, least_images)
    return Rescoring(grid, len(counts), lambda choices, w: scores([grid.answers(c) for c in choices], w))


@dataclass(frozen=True, slots=True)
class Way(Generic[Outcome]):
    """Outcomes of the same network on the same images, shown in one way, and what way that is in a reader's words."""

    words: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Boxes:
    """What is kept of localisation.

    Attributes:
        ranks: [M], 0 for a top-1 hit.
        iou: [M], of each image's box with its best true box.
        sweep: [M, T], the same at each threshold of the activation map; None where it was not kept.
    """

    ranks: NDArray[np.integer]
    iou: NDArray[np.floating]
    sweep: NDArray[np.floating] | None = None


def classification(ways: Mapping[str, Way[NDArray[np.integer]]], guesses: int) -> Rescoring:
    """Rescore ranks, 0 for a top-1 hit, in percent of errors.

    Args:
        ways: By key, "" for what was measured; ranks [N], or [N, crops] whose errors are averaged.
        guesses: Of the metric, 1 or 5.
    """
    grid = classification_grid(guesses, {key: way.words for key, way in ways.items()})

    def wrong(answers: Answers) -> Floats:
        errors: Floats = (_chosen(ways, answers) >= int(answers["guesses"])).astype(np.float64)
        return errors if errors.ndim == 1 else errors.mean(axis=1)

    return Rescoring(grid, len(ways[""].outcome), _errors(grid, wrong))


def localisation(
    ways: Mapping[str, Way[Boxes]], guesses: int, protocol: LocalisationProtocol, thresholds: Sequence[float] = ()
) -> Rescoring:
    """Rescore boxes, in percent of errors.

    Args:
        ways: By key, "" for what was measured.
        guesses: Of the metric, 1 or 5.
        protocol: The rule it was measured by.
        thresholds: T, of every way's sweep; none without sweeps. The threshold that is best on the images is found
            once, on the images as they are.
    """
    grid = localisation_grid(guesses, protocol, {key: way.words for key, way in ways.items()}, thresholds)

    def wrong(answers: Answers) -> Floats:
        found = _chosen(ways, answers)
        rule = LocalisationProtocol(overlap=OverlapTest(answers["overlap"]), minimum_iou=float(answers["limit"]))
        missed = np.logical_not(box_correct(_overlaps(found, answers, thresholds), rule))
        if answers["class"] != "known":
            missed |= (found.ranks >= int(answers["class"]))[:, None]
        errors: Floats = missed.astype(np.float64)
        return errors[:, errors.mean(axis=0).argmin()]

    return Rescoring(grid, len(ways[""].outcome.ranks), _errors(grid, wrong))


def _chosen(ways: Mapping[str, Way[Outcome]], answers: Answers) -> Outcome:
    way = answers.get("way", "measured")
    return ways["" if way == "measured" else way].outcome


def _overlaps(found: Boxes, answers: Answers, thresholds: Sequence[float]) -> Floats:
    """Return the IoU of boxes, float64 [M, candidates]: of one threshold, or of all where the best is to be taken."""
    threshold = answers.get("threshold", "measured")
    if threshold == "measured" or found.sweep is None:
        return found.iou.astype(np.float64)[:, None]
    every = found.sweep.astype(np.float64)
    return every if threshold == "tuned" else every[:, [list(thresholds).index(float(threshold))]]


def _errors(grid: Grid, wrong: Callable[[Answers], Floats]) -> Callable[[Sequence[Choice], Floats], Floats]:
    def scores(choices: Sequence[Choice], weights: Floats) -> Floats:
        outcomes = np.stack([wrong(grid.answers(choice)) for choice in choices], axis=1)
        shares: Floats = 100 * (weights @ outcomes) / weights.sum(axis=1, keepdims=True)
        return shares

    return scores


@dataclass(frozen=True)
class CountScores:
    """Scores of confusion counts int64 [N, K, K + 1], in percent, by answers to the conventions of segmentation.

    Attributes:
        least_images: A class that fewer of the images show is left out where the answers say so.
    """

    counts: Counts
    least_images: int = 0

    def __call__(self, answers: Sequence[Answers], weights: Floats) -> Floats:
        """Return float64 [B, C] for C answers and weights float64 [B, N]; NaN where there is no score."""
        pooled = (weights @ self._flat).reshape(-1, *self.counts.shape[1:])
        tallies: dict[tuple[bool, str, str], _Tallies] = {}
        columns = []
        for chosen in answers:
            whole = chosen["averaging"] == Averaging.DATASET
            key = whole, chosen.get("outside", "miss"), chosen.get("background", "class")
            if key not in tallies:
                tallies[key] = _tallies(pooled if whole else self.counts.astype(np.float64), *key[1:])
            values, shares = _terms(tallies[key], chosen["score"], chosen.get("absent", AbsentClass.NAN_SKIP))
            if chosen.get("classes") == "shown":
                shares = np.where(self._shown, shares, 0.0)
            columns.append(_averaged(values, shares, chosen["averaging"], weights))
        return 100 * np.stack(columns, axis=1)

    @cached_property
    def _shown(self) -> NDArray[np.bool_]:
        return classes_shown(self.counts, self.least_images)

    @cached_property
    def _flat(self) -> Floats:
        return self.counts.reshape(len(self.counts), -1).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Tallies:
    """Of each class, float64 [..., n]: right pixels, true pixels, and pixels true or predicted; ``averaged``: bool [n],
    whether it enters the mean."""

    hits: Floats
    present: Floats
    union: Floats
    averaged: NDArray[np.bool_]


def _tallies(counts: Floats, outside: str, background: str) -> _Tallies:
    """Count under the conventions for predictions outside the classes and for class 0."""
    counts = counts.copy()
    if outside == "first-class":
        counts[..., 0] += counts[..., -1]
    if outside in ("first-class", "dropped"):
        counts[..., -1] = 0
    if background == "void":
        counts[..., 0, :] = 0
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    present = counts.sum(axis=-1)
    union = present + counts[..., :-1].sum(axis=-2) - hits
    return _Tallies(hits, present, union, np.arange(counts.shape[-2]) >= (background != "class"))


def _terms(tallies: _Tallies, score: str, absent: str) -> tuple[Floats, Floats]:
    """Return values and weights of the mean over classes, both [..., n]; values of weight 0 mean nothing."""
    present, union = tallies.present, tallies.union
    iou, accuracy = _ratio(tallies.hits, union), _ratio(tallies.hits, present)
    match score:
        case "miou":
            values, weights = _absent_filled(iou, present, union, absent)
        case "class-accuracy":
            values, weights = accuracy, (present > 0).astype(np.float64)
        case "pixel-accuracy":
            values, weights = accuracy, present
        case "frequency-weighted-iou":
            values, weights = iou, present
        case "micro-iou":
            values, weights = iou, union
        case _:
            raise ValueError(f"unknown score {score!r}")
    return values, np.where(tallies.averaged, weights, 0.0)


def _absent_filled(iou: Floats, present: Floats, union: Floats, absent: str) -> tuple[Floats, Floats]:
    match AbsentClass(absent):
        case AbsentClass.NAN_SKIP:
            return iou, (union > 0).astype(np.float64)
        case AbsentClass.GT_ONLY:
            return iou, (present > 0).astype(np.float64)
        case AbsentClass.ZERO:
            return np.where(union > 0, iou, 0.0), np.ones_like(iou)
        case AbsentClass.ONE:
            return np.where(union > 0, iou, 1.0), np.ones_like(iou)
        case AbsentClass.NAN_PROPAGATE:
            return iou, np.ones_like(iou)


def _averaged(values: Floats, shares: Floats, averaging: str, weights: Floats) -> Floats:
    """Return the mean [B] of values with shares: [B, n] of pooled counts, else [N, n] with the images weighted."""
    products = np.where(shares > 0, shares * values, 0.0)
    match Averaging(averaging):
        case Averaging.DATASET:
            return _ratio(products.sum(axis=1), shares.sum(axis=1))
        case Averaging.IMAGES:
            totals = shares.sum(axis=1)
            return _weighted_ratio(weights, _ratio(products.sum(axis=1), totals), (totals > 0).astype(np.float64))
        case Averaging.PAIRS:
            return _weighted_ratio(weights, products.sum(axis=1), shares.sum(axis=1))
        case Averaging.CLASSES:
            means = _weighted_ratio(weights, products, shares)
            counted = weights @ shares > 0
            return _ratio(np.where(counted, means, 0.0).sum(axis=1), counted.sum(axis=1).astype(np.float64))


def _weighted_ratio(weights: Floats, above: Floats, below: Floats) -> Floats:
    """Return ``weights @ above / weights @ below``; NaN where a NaN with weight is above a positive share."""
    bad = np.isnan(above) & (below > 0)
    ratio = _ratio(weights @ np.where(np.isnan(above), 0.0, above), weights @ below)
    return np.where(weights @ bad.astype(np.float64) > 0, np.nan, ratio)


def _ratio(part: Floats, whole: Floats) -> Floats:
    """``part / whole``, NaN where ``whole`` is zero."""
    quotient: Floats = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient


def outcome_kinds(arrays: Mapping[str, NDArray[Any]]) -> tuple[str, ...]:
    """Return which of a record's outcomes can be scored again: "segmentation", "localisation", "classification"."""
    needs = {"segmentation": {"confusion"}, "localisation": {"loc_ranks", "loc_iou"}, "classification": {"ranks"}}
    return tuple(kind for kind, names in needs.items() if names <= arrays.keys())
