"""How far a metric strays from its level when nothing changed, from its own nights.

Times and bytes vary by factors, so all of this is on logarithms: 0.05 is 5 %. Nights are taken as independent draws of
a contaminated normal distribution (Tukey, "A survey of sampling from contaminated distributions", 1960): with
probability 1 - e normal around the level, with probability e anything at all, as on a night when the machine was busy.
The level is the median of the reference nights; the scale is Qn (Rousseeuw and Croux, "Alternatives to the median
absolute deviation", JASA 88, 1993), which withstands nearly half of the nights being off and needs no centre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import expm1, pi, sqrt
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.regression.model import Kind
from harness.statistics.intervals import Floats

FEWEST_NIGHTS = 7
"""Nights before a level and its scale are worth a comparison: a week, after which the level errs by half a scale."""


@dataclass(frozen=True, slots=True)
class Floor:
    """What is never held against a metric of a kind.

    Attributes:
        scale: No metric's nights are taken to agree better than this (relative), however equal they were so far.
        change: The smallest change (relative) that is reported.
        shared: Whether a whole night can be off, all metrics of it together.
        reason: Why these.
    """

    scale: float
    change: float
    shared: bool
    reason: str


FLOORS: Mapping[Kind, Floor] = {
    Kind.SPEED: Floor(
        scale=0.002,
        change=0.01,
        shared=True,
        reason="The order of linking and the size of the environment alone move run times by about a per cent "
        "(Mytkowicz et al., Producing wrong data without doing anything obviously wrong, ASPLOS 2009), so less than "
        "1 % is nobody's regression; clocks of processors step by some tenths of a per cent.",
    ),
    Kind.MEMORY: Floor(
        scale=0.001,
        change=0.01,
        shared=False,
        reason="Peaks often repeat to the byte, so that any other number of bytes would seem infinitely unlikely; "
        "allocators round to pages and blocks (up to 2 MiB, a thousandth of 2 GiB). Less than 1 % decides about no "
        "machine that a model fits on.",
    ),
}


class Noise(NamedTuple):
    """The level of a metric and how its nights scatter.

    Attributes:
        level: Median of the logarithms.
        scale: Standard deviation of one night's logarithm.
        nights: How many both rest on.
    """

    level: float
    scale: float
    nights: int

    def deviation(self, value: float) -> float:
        """Return how many standard deviations the logarithm ``value`` lies above the level."""
        return (value - self.level) / self.scale

    def half_width(self) -> float:
        """Return half the 95 % interval of what changed, from one further night: Student's t on :func:`freedom`."""
        return quantile(0.975, self.nights) * self.scale


def fit(values: Sequence[float], floor: float) -> Noise:
    """Return level and scale of logarithms, of at least two; the scale is at least ``floor``."""
    return Noise(median(values), max(qn(np.array(values)), floor), len(values))


_SMALL = {2: 0.399, 3: 0.994, 4: 0.512, 5: 0.844, 6: 0.611, 7: 0.857, 8: 0.669, 9: 0.872}


def qn(values: Floats) -> float:
    """Return the scale estimator Qn: 2.2191 times the k-th smallest distance of two values, k = C(N // 2 + 1, 2).

    Factors that make it unbiased for few normal values: Croux and Rousseeuw, "Time-efficient algorithms for two highly
    robust estimators of scale", COMPSTAT 1992.

    Args:
        values: float64 [N], N at least 2.
    """
    count = len(values)
    half = count // 2 + 1
    first, second = _pairs(count)
    distances = np.abs(values[first] - values[second])
    rank = half * (half - 1) // 2 - 1
    distance = float(np.partition(distances, rank)[rank])
    return 2.21914 * distance * (_SMALL.get(count) or count / (count + (1.4 if count % 2 else 3.8)))


@lru_cache(maxsize=128)
def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    first, second = np.triu_indices(count, 1)
    return first, second


def freedom(nights: int) -> float:
    """Return the degrees of freedom of a chi distribution whose logarithm varies as that of Qn of N normal values.

    Fitted to simulated values for N from 5 to 60 (the tests repeat some); the limit 0.82 is Qn's efficiency.
    """
    return (nights - 1) * (0.82 - 4.5 / (nights + 8.5))


