"""Relations: what the prose says about numbers, one case at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from harness.claims.document import Document, did_you_mean
from harness.claims.expressions import ID, ExpressionError, Ids, Node, names, parse, resolve
from harness.claims.locate import Key
from harness.claims.model import Claim, Paper, Place, Relation
from harness.claims.vocabulary import UNITS

OPERATORS = ("=", "~", "<", "<=", ">", ">=")
COMPARISON = re.compile(r"(?P<left>.+?)\s(?P<op><=|>=|<|>|=)\s(?P<right>.+)")
PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
KEYS = (
    "id", "section", "quote", "left", "op", "right", "unit", "universal", "cases", "across", "margin",
    "margin_reason", "significant", "direction", "conclusion", "note", "unchecked", "source", "transcription",
)  # fmt: skip
ARITHMETIC = ("left", "op", "right", "unit", "margin", "margin_reason", "significant")


def read_relations(
    document: Document,
    claims: Mapping[str, Claim],
    unprinted: Collection[str],
    place_of: Callable[[Key, Mapping[str, Any]], Place],
    refused: Collection[str] = (),
) -> tuple[Relation, ...]:
    """Read every ``[[relation]]``, expand its cases, and check each expression against the known ids.

    Args:
        unprinted: Ids that only a direction may name.
        refused: Ids that a complaint already speaks of: a relation over them is no second mistake.
    """
    definitions, broken = _definitions(document, [*claims, *refused])
    known = Ids([*claims, *sorted(refused), *broken])
    measurable = Ids([*known, *unprinted])
    relations: list[Relation] = []
    seen: set[str] = set()
    for key, table in document.elements("relation"):
        document.allow(key, table, *KEYS)
        statement = document.text(key, table, "id")
        if statement in seen or statement in claims:
            document.complain(key, f"duplicate id {statement!r}")
        seen.add(statement)
        place = place_of(key, table)
        cases = _cases(document, key, table)
        for number, case in enumerate(cases, start=1):
            relation_id = f"{statement}#{number}" if len(cases) > 1 else statement
            relations.append(_relation(document, key, table, relation_id, case, place))
            _check(document, key, relations[-1], known, measurable, definitions)
    texts = {name: str(text) for name, text in document.section("define").items()}
    return tuple(_inlined(relation, texts) for relation in relations)


def resolved(text: str, paper: Paper) -> Node:
    """Parse one side of a relation or direction of a loaded paper; patterns become the ids they match."""
    return resolve(parse(text), paper.ids, {})


def operands(relation: Relation, paper: Paper) -> tuple[str, ...]:
    """Return the ids of the claims a relation speaks of, in order, each once; none for an unchecked one."""
    if relation.unchecked is not None:
        return ()
    sides = (relation.left, relation.right)
    return tuple(dict.fromkeys(name for side in sides for name in names(resolved(side, paper))))


def comparison(text: str) -> tuple[str, str, str]:
    """Split ``left < right`` into its parts.

    Raises:
        ExpressionError: There is no comparison sign set off by spaces.
    """
    match = COMPARISON.fullmatch(text.strip())
    if match is None:
        raise ExpressionError(f"{text!r} is not a comparison such as a/b/c < a/d/c")
    return match.group("left"), match.group("op"), match.group("right")


def _definitions(document: Document, claims: Collection[str]) -> tuple[dict[str, Node], list[str]]:
    """Return the definitions that resolve, and the names of those that do not."""
    nodes: dict[str, Node] = {}
    for name, text in document.section("define").items():
        key = ("define", name)
        if not ID.fullmatch(name) or "*" in name or name in claims:
            document.complain(key, "the name must read like let/gain and be no claim's id")
        try:
            nodes[name] = parse(text if isinstance(text, str) else "")
        except ExpressionError as error:
            document.complain(key, str(error))
    broken = [name for name in document.section("define") if name not in nodes]
    for name, node in nodes.items():
        try:
            resolve(node, [*claims, *broken], nodes)
        except ExpressionError as error:
            document.complain(("define", name), f"{error}{_hint(error, [*claims, *nodes])}")
            broken.append(name)
    return {name: node for name, node in nodes.items() if name not in broken}, broken


def _hint(error: ExpressionError, known: Collection[str]) -> str:
    unknown = re.match(r"unknown id '(.+)'", str(error))
    return did_you_mean(unknown.group(1), known) if unknown else ""


def _cases(document: Document, key: Key, table: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return one substitution per case: every element of ``cases`` with every choice of ``across``."""
    cases = table.get("cases", [{}])
    across = table.get("across", {})
    good_cases = isinstance(cases, list) and cases and all(_is_words(case) for case in cases)
    good_across = isinstance(across, dict) and all(_are_words(values) for values in across.values())
    if not good_cases or not good_across:
        document.complain(key, "'cases' is an array of tables of strings, 'across' a table of arrays of strings")
        return []
    choices = [dict(zip(across, values, strict=True)) for values in product(*across.values())]
    return [{**case, **choice} for case in cases for choice in choices]


