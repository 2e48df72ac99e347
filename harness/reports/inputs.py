"""What a paper's pages are a function of, as one digest: where it stands, so do the pages."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from pathlib import Path

import harness
from harness.files import digests_below
from harness.ledger import canonical

PACKAGES = ("jinja2", "markupsafe", "msgspec", "numpy", "scipy")
"""Whose versions may change a page's bytes."""


def inputs_of(package: Path, records: Path, settings: str = "") -> str:
    """Return the sha256 over everything that can change a paper's pages, as hexadecimal.

    That is Remeasure's own files and the packages it renders with, the files of the paper's package, and the bytes of
    the paper's records: one that is damaged is another input than the intact one.

    Args:
        package: Folder of the paper's package.
        records: Folder of the paper's records in the ledger; need not be there.
        settings: What else the pages depend on.
    """
    return canonical.digest([_remeasure(), digests_below(package), digests_below(records), settings])


@cache
def _remeasure() -> list[object]:
    own = Path(harness.__file__).parent
    return [digests_below(own), {package: version(package) for package in PACKAGES}]
