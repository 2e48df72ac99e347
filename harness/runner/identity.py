"""What can change a result: the identity of a measurement, and in what a record no longer matches it."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.experiment import Experiment, Progress, Unit
from harness.ledger import canonical
from harness.ledger.record import Code, Data, Record

MOST_SETTINGS_SHOWN = 4


@dataclass(frozen=True)
class Basis:
    """What an experiment's results rest on besides unit and recipe.

    Attributes:
        data: None if the experiment uses no images, or if ``examined`` is False: then nothing is known of them.
    """

    code: Code
    data: Data | None = None
    examined: bool = True


def bases(experiments: Sequence[Experiment], progress: Progress | None) -> dict[str, Basis]:
    """Return each experiment's basis by its key; data that several experiments share is examined once.

    Args:
        progress: None leaves the data unexamined, which takes no time and needs no data folder.

    Raises:
        DataError: A data folder is missing, half-copied or holds an unreadable file.
    """
    examined: dict[object, Data] = {}
    found: dict[str, Basis] = {}
    for experiment in experiments:
        code, look = code_of(experiment.source), experiment.data
        if look is None or progress is None:
            found[experiment.key] = Basis(code, examined=look is None)
            continue
        if look not in examined:
            examined[look] = look(progress)
        found[experiment.key] = Basis(code, examined[look])
    return found


def key(paper: str, unit: Unit, recipe: Mapping[str, Any], basis: Basis) -> str:
    """Return the digest of everything that can change what measuring ``unit`` gives."""
    data = basis.data.digest if basis.data is not None else None
    return _key(paper, unit.experiment, unit.system, unit.seed, recipe, data, basis.code.digest)


def key_of(record: Record) -> str:
    """Return the :func:`key` a record was measured under."""
    data = record.data.digest if record.data is not None else None
    return _key(
        record.paper, record.experiment, record.system, record.seed, record.recipe, data, record.code.digest
    )  # fmt: skip


def _key(
    paper: str, experiment: str, system: str, seed: int, recipe: Mapping[str, Any], data: str | None, code: str
) -> str:
    return canonical.digest([paper, experiment, system, seed, recipe, data, code])


def is_current(record: Record, experiment: Experiment, basis: Basis) -> bool:
    """Whether a record still is what measuring its unit would give: the same recipe, data and code, and complete."""
    return not stale(record, experiment, basis)


def stale(record: Record, experiment: Experiment, basis: Basis) -> str:
    """Return in words why a record no longer stands for what ``experiment`` measures; empty if it does."""
    reasons: list[str] = []
    if not record.complete:
        reasons.append("it stopped early")
    if changes := setting_changes(record.recipe, experiment.recipe):
        shown = "; ".join(changes[:MOST_SETTINGS_SHOWN])
        more = len(changes) - MOST_SETTINGS_SHOWN
        reasons.append(f"the recipe changed ({shown}{f'; {more} more' if more > 0 else ''})")
    if basis.examined and (record.data and record.data.digest) != (basis.data and basis.data.digest):
        reasons.append("the data changed")
    if record.code.digest != basis.code.digest:
        reasons.append("the code changed")
    return ", ".join(reasons)


def setting_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what differs between two recipes, or other plain JSON data: ``training.rate 0.1 -> 0.2``."""
    before, after = dict(_settings(old)), dict(_settings(new))
    return [
        f"{name} {before.get(name, 'absent')} -> {after.get(name, 'absent')}"
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]


def _settings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each setting of a recipe as its dotted path and its JSON; what spells the same is the same."""
    if isinstance(value, Mapping) and (value or not path):
        for name, child in value.items():
            yield from _settings(child, f"{path}.{name}" if path else str(name))
    else:
        yield path, canonical.encode(value).decode("utf-8")


def code_of(source: Sequence[str]) -> Code:
    """Describe the code that can change an outcome.

    Args:
        source: Dotted names of modules and packages; see :func:`code_digest`.
    """
    files = source_files(source)
    commit, dirty = _commit(list(files.values()))
    return Code(_digest_files(files), commit, dirty)


def code_digest(source: Sequence[str]) -> str:
    """Return the sha256 over the Python files of modules and packages (with all they contain), without importing them.

    Line ends do not count, nor does the order of ``source``, nor where the files lie.

    Raises:
        ModuleNotFoundError: A name is no module with source files here.
    """
    return _digest_files(source_files(source))


def _digest_files(files: Mapping[str, Path]) -> str:
    contents = {name: path.read_bytes().replace(b"\r\n", b"\n") for name, path in files.items()}
    return canonical.digest({name: hashlib.sha256(content).hexdigest() for name, content in contents.items()})


def source_files(source: Sequence[str]) -> dict[str, Path]:
    """Map the import path of each source file (``harness/engine/train.py``) to where it lies.

    Raises:
        ModuleNotFoundError: A name is no module with source files here.
    """
    found: dict[str, Path] = {}
    for name in source:
        files = dict(_files(name))
        if not files:
            raise ModuleNotFoundError(
                f"no source files of {name!r}, which an experiment names as its source", name=name
            )
        found.update(files)
    return dict(sorted(found.items()))


def _files(name: str) -> Iterator[tuple[str, Path]]:
    """Find a module's files from its top-level package down, since asking for the module would import its parents."""
    top, *inner = name.split(".")
    spec = find_spec(top)
    if spec is None:
        return
    if spec.submodule_search_locations is None:
        if not inner and spec.has_location and spec.origin is not None:
            yield f"{top}.py", Path(spec.origin)
        return
    for location in spec.submodule_search_locations:
        folder = Path(location, *inner)
        if folder.is_dir():
            for path in sorted(folder.rglob("*.py")):
                yield "/".join((top, *inner, *path.relative_to(folder).parts)), path
        elif (module := folder.with_name(f"{folder.name}.py")).is_file():
            yield f"{'/'.join((top, *inner))}.py", module


def _commit(files: Sequence[Path]) -> tuple[str | None, bool]:
    """Return the commit of the checkout that holds the harness, and whether any of ``files`` differs from it."""
    root = Path(__file__).resolve().parents[2]
    head = _git(root, "rev-parse", "--show-toplevel", "HEAD")
    if head is None or Path(head.splitlines()[0]).resolve() != root:
        return None, False
    inside = [str(path.resolve()) for path in files if path.resolve().is_relative_to(root)]
    changes = _git(root, "status", "--porcelain", "--", *inside) if inside else ""
    return head.splitlines()[1], changes != ""


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git prints, or None where it is not installed or ``root`` is not a checkout."""
    try:
        process = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(root), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return process.stdout.strip() if process.returncode == 0 else None
