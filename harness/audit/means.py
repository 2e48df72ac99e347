"""A printed mean against the mean of its parts.

Parts and mean are found by what the columns declare: a mean IoU goes with the IoUs of the same table, dataset and
protocol (and of the same group, where the mean names one). Which rule the table follows is decided by its rows, not by
us: if at least half of them print the mean of their parts, the others are in error; if not, and one further part within
the metric's range explains at least half of them, the mean includes a part that is not printed (the background class
of Pascal VOC), whose implied values are then compared with each other.

Interval arithmetic lets all roundings conspire. For n parts printed in steps s, the rounding error of their mean is a
mean of n independent uniform variables, hence sub-Gaussian with variance s^2 / (12 n): the chance of a gap of at least
g is below ``2 exp(-6 n g^2 / s^2)``. Where that falls below 1 % divided by the rows of the table, rounding as an
explanation is possible and incredible; this is reported apart from what is impossible. Parts cut off instead of rounded
shift the mean by s / 2: of the conventions (parts and mean rounded or cut off) the one counts that explains most rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import exp, sqrt
from typing import NamedTuple

import numpy as np

from harness.audit.finding import WARNING_BELOW, Finding, Severity, graded
from harness.audit.relations import consequences
from harness.audit.rules import HIDDEN_PART, HIDDEN_VALUE, MEAN, OTHER_MEAN, UNLIKELY_MEAN, Rule
from harness.audit.wording import number, probability, span
from harness.audit.worksheet import Worksheet, whole
from harness.claims.intervals import Interval, hull
from harness.claims.model import Claim, Column, Table
from harness.claims.printed import Printed, rounded
from harness.statistics.leave_one_out import level

PART_OF = {"miou": "iou"}


class Convention(NamedTuple):
    """How a table was brought to its printed precision: by rounding, or by cutting digits off."""

    parts_cut_off: bool
    mean_cut_off: bool


CONVENTIONS = (Convention(False, False), Convention(True, False), Convention(False, True), Convention(True, True))


@dataclass(frozen=True, slots=True)
class Row:
    """A row's mean and the parts it should be the mean of."""

    mean: Claim
    parts: tuple[Claim, ...]

    @property
    def recomputed(self) -> Interval:
        """Every mean that the printed parts allow."""
        n = len(self.parts)
        low = sum((part.printed.interval.low for part in self.parts), Fraction(0)) / n
        high = sum((part.printed.interval.high for part in self.parts), Fraction(0)) / n
        return Interval(low, high)

    @property
    def face(self) -> Fraction:
        return sum((part.printed.value for part in self.parts), Fraction(0)) / len(self.parts)

    @property
    def is_mean(self) -> bool:
        return self.recomputed.meets(self.mean.printed.interval)

    @property
    def implied(self) -> Interval:
        """The one further part that would give the printed mean."""
        n = len(self.parts)
        total = self.mean.printed.interval.scaled(Fraction(n + 1))
        return total - self.recomputed.scaled(Fraction(n))

    @property
    def implies_possible(self) -> bool:
        return self.implied.meets(Interval(Fraction(0), whole(self.mean.unit)))

    def chance(self, convention: Convention) -> float:
        """Bound the probability that rounding alone puts the printed mean this far from that of its parts."""
        n = len(self.parts)
        steps = [part.printed.step for part in self.parts]
        variance = sum(float(step) ** 2 for step in steps) / (12 * n * n)
        centre = self.face + (sum(steps, Fraction(0)) / (2 * n) if convention.parts_cut_off else 0)
        printed = self.mean.printed
        allowed = printed.truncation_interval if convention.mean_cut_off else printed.interval
        return min(1.0, 2 * exp(-(float(Interval.point(centre).distance(allowed)) ** 2) / (2 * variance)))


def detect(sheet: Worksheet) -> Iterator[Finding]:
    """Yield means that are not those of their parts."""
    for table in sheet.paper.tables.values():
        for mean, parts in means_of(table):
            rows = _rows(sheet, table, mean, parts)
            if rows:
                yield from _judge(sheet, table, mean, rows)


def means_of(table: Table) -> Iterator[tuple[Column, tuple[Column, ...]]]:
    """Yield each column of means with the columns of its parts; two parts at least."""
    alike: dict[tuple[str | None, ...], list[Column]] = defaultdict(list)
    for column in table.columns:
        alike[column.metric, column.unit, column.dataset, column.protocol].append(column)
    for mean in (column for column in table.columns if column.metric in PART_OF):
        parts = alike[PART_OF[mean.metric], mean.unit, mean.dataset, mean.protocol]
        if mean.group is not None:
            parts = [part for part in parts if part.group == mean.group]
        if len(parts) > 1 and len({part.group for part in parts}) == 1:
            yield mean, tuple(parts)


