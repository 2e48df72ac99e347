"""Histories that others recorded: a CSV file, or the JSON files of pytest-benchmark."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import msgspec

from harness.claims.document import slug
from harness.claims.vocabulary import Direction
from harness.errors import DataError
from harness.ledger import canonical
from harness.regression.history import SEGMENT_LENGTH, Conditions, History, address_of
from harness.regression.manifests import utc
from harness.regression.model import Address, Kind, Night, Series

REQUIRED = ("night", "metric", "value")
COLUMNS = (*REQUIRED, "again", "segment", "kind", "better", "unit")
KINDS = (Kind.SPEED.value, Kind.MEMORY.value)
"""Kinds that a plain value tells enough of; accuracy is compared by the outcomes of images, which the ledger has."""
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)


@dataclass(frozen=True)
class Traits:
    """What does not change from night to night."""

    kind: Kind
    better: Direction
    unit: str


def read_recorded(path: Path) -> History:
    """Read a ``.csv`` file, a pytest-benchmark ``.json`` file, or a folder of those.

    Raises:
        DataError: It is not there or cannot be read; the message names the file and the line.
    """
    if path.is_dir():
        files = sorted(path.rglob("*.json"))
        if not files:
            raise DataError(f"{path}: no JSON file in this folder", "pytest --benchmark-autosave writes them.")
        return _from_benchmarks(files)
    return _from_benchmarks([path]) if path.suffix == ".json" else _from_csv(path)


def _from_csv(path: Path) -> History:
    """Read columns night (ISO 8601), metric, value and, where they are given, again, segment, kind, better, unit."""
    nights: defaultdict[str, dict[str, Night]] = defaultdict(dict)
    traits: dict[str, Traits] = {}
    for where, row in _rows(path):
        metric, started = row["metric"], _time(row["night"], where)
        if traits.setdefault(metric, _traits(row, where)) != _traits(row, where):
            raise DataError(f"{where}: kind, better or unit of {metric} is not what it was in the lines above")
        if started in nights[metric]:
            raise DataError(f"{where}: {metric} has a value of {row['night']} already")
        again = _number(row["again"], where) if row.get("again") else None
        segment = row.get("segment") or "recorded"
        nights[metric][started] = Night(started, _number(row["value"], where), segment, again=again)
    addresses = {metric: _address(metric, path) for metric in nights}
    if len({address.id for address in addresses.values()}) < len(addresses):
        raise DataError(f"{path}: names of two metrics differ in nothing but capitals or punctuation")
    segments = {night.segment for by_start in nights.values() for night in by_start.values()}
    return _history(
        {addresses[metric]: (traits[metric], by_start) for metric, by_start in nights.items()},
        {segment: {"segment": segment} for segment in segments},
    )


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each row and where it stands."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="", restval="", strict=True)
            header = reader.fieldnames or ()
            missing = [name for name in REQUIRED if name not in header]
            unknown = [name for name in header if name not in COLUMNS]
            if missing or unknown:
                problem = f"no column {missing[0]!r}" if missing else f"unknown column {unknown[0]!r}"
                raise DataError(f"{path}:1: {problem}", f"Columns: {', '.join(COLUMNS)}; the first three are needed.")
            for row in reader:
                where = f"{path}:{reader.line_num}"
                if "" in row:
                    raise DataError(f"{where}: more values than columns")
                yield where, {name: text.strip() for name, text in row.items()}
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file in UTF-8: {error}") from error


def _traits(row: Mapping[str, str], where: str) -> Traits:
    kind, better = row.get("kind") or KINDS[0], row.get("better") or DIRECTIONS[0]
    if kind not in KINDS:
        remedy = "Accuracy is compared by the outcomes of images: remeasure check reads them from the ledger."
        raise DataError(f"{where}: kind {kind!r}; one of {', '.join(KINDS)} expected", remedy)
    if better not in DIRECTIONS:
        raise DataError(f"{where}: better {better!r}; one of {', '.join(DIRECTIONS)} expected")
    return Traits(Kind(kind), "higher" if better == "higher" else "lower", row.get("unit", ""))


def _time(text: str, where: str) -> str:
    try:
        return utc(text)
    except ValueError as error:
        raise DataError(f"{where}: night {text!r} is no ISO 8601 date or time", "Write 2026-03-01.") from error


def _number(text: str, where: str) -> float:
    """Return a number, which may be nan or inf: the check then says that it could not compare."""
    try:
        return float(text)
    except ValueError as error:
        remedy = "Leave the line out where nothing was measured."
        raise DataError(f"{where}: {text!r} is no number", remedy) from error


def _address(metric: str, path: Path) -> Address:
    parts = metric.split("/")
    if len(parts) == 4 and all(parts):
        return address_of(metric)
    return Address("recorded", slug(path.stem), metric, "value")


class _Stats(msgspec.Struct):
    median: float


class _Benchmark(msgspec.Struct):
    fullname: str
    stats: _Stats


class _Run(msgspec.Struct):
    datetime: str
    machine_info: dict[str, Any]
    benchmarks: tuple[_Benchmark, ...]


def _from_benchmarks(files: list[Path]) -> History:
    """Read the median of every benchmark in seconds; a run is a night."""
    conditions: dict[str, Conditions] = {}
    table: defaultdict[Address, dict[str, Night]] = defaultdict(dict)
    for path in files:
        run = _read_run(path)
        started, machine = _time(run.datetime, str(path)), _machine(run.machine_info)
        segment = canonical.digest(machine)[:SEGMENT_LENGTH]
        conditions[segment] = machine
        for one in run.benchmarks:
            address = Address("pytest-benchmark", "median", one.fullname, "time")
            if started in table[address]:
                raise DataError(f"{path}: {one.fullname} has a time of {run.datetime} already")
            table[address][started] = Night(started, one.stats.median, segment)
    traits = Traits(Kind.SPEED, "lower", "s")
    return _history({address: (traits, by_start) for address, by_start in table.items()}, conditions)


def _read_run(path: Path) -> _Run:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Run)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise DataError(f"{path}: not written by pytest-benchmark: {error}") from error


def _machine(info: Mapping[str, Any]) -> Conditions:
    """Return what two runs must share, of all that pytest-benchmark notes."""
    cpu = info.get("cpu") or {}
    return {
        "processor": cpu.get("brand_raw", ""),
        "cores": cpu.get("count", 0),
        "machine": info.get("machine", ""),
        "system": info.get("system", ""),
        "python": f"{info.get('python_implementation', '')} {info.get('python_version', '').rpartition('.')[0]}",
    }


def _history(
    table: Mapping[Address, tuple[Traits, Mapping[str, Night]]], conditions: Mapping[str, Conditions]
) -> History:
    series = [
        Series(address, traits.kind, traits.unit, traits.better, tuple(by_start[start] for start in sorted(by_start)))
        for address, (traits, by_start) in sorted(table.items(), key=lambda item: item[0].id)
    ]
    return History(tuple(series), conditions, {}, (), (), ())
