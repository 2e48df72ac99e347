"""Gaussian filtering of many values in few dimensions on the permutohedral lattice, in linear time.

Adams, Baek & Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice" (Eurographics 2010): splat each
point onto the corners of the simplex around it, blur along the lattice's axes, slice back. The three steps are
linear and sparse, and each is a gather of weighted rows, so that the result does not depend on the order in which
threads run. As in the paper, it approximates ``sum_j exp(-|f_i - f_j|^2 / 2) v_j`` up to one factor for all points,
which any normalisation removes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A sparse matrix [r, c] by rows, each a weighted sum over some rows of what it is applied to.

    Attributes:
        columns: int32 [e], of the entries, row by row.
        starts: int32 [r + 1], where each row's entries start, and where the last row's end.
        weights: float32 [e].
    """

    columns: Tensor
    starts: Tensor
    weights: Tensor

    def __call__(self, values: Tensor) -> Tensor:
        """From [c, k] to [r, k], in single or double precision."""
        weights = self.weights.to(values.dtype)
        return F.embedding_bag(
            self.columns, values, self.starts, mode="sum", per_sample_weights=weights, include_last_offset=True
        )


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """The lattice under a set of n points, of which m corners are used.

    Attributes:
        splat: [m, n], barycentric weights of the points in whose simplex a corner is.
        blurs: d + 1 times [m, m], the kernel (1/2, 1, 1/2) along each axis; each is its own transpose.
        slicing: [n, m], the transpose of ``splat``.
    """

    splat: Rows
    blurs: tuple[Rows, ...]
    slicing: Rows

    def filter(self, values: Tensor) -> Tensor:
        """Filter ``values``, [n, k], to the same shape; differentiable, at a cost that is linear in n and k."""
        filtered: Tensor = _Filter.apply(values, self, False)
        return filtered

    def apply(self, values: Tensor, *, transposed: bool) -> Tensor:
        """Filter without gradients: the transpose blurs along the axes in the opposite order."""
        corners = self.splat(values.contiguous())
        for blur in reversed(self.blurs) if transposed else self.blurs:
            corners = blur(corners)
        return self.slicing(corners)


class _Filter(torch.autograd.Function):
    """The filter is linear: the gradient is its transpose, which has the filter as its gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, lattice: Lattice, transposed: bool) -> Tensor:
        ctx.lattice, ctx.transposed = lattice, transposed
        return lattice.apply(values, transposed=transposed)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        return _Filter.apply(gradient, ctx.lattice, not ctx.transposed), None, None


def build_lattice(features: Tensor) -> Lattice:
    """Return the lattice under the points of one image or several, which do not see each other.

    Args:
        features: float [n, d] or, of B images, [B, n, d], in units of the Gaussian's standard deviation. The lattice
            is on their device, and in the batch its points are numbered image by image.

    Raises:
        ValueError: Neither shape, no point, or a feature that is not finite.
        OverflowError: The features span too many cells to be numbered.
    """
    if features.ndim not in (2, 3) or 0 in features.shape or not features.isfinite().all():
        raise ValueError(f"finite features [n, d] or [B, n, d] expected, got {tuple(features.shape)}")
    images = features.shape[0] if features.ndim == 3 else 1
    dimensions = features.shape[-1]
    base, along, weights = _simplices(features.reshape(-1, dimensions).T.double())
    strides, low = _numbering(base, images)
    image = torch.arange(images, device=base.device).repeat_interleave(base.shape[1] // images)
    first = image * strides[0] + (strides[1:, None] * (base - low[:, None])).sum(dim=0)
    steps = F.pad((dimensions + 1) * strides[1:], (0, 1)) - strides[1:].sum()
    falls = steps.take(along[1:].flip(0)).cumsum(dim=0)
    codes = torch.cat([first[None], first - falls])
    return _connect(codes.T.flatten(), weights.T.flatten().float(), steps)


def _simplices(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the simplex around each point, Section 3.1 of the paper.

    Args:
        features: float64 [d, n].

    Returns:
        The first d coordinates of the corner that all others are counted from, int64 [d, n], since all d + 1 sum to
        zero; the axes by descending difference from it, int64 [d + 1, n]: each corner is one step back along the last
        of them not yet taken from the corner before it; the barycentric weights of the corners, float64 [d + 1, n].
    """
    d = len(features)
    index = torch.arange(d, dtype=features.dtype, device=features.device)[:, None]
    scaled = features * ((d + 1) * math.sqrt(2 / 3) / ((index + 1) * (index + 2)).sqrt())
    elevated = F.pad(scaled.flip(0).cumsum(dim=0).flip(0), (0, 0, 0, 1))
    elevated[1:] -= (index + 1) * scaled

    nearest = (elevated / (d + 1)).round()
    order = (nearest * (d + 1) - elevated).argsort(dim=0, stable=True)
    axes = torch.arange(d + 1, device=features.device)[:, None].expand_as(order)
    rank = torch.empty_like(order).scatter_(0, order, axes) + nearest.sum(dim=0).long()
    wrapped = (rank < 0).long() - (rank > d).long()
    base = (nearest.long() + wrapped) * (d + 1)
    along = torch.empty_like(order).scatter_(0, rank + wrapped * (d + 1), axes)

    descending = ((elevated - base) / (d + 1)).gather(0, along)
    weights = torch.cat([1 + descending[-1:] - descending[:1], (descending[:-1] - descending[1:]).flip(0)])
    return base[:d], along, weights


