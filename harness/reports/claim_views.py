"""Claims as rows to filter and as the paper's own tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import compress

from harness.audit.finding import Finding
from harness.claims.model import Claim, Column, Paper, Reference, Table
from harness.reports.values import STRENGTH, Difference, Value, aspect, difference_of, value_of, where
from harness.scoring.citable import judges
from harness.scoring.model import ClaimRow, Results
from harness.statistics.evidence import Evidence
from harness.wording.numbers import with_unit
from harness.wording.words import VERDICTS, WEAK, Mark


@dataclass(frozen=True, slots=True)
class ClaimView:
    """One claim next to what was found.

    Attributes:
        place: Table or section.
        subject, quantity: What the number is of, and what it counts.
        evidence: What the verdict rests on; None where nothing was measured for the claim itself.
        values: Measurements that bear on the claim, strongest first.
        orientation: Those of weaker evidence or on other images than the claim's, which give no verdict.
        findings: What the audit says of it.
        outside: Numbers printed elsewhere.
    """

    row: ClaimRow
    place: str
    subject: str
    quantity: str
    claimed: str
    mark: Mark
    evidence: Evidence | None
    difference: Difference | None
    values: tuple[Value, ...]
    orientation: tuple[Value, ...]
    findings: tuple[Finding, ...]
    outside: tuple[Reference, ...]

    @property
    def id(self) -> str:
        return self.row.claim.id

    @property
    def claim(self) -> Claim:
        return self.row.claim

    @property
    def kinds(self) -> str:
        """All evidence at hand, for the filter."""
        kinds = {value.measurement.evidence for value in (*self.values, *self.orientation)}
        if self.evidence is not None:
            kinds.add(self.evidence)
        return " ".join(kind.value for kind in sorted(kinds, key=STRENGTH.__getitem__)) or "none"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a printed table: a claim, or why there is none."""

    claim: ClaimView | None
    absent: str = ""


@dataclass(frozen=True, slots=True)
class GridRow:
    """A row of a printed table."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as the paper prints it, with what was found in each cell.

    Attributes:
        unit: The unit of all columns; empty if they differ.
    """

    table: Table
    columns: tuple[Column, ...]
    rows: tuple[GridRow, ...]
    unit: str


def claim_views(results: Results) -> tuple[ClaimView, ...]:
    """Return every claim: the tables' as :func:`grids` orders them, then those of the prose."""
    outside: dict[str, list[Reference]] = {}
    for reference in results.paper.references:
        if reference.claim is not None:
            outside.setdefault(reference.claim, []).append(reference)
    rank = {table.id: place for place, table in enumerate(_tables(results.paper))}
    rows = sorted(results.claims, key=lambda row: rank.get(row.claim.table or "", len(rank)))
    return tuple(_view(row, results.paper, tuple(outside.get(row.claim.id, ()))) for row in rows)


def grids(paper: Paper, views: Mapping[str, ClaimView]) -> tuple[Grid, ...]:
    """Return the paper's tables, those of one column last; ``views`` maps a claim's id to its view."""
    found = []
    for table in _tables(paper):
        rows = []
        for slug, name in table.rows.items():
            ids = [f"{table.id}/{slug}/{column.id}" for column in table.columns]
            rows.append(GridRow(name, tuple(Cell(views.get(id), paper.absent.get(id, "")) for id in ids)))
        units = {column.unit for column in table.columns}
        found.append(Grid(table, table.columns, tuple(rows), units.pop() if len(units) == 1 else ""))
    return tuple(found)


def _tables(paper: Paper) -> list[Table]:
    return sorted(paper.tables.values(), key=lambda table: len(table.columns) == 1)


def _view(row: ClaimRow, paper: Paper, outside: tuple[Reference, ...]) -> ClaimView:
    claim, verdict = row.claim, row.verdict
    measured = sorted(row.measurements, key=lambda m: (STRENGTH[m.evidence], m.experiment))
    values = tuple(value_of(m, claim.unit) for m in measured)
    bearing = [m.evidence not in WEAK and judges(m.evidence, m.data, claim) for m in measured]
    return ClaimView(
        row=row,
        place=where(claim, paper),
        subject=claim.system or aspect(claim),
        quantity=aspect(claim),
        claimed=with_unit(str(claim.printed), claim.unit),
        mark=VERDICTS[verdict.word],
        evidence=verdict.evidence,
        difference=difference_of(verdict),
        values=tuple(compress(values, bearing)),
        orientation=tuple(value for value, bears in zip(values, bearing, strict=True) if not bears),
        findings=row.findings,
        outside=outside,
    )
