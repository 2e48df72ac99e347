"""Columns that add up to 100 %: an accuracy and an error of the same dataset and protocol.

Whether an accuracy is the complement of the top-1 or the top-5 error is read off the rows: where at least two rows, and
at least half of them, add up to 100 % within rounding, the others are in error.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from harness.audit.finding import Finding, Severity
from harness.audit.rules import COMPLEMENT
from harness.audit.wording import number, span
from harness.audit.worksheet import Worksheet, by_setting, whole
from harness.claims.intervals import Interval
from harness.claims.model import Claim

COMPLEMENTS = {
    "accuracy": ("top1-error", "top5-error"),
    "top1-accuracy": ("top1-error",),
    "top5-accuracy": ("top5-error",),
}


def detect(sheet: Worksheet) -> Iterator[Finding]:
    """Yield rows whose accuracy and error do not add up."""
    for table in sheet.paper.tables.values():
        pairs = [
            (columns[metric], columns[other])
            for columns in by_setting(table)
            for metric, others in COMPLEMENTS.items()
            for other in others
            if metric in columns and other in columns
        ]
        for column, other in pairs:
            rows = [
                (claim, counterpart)
                for claim in sheet.column(table, column)
                if (counterpart := sheet.paper.claims.get(f"{table.id}/{claim.row}/{other.id}")) is not None
            ]
            adding_up = sum(_adds_up(*row) for row in rows)
            if adding_up >= 2 and 2 * adding_up >= len(rows):
                yield from (_finding(*row, adding_up) for row in rows if not _adds_up(*row))


def _adds_up(claim: Claim, other: Claim) -> bool:
    return (claim.printed.interval + other.printed.interval).meets(Interval.point(whole(claim.unit)))


def _finding(claim: Claim, other: Claim, adding_up: int) -> Finding:
    total: Fraction = claim.printed.value + other.printed.value
    should = Interval.point(whole(claim.unit)) - other.printed.interval
    return Finding(
        rule=COMPLEMENT,
        severity=Severity.ERROR,
        message=(
            f"{claim.system}: {claim.printed} and {other.printed} add up to {number(total)}, where "
            f"{adding_up} other rows add up to {number(whole(claim.unit))}; beside {other.printed} the first would be "
            f"{span(should)}."
        ),
        line=claim.place.line,
        claims=(claim.id, other.id),
        printed=(str(claim.printed), str(other.printed)),
        recomputed=should,
    )
