"""Two rows that share the same measured values.

Only measured numbers count: two networks may well have the same number of parameters, and chance rarely gives two
networks the same error to the last digit in several columns. How rarely is estimated from the table: if the k shared
columns are jointly normal over the rows with covariance S, the difference of two rows is normal with covariance 2 S,
so two rows fall into the same cell of the print with probability about

    P = step_1 ... step_k / ((4 pi)^(k/2) sqrt(det S)),

which allows for columns that move together. With R rows and m measured columns, ``E = C(R, 2) C(m, k) P`` such
coincidences are expected by chance; a pair is reported where E is below 0.01. Of more than four shared columns the
first four are used, which overstates E. A table of fewer than five rows says nothing about S; there a pair is reported
if it shares all measured columns, and at least three. Values at an end of the metric's range (an IoU of 0.0) do not
count as shared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import comb, pi

import numpy as np

from harness.audit.finding import Finding, Severity
from harness.audit.ranges import bounds
from harness.audit.rules import IDENTICAL
from harness.audit.wording import listing, probability
from harness.audit.worksheet import Worksheet
from harness.claims.model import Claim, Table
from harness.claims.vocabulary import METRICS

EXPECTED = 0.01
LEAST_SHARED = 2
LEAST_SHARED_OF_FEW = 3
MOST_USED = 4
LEAST_ROWS = 5
COMMON = 8
"""A value in more rows than this is not a rare coincidence, and would make the search quadratic."""

Cells = Mapping[str, Mapping[str, Claim]]


def detect(sheet: Worksheet) -> Iterator[Finding]:
    """Yield pairs of rows of a table whose shared values chance would rarely give."""
    for table in sheet.paper.tables.values():
        cells = _measured(sheet, table)
        if len(cells) < LEAST_SHARED:
            continue
        for one, other in _candidates(cells):
            shared = [column for column, rows in cells.items() if _same(rows.get(one), rows.get(other))]
            if len(shared) < LEAST_SHARED:
                continue
            expected = expected_by_chance(cells, shared)
            everything = expected is None and len(shared) >= LEAST_SHARED_OF_FEW and len(shared) == len(cells)
            if everything or (expected is not None and expected < EXPECTED):
                yield _finding(sheet, [cells[c][one] for c in shared], [cells[c][other] for c in shared], expected)


def _measured(sheet: Worksheet, table: Table) -> Cells:
    columns = (c for c in table.columns if METRICS[c.metric].quantity.measured)
    return {column.id: {claim.row or "": claim for claim in sheet.column(table, column)} for column in columns}


def _candidates(cells: Cells) -> Iterator[tuple[str, str]]:
    """Yield pairs of rows that share a value in some column, each once; at most a few per cell."""
    seen: set[tuple[str, str]] = set()
    for rows in cells.values():
        holders: dict[str, list[str]] = defaultdict(list)
        for row, claim in rows.items():
            if claim.printed.value not in bounds(claim):
                holders[claim.printed.text].append(row)
        for same in holders.values():
            if len(same) <= COMMON:
                for pair in combinations(same, 2):
                    if pair not in seen:
                        seen.add(pair)
                        yield pair


def _same(one: Claim | None, other: Claim | None) -> bool:
    return (
        one is not None and other is not None and one.printed == other.printed and one.printed.value not in bounds(one)
    )


def expected_by_chance(cells: Cells, columns: Sequence[str]) -> float | None:
    """Return how many pairs of rows would share as many columns by chance; None with too few rows to say.

    Args:
        cells: Measured columns by id, each a mapping from row to claim.
        columns: The shared ones.
    """
    rows = [row for row in cells[columns[0]] if all(row in cells[column] for column in columns)]
    if len(rows) < LEAST_ROWS:
        return None
    columns = columns[: min(MOST_USED, len(rows) - 3)]
    values = np.array([[float(cells[column][row].printed.value) for column in columns] for row in rows])
    steps = np.array([float(cells[column][rows[0]].printed.step) for column in columns])
    covariance = np.cov(values, rowvar=False) + np.diag(steps**2 / 12)
    density = 1 / ((4 * pi) ** (len(columns) / 2) * float(np.sqrt(np.linalg.det(covariance))))
    coincidence = min(1.0, float(steps.prod()) * density)
    return float(comb(len(rows), 2) * comb(len(cells), len(columns)) * coincidence)


def _finding(sheet: Worksheet, one: list[Claim], other: list[Claim], expected: float | None) -> Finding:
    involved = [*one, *other]
    chance = "They are all the measured values of the two rows"
    if expected is not None:
        chance = f"By chance about {probability(expected)} such pairs are expected in a table like this one"
    more = [f"{len(one) - MOST_USED} more"] if len(one) > MOST_USED else []
    values = listing([*(f"{claim.printed} ({claim.column})" for claim in one[:MOST_USED]), *more])
    return Finding(
        rule=IDENTICAL,
        severity=Severity.WARNING,
        message=(
            f"{one[0].system} and {other[0].system} share {values}. {chance}: one row may have been copied from the "
            f"other."
        ),
        line=other[0].place.line,
        claims=tuple(claim.id for claim in involved),
        printed=tuple(str(claim.printed) for claim in involved),
        conclusion=sheet.conclusion(claim.id for claim in involved),
    )
