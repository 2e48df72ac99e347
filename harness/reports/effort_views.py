"""What the measurements took: time, memory, when, on what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.durations import duration
from harness.ledger.record import Record
from harness.reports.values import STRENGTH
from harness.scoring.model import Results
from harness.scoring.provenance import day
from harness.statistics.evidence import Evidence
from harness.wording.numbers import THIN, fixed

MEBIBYTES_PER_GIBIBYTE = 1024


@dataclass(frozen=True, slots=True)
class Effort:
    """What some records took together.

    Attributes:
        records: How many; 0 where nothing was measured.
        seconds: Their sum.
        peak: Most memory any of the measuring processes had resident, in MiB; None where no record says.
        first, last: Days of the first and the last start, as 2025-01-01; empty where nothing was measured.
        devices: Each once.
    """

    records: int
    seconds: float
    peak: float | None
    first: str
    last: str
    devices: tuple[str, ...]

    @property
    def memory(self) -> str:
        """The peak in words; empty where no record says."""
        if self.peak is None:
            return ""
        if self.peak < MEBIBYTES_PER_GIBIBYTE:
            return f"{fixed(self.peak, 0)}{THIN}MiB"
        return f"{fixed(self.peak / MEBIBYTES_PER_GIBIBYTE, 1)}{THIN}GiB"

    @property
    def in_words(self) -> str:
        """How many records, their time and their memory; empty where nothing was measured."""
        if not self.records:
            return ""
        memory = f", {self.memory} of memory at most" if self.memory else ""
        return f"{self.records}, measured in {duration(self.seconds)}{memory}"

    @property
    def days(self) -> str:
        return self.first if self.first == self.last else f"{self.first} to {self.last}"


@dataclass(frozen=True, slots=True)
class ExperimentEffort:
    """What one experiment took."""

    title: str
    evidence: Evidence
    effort: Effort


def efforts(results: Results) -> tuple[ExperimentEffort, ...]:
    """Return what each experiment with records took, strongest evidence first."""
    grouped: dict[tuple[int, str], list[Record]] = {}
    for record in results.records.values():
        grouped.setdefault((STRENGTH[record.evidence], record.experiment), []).append(record)
    return tuple(
        ExperimentEffort(results.titles[key], records[0].evidence, _of_records(records))
        for (_, key), records in sorted(grouped.items(), key=lambda item: item[0])
    )


def total(parts: Iterable[ExperimentEffort]) -> Effort:
    """Return what all experiments took: times add up, of the memory the largest counts."""
    return together([part.effort for part in parts])


def together(parts: Sequence[Effort]) -> Effort:
    """Put efforts together."""
    used = [part for part in parts if part.records]
    return Effort(
        records=sum(part.records for part in used),
        seconds=sum(part.seconds for part in used),
        peak=max((part.peak for part in used if part.peak is not None), default=None),
        first=min((part.first for part in used), default=""),
        last=max((part.last for part in used), default=""),
        devices=tuple(dict.fromkeys(device for part in used for device in part.devices)),
    )


def _of_records(records: Sequence[Record]) -> Effort:
    return together([_of_record(record) for record in sorted(records, key=lambda r: (r.started, r.environment.device))])


def _of_record(record: Record) -> Effort:
    begun = day(record)
    peak = record.peak_memory if isinstance(record.peak_memory, float) else None
    return Effort(1, record.seconds, peak, begun, begun, (record.environment.device,))
