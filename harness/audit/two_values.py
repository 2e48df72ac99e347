"""The same quantity printed with two values in one paper.

Two claims are about the same quantity if they name the same system, metric, dataset and protocol, and stand in columns
of the same group. Columns of one table that agree in all of these differ in something else (the class of an IoU), which
only their id tells; for them the id must agree too. Values are compared at the coarser of the two precisions. Claims
are grouped by what they name, so time is linear in their number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product

from harness.audit.finding import Finding, Severity
from harness.audit.rules import TWO_VALUES
from harness.audit.wording import measure
from harness.audit.worksheet import Worksheet
from harness.claims.document import slug
from harness.claims.model import Claim, Column, Paper, Table
from harness.claims.printed import Printed
from harness.claims.vocabulary import Quantity

INTRINSIC = (Quantity.COUNT,)
MEASURED_ON_DATA = (Quantity.PROPORTION, Quantity.SCORE)

Quantities = tuple[str, ...]


def detect(sheet: Worksheet) -> Iterator[Finding]:
    """Yield pairs of claims that print two values of one quantity; the first print is held against each later one."""
    first: dict[Quantities, Claim] = {}
    for key, claim in _named(sheet.paper):
        earlier = first.setdefault(key, claim)
        readings = product((earlier.printed, *earlier.readings), (claim.printed, *claim.readings))
        if any(same_value(one, other) for one, other in readings):
            continue
        values = (f"{measure(c.printed, c.unit)} in {c.place.section}" for c in (earlier, claim))
        yield Finding(
            rule=TWO_VALUES,
            severity=Severity.WARNING,
            message=(
                f"{claim.system}: {claim.definition.title} is {' and '.join(values)}, with nothing that says what "
                f"differs."
            ),
            line=claim.place.line,
            claims=(claim.id, earlier.id),
            printed=(str(claim.printed), str(earlier.printed)),
            conclusion=sheet.conclusion((claim.id, earlier.id)),
        )


def same_value(one: Printed, other: Printed) -> bool:
    """Return whether two prints agree at the coarser of their precisions (either neighbour of a tie will do)."""
    coarse, fine = (one, other) if one.decimals <= other.decimals else (other, one)
    return coarse.interval.low <= fine.value <= coarse.interval.high


def _named(paper: Paper) -> Iterator[tuple[Quantities, Claim]]:
    columns = {table.id: _distinctions(table) for table in paper.tables.values()}
    for claim in paper.claims.values():
        quantity = claim.definition.quantity
        on_data = quantity in MEASURED_ON_DATA and claim.dataset is not None
        if claim.system and (on_data or quantity in INTRINSIC):
            distinction = columns[claim.table][claim.column or ""] if claim.table is not None else ("", "")
            named = (claim.metric, claim.dataset or "", claim.protocol or "", claim.unit)
            yield (slug(claim.system), *named, *distinction), claim


def _distinctions(table: Table) -> dict[str, tuple[str, str]]:
    """Map a column's id to its group, and to itself where nothing else tells it from another column."""
    declared = Counter(_setting(column) for column in table.columns)
    return {c.id: (c.group or "", c.id if declared[_setting(c)] > 1 else "") for c in table.columns}


def _setting(column: Column) -> tuple[str | None, ...]:
    return column.metric, column.dataset, column.protocol, column.group, column.system
