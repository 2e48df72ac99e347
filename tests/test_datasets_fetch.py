"""Downloads from a server that cuts, corrupts, ignores ranges and lies; archives that try to get out."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.datasets.fetch import ATTEMPTS, Archive, download
from harness.datasets.unpack import Limits, unpack
from harness.errors import DataError, StorageError, UsageError

CONTENT = np.random.default_rng(0).bytes(100_000)


@dataclass
class Behaviour:
    """How the server treats each request.

    Attributes:
        content: What it serves.
        cuts: Bytes after which the connection is closed, one for each request; whole answers after the last.
        ranges: Whether it honours Range.
        start_shift: Added to the first byte of every partial answer.
        statuses: Answers before the first real one.
        length: Whether it states Content-Length.
        asked: Range header of each request.
    """

    content: bytes = CONTENT
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    start_shift: int = 0
    statuses: list[int] = field(default_factory=list)
    length: bool = True
    asked: list[str | None] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    behaviour: Behaviour

    def do_GET(self) -> None:
        behaviour = self.behaviour
        asked = self.headers.get("Range")
        behaviour.asked.append(asked)
        if behaviour.statuses:
            self.send_error(behaviour.statuses.pop(0))
            return
        total = len(behaviour.content)
        start = 0
        if asked and behaviour.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = max(0, start + behaviour.start_shift)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            self.send_response(200)
        body = behaviour.content[start:]
        if behaviour.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: behaviour.cuts.pop(0)] if behaviour.cuts else body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def serve() -> Iterator[Callable[[Behaviour], Archive]]:
    """Start a server and return the archive it serves, pinned to ``CONTENT``."""
    servers: list[ThreadingHTTPServer] = []

    def start(behaviour: Behaviour) -> Archive:
        handler = type("Bound", (Handler,), {"behaviour": behaviour})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/set.tar"
        return Archive(url, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def no_pause(_seconds: float) -> None:
    """Go on at once."""


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_file_arrives_whole_and_is_not_fetched_twice(serve: Callable[[Behaviour], Archive], tmp_path: Path) -> None:
    behaviour = Behaviour()
    archive = serve(behaviour)
    seen: list[tuple[int, int]] = []
    path = download(archive, tmp_path / "new" / "folder", lambda done, total: seen.append((done, total)), no_pause)
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert download(archive, path.parent, None, no_pause) == path
    assert behaviour.asked == [None]
    assert files(path.parent) == ["set.tar"]


LONG = np.random.default_rng(1).bytes(1_000_000)
CHUNK = 1 << 16
"""What is lost of a chunk that a cut falls into is asked for again."""


@settings(max_examples=10)
@given(cuts=st.lists(st.integers(CHUNK, 400_000), max_size=ATTEMPTS + 3))
def test_cuts_are_survived_wherever_they_fall(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    behaviour = Behaviour(LONG, cuts=list(cuts))
    handler = type("Bound", (Handler,), {"behaviour": behaviour})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/a.tar"
        archive = Archive(url, hashlib.sha256(LONG).hexdigest(), len(LONG))
        try:
            assert download(archive, tmp_path_factory.mktemp("cut"), None, no_pause).read_bytes() == LONG
        finally:
            server.shutdown()
    starts = [0]
    for cut in cuts:
        if cut >= len(LONG) - starts[-1]:
            break
        starts.append(starts[-1] + cut // CHUNK * CHUNK)
    assert behaviour.asked == [None, *(f"bytes={start}-" for start in starts[1:])]


def test_a_connection_that_is_always_cut_ends_in_an_error(
    serve: Callable[[Behaviour], Archive], tmp_path: Path
) -> None:
    behaviour = Behaviour(cuts=[10] * 50)
    with pytest.raises(DataError, match="IncompleteRead") as caught:
        download(serve(behaviour), tmp_path, None, no_pause)
    assert len(behaviour.asked) == ATTEMPTS
    assert "goes on where it stopped" in caught.value.remedy


def test_the_next_process_goes_on_where_the_last_stopped(serve: Callable[[Behaviour], Archive], tmp_path: Path) -> None:
    behaviour = Behaviour()
    archive = serve(behaviour)
    (tmp_path / "set.tar.part").write_bytes(CONTENT[:60_000])
    assert download(archive, tmp_path, None, no_pause).read_bytes() == CONTENT
    assert behaviour.asked == ["bytes=60000-"]


def test_a_part_that_is_already_whole_is_only_compared(serve: Callable[[Behaviour], Archive], tmp_path: Path) -> None:
    archive = serve(Behaviour())
    (tmp_path / "set.tar.part").write_bytes(CONTENT)
    assert download(archive, tmp_path, None, no_pause).read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(serve: Callable[[Behaviour], Archive], tmp_path: Path) -> None:
    archive = serve(Behaviour())
    (tmp_path / "set.tar.part").write_bytes(CONTENT + b"more")
    assert download(archive, tmp_path, None, no_pause).read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_sends_all_again(serve: Callable[[Behaviour], Archive], tmp_path: Path) -> None:
    archive = serve(Behaviour(ranges=False))
    (tmp_path / "set.tar.part").write_bytes(b"x" * 5_000)
    assert download(archive, tmp_path, None, no_pause).read_bytes() == CONTENT


def test_a_partial_answer_from_the_wrong_place_is_not_used(
    serve: Callable[[Behaviour], Archive], tmp_path: Path
) -> None:
    behaviour = Behaviour(start_shift=-10)
    archive = serve(behaviour)
    (tmp_path / "set.tar.part").write_bytes(CONTENT[:5_000])
    assert download(archive, tmp_path, None, no_pause).read_bytes() == CONTENT
    assert behaviour.asked == ["bytes=5000-", None]


def test_a_server_without_lengths_is_judged_by_the_digest(
    serve: Callable[[Behaviour], Archive], tmp_path: Path
) -> None:
    archive = replace(serve(Behaviour(length=False)), size=0)
    assert download(archive, tmp_path, None, no_pause).read_bytes() == CONTENT
    cut = replace(serve(Behaviour(length=False, cuts=[70_000])), size=0)
    with pytest.raises(DataError, match="SHA-256"):
        download(cut, tmp_path / "cut", None, no_pause)


@pytest.mark.parametrize("place", [0, 50_000, 99_999])
def test_one_wrong_byte_and_nothing_is_kept(serve: Callable[[Behaviour], Archive], tmp_path: Path, place: int) -> None:
    wrong = bytearray(CONTENT)
    wrong[place] ^= 1
    archive = serve(Behaviour(content=bytes(wrong)))
    with pytest.raises(DataError, match="it was deleted"):
        download(archive, tmp_path, None, no_pause)
    assert files(tmp_path) == []


def test_a_damaged_file_of_that_name_is_replaced(serve: Callable[[Behaviour], Archive], tmp_path: Path) -> None:
    archive = serve(Behaviour())
    (tmp_path / "set.tar").write_bytes(b"old")
    assert download(archive, tmp_path, None, no_pause).read_bytes() == CONTENT


def test_another_version_is_refused_before_it_is_fetched(serve: Callable[[Behaviour], Archive], tmp_path: Path) -> None:
    archive = serve(Behaviour(content=CONTENT * 2))
    with pytest.raises(DataError, match="200000 bytes, expected 100000"):
        download(archive, tmp_path, None, no_pause)


def test_a_server_that_does_not_stop_is_stopped(serve: Callable[[Behaviour], Archive], tmp_path: Path) -> None:
    archive = serve(Behaviour(content=CONTENT * 2, length=False))
    with pytest.raises(DataError, match="more than the 100000 bytes"):
        download(archive, tmp_path, None, no_pause)


def test_a_refusal_ends_at_once_and_an_overloaded_server_is_asked_again(
    serve: Callable[[Behaviour], Archive], tmp_path: Path
) -> None:
    gone = Behaviour(statuses=[404] * 9)
    with pytest.raises(DataError, match="404"):
        download(serve(gone), tmp_path, None, no_pause)
    assert len(gone.asked) == 1
    busy = Behaviour(statuses=[503, 500])
    waits: list[float] = []
    assert download(serve(busy), tmp_path, None, waits.append).read_bytes() == CONTENT
    assert waits == [2.0, 4.0]
    broken = Behaviour(statuses=[503] * 20)
    with pytest.raises(DataError, match="503"):
        download(serve(broken), tmp_path / "other", None, no_pause)
    assert len(broken.asked) == ATTEMPTS


def test_no_server_at_all(tmp_path: Path) -> None:
    archive = Archive("http://127.0.0.1:9/a.tar", "0" * 64)
    with pytest.raises(DataError, match="Connection refused"):
        download(archive, tmp_path, None, no_pause)


@pytest.mark.parametrize("digest", ["", "abc", "Z" * 64, "md5:" + "0" * 60])
def test_nothing_is_fetched_without_a_digest(
    serve: Callable[[Behaviour], Archive], tmp_path: Path, digest: str
) -> None:
    behaviour = Behaviour()
    with pytest.raises(UsageError, match="--sha256"):
        download(replace(serve(behaviour), sha256=digest), tmp_path, None, no_pause)
    assert behaviour.asked == []


def test_only_the_web_is_fetched_from(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither http"):
        download(Archive("file:///etc/passwd", "0" * 64), tmp_path)


def test_two_processes_do_not_write_one_file(serve: Callable[[Behaviour], Archive], tmp_path: Path) -> None:
    archive = serve(Behaviour())
    program = (
        "import sys; from filelock import FileLock\n"
        f"with FileLock({str(tmp_path / '.set.tar.lock')!r}):\n    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StorageError, match="another process"):
            download(archive, tmp_path, None, no_pause)
        other.communicate("")
    assert download(archive, tmp_path, None, no_pause).read_bytes() == CONTENT


def test_a_folder_that_cannot_be_made(serve: Callable[[Behaviour], Archive], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        download(serve(Behaviour()), tmp_path / "file" / "below", None, no_pause)


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
