"""A cell that the rest of its row and column do not predict.

Systems of a table differ mostly in how good they are, and the overall scores on one dataset all measure that. (Scores
of single classes do not: systems have strengths and weaknesses. Columns that only their ids tell apart are left out.)
On the probit scale, where proportions of different systems relate linearly (Miller et al., Accuracy on the Line,
ICML 2021), each column is standardised over the rows and turned so that larger is better; the mean of a row's *other*
columns then says where the system stands, and a line through the *other* rows says what its cell should be.

The residual of the cell follows Student's t (leave one out); Bonferroni over all cells tested in the table bounds the
chance of any false alarm: below 1 % a warning, below 5 % a note. Of several cells of a row the most striking is named.
With two columns nothing tells which of the two is wrong, and both are. Work is linear in the number of cells.

If one digit changed would put the cell back within the central 95 % of its prediction, in at most three ways, those are
named, and the relations that would change with the one nearest to the prediction are recomputed: suggestions, no more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from harness.audit.finding import Finding, Severity, graded
from harness.audit.relations import consequences
from harness.audit.rules import OUTLIER
from harness.audit.wording import number, probability, span
from harness.audit.worksheet import Worksheet, by_setting, whole
from harness.claims.intervals import Interval
from harness.claims.model import Claim, Column, Table
from harness.claims.printed import Printed
from harness.claims.vocabulary import METRICS, UNITS
from harness.statistics.leave_one_out import line, student_critical

CENTRAL = 0.95
MOST_SUGGESTED = 3
NORMAL = NormalDist()

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cell:
    """A tested cell: what its row and column predict, and how improbable it is.

    Attributes:
        p: Two-sided, for this cell alone.
        predicted, reach: The middle of the prediction and half the width of its central 95 %, on the probit scale.
        columns: How many columns the prediction and the cell are made of.
        partner: The row's other cell, where there are just two columns.
    """

    claim: Claim
    p: float
    predicted: float
    reach: float
    columns: int
    partner: Claim | None

    @property
    def expected(self) -> Fraction:
        """The middle of the prediction in the claim's unit."""
        return _share(self.predicted, self.claim)

    @property
    def range(self) -> Interval:
        """The central 95 % of the prediction in the claim's unit."""
        return Interval(
            _share(self.predicted - self.reach, self.claim), _share(self.predicted + self.reach, self.claim)
        )


def detect(sheet: Worksheet) -> Iterator[Finding]:
    """Yield the most striking cell of each row that has one."""
    for table in sheet.paper.tables.values():
        tested = [cell for columns in _groups(table) for cell in predictions(sheet, table, columns)]
        striking: dict[str, list[Cell]] = defaultdict(list)
        for cell in tested:
            if graded(cell.p * len(tested)) is not None:
                striking[cell.claim.row or ""].append(cell)
        for cells in striking.values():
            yield _finding(sheet, min(cells, key=lambda cell: cell.p), len(tested))


def _groups(table: Table) -> Iterator[list[Column]]:
    """Yield the table's overall scores in per cent, by dataset; two columns at least."""
    groups: dict[str | None, list[Column]] = defaultdict(list)
    for column in (column for columns in by_setting(table) for column in columns.values()):
        metric = METRICS[column.metric]
        if metric.quantity.measured and metric.better and UNITS[column.unit].dimension == "percent":
            groups[column.dataset].append(column)
    yield from (columns for columns in groups.values() if len(columns) > 1)


