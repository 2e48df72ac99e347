"""A folder for a paper that runs as it is: an example table, a derivation, and a comparison that takes seconds."""

from __future__ import annotations

import datetime
import json
import keyword
import re
import sys
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from string import Template

from harness.claims.papers import BUILT_IN, packages
from harness.errors import UsageError
from harness.files import make_folder, storage_error, write_atomically

KEY = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
LONGEST = 64
TAKEN = frozenset(("ledger", "nights", "private", "aux", "con", "nul", "prn"))
"""Folders of ``reports`` that are no paper's, and names that no folder can have on Windows."""
PACKAGE = {
    "__init__.py": "init.py.txt",
    "claims.toml": "claims.toml.txt",
    "models.py": "models.py.txt",
    "exact.py": "exact.py.txt",
    "recipe.py": "recipe.py.txt",
    "comparison.py": "comparison.py.txt",
    "experiments.py": "experiments.py.txt",
}
"""The files of a paper, and the templates they are made from."""
SCHEMA = Path("harness", "claims", "claims.schema.json")


def new_paper(key: str, title: str, into: Path | None = None) -> Path:
    """Write the files of a new paper.

    Args:
        key: Its short name, which is also that of its folder; a Python name in lower case.
        title: As printed.
        into: A folder that gets the paper as a distribution of its own, ``into/key``; None: ``reproductions`` of this
            checkout.

    Returns:
        The new folder.

    Raises:
        UsageError: The key is no name or is taken, the folder exists, or there is no checkout to write into.
        StorageError: The folder cannot be written.
    """
    _check(key)
    if not title.strip() or not title.isprintable():
        raise UsageError("the title is empty, or not one line of text", 'Give one: --title "Dilated Residual Networks"')
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    words = {"key": key, "title": json.dumps(title, ensure_ascii=False), "date": today, "year": today[:4]}
    words["docstring"] = _docstring(title)
    if into is None:
        folder = _checkout() / key
        words |= {"package": f"{BUILT_IN}.{key}", "schema": f"../../{SCHEMA.as_posix()}"}
        contents = _rendered("", words)
    else:
        package = f"remeasure_{key}"
        folder = into / key
        schema = Path(__file__).resolve().parents[2] / SCHEMA
        distribution = package.replace("_", "-")
        words |= {"package": package, "schema": schema.as_uri(), "distribution": distribution}
        contents = {**_rendered(f"{package}/", words), "pyproject.toml": _fill("pyproject.toml.txt", words)}
    _write(folder, contents)
    return folder


def _check(key: str) -> None:
    """Refuse a key that cannot be a package, a folder of the reports and part of a distribution's name, or is taken.

    Raises:
        UsageError: It is so.
    """
    taken = key in TAKEN or keyword.iskeyword(key) or key in sys.stdlib_module_names
    if taken or len(key) > LONGEST or not KEY.fullmatch(key):
        remedy = "Give a short lower-case name of letters, digits and '_' that starts with a letter, such as drn."
        raise UsageError(f"{key!r} cannot be the key of a paper", remedy)
    if key in packages():
        raise UsageError(f"there is a paper {key!r}: {packages()[key]}", "Choose another key.")


def _checkout() -> Path:
    """Return the folder ``reproductions`` of this checkout.

    Raises:
        UsageError: The package was installed elsewhere, so that a folder in it would be lost.
    """
    try:
        folder = Path(import_module(BUILT_IN).__path__[0])
    except ModuleNotFoundError:
        folder = Path(BUILT_IN)
    if not (folder.parent / "pyproject.toml").is_file():
        raise UsageError("this is no checkout that a paper could be added to", "Name a folder for it: --into DIR")
    return folder


def _rendered(prefix: str, words: dict[str, str]) -> dict[str, str]:
    return {f"{prefix}{name}": _fill(template, words) for name, template in PACKAGE.items()}


def _fill(template: str, words: dict[str, str]) -> str:
    text = files("harness.authoring").joinpath("templates", template).read_text(encoding="utf-8")
    return Template(text).substitute(words)


def _docstring(title: str) -> str:
    """Return a title as it may stand in a docstring."""
    return title.replace("\\", "\\\\").replace('"', "'")


def _write(folder: Path, contents: dict[str, str]) -> None:
    make_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError as error:
        raise UsageError(f"{folder} exists; nothing was written", "Choose another key or folder.") from error
    except OSError as error:
        raise storage_error(folder, error) from error
    for name, content in contents.items():
        write_atomically(folder / name, content.encode("utf-8"))
