"""Several processes, each with its share of the images: ``torchrun --nproc-per-node=N``.

The processes exchange nothing but which groups of images are done, and integer counts at the end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from harness.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of ``world`` processes of a run.

    Attributes:
        rank: Which, from 0.
        world: How many.
        local: Which of those on its machine: the number of its GPU.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process reports and records."""
        return self.rank == 0

    def share(self, things: Sequence[T]) -> Sequence[T]:
        """Return every ``world``-th, from the one at ``rank``: each falls to one process."""
        return things[self.rank :: self.world]


ALONE = Shard()


def launched() -> Shard:
    """Return this process's place among those that torchrun started, :data:`ALONE` without torchrun.

    Raises:
        UsageError: The environment variables that torchrun sets are not a place among processes.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if not any(name in os.environ for name in names[:2]):
        return ALONE
    values = [os.environ.get(name, "0" if name == "LOCAL_RANK" else "") for name in names]
    if not all(value.isdecimal() for value in values) or int(values[0]) >= int(values[1]):
        raise UsageError(
            "these environment variables name no process of a run: "
            + ", ".join(f"{name}={value!r}" for name, value in zip(names, values, strict=True)),
            "Start the processes by torchrun, or unset the variables.",
        )
    return Shard(*map(int, values))


@contextmanager
def joined(shard: Shard, device: torch.device) -> Iterator[Shard]:
    """Connect the processes of a run while the body runs: by NCCL if ``device`` is a GPU, else by gloo.

    A process alone connects to nothing. torchrun's environment variables say where the others are.
    """
    if shard.world == 1:
        yield shard
        return
    if device.type == "cuda":
        torch.cuda.set_device(shard.local)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", rank=shard.rank, world_size=shard.world)
    try:
        yield shard
    finally:
        dist.destroy_process_group()


def told_by_first(flags: NDArray[np.bool_], shard: Shard, device: torch.device) -> NDArray[np.bool_]:
    """Return the flags of process 0, the same shape everywhere."""
    if shard.world == 1:
        return flags
    shared = torch.from_numpy(flags.astype(np.uint8)).to(device)
    dist.broadcast(shared, src=0)
    told: NDArray[np.bool_] = shared.cpu().numpy().astype(bool)
    return told


def summed_at_first(counts: NDArray[np.int64], shard: Shard, device: torch.device) -> NDArray[np.int64]:
    """Return, on process 0, the sum of all processes' integers; elsewhere ``counts`` as they are."""
    if shard.world == 1:
        return counts
    total = torch.from_numpy(counts.copy()).to(device)
    dist.reduce(total, dst=0, op=dist.ReduceOp.SUM)
    return total.cpu().numpy() if shard.leads else counts
