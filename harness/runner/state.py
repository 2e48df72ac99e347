"""The folder that lets an interrupted run go on where it stopped: ``.remeasure/<paper>`` in the working directory.

::

    units/<unit>/unit.json      what a unit in hand is measured under, since when, and the time spent on it
    units/<unit>/work/          its checkpoints
    outbox/                     a ledger: finished measurements on their way into the real one
    rounds/<options>.json       an open round: what has been measured afresh so far
    budgets/<options>.json      what a time budget was traded for

Whatever stands here can be deleted at the price of measuring again.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from filelock import FileLock, Timeout

from harness.claims.document import slug
from harness.errors import UsageError
from harness.experiment import Unit
from harness.files import make_folder, storage_error, write_atomically
from harness.ledger.store import Ledger, Stored

STATE = Path(".remeasure")
S = TypeVar("S", bound=msgspec.Struct)


class Attempt(msgspec.Struct, frozen=True):
    """A unit in hand. ``spent`` are the seconds of earlier attempts, ``since`` is when the present one began."""

    key: str
    started: str
    spent: float
    since: float


class Round(msgspec.Struct, frozen=True):
    """Measuring everything once more; ``done`` maps identity keys to digests of the records made in this round."""

    opened: str
    done: dict[str, str] = {}


@dataclass(frozen=True)
class Scratch:
    """The folder of a unit in hand.

    Attributes:
        work: Where the unit's checkpoints are.
        started: When its first attempt began, ISO 8601 in UTC.
        spent: Seconds that earlier attempts took.
    """

    folder: Path
    started: str
    spent: float

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def alive(self) -> None:
        """Note that the attempt is under way: should it be killed, its time counts up to here."""
        with suppress(OSError):
            (self.folder / "unit.json").touch()

    def discard(self) -> None:
        """Delete it, so that not even a part of it is ever resumed."""
        discard(self.folder)


@dataclass(frozen=True)
class State:
    """What is kept of a paper's runs between commands."""

    folder: Path

    @property
    def outbox(self) -> Ledger:
        return Ledger(self.folder / "outbox")

    def sent(self, stored: Stored) -> None:
        """Forget a record of the outbox, its JSON first."""
        for path in (stored.path, stored.path.with_suffix(".npz")):
            path.unlink(missing_ok=True)

    def unit_folder(self, unit: Unit) -> Path:
        return self.folder / "units" / f"{slug(unit.experiment)}-{slug(unit.system)}-{unit.seed}"

    def scratch(self, unit: Unit, key: str) -> Scratch:
        """Return the unit's folder with what an interrupted attempt under the same ``key`` left; empty otherwise.

        Raises:
            StorageError: The folder cannot be written.
        """
        folder = self.unit_folder(unit)
        now, earlier = time.time(), attempt(folder)
        if earlier is None or earlier.key != key:
            discard(folder)
            earlier = Attempt(key, now_utc(), 0.0, now)
        else:
            alive = (folder / "unit.json").stat().st_mtime
            earlier = msgspec.structs.replace(earlier, spent=earlier.spent + max(alive - earlier.since, 0.0), since=now)
        save(folder / "unit.json", earlier)
        make_folder(folder / "work")
        return Scratch(folder, earlier.started, earlier.spent)

    def round_path(self, name: str) -> Path:
        return self.folder / "rounds" / f"{name}.json"

    def open_round(self, name: str) -> Round:
        """Return the open round of this name, or open one.

        Raises:
            StorageError: The folder cannot be written.
        """
        path = self.round_path(name)
        found = load(path, Round)
        if found is None:
            found = Round(now_utc())
            save(path, found)
        return found

    def close_round(self, name: str) -> None:
        self.round_path(name).unlink(missing_ok=True)

    def mark(self, key: str, digest: str) -> None:
        """Note in every open round that a unit has been measured.

        Raises:
            StorageError: The folder cannot be written.
        """
        for path in sorted((self.folder / "rounds").glob("*.json")):
            found = load(path, Round)
            if found is not None:
                save(path, msgspec.structs.replace(found, done={**found.done, key: digest}))


def attempt(folder: Path) -> Attempt | None:
    """Return what a unit's folder says of the unit in hand."""
    return load(folder / "unit.json", Attempt)


def discard(folder: Path) -> None:
    """Delete a unit's folder: its ``unit.json`` first, without which nothing in it is resumed.

    Raises:
        StorageError: It cannot be deleted.
    """
    try:
        (folder / "unit.json").unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise storage_error(folder, error) from error


@contextmanager
def hold(root: Path, paper: str) -> Iterator[State]:
    """Open a paper's folder for one run alone; the system lets go of it even if the run is killed.

    Raises:
        UsageError: Another run holds it.
        StorageError: It cannot be written.
    """
    state = State(root / paper)
    make_folder(state.folder)
    if not (root / ".gitignore").exists():
        write_atomically(root / ".gitignore", b"*\n")
    lock = FileLock(state.folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        remedy = "Wait until it has finished, or run in another working directory."
        raise UsageError(f"another run of {paper} is going on in {root.resolve()}", remedy) from None
    except OSError as error:
        raise storage_error(state.folder / "lock", error) from error
    try:
        yield state
    finally:
        lock.release()


def load(path: Path, kind: type[S]) -> S | None:
    """Return what stands in a file of the state; None if it is missing or unreadable, which costs work, not numbers."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None


def save(path: Path, value: Any) -> None:
    """Write a struct to a file of the state.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    write_atomically(path, msgspec.json.encode(value))


def now_utc() -> str:
    """Return the present time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
