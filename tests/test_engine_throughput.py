"""Speed and memory: what is counted by hand, what is refused, and the way from a benchmark's JSON to records."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.engine.throughput import MIB, ImpossibleSpeedError, check_speed, fastest, forward, peak_memory
from harness.engine.timings import by_system, read, relative
from harness.errors import UsageError
from harness.scoring.scores import metrics, samples
from harness.statistics.evidence import Evidence
from reproductions.drn.models import build

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[1]


class Chain(nn.Module):
    """Input x is kept by its owner; at most two of the results are needed at once."""

    def forward(self, x: Tensor) -> Tensor:
        a = x + 1
        b = a * 2
        c = b.relu_()
        d = c.flatten(1)
        return d - 1


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_memory_of_a_chain_is_three_tensors(device: str) -> None:
    assert peak_memory(Chain(), torch.zeros(1, MIB // 4, device=device)) == 3


def test_memory_of_a_residual_network_by_hand() -> None:
    """The peak of ResNet-18 is its first batch normalisation: image, and two maps of 64 x 112 x 112 for each image."""
    with torch.device("meta"):
        model, images = build("ResNet-18").eval(), torch.empty(4, 3, 224, 224)
    weights = sum(t.nbytes for t in (*model.parameters(), *model.buffers()))
    assert peak_memory(model, images) == (weights + 4 * 4 * (3 * 224**2 + 2 * 64 * 112**2)) / MIB


def test_dilation_costs_memory_only_where_maps_stay_large() -> None:
    def memory(name: str) -> float:
        with torch.device("meta"):
            return peak_memory(build(name).eval(), torch.empty(4, 3, 224, 224))

    assert memory("DRN-A-18") == memory("ResNet-18")
    assert memory("DRN-A-50") > memory("ResNet-50")


def test_forward_runs_the_model() -> None:
    seen: list[Tensor] = []
    model = nn.Identity()
    model.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    images = torch.rand(2, 3, 4, 4)
    forward(model, images)()
    assert torch.equal(seen[0], images)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)


def test_impossible_speeds_are_refused() -> None:
    limit = fastest(CPU)
    assert limit is not None
    check_speed(int(limit / 2), 1.01, CPU)
    with pytest.raises(ImpossibleSpeedError, match=r"TFLOP/s measured where .* is the limit"):
        check_speed(int(limit / 2), 0.99, CPU)


def test_ratios_cancel_drift() -> None:
    drift = np.array([1.0, 3.0, 0.5, 2.0])
    ratio = relative(2.5 * drift, drift)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2.5, 2.5, 2.5))
    noisy = relative(np.array([2.0, 8.0]), np.array([1.0, 1.0]))
    assert noisy.value == pytest.approx(4)
    assert noisy.low < 2
    assert noisy.high > 8


@pytest.mark.parametrize(
    ("left", "right"), [([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([1.0, 0.0], [1.0, 1.0]), ([1.0, np.nan], [1.0, 1.0])]
)
def test_ratios_of_nonsense_are_refused(left: list[float], right: list[float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        relative(np.array(left), np.array(right))


# From a benchmark to records ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def benchmarked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real benchmark, of two networks and one image at a time."""
    path = tmp_path_factory.mktemp("bench") / "bench.json"
    chosen = "latency and (ResNet-18 or DRN-A-18)"
    command = [sys.executable, "-m", "pytest", "benchmarks", "-q", "-k", chosen, f"--benchmark-json={path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return path


def test_a_benchmark_becomes_records(benchmarked: Path) -> None:
    found = read(benchmarked)
    assert [record.system for record, _ in found] == ["ResNet-18", "DRN-A-18"]
    for record, arrays in found:
        assert record.evidence is Evidence.TIMING
        assert arrays["seconds"].shape == (record.recipe["blocks"] * record.recipe["rounds"],)
        scored = {metric.name for sample in samples(record, arrays)[record.system] for metric in metrics(sample)}
        assert scored == {"time", "rate", "memory"}
    seconds = by_system(found, "latency")
    assert relative(seconds["DRN-A-18"], seconds["ResNet-18"]).value > 1


def test_rounds_of_different_systems_alternate(benchmarked: Path) -> None:
    document = json.loads(benchmarked.read_text())
    order = [(b["extra_info"]["block"], b["extra_info"]["system"]) for b in document["benchmarks"]]
    assert order == [(block, system) for block in range(5) for system in ("ResNet-18", "DRN-A-18")]


def altered(path: Path, folder: Path, change: Any) -> Path:
    document = json.loads(path.read_text())
    change(document["benchmarks"])
    other = folder / "bench.json"
    other.write_text(json.dumps(document))
    return other


def test_a_mixture_of_runs_is_refused(benchmarked: Path, tmp_path: Path) -> None:
    def other_code(benchmarks: list[dict[str, Any]]) -> None:
        benchmarks[2]["extra_info"]["code"]["digest"] = "0" * 64

    def lost_round(benchmarks: list[dict[str, Any]]) -> None:
        benchmarks[3]["stats"]["data"].pop()

    with pytest.raises(UsageError, match="another recipe, code or machine"):
        read(altered(benchmarked, tmp_path, other_code))
    with pytest.raises(UsageError, match="not timed equally often"):
        read(altered(benchmarked, tmp_path, lost_round))


@pytest.mark.parametrize("content", ["", "{}", '{"datetime": "now", "benchmarks": [{"name": "x"}]}'])
def test_other_json_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bench.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"bench\.json: not the JSON"):
        read(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / "missing.json")
