"""Parameters of a fully connected CRF. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from harness.errors import UsageError


class Normalisation(StrEnum):
    """How a kernel is divided by its sums d_i = sum_j k_ij, so that a weight means the same at any deviation."""

    SYMMETRIC = "symmetric"
    """k_ij / sqrt(d_i d_j): the later release of the authors' code, DeepLab's copy of it, and pydensecrf's default."""
    AFTER = "after"
    """k_ij / d_i: the authors' first code, and CRF-RNN's."""


@dataclass(frozen=True, slots=True)
class CrfParameters:
    """Parameters by the names of DeepLab v2, equation 3; the last four are its fixed values.

    Attributes:
        w1: Weight of the bilateral (appearance) kernel.
        sigma_alpha: Its deviation in position, in pixels.
        sigma_beta: Its deviation in colour, in steps of 0..255.
        w2: Weight of the spatial (smoothness) kernel.
        sigma_gamma: Its deviation, in pixels.
        iterations: Updates of the mean field.
        normalisation: Of both kernels.
    """

    w1: float
    sigma_alpha: float
    sigma_beta: float
    w2: float = 3.0
    sigma_gamma: float = 3.0
    iterations: int = 10
    normalisation: Normalisation = Normalisation.SYMMETRIC

    def __post_init__(self) -> None:
        weights, deviations = (self.w1, self.w2), (self.sigma_alpha, self.sigma_beta, self.sigma_gamma)
        finite = all(math.isfinite(value) for value in (*weights, *deviations))
        if not finite or min(weights) < 0 or min(deviations) <= 0 or self.iterations < 1:
            raise UsageError(
                f"a CRF needs weights of 0 or more, deviations above 0 and one iteration or more, got {self}"
            )
