"""The ledger under kill -9, a full disk, a folder that cannot be written, and several writers at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ledger_samples import sample_arrays, sample_record

from harness.files import LEFTOVER_SECONDS
from harness.ledger.store import Ledger

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kill -9 and resource limits are POSIX")

ROOT = Path(__file__).parents[1]
START = """
import os, resource, signal, sys
from pathlib import Path
sys.path.insert(0, "tests")
from ledger_samples import sample_arrays, sample_record
from harness.errors import StorageError
from harness.ledger.store import Ledger
root = Path(sys.argv[1])
"""

KILL_AT_LINES = (
    START
    + """
record, arrays = sample_record(), sample_arrays()
Ledger(root / "0").append(record, arrays)

def append_and_die(folder, fatal):
    seen = 0
    def trace(frame, event, argument):
        nonlocal seen
        if not frame.f_code.co_filename.endswith(("ledger/store.py", "harness/files.py")):
            return None
        seen += event == "line"
        if seen == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)
    Ledger(folder).append(record, arrays)
    os._exit(0)

for fatal in range(1, 10_000):
    child = os.fork()
    if child == 0:
        append_and_die(root / str(fatal), fatal)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        print(fatal - 1)
        sys.exit(os.waitstatus_to_exitcode(status))
"""
)

APPEND_MANY = (
    START
    + """
for seed in range(25):
    Ledger(root).append(sample_record(seed), sample_arrays(seed))
"""
)

FULL_DISK = (
    START
    + """
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
try:
    Ledger(root).append(sample_record(1), sample_arrays(1, images=4000))
except StorageError as error:
    print(error)
"""
)

READ_ONLY = (
    START
    + """
record, arrays = sample_record(1), sample_arrays(1)
Ledger(root.parent / "elsewhere").append(record, arrays)  # imports what is imported late: another user may not read it
root.chmod(0o555)
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    Ledger(root).append(record, arrays)
except StorageError as error:
    print(error)
"""
)


def python(script: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def output(script: str, folder: Path) -> str:
    with python(script, folder) as process:
        text, _ = process.communicate()
    assert process.returncode == 0
    return text


def test_killed_at_any_line_a_record_is_there_or_not(tmp_path: Path) -> None:
    lines = int(output(KILL_AT_LINES, tmp_path))
    assert lines > 40
    found: list[int] = []
    for fatal in range(1, lines + 1):
        ledger = Ledger(tmp_path / str(fatal))
        records = list(ledger.records(verify_arrays=True))
        assert ledger.refused == ()
        assert len(records) <= 1
        found.append(len(records))
        stored = ledger.append(sample_record(), sample_arrays())
        assert list(ledger.records(verify_arrays=True)) == [stored]
        assert all(stored == record for record in records)
    assert found == sorted(found)
    assert set(found) == {0, 1}


def test_leftovers_of_killed_writers_are_swept(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    folder = ledger.append(sample_record(), {}).path.parent
    old, new = folder / ".old.json.abc.tmp", folder / ".new.json.abc.tmp"
    for leftover in (old, new):
        leftover.write_text("half a rec")
    long_ago = time.time() - 2 * LEFTOVER_SECONDS
    os.utime(old, (long_ago, long_ago))
    ledger.append(sample_record(1), {})
    assert not old.exists()
    assert new.exists(), "another process may be writing it"
    assert len(list(ledger.records())) == 2


def test_several_processes_append_at_once(tmp_path: Path) -> None:
    writers = [python(APPEND_MANY, tmp_path) for _ in range(3)]
    for writer in writers:
        with writer:
            writer.communicate()
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    ledger = Ledger(tmp_path)
    assert sorted(stored.record.seed for stored in ledger.records(verify_arrays=True)) == list(range(25))
    assert ledger.refused == ()
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("script", "remedy"), [(FULL_DISK, "Free some space"), (READ_ONLY, "Make the folder writable")]
)
def test_a_disk_that_takes_nothing_is_named_and_nothing_is_lost(tmp_path: Path, script: str, remedy: str) -> None:
    root = tmp_path / "ledger"
    before = Ledger(root).append(sample_record(), sample_arrays())
    files = {path: path.stat().st_size for path in root.rglob("*.*")}
    message = output(script, root)
    assert f"cannot write {root}" in message
    assert remedy in message
    assert {path: path.stat().st_size for path in root.rglob("*.*")} == files
    assert list(Ledger(root).records(verify_arrays=True)) == [before]
