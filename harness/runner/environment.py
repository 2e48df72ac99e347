"""Where a measurement was made: processor, device, and the versions that matter."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from harness import __version__
from harness.ledger.record import Environment
from harness.memory import peak_resident

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pillow", "pydensecrf2")


def environment(device: str) -> Environment:
    """Describe this machine and process.

    Args:
        device: "cpu" or "cuda".
    """
    import torch

    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        processor=processor(),
        cores=cores(),
        threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name() if device == "cuda" else "cpu",
        packages=dict(_versions(device)),
    )


def same_machine(left: Environment, right: Environment) -> bool:
    """Whether work takes about as long in both: the same processor, cores, threads and device."""

    def key(of: Environment) -> tuple[str, int, int, str]:
        return of.processor, of.cores, of.threads, of.device

    return key(left) == key(right)


def cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory() -> float | msgspec.UnsetType:
    """Return the most memory this process has had resident so far, in MiB; unset where the system does not tell."""
    most = peak_resident()
    return msgspec.UNSET if most is None else round(most / 2**20, 1)


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name as far as the system tells it."""
    try:
        lines = cpuinfo.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _versions(device: str) -> Iterator[tuple[str, str]]:
    yield "remeasure", __version__
    for package in PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue
    if device == "cuda":
        import torch

        cudnn: Callable[[], int | None] = torch.backends.cudnn.version
        yield "cuda", str(torch.version.cuda)
        yield "cudnn", str(cudnn())
