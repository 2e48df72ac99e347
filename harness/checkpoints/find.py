"""Which of the released files lie in a folder, which are lacking, and what else is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.checkpoints.binary import open_source, sha256
from harness.checkpoints.caffe import entry_names
from harness.checkpoints.released import ReleasedFile
from harness.errors import CheckpointError

SUFFIXES = (".pth", ".pth.tar", ".pt", ".caffemodel", ".params")
"""Of files that are looked at."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A released file and where it lies.

    Attributes:
        released: Which one.
        path: Where.
        verified: Whether its digest was compared with a published one, and agreed.
    """

    released: ReleasedFile
    path: Path
    verified: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that has a released file's name and is not used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a folder holds.

    Attributes:
        found: Released files, in the order of their list.
        lacking: Those that are not there.
        refused: Files of their names that are something else or broken.
        unknown: Other checkpoint files.
    """

    found: tuple[FoundFile, ...]
    lacking: tuple[ReleasedFile, ...]
    refused: tuple[Refused, ...]
    unknown: tuple[Path, ...]


def find_released(folder: Path, released: Sequence[ReleasedFile]) -> Finding:
    """Look for released files in a folder and those inside it, by name and by published digest.

    Raises:
        CheckpointError: The folder does not exist or cannot be read.
    """
    found: dict[ReleasedFile, FoundFile] = {}
    refused: list[Refused] = []
    unknown: list[Path] = []
    for path in _checkpoint_files(folder):
        candidates = [file for file in released if file.named(path.name)]
        if not candidates:
            unknown.append(path)
            continue
        try:
            match = _identify(path, candidates)
        except CheckpointError as error:
            refused.append(Refused(path, str(error)))
            continue
        if match.released in found:
            refused.append(Refused(path, f"a second copy of {found[match.released].path}"))
        else:
            found[match.released] = match
    return Finding(
        found=tuple(found[file] for file in released if file in found),
        lacking=tuple(file for file in released if file not in found),
        refused=tuple(refused),
        unknown=tuple(unknown),
    )


def require_genuine(path: Path, released: ReleasedFile, digest: str) -> None:
    """Check a file's digest against the published one, where there is one.

    Raises:
        CheckpointError: They differ.
    """
    if released.genuine(digest) is False:
        raise CheckpointError(
            f"{path}: not the released file: its sha256 begins with {digest[: len(released.sha256)]}, "
            f"not with {released.sha256}",
            f"Get it from {released.url}, or rename it if it is your own.",
        )


def _checkpoint_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder", "Give the folder that holds the released checkpoints.")
    try:
        return sorted(path for path in folder.rglob("*") if path.name.endswith(SUFFIXES) and path.is_file())
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be read ({error.strerror})") from error


def _identify(path: Path, candidates: Sequence[ReleasedFile]) -> FoundFile:
    fitting = [file for file in candidates if not file.holds]
    if len(fitting) != len(candidates):
        layers = set(entry_names(open_source(path)))
        fitting += [file for file in candidates if file.holds and file.holds in layers]
    if not fitting:
        raise CheckpointError(f"{path}: named as {candidates[0].name}, but holds another network")
    digest = sha256(path) if any(file.sha256 for file in fitting) else ""
    genuine = [file for file in fitting if file.genuine(digest) is not False]
    if not genuine:
        require_genuine(path, fitting[0], digest)
    return FoundFile(genuine[0], path, verified=bool(genuine[0].sha256))
