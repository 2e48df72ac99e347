"""Narrower versions of published networks, for experiments at small scale."""

from __future__ import annotations

import math

from harness.errors import UsageError


def scaled(channels: int, width: float) -> int:
    """Return ``channels`` times ``width``, rounded, at least 1.

    Raises:
        UsageError: The width is not positive.
    """
    if not (math.isfinite(width) and width > 0):
        raise UsageError(f"the width of a network is a factor above 0 (1 for the published one), not {width}")
    return max(1, round(channels * width))
