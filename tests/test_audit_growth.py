"""The work of the audit grows with the paper and not faster, counted instead of timed; and how its times are read."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import harness
from harness.audit.generated import clean_paper
from harness.audit.run import audit
from harness.claims.model import Paper
from harness.engine.timings import read, read_workloads
from harness.errors import UsageError

SOURCES = (str(Path(harness.__file__).parent), __file__)
Trace = Callable[[FrameType, str, Any], Any]


def lines_run(work: Callable[[Paper], object], paper: Paper) -> int:
    """Count the lines of the harness and of this file that some work runs, loops and generators included."""
    count = 0

    def inside(_frame: FrameType, event: str, _argument: Any) -> Trace:
        nonlocal count
        count += event == "line"
        return inside

    def calls(frame: FrameType, _event: str, _argument: Any) -> Trace | None:
        return inside if frame.f_code.co_filename.startswith(SOURCES) else None

    before = sys.gettrace()
    sys.settrace(calls)
    try:
        work(paper)
    finally:
        sys.settrace(before)
    return count


def growth(work: Callable[[Paper], object], small: Paper, large: Paper) -> float:
    """Return how many times as many lines are run for a claim of the large paper as for one of the small."""
    return (lines_run(work, large) / len(large.claims)) / (lines_run(work, small) / len(small.claims))


def pairs(paper: Paper) -> int:
    same = 0
    for one in paper.claims:
        for other in paper.claims:
            same += one == other
    return same


def test_lines_run_for_each_claim_do_not_grow_with_the_paper() -> None:
    small, large = (clean_paper(3, tables) for tables in (3, 12))
    audit(small)
    assert len(large.claims) > 3.5 * len(small.claims)
    assert growth(audit, small, large) < 1.15


def test_counting_lines_would_show_what_looks_at_every_pair() -> None:
    small, large = clean_paper(3), clean_paper(3, 3)
    assert growth(pairs, small, large) > 0.9 * len(large.claims) / len(small.claims)


def document(*benchmarks: tuple[float, dict[str, Any]]) -> str:
    rows = [{"name": "t", "stats": {"data": [seconds]}, "extra_info": info} for seconds, info in benchmarks]
    return json.dumps({"datetime": "2026-11-21T00:00:00", "benchmarks": rows})


def work(size: int, block: int) -> dict[str, Any]:
    return {"task": "audit", "size": size, "unit": "claims", "block": block}


def test_times_are_read_for_each_unit_in_the_order_of_their_blocks(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.json"
    path.write_text(
        document((4.0, work(20, 1)), (2.0, work(20, 0)), (1.0, work(10, 0)), (3.0, work(10, 1))), encoding="utf-8"
    )
    found = read_workloads(path)[("audit", "claims")]
    np.testing.assert_array_equal(found[20], [0.1, 0.2])
    np.testing.assert_array_equal(found[10], [0.1, 0.3])
    assert read(path) == []


@pytest.mark.parametrize("info", [{"task": "audit"}, {"paper": "drn"}])
def test_a_benchmark_of_another_kind_is_named(tmp_path: Path, info: dict[str, Any]) -> None:
    path = tmp_path / "benchmark.json"
    path.write_text(document((1.0, info)), encoding="utf-8")
    with pytest.raises(UsageError, match="none of this project's benchmarks"):
        read_workloads(path) if "task" in info else read(path)
