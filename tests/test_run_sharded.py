"""``torchrun -m harness run``: one record by the first process, the integers of one process, one end for all."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dataset_layouts import put_image, put_png
from experiment_desk import ROOT
from numpy.typing import NDArray

from harness.errors import ExitCode, UsageError
from harness.experiment import Options, experiments_of
from harness.ledger.record import Record
from harness.ledger.store import Ledger
from harness.runner.together import require_shareable, require_shared
from harness.shards import ALONE, Shard
from harness.statistics.evidence import Evidence
from reproductions.drn.models import build_segmenter

RUN = (
    "run",
    "drn",
    "--evidence",
    "released-weights",
    "--device",
    "cpu",
    "--weights",
    "weights",
    "--data",
    "cityscapes",
)
WEIGHTS = "drn_c_26_cityscapes.pth"
NAMES = tuple(f"frankfurt_000000_{number:06d}" for number in (294, 576, 1016, 1236, 1751))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the authors' format, and five images of Cityscapes' validation set."""
    root = tmp_path_factory.mktemp("folders")
    torch.manual_seed(1)
    (root / "weights").mkdir()
    path = root / "weights" / WEIGHTS
    torch.save(build_segmenter("DRN-C-26").state_dict(), path, _use_new_zipfile_serialization=False)
    random = np.random.default_rng(4)
    for name in NAMES:
        put_image(picture(root, name), 32, 64)
        labels = np.kron(random.integers(0, 34, (4, 8)), np.ones((8, 8))).astype(np.uint8)
        put_png(root / f"cityscapes/gtFine/val/frankfurt/{name}_gtFine_labelIds.png", labels)
        put_png(root / f"cityscapes/gtFine/val/frankfurt/{name}_gtFine_instanceIds.png", labels.astype(np.uint16))
    return root


@pytest.fixture(scope="module")
def alone(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, NDArray[Any]]:
    """What one process records, which a second method checks in test_released_experiments."""
    desk = copied(folders, tmp_path_factory.mktemp("alone"))
    code, _, err = torchrun(desk, 1)
    assert code == ExitCode.OK, err
    return only_record(desk)


def picture(root: Path, name: str) -> Path:
    return root / f"cityscapes/leftImg8bit/val/frankfurt/{name}_leftImg8bit.png"


def copied(folders: Path, desk: Path) -> Path:
    (desk / "weights").symlink_to(folders / "weights")
    shutil.copytree(folders / "cityscapes", desk / "cityscapes")
    return desk


def started(desk: Path, *arguments: str, launcher: tuple[str, ...] = (), **environment: str) -> subprocess.Popen[str]:
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    command = [sys.executable, *launcher, "-m", "harness", *arguments]
    return subprocess.Popen(
        command, cwd=desk, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=240)
    finally:
        process.kill()
    return process.returncode, out, err


def torchrun(desk: Path, processes: int) -> tuple[int, str, str]:
    launcher = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
    return finished(started(desk, *RUN, launcher=launcher))


def side_by_side(desk: Path, *commands: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """Start a process for each command as torchrun does, but with their exit codes to be seen."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(len(commands))}
    running = [
        started(desk, *command, RANK=str(rank), LOCAL_RANK=str(rank), **place) for rank, command in enumerate(commands)
    ]
    return [finished(process) for process in running]


def only_record(desk: Path) -> tuple[Record, NDArray[Any]]:
    (stored,) = Ledger(desk / "reports" / "ledger").records("drn", verify_arrays=True)
    return stored.record, stored.arrays()["confusion"]


@pytest.mark.parametrize("processes", [2, 3])
def test_torchrun_records_what_one_process_does(
    tmp_path: Path, folders: Path, alone: tuple[Record, NDArray[Any]], processes: int
) -> None:
    desk = copied(folders, tmp_path)
    code, out, err = torchrun(desk, processes)
    assert code == 0, err
    assert out.count("Report: ") == 1
    assert err.count("recorded as") == 1
    record, counts = only_record(desk)
    assert counts.tolist() == alone[1].tolist()
    assert (record.arrays, record.values, record.recipe) == (alone[0].arrays, alone[0].values, alone[0].recipe)
    assert (desk / "reports/drn/index.html").exists()
    assert not list((desk / ".remeasure/drn/units").iterdir())


@pytest.mark.parametrize("broken", [0, 1])
def test_one_broken_image_ends_all_processes_alike(tmp_path: Path, folders: Path, broken: int) -> None:
    """The images fall to processes 0, 1, 0, 1, 0."""
    desk = copied(folders, tmp_path)
    path = picture(desk, NAMES[broken])
    path.write_bytes(path.read_bytes()[:-40])
    ends = side_by_side(desk, RUN, RUN)
    assert [code for code, _, _ in ends] == [ExitCode.DATA] * 2, ends
    assert path.name in ends[0][2]
    assert ends[1][1:] == ("", "")
    assert not (desk / "reports").exists()


def test_a_process_with_other_weights_measures_nothing(tmp_path: Path, folders: Path) -> None:
    """Process 1 has a file of its own, so that its share would be another network's."""
    desk = copied(folders, tmp_path)
    (desk / "others").mkdir()
    state = torch.load(desk / "weights" / WEIGHTS, weights_only=True)
    torch.save({name: 2 * value for name, value in state.items()}, desk / "others" / WEIGHTS)
    ends = side_by_side(desk, RUN, tuple("others" if word == "weights" else word for word in RUN))
    assert [code for code, _, _ in ends] == [ExitCode.USAGE] * 2, ends
    assert "process 1 does not find the code, images and weights of process 0" in ends[0][2]
    assert not (desk / "reports").exists()


def test_what_cannot_be_shared_ends_all_processes(tmp_path: Path) -> None:
    derivation = ("run", "drn", "--device", "cpu", "--only", "architecture")
    ends = side_by_side(tmp_path, derivation, derivation)
    assert [code for code, _, _ in ends] == [ExitCode.USAGE] * 2, ends
    assert "2 processes cannot share the work of architecture" in ends[0][2]
    assert ends[1][2] == ""
    assert not (tmp_path / "reports").exists()


def test_what_several_processes_are_refused() -> None:
    two, options = Shard(0, 2), Options()
    require_shareable(("drn",), options, two)
    require_shareable(("drn", "hdc"), replace(options, budget=60.0), ALONE)
    with pytest.raises(UsageError, match="2 processes for 2 papers"):
        require_shareable(("drn", "hdc"), options, two)
    with pytest.raises(UsageError, match="--budget"):
        require_shareable(("drn",), replace(options, budget=60.0), two)
    experiments = experiments_of("drn")(options)
    alone = {Evidence.EXACT, Evidence.TIMING}
    assert all(experiment.shared != (experiment.evidence in alone) for experiment in experiments)
    require_shared(experiments, ALONE)
    with pytest.raises(UsageError, match="architecture"):
        require_shared(experiments, two)
