"""CITATION.cff (Citation File Format 1.2.0), which GitHub, Zenodo and Zotero read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness import __version__
from harness.citation.cited import AUTHOR, Cited, name_parts
from harness.citation.sentence import sentence
from harness.claims.model import Paper
from harness.exports.spelling import yaml_text

LICENCE = "Apache-2.0"
UNKNOWN = "anonymous"
"""How the format's guide names an author that nobody knows."""


def project_file(papers: Iterable[Paper]) -> str:
    """Return the citation file of Remeasure, with the papers it measures as references.

    Raises:
        ModuleNotFoundError: PyYAML is not installed.
    """
    return yaml_text(
        {
            **_head("Remeasure: published numbers measured again", "software"),
            "version": __version__,
            "abstract": "A reproducible benchmark harness and a paper-results auditor.",
            "references": [_paper(paper) for paper in papers],
        }
    )


def result_file(cited: Cited) -> str:
    """Return the citation file of one verified number: a data set, released when its newest record was made.

    Raises:
        ModuleNotFoundError: PyYAML is not installed.
    """
    records = [
        {"type": "other", "value": f"sha256:{digest}", "description": "A record it was computed from."}
        for digest in cited.records
    ]
    commits = {record.code.commit for record in cited.records.values() if not record.code.dirty}
    return yaml_text(
        {
            **_head(cited.title, "dataset"),
            "version": cited.version,
            "abstract": sentence(cited),
            **({"date-released": cited.date} if cited.date else {}),
            **({"commit": commits.pop()} if len(commits) == 1 and None not in commits else {}),
            **({"identifiers": records} if records else {}),
            "references": [_paper(cited.paper)],
        }
    )


def _head(title: str, kind: str) -> dict[str, Any]:
    return {
        "cff-version": "1.2.0",
        "message": "If you use this, please cite it, and the paper whose numbers it is about.",
        "title": title,
        "type": kind,
        "authors": [{"name": AUTHOR}],
        "license": LICENCE,
    }


def _paper(paper: Paper) -> dict[str, Any]:
    return {
        "type": "generic",
        "title": paper.title,
        "authors": [_person(name) for name in paper.authors or (UNKNOWN,)],
        "year": paper.year,
        **({"collection-title": paper.venue} if paper.venue else {}),
        **({"url": paper.url} if paper.url else {}),
    }


def _person(name: str) -> dict[str, str]:
    family, given = name_parts(name)
    return {"family-names": family, "given-names": given} if given else {"name": family}
