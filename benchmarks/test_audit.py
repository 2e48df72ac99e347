"""Time of the audit over generated papers of growing size: ``pytest benchmarks --benchmark-json=FILE``.

``remeasure bench`` prints the time for each claim as ratios to the smallest paper of the same run: about 1 where time
grows linearly. Every size is timed in each block before any is timed again, so that the machine's drift falls on all of
them alike. How much of the work is Python's is counted, without a clock, in ``tests/test_audit_growth.py``.
"""

from __future__ import annotations

from functools import cache

import msgspec
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.audit.generated import clean_paper
from harness.audit.run import audit
from harness.claims.model import Paper
from harness.engine.timings import Workload

SIZES = (1_000, 10_000, 100_000)
BLOCKS = 3
CLAIMS_AT_LEAST = 20_000
"""Claims audited in a round, so that a short round is not at the mercy of the machine."""
SEED = 0
CLAIMS_OF_A_SET = 200
"""How many claims one set of generated tables and its prose hold, about."""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_audit(benchmark: BenchmarkFixture, block: int, size: int) -> None:
    paper = paper_of(size)
    benchmark.pedantic(
        audit,
        (paper,),
        rounds=1,
        iterations=max(1, CLAIMS_AT_LEAST // size),
        warmup_rounds=int(block == 0 and size < max(SIZES)),
    )
    work = Workload("audit", len(paper.claims), "claims", block)
    benchmark.extra_info.update(msgspec.to_builtins(work))


@cache
def paper_of(size: int) -> Paper:
    """Generate a paper of about so many claims."""
    return clean_paper(SEED, tables=round(size / CLAIMS_OF_A_SET))
