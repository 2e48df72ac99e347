"""Interrupted training: the same bits as without, wherever it ended, and files that are always good."""

from __future__ import annotations

import os
import pickle
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from training_desk import CHECKPOINT, CPU, STEPS, TRAINING, killed, network, run, same

from harness.engine import checkpoint
from harness.engine import train as engine
from harness.engine.mishaps import DivergedError
from harness.engine.recipe import Training
from harness.errors import CheckpointError, DeviceError, ExitCode, StorageError

pytestmark = pytest.mark.usefixtures("one_thread")
IN_PARTS = replace(TRAINING, parts=2, momentum=0.5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    """Trained without interruption, saved after epochs only."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = run(tmp_path_factory.mktemp("whole"))
    torch.set_num_threads(threads)
    return model


@pytest.fixture
def always_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """After every step."""
    monkeypatch.setattr(engine, "SAVE_EVERY", 0.0)


def steps_of(folder: Path, training: Training = TRAINING) -> tuple[nn.Module, list[int]]:
    seen: list[int] = []
    return run(folder, training, at=seen.append), seen


def interrupt(at: int, error: type[BaseException] = KeyboardInterrupt) -> Callable[[int], None]:
    def stepped(done: int) -> None:
        if done == at:
            raise error

    return stepped


@pytest.mark.parametrize("step", [1, 5, 7, 11, STEPS])
def test_without_a_minute_gone_it_begins_anew_and_ends_alike(tmp_path: Path, whole: nn.Module, step: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, at=interrupt(step))
    resumed, seen = steps_of(tmp_path)
    assert same(resumed, whole)
    assert seen[0] == 1


@pytest.mark.usefixtures("always_saved")
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_from_within_an_epoch_to_the_same_bits(tmp_path: Path, whole: nn.Module, step: int) -> None:
    """The step after which it ends is not saved any more, the ones before it are."""
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, at=interrupt(step))
    resumed, seen = steps_of(tmp_path)
    assert same(resumed, whole)
    assert seen[0] == step


@pytest.mark.parametrize(
    ("training", "steps"), [(TRAINING, (1, 4, 5, 6, 13)), (IN_PARTS, (3, 8))], ids=["whole steps", "parts"]
)
def test_killed_again_and_again_it_comes_to_the_same_bits(
    tmp_path: Path, training: Training, steps: tuple[int, ...]
) -> None:
    for step in steps:
        killed(tmp_path / "killed", step, training)
    resumed, seen = steps_of(tmp_path / "killed", training)
    assert seen[0] == steps[-1]
    assert same(resumed, run(tmp_path / "whole", training))


@pytest.mark.usefixtures("always_saved")
def test_the_log_is_that_of_an_uninterrupted_training(tmp_path: Path) -> None:
    """But for the seconds, which include those before the interruption."""
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", at=interrupt(8))
    for name in ("broken", "whole"):
        run(tmp_path / name)
    broken, whole = (saved(tmp_path / name)["log"] for name in ("broken", "whole"))
    without = [[{k: v for k, v in row.items() if k != "seconds"} for row in log] for log in (broken, whole)]
    assert without[0] == without[1]
    assert [list(row) for row in whole] == [["epoch", "loss", "learning_rate", "seconds"]] * 3
    assert all(row["seconds"] > 0 for row in broken)


def saved(folder: Path) -> dict[str, object]:
    content = checkpoint.read(folder / CHECKPOINT)
    assert content is not None
    return checkpoint.decode(content, folder / CHECKPOINT, CPU)


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    first = run(tmp_path)
    second, seen = steps_of(tmp_path)
    assert not seen
    assert same(first, second)


def test_when_it_is_saved_changes_nothing(tmp_path: Path, whole: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SAVE_EVERY", 0.0)
    assert same(run(tmp_path), whole)


@pytest.mark.usefixtures("always_saved")
def test_a_full_disk_leaves_the_last_good_state(tmp_path: Path, whole: nn.Module) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(done: int) -> None:
        if done == 7:
            resource.setrlimit(resource.RLIMIT_FSIZE, (512, limits[1]))

    try:
        with pytest.raises(StorageError, match=rf"cannot write .*{CHECKPOINT}: File too large"):
            run(tmp_path, at=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    resumed, seen = steps_of(tmp_path)
    assert seen[0] == 7
    assert same(resumed, whole)


class Faulty(nn.Module):
    """A network that fails in one step, and then no more."""

    def __init__(self, step: int, fail: Callable[[], object]) -> None:
        super().__init__()
        self.inner = network()
        self.left = step
        self.fail = fail

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.left -= 1
        if self.left == 0:
            self.fail()
        scores: torch.Tensor = self.inner(x)
        return scores


def too_large() -> None:
    torch.empty(1 << 60, dtype=torch.uint8)


def no_memory() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def lost() -> None:
    raise RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later")


@pytest.mark.usefixtures("always_saved")
@pytest.mark.parametrize(
    ("fail", "said"),
    [
        (too_large, "training ran out of memory: .*can't allocate memory.*"),
        (no_memory, "training ran out of memory: CUDA out of memory. Tried to allocate 20.00 GiB."),
        (lost, "the device failed in training: CUDA error: unspecified launch failure"),
    ],
)
def test_a_device_that_fails_leaves_the_last_good_state(tmp_path: Path, fail: Callable[[], None], said: str) -> None:
    kept = rf"; the last good checkpoint is .*{CHECKPOINT}, after step 11"
    with pytest.raises(DeviceError, match=said + kept) as raised:
        run(tmp_path, model=Faulty(12, fail))
    assert raised.value.exit_code is ExitCode.DEVICE
    assert ("parts" in raised.value.remedy) == (fail is not lost)
    seen: list[int] = []
    resumed = run(tmp_path, model=Faulty(0, fail), at=seen.append)
    assert seen[0] == 12
    assert same(resumed, run(tmp_path / "whole", model=Faulty(0, fail)))


def test_before_the_first_minute_there_is_no_checkpoint_to_name(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="there is no checkpoint yet"):
        run(tmp_path, model=Faulty(2, no_memory))
    assert not list(tmp_path.iterdir())


def test_other_errors_are_defects(tmp_path: Path) -> None:
    def fail() -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        run(tmp_path, model=Faulty(2, fail))


def test_divergence_names_step_rate_and_the_last_good_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DivergedError, match=r"step \d+ \(epoch 1\), learning rate 9\.\d+e\+29; there is no checkpoint"):
        run(tmp_path, replace(TRAINING, learning_rate=1e30))
    assert not list(tmp_path.iterdir())

    def spoil(done: int) -> None:
        monkeypatch.setattr(engine, "SAVE_EVERY", 0.0 if done == 10 else 60.0)
        if done == 13:
            with torch.no_grad():
                next(model.parameters())[0, 0, 0, 0] = torch.nan

    model = network()
    kept = rf"the last good checkpoint is .*{CHECKPOINT}, after step 10\n"
    with pytest.raises(DivergedError, match=rf"the loss is nan at step 14 \(epoch 3\), learning rate [\d.]+; {kept}"):
        run(tmp_path, at=spoil, model=model)
    kept_state = saved(tmp_path)
    assert kept_state["step"] == 10
    assert all(value.isfinite().all() for value in kept_state["model"].values())  # type: ignore[attr-defined]


@pytest.mark.usefixtures("always_saved")
def test_what_is_saved_within_an_epoch_is_finite(tmp_path: Path) -> None:
    """Infinite momentum spoils nothing until the next step, and is not saved either."""
    with pytest.raises(DivergedError, match=r"infinite weights at step 1 \(epoch 1\)"):
        run(tmp_path, replace(TRAINING, epochs=1, batch=20, learning_rate=3e38, weight_decay=1e5))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", [{"learning_rate": 0.1}, {"epochs": 4}, {"parts": 2}])
def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path, change: dict[str, float]) -> None:
    run(tmp_path)
    with pytest.raises(CheckpointError, match=r"a\.pt: a checkpoint of another training"):
        run(tmp_path, replace(TRAINING, **change))


class Bomb:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch exploded",)


@pytest.fixture(params=["empty", "text", "code", "truncated"])
def unusable(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / CHECKPOINT
    match request.param:
        case "truncated":
            run(tmp_path)
            path.write_bytes(path.read_bytes()[:-200])
        case kind:
            path.write_bytes({"empty": b"", "text": b"not a checkpoint", "code": pickle.dumps(Bomb(), 2)}[kind])
    return path


def test_an_unusable_checkpoint_is_refused(unusable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(unusable.parent)
    with pytest.raises(CheckpointError, match=r"a\.pt: not a training checkpoint"):
        run(unusable.parent)
    assert not (unusable.parent / "exploded").exists()


def test_an_unreadable_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).mkdir()
    with pytest.raises(CheckpointError, match=r"a\.pt: not a training checkpoint \(Is a directory\)"):
        run(tmp_path)
