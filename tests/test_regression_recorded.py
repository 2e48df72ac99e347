"""Histories that others recorded: tables and the files of pytest-benchmark."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import DataError
from harness.regression.model import Address, Kind
from harness.regression.recorded import read_recorded

RATE = "drn/throughput/resnet-18/rate"
HEADER = "night,metric,value,again,segment,kind,better,unit\n"


def test_a_table_of_nights(tmp_path: Path) -> None:
    path = tmp_path / "Our bench.csv"
    path.write_text(
        HEADER
        + "2026-01-02,p50 latency,10.5,,gpu-1,speed,lower,ms\n"
        + f"2026-01-02,{RATE},500,510,gpu-1,speed,higher,images/s\n"
        + "2026-01-01,p50 latency,10,,gpu-0,speed,lower,ms\n"
        + "2026-01-01,peak,nan,,,memory,,MiB\n",
        encoding="utf-8",
    )
    history = read_recorded(path)
    latency, peak, rate = (
        next(series for series in history.series if series.unit == unit) for unit in ("ms", "MiB", "images/s")
    )
    assert latency.address == Address("recorded", "our-bench", "p50 latency", "value")
    assert [night.value for night in latency.nights] == [10, 10.5]
    assert (latency.kind, latency.better, latency.expected) == (Kind.SPEED, "lower", True)
    assert history.changed(*latency.nights) == ('segment "gpu-0" -> "gpu-1"',)
    assert rate.address.id == RATE
    assert (rate.better, rate.nights[0].again) == ("higher", 510)
    assert peak.kind is Kind.MEMORY
    assert math.isnan(peak.nights[0].value)
    assert history.tonight == "2026-01-02T00:00:00+00:00"


def test_three_columns_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("metric,value,night\na,1,2026-01-01\n", encoding="utf-8")
    (series,) = read_recorded(path).series
    assert (series.kind, series.better, series.unit, series.nights[0].again) == (Kind.SPEED, "lower", "", None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("night,value\n2026-01-01,1\n", ":1: no column 'metric'"),
        ("night,metric,value,colour\n", ":1: unknown column 'colour'"),
        ("", ":1: no column 'night'"),
        (HEADER + "2026-01-01,a,1\n2026-01-02,a,fast\n", ":3: 'fast' is no number"),
        (HEADER + "2026-01-01,a,\n", ":2: '' is no number"),
        (HEADER + "monday,a,1\n", ":2: night 'monday' is no ISO 8601"),
        (HEADER + "2026-01-01,a,1,,,accuracy\n", ":2: kind 'accuracy'; one of speed, memory"),
        (HEADER + "2026-01-01,a,1,,,,up\n", ":2: better 'up'; one of lower, higher"),
        (HEADER + "2026-01-01,a,1,,,,lower\n2026-01-02,a,1,,,,higher\n", ":3: kind, better or unit of a"),
        (HEADER + "2026-01-01,a,1\n2026-01-01T00:00:00Z,a,2\n", ":3: a has a value of 2026-01-01T00:00:00Z already"),
        (HEADER + "2026-01-01,a,1,,,,,,9\n", ":2: more values than columns"),
        (HEADER + "2026-01-01,a b,1\n2026-01-01,A-B,1\n", "differ in nothing but capitals"),
    ],
)
def test_a_mistake_in_a_table_is_named_by_its_line(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=why):
        read_recorded(path)


@pytest.mark.parametrize("name", ["none.csv", "none.json"])
def test_a_history_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_recorded(tmp_path / name)


def test_a_folder_without_runs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no JSON file"):
        read_recorded(tmp_path)


def test_json_that_pytest_benchmark_did_not_write(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"benchmarks": []}', encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.json: not written by pytest-benchmark"):
        read_recorded(tmp_path)


def test_runs_that_pytest_benchmark_saved(tmp_path: Path) -> None:
    """Two real runs of it, read back from the folder it saves them in."""
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('size', [10, 1000])\n"
        "def test_sum(benchmark, size):\n"
        "    benchmark.pedantic(sum, args=(range(size),), rounds=5)\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-autosave", "test_it.py"]
    for _ in range(2):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    files = sorted((tmp_path / ".benchmarks").rglob("*.json"))
    history = read_recorded(tmp_path / ".benchmarks")
    assert [series.address.system for series in history.series] == [
        "test_it.py::test_sum[10]",
        "test_it.py::test_sum[1000]",
    ]
    for place, path in enumerate(files):
        saved = {one["fullname"]: one["stats"]["median"] for one in json.loads(path.read_text())["benchmarks"]}
        assert {series.address.system: series.nights[place].value for series in history.series} == saved
    assert len(history.conditions) == 1
    (conditions,) = history.conditions.values()
    assert conditions["cores"] > 0
    assert read_recorded(files[0]).series[0].nights[0] == history.series[0].nights[0]


def test_the_table_in_the_manual_is_one(tmp_path: Path) -> None:
    manual = (Path(__file__).parents[1] / "docs" / "nightly.md").read_text(encoding="utf-8").splitlines()
    first = next(place for place, line in enumerate(manual) if line.strip().startswith("night,metric,value"))
    lines = [line.strip() for line in manual[first : manual.index("", first)]]
    (tmp_path / "manual.csv").write_text("\n".join(lines), encoding="utf-8")
    (series,) = read_recorded(tmp_path / "manual.csv").series
    assert len(series.nights) == len(lines) - 1 == 2
