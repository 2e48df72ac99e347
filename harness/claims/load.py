"""``claims.toml`` to :class:`~harness.claims.model.Paper`; the format is described in ``docs/claims.md``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import filter as matching
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness.claims.document import SLUG, Document, Problem, did_you_mean, ragged, slug
from harness.claims.expressions import ID
from harness.claims.locate import Key
from harness.claims.model import (
    Claim,
    Column,
    Fact,
    Paper,
    Place,
    System,
    Table,
    Transcription,
    Unprinted,
)
from harness.claims.references import NO_NUMBER, read_references
from harness.claims.relations import read_relations
from harness.claims.vocabulary import METRICS, UNITS
from harness.errors import ClaimsError

SECTIONS = (
    "paper", "sources", "system", "table", "claim", "unprinted", "define", "relation", "reference", "fact", "absent",
)  # fmt: skip
KEYS: Mapping[str, tuple[str, ...]] = {
    "paper": ("key", "title", "authors", "year", "venue", "versions", "url"),
    "system": ("family", "layers", "counterpart", "settings"),
    "table": ("section", "caption", "source", "transcription", "transcriptions", "columns", "rows"),
    "column": ("id", "title", "metric", "unit", "dataset", "protocol", "n", "group",
               "system"),
    "claim": ("value", "unit", "metric", "system", "section", "quote", "source", "transcription",
              "dataset", "protocol", "n", "readings", "note"),
    "unprinted": ("system", "metric", "unit", "protocol"),
    "fact": ("id", "section", "value", "quote", "source", "transcription"),
}  # fmt: skip
UNREADABLE = "?"
ROW = "{row}"
"""In a column's ``system``: the name of the row."""


@dataclass
class Draft:
    """What has been read of a file so far; ``refused`` are the ids of numbers that were complained of."""

    document: Document
    tables: dict[str, Table] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    absent: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def add(self, key: Key, claim: Claim) -> None:
        if claim.id in self.claims:
            other = self.claims[claim.id].place.line
            self.document.complain(key, f"duplicate id {claim.id!r}: also at line {other}")
        self.claims[claim.id] = claim

    def place(self, key: Key, table: Mapping[str, Any], *, transcription: str = "text") -> Place:
        source = self.document.text(key, table, "source", "text")
        if source and source not in self.sources:
            self.document.complain(key, f"source {source!r} is not declared under [sources]")
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
    for name in document.root:
        if name not in SECTIONS:
            document.complain((name,), f"unknown section {name!r}{did_you_mean(name, SECTIONS)}")
    draft = Draft(document)
    head = document.section("paper")
    key: Key = ("paper",)
    document.allow(key, head, *KEYS["paper"])
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
            document.complain(("absent", claim_id), "needs a reason in words")
        if claim_id in draft.claims:
            document.complain(("absent", claim_id), "is both absent and a claim")
    unprinted = _unprinted(draft)
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
        relations=read_relations(document, draft.claims, unprinted, draft.place, draft.refused),
        references=read_references(document, draft.claims),
        facts=_facts(draft),
        systems=systems,
        sources=draft.sources,
        absent=draft.absent,
        unprinted=unprinted,
    )
    if paper.key and not SLUG.fullmatch(paper.key):
        document.complain(key, f"the key {paper.key!r} must be lower-case letters, digits, '.', '+', '_' or '-'")
    return paper, sorted(document.problems, key=lambda p: p.line)


def _systems(document: Document) -> dict[str, System]:
    systems: dict[str, System] = {}
    for name, table in document.entries("system"):
        key = ("system", name)
        document.allow(key, table, *KEYS["system"])
        systems[name] = System(
            name,
            document.optional(key, table, "family"),
            document.whole(key, table, "layers"),
            document.optional(key, table, "counterpart"),
            _settings(document, key, table),
        )
    for name, system in systems.items():
        chain = [name]
        while (nearest := systems[chain[-1]].counterpart) is not None:
            if nearest not in systems:
                if chain == [name]:
                    document.choice(("system", name), nearest, systems, "counterpart")
                break
            chain.append(nearest)
            if nearest in chain[:-1]:
                if nearest == name:
                    document.complain(("system", name), f"counterparts form a cycle: {' -> '.join(chain)}")
                break
        if system.layers is not None and system.family is None:
            document.complain(("system", name), "'layers' orders a family, and 'family' is missing")
    return systems


def _settings(document: Document, key: Key, table: Mapping[str, Any]) -> dict[str, str]:
    value = table.get("settings", {})
    if not isinstance(value, dict) or not all(isinstance(text, str) and text for text in value.values()):
        document.complain(key, '\'settings\' must be a table of strings such as { crop = "544", CRF = "no" }')
        return {}
    return value


