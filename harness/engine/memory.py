"""What a computation takes from the machine beyond its inputs: its result, and the work space that no tensor shows."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context

import torch

from harness.errors import UsageError
from harness.memory import peak_resident

MIB = 2**20

Work = Callable[[], object]


def peak_growth(prepare: Callable[[torch.device], Work], device: str) -> float:
    """Return by how much a computation raises the most memory ever in use, in MiB.

    It runs in a process of its own, with one thread. On the CPU the process's resident memory counts, so that the
    buffers of the convolution library do too; on CUDA torch's allocator, from which those are taken.

    Args:
        prepare: Makes the inputs on a device and returns the computation, whose result stays in memory. It is pickled,
            so it must be importable.
        device: "cpu" or "cuda".
    """
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_growth, (prepare, device))


def _growth(prepare: Callable[[torch.device], Work], device: str) -> float:
    torch.set_num_threads(1)
    work = prepare(torch.device(device))
    before = _most(device)
    with torch.inference_mode():
        result = work()
    growth = _most(device) - before
    del result
    return growth / MIB


def _most(device: str) -> int:
    """Bytes."""
    if device == "cuda":
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()
    most = peak_resident()
    if most is None:
        raise UsageError("this system does not tell how much memory a process needs", "Measure on Linux or macOS.")
    return most
