"""What a paper's pages are a function of, as one digest: where it stands, so do the pages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import harness
from harness.ledger import canonical

PACKAGES = ("jinja2", "markupsafe", "msgspec", "numpy", "scipy")
"""Whose versions may change a page's bytes."""
PASSING = (".pyc", ".tmp")
"""Endings of files that nothing rests on: compiled ones, and those that another process is writing."""


def inputs_of(package: Path, records: Path, settings: str = "") -> str:
    """Return the sha256 over everything that can change a paper's pages, as hexadecimal.

    That is Remeasure's own files and the packages it renders with, the files of the paper's package, and the bytes of
    the paper's records: one that is damaged is another input than the intact one.

    Args:
        package: Folder of the paper's package.
        records: Folder of the paper's records in the ledger; need not be there.
        settings: What else the pages depend on.
    """
    return canonical.digest([_remeasure(), dict(_digests(package)), dict(_digests(records)), settings])


@cache
def _remeasure() -> list[object]:
    own = Path(harness.__file__).parent
    return [dict(_digests(own)), {package: version(package) for package in PACKAGES}]


def _digests(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in PASSING:
            yield path.relative_to(folder).as_posix(), digest_at(path)


def digest_at(path: Path) -> str:
    """Return the sha256 of a file as hexadecimal; empty if it cannot be read, or is there no more."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
