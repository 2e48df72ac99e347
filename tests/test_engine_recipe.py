"""Learning rates against printed formulae and recorded values."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engine.recipe import Training
from harness.errors import UsageError

POLY = Training(epochs=1, batch=10, learning_rate=2.5e-4, decay="poly")
STEP = Training(epochs=1, batch=20, learning_rate=1e-3, decay="step", stages=3)


def test_poly_agrees_with_the_recorded_values(shared: Callable[[str], Path]) -> None:
    recorded = json.loads(shared("metric_oracles.json").read_text())["poly_2.5e-4_p0.9_20k"]
    values = recorded if isinstance(recorded, dict) else dict(recorded)
    assert values
    for iteration, rate in values.items():
        assert POLY.rate(int(iteration), 20_000) == pytest.approx(rate, rel=1e-5)


@given(st.integers(1, 10_000), st.floats(0.1, 3), st.data())
def test_poly_is_the_printed_formula_at_every_iteration(steps: int, power: float, data: st.DataObject) -> None:
    step = data.draw(st.integers(0, steps - 1))
    expected = 2.5e-4 * math.exp(power * math.log1p(-step / steps))
    assert replace(POLY, power=power).rate(step, steps) == pytest.approx(expected, rel=1e-9)


def test_a_tenth_every_2000_iterations() -> None:
    rates = [STEP.rate(step, 6_000) for step in range(6_000)]
    assert rates[:2_000] == [1e-3] * 2_000
    assert rates[2_000:4_000] == pytest.approx([1e-4] * 2_000)
    assert rates[4_000:] == pytest.approx([1e-5] * 2_000)


@given(st.integers(1, 12), st.integers(1, 500))
def test_stages_are_of_equal_length(stages: int, length: int) -> None:
    training = replace(STEP, stages=stages)
    rates = [training.rate(step, stages * length) for step in range(stages * length)]
    expected = [1e-3 * 0.1**stage for stage in range(stages) for _ in range(length)]
    assert rates == pytest.approx(expected)


def test_poly_falls_at_every_iteration_and_step_only_between_stages() -> None:
    poly, step = ([training.rate(i, 300) for i in range(300)] for training in (POLY, STEP))
    assert all(later < earlier for earlier, later in pairwise(poly))
    assert len(set(step)) == 3


@pytest.mark.parametrize("power", [0.0, -1.0, math.nan, math.inf])
def test_impossible_powers_are_refused(power: float) -> None:
    with pytest.raises(UsageError, match="power above 0"):
        replace(POLY, power=power)


def test_a_decay_without_stages_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one stage"):
        replace(STEP, stages=0)
