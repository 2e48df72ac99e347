"""What is a score to a leaderboard, and between which bounds it lies."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from export_samples import recorded

from harness.exports.every_eval_ever import evaluation_logs
from harness.exports.scores import scores
from harness.scoring.model import Results


def printed_in(unit: str) -> Results:
    """Return a paper of a single claim, a top-1 error without measurements, in some unit."""
    results = recorded("drn")
    row = next(row for row in results.claims if row.claim.metric == "top1-error")
    return replace(results, claims=(replace(row, claim=replace(row.claim, unit=unit), measurements=()),))


@pytest.mark.parametrize("unit", ["pp", "1", "ms"])
def test_a_difference_or_another_quantity_is_no_score(unit: str) -> None:
    assert scores(printed_in(unit)) == {}


@pytest.mark.parametrize(("unit", "most"), [("%", 100.0), ("fraction", 1.0)])
def test_a_score_lies_between_none_and_all(unit: str, most: float) -> None:
    (log,) = evaluation_logs(printed_in(unit), datetime(2026, 3, 1, tzinfo=UTC)).values()
    (result,) = json.loads(log)["evaluation_results"]
    assert (result["metric_config"]["min_score"], result["metric_config"]["max_score"]) == (0.0, most)
