"""Which papers there are: packages under ``reproductions`` and the entry-point group ``remeasure.papers``.

A paper is found without importing its package, so that a broken one stops no other.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from harness.claims.load import load_paper
from harness.claims.model import Paper
from harness.errors import ClaimsError, UsageError

ENTRY_POINTS = "remeasure.papers"
BUILT_IN = "reproductions"
FILE = "claims.toml"


@dataclass(frozen=True)
class Found:
    """Papers by key.

    Attributes:
        packages: The package of each paper that can be used.
        faults: Why an entry point is not used, in a sentence, by its key; the key may be that of a usable paper.
    """

    packages: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


def packages() -> Mapping[str, str]:
    """Map each paper's key to the name of its package; adding a folder is enough."""
    return dict(sorted(_found().packages.items()))


def unusable() -> tuple[str, ...]:
    """Return a sentence for each entry point that gives no paper."""
    return tuple(sentence for _, sentence in sorted(_found().faults.items()))


def package_of(key: str) -> str:
    """Return the package of a paper.

    Raises:
        UsageError: No paper has this key, or the distribution that announces it lacks it.
    """
    found = _found()
    if key in found.packages:
        return found.packages[key]
    if key in found.faults:
        raise UsageError(found.faults[key])
    close = get_close_matches(key, found.packages, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"Known papers: {', '.join(sorted(found.packages))}."
    raise UsageError(f"unknown paper {key!r}", hint)


def claims_path(key: str) -> Path:
    """Return where a paper's ``claims.toml`` stands, or would stand.

    Raises:
        UsageError: No paper has this key.
    """
    folders = list(_folders(package_of(key)))
    return next((folder / FILE for folder in folders if (folder / FILE).is_file()), folders[0] / FILE)


def find_paper(key_or_path: str) -> Paper:
    """Load a paper by key, or by the path of any ``claims.toml`` or its folder; of both, the key.

    Raises:
        UsageError: Neither a known key nor an existing file.
        ClaimsError: The file has problems, or is of a paper with another key.
    """
    path = Path(key_or_path)
    if key_or_path.endswith(".toml") or (path.is_dir() and key_or_path not in {"", *packages()}):
        path = path / FILE if path.is_dir() else path
        if not path.is_file():
            raise UsageError(f"{path} does not exist", f"Give a paper's key or the path of a {FILE}.")
        return load_paper(path)
    path = claims_path(key_or_path)
    paper = load_paper(path)
    if paper.key != key_or_path:
        message = f"{path}: [paper] the key is {paper.key!r}, but the paper is found as {key_or_path!r}"
        raise ClaimsError(message, f'Write key = "{key_or_path}".')
    return paper


def _found() -> Found:
    found = Found({name: f"{BUILT_IN}.{name}" for name in _built_in()})
    owners = dict.fromkeys(found.packages, BUILT_IN)
    for entry in entry_points(group=ENTRY_POINTS):
        key, owner = entry.name, _owner(entry)
        if found.packages.get(key) == entry.value:
            continue
        if key in found.packages:
            found.faults[key] = f"the paper {key!r} of {owner} is not used: {owners[key]} has a paper of this key"
        elif fault := _fault(entry.value):
            found.faults[key] = f"the paper {key!r} of {owner} is not used: {fault}"
        else:
            found.packages[key] = entry.value
            owners[key] = owner
    return found


def _built_in() -> Iterator[str]:
    try:
        reproductions = import_module(BUILT_IN)
    except ModuleNotFoundError:
        return
    yield from (module.name for module in pkgutil.iter_modules(reproductions.__path__) if module.ispkg)


def _owner(entry: EntryPoint) -> str:
    return "an unnamed distribution" if entry.dist is None else f"the distribution {entry.dist.name}"


def _fault(package: str) -> str:
    """Say why a package cannot be a paper; empty if it can."""
    folders = [folder for folder in _folders(package) if folder.is_dir()]
    if not folders:
        return f"there is no package {package!r}"
    return "" if any((folder / FILE).is_file() for folder in folders) else f"{folders[0]} holds no {FILE}"


def _folders(package: str) -> Iterator[Path]:
    """Yield where a package may lie, whether or not it is there."""
    top, *inner = package.split(".")
    spec = find_spec(top) if top.isidentifier() else None
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        yield Path(location, *inner)
