"""Atrous convolution both ways against torch's operator, explicit holes and the printed definition."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from reproductions.deeplab.atrous import (
    WAYS,
    Convolution,
    by_deinterlacing,
    by_dilation,
    by_sampling,
    deinterlace,
    reinterlace,
)

OWN_WAYS = [by_sampling, by_deinterlacing]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_equation_1_as_printed(way: Convolution) -> None:
    x, w, rate = [1.0, -2.0, 4.0, 8.0, -16.0, 32.0, 64.0], [1.0, 10.0, 100.0], 2
    # y[i] = sum over k = 1 ... K of x[i + r k] w[k], where x is defined; indices start at 1 in the paper.
    expected = [sum(x[i + rate * k] * w[k] for k in range(3)) for i in range(len(x) - rate * 2)]
    assert expected == [1 + 40 - 1600, -2 + 80 + 3200, 4 - 160 + 6400]
    result = way(torch.tensor(x)[None, None, None], torch.tensor(w)[None, None, None], None, rate, 0)
    assert result.flatten().tolist() == expected


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31 - 1),
    rate=st.integers(1, 7),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    extra=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    padding=st.integers(0, 8),
    biased=st.booleans(),
)
def test_all_ways_agree(
    seed: int, rate: int, kernel: tuple[int, int], extra: tuple[int, int], padding: int, biased: bool
) -> None:
    torch.manual_seed(seed)
    height, width = (1 + rate * (taps - 1) + more for taps, more in zip(kernel, extra, strict=True))
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    weight = torch.randn(4, 3, *kernel, dtype=torch.float64)
    bias = torch.randn(4, dtype=torch.float64) if biased else None
    expected = by_holes(x, weight, bias, rate, padding)
    for way in WAYS.values():
        torch.testing.assert_close(way(x, weight, bias, rate, padding), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("way", OWN_WAYS)
@pytest.mark.parametrize(("kernel", "rate"), [(7, 4), (4, 4), (4, 8), (3, 12), (3, 24)])
def test_layers_of_the_paper_and_their_gradients(way: Convolution, kernel: int, rate: int) -> None:
    torch.manual_seed(0)
    padding = rate * (kernel - 1) // 2
    x = torch.randn(1, 2, 41, 41, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 2, kernel, kernel, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(1, 3, 41, 41, dtype=torch.float64)
    results = []
    for convolve in (way, by_dilation):
        y = convolve(x, weight, None, rate, padding)
        results.append((y, *torch.autograd.grad((y * upstream).sum(), (x, weight))))
    for ours, reference in zip(*results, strict=True):
        torch.testing.assert_close(ours, reference, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("rate", "size"), [(1, (5, 6)), (2, (4, 6)), (2, (5, 7)), (3, (7, 3)), (12, (41, 41))])
def test_deinterlacing_takes_every_position_once(rate: int, size: tuple[int, int]) -> None:
    x = torch.arange(2.0 * 3 * size[0] * size[1]).view(2, 3, *size)
    maps = deinterlace(x, rate)
    assert maps.shape == (2 * rate**2, 3, -(-size[0] // rate), -(-size[1] // rate))
    for image in range(2):
        for down in range(rate):
            for right in range(rate):
                shifted = x[image, :, down::rate, right::rate]
                reduced = maps[image * rate**2 + down * rate + right]
                assert torch.equal(reduced[:, : shifted.shape[1], : shifted.shape[2]], shifted)
    assert torch.equal(reinterlace(maps, rate)[..., : size[0], : size[1]], x)


def test_atrous_convolution_computes_the_strided_responses_and_those_between() -> None:
    """Figures 2 and 3: filtering a subsampled map gives a quarter of what the filter with holes gives."""
    torch.manual_seed(0)
    x, weight = torch.randn(1, 1, 20, 24, dtype=torch.float64), torch.randn(1, 1, 3, 3, dtype=torch.float64)
    sparse = F.conv2d(x[..., ::2, ::2], weight)
    dense = by_sampling(x, weight, None, 2, 0)
    torch.testing.assert_close(dense[..., ::2, ::2], sparse)
    assert dense.numel() == 4 * sparse.numel()


def by_holes(x: Tensor, weight: Tensor, bias: Tensor | None, rate: int, padding: int) -> Tensor:
    """Convolve with a filter of rate - 1 explicit zeros between taps, summed tap by tap over shifted maps."""
    rows, columns = ((taps - 1) * rate + 1 for taps in weight.shape[-2:])
    filters = torch.zeros(*weight.shape[:2], rows, columns, dtype=weight.dtype)
    filters[..., ::rate, ::rate] = weight
    padded = F.pad(x, (padding,) * 4)
    height, width = padded.shape[-2] - rows + 1, padded.shape[-1] - columns + 1
    result = torch.zeros(x.shape[0], weight.shape[0], height, width, dtype=x.dtype)
    for row, column in (filters != 0).any(dim=0).any(dim=0).nonzero().tolist():
        window = padded[..., row : row + height, column : column + width]
        result += torch.einsum("ncij,kc->nkij", window, filters[..., row, column])
    return result if bias is None else result + bias[:, None, None]
