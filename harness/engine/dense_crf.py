"""Mean-field inference in a fully connected CRF with Gaussian edge potentials, in numpy.

Kraehenbuehl & Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials" (NIPS 2011),
Algorithm 1 with the Potts model. The kernels are exact sums over all pairs of pixels or their approximation on the
permutohedral lattice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import softmax

from harness.engine.permutohedral import build_lattice

Floats = NDArray[np.float32]
Kernel = Callable[[Floats], Floats]
"""From values [n, c] of n pixels to the kernel-weighted sums over all pixels, the pixel itself among them."""

MOST_EXACT_PIXELS = 8192
"""Pixels for which a matrix of all pairs is built, 256 MiB at the most."""


class Normalisation(StrEnum):
    """How a kernel is divided by its sums d_i = sum_j k_ij, so that a weight means the same at any deviation."""

    SYMMETRIC = "symmetric"
    """k_ij / sqrt(d_i d_j): the later release of the authors' code, DeepLab's copy of it, and pydensecrf's default."""
    AFTER = "after"
    """k_ij / d_i: the authors' first code."""


def mean_field(unary: Floats, kernels: Sequence[tuple[float, Kernel]], iterations: int) -> Floats:
    """Approximate the marginals.

    The pixel's own message is not taken out of the filtered sum, as in the authors' code.

    Args:
        unary: float32 [n, K], energies.
        kernels: Weights and normalised kernels.
        iterations: Parallel updates of all pixels.

    Returns:
        float32 [n, K]; rows sum to 1.
    """
    marginals: Floats = softmax(-unary, axis=1)
    for _ in range(iterations):
        energy = unary - sum((weight * kernel(marginals) for weight, kernel in kernels), np.zeros_like(unary))
        marginals = softmax(-energy, axis=1)
    return marginals


def positions(height: int, width: int) -> Floats:
    """Column and row of each pixel, float32 [height * width, 2]."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float32)


def exact_kernel(features: Floats) -> Kernel:
    """``k_ij = exp(-|f_i - f_j|^2 / 2)`` summed over all pairs; memory and time are quadratic in n.

    Args:
        features: float32 [n, d] in units of the standard deviation.

    Raises:
        ValueError: More than ``MOST_EXACT_PIXELS`` pixels.
    """
    if len(features) > MOST_EXACT_PIXELS:
        raise ValueError(f"{len(features)} pixels, an exact kernel takes at most {MOST_EXACT_PIXELS}")
    matrix = np.exp(-0.5 * cdist(features, features, "sqeuclidean")).astype(np.float32)
    return lambda values: matrix @ values


def lattice_kernel(features: Floats) -> Kernel:
    """The exact kernel's approximation, up to one factor for all pixels; time is linear in n.

    Args:
        features: float32 [n, d] in units of the standard deviation.
    """
    return build_lattice(features).filter


def normalised(kernel: Kernel, pixels: int, normalisation: Normalisation) -> Kernel:
    """Return ``kernel`` over ``pixels`` pixels, divided by its sums."""
    sums = kernel(np.ones((pixels, 1), dtype=np.float32))
    match normalisation:
        case Normalisation.SYMMETRIC:
            root: Floats = np.sqrt(sums)
            return lambda values: kernel(values / root) / root
        case Normalisation.AFTER:
            return lambda values: kernel(values) / sums
