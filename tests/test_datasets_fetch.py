"""Downloads from a server that cuts, corrupts, ignores ranges and lies."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from dataset_layouts import files
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.datasets.fetch import ATTEMPTS, Archive, download
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
