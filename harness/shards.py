"""A process's place among those that share a run: ``torchrun --nproc-per-node=N``. No torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from harness.errors import UsageError

T = TypeVar("T")


def _go_on() -> None:
    """Wait for nobody."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One of ``world`` processes of a run.

    Attributes:
        rank: Which, from 0.
        world: How many.
        local: Which of those on its machine: the number of its GPU.
        meet: Called before processes exchange anything: waits until all are there, and raises what keeps one away.
    """

    rank: int = 0
    world: int = 1
    local: int = 0
    meet: Callable[[], None] = field(default=_go_on, compare=False, repr=False)

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
    rank, world, local = map(int, values)
    return Shard(rank, world, local)
