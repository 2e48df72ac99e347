"""Typed access to a TOML document that collects every problem with its place instead of stopping at the first."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from harness.claims.locate import Key, context_at, lines_of
from harness.claims.printed import PRINTED, Printed
from harness.errors import ClaimsError

SLUG = re.compile(r"[a-z0-9][a-z0-9.+_-]*")
E = TypeVar("E", bound=Enum)


def slug(name: str) -> str:
    """Return the id form of a printed name: ``DRN-C-26`` becomes ``drn-c-26``."""
    return re.sub(r"[^a-z0-9.+_]+", "-", name.lower()).strip("-")


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
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ClaimsError(f"{path}: cannot be read ({error})", "Give a UTF-8 TOML file.") from error
        try:
            root = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            match = re.search(r"at line (\d+)", str(error))
            line = int(match.group(1)) if match else len(text.splitlines())
            place = context_at(text, line)
            inside = f" in [{place}]" if place else ""
            hint = " (the same key twice is a duplicate id)" if "overwrite" in str(error) else ""
            raise ClaimsError(f"{path}:{line}: not valid TOML{inside}: {error}{hint}") from error
        return cls(path, root, lines_of(text))

    def line(self, *key: str) -> int:
        """Return the line of the nearest enclosing header or row that has one."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.lines:
                return self.lines[key[:length]]
        return 1

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

    def allow(self, key: Key, table: Mapping[str, Any], *allowed: str) -> None:
        """Complain of keys that mean nothing: a misspelt option must not pass silently."""
        for name in table:
            if name not in allowed:
                self.complain(key, f"unknown key {name!r}{did_you_mean(name, allowed)}")

    def text(self, key: Key, table: Mapping[str, Any], name: str, default: str | None = None) -> str:
        value = table.get(name, default)
        if value is None:
            self.complain(key, f"{name!r} is missing")
            return ""
        if not isinstance(value, str):
            self.complain(key, f"{name!r} must be a string, not {kind(value)}")
            return ""
        return value

    def optional(self, key: Key, table: Mapping[str, Any], name: str) -> str | None:
        return self.text(key, table, name) if name in table else None

    def whole(self, key: Key, table: Mapping[str, Any], name: str) -> int | None:
        value = table.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            self.complain(key, f"{name!r} must be a whole number above 0, not {value!r}")
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
        """Return the value where it is known; else complain with the nearest known names."""
        if value not in known:
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
                f"{value!r} is a {kind(value)}: quote the decimal as printed, {written}, trailing zeros included",
                where=where,
            )
            return None
        if not isinstance(value, str) or not PRINTED.fullmatch(value):
            self.complain(key, f"{value!r} is not a plain decimal such as 76.3", where=where)
            return None
        return Printed(value)


def kind(value: object) -> str:
    """Name a TOML type as its users do."""
    names = {bool: "boolean", int: "integer", float: "float", str: "string", list: "array", dict: "table"}
    return names.get(type(value), "date or time")


def describe(key: Key) -> str:
    """Name a place for a reader: ``table t1, row ResNet-18``."""
    head, *rest = key
    if not rest:
        return head
    if rest[0].isdigit():
        return f"{head} {int(rest[0]) + 1}"
    return f"{head} {rest[0]}" + (f", row {rest[1]}" if len(rest) > 1 else "")


def did_you_mean(name: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    close = get_close_matches(name, list(known), n=3)
    return f"; did you mean {' or '.join(close)}?" if close else f"; known: {', '.join(sorted(known)[:12])}"
