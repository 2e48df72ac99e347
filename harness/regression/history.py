"""Every metric the ledger holds, night by night.

A night is what one manifest lists (:mod:`harness.regression.manifests`). Records that no manifest lists count by their
UTC date: the first measurement of every unit on a date is one night, the second another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.claims.vocabulary import METRICS, Direction, Quantity
from harness.errors import LedgerError
from harness.ledger import canonical
from harness.ledger.record import Record
from harness.ledger.store import Ledger, Refused, Stored
from harness.regression.manifests import Manifest, read_manifests, utc
from harness.regression.model import Address, Kind, Night, Series
from harness.regression.paired import narrowed
from harness.runner.identity import setting_changes
from harness.scoring.cohort import unfit
from harness.scoring.scores import UNITS, Mean, Metric, Sample, ScoreError, metrics, samples, score
from harness.statistics.evidence import Evidence

Conditions = Mapping[str, Any]
"""What two nights must share to be compared, as plain JSON data."""

SEGMENT_LENGTH = 12

MOVED = frozenset({"remeasure"})
"""Packages whose version is no condition: the code is what a night judges."""


class Figure(NamedTuple):
    """One metric of one record: its value, and the outcomes behind it where nights are compared by them."""

    value: float
    outcomes: Sample | None


Figures = Mapping[tuple[str, Metric], Figure]
"""What a record says, by the system it says it of and the metric."""


@dataclass(frozen=True)
class History:
    """What a ledger and its nights hold.

    Attributes:
        series: One for each metric of each system, ordered by id.
        conditions: By the name of the segment.
        records: By digest, those that the nights rest on.
        refused: Records that are not meant to give a number, and why.
        damaged: Records that cannot be read or do not give the numbers that they should, and why.
        manifests: The oldest night first.
    """

    series: tuple[Series, ...]
    conditions: Mapping[str, Conditions]
    records: Mapping[str, Record]
    refused: tuple[Refused, ...]
    damaged: tuple[Refused, ...]
    manifests: tuple[Manifest, ...]

    @cached_property
    def by_address(self) -> Mapping[Address, Series]:
        return {one.address: one for one in self.series}

    @property
    def tonight(self) -> str:
        """When the newest night began, UTC, ISO 8601; empty where there is none."""
        if self.manifests:
            return utc(self.manifests[-1].started)
        return max((night.started for one in self.series for night in one.nights), default="")

    def changed(self, before: Night, after: Night) -> tuple[str, ...]:
        """Say what differs between the conditions of two nights: ``packages.torch "2.4.0" -> "2.5.1"``."""
        return tuple(setting_changes(self.conditions[before.segment], self.conditions[after.segment]))

    def code(self, night: Night) -> tuple[str, ...]:
        """Name the code behind a night: commits, with a ``+`` where files differed, or digests of the sources."""
        codes = (self.records[digest].code for digest in night.records)
        names = (code.commit[:12] + "+" * code.dirty if code.commit else code.digest[:12] for code in codes)
        return tuple(dict.fromkeys(names))


@dataclass
class _Gathered:
    """The records of one unit group in one night, by seed; those measured again apart."""

    first: dict[int, Stored] = field(default_factory=dict)
    again: dict[int, Stored] = field(default_factory=dict)


_Group = tuple[str, str, str, str]
"""Night, paper, experiment, and the system whose network the records are of."""


def read(ledger: Ledger, nights: Path | None = None, papers: Sequence[str] = (), until: str = "") -> History:
    """Read the history of papers; of all, if none is named.

    Args:
        nights: The folder of the nights' manifests; None or a folder that is not there: every record counts by its
            date.
        until: Start of the last night that is told, UTC, ISO 8601; what began later is left out. Empty tells all.

    Raises:
        LedgerError: A manifest cannot be read. A record that cannot is told as damaged.
    """
    every = read_manifests(nights) if nights is not None else ()
    manifests = tuple(one for one in every if not until or utc(one.started) <= until)
    reader = _Reader()
    stored = list(reader.fit(ledger, papers))
    found: defaultdict[Address, dict[str, Night]] = defaultdict(dict)
    for (started, paper, experiment, _), group in sorted(_gathered(stored, every).items()):
        if until and started > until:
            continue
        for (system, metric), night in reader.nights(started, group):
            found[Address(paper, experiment, system, metric.name, metric.label)][started] = night
    newest = manifests[-1] if manifests else None
    for address in _unmet(newest, {address.id for address in found}):
        if not papers or address.paper in papers:
            found[address] = {}
    series = [_series(address, by_start, newest) for address, by_start in found.items()]
    return History(
        series=tuple(sorted(series, key=lambda one: one.address.id)),
        conditions=reader.conditions,
        records={each.digest: each.record for each in stored},
        refused=tuple(reader.refused),
        damaged=(*ledger.refused, *reader.damaged),
        manifests=manifests,
    )


def kind_of(metric: str) -> Kind:
    """Return what a metric's nights differ by."""
    if metric == "memory":
        return Kind.MEMORY
    definition = METRICS.get(metric)
    return Kind.SPEED if definition is not None and definition.quantity is Quantity.SPEED else Kind.ACCURACY


