"""Training by several processes: the gradient of one, the same bits in all, and an end for all."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from socket import socket

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from training_desk import CHECKPOINT, CPU, TRAINING, Double, apart, network, run, same

from harness.engine import train as engine
from harness.engine.losses import Terms, cross_entropy
from harness.engine.processes import exchanged, spans, with_exchanged_statistics
from harness.engine.recipe import Group, Training
from harness.engine.train import seeded
from harness.errors import ExitCode, InterruptedRunError, StorageError, UsageError
from harness.evaluation.shards import joined
from harness.runner.together import Company, ElsewhereError
from harness.shards import ALONE, Shard

pytestmark = pytest.mark.usefixtures("one_thread")
SHARED = replace(TRAINING, epochs=2, batch=12, groups=(Group("4.bias", rate=2, decay=0), Group("1.bias", rate=0)))
VOID = 9


def unnormalised() -> nn.Module:
    """In double precision, with a parameter that is frozen by its group."""
    with seeded(0):
        layers = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3))
        return nn.Sequential(Double(), *layers).double()


def uneven(scores: Tensor, targets: Tensor) -> Terms:
    """Three quarters of the first class are void, and a second term counts the third class alone."""
    left = targets.where((targets != 0) | (scores[:, 0] > scores[:, 1]), VOID)
    third = cross_entropy(scores, targets.where(targets == 2, VOID), VOID)
    both = cross_entropy(scores, left, VOID)
    return Terms(torch.cat([both.totals, 0.5 * third.totals]), torch.cat([both.counts, third.counts]))


def side_by_side(body: Callable[[int, int, int, Path], None], world: int, folder: Path) -> list[int | None]:
    """Run ``body`` in several processes that find each other by a port; return their exit codes."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return apart(body, [(rank, world, port, folder) for rank in range(world)])


@contextmanager
def place(rank: int, world: int, port: int) -> Iterator[Shard]:
    torch.set_num_threads(1)
    store = torch.distributed.TCPStore("127.0.0.1", port, world, is_master=rank == 0)
    with joined(Shard(rank, world), store) as shard:
        yield shard


def _train(rank: int, world: int, port: int, folder: Path) -> None:
    """Train as a whole, with other initial weights in each process; then again from where the first was interrupted."""
    with place(rank, world, port) as shard:
        engine.SAVE_EVERY = 0.0
        for parts in (1, 2):
            training = replace(SHARED, parts=parts)
            model = unnormalised() if shard.leads else unnormalised().apply(_spoil)
            own = folder / f"{parts}" / ("first" if shard.leads else "no checkpoints here")
            with suppress(KeyboardInterrupt):
                run(own, training, model=model, loss=uneven, shard=shard, at=partial(_interrupt, 5))
            model = unnormalised().apply(_spoil)
            run(own, training, model=model, loss=uneven, shard=shard)
            torch.save(model.state_dict(), folder / f"{parts} {rank}")
            assert shard.leads or not own.exists()


def _spoil(module: nn.Module) -> None:
    for parameter in module.parameters(recurse=False):
        nn.init.constant_(parameter, 0.25)


def _interrupt(step: int, done: int) -> None:
    if done == step:
        raise KeyboardInterrupt


@pytest.mark.parametrize("world", [2, 3])
def test_several_processes_take_the_steps_of_one(tmp_path: Path, world: int) -> None:
    """To ten digits in double precision, with momentum, voids spread unevenly, in parts, and interrupted once."""
    assert side_by_side(_train, world, tmp_path) == [0] * world
    for parts in (1, 2):
        alone = run(tmp_path / f"alone {parts}", replace(SHARED, parts=parts), model=unnormalised(), loss=uneven)
        ranks = [torch.load(tmp_path / f"{parts} {rank}", weights_only=True) for rank in range(world)]
        for name, value in alone.state_dict().items():
            assert all(torch.equal(one[name], other[name]) for one, other in pairwise(ranks))
            assert torch.allclose(ranks[0][name], value, rtol=1e-10, atol=1e-12), name
        moved = unnormalised().state_dict()
        assert [name for name in moved if torch.equal(moved[name], ranks[0][name])] == ["1.bias"]


def _differ(rank: int, world: int, port: int, folder: Path) -> None:
    masks: list[Tensor] = []
    with place(rank, world, port) as shard:
        with seeded(0):
            model = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(300, 3))
        model[1].register_forward_hook(lambda _m, _i, kept: masks.append(kept != 0))
        run(folder, replace(TRAINING, epochs=1), model=model, shard=shard)
    torch.save(masks, folder / f"{rank}")


