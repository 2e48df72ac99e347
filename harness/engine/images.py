"""Pixels as networks read them: normalised, and laid out in memory as is fastest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Pixels = NDArray[np.uint8]


def layout(device: torch.device) -> torch.memory_format:
    """Return how images and weights lie in memory: channels-last on CUDA, where it is fastest.

    Not on the CPU: there, oneDNN's gradient of a strided 1x1 convolution with fewer than 16 channels writes past its
    work space in that order (github.com/uxlfoundation/oneDNN/issues/6035, seen with torch 2.15).
    """
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


@dataclass(frozen=True, slots=True, eq=False)
class Normalisation:
    """Mean and standard deviation of each colour, float32 [3] on the device, in grey levels."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, pixels: Pixels, device: torch.device) -> Normalisation:
        """Return the statistics of all pixels of uint8 [N, H, W, 3]; a constant colour has deviation 1."""
        levels = np.arange(256)
        means, deviations = [], []
        for colour in range(pixels.shape[-1]):
            counts = np.bincount(pixels[..., colour].ravel(), minlength=256)
            means.append(np.average(levels, weights=counts))
            deviations.append(np.sqrt(np.average((levels - means[-1]) ** 2, weights=counts)) or 1.0)
        return cls(*(torch.tensor(values, dtype=torch.float32, device=device) for values in (means, deviations)))

    def __call__(self, pixels: Tensor) -> Tensor:
        """Turn uint8 [B, H, W, 3] into float32 [B, 3, H, W] in the device's :func:`layout`."""
        images = ((pixels.float() - self.mean) / self.deviation).permute(0, 3, 1, 2)
        return images.contiguous(memory_format=layout(pixels.device))
