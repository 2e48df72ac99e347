"""What was measured here: experiments, seeds, classes, and the differences that the paper's statements are about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.claims.model import Paper
from harness.ledger.record import Data, Record
from harness.reports.claim_views import ClaimView
from harness.reports.plots.tracks import Lane, axis, key, scale_over, track
from harness.reports.relation_views import Statement
from harness.reports.values import STRENGTH, Value, system_order, value_of
from harness.scoring.model import Measurement, Results
from harness.statistics.evidence import Evidence
from harness.wording.numbers import UNIT_NAMES, Shown
from harness.wording.words import Mark, metric_title

SHARES = (0.0, 100.0)


@dataclass(frozen=True, slots=True)
class SystemRow:
    """One system in a plot: its number as text and as a track."""

    system: str
    value: Value
    track: Markup


@dataclass(frozen=True, slots=True)
class MetricTable:
    """One metric of one experiment over its systems, with the spread of the seeds."""

    metric: str
    unit: str
    rows: tuple[SystemRow, ...]
    axis: Markup


@dataclass(frozen=True, slots=True)
class ExactTable:
    """Exact quantities: a row per system, a column per metric; None where one was not derived."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Value | None, ...]], ...]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """The IoU of one class for every system."""

    label: str
    values: tuple[Value | None, ...]
    track: Markup


@dataclass(frozen=True, slots=True)
class ClassTable:
    """Per-class IoU of one experiment."""

    systems: tuple[tuple[str, Markup], ...]
    rows: tuple[ClassRow, ...]
    axis: Markup


@dataclass(frozen=True, slots=True)
class ExperimentView:
    """Everything one experiment measured.

    Attributes:
        rule: Which classes the mean IoU is over, where not all of them are; empty where they are.
        uneven: The seeds of each system, where they are not the same; empty where they are.
    """

    key: str
    evidence: Evidence
    data: tuple[Data, ...]
    rule: str
    uneven: str
    metrics: tuple[MetricTable, ...]
    exact: ExactTable | None
    classes: ClassTable | None

    @property
    def synthetic(self) -> bool:
        return self.evidence is Evidence.SYNTHETIC


@dataclass(frozen=True, slots=True)
class ForestRow:
    """A measured difference with its interval.

    Attributes:
        said: How often the paper says it.
    """

    label: str
    anchor: str
    said: int
    shown: Shown
    mark: Mark
    track: Markup


@dataclass(frozen=True, slots=True)
class Forest:
    """Differences of one experiment in one unit.

    Attributes:
        against_print: The differences are from printed numbers; otherwise between two measured systems, turned so that
            more is more of what the paper says.
    """

    experiment: str
    evidence: Evidence
    unit: str
    against_print: bool
    rows: tuple[ForestRow, ...]
    axis: Markup

    @property
    def synthetic(self) -> bool:
        return self.evidence is Evidence.SYNTHETIC


@dataclass(frozen=True, slots=True)
class _Point:
    experiment: str
    evidence: Evidence
    unit: str
    against_print: bool
    label: str
    anchor: str
    value: float
    low: float
    high: float
    shown: Shown
    mark: Mark


def experiments(results: Results) -> tuple[ExperimentView, ...]:
    """Return the experiments, strongest evidence first."""
    grouped: dict[tuple[int, str], list[Measurement]] = {}
    for measurement in results.measurements:
        grouped.setdefault((STRENGTH[measurement.evidence], measurement.experiment), []).append(measurement)
    return tuple(_experiment(name, grouped[rank, name], results) for rank, name in sorted(grouped))


def forests(claims: Sequence[ClaimView], statements: Sequence[Statement]) -> tuple[Forest, ...]:
    """Return every difference that has an interval, by experiment and unit."""
    grouped: dict[tuple[int, str, bool, str], list[_Point]] = {}
    for point in (*_from_claims(claims), *_from_statements(statements)):
        if point.low < point.high:
            group = (STRENGTH[point.evidence], point.experiment, point.against_print, point.unit)
            grouped.setdefault(group, []).append(point)
    return tuple(_forest(grouped[group]) for group in sorted(grouped))


def _experiment(name: str, measurements: list[Measurement], results: Results) -> ExperimentView:
    evidence = measurements[0].evidence
    records = [results.records[d] for d in dict.fromkeys(d for m in measurements for d in m.records)]
    data = {record.data.digest: record.data for record in records if record.data is not None}
    whole = [m for m in measurements if not m.label]
    exact = [m for m in whole if m.low == m.high]
    spread = [m for m in whole if m.low != m.high]
    tables = [_metric_table([m for m in spread if m.metric == metric], results.paper) for metric in _metrics(spread)]
    return ExperimentView(
        key=name,
        evidence=evidence,
        data=tuple(data[digest] for digest in sorted(data)),
        rule=_rule(records[0]),
        uneven=_uneven(measurements),
        metrics=tuple(tables),
        exact=_exact_table(exact, results.paper) if exact else None,
        classes=_class_table([m for m in measurements if m.label], results.paper),
    )


def _rule(record: Record) -> str:
    """A cohort has one recipe, and so one rule."""
    least = record.recipe.get("least_images", 0)
    if not least:
        return ""
    images = "one test image" if least == 1 else f"{least} test images"
    return f"The mean IoU is over the classes that at least {images} show; pixels of the others still count as errors"


def _uneven(measurements: Sequence[Measurement]) -> str:
    seeds = {m.system: m.seeds for m in measurements if m.seeds}
    if len(set(seeds.values())) < 2:
        return ""
    return "; ".join(f"{system}: {', '.join(map(str, own))}" for system, own in seeds.items())


def _metrics(measurements: Iterable[Measurement]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(m.metric for m in measurements))


def _metric_table(measurements: list[Measurement], paper: Paper) -> MetricTable:
    unit = measurements[0].unit
    numbers = [x for m in measurements for x in (m.low, m.high, *m.per_seed)]
    scale = scale_over(numbers, limits=SHARES if unit == "%" else None)
    by_system = {m.system: m for m in measurements}
    rows = []
    for position, system in enumerate(system_order(by_system, paper)):
        m = by_system[system]
        lane = Lane(position, m.estimate, m.low, m.high, m.per_seed)
        rows.append(SystemRow(system, value_of(m), track(scale, [lane])))
    return MetricTable(metric_title(measurements[0].metric), unit, tuple(rows), axis(scale))


def _exact_table(measurements: list[Measurement], paper: Paper) -> ExactTable:
    columns = _metrics(measurements)
    found = {(m.system, m.metric): value_of(m) for m in measurements}
    systems = system_order((m.system for m in measurements), paper)
    rows = tuple((system, tuple(found.get((system, metric)) for metric in columns)) for system in systems)
    units = {m.metric: UNIT_NAMES.get(m.unit, m.unit) for m in measurements}
    return ExactTable(tuple(_headed(metric_title(metric), units[metric]) for metric in columns), rows)


def _headed(title: str, unit: str) -> str:
    return f"{title} ({unit})" if unit not in ("", title) else title


def _class_table(measurements: list[Measurement], paper: Paper) -> ClassTable | None:
    if not measurements:
        return None
    systems = system_order((m.system for m in measurements), paper)
    found = {(m.label, m.system): m for m in measurements}
    scale = scale_over([x for m in measurements for x in (m.low, m.high)], limits=SHARES)
    rows = []
    for label in dict.fromkeys(m.label for m in measurements):
        present = [(series, found.get((label, system))) for series, system in enumerate(systems)]
        lanes = [Lane(s, m.estimate, m.low, m.high) if m else Lane(s, None) for s, m in present]
        values = tuple(value_of(m) if m else None for _, m in present)
        rows.append(ClassRow(label, values, track(scale, lanes)))
    heads = tuple((system, key(series)) for series, system in enumerate(systems))
    return ClassTable(heads, tuple(rows), axis(scale))


def _forest(points: list[_Point]) -> Forest:
    scale = scale_over([x for p in points for x in (p.low, p.high)], include=[0.0])
    same: dict[str, list[_Point]] = {}
    for point in points:
        same.setdefault(point.label, []).append(point)
    rows = []
    for label, (p, *others) in same.items():
        drawn = track(scale, [Lane(0, p.value, p.low, p.high)], reference=0.0)
        rows.append(ForestRow(label, p.anchor, 1 + len(others), p.shown, p.mark, drawn))
    first = points[0]
    return Forest(
        first.experiment, first.evidence, first.unit, first.against_print, tuple(rows), axis(scale, signed=True)
    )


def _from_claims(claims: Sequence[ClaimView]) -> Iterable[_Point]:
    for view in claims:
        if view.difference is not None and view.evidence is not None:
            d, verdict = view.difference, view.row.verdict
            label = f"{view.subject}: {view.quantity}"
            yield _Point(
                verdict.experiment,
                view.evidence,
                d.unit,
                True,
                label,
                view.id,
                d.value,
                d.low,
                d.high,
                d.shown,
                view.mark,
            )


def _from_statements(statements: Sequence[Statement]) -> Iterable[_Point]:
    for statement in statements:
        for case in statement.cases:
            for found in case.measured:
                d, verdict = found.lead, found.verdict
                if d is not None and verdict.evidence is not None:
                    yield _Point(
                        verdict.experiment, verdict.evidence, d.unit, False, case.direction, case.anchor,
                        d.value, d.low, d.high, d.shown, found.mark,
                    )  # fmt: skip
