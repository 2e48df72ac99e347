"""From a record and its arrays to metrics, each a function of how often every image is drawn.

A :class:`Sample` is what a record says of one or more metrics. :func:`score` evaluates it with weights, one per image:
all ones for the measurement itself, resampled counts for its uncertainty. Errors and IoU are in percent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.claims.document import slug
from harness.claims.vocabulary import METRICS
from harness.ledger.record import Record, measured_systems, variant_arrays
from harness.metrics.localisation import LocalisationProtocol, box_correct
from harness.metrics.segmentation import class_iou, classes_shown
from harness.statistics.evidence import Evidence
from harness.statistics.intervals import Floats

Arrays = Mapping[str, NDArray[Any]]

UNITS: Mapping[str, str] = {
    "top1-error": "%",
    "top5-error": "%",
    "top1-localisation-error": "%",
    "top5-localisation-error": "%",
    "miou": "%",
    "iou": "%",
    "thin-miou": "%",
    "layers": "layers",
    "map-side": "cells",
    "image-side": "px",
    "receptive-field": "px",
    "receptive-field-increase": "cells",
    "coverage": "%",
    "hole-distance": "cells",
    "output-stride": "px",
    "field-of-view": "px",
    "kernel-side": "cells",
    "time": "ms",
    "rate": "images/s",
    "memory": "MiB",
}
"""The unit of each metric here; plain numbers ("1") are not listed."""

FEWEST_IMAGES = 20
"""A class seen in fewer images gets no IoU of its own: a resample might hold none of them."""


class ScoreError(ValueError):
    """A record whose arrays do not give its scores; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What is measured. ``label`` is the slug of the class a class's IoU is of, empty for all else."""

    name: str
    label: str = ""

    @property
    def unit(self) -> str:
        return UNITS.get(self.name, "1")


@dataclass(frozen=True)
class Mean:
    """A mean over images, or over timed repeats.

    Attributes:
        values: float64 [N].
        scale: Factor of the mean, or of its reciprocal if ``inverse``.
        proportion: Whether each value is 0 or 1.
        repeats: Whether the values are timed repeats, each run's own, and not the images of the test set.
    """

    metric: Metric
    values: Floats
    scale: float = 1.0
    inverse: bool = False
    proportion: bool = False
    repeats: bool = False


@dataclass(frozen=True)
class Pooled:
    """Mean IoU and class IoUs from pixel counts summed over images (the rule of VOC and Cityscapes).

    Classes in neither truth nor prediction are left out of the mean (as cityscapesScripts and the authors' code do).

    Attributes:
        confusion: int64 [N, K, K + 1].
        classes: Index in 0..K-1 and label of the classes whose own IoU is wanted.
        averaged: bool [K], the classes that enter the mean; None for all.
        means: By metric, the indices of the classes that it is the mean IoU of.
    """

    confusion: NDArray[np.int64]
    classes: Mapping[int, str]
    averaged: NDArray[np.bool_] | None = None
    means: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Single:
    """One figure without a sample behind it."""

    metric: Metric
    value: float | int


Sample = Mean | Pooled | Single


def metrics(sample: Sample) -> tuple[Metric, ...]:
    """Return the J metrics a sample gives."""
    match sample:
        case Mean(metric=metric) | Single(metric=metric):
            return (metric,)
        case Pooled(classes=classes, means=means):
            return (Metric("miou"), *map(Metric, means), *(Metric("iou", label) for label in classes.values()))


def images(sample: Sample) -> int:
    """Return how many images or repeats are behind a sample; 0 for a single figure."""
    match sample:
        case Mean(values=values):
            return len(values)
        case Pooled(confusion=confusion):
            return len(confusion)
        case Single():
            return 0


def score(sample: Sample, weights: Floats | None = None) -> Floats:
    """Evaluate a sample's metrics with the images weighted.

    Args:
        weights: float64 [B, N], whole numbers; None for one row of ones.

    Returns:
        float64 [B, J] in the metrics' units; NaN where a class, or every class, has no pixel.
    """
    if weights is None:
        weights = np.ones((1, images(sample)))
    match sample:
        case Mean(values=values):
            return _of_mean(sample, weights @ values / weights.sum(axis=1))[:, None]
        case Pooled(confusion=confusion, classes=classes, averaged=averaged, means=means):
            pooled = weights @ confusion.reshape(len(confusion), -1).astype(np.float64)
            counts = np.rint(pooled).astype(np.int64).reshape(-1, *confusion.shape[1:])
            iou = 100 * class_iou(counts)
            every = slice(None) if averaged is None else averaged
            some = [_mean_of_present(iou[:, members]) for members in (every, *map(list, means.values()))]
            return np.column_stack([*some, iou[:, list(classes)]])
        case Single(value=value):
            return np.full((len(weights), 1), float(value))


