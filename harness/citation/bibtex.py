"""A citation as BibTeX: an entry for the measurement, and one for the paper whose number it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from harness.citation.cited import AUTHOR, Cited, published
from harness.citation.escape import latex
from harness.citation.sentence import sentence
from harness.claims.model import Paper

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def bibtex(cited: Iterable[Cited]) -> str:
    """Return the entries of several citations, each paper's once."""
    listed = tuple(cited)
    papers = {one.paper.key: one.paper for one in listed}
    return "\n".join((*map(_measurement, listed), *map(_paper, papers.values())))


def paper_key(paper: Paper) -> str:
    """Return the key of a paper's entry: ``drn2017``."""
    return f"{paper.key}{paper.year}"


def _measurement(cited: Cited) -> str:
    fields = {
        "author": f"{{{AUTHOR}}}",
        "title": f"{{{latex(cited.title)}}}",
        "howpublished": latex(f"Remeasure {cited.version}, {cited.id}"),
        "note": latex(sentence(cited)),
    }
    day = date.fromisoformat(cited.date) if cited.date else None
    bare = {} if day is None else {"year": str(day.year), "month": MONTHS[day.month - 1]}
    return _entry(f"remeasure:{cited.id}", fields, bare)


def _paper(paper: Paper) -> str:
    fields = {
        "author": " and ".join(map(latex, paper.authors)),
        "title": f"{{{latex(paper.title)}}}",
        "howpublished": latex(published(paper)),
        "url": paper.url.replace("{", "%7B").replace("}", "%7D"),
    }
    return _entry(paper_key(paper), {name: text for name, text in fields.items() if text}, {"year": str(paper.year)})


def _entry(key: str, fields: Mapping[str, str], bare: Mapping[str, str]) -> str:
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    lines += [f"  {name} = {value}," for name, value in bare.items()]
    return "\n".join((f"@misc{{{key},", *lines, "}\n"))
