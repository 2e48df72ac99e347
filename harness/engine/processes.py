"""One training by several processes: each takes its share of every step and gets the gradient of the whole."""

from __future__ import annotations

import copy
import gc
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from harness.engine.examples import Span
from harness.engine.losses import Terms
from harness.engine.optimiser import BATCH_NORMS
from harness.engine.recipe import Training
from harness.errors import UsageError
from harness.shards import Shard


@dataclass(frozen=True, slots=True, eq=False)
class Exchanged:
    """A network whose gradients are the mean over processes.

    Attributes:
        forward: From network input to scores.
        apart: Within it gradients add up in each process; they are exchanged by the next pass outside of it.
    """

    forward: Callable[[Tensor], Any]
    apart: Callable[[], AbstractContextManager[None]]


def exchanged(model: nn.Module, training: Training, device: torch.device, shard: Shard) -> Exchanged:
    """Make the processes' weights those of the first, and return the network as they train it together.

    Parameters and buffers stay those of ``model``, whose names do not change.

    Raises:
        UsageError: Batch norm needs all images of a step, and torch has no exchange of its statistics on the CPU.
        RemeasureError: A process is missing, and why.
    """
    if shard.world == 1:
        return Exchanged(torch.compile(model) if training.compiled else model, nullcontext)
    if training.batch_norm == "batch" and any(isinstance(module, BATCH_NORMS) for module in model.modules()):
        if device.type == "cpu":
            raise UsageError(
                f"{shard.world} processes on the CPU cannot normalise by the statistics of a whole step",
                "Train by one process, on GPUs, or with batch_norm='frozen'.",
            )
        model = with_exchanged_statistics(model)
    shard.meet()
    network = DistributedDataParallel(model, gradient_as_bucket_view=True)
    return Exchanged(torch.compile(network) if training.compiled else network, network.no_sync)


@contextmanager
def letting_go(shard: Shard) -> Iterator[None]:
    """Forget, if the body fails, what its functions held.

    A connection lasts as long as anything refers to it, and the other processes wait for it to end.
    """
    try:
        yield
    finally:
        failure = sys.exception()
        if failure is not None and shard.world > 1:
            traceback.clear_frames(failure.__traceback__)
            gc.collect()


def with_exchanged_statistics(model: nn.Module) -> nn.Module:
    """Return the network with batch norm over all processes; it shares every parameter and buffer with ``model``."""
    shared = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    convert: Callable[[nn.Module], nn.Module] = nn.SyncBatchNorm.convert_sync_batchnorm
    return convert(copy.deepcopy(model, shared))


def spans(training: Training, steps: range, shard: Shard) -> list[Span]:
    """Return the places in an epoch's order that fall to this process: an equal share of each part of each step.

    Raises:
        UsageError: A part's images cannot be shared equally.
    """
    part = training.batch // training.parts
    if part % shard.world:
        raise UsageError(
            f"{shard.world} processes cannot take equal shares of {part} images",
            f"Choose a number of processes that divides {part}.",
        )
    share = part // shard.world
    starts = (step * training.batch + p * part + shard.rank * share for step in steps for p in range(training.parts))
    return [(start, start + share) for start in starts]


def over_all(terms: Terms, shard: Shard) -> Terms:
    """Return the sums and numbers of all processes together, without gradients."""
    totals = terms.totals.detach()
    if shard.world == 1:
        return Terms(totals, terms.counts)
    both = torch.stack([totals, terms.counts.to(totals.dtype)])
    dist.all_reduce(both)
    return Terms(both[0], both[1])


def from_first(content: bytes | None, shard: Shard) -> bytes | None:
    """Return what process 0 gives; what others give does not count.

    Raises:
        RemeasureError: A process is missing, and why.
    """
    if shard.world == 1:
        return content
    shard.meet()
    size = torch.tensor(-1 if content is None else len(content))
    dist.broadcast(size, src=0)
    if size < 0:
        return None
    data = np.zeros(int(size), dtype=np.uint8) if content is None else np.frombuffer(content, dtype=np.uint8).copy()
    if len(data):
        dist.broadcast(torch.from_numpy(data), src=0)
    return data.tobytes()
