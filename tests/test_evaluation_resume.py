"""Evaluation under kill -9, in several processes, and both."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation_sets import PLAIN, Strided, labelled

from harness.datasets.labelled import LabelledImages
from harness.errors import UsageError
from harness.evaluation.groups import Groups
from harness.evaluation.protocol import Padding, SegmentationProtocol, Upsampling
from harness.evaluation.segment import evaluate, evaluated
from harness.shards import ALONE, Shard, launched

CPU = torch.device("cpu")
TESTS = Path(__file__).parent
pytestmark = pytest.mark.usefixtures("one_thread")
SIZES = ((9, 13), (8, 8), (20, 7), (9, 13), (1, 1), (13, 13), (1, 30), (9, 13), (9, 13), (6, 5), (4, 4))
PROTOCOL = SegmentationProtocol(PLAIN, padding=Padding(multiple=4), upsampling=Upsampling(stride=4))

START = """
import os, signal, sys
from pathlib import Path
import numpy as np, torch
from evaluation_sets import CLASSES, Strided, numbered, opened
from test_evaluation_resume import PROTOCOL, SIZES
from harness.evaluation.segment import evaluate
from harness.evaluation.shards import joined
from harness.shards import launched
torch.set_num_threads(1)
cpu, root = torch.device("cpu"), Path(sys.argv[1])
images = opened(numbered(root / "set", len(SIZES)), root / "set", CLASSES)
"""

KILLED = (
    START
    + """
class Fatal(Strided):
    calls = 0
    def forward(self, x):
        Fatal.calls += 1
        if Fatal.calls == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(x)

Fatal.__name__ = "Strided"
evaluate(Fatal(), images, PROTOCOL, cpu, batch=2, scratch=root / "scratch")
"""
)

SHARED_OUT = (
    START
    + """
shard, fatal = launched(), len(sys.argv) > 2
told = []
def progress(done, of):
    told.append(done)
    if fatal and shard.rank == 1 and len(told) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
with joined(shard):
    counts = evaluate(
        Strided(), images, PROTOCOL, cpu, batch=2, scratch=root / "scratch", shard=shard, progress=progress
    )
np.save(root / f"counts-{shard.rank}.npy", counts)
np.save(root / f"told-{shard.rank}.npy", told)
"""
)


@pytest.fixture
def images(tmp_path: Path) -> LabelledImages:
    return labelled(tmp_path / "set", SIZES)


@pytest.fixture
def counts(images: LabelledImages) -> np.ndarray:
    expected = evaluate(Strided(), images, PROTOCOL, CPU, batch=2)
    assert expected.sum(axis=(0, 1))[:-1].all(), "every class is predicted somewhere"
    return expected


def python(*arguments: str) -> int:
    environment = os.environ | {"PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=False, timeout=240)
    return done.returncode


def torchrun(folder: Path, processes: int, *arguments: str) -> int:
    script = folder / "script.py"
    script.write_text(SHARED_OUT)
    launcher = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
    return python(*launcher, str(script), str(folder), *arguments)


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_what_was_done_before_a_kill_is_not_done_again(
    tmp_path: Path, images: LabelledImages, counts: np.ndarray
) -> None:
    assert python("-c", KILLED, str(tmp_path), "6") == -9
    part = evaluated(Strided(), images, PROTOCOL, CPU, scratch=tmp_path / "scratch", batch=2)
    assert not part.complete
    assert 0 < len(part.images) < len(images)
    assert np.array_equal(part.counts, counts[part.images])
    told: list[int] = []
    again = evaluate(
        Strided(),
        images,
        PROTOCOL,
        CPU,
        batch=2,
        scratch=tmp_path / "scratch",
        progress=lambda done, _: told.append(done),
    )
    assert np.array_equal(again, counts)
    assert told[0] == len(part.images) + 2
    whole = evaluated(Strided(), images, PROTOCOL, CPU, scratch=tmp_path / "scratch", batch=2)
    assert whole.complete
    assert np.array_equal(whole.counts, counts)


@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_find_the_integers_of_one(tmp_path: Path, counts: np.ndarray, processes: int) -> None:
    assert torchrun(tmp_path, processes) == 0
    found = [np.load(tmp_path / f"counts-{rank}.npy") for rank in range(processes)]
    assert np.array_equal(found[0], counts)
    own = [set(np.flatnonzero(each.any(axis=(1, 2))).tolist()) for each in found[1:]]
    groups = Groups(len(SIZES), 2)
    for rank, images in enumerate(own, start=1):
        assert images == {item for group in range(len(groups))[rank::processes] for item in groups.span(group)}


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_other_processes_go_on_where_killed_ones_ended(
    tmp_path: Path, images: LabelledImages, counts: np.ndarray
) -> None:
    assert torchrun(tmp_path, 2, "fatal") != 0
    part = evaluated(Strided(), images, PROTOCOL, CPU, scratch=tmp_path / "scratch", batch=2)
    assert 0 < len(part.images) < len(images)
    again = evaluate(Strided(), images, PROTOCOL, CPU, batch=2, scratch=tmp_path / "scratch")
    assert np.array_equal(again, counts)


def test_nothing_is_taken_from_another_run(tmp_path: Path, images: LabelledImages) -> None:
    scratch = tmp_path / "scratch"
    evaluate(Strided(), images, PROTOCOL, CPU, batch=2, scratch=scratch)
    assert len(list(scratch.iterdir())) == 1
    others = [
        (Strided(seed=1), images, PROTOCOL, 2),
        (Strided(), images, replace(PROTOCOL, flip=True), 2),
        (Strided(), images, PROTOCOL, 3),
        (Strided(), replace(images, items=images.items[:-1]), PROTOCOL, 2),
        (Strided(), replace(images, split=replace(images.split, digest="0" * 64)), PROTOCOL, 2),
    ]
    for model, those, protocol, batch in others:
        part = evaluated(model, those, protocol, CPU, scratch=scratch, batch=batch)
        assert len(part.counts) == 0
        assert not part.complete


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"\x80\x04."])
def test_a_damaged_file_is_measured_again(
    tmp_path: Path, images: LabelledImages, counts: np.ndarray, damage: bytes
) -> None:
    scratch = tmp_path / "scratch"
    evaluate(Strided(), images, PROTOCOL, CPU, batch=2, scratch=scratch)
    (folder,) = scratch.iterdir()
    (folder / "000002.npy").write_bytes(damage)
    assert not evaluated(Strided(), images, PROTOCOL, CPU, scratch=scratch, batch=2).complete
    assert np.array_equal(evaluate(Strided(), images, PROTOCOL, CPU, batch=2, scratch=scratch), counts)


def test_where_torchrun_put_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert launched() == ALONE
    for name, value in (("RANK", "5"), ("WORLD_SIZE", "8"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    assert launched() == Shard(5, 8, 1)
    for name, value in (("RANK", "8"), ("RANK", "x"), ("WORLD_SIZE", "")):
        monkeypatch.setenv(name, value)
        with pytest.raises(UsageError, match="torchrun"):
            launched()


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 13])
def test_shares_are_disjoint_and_complete(world: int, count: int) -> None:
    shares = [Shard(rank, world).share(range(count)) for rank in range(world)]
    assert sorted(item for share in shares for item in share) == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
