"""Permanent addresses: where on the site each thing has its page. They are documented in ``docs/site.md``.

An address is a path below the site's folder, the same on a disk and on a server; pages link to each other relatively.
"""

from __future__ import annotations

from hashlib import sha256
from urllib.parse import quote

import msgspec

from harness.claims.document import slug
from harness.ledger.record import Deviation

INDEX = "index.html"


def report_page(paper: str) -> str:
    """Return the address of a paper's report: ``drn/index.html``."""
    return f"{paper}/{INDEX}"


def claim_page(paper: str, claim: str) -> str:
    """Return the address of a printed number: ``drn/claims/t1/drn-c-26/top1-1crop.html``."""
    return f"{paper}/claims/{claim}.html"


def audit_page(paper: str) -> str:
    return f"{paper}/audit.html"


def deviations_page(paper: str) -> str:
    return f"{paper}/deviations.html"


def data_of(page: str) -> str:
    """Return the address of the machine-readable file beside a page: ``drn/index.json``."""
    return f"{page.removesuffix('.html')}.json"


def deviation_id(deviation: Deviation) -> str:
    """Return a name for a deviation that stands as long as its text: ``schedule-1f0c62ab``."""
    return f"{slug(deviation.topic)}-{sha256(msgspec.json.encode(deviation)).hexdigest()[:8]}"


def root_of(page: str) -> str:
    """Return how a page reaches the site's folder: ``../../`` from ``drn/claims/a.html``."""
    return "../" * page.count("/")


def relative(page: str, target: str, anchor: str = "") -> str:
    """Return the link from one page to another, or to a place on it, as a URL reference."""
    if target == page and anchor:
        return f"#{_quoted(anchor)}"
    path = target.rpartition("/")[2] if target == page else root_of(page) + target
    return f"{_quoted(path)}#{_quoted(anchor)}" if anchor else _quoted(path)


def _quoted(text: str) -> str:
    return quote(text, safe="/+.-_~")
