"""Downloads that arrive whole, as pinned, or not at all.

Pooch compares the digest and moves the file to its name in one step; :class:`ResumingDownload` brings the bytes. A cut
download stays as ``<name>.part`` and is continued (HTTP Range) by the next attempt or the next process; a file whose
digest differs is deleted. One process at a time writes a file.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import DataError, StorageError, UsageError
from harness.files import make_folder, storage_error

if TYPE_CHECKING:
    import requests

Progress = Callable[[int, int], None]
"""Called with the number of bytes that are here and the number of all, 0 if the server does not say."""

ATTEMPTS = 5
"""Without a new byte, before giving up."""

_CHUNK = 1 << 16
"""A cut loses what has come of the last chunk."""
_TIMEOUT = (20.0, 60.0)
_REMEDY = "Run the same command again: the download goes on where it stopped."


@dataclass(frozen=True, slots=True)
class Archive:
    """A file that a dataset's owners, or those they name, offer for download.

    Attributes:
        url: Where it lies, without a login.
        sha256: Its SHA-256 (hexadecimal); empty where no source states it.
        size: In bytes; 0 where no source states it.
        origin: Where digest and size are stated.
    """

    url: str
    sha256: str = ""
    size: int = 0
    origin: str = ""

    @property
    def name(self) -> str:
        """Its file name: the last part of the address."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class ResumingDownload:
    """A downloader for pooch that continues a part of the file.

    Attributes:
        part: Where the bytes are kept until all are there.
        size: Bytes expected; 0 if unknown. More are refused.
        progress: Told how far the download is.
        pause: Waits that many seconds between attempts.
    """

    part: Path
    size: int = 0
    progress: Progress | None = None
    pause: Callable[[float], None] = time.sleep

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        """Bring ``url`` to ``output_file``.

        Raises:
            DataError: The server refuses, sends more than ``size``, or ``ATTEMPTS`` in a row bring nothing.
            StorageError: The disk is full or may not be written.
        """
        import requests

        failures = 0
        while True:
            before = _size(self.part)
            try:
                if self._attempt(url):
                    break
                reason = f"the connection ended after {_size(self.part)} bytes"
            except requests.RequestException as error:
                reason = str(error)
            except OSError as error:
                raise storage_error(self.part, error) from error
            failures = 1 if _size(self.part) > before else failures + 1
            if failures >= ATTEMPTS:
                raise DataError(f"{url}: {reason}", _REMEDY)
            self.pause(2.0**failures)
        self.part.replace(output_file)

    def _attempt(self, url: str) -> bool:
        """Fetch what is missing; return whether everything is here."""
        import requests

        have = _size(self.part)
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            total = _total(response)
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                if total == have:
                    return True
                self.part.unlink()
                return False
            if response.status_code not in (requests.codes.ok, requests.codes.partial_content):
                if response.status_code < 500:
                    raise DataError(f"{url}: the server answers {response.status_code} {response.reason}")
                raise requests.HTTPError(f"the server answers {response.status_code} {response.reason}")
            if self.size and total not in (0, self.size):
                raise DataError(f"{url}: the server offers {total} bytes, expected {self.size}: another version")
            continued = response.status_code == requests.codes.partial_content and _start(response) == have
            if response.status_code == requests.codes.partial_content and not continued:
                self.part.unlink(missing_ok=True)
                return False
            have = have if continued else 0
            _require_space(self.part, (total or self.size) - have)
            self._store(response, have, total)
        return _size(self.part) == total if total else True

    def _store(self, response: requests.Response, have: int, total: int) -> None:
        limit = self.size or total
        with self.part.open("ab" if have else "wb") as file:
            for chunk in response.iter_content(_CHUNK):
                have += len(chunk)
                if limit and have > limit:
                    raise DataError(f"{response.url}: sends more than the {limit} bytes it should have")
                file.write(chunk)
                if self.progress is not None:
                    self.progress(have, limit)
            file.flush()
            os.fsync(file.fileno())


def download(
    archive: Archive,
    folder: Path,
    progress: Progress | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """Bring an archive into a folder; one that is there already and has the right digest is not fetched again.

    Returns:
        Path of the file.

    Raises:
        UsageError: The archive has no digest, or its address is neither http nor https.
        DataError: The server refuses or stays silent, or the file has another digest; then it is deleted.
        StorageError: The disk is full or may not be written, or another process downloads this file.
    """
    import pooch

    if not re.fullmatch(r"[0-9a-f]{64}", archive.sha256):
        raise UsageError(
            f"{archive.name}: no SHA-256 is known, so a download could not be told from a forgery",
            f"Get {archive.url} yourself, or pass the digest that you trust as --sha256.",
        )
    if not archive.url.startswith(("https://", "http://")):
        raise UsageError(f"{archive.url}: neither http nor https")
    pooch.get_logger().setLevel(logging.WARNING)
    make_folder(folder)
    target = folder / archive.name
    bring: Any = ResumingDownload(folder / f"{archive.name}.part", archive.size, progress, pause)
    try:
        with exclusive(target):
            pooch.retrieve(archive.url, f"sha256:{archive.sha256}", fname=archive.name, path=folder, downloader=bring)
    except ValueError as error:
        raise DataError(
            f"{archive.url}: the file's SHA-256 is not {archive.sha256}; it was deleted",
            "Run the same command again; if this repeats, the server has another file.",
        ) from error
    except OSError as error:
        raise storage_error(target, error) from error
    return target


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Be the only process that works on a file.

    Raises:
        StorageError: Another one does.
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=0):
            yield
    except Timeout as error:
        raise StorageError(f"{path}: another process is at work on it", "Wait for it to end.") from error


def _total(response: requests.Response) -> int:
    """Bytes of the whole file as the server states them; 0 if it does not."""
    whole = re.fullmatch(r"bytes (?:\d+-\d+|\*)/(\d+)", response.headers.get("Content-Range", ""))
    if whole:
        return int(whole[1])
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() and response.status_code == 200 else 0


def _start(response: requests.Response) -> int:
    """First byte of a partial answer; -1 if it does not say."""
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else -1


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _require_space(path: Path, missing: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if missing > free:
        raise StorageError(
            f"{path.parent}: {missing / 2**20:.0f} MiB are still to come, {free / 2**20:.0f} MiB are free",
            "Free some space there or choose another folder with --to, then run the same command again.",
        )
