"""Rows that break an order: one that the definitions force, or one that all other rows keep.

*Forced.* A top-5 error counts a subset of the images that the top-1 error counts, and a localisation error counts all
images that the classification error of the same predictions counts. A row with the wrong order is wrong.

*Kept by all others.* Two neighbouring columns of one metric, under two protocols (1 crop, 10 crops) or of a system and
what was made of it (before and after a CRF), stand in the same order in every other row, of which there are at least
five. That alone says little: the weakest of many orders is soon broken. So the row is reported only if its gap is also
outside what the gaps of the other rows predict (leave-one-out Student's t, Bonferroni over all rows and column pairs of
the table: below 1 % a warning, below 5 % a note).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from harness.audit.finding import Finding, Severity, graded
from harness.audit.rules import BROKEN_PATTERN, ORDER
from harness.audit.wording import probability
from harness.audit.worksheet import Worksheet, by_setting
from harness.claims.model import Claim, Column, Table
from harness.claims.vocabulary import METRICS
from harness.statistics.leave_one_out import level

NOT_ABOVE = {
    "top5-error": ("top1-error", "top5-localisation-error"),
    "top1-error": ("top1-localisation-error",),
    "top5-localisation-error": ("top1-localisation-error",),
}
"""Metric to the metrics of the same predictions that it cannot exceed."""
LEAST_OTHERS = 5

Pair = tuple[Claim, Claim]


@dataclass(frozen=True, slots=True)
class Columns:
    """Two columns side by side: the rows that have both."""

    first: Column
    second: Column
    rows: tuple[Pair, ...]


def detect(sheet: Worksheet) -> Iterator[Finding]:
    """Yield rows that break a forced order, and rows that break an order all others keep."""
    for table in sheet.paper.tables.values():
        for lesser, greater in _forced(table):
            yield from (
                _broken_order(*row) for row in _side_by_side(sheet, table, lesser, greater).rows if _above(*row)
            )
        pairs = [_side_by_side(sheet, table, *columns) for columns in _neighbours(table)]
        tests = sum(len(pair.rows) for pair in pairs)
        for pair in pairs:
            yield from _exception(pair, tests)


def _forced(table: Table) -> Iterator[tuple[Column, Column]]:
    for columns in by_setting(table):
        for metric, others in NOT_ABOVE.items():
            if metric in columns:
                yield from ((columns[metric], columns[other]) for other in others if other in columns)


def _neighbours(table: Table) -> Iterator[tuple[Column, Column]]:
    """Yield each column with the next one of its metric and dataset, if that has another protocol or system."""
    last: dict[tuple[str, str | None, str], Column] = {}
    for column in table.columns:
        if not METRICS[column.metric].quantity.measured:
            continue
        key = (column.metric, column.dataset, column.unit)
        before = last.get(key)
        if before is not None and (before.protocol, before.system) != (column.protocol, column.system):
            yield before, column
        last[key] = column


def _side_by_side(sheet: Worksheet, table: Table, first: Column, second: Column) -> Columns:
    rows = (
        (claim, other)
        for claim in sheet.column(table, first)
        if (other := sheet.paper.claims.get(f"{table.id}/{claim.row}/{second.id}")) is not None
    )
    return Columns(first, second, tuple(rows))


def _above(lesser: Claim, greater: Claim) -> bool:
    return lesser.printed.interval.low > greater.printed.interval.high


def _broken_order(lesser: Claim, greater: Claim) -> Finding:
    return Finding(
        rule=ORDER,
        severity=Severity.ERROR,
        message=(
            f"{lesser.system}: the {lesser.definition.title} {lesser.printed} is above the {greater.definition.title} "
            f"{greater.printed} of the same protocol, which its definition excludes."
        ),
        line=lesser.place.line,
        claims=(lesser.id, greater.id),
        printed=(str(lesser.printed), str(greater.printed)),
    )


def _exception(pair: Columns, tests: int) -> Iterator[Finding]:
    """Yield the one row whose order differs from that of all others, if its gap stands out as well."""
    found = only_exception([first.printed.value < second.printed.value for first, second in pair.rows])
    if found is None or any(first.printed.value == second.printed.value for first, second in pair.rows):
        return
    gaps = np.array([float(second.printed.value - first.printed.value) for first, second in pair.rows])
    steps = (float(claim.printed.step) for claim in pair.rows[found])
    judged = level(gaps, noise=sqrt(sum(step**2 for step in steps) / 12))
    if judged is None:
        return
    corrected = float(judged.p[found]) * tests
    severity = graded(corrected)
    if severity is None:
        return
    first, second = pair.rows[found]
    word = "below" if first.printed.value < second.printed.value else "above"
    yield Finding(
        rule=BROKEN_PATTERN,
        severity=severity,
        message=(
            f"{first.system}: {first.printed} ({pair.first.title}) is {word} {second.printed} ({pair.second.title}), "
            f"the other way about than in all {len(pair.rows) - 1} other rows, whose gaps predict "
            f"{judged.predicted[found]:+.2f} (family-wise p = {probability(corrected)})."
        ),
        line=first.place.line,
        claims=(first.id, second.id),
        printed=(str(first.printed), str(second.printed)),
    )


def only_exception(rising: Sequence[bool]) -> int | None:
    """Return the index of the one element that differs from all others, of which there are enough."""
    if len(rising) <= LEAST_OTHERS or sum(rising) not in (1, len(rising) - 1):
        return None
    return list(rising).index(sum(rising) == 1)
