"""A table of results as claims: each number the digits of the file, each column a metric, each row an id of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.authoring.cells import UNREADABLE, Cell, Comma, parts_of, read_cell
from harness.authoring.columns import FORM, Declared, id_of, metric_of, unit_of
from harness.authoring.grid import Grid, shortened
from harness.authoring.latex import read_latex
from harness.authoring.model_index import read_model_index
from harness.authoring.text_tables import read_csv, read_markdown, read_text
from harness.claims.document import did_you_mean, slug
from harness.claims.vocabulary import METRICS, Quantity
from harness.errors import ClaimsError, UsageError

Reader = Callable[[Path, str], list[Grid]]
FORMATS: Mapping[str, Reader] = {
    "csv": read_csv,
    "markdown": read_markdown,
    "latex": read_latex,
    "model-index": read_model_index,
}
ENDINGS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".md": "markdown", ".markdown": "markdown", ".tex": "latex",
           ".yml": "model-index", ".yaml": "model-index"}  # fmt: skip
CARD = re.compile(r"---\s*\n(?:(?!---).*\n)*?model-index:")
"""How a model card with results begins."""
ON_IMAGES = (Quantity.PROPORTION, Quantity.SCORE)
"""What has a dataset, a protocol and a number of test images."""
MOSTLY = 0.5
"""Share of a column's cells that must hold a number for it to be one of numbers."""


@dataclass(frozen=True)
class Wishes:
    """What the user says of a table.

    Attributes:
        columns: Settings of the numbers in a column's cells, by its header; none: the column is left out.
        defaults: Settings of every column that does not say otherwise.
        names: Headers of the columns whose texts name a row; empty: they are found.
        comma: What commas in numbers stand for.
        unclear_absent: Whether a cell that is unclear becomes ``?`` instead of an error.
    """

    columns: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    comma: Comma | None = None
    unclear_absent: bool = False


