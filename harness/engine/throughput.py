"""How fast a network runs and how much memory it takes, with what must be known to believe the figure."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from harness.architecture.graph import trace
from harness.errors import ExitCode, RemeasureError

MIB = 2**20

_FASTEST_CORE = 6e9 * 2 * 32
"""FLOP/s that no core passes in single precision: 6 GHz, two fused multiply-adds of 16 lanes per cycle."""

_DENSE_BF16 = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40": 362e12,
    "L4": 121e12,
    "A10": 125e12,
    "RTX 4090": 330e12,
    "RTX 3090": 142e12,
}
"""FLOP/s in bfloat16 without sparsity, from the makers' data sheets; the largest of the variants with that name."""


class ImpossibleSpeedError(RemeasureError):
    """A measured speed above what the device can do: the clock or the synchronisation is wrong."""

    exit_code = ExitCode.NOTHING_MEASURED


def forward(model: nn.Module, images: Tensor) -> Callable[[], None]:
    """Return a function that runs one forward pass and waits for it.

    Args:
        model: In evaluation mode and channels-last order on the device of ``images``.
        images: float32 [B, 3, H, W]; on CUDA the pass runs in bfloat16 where torch's autocast allows.
    """
    device = images.device
    cuda = device.type == "cuda"
    inputs = images.to(memory_format=torch.channels_last)

    def run() -> None:
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=cuda):
            model(inputs)
        if cuda:
            torch.cuda.synchronize(device)

    return run


def peak_memory(model: nn.Module, images: Tensor) -> float:
    """Return the most memory that parameters, buffers and activations take at once during a forward pass, in MiB.

    On CUDA as torch's allocator counts it, work space of convolutions included. Elsewhere each tensor counts from when
    it is made until it is last used, which needs no arithmetic: on the meta device the result comes at once.
    """
    resident = [*model.parameters(), *model.buffers(), images]
    if images.device.type == "cuda":
        run = forward(model, images)
        before = torch.cuda.memory_allocated(images.device)
        torch.cuda.reset_peak_memory_stats(images.device)
        run()
        made = torch.cuda.max_memory_allocated(images.device) - before
        return float((sum(_storages(resident).values()) + made) / MIB)
    live = _LiveTensors(trace(model), resident)
    with torch.no_grad():
        live.run(images)
    return live.peak / MIB


def check_speed(multiply_adds: int, seconds: float, device: torch.device) -> None:
    """Refuse a speed that no such device can have.

    Args:
        multiply_adds: Of the work done in ``seconds``; one is two floating-point operations.

    Raises:
        ImpossibleSpeedError: The speed is above :func:`fastest`.
    """
    limit = fastest(device)
    if limit is not None and 2 * multiply_adds > limit * seconds:
        raise ImpossibleSpeedError(
            f"{2 * multiply_adds / seconds / 1e12:.3g} TFLOP/s measured where {limit / 1e12:.3g} is the limit",
            "The clock or the synchronisation with the device is wrong; nothing is recorded.",
        )


def fastest(device: torch.device) -> float | None:
    """Return the FLOP/s that a device cannot pass; None if it is not known."""
    if device.type == "cpu":
        return torch.get_num_threads() * _FASTEST_CORE
    name = torch.cuda.get_device_name(device)
    return next((rate for part, rate in _DENSE_BF16.items() if part in name), None)


def state(device: torch.device) -> dict[str, int | float | str]:
    """Return what else may explain a speed: how busy the machine is and, on CUDA, the device's clock and heat."""
    found: dict[str, int | float | str] = {}
    if hasattr(os, "getloadavg"):
        found["load-average"] = os.getloadavg()[0]
    if device.type == "cuda":
        query = "clocks.sm,temperature.gpu,power.draw,utilization.gpu"
        command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
        try:
            found["device-state"] = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            found["device-state"] = "unknown"
    return found


class _LiveTensors(fx.Interpreter):
    """Runs a traced network node by node and keeps the most bytes that its values took at once.

    Args:
        graph: The network.
        resident: Tensors that are there all the time; always counted, once.
    """

    def __init__(self, graph: fx.GraphModule, resident: list[Tensor]) -> None:
        super().__init__(graph)
        self._resident = _storages(resident)
        self.peak = sum(self._resident.values())

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        values = [value for value in (*self.env.values(), result) if isinstance(value, Tensor)]
        self.peak = max(self.peak, sum((self._resident | _storages(values)).values()))
        return result


def _storages(tensors: list[Tensor]) -> dict[int, int]:
    """Bytes of each memory block behind tensors, by its address."""
    blocks = [tensor.untyped_storage() for tensor in tensors]
    return {int(block._cdata): int(block.nbytes()) for block in blocks}
