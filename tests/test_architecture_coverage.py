"""Which cells a stack of dilated convolutions sees: sets of sums, images dilated by scipy, and torch's gradients."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from torch import nn

from harness.architecture.coverage import (
    accepted,
    coverage,
    footprint,
    hole_distances,
    paths,
    reached,
    receptive_size,
)

STACKS = st.lists(st.integers(1, 9), min_size=1, max_size=5)
KERNELS = st.integers(1, 5)


@given(STACKS, KERNELS)
def test_cells_are_the_sums_of_one_tap_of_each_layer(stack: list[int], kernel: int) -> None:
    sums = [sum(taps) for taps in product(*(range(0, rate * kernel, rate) for rate in stack))]
    size = receptive_size(stack, kernel)
    assert reached(stack, kernel).tolist() == [cell in set(sums) for cell in range(size)]
    assert paths(stack, kernel).tolist() == [sums.count(cell) for cell in range(size)]
    found = coverage(stack, kernel)
    assert (found.size, found.seen) == (size, len(set(sums)))


@given(STACKS, KERNELS)
def test_the_order_of_layers_does_not_matter_and_the_field_is_symmetric(stack: list[int], kernel: int) -> None:
    cells = reached(stack, kernel)
    assert np.array_equal(cells, reached(sorted(stack), kernel))
    assert np.array_equal(cells, cells[::-1])


@pytest.mark.parametrize(("stack", "kernel"), [((2,), 3), ((1, 2, 5), 3), ((2, 4, 8), 3), ((1, 3), 5), ((2, 3), 2)])
def test_the_plane_is_an_image_dilated_layer_by_layer(stack: tuple[int, ...], kernel: int) -> None:
    size = receptive_size(stack, kernel)
    plane = np.zeros((2 * size + 1, 2 * size + 1), dtype=bool)
    plane[size, size] = True
    for rate in stack:
        side = rate * (kernel - 1) + 1
        taps = np.zeros((side, side), dtype=bool)
        taps[::rate, ::rate] = True
        plane = ndimage.binary_dilation(plane, taps)
    rows, columns = plane.any(axis=1).nonzero()[0], plane.any(axis=0).nonzero()[0]
    box = plane[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert np.array_equal(box, footprint(stack, kernel))
    assert coverage(stack, kernel).share == pytest.approx(box.mean())
    assert coverage(stack, kernel).complete == bool(box.all())


@pytest.mark.parametrize("stack", [(1, 2, 3), (2, 2, 2), (3, 4, 5)])
def test_the_plane_is_what_the_gradient_of_a_cell_reaches(stack: tuple[int, ...]) -> None:
    side = receptive_size(stack) + 2
    image = torch.ones(1, 1, side, side, requires_grad=True)
    network = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=rate, dilation=rate, bias=False) for rate in stack))
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    network(image)[0, 0, side // 2, side // 2].backward()
    assert image.grad is not None
    assert np.array_equal((image.grad[0, 0, 1:-1, 1:-1] > 0).numpy(), footprint(stack))


@pytest.mark.parametrize(
    ("stack", "size", "seen", "gap"),
    [
        ((), 1, 1, 0),
        ((1,), 3, 3, 0),
        ((2,), 5, 3, 1),
        ((1, 2, 3), 13, 13, 0),
        ((1, 2, 5), 17, 17, 0),
        ((1, 2, 9), 25, 21, 2),
        ((2, 4, 8), 29, 15, 1),
        ((5, 9, 17), 63, 27, 4),
        ((3, 4, 5), 25, 21, 2),
    ],
)
def test_stacks_by_hand(stack: tuple[int, ...], size: int, seen: int, gap: int) -> None:
    found = coverage(stack)
    assert (found.size, found.seen, found.gap) == (size, seen, gap)
    assert found.complete == (gap == 0)


@given(st.lists(st.integers(2, 9), min_size=1, max_size=5))
def test_without_an_undilated_layer_there_are_holes(stack: list[int]) -> None:
    assert not coverage(stack).complete


@given(STACKS, st.integers(2, 4))
def test_a_common_factor_leaves_holes_and_only_spreads_the_cells(stack: list[int], factor: int) -> None:
    plain, spread = reached(stack), reached([factor * rate for rate in stack])
    assert np.array_equal(spread[::factor], plain)
    assert spread.sum() == plain.sum()


@given(STACKS, KERNELS)
def test_ways_add_up(stack: list[int], kernel: int) -> None:
    assert paths(stack, kernel).sum() == prod([kernel] * len(stack))


def test_deep_stacks_are_covered_though_their_ways_are_too_many_to_count() -> None:
    assert coverage((1,) * 60).complete
    with pytest.raises(ValueError, match="64 bits"):
        paths((1,) * 60)


# M by the printed recursion -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ((7,), (7,)),
        ((1, 2, 5), (1, 2, 5)),
        ((1, 2, 9), (3, 5, 9)),
        ((2, 4, 8), (2, 4, 8)),
        ((2, 2, 2), (2, 2, 2)),
        ((1, 2, 5, 9), (1, 2, 5, 9)),
        ((5, 9, 17), (5, 9, 17)),
        ((3, 4, 5), (3, 4, 5)),
    ],
)
def test_distances_by_hand(stack: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert hole_distances(stack) == expected


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8))
def test_distances_follow_the_printed_recursion(stack: list[int]) -> None:
    """The middle term, M - 2 (M - r), is 2 r - M, so that M_i = max(|M_{i+1} - 2 r_i|, r_i)."""
    found = hole_distances(stack)
    assert found[-1] == stack[-1]
    for rate, here, above in zip(stack[:-1], found[:-1], found[1:], strict=True):
        assert here == max(abs(above - 2 * rate), rate)


def test_the_rule_holds_of_the_printed_examples() -> None:
    assert accepted((1, 2, 5))
    assert hole_distances((1, 2, 5))[1] == 2
    assert not accepted((1, 2, 9))
    assert hole_distances((1, 2, 9))[1] == 5
    assert accepted((1, 2, 9), kernel=5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: coverage((0,)),
        lambda: reached((1,), 0),
        lambda: paths((-1,)),
        lambda: hole_distances((1, 0)),
        lambda: hole_distances(()),
        lambda: accepted((3,)),
    ],
)
def test_impossible_stacks_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"at least 1|without layers|two layers"):
        call()
