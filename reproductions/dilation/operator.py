"""The dilated convolution (Section 2), in the two ways that its definition suggests and a library's operator is not.

Equation 2: (F *_l k)(p) = sum over s + l t = p of F(s) k(t). This is a convolution, which mirrors the kernel, where the
layers of neural networks correlate; mirrored kernels turn one into the other.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F


def dilated_convolution(signal: NDArray[np.float64], kernel: NDArray[np.float64], dilation: int) -> NDArray[np.float64]:
    """Convolve as equation 2 defines it, cell by cell, where the whole dilated kernel lies on the signal.

    Args:
        signal: float64 [h, w], F of the equation.
        kernel: float64 [2 r + 1, 2 r + 1], k of the equation, defined on the square of radius r around 0.
        dilation: l of the equation, at least 1.

    Returns:
        float64 [h - 2 l r, w - 2 l r]: the values at p from (l r, l r) on.

    Raises:
        ValueError: The kernel has no centre or does not fit on the signal.
    """
    side = kernel.shape[0]
    if kernel.shape != (side, side) or side % 2 == 0:
        raise ValueError(f"a kernel is a square with a centre, not {kernel.shape}")
    radius = side // 2
    border = dilation * radius
    rows, columns = signal.shape[0] - 2 * border, signal.shape[1] - 2 * border
    if min(rows, columns) < 1:
        raise ValueError(f"a {side}x{side} kernel dilated by {dilation} does not fit on a signal of {signal.shape}")
    result = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            for down in range(-radius, radius + 1):
                for right in range(-radius, radius + 1):
                    cell = (row + border - dilation * down, column + border - dilation * right)
                    result[row, column] += signal[cell] * kernel[down + radius, right + radius]
    return result


def insert_zeros(weight: Tensor, dilation: int) -> Tensor:
    """Return kernels [O, I, k, k] with ``dilation - 1`` zeros between taps, [O, I, l (k - 1) + 1, l (k - 1) + 1].

    This is the dilated filter that the operator never constructs (Section 2).
    """
    rows, columns = (dilation * (side - 1) + 1 for side in weight.shape[-2:])
    sparse = weight.new_zeros(*weight.shape[:2], rows, columns)
    sparse[..., ::dilation, ::dilation] = weight
    return sparse


def convolve_with_zeros(x: Tensor, weight: Tensor, dilation: int, padding: int = 0) -> Tensor:
    """Do what ``conv2d`` with ``dilation`` does, by an undilated convolution with the kernel full of zeros.

    Args:
        x: [N, I, h, w].
        weight: [O, I, k, k].
        dilation: Distance between taps, at least 1.
        padding: Zeros around ``x`` on every side.
    """
    return F.conv2d(x, insert_zeros(weight, dilation), padding=padding)


def convolve(x: Tensor, kernel: Tensor, dilation: int) -> Tensor:
    """Convolve one map [h, w] with one kernel [k, k] by equation 2, through the library's correlation."""
    mirrored = torch.flip(kernel, (0, 1))
    return F.conv2d(x[None, None], mirrored[None, None], dilation=dilation)[0, 0]
