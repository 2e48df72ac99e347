"""A ZIP that can be spelt in one way only, so that each of its bytes is accounted for.

Members stand in the order of their names, stored as they are, dated 1980-01-01, without extra fields, comments or gaps.
Nothing is compressed: what a compressor returns depends on its version. Any program that reads ZIP files reads these;
:func:`unpack` reads no others, and so meets neither links, paths that lead elsewhere, encryption nor bombs.
"""

from __future__ import annotations

import re
import zlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from struct import Struct

from harness.errors import VerificationError

Files = Mapping[str, bytes]
"""Contents by name, with "/" between folders."""

NAME = re.compile(r"[a-z0-9][a-z0-9.+_-]*(/[a-z0-9][a-z0-9.+_-]*)*")
LARGEST = (1 << 32) - 1
MOST_FILES = (1 << 16) - 1
REMEDY = "Ask for the bundle again, from whoever vouches for it."

_LOCAL = Struct("<4s5H3L2H")
_CENTRAL = Struct("<4s6H3L5H2L")
_END = Struct("<4s4H2LH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_MADE_ON_UNIX, _NEEDED, _MIDNIGHT, _FIRST_DAY = 3 << 8 | 20, 10, 0, 1 << 5 | 1
_REGULAR_FILE = 0o100644 << 16


def pack(files: Files) -> bytes:
    """Return the archive of some files; the same files give the same bytes on every machine.

    Raises:
        ValueError: A name is not one that :data:`NAME` allows, or the files are too many or too large for a ZIP.
    """
    local, central = bytearray(), bytearray()
    for name in sorted(files):
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a file of an archive")
        content, spelt = files[name], name.encode("ascii")
        if len(local) + len(content) > LARGEST:
            raise ValueError("the files do not fit into 4 GiB")
        about = (0, 0, _MIDNIGHT, _FIRST_DAY, zlib.crc32(content), len(content), len(content), len(spelt), 0)
        central += _CENTRAL.pack(
            _CENTRAL_MARK, _MADE_ON_UNIX, _NEEDED, *about, 0, 0, 0, _REGULAR_FILE, len(local)
        )  # fmt: skip
        central += spelt
        local += _LOCAL.pack(_LOCAL_MARK, _NEEDED, *about)
        local += spelt
        local += content
    if len(files) > MOST_FILES or len(local) + len(central) > LARGEST:
        raise ValueError("the files do not fit into one archive")
    end = _END.pack(_END_MARK, 0, 0, len(files), len(files), len(central), len(local), 0)
    return bytes(local + central + end)


def unpack(content: bytes) -> dict[str, bytes]:
    """Return the files of an archive that :func:`pack` made.

    Raises:
        VerificationError: It is not byte for byte what :func:`pack` makes of the files in it.
    """
    if not content.startswith((_LOCAL_MARK, _END_MARK)):
        raise VerificationError("it is no archive at all, hence no bundle", REMEDY)
    files: dict[str, bytes] = {}
    for name, member in _members(content):
        if name in files or not NAME.fullmatch(name):
            raise VerificationError(f"the archive has a file {name!r}, which no bundle has in this place", REMEDY)
        files[name] = member
    try:
        spelt = pack(files)
    except ValueError as error:
        raise VerificationError(f"the archive cannot be read: {error}", REMEDY) from error
    if spelt != content:
        place = bisect_left(range(len(spelt) + 1), True, key=lambda end: spelt[:end] != content[:end]) - 1
        raise VerificationError(f"the archive is not spelt as a bundle is, from byte {place} on", REMEDY)
    return files


def _members(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Walk from file to file, to the first place where no file begins; what follows is not looked at."""
    at = 0
    while content.startswith(_LOCAL_MARK, at) and at + _LOCAL.size <= len(content):
        _, _, _, method, _, _, checksum, stored, size, name_length, extra = _LOCAL.unpack_from(content, at)
        start = at + _LOCAL.size + name_length
        if method or extra or stored != size or start + size > len(content):
            raise VerificationError(f"the archive cannot be read: the file at byte {at} is cut, packed or odd", REMEDY)
        name, member = content[at + _LOCAL.size : start].decode("latin-1"), content[start : start + size]
        if zlib.crc32(member) != checksum:
            raise VerificationError(f"{name!r} is damaged: it does not match its checksum", REMEDY)
        yield name, member
        at = start + size
