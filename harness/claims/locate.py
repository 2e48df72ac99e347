"""Line numbers in a ``claims.toml``: tomllib gives none, and messages and SARIF need them."""

from __future__ import annotations

import re
import tomllib
from collections import Counter

HEADER = re.compile(r"^(\[\[?)([^\[\]]+)\]\]?\s*(?:#.*)?$")
NAME = r"""(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_-]+))\s*="""
ROW = re.compile(rf"^\s*rows\.{NAME}")
ENTRY = re.compile(rf"^\s*{NAME}")

Key = tuple[str, ...]


def lines_of(text: str) -> dict[Key, int]:
    """Map each header, array element, table row and entry of a one-word header to its line, counted from 1.

    ``("table", "t1")``, ``("table", "t1", "ResNet-18")``, ``("relation", "0")`` for the first ``[[relation]]``,
    ``("system", "DRN-A-18")`` for a line under ``[system]``.
    """
    found: dict[Key, int] = {}
    for number, key in _keys(text):
        found.setdefault(key, number)
    return found


def context_at(text: str, line: int) -> str:
    """Describe what stands at a line: ``table t1, row ResNet-18``; empty before the first header."""
    last: Key = ()
    for number, key in _keys(text):
        if number > line:
            break
        last = key
    return describe(last) if last else ""


def describe(key: Key) -> str:
    """Name a place for a reader: ``table t1, row ResNet-18``."""
    head, *rest = key
    if not rest:
        return head
    if rest[0].isdigit():
        return f"{head} {int(rest[0]) + 1}"
    return f"{head} {rest[0]}" + (f", row {rest[1]}" if len(rest) > 1 else "")


def _keys(text: str) -> list[tuple[int, Key]]:
    keys: list[tuple[int, Key]] = []
    elements: Counter[Key] = Counter()
    current: Key = ()
    for number, line in enumerate(text.split("\n"), start=1):
        if header := HEADER.match(line):
            try:
                current = _key_path(tomllib.loads(f"[{header.group(2)}]"))
            except tomllib.TOMLDecodeError:
                continue
            if header.group(1) == "[[":
                elements[current] += 1
                current = (*current, str(elements[current] - 1))
            keys.append((number, current))
        elif row := (ENTRY if len(current) == 1 else ROW).match(line):
            keys.append((number, (*current, next(name for name in row.groups() if name))))
    return keys


def _key_path(parsed: dict[str, object]) -> Key:
    path: list[str] = []
    node: object = parsed
    while isinstance(node, dict) and node:
        key, node = next(iter(node.items()))
        path.append(str(key))
    return tuple(path)