def better_of(metric: str) -> Direction:
    """Return which direction is better; "lower" for what has none, where every change counts as worse."""
    definition = METRICS.get(metric)
    return "lower" if definition is None or definition.better is None else definition.better


def address_of(name: str) -> Address:
    """Return an address with a given id; its system is the slug.

    Raises:
        LedgerError: The text has not four parts.
    """
    parts = name.split("/")
    if len(parts) != 4 or not all(parts):
        raise LedgerError(f"{name!r} names no metric", "Names look like drn/throughput/resnet-18/rate.")
    paper, experiment, system, metric = parts
    if metric not in METRICS and metric.startswith("iou-"):
        return Address(paper, experiment, system, "iou", metric.removeprefix("iou-"))
    return Address(paper, experiment, system, metric)


def conditions_of(record: Record) -> Conditions:
    """Return what another record must share to be compared with this one.

    The code is not among it, for that is what a night judges, nor the version of the operating system, which changes
    too often for a history to build up. What is derived is the same on every machine.
    """
    data = f"{record.data.name} {record.data.digest}" if record.data else None
    ours = {"recipe": record.recipe, "data": data, "evidence": record.evidence.value}
    if record.evidence is Evidence.EXACT:
        return ours
    machine = record.environment
    return {
        **ours,
        "device": machine.device,
        "processor": machine.processor,
        "cores": machine.cores,
        "threads": machine.threads,
        "python": ".".join(machine.python.split(".")[:2]),
        "packages": {name: version for name, version in machine.packages.items() if name not in MOVED},
    }


def figures(stored: Stored) -> Figures:
    """Return what a record says of each metric, one figure for each quantity that a night can change.

    Timed repeats give their rate, or their time where a batch is one image: two names of one figure would count every
    change twice.

    Raises:
        LedgerError: Its arrays are missing, damaged or edited.
        ScoreError: Its arrays do not give its scores.
    """
    record = stored.record
    arrays = {name: stored.array(name) for name in _scored(record)}
    found: dict[tuple[str, Metric], Figure] = {}
    for system, owned in samples(record, arrays).items():
        for sample in owned:
            for column, (metric, value) in enumerate(zip(metrics(sample), score(sample)[0], strict=True)):
                repeats = isinstance(sample, Mean) and sample.repeats
                if repeats and metric.name != ("rate" if record.recipe["batch"] > 1 else "time"):
                    continue
                paired = kind_of(metric.name) is Kind.ACCURACY
                found[system, metric] = Figure(float(value), narrowed(sample, column) if paired else None)
    return found