def test_processes_drop_different_units(tmp_path: Path) -> None:
    assert side_by_side(_differ, 2, tmp_path) == [0, 0]
    first, second = (torch.load(tmp_path / name, weights_only=True) for name in "01")
    assert len(first) == len(second) == 5
    assert not any(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def _die(rank: int, world: int, port: int, folder: Path) -> None:
    with place(rank, world, port) as shard:
        engine.SAVE_EVERY = 0.0
        watched: list[int] = []

        def stepped(done: int) -> None:
            watched.append(done)
            if done == 5 and rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            run(folder, SHARED, model=unnormalised(), shard=shard, at=stepped)
        except InterruptedRunError as error:
            (folder / "told").write_text(f"{watched[-2:]} {error}")
            raise SystemExit(error.exit_code) from None


def test_a_process_that_dies_ends_the_others_with_a_word(tmp_path: Path) -> None:
    assert side_by_side(_die, 2, tmp_path) == [ExitCode.INTERRUPTED, -signal.SIGKILL]
    told = (tmp_path / "told").read_text()
    assert told.startswith("[5, 5] another process of the training was lost")
    assert f"the last good checkpoint is {tmp_path / CHECKPOINT}, after step 5" in told


def _fail(rank: int, world: int, port: int, folder: Path) -> None:
    """As in a run of several processes; the one that the folder names fails in its fifth step."""
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE=str(world))

    def stepped(done: int) -> None:
        company.watch()
        if done == 5 and folder.name == str(rank):
            raise StorageError("the disk is full")

    try:
        with Company(Shard(rank, world)) as company:
            run(folder, SHARED, model=unnormalised(), shard=company.shard, at=stepped)
    except (StorageError, ElsewhereError) as error:
        (folder / "told").write_text(f"{error}")
        raise SystemExit(error.exit_code) from None


@pytest.mark.parametrize("failing", [0, 1])
def test_what_ends_one_process_of_a_run_ends_the_others_with_its_words(tmp_path: Path, failing: int) -> None:
    folder = tmp_path / str(failing)
    folder.mkdir()
    assert side_by_side(_fail, 2, folder) == [ExitCode.STORAGE] * 2
    assert (folder / "told").read_text() == "the disk is full"


def test_batch_statistics_of_several_processes_are_refused_on_the_cpu() -> None:
    with pytest.raises(UsageError, match="2 processes on the CPU cannot normalise by the statistics of a whole step"):
        exchanged(network(), TRAINING, CPU, Shard(0, 2))


def test_exchanged_statistics_are_the_networks_own(tmp_path: Path) -> None:
    """What is trained shares every tensor with the network, and is batch norm where nothing is to be exchanged."""
    model = network()
    twin = with_exchanged_statistics(model)
    mine, its = ({name: t.data_ptr() for name, t in m.state_dict(keep_vars=True).items()} for m in (model, twin))
    assert mine == its
    assert [type(module) for module in model.children()].count(nn.BatchNorm2d) == 1
    assert [type(module) for module in twin.children()].count(nn.SyncBatchNorm) == 1
    learnt = dict(model.named_parameters())
    assert all(parameter is learnt[name] for name, parameter in twin.named_parameters())
    run(tmp_path, model=model)
    x = torch.randn(4, 3, 10, 10)
    torch.testing.assert_close(twin.eval()(x), model(x))
    assert same(twin, model)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(0, 3), st.integers(1, 3))
def test_processes_share_each_part_of_each_step(world: int, parts: int, share: int, begin: int, steps: int) -> None:
    """Put together in the order of the parts, the shares are what one process sees."""
    training = Training(1, max(2, world * parts * share), 0.1, parts=parts if world * parts * share >= 2 else 1)
    if training.batch // training.parts % world:
        return
    seen = [spans(training, range(begin, begin + steps), Shard(rank, world)) for rank in range(world)]
    together = [place for piece in zip(*seen, strict=True) for start, end in piece for place in range(start, end)]
    alone = [place for start, end in spans(training, range(begin, begin + steps), ALONE) for place in range(start, end)]
    assert together == alone == list(range(begin * training.batch, (begin + steps) * training.batch))


def test_unequal_shares_are_refused() -> None:
    with pytest.raises(UsageError, match="3 processes cannot take equal shares of 4 images"):
        spans(replace(TRAINING, parts=2), range(1), Shard(0, 3))
