"""Numbers printed elsewhere as one small table per source, each beside the paper's own."""

from __future__ import annotations

from dataclasses import dataclass

from harness.claims.model import Claim, Paper, Reference, ReferenceKind
from harness.reports.values import aspect
from harness.wording.numbers import UNIT_NAMES
from harness.wording.words import DIFFERS_ELSEWHERE, MAY_DIFFER, REFERENCES, SAME_ELSEWHERE, Mark, metric_title


@dataclass(frozen=True, slots=True)
class Outside:
    """An outside number; ``claim`` and ``mark`` are None where the paper prints no such number."""

    reference: Reference
    claim: Claim | None
    mark: Mark | None


@dataclass(frozen=True, slots=True)
class SourceTable:
    """What one source prints: a row per system, a column per quantity, None where it prints nothing."""

    name: str
    source: str
    kind: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Outside | None, ...]], ...]


def source_tables(paper: Paper) -> tuple[SourceTable, ...]:
    """Return the sources in file order."""
    grouped: dict[str, list[Reference]] = {}
    for reference in paper.references:
        grouped.setdefault(reference.id.partition("/")[0], []).append(reference)
    return tuple(_table(name, references, paper) for name, references in grouped.items())


def _table(name: str, references: list[Reference], paper: Paper) -> SourceTable:
    columns = {_column(reference): reference for reference in reversed(references)}
    order = list(dict.fromkeys(_column(reference) for reference in references))
    cells = {(r.system, _column(r)): outside(r, paper) for r in references}
    systems = dict.fromkeys(reference.system for reference in references)
    rows = tuple((system, tuple(cells.get((system, column)) for column in order)) for system in systems)
    first = references[0]
    titles = tuple(_title(columns[column], references, paper) for column in order)
    return SourceTable(name, first.source, REFERENCES[first.kind], first.note, titles, rows)


def _column(reference: Reference) -> str:
    return reference.id.rpartition("/")[2]


def _title(reference: Reference, references: list[Reference], paper: Paper) -> str:
    """Name a column by what its numbers stand beside, with the unit."""
    beside = [r.claim for r in references if r.claim is not None and _column(r) == _column(reference)]
    name = _column(reference).replace("-", " ")
    title = aspect(paper.claims[beside[0]]) if beside else f"{metric_title(reference.metric)}: {name}"
    unit = UNIT_NAMES.get(reference.unit, reference.unit)
    return f"{title} ({unit})" if unit else title


def outside(reference: Reference, paper: Paper) -> Outside:
    """Hold a number printed elsewhere against the paper's own."""
    claim = paper.claims.get(reference.claim or "")
    if claim is None or claim.unit != reference.unit:
        return Outside(reference, claim, None)
    if claim.printed.interval.meets(reference.printed.interval):
        return Outside(reference, claim, SAME_ELSEWHERE)
    independent = reference.kind is ReferenceKind.INDEPENDENT
    return Outside(reference, claim, MAY_DIFFER if independent else DIFFERS_ELSEWHERE)
