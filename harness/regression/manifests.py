"""The file each night leaves: which records it made, and what it was to measure.

``reports/nights/20260301T020000Z.json``: the start in UTC names the file, so nights sort by name.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness.errors import LedgerError
from harness.files import write_atomically

SCHEMA = 1
NAME = re.compile(r"\d{8}T\d{6}Z\.json")

_REMEDY = "Restore the file from version control, or delete it: its records then count by their dates."


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One night.

    Attributes:
        started: UTC, ISO 8601, whole seconds.
        device: What the night ran on.
        measured: Digests of the records it made, in the order of the work.
        confirmed: Digests of the records that measured a suspect once more at once.
        expected: Ids of the metrics that it was to measure (:attr:`~harness.regression.model.Address.id`).
        verdicts: The word on each claim by its id, as the night left it.
    """

    started: str
    device: str
    measured: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    verdicts: dict[str, str] = {}
    schema: int = SCHEMA

    @property
    def records(self) -> frozenset[str]:
        """Digests of all records of the night."""
        return frozenset((*self.measured, *self.confirmed))


def utc(text: str) -> str:
    """Return a time in UTC, ISO 8601, such that times sort as their texts.

    Raises:
        ValueError: The text is no ISO 8601 time.
    """
    time = datetime.fromisoformat(text)
    return (time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)).isoformat()


def path_of(folder: Path, started: str) -> Path:
    """Return where the manifest of the night that began at an ISO 8601 time stands."""
    return folder / f"{datetime.fromisoformat(utc(started)):%Y%m%dT%H%M%SZ}.json"


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Write a night's manifest, replacing one that the same night wrote before; return its path.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
        ValueError: ``started`` is no ISO 8601 time.
    """
    path = path_of(folder, manifest.started)
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    write_atomically(path, content + b"\n")
    return path


def read_manifest(path: Path) -> Manifest:
    """Read one night's manifest.

    Raises:
        LedgerError: It cannot be read, is no manifest, of another version, or named after another start.
    """
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
        named = path_of(path.parent, manifest.started)
    except OSError as error:
        raise LedgerError(f"{path}: cannot be read: {error.strerror}", _REMEDY) from error
    except (msgspec.DecodeError, ValueError) as error:
        raise LedgerError(f"{path}: not a night's manifest: {error}", _REMEDY) from error
    if manifest.schema != SCHEMA:
        raise LedgerError(
            f"{path}: schema {manifest.schema} is unknown; this version reads schema {SCHEMA}", "Update Remeasure."
        )
    if named != path:
        raise LedgerError(f"{path}: says it started at {manifest.started}, which is {named.name}", _REMEDY)
    return manifest


def read_manifests(folder: Path) -> tuple[Manifest, ...]:
    """Read the manifests of a folder, the oldest night first; none where there is no folder.

    Raises:
        LedgerError: One of them cannot be read; see :func:`read_manifest`.
    """
    return tuple(read_manifest(path) for path in sorted(folder.glob("*.json")) if NAME.fullmatch(path.name))
