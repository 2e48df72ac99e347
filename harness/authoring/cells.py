"""From the text of a cell to the decimal it prints; what is not plainly one number is named, never guessed.

================================ =======================================================================
text                             what becomes of it
================================ =======================================================================
``76.30``, ``-0.5``, ``+1``      the decimal, its digits as they are; a plus sign goes
``.763``, ``76.``                ``0.763``, ``76``
``76.3%``, ``25.6M``             the decimal; the unit behind it must be the column's
``76.3*``, ``76.3†``, ``76.3^a`` the decimal; the mark is dropped, and said so
``76.3 ± 0.2``                   the decimal in front; the spread is dropped, and said so
``1,234,567``, ``1,234.5``       thousands, and said so
``1,234``, ``76,3``              unclear, unless the comma's meaning is given
``76.3/92.1``                    unclear, unless the column is declared as several
``~76``, ``>90``, ``1e7``        unclear
empty, ``-``, ``n/a``, ``✓`` ... no number
``?``                            could not be read
================================ =======================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from harness.claims.printed import PRINTED

Comma = Literal["thousands", "decimal"]

NO_NUMBER = frozenset({"", "-", "--", "---", "–", "—", "−", "n/a", "na", "n.a.", "none", "null", "nan", "/", "✓", "✗",
                       "x", "yes", "no", "tba", "tbd", "oom"})  # fmt: skip
UNREADABLE = "?"
SIGNS = str.maketrans({"−": "-", "–": "-", "\u00a0": " ", "\u2009": " ", "\u202f": " "})
DIGITS = r"[-+]?(?:[0-9][0-9,]*(?:\.[0-9]*)?|\.[0-9]+)"
NUMBER = re.compile(
    rf"(?P<digits>{DIGITS})"
    r"\s*(?P<suffix>%|[kKMGB](?![a-zA-Z]))?"
    r"(?P<spread>\s*_?(?:±|\+/-|\+-)\s*[0-9.,]+\s*%?)?"
    r"(?P<mark>\s*(?:[*†‡§¶↑↓]+|\^\(?(?:[a-zA-Z]{1,2}|[*†‡§¶]+)\)?)+)?"
)
GROUPED = re.compile(r"[-+]?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?")
WORD = re.compile(r"[^\W\d_eExX]")
ONE_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+")


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell prints.

    Attributes:
        text: A decimal, ``-`` for no number, or ``?``.
        suffix: The unit behind the number (``%``, ``k``, ``M``, ``G``), if there is one.
        note: What was left out or understood, in a few words.
        fault: Why it is unclear; then ``text`` is ``?``.
        numerical: Whether it holds numbers, clear or not, and no words.
    """

    text: str
    suffix: str = ""
    note: str = ""
    fault: str = ""
    numerical: bool = True


def read_cell(text: str, comma: Comma | None = None) -> Cell:
    """Read the text of one cell; see the module's table.

    Args:
        comma: What commas in numbers stand for; None: only what can be read in one way is read.
    """
    if PRINTED.fullmatch(text):
        return Cell(text)
    text = " ".join(text.translate(SIGNS).split())
    if text.lower() in NO_NUMBER:
        return Cell("-", numerical=False)
    if text == UNREADABLE:
        return Cell(UNREADABLE, numerical=False)
    match = NUMBER.fullmatch(text)
    if match is None:
        numerical = any(map(str.isdigit, text)) and WORD.search(text) is None
        return Cell(UNREADABLE, fault=_why(text), numerical=numerical)
    digits, note, fault = _decimal(match["digits"], comma)
    if fault:
        return Cell(UNREADABLE, fault=fault)
    notes = [note] if note else []
    if match["spread"]:
        notes.append(f"the spread {match['spread'].strip(' _')} is left out")
    if match["mark"]:
        notes.append(f"the mark {match['mark'].strip()} is left out")
    suffix = {"B": "G", "K": "k"}.get(match["suffix"] or "", match["suffix"] or "")
    return Cell(digits, suffix, ", ".join(notes))


def parts_of(text: str, count: int) -> list[str]:
    """Split ``76.3/92.1`` or ``76.3 (92.1)`` into ``count`` parts; a cell without number is as many without."""
    if text.lower() in NO_NUMBER or text == UNREADABLE:
        return [text] * count
    parts = [part.strip() for part in re.split(r"\s*[/|(]\s*", text.replace(")", ""))]
    return parts if len(parts) == count else [f"{text} ({count} numbers expected)"] * count


def _decimal(digits: str, comma: Comma | None) -> tuple[str, str, str]:
    """Return a plain decimal, a note and a fault."""
    note = ""
    plain = digits.removeprefix("+")
    if "," in plain:
        grouped = GROUPED.fullmatch(plain) is not None
        if comma == "decimal" and ONE_COMMA.fullmatch(plain):
            plain = plain.replace(",", ".")
        elif grouped and (comma == "thousands" or "." in plain or plain.count(",") > 1):
            plain, note = plain.replace(",", ""), f"{digits} is read as thousands"
        else:
            return "", "", f"the comma in {digits!r} may set off thousands or decimals: say which by --comma"
    sign, plain = ("-", plain[1:]) if plain.startswith("-") else ("", plain)
    plain = f"{sign}{'0' if plain.startswith('.') else ''}{plain.removesuffix('.')}"
    return (plain, note, "") if PRINTED.fullmatch(plain) else ("", "", f"{digits!r} is not a plain decimal")


def _why(text: str) -> str:
    """Say what keeps a text from being one number."""
    if re.fullmatch(rf"{DIGITS}\s*[/|(]\s*{DIGITS}\s*\)?.*", text):
        return f"{text!r} holds two numbers: declare the column as two, METRIC,METRIC"
    if re.match(r"[<>≤≥~≈]|about|up to", text):
        return f"{text!r} is a bound or an estimate, no printed number"
    if re.fullmatch(rf"{DIGITS}\s*(?:[eE][-+]?[0-9]+|\^[-{{]?[0-9]+.*|[×x·].*)", text):
        return f"{text!r} has an exponent: write the number out"
    return f"{text!r} is not one number"
