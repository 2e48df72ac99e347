"""Counts of test images: how far apart two proportions must be before a test set can tell them apart.

Everything here treats the two systems as tested on *independent* samples. Tested on the same images, they are paired
and smaller differences can be resolved; how much smaller depends on how often they disagree, which papers do not print.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

STANDARD = NormalDist()


@dataclass(frozen=True, slots=True)
class Comparison:
    """A two-sided test: the statistic and the probability of one at least as extreme under equality."""

    statistic: float
    p: float


def critical(confidence: float) -> float:
    """Return the two-sided standard normal quantile, 1.96 for 0.95.

    Raises:
        ValueError: The confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"the confidence must lie between 0 and 1, got {confidence!r}")
    return STANDARD.inv_cdf((1 + confidence) / 2)


def two_sided(z: float) -> float:
    """Return the probability that a standard normal is at least ``abs(z)`` from 0."""
    return 2 * STANDARD.cdf(-abs(z))


def wilson(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion (Wilson, JASA 1927).

    Args:
        successes: k of n, 0 <= k <= n.
        n: Images, at least 1.
        confidence: Coverage.

    Returns:
        Lower and upper bound, in 0..1.

    Raises:
        ValueError: Not 0 <= k <= n with n >= 1.
    """
    _check(successes, n)
    z = critical(confidence)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return low, high


def two_proportion_z(p1: float, n1: int, p2: float, n2: int) -> Comparison:
    """Pooled z test of two independent proportions.

    Args:
        p1, p2: Proportions in 0..1.
        n1, n2: Images behind each, at least 1.

    Returns:
        z, positive where ``p1 > p2``, and its two-sided p; z = 0, p = 1 where both are 0 or both are 1.

    Raises:
        ValueError: A proportion is outside 0..1 or a count below 1.
    """
    for p, n in ((p1, n1), (p2, n2)):
        if not 0 <= p <= 1 or n < 1:
            raise ValueError(f"a proportion in 0..1 of at least one image expected, got {p!r} of {n!r}")
    pooled = (p1 * n1 + p2 * n2) / (n1 + n2)
    variance = pooled * (1 - pooled) * (1 / n1 + 1 / n2)
    if variance == 0:
        return Comparison(0.0, 1.0)
    z = (p1 - p2) / sqrt(variance)
    return Comparison(z, two_sided(z))


def fisher_exact(k1: int, n1: int, k2: int, n2: int) -> Comparison:
    """Fisher's exact test of two independent proportions; the statistic is the odds ratio.

    Raises:
        ValueError: Not 0 <= k <= n with n >= 1 for each.
    """
    from scipy.stats import fisher_exact as exact

    _check(k1, n1)
    _check(k2, n2)
    result = exact([[k1, n1 - k1], [k2, n2 - k2]])
    return Comparison(float(result.statistic), float(result.pvalue))


def minimum_resolvable_difference(p: float, n: int, confidence: float = 0.95) -> float:
    """Smallest difference between two proportions around ``p`` that two independent samples of ``n`` can tell apart.

    ``z * sqrt(2 p (1 - p) / n)``: two proportions that lie symmetrically about ``p`` and this far apart are exactly
    on the edge of :func:`two_proportion_z`.

    Args:
        p: The proportion midway between the two, in 0..1.
        n: Images in each sample.
        confidence: One minus the two-sided error rate.
    """
    if not 0 <= p <= 1 or n < 1:
        raise ValueError(f"a proportion in 0..1 of at least one image expected, got {p!r} of {n!r}")
    return critical(confidence) * sqrt(2 * p * (1 - p) / n)


def _check(successes: int, n: int) -> None:
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"0 <= k <= n with n >= 1 expected, got k = {successes!r} of n = {n!r}")
