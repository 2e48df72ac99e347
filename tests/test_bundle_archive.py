"""The archive of a bundle: one spelling for each set of files, and no other archive is read."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bundle.archive import pack, unpack
from harness.errors import VerificationError

PART = st.text("ab0-_.+", min_size=1, max_size=4).filter(lambda part: part[0] in "ab0")
NAMES = st.lists(PART, min_size=1, max_size=3).map("/".join)
FILES = st.dictionaries(NAMES, st.binary(max_size=40), max_size=6)
SMALL = {"a.toml": b"key = 1\n", "b/c.json": b"", "b/d.npz": bytes(range(40))}


@given(FILES)
def test_any_files_come_back_and_zipfile_reads_the_same(files: dict[str, bytes]) -> None:
    content = pack(files)
    assert unpack(content) == files
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == files
        assert all(stat.S_ISREG(info.external_attr >> 16) for info in archive.infolist())
        assert {info.date_time for info in archive.infolist()} <= {(1980, 1, 1, 0, 0, 0)}


@given(FILES)
def test_the_order_of_the_files_does_not_count(files: dict[str, bytes]) -> None:
    assert pack(dict(reversed(files.items()))) == pack(files)


def test_every_other_value_of_every_byte_is_refused() -> None:
    content = pack(SMALL)
    for at in range(len(content)):
        for flip in range(1, 256):
            changed = bytearray(content)
            changed[at] ^= flip
            with pytest.raises(VerificationError):
                unpack(bytes(changed))


@pytest.mark.parametrize("cut", [1, 4, 22, 30, 60, 100])
def test_what_is_cut_or_appended_is_refused(cut: int) -> None:
    content = pack(SMALL)
    for other in (content[:-cut], content[cut:], content + bytes(cut), bytes(cut) + content, content * 2, b""):
        with pytest.raises(VerificationError):
            unpack(other)


@pytest.mark.parametrize(
    "name", ["../up", "a/../b", "/etc/passwd", "a//b", "a/", "", ".hidden", "A", "a\\b", "c:x", "a b", "ä", "a\nb"]
)
def test_a_name_that_leads_elsewhere_is_neither_written_nor_read(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a file"):
        pack({name: b""})
    spelt = name.encode("utf-8")
    innocent = pack({"x" * len(spelt): b""}) if spelt else pack({"x": b""})
    with pytest.raises(VerificationError):
        unpack(innocent.replace(b"x" * len(spelt), spelt) if spelt else innocent.replace(b"x", b""))


def _zip(write: Callable[[zipfile.ZipFile], None]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        write(archive)
    return buffer.getvalue()


def _link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("claims.toml", (1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


def _bomb(archive: zipfile.ZipFile) -> None:
    archive.writestr("claims.toml", bytes(1 << 24), zipfile.ZIP_DEFLATED)


def _twice(archive: zipfile.ZipFile) -> None:
    archive.writestr("claims.toml", "one")
    with pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("claims.toml", "other")


def _commented(archive: zipfile.ZipFile) -> None:
    archive.comment = b"hidden"
    archive.writestr(zipfile.ZipInfo("claims.toml"), "x")


@pytest.mark.parametrize("write", [_link, _bomb, _twice, _commented])
def test_archives_of_other_programs_are_refused(write: Callable[[zipfile.ZipFile], None]) -> None:
    content = _zip(write)
    assert zipfile.ZipFile(io.BytesIO(content)).namelist()
    with pytest.raises(VerificationError):
        unpack(content)


def test_the_first_byte_that_differs_is_named() -> None:
    content = bytearray(pack(SMALL))
    content[12] ^= 1
    with pytest.raises(VerificationError, match="from byte 12 on"):
        unpack(bytes(content))


def test_the_file_that_is_damaged_is_named() -> None:
    content = pack(SMALL)
    with pytest.raises(VerificationError, match=r"'a\.toml' is damaged"):
        unpack(content.replace(b"key = 1", b"key = 2"))


def test_a_size_that_is_not_there_is_not_believed() -> None:
    content = bytearray(pack({"a": bytes(64)}))
    content[18:26] = (1 << 32).to_bytes(8, "little")
    with pytest.raises(VerificationError, match="cut, packed or odd"):
        unpack(bytes(content))


@pytest.mark.parametrize("content", [b"", b"# Remeasure", b"PK"])
def test_what_is_no_archive_is_called_none(content: bytes) -> None:
    with pytest.raises(VerificationError, match="no archive at all"):
        unpack(content)