def _table(draft: Draft, table_id: str, table: dict[str, Any]) -> None:
    document, key = draft.document, ("table", table_id)
    document.allow(key, table, *KEYS["table"])
    if not ID.fullmatch(f"{table_id}/row"):
        document.complain(key, f"the id {table_id!r} must be lower-case and start with a letter, such as t1")
    place = draft.place(key, table)
    columns = _columns(document, key, table.get("columns"))
    rows = table.get("rows")
    if not isinstance(rows, dict) or not rows:
        document.complain(key, 'has no rows; write rows."NAME" = ["1.0", ...]')
        return
    names: dict[str, str] = {}
    certainties = _certainties(document, key, table)
    for name, cells in rows.items():
        row_key = (*key, name)
        row = slug(name)
        if not SLUG.fullmatch(row):
            document.complain(row_key, f"the name {name!r} has no letter or digit to make an id of")
        if row in names:
            document.complain(row_key, f"duplicate id: rows {names[row]!r} and {name!r} both become {row!r}")
            continue
        names[row] = name
        if fault := ragged(cells, [column.id for column in columns]):
            document.complain(row_key, fault)
            draft.refused.update(f"{table_id}/{row}/{column.id}" for column in columns)
        else:
            for column, cell in zip(columns, cells, strict=True):
                address = f"{row}/{column.id}"
                certainty = next((c for p, c in certainties.items() if fnmatchcase(address, p)), place.transcription)
                at = Place(place.section, place.source, certainty, document.line(*row_key))
                _cell(draft, row_key, table_id, (row, name), column, cell, at)
    addresses = [f"{row}/{column.id}" for row in names for column in columns]
    for pattern in certainties:
        if not matching(addresses, pattern):
            document.complain(key, f"'transcriptions': {pattern!r} matches no ROW/COLUMN of the table")
    draft.tables[table_id] = Table(table_id, document.text(key, table, "caption", ""), columns, names, place)


def _certainties(document: Document, key: Key, table: Mapping[str, Any]) -> dict[str, Transcription]:
    """Read ``transcriptions``: cells copied with another certainty than the table's, as ``ROW/COLUMN`` patterns."""
    value = table.get("transcriptions", {})
    if not isinstance(value, dict):
        document.complain(key, '\'transcriptions\' must be a table such as { "*/miou" = "one-source" }')
        return {}
    unsure = Transcription.UNCERTAIN
    return {p: document.member(key, str(word), Transcription, unsure, "transcription") for p, word in value.items()}


def _columns(document: Document, key: Key, value: object) -> tuple[Column, ...]:
    if not isinstance(value, list) or not all(isinstance(c, dict) for c in value) or not value:
        document.complain(
            key, '\'columns\' must be an array of tables such as { id = "miou", metric = "miou", unit = "%" }'
        )
        return ()
    columns: dict[str, Column] = {}
    for position, entry in enumerate(value, start=1):
        where = f"table {key[1]}, column {entry.get('id', position)}"
        name = document.text(key, entry, "id", where=where)
        document.allow(key, entry, *KEYS["column"], where=where)
        if name and not SLUG.fullmatch(name):
            document.complain(
                key, f"the id {name!r} must be lower-case letters, digits, '.', '+', '_' or '-'", where=where
            )
        if name in columns:
            document.complain(key, f"duplicate id {name!r}", where=where)
            name = f"{name}-{position}"
        system = document.text(key, entry, "system", ROW, where=where)
        if ROW not in system:
            document.complain(key, f"'system' must hold {ROW}, the row's name, such as '{ROW} + CRF'", where=where)
        columns[name] = Column(
            name,
            document.text(key, entry, "title", name, where=where),
            document.choice(key, document.text(key, entry, "metric", where=where), METRICS, "metric", where=where),
            document.choice(key, document.text(key, entry, "unit", where=where), UNITS, "unit", where=where),
            document.optional(key, entry, "dataset", where=where),
            document.optional(key, entry, "protocol", where=where),
            document.whole(key, entry, "n", where=where),
            document.optional(key, entry, "group", where=where),
            system,
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
        draft.refused.add(claim_id)
        return
    draft.add(
        key,
        Claim(
            id=claim_id,
            printed=printed,
            metric=column.metric if column.metric in METRICS else "score",
            unit=column.unit,
            system=column.system.replace(ROW, row[1]),
            place=place,
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
    document.allow(key, table, *KEYS["claim"])
    if not ID.fullmatch(claim_id) or not all(SLUG.fullmatch(part) for part in claim_id.split("/")):
        document.complain(key, f"the id {claim_id!r} must read like s5.1/resnet-152/top1-error")
    metric = document.choice(key, document.text(key, table, "metric"), METRICS, "metric")
    readings = [document.printed(key, text) for text in document.texts(key, table, "readings")]
    place = draft.place(key, table)
    if "value" not in table:
        document.complain(key, "'value' is missing")
    printed = document.printed(key, table["value"]) if "value" in table else None
    if printed is None:
        draft.refused.add(claim_id)
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


def _unprinted(draft: Draft) -> dict[str, Unprinted]:
    document = draft.document
    found: dict[str, Unprinted] = {}
    for name, table in document.entries("unprinted"):
        key = ("unprinted", name)
        document.allow(key, table, *KEYS["unprinted"])
        if not ID.fullmatch(name) or "*" in name:
            document.complain(key, f"the id {name!r} must read like built/drn-a-18/receptive-field")
        if name in draft.claims:
            document.complain(key, f"{name!r} is a claim, so the paper prints it")
        found[name] = Unprinted(
            name,
            document.text(key, table, "system"),
            document.choice(key, document.text(key, table, "metric"), METRICS, "metric"),
            document.choice(key, document.text(key, table, "unit"), UNITS, "unit"),
            document.optional(key, table, "protocol"),
        )
    return found


def _facts(draft: Draft) -> tuple[Fact, ...]:
    document = draft.document
    facts: dict[str, Fact] = {}
    for key, table in document.elements("fact"):
        document.allow(key, table, *KEYS["fact"])
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
