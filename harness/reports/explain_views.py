"""Why do we differ: the gap to a printed number by conventions, and what conventions alone do where there is no gap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from markupsafe import Markup

from harness.explain.conventions import Axis, Option, Untried
from harness.explain.rescore import Rescoring
from harness.ledger.record import Record, measured_systems
from harness.reports.explain_text import marks, sentences, shown, stages
from harness.reports.panel_views import ArraysOf
from harness.reports.plots.tracks import Lane, axis, scale_over, track
from harness.reports.plots.waterfall import Kind, level
from harness.reports.values import STRENGTH, system_order
from harness.scoring.explained import KINDS, OF_THE_CLAIM, Explanation, Gap, Row, explain, rescoring
from harness.scoring.model import ClaimRow, Measurement, Results
from harness.statistics.evidence import Evidence
from harness.wording.numbers import Shown, fixed

METRIC = "miou"
"""The metric whose conventions are shown where no printed number is at stake."""


@dataclass(frozen=True, slots=True)
class Level:
    """One row of a waterfall."""

    label: str
    number: str
    note: str
    track: Markup


@dataclass(frozen=True, slots=True)
class Change:
    """One convention changed: the score under it, and what that changed, as text."""

    title: str
    words: str
    marks: str
    usual: bool
    score: Shown
    change: Shown


@dataclass(frozen=True, slots=True)
class GapView:
    """One claim's gap: the waterfall, what may be said of it, and every convention."""

    claim: str
    system: str
    evidence: Evidence
    seed: int
    images: int
    levels: tuple[Level, ...]
    axis: Markup
    sentences: tuple[str, ...]
    changes: tuple[Change, ...]
    untried: tuple[Untried, ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """One convention over an experiment's systems, in percentage points from the usual.

    Attributes:
        mean: Over the systems.
        span: The smallest and the largest.
        swapped: How many pairs of systems change their order.
        track: Empty for what is not the same quantity.
    """

    title: str
    words: str
    marks: str
    mean: str
    span: str
    swapped: int
    track: Markup | None


@dataclass(frozen=True, slots=True)
class ShiftView:
    """What conventions do to the mean IoU in one experiment."""

    experiment: str
    evidence: Evidence
    seed: int
    systems: int
    pairs: int
    rows: tuple[Shift, ...]
    axis: Markup
    untried: tuple[Untried, ...]

    @property
    def synthetic(self) -> bool:
        return self.evidence is Evidence.SYNTHETIC


def gap_views(results: Results, arrays: ArraysOf) -> tuple[GapView, ...]:
    """Return a view for every claim that a record measured itself, from the first seed of each.

    Raises:
        LedgerError: A record's arrays are damaged.
    """
    views = []
    for row in results.claims:
        deciding = _deciding(row)
        if deciding is not None:
            record = results.records[deciding.records[0]]
            scoring = rescoring(record, arrays(deciding.records[0]), row.claim.metric, _suffix(deciding, record))
            explanation = explain(scoring, row.claim.metric, row.claim)
            if explanation.gap is not None:
                views.append(_gap_view(explanation, explanation.gap, deciding))
    return tuple(views)


def shift_views(results: Results, arrays: ArraysOf) -> tuple[ShiftView, ...]:
    """Return a view for every experiment with counts whose numbers are no claim's, from the first seed of each system.

    Raises:
        LedgerError: A record's arrays are damaged.
    """
    grouped: dict[tuple[int, str], list[Measurement]] = {}
    for m in results.measurements:
        if m.metric == METRIC and m.evidence not in OF_THE_CLAIM and m.records:
            grouped.setdefault((STRENGTH[m.evidence], m.experiment), []).append(m)
    views = []
    for key in sorted(grouped):
        by_system = {m.system: m for m in grouped[key]}
        ordered = [by_system[system] for system in system_order(by_system, results.paper)]
        views.append(_shift_view(ordered, results, arrays))
    return tuple(views)


def _deciding(row: ClaimRow) -> Measurement | None:
    """Return the measurement of the claim itself that its verdict rests on; None if it rests on nothing of the kind."""
    if row.claim.metric not in KINDS or row.verdict.evidence not in OF_THE_CLAIM:
        return None
    return next((m for m in row.measurements if m.experiment == row.verdict.experiment), None)


def _suffix(measurement: Measurement, record: Record) -> str:
    systems = measured_systems(record.recipe, record.system)
    return next(suffix for suffix, system in systems.items() if system == measurement.system)


def _gap_view(explanation: Explanation, gap: Gap, measurement: Measurement) -> GapView:
    heights = stages(gap)
    printed = heights[-1][1]
    scale = scale_over([number for _, number, _ in heights])
    levels = []
    before = heights[0][1]
    for place, (label, number, note) in enumerate(heights):
        kind: Kind = "end" if place == 0 else "rest" if place == len(heights) - 1 else "step"
        levels.append(Level(label, fixed(number, 2), note, level(scale, before, number, kind, printed)))
        before = number
    return GapView(
        claim=gap.claim.id,
        system=gap.claim.system,
        evidence=measurement.evidence,
        seed=measurement.seeds[0],
        images=explanation.images,
        levels=tuple(levels),
        axis=axis(scale),
        sentences=tuple(sentences(explanation, part=measurement.evidence is Evidence.SUBSET)),
        changes=tuple(_change(row) for row in explanation.rows),
        untried=explanation.untried,
    )


def _change(row: Row) -> Change:
    change = Shown("") if row.usual else shown(row.change, signed=True)
    return Change(row.title, row.words, marks(row), row.usual, shown(row.score), change)


def _shift_view(measured: Sequence[Measurement], results: Results, arrays: ArraysOf) -> ShiftView:
    scorings = []
    for m in measured:
        record = results.records[m.records[0]]
        scorings.append(rescoring(record, arrays(m.records[0]), METRIC, _suffix(m, record)))
    found = list(_shifts(scorings))
    first = scorings[0].grid
    plotted = [change for (convention, *_), changes in found for change in changes if convention.key != "score"]
    scale = scale_over(plotted, include=[0.0])
    rows = []
    for (convention, option, swapped), changes in found:
        mean = sum(changes) / len(changes)
        lane = Lane(0, mean, min(changes), max(changes), tuple(changes))
        drawn = None if convention.key == "score" else track(scale, [lane], reference=0.0)
        official = "official" if option.key == convention.official else ""
        said = "; ".join(part for part in (official, option.used_by) if part)
        span = f"[{fixed(min(changes), 1, signed=True)}, {fixed(max(changes), 1, signed=True)}]"
        rows.append(Shift(convention.title, option.words, said, fixed(mean, 1, signed=True), span, swapped, drawn))
    return ShiftView(
        experiment=measured[0].experiment,
        evidence=measured[0].evidence,
        seed=measured[0].seeds[0],
        systems=len(measured),
        pairs=len(measured) * (len(measured) - 1) // 2,
        rows=tuple(rows),
        axis=axis(scale, signed=True),
        untried=first.untried,
    )


def _shifts(scorings: Sequence[Rescoring]) -> Iterator[tuple[tuple[Axis, Option, int], list[float]]]:
    """Yield each single change with the pairs that it swaps, and what it changes for each system.

    Only changes that every system's outcomes allow and that have a score for each are compared.
    """
    by_system = []
    for scoring in scorings:
        singles = [(axis.key, option.key, choice) for axis, option, choice in scoring.grid.singles(scoring.grid.usual)]
        usual, *values = scoring.values([scoring.grid.usual, *(choice for *_, choice in singles)])
        by_system.append((usual, {(a, o): value for (a, o, _), value in zip(singles, values, strict=True)}))
    first = scorings[0].grid
    for convention, option, _ in first.singles(first.usual):
        key = convention.key, option.key
        after = [values.get(key, float("nan")) for _, values in by_system]
        if all(value == value for value in after):
            before = [usual for usual, _ in by_system]
            changes = [now - then for then, now in zip(before, after, strict=True)]
            yield (convention, option, _swapped(before, after)), changes


def _swapped(before: Sequence[float], after: Sequence[float]) -> int:
    """Count the pairs whose order is turned round."""
    pairs = combinations(range(len(before)), 2)
    return sum((before[a] - before[b]) * (after[a] - after[b]) < 0 for a, b in pairs)
