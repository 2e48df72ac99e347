"""Claims as the text of a claims file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.authoring.import_table import Imported


@dataclass(frozen=True)
class Heading:
    """What stands over a table: its id, the place in the paper, and the caption."""

    table: str
    section: str
    caption: str


def paper_text(key: str, title: str, heading: Heading, source: str, imported: Imported) -> str:
    """Return a whole claims file with one table.

    Args:
        source: What the table was copied from, in words.
    """
    head = (
        "[paper]",
        f"key = {quoted(key)}",
        f"title = {quoted(title)}",
        "",
        "[sources]",
        f"text = {quoted(source)}",
        "",
    )
    return "\n".join((*head, table_text(heading, imported)))


def table_text(heading: Heading, imported: Imported) -> str:
    """Return the block ``[table.ID]``."""
    return "\n".join((*_table(heading, imported), ""))


def quoted(text: str) -> str:
    """Write a TOML string; a literal one where that saves escapes."""
    if ('"' in text or "\\" in text) and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _table(heading: Heading, imported: Imported) -> Iterator[str]:
    yield f"[table.{heading.table}]" if heading.table.replace("-", "").isalnum() else f"[table.{quoted(heading.table)}]"
    yield f"section = {quoted(heading.section)}"
    if heading.caption:
        yield f"caption = {quoted(heading.caption)}"
    yield 'transcription = "one-source"'
    yield "columns = ["
    for column in imported.columns:
        settings: Mapping[str, str | int | None] = {
            "id": column.id,
            "title": column.header,
            "metric": column.metric,
            "dataset": column.dataset or None,
            "protocol": column.protocol or None,
            "n": column.n,
            "unit": column.unit,
        }
        written = (f"{k} = {v if isinstance(v, int) else quoted(v)}" for k, v in settings.items() if v is not None)
        yield f"  {{ {', '.join(written)} }},"
    yield "]"
    for name, cells in imported.rows:
        yield f"rows.{quoted(name)} = [{', '.join(map(quoted, cells))}]"
