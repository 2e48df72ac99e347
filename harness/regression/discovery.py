"""How many of a night's alarms may be false: the false-discovery rate over all metrics of the night."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RATE = 0.05
"""Expected share of false alarms among a night's alarms, where metrics are independent or move together."""

BUDGET = 1 / 3000
"""Chance that one metric's one night raises an alarm by noise, whatever the other metrics do.

The rate over the night alone does not bound how often one is woken: where all metrics of a night are off together, it
lets all of them through with probability RATE. A third of one in a thousand metric-nights: an alarm lasts until two
looks are back, so a false one is expected to be seen on two or three nights.
"""


def discoveries(chances: Sequence[float], rate: float = RATE) -> list[bool]:
    """Return which hypotheses are rejected at a false-discovery rate.

    Step-up procedure of Benjamini and Hochberg, "Controlling the false discovery rate", JRSS B 57 (1995), Theorem 1: of
    m sorted p-values, reject all up to the largest i with p_(i) <= i rate / m. Valid for independent tests and for
    those with positive regression dependence (Benjamini and Yekutieli, Annals of Statistics 29, 2001).

    Raises:
        ValueError: A p-value is not in [0, 1].
    """
    p = np.asarray(chances, dtype=np.float64)
    if not bool(np.all((p >= 0) & (p <= 1))):
        raise ValueError("a chance lies outside [0, 1] or is not a number")
    if not p.size:
        return []
    below = np.sort(p) <= rate * np.arange(1, p.size + 1) / p.size
    if not below.any():
        return [False] * p.size
    threshold = rate * (int(np.flatnonzero(below)[-1]) + 1) / p.size
    return [bool(chance <= threshold) for chance in p]
