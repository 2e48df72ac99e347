"""What is in a bundle: files that numbers rest on, and files that follow from them.

========================== ===========================================================================================
name                       content
========================== ===========================================================================================
``claims.toml``            what the paper claims
``reviewed.toml``          the audit's reviewed findings, if there are any
``declared.json``          the experiments as data, who made the bundle, and which records of the ledger it leaves out
``records/EXPERIMENT/...`` each record in use: its JSON and, beside it, its arrays, as they stood in the ledger
``rows.json``              follows: every number, interval and verdict (:mod:`harness.bundle.rows`)
``report.html``            follows: the page that people read, unless it was left out
``statement.json``         follows: the digest of every file above, and what came out (:mod:`harness.bundle.statement`)
``statement.dsse.json``    a signature by an ed25519 key in PEM, if there is one (:mod:`harness.bundle.signatures`)
``statement.json.sig``     a signature by an SSH key, if there is one
========================== ===========================================================================================

The sha256 of ``statement.json`` is the bundle's digest: it names everything in it but the signatures.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from numpy.typing import NDArray

import harness
from harness import __version__
from harness.audit.review import FILE_NAME as REVIEWED
from harness.audit.run import audit
from harness.bundle.archive import REMEDY, Files
from harness.claims.document import SLUG
from harness.claims.load import load_paper
from harness.errors import RemeasureError, VerificationError
from harness.files import digests_below
from harness.ledger import canonical
from harness.ledger.store import NAME_LENGTH, Ledger, Refused, Stored
from harness.scoring.declared import Declared
from harness.scoring.join import join
from harness.scoring.model import Results

CLAIMS, DECLARED, RECORDS = "claims.toml", "declared.json", "records"
ROWS, REPORT, STATEMENT = "rows.json", "report.html", "statement.json"
DSSE, SSH = "statement.dsse.json", "statement.json.sig"
RECORD = re.compile(rf"{RECORDS}/{SLUG.pattern}/[0-9a-f]{{{NAME_LENGTH}}}\.(json|npz)")
CONFIGURATION = (CLAIMS, REVIEWED, DECLARED)
SIGNATURES = (DSSE, SSH)
FORMAT = 1
MOST_ARRAY_BYTES = 1 << 32
"""Of a record's arrays together; no record of images comes near, and a bomb does not get to unpack."""

ArraysOf = Callable[[str], Mapping[str, NDArray[Any]]]
Page = Callable[[Results, ArraysOf], str]
"""From results and the arrays of each record's digest to the page that people read."""


class Declaration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``declared.json`` holds.

    Attributes:
        program: Digest of the files of the program that made the bundle, whose version is ``remeasure``.
        stale, superseded, refused: What the ledger held beside the records in use, as in
            :class:`~harness.scoring.model.Results`; told, not verified.
    """

    format: int
    paper: str
    remeasure: str
    program: str
    experiments: tuple[Declared, ...]
    stale: tuple[str, ...]
    superseded: tuple[str, ...]
    refused: tuple[Refused, ...]


@dataclass(frozen=True)
class Recomputed:
    """What follows from a bundle's inputs; ``page`` is None if nobody asked for it."""

    results: Results
    page: str | None


def declaration(results: Results, experiments: tuple[Declared, ...]) -> Declaration:
    """Describe what a bundle of some results rests on besides files."""
    return Declaration(
        format=FORMAT,
        paper=results.paper.key,
        remeasure=__version__,
        program=program(),
        experiments=experiments,
        stale=results.stale,
        superseded=results.superseded,
        refused=tuple(map(_within_the_ledger, results.refused)),
    )


def _within_the_ledger(item: Refused) -> Refused:
    """Leave out where the ledger lies: that is nobody's business, and differs from machine to machine."""
    path = Path(item.path)
    return Refused("/".join(path.parts[-3:]), item.reason.replace(f"{path.parent}{os.sep}", ""))


def spelt_declaration(declared: Declaration) -> bytes:
    """Return ``declared.json``: what is read from it is spelt the same again."""
    plain = json.loads(canonical.encode(msgspec.to_builtins(declared, str_keys=True)))
    return canonical.pretty(msgspec.to_builtins(msgspec.convert(plain, Declaration)))


def read_declaration(content: bytes) -> Declaration:
    """Read ``declared.json``.

    Raises:
        VerificationError: It is of another format, or not spelt as a bundle's.
    """
    plain = read_json(DECLARED, content)
    made = plain.get("format") if isinstance(plain, dict) else None
    if made != FORMAT:
        raise VerificationError(
            f"{DECLARED}: format {made!r} is unknown; this version reads {FORMAT}", "Update Remeasure."
        )
    try:
        declared = msgspec.convert(plain, Declaration)
    except msgspec.ValidationError as error:
        raise VerificationError(f"{DECLARED}: {error}", REMEDY) from error
    if spelt_declaration(declared) != content:
        raise VerificationError(f"{DECLARED}: holds what no declaration holds", REMEDY)
    return declared


