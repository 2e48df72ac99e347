"""The ledger on disk: ``root/<paper>/<experiment>/<digest[:16]>.json`` with its arrays in an ``.npz`` beside it.

A record's digest is the sha256 of its canonical JSON, which holds the sha256 of each array's content. So the name
of a file says what must stand in it: nothing is ever changed in place, writers need no lock, and an edited file gives
itself away. The arrays are written first; the JSON makes the record real.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.claims.document import SLUG
from harness.errors import LedgerError
from harness.files import sweep, write_atomically
from harness.ledger import canonical
from harness.ledger.record import Record

SCHEMA = 1
NAME_LENGTH = 16
LONGEST_HEADER = 1 << 16


@dataclass(frozen=True, slots=True)
class Refused:
    """A file of the ledger that is not used, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A record that is in a ledger.

    Attributes:
        digest: sha256 of the record's canonical JSON, 64 hexadecimal digits.
        path: Its JSON file.
    """

    digest: str
    path: Path
    record: Record

    def array(self, name: str) -> NDArray[Any]:
        """Return one array, read-only, after comparing it with the record.

        Raises:
            KeyError: The record has no array of that name.
            LedgerError: The file beside the record is missing, damaged or edited.
        """
        info = self.record.arrays[name]
        path = self.path.with_suffix(".npz")
        try:
            with zipfile.ZipFile(path) as archive:
                member = archive.getinfo(f"{name}.npy")
                expected = canonical.size_of(info)
                if not expected <= member.file_size <= expected + LONGEST_HEADER:
                    raise ValueError(f"it has {member.file_size} bytes, {expected} and a short header expected")
                return canonical.array_from(archive.read(member), info)
        except (OSError, EOFError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise LedgerError(f"{path}: array {name!r} cannot be used: {reason}", _REMEDY) from error

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array of the record; see :meth:`array`.

        Raises:
            LedgerError: The file beside the record is missing, damaged or edited.
        """
        return {name: self.array(name) for name in self.record.arrays}

    def files(self) -> dict[str, bytes]:
        """Return the record as it stands on the disk, by file name: its JSON and the file of its arrays, if it has any.

        Raises:
            LedgerError: A file is missing or cannot be read.
        """
        paths = (self.path, self.path.with_suffix(".npz")) if self.record.arrays else (self.path,)
        try:
            return {path.name: path.read_bytes() for path in paths}
        except OSError as error:
            raise LedgerError(f"{error.filename}: cannot be read: {error.strerror}", _REMEDY) from error


_REMEDY = "Restore the file from version control, or delete the record and measure again."


