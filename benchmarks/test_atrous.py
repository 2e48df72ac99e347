"""Two ways of atrous convolution, and training steps of DeepLab's networks: ``pytest benchmarks``.

As in ``test_throughput.py`` every system is timed in each block before any is timed again, and only ratios within a run
are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import msgspec
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from harness.architecture.cost import multiply_adds
from harness.engine.throughput import MIB, check_speed, state
from harness.engine.timings import Timing
from harness.experiment import Options
from harness.ledger.record import Code, Environment
from harness.runner.environment import environment
from harness.runner.identity import code_of
from reproductions.deeplab.atrous import WAYS
from reproductions.deeplab.experiments import experiments
from reproductions.deeplab.losses import cell_loss
from reproductions.deeplab.models import build
from reproductions.deeplab.recipes import TIMING_BLOCKS
from reproductions.deeplab.specs import CLASSES, TABLE_1

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SUFFIX = "-gpu" if DEVICE.type == "cuda" else ""
DECLARED = {experiment.key: experiment for experiment in experiments(Options(device=DEVICE.type))}


@pytest.mark.parametrize("system", WAYS)
@pytest.mark.parametrize("block", range(TIMING_BLOCKS))
def test_atrous_convolution(benchmark: BenchmarkFixture, block: int, system: str) -> None:
    recipe = DECLARED[f"atrous{SUFFIX}"].recipe
    layer, x = convolution(recipe["rate"]), maps()
    convolve, padding = WAYS[system], layer.padding[0]
    assert isinstance(padding, int)

    def run() -> None:
        with torch.inference_mode():
            convolve(x, layer.weight, layer.bias, recipe["rate"], padding)

    measure(benchmark, f"atrous{SUFFIX}", system, block, run, multiply_adds(layer, (x.shape[1], *x.shape[2:])))


@pytest.mark.parametrize("system", TABLE_1)
@pytest.mark.parametrize("block", range(TIMING_BLOCKS))
def test_training_step(benchmark: BenchmarkFixture, block: int, system: str) -> None:
    key = f"training-speed{SUFFIX}"
    shape = (3, DECLARED[key].recipe["image-side"], DECLARED[key].recipe["image-side"])
    with torch.device("meta"):
        work = multiply_adds(build(system), shape)
    network = build(system).to(memory_format=torch.channels_last).to(DEVICE)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    images = torch.randn(1, *shape, device=DEVICE).to(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (1, *shape[1:]), device=DEVICE)

    def run() -> None:
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(cell_loss(network.scores(images), labels).value)
        optimiser.step()

    measure(benchmark, key, system, block, run, work)


def measure(benchmark: BenchmarkFixture, key: str, system: str, block: int, run: Callable[[], None], work: int) -> None:
    """Time ``run``, which does at least ``work`` multiply-adds, and say what was timed."""
    recipe, before = DECLARED[key].recipe, state(DEVICE)

    def finished() -> None:
        run()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize(DEVICE)

    benchmark.pedantic(finished, rounds=recipe["rounds"], iterations=1, warmup_rounds=recipe["warm-up"])
    check_speed(work, benchmark.stats.stats.min, DEVICE)
    values = {"memory": memory(finished), **before} if DEVICE.type == "cuda" else before
    here, code = circumstances(key)
    timing = Timing("deeplab", key, system, block, dict(recipe), values, here, code, DECLARED[key].deviations)
    benchmark.extra_info.update(msgspec.to_builtins(timing))


def memory(run: Callable[[], None]) -> float:
    """Return the most memory that torch allocates on the GPU during ``run``, in MiB."""
    torch.cuda.reset_peak_memory_stats(DEVICE)
    run()
    return torch.cuda.max_memory_allocated(DEVICE) / MIB


@cache
def convolution(rate: int) -> nn.Conv2d:
    """LargeFOV's ``fc6``."""
    inside, outside = DECLARED[f"atrous{SUFFIX}"].recipe["channels"]
    torch.manual_seed(0)
    return nn.Conv2d(inside, outside, 3, padding=rate, dilation=rate, device=DEVICE)


@cache
def maps() -> Tensor:
    recipe = DECLARED[f"atrous{SUFFIX}"].recipe
    return torch.randn(recipe["batch"], recipe["channels"][0], recipe["map-side"], recipe["map-side"], device=DEVICE)


@cache
def circumstances(key: str) -> tuple[Environment, Code]:
    return environment(DEVICE.type), code_of(DECLARED[key].source)
