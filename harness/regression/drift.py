"""Changes too slow for any one night to show: the last week, fortnight and four weeks against all nights before.

The rank-sum test (Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1945; Mann and Whitney,
Annals of Mathematical Statistics 1947) assumes nothing of the noise but that nights are exchangeable, and a night that
is far off counts as one rank. Its normal approximation, with ties and continuity, errs towards larger probabilities far
out in the tail, where the exact law has no more ranks to give.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import median
from typing import NamedTuple

import numpy as np

from harness.statistics.intervals import Floats

WINDOWS = (7, 14, 28)
"""Nights that may have drifted: a week, two, four. A drift too slow for four weeks goes on until four weeks show it."""

FEWEST_BEFORE = 7


class Trend(NamedTuple):
    """The window that drifted most surely.

    Attributes:
        p: One-sided, for a rise; corrected for the number of windows.
        shift: Difference of the medians, window minus before.
        nights: Length of the window.
    """

    p: float
    shift: float
    nights: int


NO_TREND = Trend(1.0, 0.0, 0)


def rising(values: Sequence[float], least: float) -> Trend:
    """Return the surest rise at the end of a series: Bonferroni over the windows that fit, p = 1 where none rose.

    Args:
        values: The oldest first.
        least: Windows whose median rose by less are not tested; at least 0.
    """
    windows = [nights for nights in WINDOWS if len(values) >= nights + FEWEST_BEFORE]
    best = NO_TREND
    for nights in windows:
        before, recent = values[:-nights], values[-nights:]
        shift = median(recent) - median(before)
        if shift < least:
            continue
        p = min(1.0, len(windows) * rank_sum(np.array(recent), np.array(before)))
        if p < best.p:
            best = Trend(p, shift, nights)
    return best


def rank_sum(higher: Floats, lower: Floats) -> float:
    """Return how likely such high ranks of the first sample are where both come from one law; 1 where all are equal.

    Args:
        higher, lower: float64 [N] and [M].
    """
    from scipy.special import ndtr

    first, second = len(higher), len(lower)
    total = first + second
    ordered = np.sort(lower)
    wins = float((np.searchsorted(ordered, higher) + np.searchsorted(ordered, higher, "right")).sum()) / 2
    counts = np.unique(np.concatenate((higher, lower)), return_counts=True)[1]
    ties = float((counts**3 - counts).sum()) / (total * (total - 1))
    variance = first * second / 12 * (total + 1 - ties)
    if variance <= 0:
        return 1.0
    return float(ndtr(-(wins - first * second / 2 - 0.5) / sqrt(variance)))
