"""Typed access to a TOML document that collects every problem with its place instead of stopping at the first."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from harness.claims.locate import Key, context_at, describe, lines_of
from harness.claims.printed import PRINTED, Printed
from harness.errors import ClaimsError

SLUG = re.compile(r"[a-z0-9][a-z0-9.+_-]*")
MOST_SHOWN = 12
"""Known names that a message lists where none is near."""
E = TypeVar("E", bound=Enum)


def slug(name: str) -> str:
    """Return the id form of a printed name: ``DRN-C-26`` becomes ``drn-c-26``, ``+MSC`` becomes ``msc``."""
    return re.sub(r"[^a-z0-9.+_]+", "-", name.lower()).lstrip("-+._").rstrip("-")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a claims file."""

    line: int
    where: str
    message: str


@dataclass
class Document:
    """A parsed file, its line numbers, and the problems found so far."""

    path: Path
    root: dict[str, Any]
    lines: Mapping[Key, int]
    problems: list[Problem] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Document:
        """Parse a TOML file.

        Raises:
            ClaimsError: The file cannot be read, is not UTF-8, or is not TOML; names line, table and row.
        """
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise ClaimsError(f"{path}: cannot be read ({error.strerror})", "Give a UTF-8 TOML file.") from error
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            message = f"{path}:{line}: not UTF-8: byte 0x{raw[error.start]:02x}"
            raise ClaimsError(message, "Save the file as UTF-8.") from error
        try:
            root = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            match = re.search(r"at line (\d+)", str(error))
            line = int(match.group(1)) if match else len(text.splitlines())
            place = context_at(text, line)
            inside = f" in [{place}]" if place else ""
            twice = any(word in str(error) for word in ("overwrite", "twice", "Duplicate"))
            hint = " (the same key twice is a duplicate id)" if twice else ""
            raise ClaimsError(f"{path}:{line}: not valid TOML{inside}: {error}{hint}") from error
        return cls(path, root, lines_of(text))

    def line(self, *key: str) -> int:
        """Return the line of the nearest enclosing header or row that has one, or of the first thing inside."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.lines:
                return self.lines[key[:length]]
        return next((line for inner, line in self.lines.items() if inner[: len(key)] == key), 1)

    def complain(self, key: Key, message: str, *, where: str = "") -> None:
        self.problems.append(Problem(self.line(*key), where or describe(key), message))

    def section(self, name: str) -> dict[str, Any]:
        value = self.root.get(name, {})
        if not isinstance(value, dict):
            self.complain((name,), f"must be a table, not {kind(value)}")
            return {}
        return value

    def entries(self, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the named subtables of ``[name.*]``."""
        for key, value in self.section(name).items():
            if isinstance(value, dict):
                yield key, value
            else:
                self.complain((name, key), f"must be a table, not {kind(value)}")

    def elements(self, name: str) -> Iterator[tuple[Key, dict[str, Any]]]:
        """Yield the elements of ``[[name]]`` with their keys."""
        value = self.root.get(name, [])
        if not isinstance(value, list):
            self.complain((name,), f"must be an array of tables, written [[{name}]]")
            return
        for index, element in enumerate(value):
            key = (name, str(index))
            if isinstance(element, dict):
                yield key, element
            else:
                self.complain(key, f"must be a table, not {kind(element)}")

    def allow(self, key: Key, table: Mapping[str, Any], *allowed: str, where: str = "") -> None:
        """Complain of keys that mean nothing: a misspelt option must not pass silently."""
        for name in table:
            if name not in allowed:
                self.complain(key, f"unknown key {name!r}{did_you_mean(name, allowed)}", where=where)

    def text(
        self, key: Key, table: Mapping[str, Any], name: str, default: str | None = None, *, where: str = ""
    ) -> str:
        value: object = table.get(name, default)
        if value is None:
            self.complain(key, f"{name!r} is missing", where=where)
            return ""
        if not isinstance(value, str):
            self.complain(key, f"{name!r} must be a string, not {kind(value)}", where=where)
            return ""
        if not value and name in table:
            self.complain(key, f"{name!r} is empty", where=where)
        return value

    def optional(self, key: Key, table: Mapping[str, Any], name: str, *, where: str = "") -> str | None:
        return self.text(key, table, name, where=where) if name in table else None

    def whole(self, key: Key, table: Mapping[str, Any], name: str, *, where: str = "") -> int | None:
        value = table.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            self.complain(key, f"{name!r} must be a whole number above 0, not {value!r}", where=where)
            return None
        return value

    def flag(self, key: Key, table: Mapping[str, Any], name: str) -> bool:
        value = table.get(name, False)
        if not isinstance(value, bool):
            self.complain(key, f"{name!r} must be true or false, not {kind(value)}")
            return False
        return value

    def texts(self, key: Key, table: Mapping[str, Any], name: str) -> tuple[str, ...]:
        value = table.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.complain(key, f"{name!r} must be an array of strings")
            return ()
        return tuple(value)

    def choice(self, key: Key, value: str, known: Mapping[str, Any], what: str, *, where: str = "") -> str:
        """Return the value; complain of an unknown one with the nearest names (``text`` complains of an empty one)."""
        if value and value not in known:
            self.complain(key, f"unknown {what} {value!r}{did_you_mean(value, known)}", where=where)
        return value

    def member(self, key: Key, value: str, enum: type[E], fallback: E, what: str) -> E:
        members = {str(m.value): m for m in enum}
        self.choice(key, value, members, what)
        return members.get(value, fallback)

    def printed(self, key: Key, value: object, *, where: str = "") -> Printed | None:
        """Return the printed decimal; a TOML float has lost its precision and is refused."""
        if isinstance(value, float | int) and not isinstance(value, bool):
            written = f'"{value}"'
            self.complain(
                key,
                f"{value!r} is {kind(value)}: quote the decimal as printed, {written}, trailing zeros included",
                where=where,
            )
            return None
        if not isinstance(value, str) or not PRINTED.fullmatch(value):
            self.complain(key, f"{value!r} is not a plain decimal such as 76.3", where=where)
            return None
        return Printed(value)


def kind(value: object) -> str:
    """Name a TOML type as its users do, with its article."""
    names = {bool: "a boolean", int: "an integer", float: "a float", str: "a string", list: "an array", dict: "a table"}
    return names.get(type(value), "a date or time")


def ragged(cells: object, columns: Sequence[str]) -> str | None:
    """Say what is wrong with a row that has not one cell per column; None if it has."""
    if not isinstance(cells, list):
        return f"must be an array of {_count(len(columns), 'cell')}, not {kind(cells)}"
    if len(cells) == len(columns):
        return None
    fault = f"ragged row: {_count(len(cells), 'cell')} for {_count(len(columns), 'column')}"
    return f"{fault}; none for {columns[len(cells)]}" if len(cells) < len(columns) else fault


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = get_close_matches(name, known, n=3)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    more = f" and {len(known) - MOST_SHOWN} more" if len(known) > MOST_SHOWN else ""
    return f"; known: {', '.join(known[:MOST_SHOWN])}{more}" if known else ""
