"""A citation as CSL-JSON, which Zotero, pandoc and other citation processors read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from harness.citation.bibtex import paper_key
from harness.citation.cited import AUTHOR, Cited, name_parts
from harness.citation.sentence import measured_text, sentence
from harness.claims.model import Paper
from harness.wording.numbers import with_unit

Item = dict[str, Any]


def csl_items(cited: Iterable[Cited]) -> list[Item]:
    """Return the items of several citations, each paper's once: those of CSL 1.0.2's schema for input data."""
    listed = tuple(cited)
    papers = {one.paper.key: one.paper for one in listed}
    return [*map(_measurement, listed), *map(_paper, papers.values())]


def _measurement(cited: Cited) -> Item:
    claim, verdict = cited.claim, cited.verdict
    assert verdict.evidence is not None
    item: Item = {
        "type": "dataset",
        "id": f"remeasure:{cited.id}",
        "title": cited.title,
        "author": [{"literal": AUTHOR}],
        "publisher": "Remeasure",
        "genre": "Measurement",
        "version": cited.version,
        "note": sentence(cited),
        "custom": {
            "claim": cited.id,
            "claimed": with_unit(claim.printed.text, claim.unit),
            "measured": measured_text(cited),
            "verdict": verdict.word.value,
            "evidence": verdict.evidence.value,
            "deviations": [
                f"{deviation.topic}: {deviation.paper} ({deviation.where}); here: {deviation.ours}"
                for deviation in cited.deviations
            ],
            "records": [f"sha256:{digest}" for digest in cited.records],
            "commits": list(cited.commits),
        },
    }
    if cited.date:
        day = date.fromisoformat(cited.date)
        item["issued"] = {"date-parts": [[day.year, day.month, day.day]]}
    return item


def _paper(paper: Paper) -> Item:
    item: Item = {
        "type": "article",
        "id": paper_key(paper),
        "title": paper.title,
        "author": [_person(name) for name in paper.authors],
        "issued": {"date-parts": [[paper.year]]},
    }
    optional = {"container-title": paper.venue, "URL": paper.url}
    return item | {name: text for name, text in optional.items() if text}


def _person(name: str) -> dict[str, str]:
    family, given = name_parts(name)
    return {"family": family, "given": given} if given else {"literal": family}