def _is_words(case: object) -> bool:
    return isinstance(case, dict) and all(isinstance(value, str) for value in case.values())


def _are_words(values: object) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(value, str) for value in values)


def _relation(
    document: Document,
    key: Key,
    table: Mapping[str, Any],
    relation_id: str,
    case: dict[str, str],
    place: Place,
) -> Relation:
    filled = _filler(document, key, table, case)
    said = Relation(
        id=relation_id,
        statement=document.text(key, table, "id"),
        quote=document.text(key, table, "quote"),
        left="",
        op="",
        right="",
        unit="1",
        place=place,
        universal=document.optional(key, table, "universal"),
        direction=filled("direction") if "direction" in table else None,
        conclusion=filled("conclusion", ""),
        note=document.text(key, table, "note", ""),
    )
    if "unchecked" in table:
        return _unchecked(said, document, key, table)
    return _checked(said, document, key, table, filled)


def _filler(document: Document, key: Key, table: Mapping[str, Any], case: Mapping[str, str]) -> Callable[..., str]:
    """Return a function from a key of ``table`` to its text, with the words of the case put in."""

    def filled(name: str, default: str | None = None) -> str:
        text = document.text(key, table, name, default)
        missing = [word for word in PLACEHOLDER.findall(text) if word not in case]
        if missing:
            document.complain(key, f"{name!r} uses {{{missing[0]}}}, which no case gives")
        return PLACEHOLDER.sub(lambda m: case.get(m.group(1), m.group(0)), text)

    return filled


def _checked(
    said: Relation, document: Document, key: Key, table: Mapping[str, Any], filled: Callable[..., str]
) -> Relation:
    """Add what arithmetic checks."""
    op = document.choice(key, document.text(key, table, "op"), dict.fromkeys(OPERATORS), "operator")
    margin = document.printed(key, table["margin"]) if "margin" in table else None
    if op == "~" and (margin is None or not table.get("margin_reason")):
        document.complain(key, "'~' needs a 'margin' and a 'margin_reason': how near is near, and why")
    if op != "~" and ("margin" in table or "margin_reason" in table):
        document.complain(key, f"'margin' belongs to '~', not to {op!r}")
    return replace(
        said,
        left=filled("left"),
        op=op,
        right=filled("right"),
        unit=document.choice(key, document.text(key, table, "unit"), UNITS, "unit"),
        margin=margin,
        margin_reason=document.text(key, table, "margin_reason", ""),
        significant=document.flag(key, table, "significant"),
    )


def _unchecked(said: Relation, document: Document, key: Key, table: Mapping[str, Any]) -> Relation:
    """Add why arithmetic cannot check it."""
    arithmetic = ", ".join(repr(name) for name in ARITHMETIC if name in table)
    if arithmetic:
        document.complain(key, f"'unchecked' beside {arithmetic}: a statement is checked by arithmetic or it is not")
    return replace(said, unchecked=document.text(key, table, "unchecked"))


def _check(
    document: Document,
    key: Key,
    relation: Relation,
    claims: Collection[str],
    measurable: Collection[str],
    definitions: Mapping[str, Node],
) -> None:
    where = f"relation {relation.id}"
    for name, text in _sides(relation):
        if PLACEHOLDER.search(text):
            continue
        known = measurable if name == "direction" else claims
        try:
            for side in comparison(text)[::2] if name == "direction" else (text,):
                resolve(parse(side), known, definitions)
        except ExpressionError as error:
            hint = _hint(error, [*known, *definitions])
            document.complain(key, f"{name}: {error}{hint}", where=where)


def _sides(relation: Relation) -> Iterator[tuple[str, str]]:
    if relation.unchecked is None:
        yield "left", relation.left
        yield "right", relation.right
    if relation.direction is not None:
        yield "direction", relation.direction


def _inlined(relation: Relation, definitions: Mapping[str, str]) -> Relation:
    """Replace defined names by their expressions, so that a relation stands on its own."""

    def expand(text: str, depth: int = 0) -> str:
        if depth > len(definitions):
            return text
        replaced = ID.sub(lambda m: f"({definitions[m[0]]})" if m[0] in definitions else m[0], text)
        return replaced if replaced == text else expand(replaced, depth + 1)

    direction = None if relation.direction is None else expand(relation.direction)
    return replace(relation, left=expand(relation.left), right=expand(relation.right), direction=direction)
