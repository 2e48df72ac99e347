"""Which papers there are: packages under ``reproductions`` and the entry-point group ``remeasure.papers``."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from harness.claims.load import load_paper
from harness.claims.model import Paper
from harness.errors import UsageError

ENTRY_POINTS = "remeasure.papers"


def packages() -> Mapping[str, str]:
    """Map each paper's key to the name of its package; adding a folder is enough."""
    found: dict[str, str] = {}
    try:
        reproductions = import_module("reproductions")
    except ModuleNotFoundError:
        reproductions = None
    if reproductions is not None:
        for module in pkgutil.iter_modules(reproductions.__path__):
            if module.ispkg:
                found[module.name] = f"reproductions.{module.name}"
    for entry in entry_points(group=ENTRY_POINTS):
        found.setdefault(entry.name, entry.value)
    return dict(sorted(found.items()))


def package_of(key: str) -> str:
    """Return the package of a paper.

    Raises:
        UsageError: No paper has this key.
    """
    known = packages()
    if key not in known:
        close = get_close_matches(key, known, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"Known papers: {', '.join(known)}."
        raise UsageError(f"unknown paper {key!r}", hint)
    return known[key]


def claims_path(key: str) -> Path:
    """Return where a paper's ``claims.toml`` stands."""
    module = import_module(package_of(key))
    assert module.__file__ is not None
    return Path(module.__file__).parent / "claims.toml"


def find_paper(key_or_path: str) -> Paper:
    """Load a paper by key, or by the path of any ``claims.toml``.

    Raises:
        UsageError: Neither a known key nor an existing file.
        ClaimsError: The file has problems.
    """
    path = Path(key_or_path)
    if key_or_path.endswith(".toml") or path.is_dir():
        path = path / "claims.toml" if path.is_dir() else path
        if not path.is_file():
            raise UsageError(f"{path} does not exist", "Give a paper's key or the path of a claims.toml.")
        return load_paper(path)
    return load_paper(claims_path(key_or_path))