@dataclass
class Ledger:
    """An append-only, content-addressed folder of records."""

    root: Path
    _refused: dict[Path, str] = field(default_factory=dict, init=False, repr=False)

    @property
    def refused(self) -> tuple[Refused, ...]:
        """What :meth:`records` has met and not yielded, by path."""
        return tuple(Refused(str(path), reason) for path, reason in sorted(self._refused.items()))

    def records(self, paper: str | None = None, *, verify_arrays: bool = False) -> Iterator[Stored]:
        """Yield every intact record, ordered by path; the others are added to :attr:`refused`.

        Args:
            paper: Only this paper's records.
            verify_arrays: Also refuse a record whose arrays do not match it, at the price of reading them.
        """
        for path in sorted(self.root.glob(f"{paper or '*'}/*/*.json")):
            try:
                stored = read(path)
                if verify_arrays:
                    stored.arrays()
            except LedgerError as error:
                self._refused[path] = error.message.removeprefix(f"{path}: ")
                continue
            self._refused.pop(path, None)
            yield stored

    def append(self, record: Record, arrays: Mapping[str, NDArray[Any]]) -> Stored:
        """Add a record and its arrays; a record that is there already is left alone.

        When this returns, the record is on the disk. If it is killed at any point before, the ledger is as it was.

        Args:
            record: Its ``arrays`` are filled in from ``arrays``.

        Raises:
            LedgerError: A number of the record is NaN or infinite.
            StorageError: The disk is full or the folder cannot be written.
            TypeError: An array is not of numbers, or the recipe is not plain JSON.
        """
        packed = {name: canonical.normalise(array) for name, array in arrays.items()}
        infos = {name: canonical.array_info(array) for name, array in packed.items()}
        content = msgspec.to_builtins(msgspec.structs.replace(record, arrays=infos), str_keys=True)
        where = canonical.not_finite(content)
        if where is not None:
            unit = f"{record.paper}/{record.experiment}, {record.system}, seed {record.seed}"
            raise LedgerError(f"{unit}: {where} is not a finite number, so the measurement cannot be recorded")
        normal_record = msgspec.convert(json.loads(canonical.encode(content)), Record)
        content = msgspec.to_builtins(normal_record)
        digest = canonical.digest(content)
        path = self._folder(record) / f"{digest[:NAME_LENGTH]}.json"
        if not _intact(path):
            sweep(path.parent)
            if packed:
                write_atomically(path.with_suffix(".npz"), _pack(packed))
            write_atomically(path, canonical.pretty(content))
        self._refused.pop(path, None)
        return Stored(digest, path, normal_record)

    def adopt(self, stored: Stored) -> Stored:
        """Add an intact record of another ledger byte for byte, what a later version wrote into it included.

        Raises:
            LedgerError: One of its files can no longer be read.
            StorageError: The disk is full or the folder cannot be written.
        """
        folder = self._folder(stored.record)
        files = stored.files()
        sweep(folder)
        for name, content in reversed(files.items()):
            write_atomically(folder / name, content)
        path = folder / stored.path.name
        self._refused.pop(path, None)
        return Stored(stored.digest, path, stored.record)

    def _folder(self, record: Record) -> Path:
        for name in (record.paper, record.experiment):
            if not SLUG.fullmatch(name):
                raise ValueError(
                    f"{name!r} cannot name a folder: lower-case letters, digits, '.', '+', '_', '-' expected"
                )
        return self.root / record.paper / record.experiment


def read(path: Path) -> Stored:
    """Read one record and compare it with its name; its arrays are read when they are asked for.

    Raises:
        LedgerError: It is not JSON, not a record, of another version, or not what its name says.
    """
    content = _parse(path)
    schema = content.get("schema")
    if schema != SCHEMA:
        raise LedgerError(
            f"{path}: schema {schema!r} is unknown; this version reads schema {SCHEMA}", "Update Remeasure."
        )
    digest = canonical.digest(content)
    if digest[:NAME_LENGTH] != path.stem:
        message = (
            f"{path}: edited or damaged: its content has the digest {digest[:NAME_LENGTH]}, not the one in its name"
        )
        raise LedgerError(message, _REMEDY)
    try:
        record = msgspec.convert(content, Record)
    except msgspec.ValidationError as error:
        raise LedgerError(f"{path}: not a record: {error}", _REMEDY) from error
    if (record.paper, record.experiment) != (path.parent.parent.name, path.parent.name):
        raise LedgerError(f"{path}: belongs in {record.paper}/{record.experiment}", "Move it there.")
    if unfit := [name for name in (record.paper, record.experiment) if not SLUG.fullmatch(name)]:
        raise LedgerError(f"{path}: {unfit[0]!r} is no key of a paper or an experiment", _REMEDY)
    if record.arrays and not path.with_suffix(".npz").is_file():
        raise LedgerError(f"{path}: its arrays are missing ({path.stem}.npz)", _REMEDY)
    return Stored(digest, path, record)


def _parse(path: Path) -> dict[str, Any]:
    """Read a file as a JSON object that can be spelt canonically."""
    try:
        content = json.loads(path.read_bytes())
        canonical.encode(content)
    except OSError as error:
        raise LedgerError(f"{path}: cannot be read: {error.strerror}", _REMEDY) from error
    except (ValueError, RecursionError) as error:
        raise LedgerError(f"{path}: not JSON: {error}", _REMEDY) from error
    if not isinstance(content, dict):
        raise LedgerError(f"{path}: not a record: a JSON object expected", _REMEDY)
    return content


def _intact(path: Path) -> bool:
    """Whether the record that ``path`` names is there with its arrays."""
    try:
        read(path).arrays()
    except LedgerError:
        return False
    return True


def _pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return an ``.npz`` that ``numpy.load`` reads; its bytes depend on nothing but the arrays and zlib."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return buffer.getvalue()