def scorer(samples: Sequence[Sample]) -> Callable[[Floats], Floats]:
    """Return a function from weights to the metrics of samples over the same images, side by side.

    It gives what :func:`score` gives for each, and weighs all that are means at once.
    """
    means = [sample for sample in samples if isinstance(sample, Mean)]
    values = np.column_stack([mean.values for mean in means]) if means else None

    def scored(weights: Floats) -> Floats:
        total = weights.sum(axis=1)
        weighed = iter([] if values is None else (weights @ values / total[:, None]).T)
        columns = [
            _of_mean(sample, next(weighed))[:, None] if isinstance(sample, Mean) else score(sample, weights)
            for sample in samples
        ]
        return np.concatenate(columns, axis=1)

    return scored


def _of_mean(sample: Mean, mean: Floats) -> Floats:
    return sample.scale / mean if sample.inverse else sample.scale * mean


def samples(record: Record, arrays: Arrays) -> dict[str, tuple[Sample, ...]]:
    """Return what a record's arrays and values say of each metric, by the system it is said of.

    The recipe's ``localisation`` (fields of :class:`~harness.metrics.localisation.LocalisationProtocol`) sets the
    overlap a box needs; ``classes`` names the classes; classes that fewer than ``least_images`` test images show are
    left out of the mean IoU; ``means`` gives, by metric, the names of the classes that it is the mean IoU of; ``batch``
    is the images of one timed repeat; ``variants`` names the systems that arrays with a suffix measure
    (:mod:`harness.ledger.record`).

    Raises:
        ScoreError: An array has the wrong shape, fewer than two images, or NaN, or needs a setting the recipe lacks.
    """
    found: dict[str, tuple[Sample, ...]] = {}
    try:
        for suffix, system in measured_systems(record.recipe, record.system).items():
            owned = variant_arrays(arrays, suffix)
            if owned or not suffix:
                found[system] = (*_of_images(record, owned), *(() if suffix else _values(record)))
        for sample in chain.from_iterable(found.values()):
            if not np.isfinite(score(sample)).all():
                raise ValueError(f"{metrics(sample)[0].name} is not a finite number")
    except ValueError as error:
        raise ScoreError(f"{record.experiment}, {record.system}, seed {record.seed}: {error}") from error
    return found


def outcomes(sample: Sample) -> NDArray[np.bool_]:
    """Return per image whether it counts as an error, bool [N], for paired tests.

    Raises:
        ValueError: The metric is no proportion of images.
    """
    if not isinstance(sample, Mean) or not sample.proportion:
        raise ValueError("only a proportion of images has an outcome for each")
    return sample.values.astype(np.bool_)


def _of_images(record: Record, arrays: Arrays) -> Iterator[Sample]:
    yield from _classification(arrays)
    yield from _localisation(record, arrays)
    yield from _segmentation(record, arrays)
    yield from _timing(record, arrays)


def _classification(arrays: Arrays) -> Iterator[Sample]:
    if "ranks" in arrays:
        ranks = _vector("ranks", arrays)
        for k in (1, 5):
            yield _errors(f"top{k}-error", ranks >= k)
    if "crop_ranks" in arrays:
        crops = arrays["crop_ranks"]
        if crops.ndim != 2 or len(crops) < 2 or crops.shape[1] < 1:
            raise ValueError(f"crop_ranks [N, crops] with N > 1 expected, got {crops.shape}")
        for k in (1, 5):
            yield Mean(Metric(f"top{k}-error"), (crops >= k).mean(axis=1), 100.0)


