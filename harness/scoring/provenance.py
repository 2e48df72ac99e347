"""Where, when and by which code some records were made, and what deviates in them: each once, for a reader. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from harness.ledger.record import Deviation, Record

_DAY = len("2026-01-01")


def deviations(records: Iterable[Record]) -> tuple[Deviation, ...]:
    """Return the differences from the paper's protocol, in the order of the records."""
    return tuple(dict.fromkeys(deviation for record in records for deviation in record.deviations))


def in_words(deviation: Deviation) -> str:
    """Return a deviation as a sentence without its full stop."""
    return (
        f"{deviation.topic}: the paper has {deviation.paper} ({deviation.where}); here {deviation.ours}; "
        f"effect: {deviation.effect}"
    )


def day(record: Record) -> str:
    """Return the day on which a record was begun, ISO 8601 (UTC)."""
    return record.started[:_DAY]


def newest(records: Iterable[Record]) -> str:
    """Return the day of the newest record; empty where there is none."""
    return max(map(day, records), default="")


def devices(records: Iterable[Record]) -> tuple[str, ...]:
    """Return the accelerators, or "cpu"."""
    return distinct(record.environment.device for record in records)


def processors(records: Iterable[Record]) -> tuple[str, ...]:
    return distinct(record.environment.processor for record in records)


def versions(records: Iterable[Record]) -> tuple[str, ...]:
    """Return the versions of Remeasure."""
    return distinct(record.environment.packages.get("remeasure", "") for record in records)


def commits(records: Iterable[Record]) -> tuple[str, ...]:
    """Return the commits of Remeasure's code; one with later changes says so."""
    codes = (record.code for record in records if record.code.commit)
    return distinct(f"{code.commit}{' with changes' if code.dirty else ''}" for code in codes)


def distinct(values: Iterable[str]) -> tuple[str, ...]:
    """Return what is not empty, each once, in order."""
    return tuple(sorted({value for value in values if value}))
