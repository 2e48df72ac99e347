"""What a network learns from: images or feature maps, a batch at a time on the device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from harness.engine.images import Normalisation
from harness.engine.variation import Variation

Span = tuple[int, int]
"""First place in an epoch's order, and one past the last."""
Batch = tuple[Tensor, Tensor]
"""Network input float32 [B, C, h, w], and targets int64 [B] or [B, H, W]."""


class Examples(Protocol):
    """What a network learns from or is tested on, on the device."""

    @property
    def device(self) -> torch.device: ...

    def __len__(self) -> int: ...

    def batches(self, variation: Variation, spans: Sequence[Span]) -> Iterator[Batch]:
        """Yield the batch of each span, in order; what comes next may be made ready while a batch is in use."""
        ...

    def chunks(self, batch: int) -> Iterator[Tensor]:
        """Yield network input float32 [B, C, h, w] of every example, in order and as it is; the last may be smaller."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Images and what they show, on the device; varied in training.

    Attributes:
        pixels: uint8 [N, H, W, 3].
        targets: int64 [N] classes, or uint8 [N, H, W] label maps, which are varied with the images.
        normalisation: Applied to each batch.
        extents: int64 [N, 2], rows and columns that each image fills, from the top left; None if they fill the frame.
    """

    pixels: Tensor
    targets: Tensor
    normalisation: Normalisation
    extents: Tensor | None = None

    @property
    def device(self) -> torch.device:
        return self.pixels.device

    def __len__(self) -> int:
        return len(self.pixels)

    def batches(self, variation: Variation, spans: Sequence[Span]) -> Iterator[Batch]:
        return (self.batch(variation, start, end) for start, end in spans)

    def batch(self, variation: Variation, start: int, end: int) -> Batch:
        """Return the batch of one span of an epoch's order."""
        which = variation.order[start:end]
        rows, columns = self.pixels.shape[1:3]
        extents = None if self.extents is None else self.extents[which]
        sampling = variation.sampling(start, end, (rows, columns), extents)
        inputs = sampling.clear_outside(self.normalisation(sampling.pixels(self.pixels, which)))
        return inputs, self.targets[which] if self.targets.ndim == 1 else sampling.labels(self.targets, which)

    def chunks(self, batch: int) -> Iterator[Tensor]:
        return (self.normalisation(self.pixels[start : start + batch]) for start in range(0, len(self), batch))


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """Feature maps of images, made once by a network that does not learn any more; not varied in training.

    Attributes:
        features: float16 or float32 [N, C, h, w].
        targets: uint8 [N, H, W], label maps of the images.
    """

    features: Tensor
    targets: Tensor

    @property
    def device(self) -> torch.device:
        return self.features.device

    def __len__(self) -> int:
        return len(self.features)

    def batches(self, variation: Variation, spans: Sequence[Span]) -> Iterator[Batch]:
        chosen = (variation.order[start:end] for start, end in spans)
        return ((self.features[which].float(), self.targets[which].long()) for which in chosen)

    def chunks(self, batch: int) -> Iterator[Tensor]:
        return (self.features[start : start + batch].float() for start in range(0, len(self), batch))
