"""Ledgers of many nights of timings with known samples, for the tests of what compares nights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from ledger_samples import ENVIRONMENT, sample_record
from msgspec.structs import replace
from numpy.typing import NDArray

from harness.ledger.record import Evidence, Record
from harness.ledger.store import Ledger, Stored
from harness.regression.manifests import Manifest, write_manifest

FIRST = datetime(2026, 1, 1, 2, tzinfo=UTC)
BATCH = 8
SYSTEMS = ("ResNet-18", "ResNet-34", "DRN-A-18", "DRN-C-26", "DRN-D-22", "DRN-D-38")


def start_of(night: int) -> str:
    return (FIRST + timedelta(days=night)).isoformat()


def timing_record(system: str, started: str, **changes: Any) -> Record:
    settings: dict[str, Any] = {
        "experiment": "throughput",
        "system": system,
        "evidence": Evidence.TIMING,
        "recipe": {"batch": BATCH},
        "data": None,
        "deviations": (),
        "started": started,
        "values": {"memory": 120.5, "load-average": 0.5},
        "log": (),
    }
    return sample_record(**{**settings, **changes})


def seconds_of(system: str, night: int, factor: float = 1.0, again: bool = False) -> NDArray[np.float64]:
    """Draw timed repeats: 1 % of noise from night to night, 0.3 % within."""
    stream = np.random.default_rng([SYSTEMS.index(system), night, again])
    level = 0.1 * (1 + SYSTEMS.index(system)) * factor * np.exp(stream.normal(0, 0.01))
    return np.asarray(level * np.exp(stream.normal(0, 0.003, 10)))


def night_of(
    folder: Path,
    night: int,
    factors: Mapping[str, float] | None = None,
    *,
    systems: Sequence[str] = SYSTEMS,
    confirmed: Sequence[str] = (),
    expected: Sequence[str] | None = None,
    **changes: Any,
) -> tuple[Stored, ...]:
    """Add a night of timings with its manifest.

    Args:
        folder: Holds ``ledger`` and ``nights``.
        factors: By system, how many times as long as usual it takes.
        confirmed: Systems that are timed once more.
        expected: Ids of what the night was to measure; None for the rate of every system.
    """
    ledger, slower = Ledger(folder / "ledger"), factors or {}
    began = FIRST + timedelta(days=night)

    def timed(system: str, minute: int, again: bool) -> Stored:
        record = timing_record(system, (began + timedelta(minutes=minute)).isoformat(), **changes)
        return ledger.append(record, {"seconds": seconds_of(system, night, slower.get(system, 1.0), again)})

    first = [timed(system, 1 + place, again=False) for place, system in enumerate(systems)]
    again = [timed(system, 31 + place, again=True) for place, system in enumerate(confirmed)]
    manifest = Manifest(
        started=start_of(night),
        device="cpu",
        measured=tuple(each.digest for each in first),
        confirmed=tuple(each.digest for each in again),
        expected=tuple(map(rate_of, SYSTEMS)) if expected is None else tuple(expected),
    )
    write_manifest(folder / "nights", manifest)
    return (*first, *again)


def rate_of(system: str) -> str:
    return f"drn/throughput/{system.lower()}/rate"


def other_machine(**changes: Any) -> dict[str, Any]:
    """Return a record's change of environment."""
    return {"environment": replace(ENVIRONMENT, **changes)}
