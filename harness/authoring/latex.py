"""Tables in LaTeX: the rows of ``tabular`` and its relatives, spans resolved, and cells as a reader sees them."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.authoring.grid import Grid, Row, make_grid
from harness.authoring.latex_text import argument, plain
from harness.errors import ClaimsError

ENVIRONMENTS = {
    "tabular": 1, "tabular*": 2, "tabularx": 2, "tabulary": 2, "longtable": 1, "supertabular": 1, "array": 1, "tblr": 1,
}  # fmt: skip
"""How many arguments in braces stand before the first row."""
BEGIN = re.compile(r"\\begin\{(" + "|".join(map(re.escape, ENVIRONMENTS)) + r")\}")
EDGE = re.compile(r"\\(begin|end)\{([a-zA-Z]+\*?)\}")
COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%[^\n]*")
RULES = re.compile(
    r"\s*\\(?:(?P<full>[a-zA-Z]*hline[a-zA-Z]*|hdashline|toprule|midrule|bottomrule|specialrule|endhead|endfirsthead)"
    r"|endfoot|endlastfoot|cmidrule|cline|Xcline|cdashline|addlinespace|rowcolor|arrayrulecolor|noalign|morecmidrules)"
    r"(?![a-zA-Z])(?:\([^)]*\)|\[[^\]]*\]|\{[^}]*\})*"
)
MARKS = re.compile(
    r"\\(?P<edge>begin|end)\{[a-zA-Z]+\*?\}"
    r"|(?P<row>\\\\\*?(?:[ \t]*\[[^\]]*\])?|\\tabularnewline(?![a-zA-Z]))"
    r"|\\.|(?P<brace>[{}])|(?P<cell>&)",
    re.DOTALL,
)
SPAN = re.compile(r"\s*\\(multicolumn|multirow)(?![a-zA-Z])\s*(?:\[[^\]]*\]\s*)?")

SPANNED = re.compile(r"[1-9][0-9]{0,2}")


@dataclass(frozen=True)
class _Cell:
    text: str
    columns: int = 1
    rows: int = 1


@dataclass(frozen=True)
class _Line:
    """One row as written; ``ruled`` if a rule across the table stands above it."""

    line: int
    cells: tuple[_Cell, ...]
    ruled: bool


def read_latex(path: Path, text: str) -> list[Grid]:
    """Read every table of a file.

    Raises:
        ClaimsError: There is no table, one does not end, a brace is not closed, or a row is ragged.
    """
    text = COMMENT.sub(r"\1", text)
    grids = []
    position = 0
    while begin := BEGIN.search(text, position):
        body, position = _body(path, text, begin)
        start = position - len(body) - len(f"\\end{{{begin[1]}}}")
        grids.append(_grid(path, list(_lines(path, text, start, body))))
    if not grids:
        raise ClaimsError(f"{path}: no table", r"A table stands between \begin{tabular}{...} and \end{tabular}.")
    return grids


def _body(path: Path, text: str, begin: re.Match[str]) -> tuple[str, int]:
    """Return what stands between the arguments of an environment and its end, and where the end is over."""
    line = text.count("\n", 0, begin.start()) + 1
    start = begin.end()
    for _ in range(ENVIRONMENTS[begin[1]]):
        if optional := re.compile(r"\s*\[[^\]]*\]").match(text, start):
            start = optional.end()
        found = argument(text, start)
        if found is None:
            raise ClaimsError(f"{path}:{line}: \\begin{{{begin[1]}}} without its columns in braces")
        start = found[1]
    depth = 1
    for edge in EDGE.finditer(text, start):
        depth += 1 if edge[1] == "begin" else -1
        if depth == 0:
            return text[start : edge.start()], edge.end()
    raise ClaimsError(f"{path}:{line}: \\begin{{{begin[1]}}} has no \\end{{{begin[1]}}}", "Give the whole table.")


def _lines(path: Path, text: str, start: int, body: str) -> Iterator[_Line]:
    """Yield the rows of a table's body, which stands at ``start`` of the file's text."""
    line_ends = [end.start() for end in re.finditer("\n", text)]
    ruled = False
    for offset, (first, *others) in _rows(path, bisect(line_ends, start) + 1, body):
        skipped = 0
        while rule := RULES.match(first, skipped):
            ruled |= rule["full"] is not None
            skipped = rule.end()
        first = first[skipped:]
        if first.strip() or others:
            line = bisect(line_ends, start + offset + skipped + len(first) - len(first.lstrip())) + 1
            yield _Line(line, tuple(_cell(path, line, cell) for cell in (first, *others)), ruled)
            ruled = False


def _rows(path: Path, line: int, body: str) -> Iterator[tuple[int, list[str]]]:
    """Split a body at the ends of rows and at ``&``, neither inside braces nor inside another environment.

    Yields:
        Where each row begins, and its cells.
    """
    cells: list[str] = []
    depth = row = begun = 0
    for mark in MARKS.finditer(body):
        if mark["edge"]:
            depth += 1 if mark["edge"] == "begin" else -1
        elif mark["brace"]:
            depth += 1 if mark["brace"] == "{" else -1
        elif depth == 0 and (mark["cell"] or mark["row"]):
            cells.append(body[begun : mark.start()])
            begun = mark.end()
            if mark["row"]:
                yield row, cells
                cells, row = [], begun
    if depth:
        raise ClaimsError(f"{path}:{line}: a brace or an environment in the table is not closed", "Close it.")
    yield row, [*cells, body[begun:]]


def _cell(path: Path, line: int, text: str) -> _Cell:
    """Read one cell with its spans, which may be nested."""
    columns = rows = 1
    while span := SPAN.match(text):
        count = argument(text, span.end())
        width = None if count is None else argument(text, count[1])
        content = None if width is None else argument(text, width[1])
        if count is None or content is None:
            raise ClaimsError(f"{path}:{line}: \\{span[1]} needs a number, a width and a text, each in braces")
        number = count[0].strip()
        if not SPANNED.fullmatch(number):
            raise ClaimsError(f"{path}:{line}: \\{span[1]} over {number!r}: a number from 1 to 999 is needed")
        if span[1] == "multicolumn":
            columns = int(number)
        else:
            rows = int(number)
        text = content[0]
    try:
        return _Cell(plain(text), columns, rows)
    except RecursionError as error:
        raise ClaimsError(f"{path}:{line}: a cell's braces are nested too deeply", "Take some of them out.") from error


def _grid(path: Path, lines: list[_Line]) -> Grid:
    if not lines:
        raise ClaimsError(f"{path}: a table without rows")
    rows, count = _spread(lines), _header(lines)
    notes = []
    header = _names(path, rows[:count])
    body = []
    for line, row in zip(lines[count:], rows[count:], strict=True):
        if len(line.cells) == 1 and len(row.cells) > 1:
            notes.append(f"{path}:{row.line}: {row.cells[0]!r} stands across the table and is no row")
        else:
            body.append(row)
    return make_grid(path, lines[0].line, header, body, notes)


def _names(path: Path, rows: list[Row]) -> list[str]:
    """Join the rows of a header column by column, what is repeated once."""
    if uneven := next((row for row in rows if len(row.cells) != len(rows[0].cells)), None):
        counts = f"{len(uneven.cells)} cells, and {len(rows[0].cells)} in the row above"
        raise ClaimsError(f"{path}:{uneven.line}: ragged header: {counts}", "Give every row one cell for each column.")
    columns = zip(*(row.cells for row in rows), strict=True)
    return [" ".join(dict.fromkeys(part for part in parts if part)) for parts in columns]


def _header(lines: list[_Line]) -> int:
    """Return how many rows the header has: up to the first rule below it, and on while rows hold no digit."""
    ruled = [place for place, line in enumerate(lines) if line.ruled and place > 0]
    count = ruled[0] if ruled and ruled[0] < len(lines) else 1
    for end in [place for place in ruled if place > count]:
        if any(_has_number(cell.text) for line in lines[count:end] for cell in line.cells[1:]):
            break
        if all(len(line.cells) == 1 for line in lines[count:end]):
            break
        count = end
    return count


def _has_number(text: str) -> bool:
    return re.fullmatch(r"[-+−]?[\d.,]+.*", text) is not None


def _spread(lines: list[_Line]) -> list[Row]:
    """Repeat what spans columns or rows in each of them; text alone in its row spans all."""
    pending: dict[int, tuple[int, str]] = {}
    rows = []
    for line in lines:
        cells: list[str] = []
        for cell in line.cells:
            for _ in range(cell.columns):
                left, above = pending.pop(len(cells), (0, ""))
                if left > 1:
                    pending[len(cells)] = (left - 1, above)
                if cell.rows > 1:
                    pending[len(cells)] = (cell.rows - 1, cell.text)
                cells.append(cell.text or above)
        rows.append(Row(line.line, tuple(cells)))
    width = max(len(row.cells) for row in rows)
    return [Row(row.line, row.cells * width) if len(row.cells) == 1 else row for row in rows]
