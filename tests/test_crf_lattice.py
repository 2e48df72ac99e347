"""The permutohedral lattice: its geometry, its nearness to the Gaussian, its transpose, and batches."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from harness.crf.kernels import exact_kernel
from harness.crf.lattice import Rows, build_lattice

Floats = NDArray[np.float64]
CLOUDS = st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(0.1, 50))
"""Dimensions, points, seed and spread."""


def cloud(dimensions: int, points: int, seed: int, spread: float) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(0, spread, (points, dimensions)), dtype=torch.float32)


def dense(rows: Rows, columns: int) -> Tensor:
    """The matrix entry by entry."""
    counts = rows.starts.diff()
    matrix = torch.zeros(len(counts), columns)
    place = torch.arange(len(counts)).repeat_interleave(counts)
    return matrix.index_put((place, rows.columns.long()), rows.weights, accumulate=True)


def by_table(features: Floats, values: Floats) -> Floats:
    """Filter point by point with a table of the corners' d + 1 coordinates, Sections 3.1 to 3.4 of the paper."""
    d = features.shape[1]
    embedding = np.zeros((d + 1, d))
    for axis in range(d):
        embedding[: axis + 1, axis] = 1 / math.sqrt((axis + 1) * (axis + 2))
        embedding[axis + 1, axis] = -(axis + 1) / math.sqrt((axis + 1) * (axis + 2))
    table: dict[tuple[int, ...], Floats] = defaultdict(lambda: np.zeros(values.shape[1]))
    simplices = []
    for point, value in zip(features @ embedding.T * (d + 1) * math.sqrt(2 / 3), values, strict=True):
        weights = barycentric(point)
        simplices.append(weights)
        for corner, weight in weights.items():
            table[corner] = table[corner] + weight * value
    for axis in range(d + 1):
        step = -np.ones(d + 1, dtype=int)
        step[axis] = d
        table = {
            corner: value + sum(table.get(tuple(corner + way * step), 0 * value) for way in (-1, 1)) / 2
            for corner, value in table.items()
        }
    return np.stack([sum(weight * table[corner] for corner, weight in simplex.items()) for simplex in simplices])


def barycentric(point: Floats) -> dict[tuple[int, ...], float]:
    """The corners around a point of the hyperplane, and their weights: those that put it where it is."""
    d = len(point) - 1
    nearest = np.rint(point / (d + 1)).astype(int) * (d + 1)
    while (excess := nearest.sum() // (d + 1)) != 0:
        difference = point - nearest
        nearest[difference.argmin() if excess > 0 else difference.argmax()] -= int(np.sign(excess)) * (d + 1)
    order = np.argsort(-(point - nearest), kind="stable")
    corners = []
    for remainder in range(d + 1):
        corner = nearest + remainder
        corner[order[d + 1 - remainder :]] -= d + 1
        corners.append(corner)
    system = np.concatenate([np.array(corners).T, np.ones((1, d + 1))])
    weights = np.linalg.lstsq(system, np.append(point, 1), rcond=None)[0]
    return {tuple(corner.tolist()): weight for corner, weight in zip(corners, weights, strict=True)}


@given(CLOUDS)
@settings(max_examples=60)
def test_slicing_weights_are_barycentric(case: tuple[int, int, int, float]) -> None:
    features = cloud(*case)
    points, dimensions = features.shape
    lattice = build_lattice(features)
    weights = lattice.slicing.weights.reshape(points, dimensions + 1)
    assert weights.min() >= -1e-4
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(points), atol=1e-4, rtol=0)
    corners = len(lattice.splat.starts) - 1
    torch.testing.assert_close(dense(lattice.splat, points), dense(lattice.slicing, corners).T)
    for blur in lattice.blurs:
        matrix = dense(blur, corners)
        assert (matrix == matrix.T).all()
        assert (matrix.diagonal() == 1).all()
        assert matrix.sum(dim=1).max() <= 2


@given(CLOUDS)
@settings(max_examples=40)
def test_filter_is_the_paper_s_point_by_point(case: tuple[int, int, int, float]) -> None:
    features = cloud(*case)
    values = torch.tensor(np.random.default_rng(case[2]).normal(size=(len(features), 3)))
    expected = by_table(features.double().numpy(), values.numpy())
    np.testing.assert_allclose(build_lattice(features).filter(values).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 5])
def test_lattice_approaches_the_gaussian(dimensions: int) -> None:
    """Normalised sums of a smooth signal over dense points, against all pairs."""
    features = torch.tensor(np.random.default_rng(dimensions).uniform(0, 4, (3000, dimensions)), dtype=torch.float32)
    values = torch.stack([features.sum(dim=1).sin(), features[:, 0]], dim=1)
    ones = torch.ones(len(features), 1)
    exact, filtered = exact_kernel(features[None]), build_lattice(features).filter
    truth, found = exact(values) / exact(ones), filtered(values) / filtered(ones)
    inside = ((features > 1) & (features < 3)).all(dim=1)
    assert inside.any()
    assert (truth - found)[inside].abs().max() < 0.15


@given(CLOUDS)
@settings(max_examples=30)
def test_gradient_is_the_transpose_and_its_gradient_the_filter(case: tuple[int, int, int, float]) -> None:
    lattice = build_lattice(cloud(*case))
    points = case[1]
    columns = lattice.filter(torch.eye(points, dtype=torch.float64))
    rows = torch.autograd.functional.jacobian(lambda values: lattice.filter(values[:, None])[:, 0], torch.ones(points))
    torch.testing.assert_close(rows.double(), columns, atol=1e-5, rtol=1e-5)
    values = torch.randn(points, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lattice.filter, values)
    assert torch.autograd.gradgradcheck(lattice.filter, values)


def test_images_of_a_batch_do_not_see_each_other() -> None:
    """Not a bit differs: the order of every sum stays the same."""
    stream = torch.Generator().manual_seed(0)
    features = torch.rand(3, 50, 5, generator=stream) * torch.tensor([1.0, 4.0, 9.0])[:, None, None]
    values = torch.rand(3, 50, 4, generator=stream)
    together = build_lattice(features).filter(values.flatten(0, 1)).reshape(3, 50, 4)
    alone = torch.stack([build_lattice(points).filter(each) for points, each in zip(features, values, strict=True)])
    assert (together == alone).all()


def test_result_does_not_depend_on_the_number_of_threads() -> None:
    stream = torch.Generator().manual_seed(1)
    features, values = torch.rand(20_000, 5, generator=stream) * 9, torch.rand(20_000, 8, generator=stream)
    before, found = torch.get_num_threads(), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(build_lattice(features).filter(values))
    torch.set_num_threads(before)
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_gpu_gives_what_the_processor_gives() -> None:
    stream = torch.Generator().manual_seed(2)
    features, values = torch.rand(2, 5000, 5, generator=stream) * 9, torch.rand(10_000, 8, generator=stream)
    found = build_lattice(features.cuda()).filter(values.cuda())
    torch.testing.assert_close(found.cpu(), build_lattice(features).filter(values), atol=1e-4, rtol=1e-4)


def test_lattice_refuses_what_it_cannot_number() -> None:
    with pytest.raises(OverflowError, match="larger deviations"):
        build_lattice(torch.tensor([[0.0] * 5, [1e5] * 5]))
    for wrong in (torch.tensor([[math.nan, 0]]), torch.zeros(0, 2), torch.zeros(3)):
        with pytest.raises(ValueError, match="finite features"):
            build_lattice(wrong)
