"""Archives unpacked where they were meant to be unpacked, and nowhere else.

Members are written to a temporary folder and moved into place when all are there. Links, devices, absolute paths and
paths with ``..`` are refused, and so is an archive that would fill the disk: a dataset has no use for any of them.
"""

from __future__ import annotations

import filecmp
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from harness.datasets.fetch import exclusive
from harness.errors import DataError, StorageError
from harness.files import make_folder, storage_error

_CHUNK = 1 << 20
_LONGEST_END = 1 << 26


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may grow to.

    Attributes:
        ratio: Bytes unpacked for each byte of the archive.
        least: Bytes that any archive may have.
        members: Files and folders.
    """

    ratio: int = 200
    least: int = 1 << 30
    members: int = 2_000_000


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    size: int
    folder: bool
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, folder: Path, limits: Limits = Limits()) -> tuple[str, ...]:
    """Unpack a tar file (plain, gzip, bzip2 or xz) or a zip file into a folder.

    A file that is there already stays if it has the same content.

    Returns:
        What lies at the top of the archive, sorted.

    Raises:
        DataError: The file is damaged, truncated or no archive, or holds something that is refused.
        StorageError: The disk is full or may not be written, or a file of another content is in the way; then
            nothing is changed.
    """
    make_folder(folder)
    staging = folder / f".{archive.name}.unpacking"
    try:
        with exclusive(folder / archive.name):
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir()
            try:
                with _reader(archive) as members:
                    _write(archive, members, staging, limits)
                _require_clear(staging, folder)
                top = tuple(sorted(path.name for path in staging.iterdir()))
                _move(staging, folder)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
        return top
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
        raise DataError(f"{archive}: damaged or no archive ({error})", "Delete it and fetch it again.") from error
    except OSError as error:
        if error.errno is None:
            raise DataError(f"{archive}: damaged archive ({error})", "Delete it and fetch it again.") from error
        raise storage_error(folder, error) from error


@contextmanager
def _reader(archive: Path) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(archive) and not tarfile.is_tarfile(archive):
        with zipfile.ZipFile(archive) as packed:
            yield (_zip_member(archive, packed, info) for info in packed.infolist())
    else:
        with tarfile.open(archive, "r:*") as tar:
            yield (_tar_member(archive, tar, info) for info in tar)
            _read_to_end(archive, tar)


def _zip_member(archive: Path, packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused(archive, info.filename, "a link or device")
    if info.flag_bits & 1:
        raise _refused(archive, info.filename, "encrypted")
    return _Member(info.orig_filename, info.file_size, info.is_dir(), lambda: packed.open(info))


def _tar_member(archive: Path, tar: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    if not (info.isreg() or info.isdir()):
        raise _refused(archive, info.name, "a link or device")
    return _Member(info.name, info.size, info.isdir(), lambda: tar.extractfile(info))


def _read_to_end(archive: Path, tar: tarfile.TarFile) -> None:
    """Read what follows the last member: a block of zeros, and in compressed files their checksum."""
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise DataError(f"{archive}: truncated archive", "Delete it and fetch it again.")
    for _ in range(_LONGEST_END // _CHUNK):
        if not tar.fileobj.read(_CHUNK):
            return
    raise _refused(archive, "the end", f"longer than {_LONGEST_END} bytes")


def _write(archive: Path, members: Iterator[_Member], staging: Path, limits: Limits) -> None:
    allowed = max(limits.least, limits.ratio * archive.stat().st_size)
    written = 0
    for count, member in enumerate(members, start=1):
        target = staging.joinpath(*_parts(archive, member.name))
        written += member.size
        if count > limits.members or written > allowed:
            raise _refused(archive, member.name, f"member {count}, {written} bytes in all: too much for this archive")
        if member.size > shutil.disk_usage(staging).free:
            raise StorageError(f"{staging.parent}: no room for {archive.name}", "Free some space, then run it again.")
        if member.folder:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        source = member.open()
        if source is None:
            raise _refused(archive, member.name, "no file")
        with source, target.open("wb") as file:
            shutil.copyfileobj(source, file, _CHUNK)
        if target.stat().st_size != member.size:
            raise _refused(archive, member.name, f"{target.stat().st_size} of {member.size} bytes")


def _parts(archive: Path, name: str) -> tuple[str, ...]:
    """Parts of a member's path, none of which leads out of the folder on any system."""
    windows = PureWindowsPath(name)
    parts = tuple(part for part in PurePosixPath(name).parts if part != ".")
    if windows.drive or windows.root or ".." in windows.parts or "\0" in name or not (parts or name in (".", "./")):
        raise _refused(archive, name, "a path that leads out of the folder")
    return parts


def _require_clear(staging: Path, folder: Path) -> None:
    """Refuse to replace a file by one of another content, a link, or a folder by a file."""
    for path in staging.rglob("*"):
        target = folder / path.relative_to(staging)
        if target.is_symlink() or (target.exists() and not _same(path, target)):
            raise StorageError(f"{target} is in the way", "Move it away, then run the same command again.")


def _same(path: Path, target: Path) -> bool:
    if path.is_dir() or target.is_dir():
        return path.is_dir() and target.is_dir()
    return filecmp.cmp(path, target, shallow=False)


def _move(source: Path, target: Path) -> None:
    """Move what is in a folder into another; folders that both have are merged."""
    for path in source.iterdir():
        place = target / path.name
        if place.is_dir():
            _move(path, place)
        else:
            path.replace(place)


def _refused(archive: Path, name: str, reason: str) -> DataError:
    return DataError(f"{archive}: refused, nothing was unpacked: {name!r} is {reason}", "Delete it; it may be forged.")
