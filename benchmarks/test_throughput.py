"""Speed and memory of the paper's networks: ``pytest benchmarks --benchmark-json=FILE``.

Every network is timed in each block before any is timed again, so that the machine's drift falls on all of them alike
and cancels in ratios within a block. :func:`harness.engine.timings.read` turns the file into records.
"""

from __future__ import annotations

from functools import cache

import msgspec
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from harness.architecture.cost import multiply_adds
from harness.engine.throughput import check_speed, forward, peak_memory, state
from harness.engine.timings import Timing
from harness.experiment import Options
from harness.ledger.record import Code, Environment
from harness.runner.environment import environment
from harness.runner.identity import code_of
from reproductions.drn.experiments import TABLE_1, experiments
from reproductions.drn.models import Classifier, build
from reproductions.drn.recipes import TIMING_BLOCKS

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
KEYS = ["latency-gpu", "throughput-gpu"] if DEVICE.type == "cuda" else ["latency", "throughput"]
DECLARED = {experiment.key: experiment for experiment in experiments(Options(device=DEVICE.type))}


@pytest.mark.parametrize("system", TABLE_1)
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("block", range(TIMING_BLOCKS))
def test_forward(benchmark: BenchmarkFixture, block: int, key: str, system: str) -> None:
    recipe = DECLARED[key].recipe
    shape = (3, recipe["image-side"], recipe["image-side"])
    images = torch.randn(recipe["batch"], *shape, device=DEVICE)
    before = state(DEVICE)
    benchmark.pedantic(
        forward(network(system), images), rounds=recipe["rounds"], iterations=1, warmup_rounds=recipe["warm-up"]
    )
    check_speed(recipe["batch"] * work(system, shape), benchmark.stats.stats.min, DEVICE)
    values = {"memory": memory(system, (recipe["batch"], *shape)), **before}
    here, code = circumstances(key)
    timing = Timing("drn", key, system, block, dict(recipe), values, here, code, DECLARED[key].deviations)
    benchmark.extra_info.update(msgspec.to_builtins(timing))


@cache
def network(system: str) -> Classifier:
    return build(system).eval().to(memory_format=torch.channels_last).to(DEVICE)


@cache
def work(system: str, shape: tuple[int, int, int]) -> int:
    with torch.device("meta"):
        return multiply_adds(build(system), shape)


@cache
def memory(system: str, shape: tuple[int, ...]) -> float:
    if DEVICE.type == "cuda":
        return peak_memory(network(system), torch.empty(shape, device=DEVICE))
    with torch.device("meta"):
        return peak_memory(build(system).eval(), torch.empty(shape))


@cache
def circumstances(key: str) -> tuple[Environment, Code]:
    return environment(DEVICE.type), code_of(DECLARED[key].source)
