"""A table as it stands in a file: the names of its columns, and rows of text with their lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import ClaimsError


@dataclass(frozen=True, slots=True)
class Row:
    """The text of each column, and the line of the file it begins in, from 1."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        columns: Names, distinct.
        rows: Each with one cell per column.
        known: What the file itself says of a column, by its name, as keys of a column in a claims file.
        notes: What was not read as it stands, in sentences.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    known: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def column(self, name: str) -> list[str]:
        """Return the text of a column, row by row."""
        place = self.columns.index(name)
        return [row.cells[place] for row in self.rows]


def make_grid(path: Path, line: int, header: Sequence[str], rows: Sequence[Row], notes: Sequence[str] = ()) -> Grid:
    """Return a grid whose rows all have one cell per column.

    Args:
        line: Of the header.

    Raises:
        ClaimsError: The header is empty, there are no rows, or some are ragged; each is named.
    """
    if not any(header):
        raise ClaimsError(f"{path}:{line}: the header names no column", "Begin the table with a line of column names.")
    if not rows:
        raise ClaimsError(f"{path}:{line}: the table has no rows below its header")
    width = len(header)
    ragged = [row for row in rows if len(row.cells) != width]
    if ragged:
        listed = [f"{path}:{row.line}: ragged row: {len(row.cells)} cells for {width} columns" for row in ragged]
        raise ClaimsError(shortened(listed), "Give every row one cell for each column.")
    return Grid(path, distinct(header), tuple(rows), notes=tuple(notes))


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Number empty and repeated names: ``("AP", "")`` stays apart from ``("AP (2)", "column 2")``."""
    taken: set[str] = set()
    result = []
    for place, name in enumerate(names, start=1):
        unique = name or f"column {place}"
        repeat = 2
        while unique in taken:
            unique = f"{name or f'column {place}'} ({repeat})"
            repeat += 1
        taken.add(unique)
        result.append(unique)
    return tuple(result)


def shortened(lines: Sequence[str], most: int = 20) -> str:
    """Join lines, the first of them where there are many."""
    more = len(lines) - most
    return "\n".join([*lines[:most], *([f"... and {more} more like these"] if more > 0 else [])])
