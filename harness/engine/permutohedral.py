"""Gaussian filtering of many values in few dimensions on the permutohedral lattice, in linear time.

Adams, Baek & Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice" (Eurographics 2010): splat each
point onto the corners of the simplex around it, blur along the lattice's axes, slice back. The three steps are
linear and sparse, so each is a sparse matrix here. As in the paper, the result approximates
``sum_j exp(-|f_i - f_j|^2 / 2) v_j`` up to one factor for all points, which any normalisation removes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """The lattice under a set of points.

    Attributes:
        slicing: float32 [n, m], sparse: barycentric weights of each point's d + 1 corners among the m that are used.
        blurs: d + 1 sparse float32 [m, m], the kernel (1/2, 1, 1/2) along each axis.
    """

    slicing: sparse.csr_array
    blurs: tuple[sparse.csr_array, ...]

    def filter(self, values: Floats) -> Floats:
        """Filter ``values``, float32 [n, c], to the same shape; the cost is linear in n and c."""
        corners = self.slicing.T @ values
        for blur in self.blurs:
            corners = blur @ corners
        filtered: Floats = self.slicing @ corners
        return filtered


def build_lattice(features: Floats) -> Lattice:
    """Return the lattice under ``features``, float32 [n, d] in units of the Gaussian's standard deviation.

    Raises:
        ValueError: Not two axes, no point, or a feature that is not finite.
        OverflowError: The features span too many cells to be numbered.
    """
    if features.ndim != 2 or 0 in features.shape or not np.isfinite(features).all():
        raise ValueError(f"finite features [n, d] expected, got {features.shape}")
    points, dimensions = features.shape
    keys, weights = _simplices(features)
    numbering = _Numbering.of(keys)
    codes, corners = np.unique(numbering.encode(keys), return_inverse=True)
    rows = np.repeat(np.arange(points), dimensions + 1)
    shape = (points, len(codes))
    slicing = sparse.csr_array((weights.ravel(), (rows, corners.ravel())), shape=shape)
    occupied = np.zeros((len(codes), dimensions), dtype=np.int64)
    occupied[corners.ravel()] = keys.reshape(-1, dimensions)
    blurs = tuple(_blur(axis, occupied, codes, numbering) for axis in range(dimensions + 1))
    return Lattice(slicing, blurs)


def _simplices(features: Floats) -> tuple[Ints, Floats]:
    """Corners of each point's simplex and its barycentric weights: int64 [n, d + 1, d] and float32 [n, d + 1].

    The last of a corner's d + 1 coordinates is left out, since all sum to zero (Section 3.1 of the paper).
    """
    points, d = features.shape
    index = np.arange(d)
    scaled = features.astype(np.float64) * ((d + 1) * np.sqrt(2 / 3) / np.sqrt((index + 1) * (index + 2)))
    elevated = np.zeros((points, d + 1))
    elevated[:, :d] = np.cumsum(scaled[:, ::-1], axis=1)[:, ::-1]
    elevated[:, 1:] -= (index + 1) * scaled

    nearest = np.rint(elevated / (d + 1)).astype(np.int64)
    excess = nearest.sum(axis=1, keepdims=True)
    offset = elevated - nearest * (d + 1)
    order = np.argsort(-offset, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(d + 1), order.shape), axis=1)
    rank += excess
    wrapped = (rank < 0).astype(np.int64) - (rank > d)
    rank += wrapped * (d + 1)
    base = (nearest + wrapped) * (d + 1)

    descending = np.zeros((points, d + 1))
    np.put_along_axis(descending, rank, (elevated - base) / (d + 1), axis=1)
    weights = np.empty((points, d + 1), dtype=np.float32)
    weights[:, 1:] = (descending[:, :-1] - descending[:, 1:])[:, ::-1]
    weights[:, 0] = 1 + descending[:, -1] - descending[:, 0]

    remainder = np.arange(d + 1)[None, :, None]
    step = remainder - np.where(rank[:, None, :d] > d - remainder, d + 1, 0)
    return base[:, None, :d] + step, weights


@dataclass(frozen=True, slots=True, eq=False)
class _Numbering:
    """One int64 for each lattice point near the occupied ones: all coordinates are congruent modulo d + 1."""

    low: Ints
    span: Ints

    @staticmethod
    def of(keys: Ints) -> _Numbering:
        modulus = keys.shape[-1] + 1
        cells = keys.reshape(-1, keys.shape[-1]) // modulus
        low = cells.min(axis=0) - 2
        span = cells.max(axis=0) + 3 - low
        if modulus * float(np.prod(span, dtype=np.float64)) >= 2.0**63:
            raise OverflowError(f"features span {span.tolist()} cells, too many to number; use larger deviations")
        return _Numbering(low, span)

    def encode(self, keys: Ints) -> Ints:
        modulus = keys.shape[-1] + 1
        code = keys[..., 0] % modulus
        for axis, (low, span) in enumerate(zip(self.low, self.span, strict=True)):
            code = code * span + (keys[..., axis] // modulus - low)
        numbers: Ints = code
        return numbers


def _blur(axis: int, keys: Ints, codes: Ints, numbering: _Numbering) -> sparse.csr_array:
    """Weight 1 on each point and 1/2 on its two neighbours along an axis, where those are occupied."""
    count, dimensions = keys.shape
    step = np.full(dimensions, -1, dtype=np.int64)
    if axis < dimensions:
        step[axis] = dimensions
    kernel = sparse.eye_array(count, dtype=np.float32, format="csr")
    for neighbour in (numbering.encode(keys + step), numbering.encode(keys - step)):
        place = np.minimum(np.searchsorted(codes, neighbour), count - 1)
        rows = np.flatnonzero(codes[place] == neighbour)
        half = np.full(len(rows), 0.5, dtype=np.float32)
        kernel = kernel + sparse.csr_array((half, (rows, place[rows])), shape=(count, count))
    return sparse.csr_array(kernel)
