"""Leave-one-out residuals: how far each point lies from what the others predict.

Externally studentised residuals (Cook and Weisberg, Residuals and Influence in Regression, 1982, ch. 2): if the
errors are normal, each follows Student's t exactly, whatever the point itself does to the fit. With m points tested,
``m * p`` bounds the chance of any false alarm (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.packages import missing

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LeaveOneOut:
    """What the other points say of each of n points.

    Attributes:
        predicted: float64 [n], the value the others predict.
        error: float64 [n], standard error of that prediction, the point's own noise included.
        p: float64 [n], two-sided probability of a residual at least as large.
        degrees: Degrees of freedom of the t distribution.
    """

    predicted: Floats
    error: Floats
    p: Floats
    degrees: int


def line(x: Floats, y: Floats, noise: float = 0.0) -> LeaveOneOut | None:
    """Predict each y from a least-squares line through the other points.

    Args:
        x, y: float64 [n].
        noise: Standard deviation that y has at least, from rounding; keeps a perfect fit from accusing a rounding.

    Returns:
        None where fewer than five points, or all x equal but one, leave nothing to judge by, or scipy is missing.
    """
    n = len(x)
    if n < 5 or missing("scipy"):
        return None
    centred = x - x.mean()
    spread = float(centred @ centred)
    if spread <= 1e-12 * max(1.0, float(x @ x)):
        return None
    leverage = 1 / n + centred**2 / spread
    if bool((leverage > 1 - 1e-9).any()):
        return None
    slope = float(centred @ (y - y.mean())) / spread
    return _studentise(y, y.mean() + slope * centred, leverage, 2, noise)


def level(y: Floats, noise: float = 0.0) -> LeaveOneOut | None:
    """Predict each y by the mean of the others; None with fewer than four, or without scipy."""
    n = len(y)
    if n < 4 or missing("scipy"):
        return None
    return _studentise(y, np.full(n, y.mean()), np.full(n, 1 / n), 1, noise)


def _studentise(y: Floats, fitted: Floats, leverage: Floats, parameters: int, noise: float) -> LeaveOneOut:
    residual = y - fitted
    own = residual**2 / (1 - leverage)
    degrees = len(y) - parameters - 1
    variance = np.maximum((float(residual @ residual) - own) / degrees, noise**2)
    predicted = y - residual / (1 - leverage)
    error = np.sqrt(variance / (1 - leverage))
    exact = error == 0
    apart = np.where(np.isclose(y, predicted), 0.0, np.inf)
    t = np.where(exact, apart, (y - predicted) / np.where(exact, 1.0, error))
    return LeaveOneOut(predicted, error, student_two_sided(t, degrees), degrees)


def student_two_sided(t: Floats, degrees: int) -> Floats:
    """Return the probability that Student's t is at least ``abs(t)`` from 0."""
    from scipy.special import stdtr

    return np.asarray(2 * stdtr(degrees, -np.abs(t)), dtype=np.float64)


def student_critical(confidence: float, degrees: int) -> float:
    """Return the two-sided quantile of Student's t, 12.7 for 0.95 with one degree of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + confidence) / 2))
