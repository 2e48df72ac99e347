"""What one night leaves for the next: its manifest, with what the next one has to know to go on or to compare."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from harness.regression.manifests import NAME, Manifest, path_of, read_manifest, write_manifest
from harness.runner.state import now_utc

RESUMED_WITHIN = timedelta(hours=20)
"""A night that was interrupted goes on within this time; later, the next one begins."""


class NightFile(Manifest, frozen=True, kw_only=True, omit_defaults=True):
    """A night's manifest and what else is kept of it.

    Attributes:
        fixed: Keys of the experiments in the fixed set, by paper.
        session: Seconds that the timing session took; None if there was none.
        lost: Ids of claims in ``verdicts`` that had no verdict that night: their last one stands there.
        finished: Whether it got to its end.
    """

    fixed: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    session: float | None = None
    lost: tuple[str, ...] = ()
    finished: bool = False


def nights(folder: Path, device: str) -> tuple[NightFile, ...]:
    """Return the nights that were held on a device, the oldest first.

    Raises:
        LedgerError: A manifest cannot be read.
    """
    found = (_read(path) for path in sorted(folder.glob("*.json")) if NAME.fullmatch(path.name))
    return tuple(night for night in found if night.device == device)


def opened(folder: Path, device: str) -> tuple[NightFile, NightFile | None]:
    """Return the night that is to be held and the finished one before it, if any.

    That is the one that was interrupted, if it began less than :data:`RESUMED_WITHIN` ago; else a new one.

    Raises:
        LedgerError: A manifest cannot be read.
    """
    held = nights(folder, device)
    before = next((night for night in reversed(held) if night.finished), None)
    if held and not held[-1].finished and _age(held[-1]) < RESUMED_WITHIN:
        return held[-1], before
    return NightFile(started=_free(folder, now_utc()), device=device), before


def save(folder: Path, night: NightFile) -> Path:
    """Write the night as far as it is; a reader sees the state before or after.

    Raises:
        StorageError: The folder cannot be written.
    """
    return write_manifest(folder, night)


def name_of(night: NightFile) -> str:
    """Return the night's name, ``20260301T020000Z``."""
    return path_of(Path(), night.started).stem


def _read(path: Path) -> NightFile:
    read_manifest(path)
    return msgspec.json.decode(path.read_bytes(), type=NightFile)


def _free(folder: Path, started: str) -> str:
    """Return the first second from a start on that no night, of whatever device, began in."""
    while path_of(folder, started).exists():
        started = (datetime.fromisoformat(started) + timedelta(seconds=1)).isoformat()
    return started


def _age(night: NightFile) -> timedelta:
    return datetime.now(UTC) - datetime.fromisoformat(night.started)
