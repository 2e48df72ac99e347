"""Variation of training images on the device: drawn for a whole epoch, applied to a batch in one sampling.

Every pixel of a varied image is looked up where scaling, cutting, shifting and mirroring together take it from, so
that no image is scaled whole. Pixels lie where OpenCV has them: the centre of pixel i of a side scaled by s is at
``(i + 0.5) / s - 0.5`` of the image (as with ``align_corners=False``), and the side has ``floor(s * length)`` pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from harness.datasets.segmented import VOID
from harness.engine.recipe import Augmentation


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """Where the n rows, or the n columns, of B varied images come from.

    Attributes:
        places: int64 [B, n], in the scaled images.
        inside: bool [B, n], false where a scaled image does not reach as far and ``places`` is its reflection.
        last: int64 [B, 1], the last row or column of each image.
        scale: float64 [B, 1], of each image; None if none is scaled.
    """

    places: Tensor
    inside: Tensor
    last: Tensor
    scale: Tensor | None

    def nearest(self) -> Tensor:
        """Return the row or column of the image whose centre is nearest, int64 [B, n]."""
        return self.places if self.scale is None else ((self.places + 0.5) / self.scale).long().minimum(self.last)

    def neighbours(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the two next to each place, int64 [B, n], and what share the second has, float32 [B, n] in [0, 1]."""
        scale = 1.0 if self.scale is None else self.scale
        at = ((self.places + 0.5) / scale - 0.5).clamp(min=0.0).minimum(self.last)
        low = at.long()
        return low, (low + 1).minimum(self.last), (at - low).float()


@dataclass(frozen=True, slots=True, eq=False)
class Sampling:
    """A batch of varied images, each a grid of places in its image.

    Attributes:
        rows, columns: Of the grids.
        augmentation: What the grids were made by.
    """

    rows: Lookup
    columns: Lookup
    augmentation: Augmentation

    def pixels(self, images: Tensor, which: Tensor) -> Tensor:
        """Return varied images, [B, h, w, 3]: uint8 if the recipe scales none, else float32, interpolated bilinearly.

        Args:
            images: uint8 [N, H, W, 3].
            which: int64 [B], the images of the batch.
        """
        if not self.augmentation.scales:
            return _taken(images, which, self.rows.nearest(), self.columns.nearest())
        up, down, below = self.rows.neighbours()
        left, right, beside = self.columns.neighbours()

        def across(rows: Tensor) -> Tensor:
            low, high = (_taken(images, which, rows, columns).float() for columns in (left, right))
            return _between(low, high, beside[:, None, :, None])

        return _between(across(up), across(down), below[:, :, None, None])

    def labels(self, maps: Tensor, which: Tensor) -> Tensor:
        """Return varied label maps, int64 [B, h, w], of uint8 [N, H, W]: the nearest pixel's label, or void outside."""
        labels = _taken(maps, which, self.rows.nearest(), self.columns.nearest())
        if self.augmentation.crop is not None:
            labels = labels.masked_fill(self._outside(), VOID)
        return labels.long()

    def clear_outside(self, inputs: Tensor) -> Tensor:
        """Set normalised images [B, 3, h, w] to 0 beyond what they show, if the recipe says "mean"."""
        if self.augmentation.crop is None or self.augmentation.outside != "mean":
            return inputs
        return torch.where(self._outside()[:, None], 0.0, inputs)

    def _outside(self) -> Tensor:
        return ~(self.rows.inside[:, :, None] & self.columns.inside[:, None, :])


@dataclass(frozen=True, slots=True, eq=False)
class Variation:
    """What happens to each image in one epoch, on the device.

    Attributes:
        augmentation: What the draws are from.
        order: int64 [N], which image comes when.
        shifts: int64 [N, 2], pixels down and right, for each place in the order.
        mirrored: bool [N], likewise.
        scales: float64 [N], factor on the sides of the image, likewise.
        corners: float64 [N, 2] in [0, 1), likewise: where the upper left corner of a cut piece lies among all places
            down, and among all places right, that keep the piece within the scaled image.
    """

    augmentation: Augmentation
    order: Tensor
    shifts: Tensor
    mirrored: Tensor
    scales: Tensor
    corners: Tensor

    @classmethod
    def draw(cls, count: int, augmentation: Augmentation, seed: int, epoch: int, device: torch.device) -> Variation:
        """Draw an epoch's variation; it depends on nothing but the arguments, whatever was drawn before."""
        random = np.random.default_rng([seed, epoch])
        order = random.permutation(count)
        shifts = random.integers(-augmentation.shift, augmentation.shift, size=(count, 2), endpoint=True)
        mirrored = random.integers(0, 2, size=count).astype(bool) & augmentation.flip
        scales = random.choice(np.array(augmentation.scales or (1.0,)), size=count)
        corners = random.random((count, 2))
        drawn = (torch.from_numpy(array).to(device) for array in (order, shifts, mirrored, scales, corners))
        return cls(augmentation, *drawn)

    def sampling(self, start: int, end: int, frame: tuple[int, int], extents: Tensor | None = None) -> Sampling:
        """Return where the pixels of a batch come from.

        A piece that is larger than its image has the image at the top left, before it is mirrored. Images that are
        not cut are shifted and mirrored with the whole frame.

        Args:
            start: First place in the order.
            end: One past the last place.
            frame: Rows and columns of the tensors that the images are in.
            extents: int64 [B, 2], rows and columns that each image fills, from the top left; None: the whole frame.
        """
        rows, columns = (self._lookup(slice(start, end), axis, frame[axis], extents) for axis in (0, 1))
        return Sampling(rows, columns, self.augmentation)

    def _lookup(self, span: slice, axis: int, side: int, extents: Tensor | None) -> Lookup:
        crop, scale = self.augmentation.crop, self.scales[span, None]
        if crop is None or extents is None:
            extent = torch.full_like(self.order[span, None], side)
        else:
            extent = extents[:, axis, None]
        length = (extent * scale).long().clamp(min=1)
        if crop is None:
            piece, first = side, -self.shifts[span, axis, None]
        else:
            piece = crop[axis]
            first = (self.corners[span, axis, None] * ((length - piece).clamp(min=0) + 1)).long()
        places = torch.arange(piece, device=self.order.device).expand(len(first), piece)
        if axis == 1:
            places = torch.where(self.mirrored[span, None], piece - 1 - places, places)
        places = places + first
        used = scale if self.augmentation.scales else None
        return Lookup(_reflect(places, length), places < length, extent - 1, used)


def _reflect(places: Tensor, length: Tensor) -> Tensor:
    """Fold places into 0..length-1 without repeating the edges, however often that takes."""
    period = 2 * (length - 1)
    folded = places.remainder(period.clamp(min=1))
    return folded.minimum((period - folded).abs())


def _taken(images: Tensor, which: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return [B, h, w, ...] of images [N, H, W, ...] at rows [B, h] and columns [B, w]."""
    return images[which[:, None, None], rows[:, :, None], columns[:, None, :]]


def _between(low: Tensor, high: Tensor, share: Tensor) -> Tensor:
    """Interpolate in operations of one rounding each, which give the same bits for every batch and on every device."""
    return low + (high - low) * share
