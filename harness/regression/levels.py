"""Levels that somebody accepted: ``levels.json`` beside the nights, one entry for each acceptance, none ever removed.

An acceptance says that what a metric measures since a night is meant: the nights before it are history. The newest
acceptance of a metric counts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness.errors import LedgerError, UsageError
from harness.files import write_atomically
from harness.regression.manifests import utc
from harness.regression.model import Level

SCHEMA = 1
NAME = "levels.json"

_REMEDY = "Restore the file from version control; it is written by remeasure check --accept."


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One level that was accepted.

    Attributes:
        address: Id of the metric: ``drn/throughput/resnet-18/rate``.
        since: Start of the first night at the new level, UTC, ISO 8601.
        reason: Why it is meant, in the words of whoever accepted it.
        date: When it was accepted, UTC, ISO 8601.
    """

    address: str
    since: str
    reason: str
    date: str


class _File(msgspec.Struct, forbid_unknown_fields=True):
    schema: int
    levels: tuple[Acceptance, ...]


def read_acceptances(folder: Path) -> tuple[Acceptance, ...]:
    """Return every acceptance in the folder of the nights, in the order they were made; none without a file.

    Raises:
        LedgerError: The file cannot be read, is of another version, or an entry of it is no acceptance.
    """
    path = folder / NAME
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise LedgerError(f"{path}: cannot be read: {error.strerror}", _REMEDY) from error
    except msgspec.DecodeError as error:
        raise LedgerError(f"{path}: not a file of accepted levels: {error}", _REMEDY) from error
    if file.schema != SCHEMA:
        raise LedgerError(
            f"{path}: schema {file.schema} is unknown; this version reads schema {SCHEMA}", "Update Remeasure."
        )
    for place, entry in enumerate(file.levels):
        _check(entry, f"{path}: entry {place} ({entry.address})")
    return file.levels


def read_levels(folder: Path) -> tuple[Level, ...]:
    """Return the level that counts of each metric, ordered by id.

    Raises:
        LedgerError: See :func:`read_acceptances`.
    """
    newest = {entry.address: entry for entry in read_acceptances(folder)}
    return tuple(Level(one.address, utc(one.since), one.reason) for _, one in sorted(newest.items()))


def accept(folder: Path, address: str, since: str, reason: str) -> Acceptance:
    """Add an acceptance to the file.

    Args:
        since: Start of the first night at the new level.

    Raises:
        LedgerError: The file that is there cannot be read.
        StorageError: The folder cannot be written.
        UsageError: There is no reason.
    """
    if not reason.strip():
        raise UsageError(f"no reason why the new level of {address} is meant", 'Say it: --reason "..."')
    new = Acceptance(address, utc(since), reason.strip(), datetime.now(UTC).isoformat(timespec="seconds"))
    file = _File(SCHEMA, (*read_acceptances(folder), new))
    write_atomically(folder / NAME, msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n")
    return new


def _check(entry: Acceptance, where: str) -> None:
    if not entry.reason.strip():
        raise LedgerError(f"{where}: it gives no reason", _REMEDY)
    for name, text in (("since", entry.since), ("date", entry.date)):
        try:
            utc(text)
        except ValueError as error:
            raise LedgerError(f"{where}: {name} {text!r} is no ISO 8601 time", _REMEDY) from error
