"""Ledgers of several machines: their union, and writers that are killed at random."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_samples import sample_arrays, sample_record

from harness.cli import cli
from harness.errors import ExitCode, UsageError
from harness.ledger import canonical
from harness.ledger.merge import merge
from harness.ledger.store import Ledger

ROOT = Path(__file__).parents[1]

APPEND_AND_TELL = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from ledger_samples import sample_arrays, sample_record
from harness.ledger.store import Ledger
ledger, first, last = Ledger(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
for seed in range(first, last):
    print(ledger.append(sample_record(seed), sample_arrays(seed, images=500)).digest, flush=True)
"""


def ledger_of(folder: Path, seeds: set[int]) -> Ledger:
    ledger = Ledger(folder)
    for seed in seeds:
        ledger.append(sample_record(seed), sample_arrays(seed, images=3))
    return ledger


def digests(ledger: Ledger) -> set[str]:
    return {stored.digest for stored in ledger.records(verify_arrays=True)}


def files(ledger: Ledger) -> dict[str, bytes]:
    return {str(path.relative_to(ledger.root)): path.read_bytes() for path in ledger.root.rglob("*.*")}


@settings(max_examples=20)
@given(st.sets(st.integers(0, 6)), st.sets(st.integers(0, 6)))
def test_the_union_does_not_depend_on_order_or_repetition(
    tmp_path_factory: pytest.TempPathFactory, mine: set[int], theirs: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("machines")
    one, two = ledger_of(folder / "one", mine), ledger_of(folder / "two", theirs)
    forth, back = Ledger(folder / "forth"), Ledger(folder / "back")
    for other in (one, two, one):
        merge(other, forth)
    for other in (two, one):
        merge(other, back)
    assert digests(forth) == digests(back) == digests(one) | digests(two)
    assert files(forth) == files(back)
    merged = merge(two, one)
    assert len(merged.added) == len(theirs - mine)
    assert merged.present == len(mine & theirs)


def test_a_damaged_record_is_left_and_one_that_is_intact_elsewhere_is_mended(tmp_path: Path) -> None:
    mine, theirs = ledger_of(tmp_path / "mine", {1, 2}), ledger_of(tmp_path / "theirs", {1, 2, 3})
    by_seed = {stored.record.seed: stored.path for stored in theirs.records()}
    mended = mine.root / by_seed[1].relative_to(theirs.root)
    mended.with_suffix(".npz").write_bytes(b"damaged here")
    by_seed[3].write_text(by_seed[3].read_text().replace("12.5", "12.6"))
    emptied = ledger_of(theirs.root, {4})
    (lacking,) = (stored.path for stored in emptied.records() if stored.record.seed == 4)
    lacking.with_suffix(".npz").write_bytes(b"damaged there")
    merged = merge(theirs, mine)
    assert [stored.record.seed for stored in merged.added] == [1]
    assert [Path(refused.path) for refused in merged.refused] == sorted((by_seed[3], lacking))
    assert {stored.record.seed for stored in mine.records(verify_arrays=True)} == {1, 2}


def test_the_command_names_what_it_did_not_add(tmp_path: Path) -> None:
    theirs = ledger_of(tmp_path / "theirs", {1, 2})
    broken = next(iter(theirs.records())).path
    broken.write_text("{}")
    arguments = ["merge", str(theirs.root), "--ledger", str(tmp_path / "mine")]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == ExitCode.LEDGER
    assert str(broken) in result.output
    assert "1 records added" in result.output
    broken.unlink()
    again = CliRunner().invoke(cli, arguments)
    assert again.exit_code == ExitCode.OK
    assert "0 records added" in again.output
    assert isinstance(CliRunner().invoke(cli, ["merge", str(tmp_path / "nowhere")]).exception, UsageError)


def test_a_folder_that_is_no_ledger_is_no_empty_union(tmp_path: Path) -> None:
    theirs = ledger_of(tmp_path / "out" / "ledger", {1})
    arguments = ["merge", str(theirs.root.parent), "--ledger", str(tmp_path / "mine")]
    refused = CliRunner().invoke(cli, arguments).exception
    assert isinstance(refused, UsageError)
    assert "holds no records" in str(refused)


def test_a_ledger_and_itself_are_itself(tmp_path: Path) -> None:
    mine = ledger_of(tmp_path / "mine", {1, 2})
    before = files(mine)
    (tmp_path / "link").symlink_to(mine.root)
    for same in (mine.root, tmp_path / "link"):
        merged = merge(Ledger(same), mine)
        assert (merged.added, merged.present) == ((), 2)
    assert files(mine) == before


def rewritten(ledger: Ledger, **fields: object) -> Path:
    """Write the ledger's record once more with other fields, under the name that they give it."""
    (old,) = (stored.path for stored in ledger.records())
    content = json.loads(old.read_bytes()) | fields
    path = ledger.root.joinpath(content["paper"], content["experiment"], f"{canonical.digest(content)[:16]}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(canonical.pretty(content))
    path.with_suffix(".npz").write_bytes(old.with_suffix(".npz").read_bytes())
    old.unlink()
    return path


def test_what_a_later_version_wrote_into_a_record_is_kept(tmp_path: Path) -> None:
    theirs, mine = ledger_of(tmp_path / "theirs", {1}), Ledger(tmp_path / "mine")
    later = rewritten(theirs, temperature=41.5)
    (added,) = merge(theirs, mine).added
    assert added.path.read_bytes() == later.read_bytes()
    assert added.arrays().keys() == added.record.arrays.keys()
    assert merge(theirs, mine).present == 1
    assert digests(mine) == digests(theirs)


def test_a_record_whose_names_are_no_folders_is_refused(tmp_path: Path) -> None:
    theirs, mine = ledger_of(tmp_path / "theirs", {1}), Ledger(tmp_path / "mine")
    rewritten(theirs, paper="Other Paper")
    merged = merge(theirs, mine)
    assert merged.added == ()
    assert ["'Other Paper' is no key of a paper" in refused.reason for refused in merged.refused] == [True]
    assert not mine.root.exists()


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_writers_killed_at_random_lose_nothing_that_was_reported(tmp_path: Path) -> None:
    """Six writers over overlapping records; each but the last would never end, and is killed after some reports."""
    chance = random.Random(20)
    root = tmp_path / "ledger"
    command = [sys.executable, "-c", APPEND_AND_TELL, str(root)]
    writers = [
        subprocess.Popen([*command, str(first), str(last)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for first, last in [*((first, 10**9) for first in (0, 5, 10, 15, 20)), (25, 125)]
    ]
    reported: set[str] = set()
    for writer in writers[:-1]:
        assert writer.stdout is not None
        reported |= {writer.stdout.readline().strip() for _ in range(chance.randint(1, 25))}
        writer.send_signal(signal.SIGKILL)
    for writer in writers:
        rest, _ = writer.communicate()
        complete = rest[: rest.rfind("\n") + 1]
        reported |= set(complete.split())
    assert [writer.returncode for writer in writers] == [-signal.SIGKILL] * 5 + [0]
    ledger = Ledger(root)
    there = digests(ledger)
    assert ledger.refused == ()
    assert reported <= there
    assert len(reported) > 100
