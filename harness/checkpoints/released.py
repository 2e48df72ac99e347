"""What a paper's authors, and those who ported them, released: the list in ``released.toml`` of the paper's package.

Needs neither torch nor a single checkpoint.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from harness.checkpoints.names import NameMap
from harness.claims.papers import claims_path
from harness.errors import CheckpointError

FILE = "released.toml"

Format = Literal["torch", "caffe", "mxnet"]
Task = Literal["classification", "segmentation", "initialisation"]
Origin = Literal["authors", "converted", "independent"]
T = TypeVar("T")


class Preprocessing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How bytes of an image become what the network reads: (byte * white / 255 - mean) / deviation for each channel.

    Attributes:
        channels: Their order; ``mean`` and ``deviation`` have it too.
        mean, deviation: In units in which white is ``white``.
        white: 1 or 255.
    """

    channels: Literal["rgb", "bgr"]
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    white: float = 255.0


@dataclass(frozen=True, slots=True)
class ReleasedFile:
    """A checkpoint file that someone published.

    Attributes:
        paper: Key of the paper.
        name: Pattern of the file's name (``*``, ``?`` and ``[]`` as in a shell).
        url: Where it was published.
        sha256: First digits of its digest, hexadecimal; empty where none was published.
        format: Of the file.
        map: Name of the map that its entries go by.
        name_map: That map.
        network: Ours, by the name that the paper's ``specs.py`` has for it.
        task: What the network does; "initialisation" for one that training starts from.
        system: Row of the paper's claims that the network is; empty if it is in no table.
        origin: By the authors, converted from their file, or trained by others.
        classes: Outputs.
        trained_on: Splits and datasets.
        evaluated_on: Splits for which the paper, or whoever published the file, states a result of it.
        contaminated_for: Splits of which it has seen the truth: a score on them is no evidence.
        selected_on: Splits by whose score it was chosen among other checkpoints.
        preprocessing: Of its images.
        holds: Layer that tells a .caffemodel from others of that name; empty where the name does.
        notes: What else a reader of its score should know.
    """

    paper: str
    name: str
    url: str
    sha256: str
    format: Format
    map: str
    name_map: NameMap = field(hash=False)
    network: str
    task: Task
    system: str
    origin: Origin
    classes: int
    trained_on: tuple[str, ...]
    evaluated_on: tuple[str, ...]
    contaminated_for: tuple[str, ...]
    selected_on: tuple[str, ...]
    preprocessing: Preprocessing
    holds: str
    notes: tuple[str, ...]

    def named(self, name: str) -> bool:
        """Whether a file of this name may be it."""
        return fnmatchcase(name, self.name)

    def genuine(self, sha256: str) -> bool | None:
        """Whether a digest is that of the published file; None where none was published."""
        return sha256.startswith(self.sha256) if self.sha256 else None

    def caveats(self) -> tuple[str, ...]:
        """Return everything that bounds what its score means, in sentences."""
        lines = [f"It was trained on {split}: a score there is no evidence." for split in self.contaminated_for]
        lines += [f"It was chosen by its score on {split}." for split in self.selected_on]
        if self.origin == "converted":
            lines.append("It was converted from the authors' file by others.")
        if self.origin == "independent":
            lines.append("It was trained by others than the authors.")
        if not self.sha256:
            lines.append("No digest of it was published: that the file is the released one cannot be verified.")
        return (*lines, *self.notes)


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ``[[file]]`` of the list."""

    name: str
    url: str
    format: Format
    map: str
    network: str
    task: Task
    classes: int
    trained_on: tuple[str, ...]
    preprocessing: str
    sha256: str = ""
    system: str = ""
    origin: Origin = "authors"
    evaluated_on: tuple[str, ...] = ()
    contaminated_for: tuple[str, ...] = ()
    selected_on: tuple[str, ...] = ()
    holds: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.holds and self.format != "caffe":
            raise ValueError(f"file {self.name!r}: only a .caffemodel is told from others by a layer")


class _List(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ``released.toml``."""

    file: tuple[_Entry, ...]
    maps: dict[str, NameMap]
    preprocessing: dict[str, Preprocessing]


def released_of(paper: str) -> tuple[ReleasedFile, ...]:
    """Return what was released for a paper, in the order of its list; nothing where it has no list.

    Raises:
        UsageError: No paper has that key.
        CheckpointError: As :func:`read_released`.
    """
    path = claims_path(paper).with_name(FILE)
    return read_released(path, paper) if path.exists() else ()


def read_released(path: Path, paper: str) -> tuple[ReleasedFile, ...]:
    """Read a list of released files.

    Raises:
        CheckpointError: It is no such list; names the file and the entry.
    """
    try:
        listed = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _List)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise CheckpointError(f"{path}: {error}", "Mend the list of released files.") from error
    return tuple(_resolved(entry, listed, path, paper) for entry in listed.file)


def _resolved(entry: _Entry, listed: _List, path: Path, paper: str) -> ReleasedFile:
    def named(name: str, known: Mapping[str, T]) -> T:
        if name not in known:
            raise CheckpointError(
                f"{path}: file {entry.name!r}: no {name!r} among {', '.join(known)}", "Mend the list of released files."
            )
        return known[name]

    name_map = named(entry.map, listed.maps)
    if name_map.extends:
        name_map = name_map.on(named(name_map.extends, listed.maps))
    given = {**msgspec.structs.asdict(entry), "preprocessing": named(entry.preprocessing, listed.preprocessing)}
    return ReleasedFile(paper=paper, name_map=name_map, **given)
