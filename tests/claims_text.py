"""A paper's claims held against its extracted text: which characters stand in a quote, which numbers an entry holds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction

from harness.claims.expressions import RATIONALS, evaluate
from harness.claims.model import Paper, Relation
from harness.claims.relations import operands, resolved


def squeezed(text: str) -> tuple[str, list[int]]:
    """Drop what the extraction changed (ligatures, line breaks, hyphens, superscripts); keep each letter's place."""
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for letter in unicodedata.normalize("NFKC", character):
            if not letter.isspace() and letter not in "-−^":
                letters.append(letter)
                places.append(place)
    return "".join(letters), places


def quotes(paper: Paper) -> Iterator[tuple[str, str, str]]:
    """Yield id, section and quote of everything that has one."""
    yield from ((claim.id, claim.place.section, claim.quote) for claim in paper.claims.values() if claim.quote)
    yield from ((relation.statement, relation.place.section, relation.quote) for relation in paper.relations)
    yield from ((fact.id, fact.place.section, fact.quote) for fact in paper.facts if fact.quote)


def misquoted(paper: Paper, text: str) -> list[str]:
    """Return the quotes whose fragments do not stand in the text one after the other."""
    flat, _ = squeezed(text)
    wrong: list[str] = []
    for id, _, quote in quotes(paper):
        at = 0
        for fragment in quote.split(" ... "):
            needle = squeezed(fragment)[0]
            at = flat.find(needle, at)
            if at < 0:
                wrong.append(f"{id}: {fragment!r}")
                break
            at += len(needle)
    return wrong


def quoted(paper: Paper, text: str) -> list[bool]:
    """Return whether each character of the text stands in a quote, wherever the quote is repeated."""
    flat, places = squeezed(text)
    inside = [False] * len(text)
    for fragment in {fragment for _, _, quote in quotes(paper) for fragment in quote.split(" ... ")}:
        for match in re.finditer(re.escape(squeezed(fragment)[0]), flat):
            first, last = places[match.start()], places[match.end() - 1]
            inside[first : last + 1] = [True] * (last + 1 - first)
    return inside


def unquoted_numbers(text: str, inside: list[bool], spared: re.Pattern[str]) -> list[str]:
    """Return the numbers, with the words around them, that stand neither in a quote nor in what is spared."""
    free = list(inside)
    for match in spared.finditer(text):
        free[match.start() : match.end()] = [True] * len(match.group())
    return [
        text[max(0, match.start() - 60) : match.end() + 30]
        for match in re.finditer(r"\d+(?:\.\d+)?", text)
        if not all(free[match.start() : match.end()])
    ]


def unquoted_sentences(text: str, inside: list[bool], wanted: re.Pattern[str]) -> list[str]:
    """Return the sentences with a wanted word of which nothing is quoted."""
    return [
        " ".join(match.group().split())
        for match in re.finditer(r".+?(?:[.!?](?=\s+[A-Z(“])|\Z)", text, re.DOTALL)
        if wanted.search(" ".join(match.group().split())) and not any(inside[match.start() : match.end()])
    ]


def numbers(paper: Paper, id: str) -> Iterator[Fraction]:
    """Yield every number that the entry holds: printed, compared, or recomputed."""
    if id in paper.claims:
        claim = paper.claims[id]
        yield from (printed.value for printed in (claim.printed, *claim.readings))
    for fact in paper.facts:
        if fact.id == id:
            yield from map(Fraction, re.findall(r"\d+(?:\.\d+)?", fact.value))
    for relation in paper.relations:
        if relation.statement == id and relation.unchecked is None:
            yield from _related(paper, relation)


def _related(paper: Paper, relation: Relation) -> Iterator[Fraction]:
    def value(id: str) -> Fraction:
        return paper.claims[id].printed.value

    left, right = (evaluate(resolved(side, paper), value, RATIONALS) for side in (relation.left, relation.right))
    yield from (left, right, abs(left - right))
    yield from map(value, operands(relation, paper))