def _localisation(record: Record, arrays: Arrays) -> Iterator[Sample]:
    if "gridding" in arrays:
        yield Mean(Metric("gridding"), _vector("gridding", arrays).astype(np.float64))
    if "loc_ranks" in arrays and "loc_iou" in arrays:
        ranks, iou = _vector("loc_ranks", arrays), _vector("loc_iou", arrays)
        if ranks.shape != iou.shape:
            raise ValueError(f"loc_ranks and loc_iou differ in length: {ranks.shape}, {iou.shape}")
        wrong_box = ~box_correct(iou.astype(np.float64), _protocol(record))
        for k in (1, 5):
            yield _errors(f"top{k}-localisation-error", (ranks >= k) | wrong_box)


def _segmentation(record: Record, arrays: Arrays) -> Iterator[Sample]:
    if "confusion" not in arrays:
        return
    counts = arrays["confusion"].astype(np.int64)
    if counts.ndim != 3 or counts.shape[2] != counts.shape[1] + 1 or len(counts) < 2:
        raise ValueError(f"confusion [N, K, K + 1] with at least two images expected, got {counts.shape}")
    names = record.recipe.get("classes", [])
    if names and len(names) != counts.shape[1]:
        raise ValueError(f"{len(names)} class names for {counts.shape[1]} classes")
    averaged = _averaged(record, counts)
    enough = (np.isfinite(class_iou(counts)).sum(axis=0) >= FEWEST_IMAGES) & averaged
    own = {i: slug(str(name)) for i, name in enumerate(names) if enough[i]}
    yield Pooled(counts, own, averaged, _means(record, list(names)))


def _means(record: Record, names: list[str]) -> dict[str, tuple[int, ...]]:
    """Return which classes the recipe's own means are over, by metric."""
    wanted = record.recipe.get("means", {})
    for metric, members in wanted.items():
        if metric not in METRICS or not members or not set(members) <= set(names):
            raise ValueError(f"the recipe's mean {metric!r} is of no classes, or not of its own: {members}")
    return {metric: tuple(names.index(name) for name in members) for metric, members in wanted.items()}


def _averaged(record: Record, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which classes enter the mean IoU by the recipe's rule, bool [K]."""
    least = record.recipe.get("least_images", 0)
    if not isinstance(least, int) or least < 0:
        raise ValueError(f"the recipe's least_images is a number of images, 0 or more, not {least!r}")
    averaged = classes_shown(counts, least)
    if not averaged.any():
        raise ValueError(f"no class is shown by {least} of the {len(counts)} test images, the fewest that count")
    return averaged


def _timing(record: Record, arrays: Arrays) -> Iterator[Sample]:
    if "seconds" not in arrays:
        return
    seconds = _vector("seconds", arrays).astype(np.float64)
    batch = record.recipe.get("batch")
    if not isinstance(batch, int) or batch < 1 or not (seconds > 0).all():
        raise ValueError("timed repeats need durations above 0 and the recipe's 'batch', the images in each")
    yield Mean(Metric("time"), seconds, 1000.0, repeats=True)
    yield Mean(Metric("rate"), seconds, float(batch), inverse=True, repeats=True)


def _values(record: Record) -> Iterator[Sample]:
    """Single figures: all of a derivation's; of a trained or timed network, those that vary from run to run."""
    for name, value in record.values.items():
        varies = name in METRICS and METRICS[name].quantity.measured
        if not isinstance(value, str) and (varies or record.evidence is Evidence.EXACT):
            yield Single(Metric(name), value)


def _protocol(record: Record) -> LocalisationProtocol:
    setting = record.recipe.get("localisation", {})
    try:
        return msgspec.convert(setting, LocalisationProtocol)
    except msgspec.ValidationError as error:
        raise ValueError(f"the recipe's localisation rule: {error}") from error


def _vector(name: str, arrays: Arrays) -> NDArray[Any]:
    values = arrays[name]
    if values.ndim != 1 or values.size < 2 or not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite and [N] with N > 1, got {values.shape}")
    return values


def _errors(name: str, wrong: NDArray[np.bool_]) -> Mean:
    return Mean(Metric(name), wrong.astype(np.float64), 100.0, proportion=True)


def _mean_of_present(iou: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where all are."""
    present = ~np.isnan(iou)
    counted = present.sum(axis=-1)
    mean: Floats = np.full(counted.shape, np.nan)
    np.divide(np.where(present, iou, 0.0).sum(axis=-1), counted, out=mean, where=counted > 0)
    return mean
