"""Where the cells of a coarse map come to lie on the image."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from harness.networks.upsampling import Alignment, bilinear_kernel, upsample

STRIDE = 8
sizes = st.tuples(st.integers(2, 6), st.integers(2, 6))


@given(sizes, st.integers(0, STRIDE - 1), st.integers(0, 1000))
@settings(max_examples=30)
def test_samples_put_cell_k_on_pixel_8k(size: tuple[int, int], missing: int, seed: int) -> None:
    maps = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    pixels = upsample(maps, (8 * size[0] - missing, 8 * size[1]), STRIDE, Alignment.SAMPLES)
    assert pixels.shape == (2, 3, 8 * size[0] - missing, 8 * size[1])
    torch.testing.assert_close(pixels[..., ::8, ::8], maps)
    torch.testing.assert_close(pixels[..., 4, 0], (maps[..., 0, 0] + maps[..., 1, 0]) / 2)


@given(sizes, st.integers(0, 1000))
@settings(max_examples=30)
def test_samples_and_corners_agree_where_the_image_ends_on_a_cell(size: tuple[int, int], seed: int) -> None:
    maps = torch.randn(1, 2, *size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    image = (8 * (size[0] - 1) + 1, 8 * (size[1] - 1) + 1)
    samples, corners = (upsample(maps, image, STRIDE, a) for a in (Alignment.SAMPLES, Alignment.CORNERS))
    torch.testing.assert_close(samples, corners)


@pytest.mark.parametrize(("alignment", "first"), [(Alignment.CENTRES, 3.5), (Alignment.SAMPLES, 0.0)])
def test_a_ramp_stays_a_ramp_between_the_outer_cells(alignment: Alignment, first: float) -> None:
    ramp = (first + STRIDE * torch.arange(5, dtype=torch.float64)).expand(1, 1, 5, 5)
    row = upsample(ramp, (40, 40), STRIDE, alignment)[0, 0, 20]
    inside = torch.arange(40, dtype=torch.float64).clamp(first, first + 4 * STRIDE)
    torch.testing.assert_close(row, inside)


def test_centres_are_a_transposed_convolution_away_from_the_border() -> None:
    maps = torch.randn(1, 1, 6, 7, dtype=torch.float64)
    kernel = bilinear_kernel(STRIDE).to(torch.float64)[None, None]
    deconvolved = F.conv_transpose2d(maps, kernel, stride=STRIDE, padding=STRIDE // 2)
    interpolated = upsample(maps, (48, 56), STRIDE)
    torch.testing.assert_close(interpolated[..., 4:-4, 4:-4], deconvolved[..., 4:-4, 4:-4])
