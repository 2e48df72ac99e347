"""Which cells a stack of dilated convolutions looks at, from its dilations alone.

A layer of kernel k dilated by r reads cells r apart; the cells that reach an output cell through a stack are the sums
of one tap of each layer. All layers are alike in rows and columns, so the cells of the plane are the pairs of those of
the line, and what holds for n of N cells of the line holds for n^2 of N^2 of the plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Coverage:
    """What an output cell sees along one axis of the receptive field.

    Attributes:
        size: Cells of the receptive field, from the first one seen to the last.
        seen: Cells of it that reach the output.
        gap: Most cells in a row that do not.
    """

    size: int
    seen: int
    gap: int

    @property
    def complete(self) -> bool:
        """Whether no cell of the receptive field is left out."""
        return self.seen == self.size

    @property
    def share(self) -> float:
        """Share of the cells of the plane's receptive field that reach the output."""
        return (self.seen / self.size) ** 2


def reached(dilations: Sequence[int], kernel: int = 3) -> NDArray[np.bool_]:
    """Return which cells of the receptive field reach the output, along one axis.

    Args:
        dilations: Of each layer; their order does not matter.
        kernel: Taps of every layer.

    Returns:
        bool [size], size = 1 + (kernel - 1) * sum(dilations).

    Raises:
        ValueError: A dilation or the kernel is below 1.
    """
    _require_positive(dilations, kernel)
    cells = np.ones(1, dtype=np.bool_)
    for dilation in dilations:
        wider = np.zeros(len(cells) + dilation * (kernel - 1), dtype=np.bool_)
        for start in range(0, dilation * kernel, dilation):
            wider[start : start + len(cells)] |= cells
        cells = wider
    return cells


def footprint(dilations: Sequence[int], kernel: int = 3) -> NDArray[np.bool_]:
    """Return which cells of the plane's receptive field reach the output, bool [size, size]; see :func:`reached`."""
    line = reached(dilations, kernel)
    return np.logical_and.outer(line, line)


def paths(dilations: Sequence[int], kernel: int = 3) -> NDArray[np.int64]:
    """Return how many ways lead from each cell of the receptive field to the output, along one axis.

    Args:
        dilations: Of each layer; their order does not matter.
        kernel: Taps of every layer.

    Returns:
        int64 [size]; 0 where a cell is not seen. The sum is kernel ** layers.

    Raises:
        ValueError: A dilation or the kernel is below 1, or there are 2^63 ways or more.
    """
    _require_positive(dilations, kernel)
    if kernel ** len(dilations) >= 2**63:
        raise ValueError(f"{len(dilations)} layers of {kernel} taps have more ways than 64 bits can count")
    ways = np.ones(1, dtype=np.int64)
    for dilation in dilations:
        wider = np.zeros(len(ways) + dilation * (kernel - 1), dtype=np.int64)
        for start in range(0, dilation * kernel, dilation):
            wider[start : start + len(ways)] += ways
        ways = wider
    return ways


def coverage(dilations: Sequence[int], kernel: int = 3) -> Coverage:
    """Return how completely a stack of convolutions covers its receptive field; arguments as :func:`reached`."""
    seen = np.flatnonzero(reached(dilations, kernel))
    gaps = np.diff(seen) - 1
    return Coverage(size=int(seen[-1]) + 1, seen=len(seen), gap=int(gaps.max(initial=0)))


def receptive_size(dilations: Sequence[int], kernel: int = 3) -> int:
    """Return the side of a stack's receptive field in closed form, 1 + (kernel - 1) * sum(dilations)."""
    return 1 + (kernel - 1) * sum(dilations)


def hole_distances(dilations: Sequence[int]) -> tuple[int, ...]:
    """Return M_1 to M_n, the "maximum distance between two nonzero values" of a stack of convolutions.

    As printed by Wang et al. (Understanding Convolution for Semantic Segmentation, equation 2): M_n = r_n and
    M_i = max[M_{i+1} - 2 r_i, M_{i+1} - 2 (M_{i+1} - r_i), r_i], whatever the kernel. It depends on the order of the
    layers, which coverage does not.

    Args:
        dilations: r_1 to r_n, from the first layer to the last.

    Raises:
        ValueError: There is no layer, or a dilation is below 1.
    """
    if not dilations:
        raise ValueError("a stack without layers has no distance between values")
    _require_positive(dilations, 1)
    distances = [dilations[-1]]
    for rate in reversed(dilations[:-1]):
        above = distances[-1]
        distances.append(max(above - 2 * rate, above - 2 * (above - rate), rate))
    return tuple(reversed(distances))


def accepted(dilations: Sequence[int], kernel: int = 3) -> bool:
    """Whether a stack meets the design goal of the same paper for holes to be filled, M_2 <= K.

    Raises:
        ValueError: There are fewer than two layers, so that M_2 is not defined, or a dilation is below 1.
    """
    if len(dilations) < 2:
        raise ValueError(f"M_2 takes two layers, not {len(dilations)}")
    return hole_distances(dilations)[1] <= kernel


def _require_positive(dilations: Sequence[int], kernel: int) -> None:
    if kernel < 1 or min(dilations, default=1) < 1:
        raise ValueError(f"kernel {kernel} and dilations {tuple(dilations)} have to be at least 1")
