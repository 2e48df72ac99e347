"""KITTI road scores from histograms of confidence, by the rules of the benchmark's development kit (2013).

A method gives each pixel a confidence of 0 to 255, divided by 255 before it is compared with the thresholds k / 255:
in single precision v / 255 is never below the double k / 255 of the same k, so that a pixel is taken as road at
threshold k exactly if its integer confidence is at least k. Two histograms per image therefore hold all that the scores
need. Counts are summed over the images of a category before a score is taken; "urban" is all categories together.

Scores depend on the space in which pixels are counted: the benchmark's server counts in bird's-eye view, and scores in
perspective view are higher and not comparable with its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVELS = 256
"""Confidences 0 to 255, each a threshold too."""

URBAN = "urban"
"""Name of the pool of all categories."""

_GUARD = 1e-10
"""Added to the denominators of precision and F by the development kit."""

_RECALLS = np.arange(0, 1.1, 0.1)
"""The 11 points of average precision as the development kit writes them: .3, .6 and .7 lie an ulp above."""

Histograms = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RoadScores:
    """What the benchmark's tables show, as fractions in [0, 1].

    Attributes:
        max_f: Largest F1 over the thresholds (MaxF).
        average_precision: Mean of the largest precision at recall r or more, for r = 0, 0.1, ..., 1 (AP).
        precision, recall: At the threshold of ``max_f`` (PRE, REC).
        false_positive_rate: At that threshold; NaN if every evaluated pixel is road (FPR).
        false_negative_rate: At that threshold (FNR).
        threshold: k of that threshold k / 255, the lowest if several reach ``max_f``.
    """

    max_f: float
    average_precision: float
    precision: float
    recall: float
    false_positive_rate: float
    false_negative_rate: float
    threshold: int


def confidence_histograms(
    road: NDArray[np.bool_], valid: NDArray[np.bool_], confidence: NDArray[np.uint8]
) -> Histograms:
    """Count the evaluated pixels of each confidence, image by image.

    Args:
        road: bool [N, ...], the truth (blue channel of the label above 0).
        valid: bool of the same shape, what is evaluated (red channel of the label above 0).
        confidence: uint8 of the same shape.

    Returns:
        int64 [N, 2, 256]: pixels that are no road, then pixels that are, by confidence.

    Raises:
        ValueError: Shapes differ, or confidence is not uint8.
    """
    if road.ndim < 2 or not road.shape == valid.shape == confidence.shape or confidence.dtype != np.uint8:
        raise ValueError(
            f"three arrays [N, ...], confidence uint8, expected, got {road.shape}, {valid.shape}, "
            f"{confidence.dtype} {confidence.shape}"
        )
    bins = 2 * LEVELS
    images = zip(road != 0, valid != 0, confidence, strict=True)
    counts = [np.bincount((LEVELS * truth + value)[inside], minlength=bins) for truth, inside, value in images]
    return np.array(counts, dtype=np.int64).reshape(len(road), 2, LEVELS)


def road_scores(histograms: Histograms) -> RoadScores:
    """Score a set of images.

    Args:
        histograms: int64 [..., 2, 256] of :func:`confidence_histograms`; summed over leading axes.

    Raises:
        ValueError: Another shape, a negative count, or no pixel that is road.
    """
    if histograms.ndim < 2 or histograms.shape[-2:] != (2, LEVELS) or (histograms < 0).any():
        raise ValueError(f"counts [..., 2, {LEVELS}] of 0 or more expected, got shape {histograms.shape}")
    total = histograms.sum(axis=tuple(range(histograms.ndim - 2)))
    false_positives, true_positives = np.cumsum(total[:, ::-1], axis=1)[:, ::-1]
    negatives, positives = total.sum(axis=1)
    if positives == 0:
        raise ValueError("no evaluated pixel is road")

    recall = true_positives / positives
    precision = true_positives / (true_positives + false_positives + _GUARD)
    f = 2 * (precision * recall) / (precision + recall + _GUARD)
    best = int(f.argmax())
    hits, alarms = int(true_positives[best]), int(false_positives[best])
    return RoadScores(
        max_f=float(f[best]),
        average_precision=sum(float(precision[recall >= least].max()) for least in _RECALLS) / len(_RECALLS),
        precision=hits / (hits + alarms) if hits + alarms else 0.0,
        recall=hits / int(positives),
        false_positive_rate=alarms / int(negatives) if negatives else float("nan"),
        false_negative_rate=1 - hits / int(positives),
        threshold=best,
    )


def category_scores(histograms: Histograms, categories: Sequence[str]) -> dict[str, RoadScores]:
    """Score each category of images and, under :data:`URBAN`, all together.

    Args:
        histograms: int64 [N, 2, 256].
        categories: Of each image: "um", "umm" or "uu".

    Returns:
        Scores by category in order of name, :data:`URBAN` last.

    Raises:
        ValueError: The lengths differ, a category is called :data:`URBAN`, or as :func:`road_scores`.
    """
    if len(categories) != len(histograms) or URBAN in categories:
        raise ValueError(f"a category for each of {len(histograms)} images expected, none {URBAN!r}")
    names = np.array(categories)
    scores = {name: road_scores(histograms[names == name]) for name in sorted(set(categories))}
    return scores | {URBAN: road_scores(histograms)}
