"""Two rows that share the same measured values.

Only measured numbers count: two networks may well have the same number of parameters, and chance rarely gives two
networks the same error to the last digit in several columns. How rarely is estimated from the table: if the k shared
columns are jointly normal over the rows with covariance S, the difference of two rows is normal with covariance 2 S,
so two rows fall into the same cell of the print with probability about

    P = step_1 ... step_k / ((4 pi)^(k/2) sqrt(det S)),

which allows for columns that move together. With R rows and m measured columns, ``E = C(R, 2) C(m, k) P`` such
coincidences are expected by chance. S is taken without the row whose absence makes E largest, so that one wild row does
not make coincidences look rare; of more than four shared columns the first four are used, which overstates E. Below
0.01 a pair is a warning, below 0.05 a note. A table of fewer than five rows says nothing about S; there a pair is
reported if it shares all measured columns, and at least three.

A value at an end of the metric's range (an IoU of 0.0), or in more than eight rows of its column, does not count as
shared, for it is no rare coincidence. Of each table the hundred pairs that share most are examined. Both keep the work
linear in the number of cells.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from heapq import nlargest
from itertools import combinations
from math import comb, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from harness.audit.finding import Finding, Severity, graded
from harness.audit.ranges import bounds
from harness.audit.rules import IDENTICAL
from harness.audit.wording import listing, probability
from harness.audit.worksheet import Worksheet
from harness.claims.model import Claim, Table
from harness.claims.vocabulary import METRICS

LEAST_SHARED = 2
LEAST_SHARED_OF_FEW = 3
MOST_USED = 4
LEAST_ROWS = 5
COMMON = 8
MOST_EXAMINED = 100

Cells = Mapping[str, Mapping[str, Claim]]


def detect(sheet: Worksheet) -> Iterator[Finding]:
    """Yield pairs of rows of a table whose shared values chance would rarely give."""
    for table in sheet.paper.tables.values():
        cells = _measured(sheet, table)
        if len(cells) < LEAST_SHARED:
            continue
        pairs = ((pair, shared) for pair, shared in _sharing(cells).items() if len(shared) >= LEAST_SHARED)
        for (one, other), shared in nlargest(MOST_EXAMINED, pairs, key=lambda found: len(found[1])):
            expected = expected_by_chance(cells, shared)
            if expected is None:
                everything = len(shared) >= LEAST_SHARED_OF_FEW and len(shared) == len(cells)
                severity = Severity.WARNING if everything else None
            else:
                severity = graded(expected)
            if severity is not None:
                claims = [cells[column][one] for column in shared], [cells[column][other] for column in shared]
                yield _finding(sheet, severity, *claims, expected)


def _measured(sheet: Worksheet, table: Table) -> Cells:
    columns = (c for c in table.columns if METRICS[c.metric].quantity.measured)
    return {column.id: {claim.row or "": claim for claim in sheet.column(table, column)} for column in columns}


def _sharing(cells: Cells) -> dict[tuple[str, str], list[str]]:
    """Map each pair of rows that shares an uncommon value to the columns in which it does."""
    sharing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for column, rows in cells.items():
        holders: dict[str, list[str]] = defaultdict(list)
        for row, claim in rows.items():
            if claim.printed.value not in bounds(claim):
                holders[claim.printed.text].append(row)
        for same in holders.values():
            if len(same) <= COMMON:
                for pair in combinations(same, 2):
                    sharing[pair].append(column)
    return sharing


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
    spread = float(_determinants_without_each(values, steps**2 / 12).min())
    coincidence = min(1.0, float(steps.prod()) / ((4 * pi) ** (len(columns) / 2) * sqrt(spread)))
    return float(comb(len(rows), 2) * comb(len(cells), len(columns)) * coincidence)


def _determinants_without_each(values: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the determinant of the covariance of all rows but one, for each row left out, rounding noise added."""
    n = len(values)
    centred = values - values.mean(axis=0)
    outer = centred[:, :, None] * centred[:, None, :]
    scatter = centred.T @ centred - outer * n / (n - 1)
    return np.asarray(np.linalg.det(scatter / (n - 2) + np.diag(noise)))


def _finding(
    sheet: Worksheet, severity: Severity, one: list[Claim], other: list[Claim], expected: float | None
) -> Finding:
    involved = [*other, *one]
    chance = "They are all the measured values of the two rows"
    if expected is not None:
        chance = f"By chance about {probability(expected)} such pairs are expected in a table like this one"
    more = [f"{len(one) - MOST_USED} more"] if len(one) > MOST_USED else []
    values = listing([*(f"{claim.printed} ({claim.column})" for claim in one[:MOST_USED]), *more])
    return Finding(
        rule=IDENTICAL,
        severity=severity,
        message=(
            f"{one[0].system} and {other[0].system} share {values}. {chance}: one row may have been copied from the "
            f"other."
        ),
        line=other[0].place.line,
        claims=tuple(claim.id for claim in involved),
        printed=tuple(str(claim.printed) for claim in involved),
        conclusion=sheet.conclusion(claim.id for claim in involved),
    )
