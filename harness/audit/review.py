"""Reviewed findings: what a person has looked at, as data with a dated note beside the paper's claims.

::

    [[finding]]
    fingerprint = "0123456789abcdef"
    rule = "references/origin"
    claims = ["t1/resnet-34/top1-1crop"]
    date = "2026-11-21"
    note = "Checked against the source by hand."
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.audit.finding import Audit, Finding
from harness.claims.document import Document
from harness.errors import ClaimsError

FILE_NAME = "reviewed.toml"
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Review:
    """One finding that somebody has looked at; ``fingerprint`` is :attr:`Finding.fingerprint`."""

    fingerprint: str
    rule: str
    claims: tuple[str, ...]
    date: str
    note: str
    line: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """An audit held against its reviews.

    Attributes:
        fresh: Findings without a review.
        vanished: Reviews without a finding, though their rule was applied: the claims, or a rule, have changed since.
    """

    fresh: tuple[Finding, ...]
    vanished: tuple[Review, ...]

    @property
    def settled(self) -> bool:
        return not self.fresh and not self.vanished


def read_reviews(claims: Path) -> tuple[Review, ...]:
    """Read the ``reviewed.toml`` beside a claims file; none if there is no such file.

    Raises:
        ClaimsError: The file has problems; the message lists every one.
    """
    path = claims.parent / FILE_NAME
    if not path.is_file():
        return ()
    document = Document.read(path)
    document.allow(("file",), document.root, "finding")
    reviews: dict[str, Review] = {}
    for key, table in document.elements("finding"):
        document.allow(key, table, "fingerprint", "rule", "claims", "date", "note")
        review = Review(
            document.text(key, table, "fingerprint"),
            document.text(key, table, "rule"),
            document.texts(key, table, "claims"),
            document.text(key, table, "date"),
            document.text(key, table, "note"),
            document.line(*key),
        )
        if not DATE.fullmatch(review.date):
            document.complain(key, f"'date' must read like 2026-11-21, not {review.date!r}")
        if review.fingerprint in reviews:
            document.complain(key, f"the fingerprint {review.fingerprint} is reviewed twice")
        reviews[review.fingerprint] = review
    if document.problems:
        raise ClaimsError("\n".join(f"{path}:{p.line}: [{p.where}] {p.message}" for p in document.problems))
    return tuple(reviews.values())


def compare(audit: Audit, reviews: tuple[Review, ...]) -> Comparison:
    """Hold an audit against its reviews."""
    reviewed = {review.fingerprint for review in reviews}
    found = {finding.fingerprint for finding in audit.findings}
    silent = {rule.id for rule in audit.silent}
    return Comparison(
        tuple(finding for finding in audit.findings if finding.fingerprint not in reviewed),
        tuple(review for review in reviews if review.fingerprint not in found and review.rule not in silent),
    )