def predictions(sheet: Worksheet, table: Table, columns: Sequence[Column]) -> list[Cell]:
    """Predict every cell of some columns from the rest of its row and column; where that says too little, none."""
    claims = [[sheet.paper.claims.get(f"{table.id}/{row}/{column.id}") for column in columns] for row in table.rows]
    values = np.array([[_probit(claim) for claim in row] for row in claims])
    rounding = np.array([[_rounding(claim) for claim in row] for row in claims])
    usable = np.flatnonzero([len(set(column[~np.isnan(column)].tolist())) > 1 for column in values.T])
    if len(usable) < 2:
        return []
    columns = [columns[int(k)] for k in usable]
    claims = [[row[int(k)] for k in usable] for row in claims]
    values, rounding = values[:, usable], rounding[:, usable]
    spread = np.nanstd(values, axis=0)
    sign = np.array([-1.0 if METRICS[column.metric].better == "lower" else 1.0 for column in columns])
    standing = sign * (values - np.nanmean(values, axis=0)) / spread
    noise = np.nanmean((rounding / spread) ** 2, axis=0)
    count = (~np.isnan(standing)).sum(axis=1)
    total = np.nansum(standing, axis=1)
    cells: list[Cell] = []
    for k in range(len(columns)):
        rows = np.flatnonzero(~np.isnan(standing[:, k]) & (count > 1))
        others = (total[rows] - standing[rows, k]) / (count[rows] - 1)
        floor = sqrt(noise[k] + (noise.sum() - noise[k]) / (len(columns) - 1) ** 2) * spread[k]
        judged = line(others, values[rows, k], float(floor))
        if judged is None:
            continue
        reach = student_critical(CENTRAL, judged.degrees)
        for row, p, middle, error in zip(rows, judged.p, judged.predicted, judged.error, strict=True):
            claim = claims[row][k]
            assert claim is not None
            partner = claims[row][1 - k] if len(columns) == 2 else None
            cells.append(Cell(claim, float(p), float(middle), reach * float(error), len(columns), partner))
    return cells


def _probit(claim: Claim | None) -> float:
    """Return the probit of a claim's share; NaN where there is none, or it is at an end of the range."""
    if claim is None:
        return float("nan")
    share = float(claim.printed.value / whole(claim.unit))
    return NORMAL.inv_cdf(share) if 0 < share < 1 else float("nan")


def _rounding(claim: Claim | None) -> float:
    """Return the standard deviation of the rounding error on the probit scale."""
    probit = _probit(claim)
    if claim is None or np.isnan(probit):
        return float("nan")
    return float(claim.printed.step / whole(claim.unit)) / sqrt(12) / NORMAL.pdf(probit)


def _share(probit: float, claim: Claim) -> Fraction:
    """Return to the claim's unit."""
    return Fraction(NORMAL.cdf(probit)).limit_denominator(10**8) * whole(claim.unit)


def one_digit_corrections(printed: Printed, expected: Fraction, within: Interval) -> list[Printed]:
    """Return the decimals in an interval that differ from the print in one digit, nearest to ``expected`` first."""
    text = printed.text
    found: list[Printed] = []
    for position, old in enumerate(text):
        if not old.isdigit():
            continue
        for new in "0123456789":
            changed = text[:position] + new + text[position + 1 :]
            leading_zero = position == 0 and new == "0" and len(text) > 1 and text[1] != "."
            if new != old and not leading_zero and within.low <= Fraction(changed) <= within.high:
                found.append(Printed(changed))
    return sorted(found, key=lambda other: abs(other.value - expected))


def _finding(sheet: Worksheet, cell: Cell, tests: int) -> Finding:
    claim, decimals = cell.claim, cell.claim.printed.decimals
    partners = "the other column" if cell.columns == 2 else f"the {cell.columns - 1} other columns"
    message = (
        f"{claim.system}: {claim.printed} in column {claim.column} stands out; {partners} and the other rows predict "
        f"{number(cell.expected, decimals)} ({span(cell.range, decimals)} in 95 % of cases; p = "
        f"{probability(cell.p)}, family-wise {probability(cell.p * tests)})."
    )
    involved = [claim]
    if cell.partner is not None:
        involved.append(cell.partner)
        message += f" With two columns, it may as well be the {cell.partner.printed} beside it."
    corrections = one_digit_corrections(claim.printed, cell.expected, cell.range)
    if len(corrections) > MOST_SUGGESTED:
        corrections = []
    follows = consequences(sheet, {claim.id: corrections[0]}) if corrections else ()
    if corrections:
        message += f" One digit changed would put it back: {' or '.join(map(str, corrections))}."
    if follows:
        message += f" With {corrections[0]}: {'; '.join(c.message for c in follows)}."
    return Finding(
        rule=OUTLIER,
        severity=graded(cell.p * tests) or Severity.NOTE,
        message=message,
        line=claim.place.line,
        claims=tuple(c.id for c in involved),
        printed=tuple(str(c.printed) for c in involved),
        recomputed=cell.range,
        conclusion=" ".join(dict.fromkeys(c.conclusion for c in follows if c.conclusion)),
        consequences=follows,
    )