@dataclass(frozen=True)
class Imported:
    """A table of claims.

    Attributes:
        rows: Name and cells of each row; a cell is a decimal, ``-`` or ``?``.
        notes: What was understood, guessed or left out, in sentences.
    """

    columns: tuple[Declared, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    notes: tuple[str, ...]


def read_grid(path: Path, form: str | None = None, which: int | None = None) -> Grid:
    """Read one table of a file.

    Args:
        form: A key of :data:`FORMATS`; None goes by the file's ending. A Markdown file that begins as a model card with
            results is read as one.
        which: Of several tables, from 1.

    Raises:
        UsageError: The format is not told, or there are several tables and none is chosen.
        ClaimsError: The file holds no table that can be read.
    """
    form = form or ENDINGS.get(path.suffix.lower())
    if form is None:
        raise UsageError(f"{path}: the ending tells no format", f"Say which: --format {'|'.join(FORMATS)}")
    text = read_text(path)
    if form == "markdown" and CARD.match(text):
        form = "model-index"
    grids = FORMATS[form](path, text)
    if which is not None and not 1 <= which <= len(grids):
        raise UsageError(f"{path} holds {len(grids)} tables, and none is number {which}")
    if which is None and len(grids) > 1:
        listed = "\n".join(f"  {i}: {' | '.join(grid.columns)}" for i, grid in enumerate(grids, start=1))
        raise UsageError(f"{path} holds {len(grids)} tables:\n{listed}", "Choose one: --which NUMBER")
    return grids[(which or 1) - 1]


def import_grid(grid: Grid, wishes: Wishes) -> Imported:
    """Turn a table into claims.

    Raises:
        UsageError: A wish names a column that is not there, or no column becomes claims.
        ClaimsError: Cells are unclear or rows have no name; each is named with its line, row and column.
    """
    for header in (*wishes.columns, *wishes.names):
        if header not in grid.columns:
            raise UsageError(f"{grid.path} has no column {header!r}{did_you_mean(header, grid.columns)}")
    read = {header: [read_cell(text, wishes.comma) for text in grid.column(header)] for header in grid.columns}
    numeric = {header for header, cells in read.items() if _is_numeric(cells)}
    named_by = wishes.names or _naming(grid, numeric | {header for header, s in wishes.columns.items() if s})
    names, notes = _row_names(grid, named_by)
    declared: list[Declared] = []
    for header in grid.columns:
        if header not in named_by:
            found, note = _declare(header, grid, wishes, read[header], header in numeric)
            declared += found
            notes.append(note)
    columns = _distinct_ids(declared)
    if not columns:
        listed = ", ".join(map(repr, grid.columns))
        raise UsageError(f"{grid.path}: no column becomes claims", f'Declare one of {listed}: --column "{FORM}".')
    cells = [_cells(column, grid, wishes, read[column.header]) for column in columns]
    faults = _remarks(grid, names, columns, cells, lambda cell: cell.fault)
    if faults and not wishes.unclear_absent:
        count = f"{len(faults)} unclear cell{'s' if len(faults) > 1 else ''}"
        raise ClaimsError(
            f"{shortened(faults)}\n{count} in {grid.path}", "Mend the file, or let them be absent: --unclear absent"
        )
    notes += _remarks(grid, names, columns, cells, lambda cell: cell.note)
    notes += [f"{fault}; absent" for fault in faults]
    if absent := sum(cell.text == "-" for column in cells for cell in column):
        notes.append(f"{absent} of {len(names) * len(columns)} cells print no number")
    texts = ([cell.text for cell in column] for column in cells)
    return Imported(columns, tuple(zip(names, zip(*texts, strict=True), strict=True)), (*grid.notes, *notes))


def _is_numeric(cells: Sequence[Cell]) -> bool:
    """Whether most cells that hold something hold numbers, clear or not."""
    held = [cell for cell in cells if cell.text != "-"]
    return sum(cell.numerical for cell in held) > MOSTLY * len(held)


def _naming(grid: Grid, numbers: set[str]) -> tuple[str, ...]:
    """Return the first column of text, and those after it that it takes to tell the rows apart, if they do."""
    texts = [header for header in grid.columns if header not in numbers and any(grid.column(header))]
    if not texts:
        return grid.columns[:1]
    first = grid.columns.index(texts[0])
    run = [header for place, header in enumerate(texts) if grid.columns.index(header) == first + place]
    for count in range(1, len(run) + 1):
        if len({slug(name) for name in _joined(grid, run[:count])}) == len(grid.rows):
            return tuple(run[:count])
    return tuple(run[:1])


def _joined(grid: Grid, named_by: Sequence[str]) -> list[str]:
    columns = zip(*map(grid.column, named_by), strict=True)
    return [", ".join(part for part in parts if part.strip("-–— ")) for parts in columns]


def _row_names(grid: Grid, named_by: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return a name for each row whose id no other has, and notes on those that had to be changed.

    Raises:
        ClaimsError: A row has no name.
    """
    written = _joined(grid, named_by)
    nameless = [f"{grid.path}:{row.line}: no name" for row, name in zip(grid.rows, written, strict=True) if not name]
    if nameless:
        raise ClaimsError(shortened(nameless), f"Name the columns that tell rows apart: --row {grid.columns[0]!r}")
    notes = [f"rows are named by {' and '.join(map(repr, named_by))}"]
    taken = {slug(name) for name in written}
    seen: Counter[str] = Counter()
    names: list[str] = []
    for row, name in zip(grid.rows, written, strict=True):
        seen[slug(name)] += 1
        unique = name
        if not slug(name):
            unique = _free(f"{name} row", taken, row.line)
        elif seen[slug(name)] > 1:
            unique = _free(name, taken, seen[slug(name)])
        if unique != name:
            notes.append(f"{grid.path}:{row.line}: the row {name!r} is called {unique!r}, so that its id is its own")
        taken.add(slug(unique))
        names.append(unique)
    return names, notes


def _free(name: str, taken: set[str], number: int) -> str:
    while slug(f"{name} ({number})") in taken:
        number += 1
    return f"{name} ({number})"


def _declare(
    header: str, grid: Grid, wishes: Wishes, cells: Sequence[Cell], numeric: bool
) -> tuple[list[Declared], str]:
    """Return the claims that a column gives, and a note on how that was found or why there are none."""
    given = wishes.columns.get(header)
    left_out = f"column {header!r} is left out"
    if given is not None and not given:
        return [], left_out
    if given is None and not numeric:
        return [], f"{left_out}: most of its cells hold no number"
    known = dict(grid.known.get(header, {}))
    why = "given" if given else "from the file" if known else "guessed"
    numbers = given or [{}]
    columns = []
    for place, own in enumerate(numbers):
        settings = {**({} if known else _told(header)), **known, **own}
        settings = {**_defaults(settings.get("metric"), wishes), **settings}
        metric = settings.get("metric")
        if metric is None:
            return [], f"{left_out}: its header tells no metric; --column {f'{header}=METRIC:UNIT'!r}"
        unit = settings.get("unit") or unit_of(header, metric, cells if len(numbers) == 1 else ())
        if unit is None:
            return [], f"{left_out}: nothing tells its unit; --column {f'{header}={metric}:UNIT'!r}"
        made = (id_of(header) or metric) + (f"-{metric}" if len(numbers) > 1 else "")
        columns.append(
            Declared(
                header,
                id=settings.get("id", made),
                metric=metric,
                unit=unit,
                dataset=settings.get("dataset", ""),
                protocol=settings.get("protocol", ""),
                n=int(settings["n"]) if "n" in settings else None,
                part=(place, len(numbers)),
            )
        )
    said = ", ".join(f"{column.metric} in {column.unit}" for column in columns)
    return columns, f"column {header!r} is {said} ({why})"


def _told(header: str) -> dict[str, str]:
    metric = metric_of(header)
    return {} if metric is None else {"metric": metric}


def _defaults(metric: str | None, wishes: Wishes) -> dict[str, str]:
    """Return what the user says of all columns, as far as it is about a metric.

    Args:
        metric: None where nothing tells it: then the default one and its unit count.
    """
    defaults = dict(wishes.defaults)
    if metric is not None and metric != defaults.pop("metric", None):
        defaults.pop("unit", None)
    measured = METRICS[metric or defaults.get("metric", "score")].quantity in ON_IMAGES
    return defaults if measured else {name: defaults[name] for name in ("metric", "unit") if name in defaults}


def _distinct_ids(columns: Sequence[Declared]) -> tuple[Declared, ...]:
    taken: set[str] = set()
    result = []
    for column in columns:
        unique, repeat = column.id, 2
        while unique in taken:
            unique, repeat = f"{column.id}-{repeat}", repeat + 1
        taken.add(unique)
        result.append(replace(column, id=unique))
    return tuple(result)


def _cells(column: Declared, grid: Grid, wishes: Wishes, read: Sequence[Cell]) -> list[Cell]:
    """Return a column's cells; one in another unit is a fault."""
    place, count = column.part
    if count > 1:
        read = [read_cell(parts_of(text, count)[place], wishes.comma) for text in grid.column(column.header)]
    return [
        cell
        if cell.suffix in ("", column.unit)
        else Cell(UNREADABLE, fault=f"{cell.text}{cell.suffix} in a column in {column.unit}")
        for cell in read
    ]


def _remarks(
    grid: Grid,
    names: Sequence[str],
    columns: Sequence[Declared],
    cells: Sequence[Sequence[Cell]],
    remark: Callable[[Cell], str],
) -> list[str]:
    """Return what there is to say of single cells, each with its line, row and column."""
    return [
        f"{grid.path}:{row.line}: row {name!r}, column {column.header!r}: {said}"
        for column, read in zip(columns, cells, strict=True)
        for row, name, cell in zip(grid.rows, names, read, strict=True)
        if (said := remark(cell))
    ]
