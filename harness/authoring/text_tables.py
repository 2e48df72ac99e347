"""Tables in text files: comma-separated values and Markdown."""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Sequence
from io import StringIO
from itertools import takewhile
from pathlib import Path

from harness.authoring.grid import Grid, Row, make_grid
from harness.errors import ClaimsError

DELIMITERS = (",", "\t", ";", "|")
RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")
FENCE = re.compile(r"\s{0,3}(```|~~~)")
BAR = re.compile(r"(?<!\\)\|")
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
NOTE = re.compile(r"\[\^[^\]]+\]")
SUPERSCRIPT = re.compile(r"<sup>(.*?)</sup>", re.IGNORECASE)
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
EMPHASIS = re.compile(r"(\*\*\*|\*\*|\*|___|__|_|~~|`+)(?=\S)(.+?)(?<=\S)\1")


def read_text(path: Path) -> str:
    """Read a UTF-8 file with text in it.

    Raises:
        ClaimsError: It cannot be read, is not UTF-8, or is empty.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ClaimsError(f"{path}: cannot be read ({error.strerror})", "Name a file with a table.") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ClaimsError(
            f"{path}:{line}: not UTF-8: byte 0x{raw[error.start]:02x}", "Save the file as UTF-8."
        ) from error
    if not text.strip():
        raise ClaimsError(f"{path}: the file is empty")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ClaimsError(f"{path}:{line}: holds a null character, so it is no text", "Save the file as UTF-8.")
    return text


def read_csv(path: Path, text: str) -> list[Grid]:
    """Read separated values; the first line is the header, and tells which character separates.

    Raises:
        ClaimsError: A quoted cell does not end, a row is ragged, or there are no rows.
    """
    first = next(line for line in text.splitlines() if line.strip())
    rows: list[Row] = []
    begins = 1
    try:
        delimiter = max(DELIMITERS, key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))
        reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(Row(begins, tuple(" ".join(cell.split()) for cell in cells)))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise ClaimsError(
            f"{path}:{begins}: {error}", "Close every quoted cell, on the same line or a later one."
        ) from error
    if not rows:
        raise ClaimsError(f"{path}: the file is empty", "Give a line of column names and rows below it.")
    header, *body = rows
    return [make_grid(path, header.line, header.cells, body)]


def read_markdown(path: Path, text: str) -> list[Grid]:
    """Read every pipe table: a header, a line of dashes, and rows up to the next line without a bar.

    Raises:
        ClaimsError: A row is ragged, or there is no table.
    """
    lines = _outside_fences(text)
    grids = []
    for place in range(1, len(lines)):
        rule, header = lines[place], _split(lines[place - 1])
        if "|" in lines[place - 1] and "-" in rule and RULE.fullmatch(rule) and len(_split(rule)) == len(header):
            below = takewhile(lambda line: BAR.search(line) is not None, lines[place + 1 :])
            rows = [Row(place + 2 + i, _cells(line)) for i, line in enumerate(below)]
            grids.append(make_grid(path, place, _cells(lines[place - 1]), rows))
    if not grids:
        raise ClaimsError(f"{path}: no table", "A table has a header, and below it a line such as | --- | --- |.")
    return grids


def _outside_fences(text: str) -> list[str]:
    """Return all lines, those of fenced code emptied."""
    lines, inside = [], False
    for line in text.splitlines():
        fence = FENCE.match(line) is not None
        lines.append("" if inside or fence else line)
        inside ^= fence
    return lines


def _split(line: str) -> Sequence[str]:
    stripped = line.strip()
    parts = BAR.split(stripped)
    return parts[stripped.startswith("|") : len(parts) - (len(parts) > 1 and not parts[-1].strip())]


def _cells(line: str) -> tuple[str, ...]:
    return tuple(_plain(cell.replace("\\|", "|")) for cell in _split(line))


def _plain(text: str) -> str:
    """Return what a reader sees of a cell, superscripts as ``^x``."""
    text = NOTE.sub("^†", SUPERSCRIPT.sub(r"^\1", BREAK.sub(" ", LINK.sub(r"\1", text))))
    text = TAG.sub("", text)
    while (bare := EMPHASIS.sub(r"\2", text)) != text:
        text = bare
    text = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)
    return " ".join(html.unescape(text).split())
