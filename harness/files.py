"""Files that are there as a whole or not at all, whenever the power goes."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from harness.errors import StorageError

LEFTOVER_SECONDS = 3600.0
"""No write takes this long: an older temporary file is what a killed process left."""

PASSING = (".pyc", ".tmp")
"""Endings of files that are compiled, or that another process is writing."""

_REMEDIES = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "Free some space there, then run the same command again."
    ),
    **dict.fromkeys(
        (errno.EROFS, errno.EACCES, errno.EPERM),
        "Make the folder writable or choose another one, then run the same command again.",
    ),
    **dict.fromkeys(
        (errno.ENOTDIR, errno.EEXIST, errno.EISDIR),
        "Something else stands where a folder or file should be: move it away, then run the same command again.",
    ),
}


def storage_error(path: Path, error: OSError) -> StorageError:
    """Return what to tell the user about a path that could not be written."""
    reason = error.strerror or type(error).__name__
    remedy = _REMEDIES.get(
        error.errno or 0, "Mend the cause or choose another folder, then run the same command again."
    )
    return StorageError(f"cannot write {path}: {reason}", remedy)


def make_folder(folder: Path) -> None:
    """Create a folder and its parents where they are missing.

    Raises:
        StorageError: It cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Put ``content`` at ``path``, replacing what is there; a reader or a crash sees the old file or the new one.

    The content goes to a temporary file in the same folder, to the disk (fsync), and then gets its name.

    Args:
        durable: Whether to wait for the disk; what can be made again in no time need not.

    Raises:
        StorageError: The disk is full, or the folder cannot be written; the old file still stands.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def digest_at(path: Path) -> str:
    """Return the sha256 of a file as hexadecimal; empty if it cannot be read, or is there no more."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def digests_below(folder: Path) -> dict[str, str]:
    """Return :func:`digest_at` of every file below a folder, by its path there, but :data:`PASSING` ones."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in PASSING)
    return {path.relative_to(folder).as_posix(): digest_at(path) for path in files}


def sweep(folder: Path) -> None:
    """Delete the temporary files that killed processes left in a folder."""
    with suppress(OSError):
        for leftover in folder.glob(".*.tmp"):
            with suppress(OSError):
                if time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                    leftover.unlink()


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