@lru_cache(maxsize=1024)
def quantile(level: float, nights: int) -> float:
    """Return the deviation that a further look stays below with probability ``level``: Student's t, inflated."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom(nights), level)) * sqrt(1 + pi / (2 * nights))


@lru_cache(maxsize=512)
def _errors_of_estimates(nights: int) -> tuple[Floats, Floats, Floats]:
    """Return nodes and weights for scale's factor and level's error (in scales).

    Gauss and Hermite's for the error; the trapezoidal rule over the logarithm of the factor, whose density is smooth
    and falls off to both sides, between the quantiles of one in a hundred million: few nights may agree by accident,
    and that is what makes a small deviation look large.
    """
    from scipy.special import chdtri, roots_hermitenorm

    degrees = freedom(nights)
    lowest, highest = (float(chdtri(degrees, above)) for above in (1 - 1e-8, 1e-8))
    squares = np.geomspace(lowest, highest, 48)
    factor_weights = np.exp(degrees / 2 * (np.log(squares / degrees) - squares / degrees + 1))
    normal, normal_weights = roots_hermitenorm(8)
    weights = np.outer(factor_weights / factor_weights.sum(), normal_weights / normal_weights.sum())
    factors, errors = np.meshgrid(np.sqrt(squares / degrees), normal * sqrt(pi / (2 * nights)), indexing="ij")
    return factors.ravel(), errors.ravel(), weights.ravel()


def chance(deviation: float, shares: tuple[float, ...], nights: int) -> float:
    """Return the probability that independent looks all exceed ``deviation`` where nothing changed.

    Level and scale are estimates from ``nights``, the same for all looks; the probability is the mean, over what they
    may truly be, of the product of (1 - e) (1 - Phi(deviation s + u)) + e over the looks, with u normal with variance
    pi / 2N (the median's) and s^2 a chi-squared variable over its :func:`freedom` (Qn's). For one look and e = 0 this
    is close to Student's t.

    Args:
        deviation: Standard deviations above the level, by the estimates.
        shares: Of each look e, the chance that it is off.
    """
    from scipy.special import ndtr

    factors, errors, weights = _errors_of_estimates(nights)
    tail = ndtr(-(deviation * factors + errors))
    product = np.ones_like(tail)
    for share in shares:
        product *= (1 - share) * tail + share
    return float(weights @ product)


PRIOR_SHARE, PRIOR_LOOKS = 0.02, 50
"""One look in fifty is off, before anything was seen; as sure of it as after fifty looks. The same of whole nights."""

OWN_LOOKS = 50
"""A metric's own share is drawn to that of all metrics of its kind as if these were that many further looks."""

OFF = 0.999
"""A look counts as off from where one in a thousand lies where nothing is off."""

RECENT = 4
"""The newest nights may be the first of a change, and do not count yet."""


@dataclass(frozen=True, slots=True)
class Outliers:
    """How many looks were taken where nothing had changed, and how many were off."""

    looks: int = 0
    off: int = 0

    def __add__(self, other: Outliers) -> Outliers:
        """Return both together."""
        return Outliers(self.looks + other.looks, self.off + other.off)

    def share(self, prior: float = PRIOR_SHARE, weight: int = PRIOR_LOOKS) -> float:
        """Return the mean of a beta distribution with that prior mean, worth that many looks."""
        return (prior * weight + self.off) / (weight + self.looks)


def outliers(values: Sequence[float], level: Noise) -> Outliers:
    """Return how many of these logarithms lie far above the level."""
    bound = level.level + quantile(OFF, level.nights) * level.scale
    return Outliers(len(values), sum(value > bound for value in values))


LARGEST = 700.0
"""Logarithm of the largest change that is told: a hundred times it is still a number."""


def relative(difference: float) -> float:
    """Return the relative change that a difference of logarithms is: 0.05 is 5 % more; finite however large."""
    return expm1(min(difference, LARGEST))
