"""One transcription error, put into a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np

from harness.claims.model import Claim, Paper, Table
from harness.claims.printed import PRINTED, Printed, rounded

Changed = Mapping[str, Printed]
Mutation = Callable[[np.random.Generator, Paper, Claim], Changed]
"""From a table's cell to the decimals printed instead; empty where the error cannot be made there."""


def digit_substituted(rng: np.random.Generator, _paper: Paper, cell: Claim) -> Changed:
    """27.73 for 26.73."""
    text = cell.printed.text
    position = int(rng.choice([k for k, character in enumerate(text) if character.isdigit()]))
    return _as_text(cell, text[:position] + str(rng.integers(10)) + text[position + 1 :])


def digits_transposed(rng: np.random.Generator, _paper: Paper, cell: Claim) -> Changed:
    """26.73 for 27.63: two digits next to each other, across the point or not."""
    text = cell.printed.text
    digits = [k for k, character in enumerate(text) if character.isdigit()]
    if len(digits) < 2:
        return {}
    k = int(rng.integers(len(digits) - 1))
    characters = list(text)
    first, second = digits[k], digits[k + 1]
    characters[first], characters[second] = characters[second], characters[first]
    return _as_text(cell, "".join(characters))


def point_shifted(rng: np.random.Generator, _paper: Paper, cell: Claim) -> Changed:
    """2.673 or 267.3 for 26.73."""
    factor = Fraction(10) if rng.integers(2) else Fraction(1, 10)
    decimals = cell.printed.decimals + (1 if factor < 1 else -1)
    return _as_text(cell, rounded(cell.printed.value * factor, decimals)) if decimals >= 0 else {}


def sign_added(_rng: np.random.Generator, _paper: Paper, cell: Claim) -> Changed:
    """-26.73 for 26.73."""
    return _as_text(cell, f"-{cell.printed.text}")


def last_digit_off_by_one(rng: np.random.Generator, _paper: Paper, cell: Claim) -> Changed:
    """26.74 for 26.73."""
    step = cell.printed.step if rng.integers(2) else -cell.printed.step
    return _as_text(cell, rounded(cell.printed.value + step, cell.printed.decimals))


def swapped_in_row(_rng: np.random.Generator, paper: Paper, cell: Claim) -> Changed:
    """The cell and the measured one to its right have changed places."""
    columns = [column.id for column in _table(paper, cell).columns]
    right = columns[columns.index(cell.column or "") + 1 :][:1]
    return _swapped(cell, paper.claims.get(f"{cell.table}/{cell.row}/{right[0]}") if right else None)


def swapped_in_column(_rng: np.random.Generator, paper: Paper, cell: Claim) -> Changed:
    """The cell and the one below it have changed places."""
    rows = list(_table(paper, cell).rows)
    below = rows[rows.index(cell.row or "") + 1 :][:1]
    return _swapped(cell, paper.claims.get(f"{cell.table}/{below[0]}/{cell.column}") if below else None)


def row_copied(_rng: np.random.Generator, paper: Paper, cell: Claim) -> Changed:
    """The row's measured cells repeat those of the row above."""
    table = _table(paper, cell)
    rows = list(table.rows)
    above = rows[: rows.index(cell.row or "")][-1:]
    changed: dict[str, Printed] = {}
    for column in table.columns if above else ():
        own = paper.claims.get(f"{table.id}/{cell.row}/{column.id}")
        other = paper.claims.get(f"{table.id}/{above[0]}/{column.id}")
        if own and other and own.definition.quantity.measured and own.printed.value != other.printed.value:
            changed[own.id] = other.printed
    return changed


MUTATIONS: tuple[Mutation, ...] = (
    digit_substituted,
    digits_transposed,
    last_digit_off_by_one,
    point_shifted,
    sign_added,
    swapped_in_row,
    swapped_in_column,
    row_copied,
)


def _table(paper: Paper, cell: Claim) -> Table:
    if cell.table is None:
        raise ValueError(f"{cell.id} is not a table's cell")
    return paper.tables[cell.table]


def _swapped(cell: Claim, other: Claim | None) -> Changed:
    if other is None or not other.definition.quantity.measured or other.printed.value == cell.printed.value:
        return {}
    return {cell.id: other.printed, other.id: cell.printed}


def _as_text(cell: Claim, text: str) -> Changed:
    """Accept the new text if it is a decimal of another value."""
    if not PRINTED.fullmatch(text) or Printed(text).value == cell.printed.value:
        return {}
    return {cell.id: Printed(text)}
