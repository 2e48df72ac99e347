"""Estimates and intervals from a ledger, held against closed forms."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scoring_samples import (
    ERRORS,
    IMAGES,
    claim_row,
    classified,
    experiment,
    fill,
    howe,
    joined,
    measurement,
    mini_paper,
    per_image,
    record_of,
    segmented,
)

from harness.claims.model import Paper
from harness.ledger.store import Ledger


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return mini_paper(tmp_path)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


def test_measurement_over_seeds_is_the_closed_form(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, experiment(), ERRORS)
    measured = measurement(joined(paper, ledger, experiment()), "Dilated", "top1-error")
    wrong = per_image("Dilated")
    assert measured.per_seed == pytest.approx(wrong.mean(axis=1))
    assert measured.estimate == pytest.approx(wrong.mean())
    error = math.hypot(wrong.mean(axis=0).std(ddof=1) / math.sqrt(IMAGES), 100 * 1.96 / (2 * IMAGES))
    assert measured.high - measured.estimate == pytest.approx(howe(wrong.mean(axis=1), error), rel=0.03)
    assert (measured.seeds, measured.n, measured.unit) == ((0, 1, 2), IMAGES, "%")


def test_one_seed_of_a_proportion_gets_wilsons_interval(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, experiment(), {"Plain": 0.45}, seeds=(1,))
    measured = measurement(joined(paper, ledger, experiment()), "Plain", "top1-error")
    wrong = int((classified(0.45, 1)["ranks"] >= 1).sum())
    expected = stats.binomtest(wrong, IMAGES).proportion_ci(method="wilson")
    assert (measured.low, measured.high) == pytest.approx((100 * expected.low, 100 * expected.high))


def test_one_seed_of_an_iou_gets_a_bootstrap_interval(paper: Paper, ledger: Ledger) -> None:
    recipe = {"epochs": 8, "classes": ["Sky", "Tree", "Road"]}
    ledger.append(record_of(experiment(), "Plain", recipe=recipe), segmented(0.8, 0))
    results = joined(paper, ledger, experiment())
    whole = measurement(results, "Plain", "miou")
    classes = [m for m in results.measurements if m.metric == "iou"]
    assert [m.label for m in classes] == ["sky", "tree", "road"]
    assert np.mean([m.estimate for m in classes]) == pytest.approx(whole.estimate)
    for measured in (whole, *classes):
        assert measured.low < measured.estimate < measured.high
        assert measured.n == 60
    (beside,) = claim_row(results, "t2/plain/iou-sky").measurements
    assert (beside.label, beside.estimate) == ("sky", classes[0].estimate)


def test_intervals_of_percentages_stay_between_0_and_100(paper: Paper, ledger: Ledger) -> None:
    fill(ledger, experiment(), {"Plain": -1.0, "Dilated": 2.0})
    results = joined(paper, ledger, experiment())
    none, every = (measurement(results, system, "top1-error") for system in ("Plain", "Dilated"))
    assert (none.estimate, none.low) == (0.0, 0.0)
    assert (every.estimate, every.high) == (100.0, 100.0)
    assert 0 < none.high < 2
    assert 98 < every.low < 100
