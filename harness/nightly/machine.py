"""A night for programs: the badge, and times in the shape of pytest-benchmark."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import Any

from harness.errors import ExitCode
from harness.nightly.outcome import NightReport, Timed
from harness.wording.words import counted

_COLOURS = {
    ExitCode.OK: "brightgreen",
    ExitCode.REGRESSION: "red",
    ExitCode.CLAIM_FAILED: "red",
    ExitCode.INFRASTRUCTURE: "orange",
    ExitCode.NOTHING_MEASURED: "lightgrey",
}


def shields(report: NightReport) -> bytes:
    """Return a badge as shields.io reads it from an endpoint (schema version 1)."""
    message = counted(len(report.alarms), "alarm") if report.alarms else _MESSAGES[report.exit_code]
    colour = _COLOURS[report.exit_code]
    badge = {"schemaVersion": 1, "label": "nightly", "message": message, "color": colour}
    return _json({**badge, "isError": report.exit_code is not ExitCode.OK})


_MESSAGES = {
    ExitCode.OK: "quiet",
    ExitCode.REGRESSION: "regression",
    ExitCode.CLAIM_FAILED: "claim failed",
    ExitCode.INFRASTRUCTURE: "incomplete",
    ExitCode.NOTHING_MEASURED: "nothing measured",
}


def pytest_benchmark(report: NightReport) -> bytes:
    """Return tonight's times as pytest-benchmark writes them, in seconds for each timed repeat.

    Memory and accuracy have no place in that shape.
    """
    machines = [timed.machine for timed in report.timings]
    document = {
        "machine_info": machines[0] if machines else {"node": report.device},
        "commit_info": {"id": report.commit, "time": report.started, "dirty": report.dirty, "project": "remeasure"},
        "benchmarks": [_benchmark(timed) for timed in report.timings],
        "datetime": report.started,
        "version": "5.0.0",
    }
    return _json(document)


def _benchmark(timed: Timed) -> dict[str, Any]:
    return {
        "group": f"{timed.paper}/{timed.experiment}",
        "name": timed.id.rpartition("/")[0],
        "fullname": timed.id.rpartition("/")[0],
        "params": None,
        "param": None,
        "extra_info": {"batch": timed.batch, "record": timed.digest},
        "options": {
            "disable_gc": False,
            "timer": "perf_counter",
            "min_rounds": len(timed.seconds),
            "max_time": 0.0,
            "min_time": 0.0,
            "warmup": True,
        },
        "stats": _stats(timed.seconds),
    }


def _stats(seconds: Sequence[float]) -> dict[str, Any]:
    """Return what pytest-benchmark says of durations; quartiles are the medians of the halves."""
    ordered = sorted(seconds)
    mean, rounds = statistics.mean(ordered), len(ordered)
    deviation = statistics.stdev(ordered) if rounds > 1 else 0.0
    half = (rounds + 1) // 2
    q1, q3 = statistics.median(ordered[:half]), statistics.median(ordered[rounds - half :])
    reach = 1.5 * (q3 - q1)
    within = [value for value in ordered if q1 - reach <= value <= q3 + reach]
    far, outside = sum(abs(value - mean) > deviation for value in ordered), rounds - len(within)
    return {
        "min": ordered[0],
        "max": ordered[-1],
        "mean": mean,
        "stddev": deviation,
        "rounds": rounds,
        "median": statistics.median(ordered),
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": outside,
        "stddev_outliers": far,
        "outliers": f"{far};{outside}",
        "ld15iqr": within[0],
        "hd15iqr": within[-1],
        "ops": rounds / sum(ordered),
        "total": sum(ordered),
        "iterations": 1,
    }


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
