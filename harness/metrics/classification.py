"""Top-k classification error from per-image ranks of the true class.

A record keeps the ranks; every top-k error, interval and paired test follows from them.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Labels = NDArray[np.integer]
Ranks = NDArray[np.int32]


class TieRule(StrEnum):
    """Where the true class stands among classes with exactly its score."""

    PESSIMISTIC = "pessimistic"
    """Behind all of them: an output that is the same for every class is always wrong, never always right."""
    OPTIMISTIC = "optimistic"
    """Before all of them."""
    LOWEST_INDEX = "lowest-index"
    """In order of class index, as ``argmax`` of numpy decides."""


def true_class_ranks(scores: Scores, labels: Labels, ties: TieRule = TieRule.PESSIMISTIC) -> Ranks:
    """Rank of the true class of each image, 1 being the highest score.

    Args:
        scores: float [N, C], larger is better: logits, log-probabilities or probabilities.
        labels: int [N], the true class in 0..C-1.
        ties: Where the true class stands among equal scores.

    Returns:
        int32 [N] in 1..C.

    Raises:
        ValueError: A score is NaN, a label is outside 0..C-1, or the shapes disagree.
    """
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise ValueError(f"scores [N, C] and labels [N] expected, got {scores.shape} and {labels.shape}")
    nan_rows = np.flatnonzero(np.isnan(scores).any(axis=1))
    if nan_rows.size:
        raise ValueError(f"{nan_rows.size} of {len(scores)} images have a NaN score, the first is image {nan_rows[0]}")
    classes = scores.shape[1]
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if outside.size:
        raise ValueError(f"label {labels[outside[0]]} of image {outside[0]} is outside 0..{classes - 1}")

    own = scores[np.arange(len(scores)), labels][:, None]
    match ties:
        case TieRule.PESSIMISTIC:
            not_behind = scores >= own
        case TieRule.OPTIMISTIC:
            not_behind = (scores > own) | (np.arange(classes) == labels[:, None])
        case TieRule.LOWEST_INDEX:
            not_behind = (scores > own) | ((scores == own) & (np.arange(classes) <= labels[:, None]))
    ranks: Ranks = np.count_nonzero(not_behind, axis=1).astype(np.int32)
    return ranks


def topk_error(ranks: NDArray[np.integer], k: int) -> float:
    """Share of ranks beyond ``k``.

    Args:
        ranks: int, any shape with at least one element. For [N] it is the top-k error; for the [N, crops] of
            :func:`per_crop_ranks` it is the error whose accuracy is averaged over images and crops alike.
        k: How many guesses are allowed, at least 1.

    Returns:
        A fraction in [0, 1].

    Raises:
        ValueError: No ranks, a rank below 1, or ``k`` below 1.
    """
    if ranks.size == 0 or ranks.min() < 1 or k < 1:
        raise ValueError(f"ranks from 1 and k from 1 expected, got {ranks.size} ranks and k={k}")
    return float((ranks > k).mean())


def fused_crop_ranks(scores: Scores, labels: Labels, ties: TieRule = TieRule.PESSIMISTIC) -> Ranks:
    """Multi-crop testing, first reading: the scores of an image's crops are averaged, then ranked.

    The usual meaning of "10-crop". Averaging probabilities and averaging logits differ: whichever is passed
    is averaged.

    Args:
        scores: float [N, crops, C].
        labels: int [N].
        ties: As for :func:`true_class_ranks`.

    Returns:
        int32 [N] in 1..C.

    Raises:
        ValueError: As :func:`true_class_ranks`, or no crops.
    """
    _check_crops(scores)
    return true_class_ranks(scores.mean(axis=1, dtype=np.float64), labels, ties)


def per_crop_ranks(scores: Scores, labels: Labels, ties: TieRule = TieRule.PESSIMISTIC) -> Ranks:
    """Multi-crop testing, second reading: each crop is ranked by itself.

    The DRN paper, Section 5.1, says that "accuracy is averaged over these 10 crops"; taken to the letter,
    that is :func:`topk_error` of these ranks.

    Args:
        scores: float [N, crops, C].
        labels: int [N].
        ties: As for :func:`true_class_ranks`.

    Returns:
        int32 [N, crops] in 1..C.

    Raises:
        ValueError: As :func:`true_class_ranks`, or no crops.
    """
    _check_crops(scores)
    images, crops, classes = scores.shape
    ranks = true_class_ranks(scores.reshape(images * crops, classes), np.repeat(labels, crops), ties)
    return ranks.reshape(images, crops)


def _check_crops(scores: Scores) -> None:
    if scores.ndim != 3 or scores.shape[1] == 0:
        raise ValueError(f"scores [N, crops, C] with at least one crop expected, got {scores.shape}")
