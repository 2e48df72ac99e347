"""The dilated convolution four ways: by equation 2, by scipy on a kernel full of zeros, by torch, by inserted zeros."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import convolve2d
from torch.nn import functional as F

from reproductions.dilation.operator import convolve, convolve_with_zeros, dilated_convolution, insert_zeros

seeds = st.integers(0, 10_000)
dilations = st.integers(1, 5)


@given(st.integers(0, 4), st.integers(0, 4), st.sampled_from([1, 3, 5]), dilations, seeds)
def test_the_definition_against_scipy_and_torch(rows: int, columns: int, side: int, dilation: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    reach = dilation * (side - 1)
    signal, kernel = draws.normal(size=(reach + 1 + rows, reach + 1 + columns)), draws.normal(size=(side, side))
    defined = dilated_convolution(signal, kernel, dilation)
    sparse = np.kron(kernel, np.eye(dilation)[:1].T @ np.eye(dilation)[:1])[: reach + 1, : reach + 1]
    np.testing.assert_allclose(defined, convolve2d(signal, sparse, mode="valid"), atol=1e-12)
    torch.testing.assert_close(
        torch.from_numpy(defined), convolve(torch.from_numpy(signal), torch.from_numpy(kernel), dilation)
    )


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), dilations, st.integers(0, 6), seeds)
def test_inserted_zeros_against_the_operator(
    images: int, inputs: int, outputs: int, dilation: int, padding: int, seed: int
) -> None:
    draws = torch.Generator().manual_seed(seed)
    maps = torch.randn(images, inputs, 13, 15, generator=draws, dtype=torch.float64)
    weight = torch.randn(outputs, inputs, 3, 3, generator=draws, dtype=torch.float64)
    expected = F.conv2d(maps, weight, dilation=dilation, padding=padding)
    torch.testing.assert_close(convolve_with_zeros(maps, weight, dilation, padding), expected)


def test_gradients_agree_too() -> None:
    draws = torch.Generator().manual_seed(0)
    maps = torch.randn(1, 2, 12, 12, generator=draws, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 2, 3, 3, generator=draws, dtype=torch.float64, requires_grad=True)
    ours = torch.autograd.grad(convolve_with_zeros(maps, weight, 3).square().sum(), (maps, weight))
    theirs = torch.autograd.grad(F.conv2d(maps, weight, dilation=3).square().sum(), (maps, weight))
    torch.testing.assert_close(ours, theirs)


@given(st.integers(1, 5), dilations)
def test_zeros_widen_a_kernel_and_add_no_weight(side: int, dilation: int) -> None:
    weight = torch.ones(2, 3, side, side)
    sparse = insert_zeros(weight, dilation)
    assert sparse.shape == (2, 3, dilation * (side - 1) + 1, dilation * (side - 1) + 1)
    assert int(sparse.count_nonzero()) == weight.numel()


def test_an_impulse_prints_the_kernel_dilated() -> None:
    """Equation 2 by hand: F = 1 at the origin gives k(t) at p = l t, so the kernel is not mirrored."""
    signal, kernel = np.zeros((9, 9)), np.arange(1.0, 10.0).reshape(3, 3)
    signal[4, 4] = 1
    expected = np.zeros((5, 5))
    expected[::2, ::2] = kernel
    assert np.array_equal(dilated_convolution(signal, kernel, 2), expected)


@pytest.mark.parametrize(
    ("shape", "kernel", "message"), [((9, 9), (2, 2), "centre"), ((9, 9), (3, 1), "centre"), ((8, 20), (3, 3), "fit")]
)
def test_what_equation_2_does_not_define_is_refused(
    shape: tuple[int, int], kernel: tuple[int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        dilated_convolution(np.zeros(shape), np.ones(kernel), 4)
