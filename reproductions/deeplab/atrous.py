"""Atrous convolution in the two ways of Section 3.1, beside torch's own dilated convolution.

Both compute, for maps x [N, C, h, w] and filters w [K, C, k, l] that are not mirrored (Equation 1 in two dimensions),

    y[i, j] = b + sum over a, b of w[a, b] x[i + r a - p, j + r b - p],

where x is 0 outside of the map, into maps [N, K, h + 2 p - r (k - 1), w + 2 p - r (l - 1)].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor
from torch.nn import functional as F

Convolution = Callable[[Tensor, Tensor, Tensor | None, int, int], Tensor]
"""From maps, filters, bias [K] or None, rate r and padding p to maps."""


def by_sampling(x: Tensor, weight: Tensor, bias: Tensor | None, rate: int, padding: int) -> Tensor:
    """Convolve by sampling the map sparsely: one column of taps for each position, times the filters.

    This is Caffe's ``im2col`` with holes, the paper's first way.
    """
    rows, columns = (
        side + 2 * padding - rate * (taps - 1) for side, taps in zip(x.shape[-2:], weight.shape[-2:], strict=True)
    )
    patches = F.unfold(x, weight.shape[-2:], dilation=rate, padding=padding)
    result = weight.flatten(1) @ patches
    if bias is not None:
        result = result + bias[:, None]
    return result.view(len(x), len(weight), rows, columns)


def by_deinterlacing(x: Tensor, weight: Tensor, bias: Tensor | None, rate: int, padding: int) -> Tensor:
    """Convolve ordinarily on each of the ``rate ** 2`` reduced maps, the paper's second way."""
    padded = F.pad(x, (padding,) * 4)
    rows, columns = (side - rate * (taps - 1) for side, taps in zip(padded.shape[-2:], weight.shape[-2:], strict=True))
    reduced = F.conv2d(deinterlace(padded, rate), weight, bias)
    return reinterlace(reduced, rate)[..., :rows, :columns]


def by_dilation(x: Tensor, weight: Tensor, bias: Tensor | None, rate: int, padding: int) -> Tensor:
    """Convolve by torch's operator."""
    return F.conv2d(x, weight, bias, dilation=rate, padding=padding)


WAYS: Mapping[str, Convolution] = MappingProxyType(
    {
        "torch's dilated convolution": by_dilation,
        "sparse sampling": by_sampling,
        "deinterlacing": by_deinterlacing,
    }
)


def deinterlace(x: Tensor, rate: int) -> Tensor:
    """Split maps [N, C, h, w] into ``rate ** 2`` reduced ones each, [N rate^2, C, ceil(h / rate), ceil(w / rate)].

    The reduced map of shift (a, b) is ``x[a::rate, b::rate]``; those of one image follow each other, the shift along
    rows slower. Sides that the rate does not divide are filled up with zeros.
    """
    images, channels = x.shape[:2]
    height, width = (-(-side // rate) for side in x.shape[-2:])
    filled = F.pad(x, (0, width * rate - x.shape[-1], 0, height * rate - x.shape[-2]))
    shifts = filled.view(images, channels, height, rate, width, rate).permute(0, 3, 5, 1, 2, 4)
    return shifts.reshape(images * rate**2, channels, height, width)


def reinterlace(maps: Tensor, rate: int) -> Tensor:
    """Undo :func:`deinterlace`: [N rate^2, C, h, w] to [N, C, h rate, w rate], the filling included."""
    channels, height, width = maps.shape[1:]
    shifts = maps.view(-1, rate, rate, channels, height, width).permute(0, 3, 4, 1, 5, 2)
    return shifts.reshape(-1, channels, height * rate, width * rate)
