"""The site on the disk: pages are written where they changed, and a paper is rendered again only where its inputs did.

What was rendered is remembered in the state folder, never beside the pages: forgotten, everything is rendered again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from harness.errors import StorageError
from harness.files import digest_at, sweep, write_atomically
from harness.reports.summary import Summary
from harness.scoring.model import Refused

MEMORY = Path(".remeasure") / "site"
CLAIMS = "claims"
"""The folder of a paper's pages that holds those of its claims, and nothing else."""


class Rendered(msgspec.Struct, frozen=True):
    """A paper's pages as they were written last.

    Attributes:
        inputs: Digest of what they are a function of (:mod:`harness.reports.inputs`).
        pages: sha256 of each page, by its path below the site.
        summary: For the index.
        refused: Records that were not used, to be named again.
    """

    inputs: str
    pages: dict[str, str]
    summary: Summary
    refused: tuple[Refused, ...]


def recall(paper: str, inputs: str, site: Path, memory: Path = MEMORY) -> Rendered | None:
    """Return what was rendered of a paper, if its inputs are the same and every page stands as it was written."""
    rendered = _read(_note(paper, site, memory))
    if rendered is None or rendered.inputs != inputs:
        return None
    return rendered if all(digest_at(site / path) == own for path, own in rendered.pages.items()) else None


def write(
    paper: str,
    inputs: str,
    pages: Mapping[str, bytes],
    summary: Summary,
    refused: tuple[Refused, ...],
    site: Path,
    memory: Path = MEMORY,
) -> Rendered:
    """Write the pages of a paper that are not there as they should be, delete those it no longer has, and remember.

    Args:
        pages: By their paths below the site; all of them begin with the paper's key.

    Raises:
        StorageError: A page cannot be written.
    """
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in pages.items()}
    for path, content in pages.items():
        if digest_at(site / path) != digests[path]:
            write_atomically(site / path, content, durable=False)
    note = _read(_note(paper, site, memory))
    earlier = {site / path for path in note.pages} if note else set()
    found = {path for path in (site / paper / CLAIMS).rglob("*.*") if not path.name.startswith(".")}
    for old in (earlier | found) - {site / path for path in pages}:
        with suppress(OSError):
            old.unlink()
    for folder in {(site / path).parent for path in pages}:
        sweep(folder)
    rendered = Rendered(inputs, digests, summary, refused)
    with suppress(StorageError):
        write_atomically(_note(paper, site, memory), msgspec.json.encode(rendered), durable=False)
    return rendered


def _read(note: Path) -> Rendered | None:
    try:
        return msgspec.json.decode(note.read_bytes(), type=Rendered)
    except (OSError, msgspec.DecodeError):
        return None


def _note(paper: str, site: Path, memory: Path) -> Path:
    """Return where the rendering of a paper in a site is remembered."""
    return memory / hashlib.sha256(str(site.resolve()).encode()).hexdigest()[:16] / f"{paper}.json"
