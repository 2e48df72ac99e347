"""Archives: what they hold arrives, what they must not hold is refused, and nothing is left of a damaged one."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from dataset_layouts import files
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.datasets.unpack import Limits, unpack
from harness.errors import DataError, StorageError

MEMBERS = {"set/a.txt": b"first", "set/deep/b.bin": bytes(range(256)), "ünïcode.txt": "é".encode()}


def tar_of(path: Path, members: dict[str, bytes], mode: str = "w", **attributes: object) -> Path:
    """A tar file; ``attributes`` are set on every member."""
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            tar.addfile(info, io.BytesIO(content))
    return path


def zip_of(path: Path, members: dict[str, bytes], external: int = 0) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = external << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(info, content)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.mark.parametrize("kind", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
def test_archives_are_unpacked(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "archive"
    archive = zip_of(path, MEMBERS) if kind == "zip" else tar_of(path, MEMBERS, kind)
    target = tmp_path / "to"
    assert unpack(archive, target) == ("set", "ünïcode.txt")
    assert tree(target) == MEMBERS
    assert unpack(archive, target) == ("set", "ünïcode.txt")
    assert not [path for path in target.iterdir() if path.name.endswith(".unpacking")]


def test_folders_that_are_there_are_added_to(tmp_path: Path) -> None:
    target = tmp_path / "to"
    unpack(tar_of(tmp_path / "one.tar", {"VOCdevkit/VOC2010/a": b"1"}), target)
    unpack(tar_of(tmp_path / "two.tar", {"VOCdevkit/VOC2012/a": b"2", "VOCdevkit/VOC2010/b": b"3"}), target)
    assert tree(target) == {"VOCdevkit/VOC2010/a": b"1", "VOCdevkit/VOC2012/a": b"2", "VOCdevkit/VOC2010/b": b"3"}


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_a_file_in_the_way_stays(tmp_path: Path, there: str) -> None:
    target = tmp_path / "to"
    place = target / "set" / "a.txt"
    place.parent.mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.write_bytes(b"first")
    if there == "file":
        place.write_text("mine")
    elif there == "folder":
        place.mkdir()
    else:
        place.symlink_to(outside)
    with pytest.raises(StorageError, match=r"a\.txt is in the way"):
        unpack(tar_of(tmp_path / "a.tar", MEMBERS), target)
    assert files(target) == ["set"]
    assert outside.read_bytes() == b"first"


def test_a_link_to_another_folder_is_not_followed(tmp_path: Path) -> None:
    target, outside = tmp_path / "to", tmp_path / "outside"
    target.mkdir()
    outside.mkdir()
    (target / "set").symlink_to(outside)
    with pytest.raises(StorageError, match="in the way"):
        unpack(tar_of(tmp_path / "a.tar", MEMBERS), target)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "../out.txt",
        "set/../../out.txt",
        "/tmp/out.txt",
        "//out.txt",
        "C:/out.txt",
        "..\\out.txt",
        "\\\\host\\out",
        "..",
    ],
)
@pytest.mark.parametrize("pack", [tar_of, zip_of], ids=["tar", "zip"])
def test_no_path_leads_out(tmp_path: Path, name: str, pack: Callable[[Path, dict[str, bytes]], Path]) -> None:
    archive = pack(tmp_path / "archive", {"set/a.txt": b"fine", name: b"bad"})
    target = tmp_path / "deep" / "to"
    with pytest.raises(DataError, match="leads out of the folder"):
        unpack(archive, target)
    assert tree(tmp_path / "deep") == {}
    assert not (tmp_path / "deep" / "out.txt").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
@pytest.mark.parametrize("aim", ["/etc/passwd", "../../secret", "set/a.txt"])
def test_links_and_devices_in_tar_files_are_refused(tmp_path: Path, kind: bytes, aim: str) -> None:
    archive = tar_of(tmp_path / "a.tar", {"set/link": b""}, type=kind, linkname=aim)
    with pytest.raises(DataError, match="a link or device"):
        unpack(archive, tmp_path / "to")
    assert files(tmp_path / "to") == []


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_in_zip_files_are_refused(tmp_path: Path, kind: int) -> None:
    archive = zip_of(tmp_path / "a.zip", {"set/link": b"/etc/passwd"}, kind | 0o777)
    with pytest.raises(DataError, match="a link or device"):
        unpack(archive, tmp_path / "to")


def test_a_link_first_and_a_file_through_it_write_nothing_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        link = tarfile.TarInfo("door")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        tar.addfile(link)
        through = tarfile.TarInfo("door/owned")
        through.size = 1
        tar.addfile(through, io.BytesIO(b"x"))
    with pytest.raises(DataError):
        unpack(path, tmp_path / "to")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("pack", [lambda path, members: tar_of(path, members, "w:gz"), zip_of], ids=["tar", "zip"])
def test_bombs_are_refused(tmp_path: Path, pack: Callable[[Path, dict[str, bytes]], Path]) -> None:
    archive = pack(tmp_path / "bomb", {f"{number}": b"\0" * 100_000 for number in range(20)})
    with pytest.raises(DataError, match="too much"):
        unpack(archive, tmp_path / "to", Limits(ratio=10, least=1000))
    with pytest.raises(DataError, match="member 11"):
        unpack(archive, tmp_path / "to", Limits(members=10))
    assert files(tmp_path / "to") == []
    unpack(archive, tmp_path / "to")


def test_modes_of_members_are_not_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("a")
        info.mode = 0o4777
        tar.addfile(info)
    unpack(path, tmp_path / "to")
    assert not (tmp_path / "to" / "a").stat().st_mode & (stat.S_ISUID | stat.S_IXUSR)


@pytest.mark.parametrize("kind", ["w", "w:gz", "w:xz", "zip"])
@settings(max_examples=15)
@given(kept=st.floats(0, 0.99))
def test_a_truncated_archive_leaves_nothing(tmp_path_factory: pytest.TempPathFactory, kind: str, kept: float) -> None:
    folder = tmp_path_factory.mktemp("cut")
    members = {"a": os.urandom(3000), "b": os.urandom(3000)}
    whole = zip_of(folder / "x", members) if kind == "zip" else tar_of(folder / "x", members, kind)
    content = whole.read_bytes()
    size = 512 + 3072 + 512 + 3000 if kind == "w" else len(content)
    (folder / "cut").write_bytes(content[: int(kept * size)])
    with pytest.raises(DataError, match="cut"):
        unpack(folder / "cut", folder / "to")
    assert files(folder / "to") == []


def test_a_corrupt_member_is_noticed(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"a": os.urandom(3000)})
    content = bytearray(archive.read_bytes())
    content[1500] ^= 255
    archive.write_bytes(bytes(content))
    with pytest.raises(DataError, match="damaged"):
        unpack(archive, tmp_path / "to")
    packed = tar_of(tmp_path / "b.tgz", {"a": os.urandom(3000)}, "w:gz")
    content = bytearray(gzip.decompress(packed.read_bytes()))
    damaged = bytearray(gzip.compress(bytes(content)))
    damaged[-6] ^= 255
    packed.write_bytes(bytes(damaged))
    with pytest.raises(DataError, match="damaged"):
        unpack(packed, tmp_path / "to")


def test_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "page.tgz").write_text("<html>Please log in</html>")
    with pytest.raises(DataError, match="no archive"):
        unpack(tmp_path / "page.tgz", tmp_path / "to")
