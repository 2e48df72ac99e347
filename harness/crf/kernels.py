"""The two Gaussian kernels of a fully connected CRF over the pixels of images, normalised.

DeepLab v2, equation 3: the spatial kernel compares the positions of two pixels, the bilateral one positions and
colours. Each is an exact sum over all pairs of pixels or its approximation on the permutohedral lattice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from harness.crf.lattice import build_lattice
from harness.crf.parameters import CrfParameters, Normalisation

Kernel = Callable[[Tensor], Tensor]
"""From values [n, c] of all pixels of a batch to the kernel-weighted sums over all pixels of the same image, the pixel
itself among them; linear, differentiable any number of times, and a new tensor."""

MOST_EXACT_PIXELS = 8192
"""Pixels for which a matrix of all pairs is built, 256 MiB for each image at the most."""
FRAMES_KEPT = 4
"""Sizes of batches whose spatial kernel is kept, which is the same for all images."""


class Kernels(NamedTuple):
    """Both kernels of a batch of images, each divided by its sums."""

    spatial: Kernel
    bilateral: Kernel


def image_kernels(images: Tensor, parameters: CrfParameters, *, exact: bool = False) -> Kernels:
    """Return the kernels of a batch of images; they may be kept for as long as the images stay the same.

    Args:
        images: [B, 3, H, W], RGB in 0..255, of any type.
        parameters: The deviations and the normalisation of both kernels.
        exact: Sum over all pairs of pixels: small images only.

    Raises:
        ValueError: Another shape, or more than ``MOST_EXACT_PIXELS`` pixels for exact sums.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images [B, 3, H, W] expected, got {tuple(images.shape)}")
    with torch.inference_mode(mode=False), torch.no_grad():
        place = positions(images.shape, images.device) / parameters.sigma_alpha
        colour = images.flatten(2).transpose(1, 2).float() / parameters.sigma_beta
        bilateral = _kernel(torch.cat([place, colour], dim=2), parameters.normalisation, exact)
        spatial = _spatial(images.shape, images.device, parameters.sigma_gamma, parameters.normalisation, exact)
    return Kernels(spatial, bilateral)


def positions(shape: torch.Size, device: torch.device) -> Tensor:
    """Column and row of each pixel of images of a shape [B, 3, H, W], float32 [B, H * W, 2]."""
    count, _, height, width = shape
    rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
    place = torch.cartesian_prod(rows, columns).flip(1).float()
    return place.expand(count, -1, -1)


def exact_kernel(features: Tensor) -> Kernel:
    """``k_ij = exp(-|f_i - f_j|^2 / 2)`` summed over all pairs; memory and time are quadratic in n.

    Args:
        features: float32 [B, n, d] in units of the standard deviation.

    Raises:
        ValueError: More than ``MOST_EXACT_PIXELS`` pixels in an image.
    """
    images, pixels, _ = features.shape
    if pixels > MOST_EXACT_PIXELS:
        raise ValueError(f"{pixels} pixels, an exact kernel takes at most {MOST_EXACT_PIXELS}")
    points = features.double()
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    matrices = (-0.5 * distances.square()).exp().float()

    def kernel(values: Tensor) -> Tensor:
        return (matrices.to(values.dtype) @ values.reshape(images, pixels, -1)).flatten(0, 1)

    return kernel


def lattice_kernel(features: Tensor) -> Kernel:
    """The exact kernel's approximation, up to one factor for all pixels; time is linear in n.

    Args:
        features: float32 [B, n, d] in units of the standard deviation.
    """
    return build_lattice(features).filter


def normalised(kernel: Kernel, ones: Tensor, normalisation: Normalisation) -> Kernel:
    """Return ``kernel`` divided by its sums over ``ones``, [n, 1]."""
    sums = kernel(ones)
    match normalisation:
        case Normalisation.SYMMETRIC:
            root = sums.sqrt()
            return lambda values: kernel(values / root).div_(root)
        case Normalisation.AFTER:
            return lambda values: kernel(values).div_(sums)


@lru_cache(maxsize=FRAMES_KEPT)
def _spatial(
    shape: torch.Size, device: torch.device, deviation: float, normalisation: Normalisation, exact: bool
) -> Kernel:
    return _kernel(positions(shape, device) / deviation, normalisation, exact)


def _kernel(features: Tensor, normalisation: Normalisation, exact: bool) -> Kernel:
    build = exact_kernel if exact else lattice_kernel
    ones = features.new_ones(features.shape[0] * features.shape[1], 1)
    return normalised(build(features), ones, normalisation)
