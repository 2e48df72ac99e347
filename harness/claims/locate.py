"""Line numbers in a ``claims.toml``: tomllib gives none, and messages and SARIF need them."""

from __future__ import annotations

import re
import tomllib
from collections import Counter

HEADER = re.compile(r"^(\[\[?)([^\[\]]+)\]\]?\s*(?:#.*)?$")
ROW = re.compile(r"""^\s*rows\.(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_-]+))\s*=""")

Key = tuple[str, ...]


def lines_of(text: str) -> dict[Key, int]:
    """Map each header, array element and table row to its line, counted from 1.

    ``("table", "t1")``, ``("table", "t1", "ResNet-18")``, ``("relation", "0")`` for the first ``[[relation]]``.
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
    described = " ".join(last[:2])
    return f"{described}, row {last[2]}" if len(last) > 2 else described


def _keys(text: str) -> list[tuple[int, Key]]:
    keys: list[tuple[int, Key]] = []
    elements: Counter[Key] = Counter()
    current: Key = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := HEADER.match(line):
            try:
                current = _key_path(tomllib.loads(f"[{header.group(2)}]"))
            except tomllib.TOMLDecodeError:
                continue
            if header.group(1) == "[[":
                elements[current] += 1
                current = (*current, str(elements[current] - 1))
            keys.append((number, current))
        elif row := ROW.match(line):
            keys.append((number, (*current, next(name for name in row.groups() if name))))
    return keys


def _key_path(parsed: dict[str, object]) -> Key:
    path: list[str] = []
    node: object = parsed
    while isinstance(node, dict) and node:
        key, node = next(iter(node.items()))
        path.append(str(key))
    return tuple(path)
