"""References: numbers printed elsewhere, each beside the claim it can be held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.claims.document import Document, ragged, slug
from harness.claims.locate import Key
from harness.claims.model import Claim, Reference, ReferenceKind
from harness.claims.vocabulary import METRICS, UNITS

KEYS = ("source", "kind", "columns", "rows", "note")
COLUMN_KEYS = ("id", "metric", "unit", "beside")
NO_NUMBER = "-"


@dataclass(frozen=True, slots=True)
class _Column:
    """A reference column; ``beside`` holds the ``(prefix, column)`` of the claims ``prefix/row/column``."""

    id: str
    metric: str
    unit: str
    beside: tuple[tuple[str, str], ...] = ()

    def claim(self, row: str, claims: Mapping[str, Claim]) -> str | None:
        candidates = (f"{prefix}/{row}/{column}" for prefix, column in self.beside)
        return next((claim_id for claim_id in candidates if claim_id in claims), None)


def read_references(document: Document, claims: Mapping[str, Claim]) -> tuple[Reference, ...]:
    """Read every ``[reference.*]``."""
    references: dict[str, Reference] = {}
    for name, table in document.entries("reference"):
        key = ("reference", name)
        document.allow(key, table, *KEYS)
        kind = document.member(key, document.text(key, table, "kind"), ReferenceKind, ReferenceKind.INDEPENDENT, "kind")
        source, note = document.text(key, table, "source"), document.text(key, table, "note", "")
        columns = _columns(document, key, table.get("columns"), claims)
        rows = table.get("rows")
        if not isinstance(rows, dict) or not rows:
            document.complain(key, 'has no rows; write rows."NAME" = ["1.0", ...]')
            continue
        for row, cells in rows.items():
            row_key = (*key, row)
            if fault := ragged(cells, [column.id for column in columns]):
                document.complain(row_key, fault)
                continue
            for column, cell in zip(columns, cells, strict=True):
                where = f"reference {name}, row {row}, column {column.id}"
                printed = None if cell == NO_NUMBER else document.printed(row_key, cell, where=where)
                if printed is None:
                    continue
                reference_id = f"{name}/{slug(row)}/{column.id}"
                if reference_id in references:
                    other = references[reference_id].line
                    document.complain(row_key, f"duplicate id {reference_id!r}: also at line {other}", where=where)
                references[reference_id] = Reference(
                    id=reference_id,
                    printed=printed,
                    system=row,
                    metric=column.metric,
                    unit=column.unit,
                    kind=kind,
                    source=source,
                    claim=column.claim(slug(row), claims),
                    line=document.line(*row_key),
                    note=note,
                )
    return tuple(references.values())


def _columns(document: Document, key: Key, value: object, claims: Mapping[str, Claim]) -> list[_Column]:
    """Read the columns: ``{ beside = "t1/top1-1crop" }``, or ``{ id, metric, unit }`` of their own."""
    if not isinstance(value, list) or not all(isinstance(c, dict) for c in value) or not value:
        document.complain(key, "'columns' must be an array of tables such as { beside = \"t1/top1-1crop\" }")
        return []
    columns: list[_Column] = []
    for position, entry in enumerate(value, start=1):
        document.allow(key, entry, *COLUMN_KEYS, where=f"{key[0]} {key[1]}, column {entry.get('id', position)}")
        if "beside" in entry:
            columns.append(_beside(document, key, entry, claims))
        else:
            name = document.text(key, entry, "id")
            where = f"{key[0]} {key[1]}, column {name}"
            metric = document.choice(key, document.text(key, entry, "metric"), METRICS, "metric", where=where)
            unit = document.choice(key, document.text(key, entry, "unit"), UNITS, "unit", where=where)
            columns.append(_Column(name, metric, unit))
    return columns


def _beside(document: Document, key: Key, entry: dict[str, Any], claims: Mapping[str, Claim]) -> _Column:
    for name in ("metric", "unit"):
        if name in entry:
            document.complain(key, f"{name!r} beside 'beside': the claims have one")
    value = entry["beside"]
    texts = (value,) if isinstance(value, str) else document.texts(key, entry, "beside")
    places = tuple((prefix, column) for prefix, _, column in (text.rpartition("/") for text in texts))
    found = [next((c for c in claims.values() if _stands(c, place)), None) for place in places]
    for text, claim in zip(texts, found, strict=True):
        if claim is None:
            document.complain(key, f"'beside' names no column: {text!r}; write TABLE/COLUMN")
    nearest = next((claim for claim in found if claim is not None), None)
    name = document.text(key, entry, "id", places[0][1] if places else "")
    return _Column(name, nearest.metric if nearest else "score", nearest.unit if nearest else "1", places)


def _stands(claim: Claim, place: tuple[str, str]) -> bool:
    parts = claim.id.split("/")
    return len(parts) > 2 and ("/".join(parts[:-2]), parts[-1]) == place
