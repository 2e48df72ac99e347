"""Time and memory of rendering a site against the number of records: ``pytest benchmarks/test_rendering.py``.

Every paper's pages and the index are written for ledgers of growing size over the same papers, and once more after a
single new record. ``remeasure bench`` prints the time for each record as ratios to the smallest ledger: below 1 where
time grows slower than the ledger. The most memory that was resident is printed after the last benchmark.
"""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import msgspec
import pytest
from generated_ledger import PAPERS, one_more, part_of, peak_of, render, sources, write_ledger
from pytest_benchmark.fixture import BenchmarkFixture
from side_by_side import SideBySide

from harness.engine.timings import Workload
from harness.ledger.store import Ledger

SIZES = (1_250, 2_500, 5_000, 10_000)
BLOCKS = 3
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Ledger]:
    folder = tmp_path_factory.mktemp("ledgers")
    whole = write_ledger(folder / "whole", sources(folder), max(SIZES))
    return {size: part_of(whole, folder / str(size), size) for size in SIZES}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_everything(
    benchmark: BenchmarkFixture, ledgers: dict[int, Ledger], tmp_path: Path, block: int, size: int
) -> None:
    benchmark.pedantic(render, (ledgers[size], tmp_path), rounds=1, iterations=1)
    benchmark.extra_info.update(msgspec.to_builtins(Workload("rendering everything", size, "records", block)))
    assert len(list((tmp_path / "site").glob("*/index.html"))) == PAPERS


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_one_more_record(
    benchmark: BenchmarkFixture, ledgers: dict[int, Ledger], tmp_path: Path, block: int, size: int
) -> None:
    render(ledgers[size], tmp_path)
    one_more(ledgers[size], sources(tmp_path)[block], seed=1000)
    benchmark.pedantic(render, (ledgers[size], tmp_path), rounds=1, iterations=1)
    benchmark.extra_info.update(msgspec.to_builtins(Workload("rendering after one record", size, "records", block)))


@pytest.mark.parametrize("size", SIZES)
def test_memory(side_by_side: SideBySide, ledgers: dict[int, Ledger], tmp_path: Path, size: int) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as apart:
        peak = apart.apply(peak_of, (ledgers[size], tmp_path))
    side_by_side.notes.append(f"rendering {size} records of {PAPERS} papers: {peak / MEBIBYTE:.0f} MiB resident")
