"""Benjamini and Hochberg's procedure against scipy's, and against the example of their paper."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from harness.regression.discovery import BUDGET, RATE, discoveries

chances = st.lists(st.floats(0, 1).map(lambda p: round(p**4, 6)), min_size=1, max_size=60)

HEAD = (0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344)
EXAMPLE = (*HEAD, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000)
"""The fifteen p-values of section 4.1 of the 1995 paper: the first four are rejected at 0.05."""


def test_the_papers_example() -> None:
    assert discoveries(EXAMPLE, 0.05) == [True] * 4 + [False] * 11


@given(p=chances, rate=st.sampled_from([0.01, 0.05, 0.2]))
def test_as_scipy_does(p: list[float], rate: float) -> None:
    adjusted = false_discovery_control(p, method="bh")
    clear = np.abs(adjusted - rate) > 1e-12
    assert np.array_equal(np.array(discoveries(p, rate))[clear], (adjusted <= rate)[clear])


@given(p=chances, data=st.data())
def test_the_order_does_not_matter(p: list[float], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(p))))
    rejected = discoveries(p)
    assert discoveries([p[i] for i in order]) == [rejected[i] for i in order]


@given(p=chances, place=st.integers(0, 59), factor=st.floats(0, 1))
def test_stronger_evidence_is_never_dropped(p: list[float], place: int, factor: float) -> None:
    stronger = list(p)
    stronger[place % len(p)] *= factor
    for before, after in zip(discoveries(p), discoveries(stronger), strict=True):
        assert after or not before


@pytest.mark.parametrize("bad", [float("nan"), -0.1, 1.1])
def test_what_is_no_chance_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="chance"):
        discoveries([0.5, bad])


def test_nothing_to_test() -> None:
    assert discoveries([]) == []


def test_the_share_of_false_discoveries() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(1500):
        p = rng.random(40)
        p[:10] = rng.random(10) * 1e-3
        rejected = np.array(discoveries(p.tolist()))
        shares.append(rejected[10:].sum() / max(1, rejected.sum()))
    assert np.mean(shares) <= RATE * 30 / 40 + 3 * np.std(shares) / np.sqrt(len(shares))


def test_the_budget_of_one_metric_is_within_the_goal() -> None:
    assert 3 * BUDGET <= 1 / 1000
