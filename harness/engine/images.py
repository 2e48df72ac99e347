"""Images on the device: kept as bytes, varied and normalised a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.engine.recipe import Training

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


@dataclass(frozen=True, slots=True, eq=False)
class Variation:
    """What happens to each image in one epoch, on the device.

    Attributes:
        order: int64 [N], which image comes when.
        shifts: int64 [N, 2], pixels down and right, for each place in the order.
        mirrored: bool [N], likewise.
    """

    order: Tensor
    shifts: Tensor
    mirrored: Tensor

    @classmethod
    def draw(cls, count: int, training: Training, seed: int, epoch: int, device: torch.device) -> Variation:
        """Draw an epoch's variation; it depends on nothing but the arguments, whatever was drawn before."""
        random = np.random.default_rng([seed, epoch])
        order = random.permutation(count)
        shifts = random.integers(-training.shift, training.shift, size=(count, 2), endpoint=True)
        mirrored = random.integers(0, 2, size=count).astype(bool) & training.flip
        return cls(*(torch.from_numpy(array).to(device) for array in (order, shifts, mirrored)))

    def batch(self, start: int, end: int, *images: Tensor) -> tuple[Tensor, ...]:
        """Vary images, and label maps alike.

        Args:
            start: First place in the order.
            end: One past the last place.
            images: Tensors [N, H, W, ...] on the device.

        Returns:
            A tensor [end - start, H, W, ...] for each of ``images``: translated by reflection, then mirrored.
        """
        height, width = images[0].shape[1:3]
        span = slice(start, end)
        rows = _reflect(torch.arange(height, device=self.order.device) - self.shifts[span, :1], height)
        columns = torch.arange(width, device=self.order.device).expand(end - start, width)
        columns = torch.where(self.mirrored[span, None], width - 1 - columns, columns)
        columns = _reflect(columns - self.shifts[span, 1:], width)
        index = (self.order[span, None, None], rows[:, :, None], columns[:, None, :])
        return tuple(image[index] for image in images)


def _reflect(places: Tensor, length: int) -> Tensor:
    """Fold places in -(length - 1)..2 * length - 2 into 0..length-1 without repeating the edge."""
    return (length - 1) - ((length - 1) - places.abs()).abs()