def read_json(name: str, content: bytes) -> Any:
    """Read a file that was written by :func:`harness.ledger.canonical.pretty`.

    Raises:
        VerificationError: It is not JSON, or spelt in another way.
    """
    try:
        plain = json.loads(content)
        same = canonical.pretty(plain) == content
    except (ValueError, RecursionError) as error:
        raise VerificationError(f"{name}: not JSON: {error}", REMEDY) from error
    if not same:
        raise VerificationError(f"{name}: not spelt as a bundle's JSON is", REMEDY)
    return plain


def recompute(files: Files, page: Page | None) -> Recomputed:
    """Work out everything that follows from a bundle's inputs: from raw outcomes, without the code that measured them.

    Raises:
        VerificationError: The inputs cannot be read, or hold a record that gives no number.
    """
    with tempfile.TemporaryDirectory(prefix="remeasure-") as name:
        folder = Path(name)
        try:
            return _recompute(files, folder, page)
        except RemeasureError as error:
            message = error.message.replace(f"{folder}/", "")
            raise VerificationError(f"what the bundle rests on cannot be used: {message}", REMEDY) from error


def _recompute(files: Files, folder: Path, page: Page | None) -> Recomputed:
    declared = read_declaration(files[DECLARED])
    for name in (CLAIMS, REVIEWED):
        if name in files:
            (folder / name).write_bytes(files[name])
    for experiment in declared.experiments:
        _check_variants(f"experiment {experiment.key}", experiment.recipe)
    paper = load_paper(folder / CLAIMS)
    if paper.key != declared.paper:
        raise VerificationError(f"{CLAIMS} is of {paper.key!r}, {DECLARED} of {declared.paper!r}")
    ledger = Ledger(folder / "ledger")
    kept = _unfold(files, ledger.root / paper.key)
    stored = {found.digest: found for found in ledger.records(paper.key)}
    for found in stored.values():
        _check_record(found)
    results = join(paper, audit(paper), declared.experiments, ledger)
    if unused := sorted(kept - {stored[digest].path for digest in results.records}):
        reasons = {item.path: item.reason for item in results.refused}
        said = (f"{path.stem}: {reasons.get(str(path), 'no number rests on it')}" for path in unused)
        raise VerificationError("records that give no number:\n" + "\n".join(said))
    results = replace(results, stale=declared.stale, superseded=declared.superseded, refused=declared.refused)
    rendered = None if page is None else page(results, lambda digest: stored[digest].arrays())
    return Recomputed(results, rendered)


def _unfold(files: Files, folder: Path) -> set[Path]:
    """Write the records as a ledger keeps them; return the paths of their JSON."""
    written: set[Path] = set()
    for name, content in files.items():
        if RECORD.fullmatch(name):
            path = folder / name.removeprefix(f"{RECORDS}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            written.add(path.with_suffix(".json"))
    return written


def _check_variants(where: str, recipe: Mapping[str, Any]) -> None:
    variants = recipe.get("variants", {})
    if not isinstance(variants, dict) or not all(isinstance(name, str) for name in variants.values()):
        raise VerificationError(f"{where}: the recipe's variants are not names of systems")


def _check_record(stored: Stored) -> None:
    """Check what the ledger takes on trust of records that this machine wrote."""
    _check_variants(f"record {stored.digest}", stored.record.recipe)
    if stored.path.with_suffix(".npz").exists() != bool(stored.record.arrays):
        raise VerificationError(f"record {stored.digest} has no arrays, but a file of arrays")
    try:
        total = sum(map(canonical.size_of, stored.record.arrays.values()))
    except ValueError as error:
        raise VerificationError(f"record {stored.digest}: {error}") from error
    if total > MOST_ARRAY_BYTES:
        raise VerificationError(f"record {stored.digest}: {total:,} bytes of arrays, {MOST_ARRAY_BYTES:,} at most")


def digest_of(files: Files) -> str:
    """Return the digest that names a bundle whatever its signatures, 64 hexadecimal digits."""
    return hashlib.sha256(files[STATEMENT]).hexdigest()


@cache
def program() -> str:
    """Return the digest of all files of this program, by which a page can be expected to come out the same."""
    return canonical.digest(digests_below(Path(harness.__file__).parent))
