"""Several processes, each with its share of the images.

Of an evaluation they exchange nothing but which groups of images are done, and integer counts at the end. These are few
and lie on the host, so gloo carries them whatever the device; NCCL carries the gradients of a training on GPUs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch.distributed.distributed_c10d import Store

from harness.shards import Shard


@contextmanager
def joined(shard: Shard, store: Store | None = None) -> Iterator[Shard]:
    """Connect the processes of a run while the body runs; a process alone connects to nothing.

    Args:
        store: Where they find each other; None: where torchrun's environment variables say.
    """
    if shard.world == 1:
        yield shard
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=shard.rank, world_size=shard.world)
    try:
        yield shard
    finally:
        dist.destroy_process_group()


def told_by_first(flags: NDArray[np.bool_], shard: Shard) -> NDArray[np.bool_]:
    """Return the flags of process 0, the same shape everywhere."""
    if shard.world == 1:
        return flags
    shard.meet()
    shared = torch.from_numpy(flags.astype(np.uint8))
    dist.broadcast(shared, src=0)
    told: NDArray[np.bool_] = shared.numpy().astype(bool)
    return told


def summed_at_first(counts: NDArray[np.int64], shard: Shard) -> NDArray[np.int64]:
    """Return, on process 0, the sum of all processes' integers; elsewhere ``counts`` as they are."""
    if shard.world == 1:
        return counts
    shard.meet()
    total = torch.from_numpy(counts.copy())
    dist.reduce(total, dst=0, op=dist.ReduceOp.SUM)
    return total.numpy() if shard.leads else counts