def _rows(sheet: Worksheet, table: Table, mean: Column, parts: Sequence[Column]) -> list[Row]:
    rows: list[Row] = []
    for claim in sheet.column(table, mean):
        cells = [sheet.paper.claims.get(f"{table.id}/{claim.row}/{part.id}") for part in parts]
        found = tuple(cell for cell in cells if cell is not None)
        if len(found) == len(parts):
            rows.append(Row(claim, found))
    return rows


def _judge(sheet: Worksheet, table: Table, mean: Column, rows: list[Row]) -> Iterator[Finding]:
    direct = [row for row in rows if row.is_mean]
    if 2 * len(direct) >= len(rows):
        yield from _direct(sheet, rows)
    elif 2 * sum(row.implies_possible for row in rows) >= len(rows):
        yield from _hidden(table, mean, rows)
    else:
        gaps = hull([Interval.point(row.mean.printed.value - row.face) for row in rows])
        message = (
            f"{table.caption or table.id}: {len(rows) - len(direct)} of {len(rows)} rows do not print the mean of "
            f"their {len(rows[0].parts)} parts in column {mean.title} (printed minus recomputed: {span(gaps)})."
        )
        yield _finding(OTHER_MEAN, Severity.NOTE, [row.mean for row in rows], message)


def _direct(sheet: Worksheet, rows: list[Row]) -> Iterator[Finding]:
    chances = [[row.chance(convention) for row in rows] for convention in CONVENTIONS]
    least = WARNING_BELOW / len(rows)
    best = max(chances, key=lambda found: sum(chance >= least for chance in found))
    for row, chance in zip(rows, best, strict=True):
        is_mean = row.is_mean
        if is_mean and chance >= least:
            continue
        message = (
            f"{row.mean.system}: the {len(row.parts)} parts have the mean {number(row.face)} "
            f"({span(row.recomputed)} within rounding), and {row.mean.printed} is printed"
        )
        if is_mean:
            message += f"; rounding could explain that with a probability below {probability(chance)}"
        should = Printed(rounded(row.face, row.mean.printed.decimals))
        yield replace(
            _finding(
                UNLIKELY_MEAN if is_mean else MEAN,
                Severity.WARNING if is_mean else Severity.ERROR,
                [row.mean, *row.parts],
                f"{message}.",
            ),
            recomputed=row.recomputed,
            consequences=consequences(sheet, {row.mean.id: should}),
        )


def _hidden(table: Table, mean: Column, rows: list[Row]) -> Iterator[Finding]:
    """Say that a part is not printed, and compare what the rows imply for it."""
    possible = [row for row in rows if row.implies_possible]
    implied = hull([Interval.point(row.implied.middle) for row in possible])
    count = len(rows[0].parts)
    one_more = f"one part more than the {count} printed, about {span(implied, 1)}"
    message = f"{table.caption or table.id}: the column {mean.title} is the mean with {one_more}."
    if len(rows) == 1:
        message = (
            f"{rows[0].mean.system}: {rows[0].mean.printed} is not the mean of the parts printed "
            f"({number(rows[0].face)}). Either a number is wrong, or it is the mean with {one_more}."
        )
    yield _finding(HIDDEN_PART, Severity.NOTE, [row.mean for row in rows], message)
    for row in rows:
        if not row.implies_possible:
            message = (
                f"{row.mean.system}: the mean {row.mean.printed} needs the part that is not printed to be "
                f"{span(row.implied, 1)}, which is impossible; the other rows imply {span(implied, 1)}."
            )
            yield replace(
                _finding(HIDDEN_VALUE, Severity.ERROR, [row.mean, *row.parts], message), recomputed=row.implied
            )
    yield from _out_of_line(possible)


def _out_of_line(rows: list[Row]) -> Iterator[Finding]:
    """Yield rows whose implied part the other rows do not predict."""
    values = np.array([float(row.implied.middle) for row in rows])
    n, part, mean = len(rows[0].parts), float(rows[0].parts[0].printed.step), float(rows[0].mean.printed.step)
    judged = level(values, noise=sqrt((((n + 1) * mean) ** 2 + n * part**2) / 12))
    if judged is None:
        return
    for row, value, p, expected in zip(rows, values, judged.p, judged.predicted, strict=True):
        corrected = float(p) * len(rows)
        severity = graded(corrected)
        if severity is None:
            continue
        message = (
            f"{row.mean.system}: the mean {row.mean.printed} implies {value:.1f} for the part that is not printed, "
            f"where the other rows predict {expected:.1f} (family-wise p = {probability(corrected)})."
        )
        yield replace(_finding(HIDDEN_VALUE, severity, [row.mean, *row.parts], message), recomputed=row.implied)


def _finding(rule: Rule, severity: Severity, claims: Sequence[Claim], message: str) -> Finding:
    return Finding(
        rule=rule,
        severity=severity,
        message=message,
        line=claims[0].place.line,
        claims=tuple(claim.id for claim in claims),
        printed=tuple(str(claim.printed) for claim in claims),
    )
