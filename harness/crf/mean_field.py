"""Mean-field inference in a fully connected CRF with Gaussian edge potentials, on the CPU or a GPU.

Kraehenbuehl & Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials" (NIPS 2011),
Algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from harness.crf.kernels import image_kernels
from harness.crf.parameters import CrfParameters

Messages = Callable[[Tensor], Tensor]
"""From marginals [n, K] to what the other pixels add to the score of each label, [n, K]."""


def mean_field(unary: Tensor, messages: Messages, iterations: int) -> Tensor:
    """Return the scores whose softmax is the marginals.

    The pixel's own message is not taken out of the filtered sum, as in the authors' code.

    Args:
        unary: [n, K], scores: energies with the opposite sign.
        messages: Of all pixels to all others.
        iterations: Parallel updates of all pixels.
    """
    scores = unary
    for _ in range(iterations):
        scores = unary + messages(scores.softmax(dim=1))
    return scores


def marginals(energies: Tensor, images: Tensor, parameters: CrfParameters, *, exact: bool = False) -> Tensor:
    """Return the marginals of all pixels of a batch under the Potts model; images do not influence each other.

    Args:
        energies: float32 [B, K, H, W], unary, on the device that computes.
        images: [B, 3, H, W], RGB in 0..255, on the same device.
        parameters: Of the energy.
        exact: Sum over all pairs of pixels: small images only.

    Returns:
        float32 [B, K, H, W]; each pixel sums to 1.

    Raises:
        ValueError: The shapes disagree, or the images are too large for exact sums.
    """
    kernels = image_kernels(images, parameters, exact=exact)

    def messages(beliefs: Tensor) -> Tensor:
        return kernels.spatial(beliefs).mul_(parameters.w2).add_(kernels.bilateral(beliefs), alpha=parameters.w1)

    with torch.no_grad():
        scores = mean_field(-pixel_rows(energies, images), messages, parameters.iterations)
        return pixel_maps(scores.softmax(dim=1), images)


def pixel_rows(maps: Tensor, images: Tensor) -> Tensor:
    """From [B, K, H, W] to [B * H * W, K].

    Raises:
        ValueError: The maps are not of the images' number and size.
    """
    if maps.ndim != 4 or images.ndim != 4 or (len(maps), *maps.shape[2:]) != (len(images), *images.shape[2:]):
        raise ValueError(f"maps [B, K, H, W] of images [B, 3, H, W] expected, got {maps.shape} and {images.shape}")
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


def pixel_maps(rows: Tensor, images: Tensor) -> Tensor:
    """From [B * H * W, K] to [B, K, H, W], of images [B, 3, H, W]."""
    count, _, height, width = images.shape
    return rows.reshape(count, height, width, -1).permute(0, 3, 1, 2)