@dataclass
class _Reader:
    """Reads records; outcomes that are equal bit by bit are scored and held once, however many nights have them."""

    conditions: dict[str, Conditions] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    damaged: list[Refused] = field(default_factory=list)
    _figures: dict[str, Figures] = field(default_factory=dict)
    _segments: dict[str, str] = field(default_factory=dict)

    def fit(self, ledger: Ledger, papers: Sequence[str]) -> Iterator[Stored]:
        """Yield the records that give numbers and say when they were made."""
        for paper in papers or (None,):
            for stored in ledger.records(paper):
                if reason := unfit(stored.record):
                    self.refused.append(Refused(str(stored.path), reason))
                elif reason := _undated(stored.record):
                    self.damaged.append(Refused(str(stored.path), reason))
                else:
                    yield stored

    def nights(self, started: str, group: _Gathered) -> Iterator[tuple[tuple[str, Metric], Night]]:
        """Yield the night of every metric that a group of records measured."""
        first, again = self._by_metric(group.first), self._by_metric(group.again)
        for key, by_seed in first.items():
            used = [group.first[seed] for seed in by_seed]
            repeated = again.get(key, {})
            night = Night(
                started=started,
                value=_mean(by_seed),
                segment=self._segment(used),
                records=tuple(each.digest for each in (*used, *(group.again[seed] for seed in repeated))),
                samples={seed: one.outcomes for seed, one in by_seed.items() if one.outcomes is not None},
                again=_mean(repeated) if repeated else None,
            )
            yield key, night

    def _by_metric(self, by_seed: Mapping[int, Stored]) -> dict[tuple[str, Metric], dict[int, Figure]]:
        table: defaultdict[tuple[str, Metric], dict[int, Figure]] = defaultdict(dict)
        for seed, stored in sorted(by_seed.items()):
            try:
                said = self._read(stored)
            except (LedgerError, ScoreError) as error:
                reason = error.message if isinstance(error, LedgerError) else str(error)
                self.damaged.append(Refused(str(stored.path), reason))
                continue
            for key, figure in said.items():
                table[key][seed] = figure
        return table

    def _read(self, stored: Stored) -> Figures:
        record = stored.record
        contents = {name: record.arrays[name].sha256 for name in _scored(record)}
        key = canonical.digest([record.system, record.evidence.value, record.recipe, record.values, contents])
        if key not in self._figures:
            self._figures[key] = figures(stored)
        return self._figures[key]

    def _segment(self, used: Sequence[Stored]) -> str:
        """Return the name of the conditions that records share, or of their being different."""
        names = sorted({self._conditions(each) for each in used})
        return names[0] if len(names) == 1 else self._named({"seeds under different conditions": names})

    def _conditions(self, stored: Stored) -> str:
        if stored.digest not in self._segments:
            self._segments[stored.digest] = self._named(conditions_of(stored.record))
        return self._segments[stored.digest]

    def _named(self, conditions: Conditions) -> str:
        name = canonical.digest(conditions)[:SEGMENT_LENGTH]
        self.conditions.setdefault(name, conditions)
        return name


def _scored(record: Record) -> tuple[str, ...]:
    """Return the names of the arrays that a score can depend on: all but what reports show."""
    return tuple(name for name in record.arrays if not name.startswith("panel_"))


def _undated(record: Record) -> str:
    try:
        utc(record.started)
    except ValueError:
        return f"its start, {record.started!r}, is no ISO 8601 time"
    return ""


def _mean(by_seed: Mapping[int, Figure]) -> float:
    return float(np.mean([figure.value for figure in by_seed.values()]))


def _unmet(newest: Manifest | None, known: Collection[str]) -> tuple[Address, ...]:
    """Return what the newest night was to measure and no record ever did."""
    return () if newest is None else tuple(address_of(name) for name in newest.expected if name not in known)


def _series(address: Address, by_start: Mapping[str, Night], newest: Manifest | None) -> Series:
    """Make a series; what the newest night was to measure is expected, unless it was measured by hand since."""
    nights = tuple(by_start[started] for started in sorted(by_start))
    name = address.metric
    expected = newest is not None and address.id in newest.expected
    if newest is not None and nights:
        expected = expected and nights[-1].started <= utc(newest.started)
    return Series(address, kind_of(name), UNITS.get(name, "1"), better_of(name), nights, expected)


def _gathered(stored: Sequence[Stored], manifests: Sequence[Manifest]) -> dict[_Group, _Gathered]:
    """Sort records into nights; of a unit that a night measured twice, the newest counts."""
    listed = {digest: manifest for manifest in manifests for digest in manifest.records}
    groups: defaultdict[_Group, _Gathered] = defaultdict(_Gathered)
    unlisted = _by_date([each for each in stored if each.digest not in listed])
    for each in sorted(stored, key=lambda each: (utc(each.record.started), each.digest)):
        record, manifest = each.record, listed.get(each.digest)
        started = unlisted[each.digest] if manifest is None else utc(manifest.started)
        group = groups[started, record.paper, record.experiment, record.system]
        confirms = manifest is not None and each.digest in manifest.confirmed
        (group.again if confirms else group.first)[record.seed] = each
    return groups


def _by_date(stored: Sequence[Stored]) -> dict[str, str]:
    """Return for each record, by digest, when the night began that it counts for.

    The n-th time that a unit was measured on a date is of that date's n-th night.
    """
    passes: defaultdict[tuple[str, int], list[Stored]] = defaultdict(list)
    starts: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for each in sorted(stored, key=lambda each: utc(each.record.started)):
        record, started = each.record, utc(each.record.started)
        date = started[:10]
        earlier = starts[date, record.paper, record.experiment, record.system, str(record.seed)]
        if started not in earlier:
            earlier.append(started)
        passes[date, len(earlier)].append(each)
    return {each.digest: utc(members[0].record.started) for members in passes.values() for each in members}
