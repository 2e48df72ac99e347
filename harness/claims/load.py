"""``claims.toml`` to :class:`~harness.claims.model.Paper`; the format is described in ``docs/claims.md``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.claims.document import SLUG, Document, Problem, slug
from harness.claims.locate import Key
from harness.claims.model import (
    Claim,
    Column,
    Fact,
    Paper,
    Place,
    Reference,
    ReferenceKind,
    System,
    Table,
    Transcription,
)
from harness.claims.relations import read_relations
from harness.claims.vocabulary import METRICS, UNITS
from harness.errors import ClaimsError

SECTIONS = (
    "paper",
    "sources",
    "system",
    "table",
    "claim",
    "define",
    "relation",
    "reference",
    "fact",
    "absent",
)
NO_NUMBER = "-"
UNREADABLE = "?"


@dataclass
class Draft:
    """What has been read of a file so far."""

    document: Document
    tables: dict[str, Table] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def add(self, key: Key, claim: Claim) -> None:
        if claim.id in self.claims:
            other = self.claims[claim.id].place.line
            self.document.complain(key, f"duplicate id {claim.id!r}: also at line {other}")
        self.claims[claim.id] = claim

    def place(self, key: Key, table: Mapping[str, Any], *, transcription: str = "text") -> Place:
        source = self.document.text(key, table, "source", "text")
        if source not in self.sources:
            self.document.choice(key, source, self.sources, "source (declare it under [sources])")
        certainty = self.document.text(key, table, "transcription", transcription)
        return Place(
            self.document.text(key, table, "section"),
            source,
            self.document.member(key, certainty, Transcription, Transcription.UNCERTAIN, "transcription"),
            self.document.line(*key),
        )


def load_paper(path: Path) -> Paper:
    """Read a paper's claims.

    Raises:
        ClaimsError: The file has problems; the message lists every one with file, line, table, row and column.
    """
    paper, problems = examine(path)
    if problems:
        listed = "\n".join(f"{path}:{p.line}: [{p.where}] {p.message}" for p in problems)
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise ClaimsError(f"{listed}\n{count} in {path}", "The format is described in docs/claims.md.")
    return paper


def examine(path: Path) -> tuple[Paper, list[Problem]]:
    """Read a claims file and return what could be made of it with every problem, in file order.

    Raises:
        ClaimsError: The file cannot be read or is not TOML.
    """
    document = Document.read(path)
    document.allow(("file",), document.root, *SECTIONS)
    draft = Draft(document)
    head = document.section("paper")
    key: Key = ("paper",)
    document.allow(key, head, "key", "title", "authors", "year", "venue", "versions", "url")
    draft.sources = {
        name: document.text(("sources",), document.section("sources"), name) for name in document.section("sources")
    }
    systems = _systems(document)
    for table_id, table in document.entries("table"):
        _table(draft, table_id, table)
    for claim_id, table in document.entries("claim"):
        _claim(draft, claim_id, table)
    for claim_id, reason in document.section("absent").items():
        draft.absent[claim_id] = reason if isinstance(reason, str) else ""
        if not draft.absent[claim_id]:
            document.complain(("absent",), f"{claim_id!r} needs a reason in words")
    paper = Paper(
        key=document.text(key, head, "key"),
        title=document.text(key, head, "title"),
        authors=document.texts(key, head, "authors"),
        year=document.whole(key, head, "year") or 0,
        venue=document.text(key, head, "venue", ""),
        versions=document.texts(key, head, "versions"),
        url=document.text(key, head, "url", ""),
        path=path,
        tables=draft.tables,
        claims=draft.claims,
        relations=read_relations(document, draft.claims, draft.place),
        references=_references(draft),
        facts=_facts(draft),
        systems=systems,
        sources=draft.sources,
        absent=draft.absent,
    )
    if paper.key and not SLUG.fullmatch(paper.key):
        document.complain(key, f"the key {paper.key!r} must be lower-case letters, digits, '.', '+', '_' or '-'")
    return paper, sorted(document.problems, key=lambda p: p.line)


def _systems(document: Document) -> dict[str, System]:
    systems: dict[str, System] = {}
    for name, table in document.entries("system"):
        key = ("system", name)
        document.allow(key, table, "family", "layers", "counterpart")
        systems[name] = System(
            name,
            document.optional(key, table, "family"),
            document.whole(key, table, "layers"),
            document.optional(key, table, "counterpart"),
        )
    for name, system in systems.items():
        chain = [name]
        while (nearest := systems[chain[-1]].counterpart) is not None:
            if nearest not in systems:
                document.choice(("system", chain[-1]), nearest, systems, "counterpart")
                break
            chain.append(nearest)
            if nearest in chain[:-1]:
                if nearest == name:
                    document.complain(("system", name), f"counterparts form a cycle: {' -> '.join(chain)}")
                break
        if system.layers is not None and system.family is None:
            document.complain(("system", name), "'layers' orders a family, and 'family' is missing")
    return systems


def _table(draft: Draft, table_id: str, table: dict[str, Any]) -> None:
    document, key = draft.document, ("table", table_id)
    document.allow(key, table, "section", "caption", "source", "transcription", "columns", "rows", "labels")
    place = draft.place(key, table)
    columns = _columns(document, key, table.get("columns"))
    rows = table.get("rows")
    if not isinstance(rows, dict) or not rows:
        document.complain(key, 'has no rows; write rows."NAME" = ["1.0", ...]')
        return
    names: dict[str, str] = {}
    for name, cells in rows.items():
        row_key = (*key, name)
        row = slug(name)
        if row in names:
            document.complain(row_key, f"duplicate id: rows {names[row]!r} and {name!r} both become {row!r}")
        names[row] = name
        if not isinstance(cells, list):
            document.complain(row_key, f"must be an array of {len(columns)} cells")
        elif len(cells) != len(columns):
            document.complain(row_key, f"ragged row: {len(cells)} cells for {len(columns)} columns")
        else:
            for column, cell in zip(columns, cells, strict=True):
                _cell(draft, row_key, table_id, (row, name), column, cell, place)
    draft.tables[table_id] = Table(table_id, document.text(key, table, "caption", ""), columns, names, place)


def _columns(document: Document, key: Key, value: object) -> tuple[Column, ...]:
    if not isinstance(value, list) or not all(isinstance(c, dict) for c in value) or not value:
        document.complain(
            key, '\'columns\' must be an array of tables such as { id = "miou", metric = "miou", unit = "%" }'
        )
        return ()
    columns: dict[str, Column] = {}
    for position, entry in enumerate(value, start=1):
        name = document.text(key, entry, "id")
        where = f"table {key[1]}, column {name or position}"
        document.allow(key, entry, "id", "title", "metric", "unit", "dataset", "protocol", "n", "group")
        if name and not SLUG.fullmatch(name):
            document.complain(
                key, f"the id {name!r} must be lower-case letters, digits, '.', '+', '_' or '-'", where=where
            )
        if name in columns:
            document.complain(key, f"duplicate id {name!r}", where=where)
        columns[name] = Column(
            name,
            document.text(key, entry, "title", name),
            document.choice(key, document.text(key, entry, "metric"), METRICS, "metric", where=where),
            document.choice(key, document.text(key, entry, "unit"), UNITS, "unit", where=where),
            document.optional(key, entry, "dataset"),
            document.optional(key, entry, "protocol"),
            document.whole(key, entry, "n"),
            document.optional(key, entry, "group"),
        )
    return tuple(columns.values())


def _cell(
    draft: Draft, key: Key, table_id: str, row: tuple[str, str], column: Column, cell: object, place: Place
) -> None:
    claim_id = f"{table_id}/{row[0]}/{column.id}"
    where = f"table {table_id}, row {row[1]}, column {column.id}"
    if cell == NO_NUMBER:
        return
    if cell == UNREADABLE:
        draft.absent.setdefault(claim_id, "the cell could not be read in any source")
        return
    printed = draft.document.printed(key, cell, where=where)
    if printed is None:
        return
    line = draft.document.line(*key)
    draft.add(
        key,
        Claim(
            id=claim_id,
            printed=printed,
            metric=column.metric if column.metric in METRICS else "score",
            unit=column.unit,
            system=row[1],
            place=Place(place.section, place.source, place.transcription, line),
            dataset=column.dataset,
            protocol=column.protocol,
            n=column.n,
            table=table_id,
            row=row[0],
            column=column.id,
        ),
    )


def _claim(draft: Draft, claim_id: str, table: dict[str, Any]) -> None:
    document, key = draft.document, ("claim", claim_id)
    document.allow(
        key, table, "value", "unit", "metric", "system", "section", "quote", "source", "transcription",
        "dataset", "protocol", "n", "readings", "note",
    )  # fmt: skip
    if claim_id.count("/") < 1 or not all(SLUG.fullmatch(part) for part in claim_id.split("/")):
        document.complain(key, f"the id {claim_id!r} must read like s5.1/resnet-152/top1-error")
    metric = document.choice(key, document.text(key, table, "metric"), METRICS, "metric")
    readings = [document.printed(key, text) for text in document.texts(key, table, "readings")]
    printed = document.printed(key, table.get("value"))
    place = draft.place(key, table)
    if printed is None:
        return
    draft.add(
        key,
        Claim(
            id=claim_id,
            printed=printed,
            metric=metric if metric in METRICS else "score",
            unit=document.choice(key, document.text(key, table, "unit"), UNITS, "unit"),
            system=document.text(key, table, "system", ""),
            place=place,
            dataset=document.optional(key, table, "dataset"),
            protocol=document.optional(key, table, "protocol"),
            n=document.whole(key, table, "n"),
            quote=document.text(key, table, "quote", ""),
            readings=tuple(reading for reading in readings if reading is not None),
            note=document.text(key, table, "note", ""),
        ),
    )


def _references(draft: Draft) -> tuple[Reference, ...]:
    document = draft.document
    references: list[Reference] = []
    for name, table in document.entries("reference"):
        key = ("reference", name)
        document.allow(key, table, "source", "kind", "columns", "rows", "note")
        kind = document.member(key, document.text(key, table, "kind"), ReferenceKind, ReferenceKind.INDEPENDENT, "kind")
        source, note = document.text(key, table, "source"), document.text(key, table, "note", "")
        columns = _columns_beside(draft, key, table.get("columns"))
        rows = table.get("rows")
        if not isinstance(rows, dict) or not rows:
            document.complain(key, 'has no rows; write rows."NAME" = ["1.0", ...]')
            continue
        for row, cells in rows.items():
            row_key = (*key, row)
            if not isinstance(cells, list) or len(cells) != len(columns):
                document.complain(row_key, f"ragged row: needs {len(columns)} cells")
                continue
            for (column_id, metric, unit, beside), cell in zip(columns, cells, strict=True):
                where = f"reference {name}, row {row}, column {column_id}"
                printed = None if cell == NO_NUMBER else document.printed(row_key, cell, where=where)
                if printed is None:
                    continue
                claim = f"{beside[0]}/{slug(row)}/{beside[1]}" if beside else None
                references.append(
                    Reference(
                        f"{name}/{slug(row)}/{column_id}",
                        printed,
                        row,
                        metric,
                        unit,
                        kind,
                        source,
                        claim if claim in draft.claims else None,
                        document.line(*row_key),
                        note,
                    )
                )
    return tuple(references)


ColumnBeside = tuple[str, str, str, tuple[str, str] | None]


def _columns_beside(draft: Draft, key: Key, value: object) -> list[ColumnBeside]:
    """Read reference columns: ``{ beside = "t1/top1-1crop" }``, or ``{ id, metric, unit }`` of their own."""
    document = draft.document
    if not isinstance(value, list) or not all(isinstance(c, dict) for c in value) or not value:
        document.complain(key, "'columns' must be an array of tables such as { beside = \"t1/top1-1crop\" }")
        return []
    columns: list[ColumnBeside] = []
    for entry in value:
        document.allow(key, entry, "id", "metric", "unit", "beside")
        if "beside" in entry:
            table_id, _, column_id = document.text(key, entry, "beside").partition("/")
            table = draft.tables.get(table_id)
            column = next((c for c in table.columns if c.id == column_id), None) if table else None
            if column is None:
                document.complain(key, f"'beside' names no column: {entry['beside']!r}; write TABLE/COLUMN")
                continue
            columns.append((column_id, column.metric, column.unit, (table_id, column_id)))
        else:
            metric = document.choice(key, document.text(key, entry, "metric"), METRICS, "metric")
            unit = document.choice(key, document.text(key, entry, "unit"), UNITS, "unit")
            columns.append((document.text(key, entry, "id"), metric, unit, None))
    return columns


def _facts(draft: Draft) -> tuple[Fact, ...]:
    document = draft.document
    facts: dict[str, Fact] = {}
    for key, table in document.elements("fact"):
        document.allow(key, table, "id", "section", "value", "quote", "source", "transcription")
        fact_id = document.text(key, table, "id")
        if fact_id in facts or fact_id in draft.claims:
            document.complain(key, f"duplicate id {fact_id!r}")
        facts[fact_id] = Fact(
            fact_id,
            document.text(key, table, "value"),
            document.text(key, table, "quote", ""),
            draft.place(key, table),
        )
    return tuple(facts.values())
