"""From pytest-benchmark's JSON to records, and from records to ratios. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.ledger.record import Code, Deviation, Environment, Record
from harness.statistics.evidence import Evidence
from harness.statistics.intervals import student

S = TypeVar("S", bound=msgspec.Struct)


class Timing(msgspec.Struct, frozen=True):
    """What a benchmark says of itself in pytest-benchmark's ``extra_info``.

    Attributes:
        paper, experiment, system: What was timed.
        block: Which of the interleaved passes over all systems.
        recipe: As the experiment declares it.
        values: Memory in MiB, and the state of the device.
    """

    paper: str
    experiment: str
    system: str
    block: int
    recipe: dict[str, Any]
    values: dict[str, int | float | str]
    environment: Environment
    code: Code
    deviations: tuple[Deviation, ...] = ()


class Workload(msgspec.Struct, frozen=True):
    """What a benchmark of the harness itself says in ``extra_info``: it times no network and is not recorded.

    Attributes:
        task: What was done ("audit").
        size: How many of ``unit`` it was done to.
        block: Which of the interleaved passes over all sizes.
    """

    task: str
    size: int
    unit: str
    block: int


class _Stats(msgspec.Struct):
    data: list[float]


class _Benchmark(msgspec.Struct):
    name: str
    stats: _Stats
    extra_info: dict[str, Any]

    @property
    def timing(self) -> Timing:
        return msgspec.convert(self.extra_info, Timing)


class _Document(msgspec.Struct):
    datetime: str
    benchmarks: list[_Benchmark]


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as long as the baseline, with a 95 % interval."""

    value: float
    low: float
    high: float


def read(path: Path) -> list[tuple[Record, dict[str, NDArray[np.float64]]]]:
    """Turn a file of ``pytest benchmarks --benchmark-json`` into one record for each experiment and system of a paper.

    ``seconds`` holds all rounds, block by block, so that rounds of different systems at the same place were timed close
    together. Values are those of the last block.

    Raises:
        UsageError: The file is missing, is no such JSON, or mixes runs: the blocks of a system differ in recipe, code,
            machine or number of rounds.
    """
    document = _document(path)
    groups: dict[tuple[str, str, str], list[_Benchmark]] = {}
    for benchmark in document.benchmarks:
        if "task" not in benchmark.extra_info:
            timing = _converted(path, benchmark, Timing)
            groups.setdefault((timing.paper, timing.experiment, timing.system), []).append(benchmark)
    for members in groups.values():
        members.sort(key=lambda benchmark: benchmark.timing.block)
    rounds: dict[tuple[str, str], set[tuple[int, ...]]] = {}
    for (paper, experiment, _), members in groups.items():
        rounds.setdefault((paper, experiment), set()).add(tuple(len(member.stats.data) for member in members))
    if any(len(found) > 1 for found in rounds.values()):
        raise UsageError(f"{path}: the systems were not timed equally often", "Run the benchmarks again, all of them.")
    return [_record(path, members, document.datetime) for members in groups.values()]


def read_workloads(path: Path) -> dict[tuple[str, str], dict[int, NDArray[np.float64]]]:
    """Return the seconds per unit of every workload in the file, block by block: (task, unit) to size to [T].

    Raises:
        UsageError: The file is missing or no such JSON.
    """
    found: dict[tuple[str, str], dict[int, list[tuple[int, list[float]]]]] = {}
    for benchmark in _document(path).benchmarks:
        if "task" in benchmark.extra_info:
            work = _converted(path, benchmark, Workload)
            sizes = found.setdefault((work.task, work.unit), {})
            sizes.setdefault(work.size, []).append((work.block, benchmark.stats.data))
    return {
        task: {size: np.concatenate([data for _, data in sorted(blocks)]) / size for size, blocks in sizes.items()}
        for task, sizes in found.items()
    }


def _document(path: Path) -> _Document:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Document)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror})", "Run pytest benchmarks --benchmark-json=FILE."
        ) from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{path}: not the JSON of this project's benchmarks: {error}") from error


def _converted(path: Path, benchmark: _Benchmark, kind: type[S]) -> S:
    try:
        return msgspec.convert(benchmark.extra_info, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}: {benchmark.name} is none of this project's benchmarks: {error}") from error


def relative(seconds: NDArray[np.float64], baseline: NDArray[np.float64]) -> Ratio:
    """Compare durations [T] round by round: the geometric mean of the ratios, Student's interval on their logarithms.

    Raises:
        ValueError: The lengths differ, there are fewer than two rounds, or a duration is not above 0.
    """
    if seconds.shape != baseline.shape or seconds.ndim != 1 or seconds.size < 2:
        raise ValueError(f"two arrays [T], T > 1, expected, got {seconds.shape} and {baseline.shape}")
    if not (np.isfinite([seconds, baseline]).all() and (np.minimum(seconds, baseline) > 0).all()):
        raise ValueError("durations above 0 expected")
    estimate = student(np.log(seconds / baseline))
    return Ratio(*(float(np.exp(value)) for value in (estimate.value, estimate.low, estimate.high)))


def _record(path: Path, members: Sequence[_Benchmark], started: str) -> tuple[Record, dict[str, NDArray[np.float64]]]:
    last = members[-1].timing
    for member in members:
        timing = member.timing
        if (timing.recipe, timing.code, timing.environment) != (last.recipe, last.code, last.environment):
            raise UsageError(f"{path}: {member.name} was timed with another recipe, code or machine than the others")
    seconds = np.array([value for member in members for value in member.stats.data], dtype=np.float64)
    record = Record(
        paper=last.paper,
        experiment=last.experiment,
        system=last.system,
        seed=0,
        evidence=Evidence.TIMING,
        recipe=last.recipe,
        data=None,
        code=last.code,
        environment=last.environment,
        deviations=last.deviations,
        started=started,
        seconds=round(float(seconds.sum()), 3),
        values=last.values,
    )
    return record, {"seconds": seconds}


def by_system(
    records: Sequence[tuple[Record, Mapping[str, NDArray[np.float64]]]], experiment: str
) -> dict[str, NDArray[np.float64]]:
    """Return the durations of one experiment's systems, in order."""
    return {record.system: arrays["seconds"] for record, arrays in records if record.experiment == experiment}