def _numbering(base: Tensor, images: int) -> tuple[Tensor, Tensor]:
    """Number the lattice points of every image and all their neighbours from zero, linearly in their coordinates.

    Args:
        base: int64 [d, n], coordinates that no corner of their simplices is further from than d.
        images: How many images there are.

    Returns:
        int64 [1 + d], by how much the number grows with the image and with each coordinate, and int64 [d], the
        coordinates of number zero.
    """
    reach = 2 * len(base)
    low = base.amin(dim=1) - reach
    spans = (base.amax(dim=1) + reach + 1 - low).tolist()
    strides = [math.prod(spans[axis:]) for axis in range(len(spans) + 1)]
    if images * strides[0] >= 2**63:
        raise OverflowError(
            f"features span {spans} cells in {images} images, too many to number; use larger deviations"
        )
    return torch.tensor(strides, device=base.device), low


def _connect(codes: Tensor, weights: Tensor, steps: Tensor) -> Lattice:
    """Return the lattice of all corners that occur.

    Args:
        codes: int64 [n (d + 1)], the numbers of each point's corners in turn.
        weights: float32 [n (d + 1)], barycentric.
        steps: int64 [d + 1], by how much the number changes along each axis.
    """
    corners = len(steps)
    ordered, origin = codes.sort(stable=True)
    fresh = torch.cat([ordered.new_ones(1, dtype=torch.bool), ordered[1:] != ordered[:-1]])
    starts = fresh.nonzero().squeeze(1)
    occupied = ordered.index_select(0, starts)
    place = torch.empty_like(codes).scatter_(0, origin, fresh.cumsum(dim=0) - 1)
    every = torch.arange(0, len(codes) + 1, corners, device=codes.device)
    ends = F.pad(starts, (0, 1), value=len(codes))
    return Lattice(
        splat=Rows(origin.int() // corners, ends.int(), weights.index_select(0, origin)),
        blurs=tuple(_blur(occupied, step) for step in steps),
        slicing=Rows(place.int(), every.int(), weights),
    )


def _blur(occupied: Tensor, step: Tensor) -> Rows:
    """Weight 1 on each point and 1/2 on its two neighbours along an axis, where those are occupied."""
    count = len(occupied)
    here = torch.arange(count, device=occupied.device)
    ahead = torch.searchsorted(occupied, occupied + step).clamp_(max=count - 1)
    found = occupied.index_select(0, ahead) == occupied + step
    behind = here.new_full((count + 1,), -1).scatter_(0, ahead.where(found, count), here)
    table = torch.stack([here, ahead.where(found, -1), behind[:count]], dim=1)
    present = table >= 0
    entries = present.flatten().nonzero().squeeze(1)
    return Rows(
        columns=table.flatten().index_select(0, entries).int(),
        starts=F.pad(present.sum(dim=1).cumsum(dim=0), (1, 0)).int(),
        weights=torch.where(entries % 3 == 0, 1.0, 0.5),
    )
