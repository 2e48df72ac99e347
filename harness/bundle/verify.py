"""Verifying a bundle: its bytes, its digests, its signatures, and every number again from the raw outcomes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice
from pathlib import Path
from typing import Any

from harness.audit.review import FILE_NAME as REVIEWED
from harness.bundle.archive import LARGEST, REMEDY, Files, unpack
from harness.bundle.build import spelt_statement
from harness.bundle.contents import (
    CLAIMS,
    DECLARED,
    RECORD,
    REPORT,
    ROWS,
    SIGNATURES,
    STATEMENT,
    Page,
    digest_of,
    program,
    read_declaration,
    read_json,
    recompute,
)
from harness.bundle.rows import differences, rows_of
from harness.bundle.signatures import Signature, signatures
from harness.errors import UsageError, VerificationError

REQUIRED = frozenset({CLAIMS, DECLARED, ROWS, STATEMENT})
POSSIBLE = REQUIRED | {REVIEWED, REPORT, *SIGNATURES}
DIGITS = re.compile(r"[0-9a-f]{12,64}")


@dataclass(frozen=True)
class Verified:
    """What was verified.

    Attributes:
        digest: sha256 of the statement, which names the bundle whatever its signatures.
        rows, records: How many were worked out again, and from how many records.
        page: What was done about the page that people read, in a sentence.
        signatures: All of which are right; whose keys they are is for the reader to judge.
    """

    paper: str
    title: str
    digest: str
    result: str
    rows: int
    records: int
    page: str
    signatures: tuple[Signature, ...]


def read(path: Path) -> dict[str, bytes]:
    """Read a bundle and compare every file with its digest, and each signature with the statement.

    Raises:
        UsageError: There is no such file.
        VerificationError: A byte of it is not what it should be.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise VerificationError(f"{path} is larger than any bundle", REMEDY)
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "Give the path of a bundle.") from error
    try:
        return opened(content)
    except VerificationError as error:
        raise VerificationError(f"{path}: {error.message}", error.remedy) from error


def opened(content: bytes) -> dict[str, bytes]:
    """Return the files of a bundle whose bytes are given; errors as of :func:`read`."""
    files = unpack(content)
    check_digests(files)
    signatures(files)
    return files


def check_digests(files: Files) -> None:
    """Compare a bundle's files with what its statement lists.

    Raises:
        VerificationError: A file is missing, is not listed or does not belong in a bundle, or has another digest.
    """
    lacking = sorted(REQUIRED - set(files))
    foreign = sorted(name for name in files if name not in POSSIBLE and not RECORD.fullmatch(name))
    problems = [*(f"{name} is missing" for name in lacking), *(f"{name} does not belong here" for name in foreign)]
    if not lacking:
        listed = _listed(files[STATEMENT])
        covered = set(files) - {STATEMENT, *SIGNATURES}
        problems += [f"{name} is listed and missing" for name in sorted(set(listed) - covered)]
        problems += [f"{name} is not listed" for name in sorted(covered - set(listed))]
        for name in sorted(covered & set(listed)):
            found = hashlib.sha256(files[name]).hexdigest()
            if found != listed[name]:
                problems.append(f"{name} has the sha256 {found}, the statement says {listed[name]}")
    if problems:
        raise VerificationError(_lines(problems), REMEDY)


def verify(files: Files, page: Page | None) -> Verified:
    """Work out all that a bundle states from what it rests on, and compare.

    Args:
        files: As :func:`read` returns them.
        page: Renders the report; None takes the page as its digest vouches for it.

    Raises:
        VerificationError: The message lists every row that fails.
    """
    same_program = read_declaration(files[DECLARED]).program == program()
    made = recompute(files, page if REPORT in files and same_program else None)
    rows = rows_of(made.results)
    problems = list(differences(read_json(ROWS, files[ROWS]), rows))
    if made.page is not None and made.page.encode("utf-8") != files[REPORT]:
        problems.append(f"{REPORT} is not what the rows and records give:{_first_change(files[REPORT], made.page)}")
    covered = {name: content for name, content in files.items() if name not in {STATEMENT, *SIGNATURES}}
    if spelt_statement(covered, rows) != files[STATEMENT]:
        problems.append(f"{STATEMENT} does not say what follows from the rows")
    if problems:
        raise VerificationError(_lines(problems), REMEDY)
    return Verified(
        paper=made.results.paper.key,
        title=made.results.paper.title,
        digest=digest_of(files),
        result=read_json(STATEMENT, files[STATEMENT])["predicate"]["result"],
        rows=len(rows),
        records=len(made.results.records),
        page=_about_page(made.page is not None, REPORT in files, same_program),
        signatures=signatures(files),
    )


def demand_digest(digest: str, wanted: str) -> None:
    """Check that a bundle is the one that is meant.

    Raises:
        UsageError: What is wanted is no digest, or too short a part of one.
        VerificationError: It is another bundle.
    """
    digits = wanted.removeprefix("sha256:").lower()
    if not DIGITS.fullmatch(digits):
        raise UsageError(f"{wanted!r} is not a sha256", "Give 12 to 64 hexadecimal digits.")
    if not digest.startswith(digits):
        raise VerificationError(f"it is another bundle: its digest is {digest}", REMEDY)


def _about_page(rendered: bool, there: bool, same_program: bool) -> str:
    if rendered:
        return f"{REPORT} was rendered again, to the same bytes"
    if not there:
        return "There is no page"
    why = "nothing here renders" if same_program else "other code made it"
    return f"{REPORT} was not rendered again ({why}): it is the one that the statement names"


def _listed(content: bytes) -> Mapping[str, str]:
    """Return the digests that a statement lists, by name."""
    plain: Any = read_json(STATEMENT, content)
    try:
        listed = {subject["name"]: subject["digest"]["sha256"] for subject in plain["subject"]}
    except (KeyError, TypeError) as error:
        raise VerificationError(f"{STATEMENT}: lists no files with their sha256", REMEDY) from error
    if not all(isinstance(text, str) for pair in listed.items() for text in pair):
        raise VerificationError(f"{STATEMENT}: a name or digest is no text", REMEDY)
    return listed


def _lines(problems: list[str]) -> str:
    return "\n".join(["it does not verify:", *problems])


def _first_change(stated: bytes, rendered: str) -> str:
    lines = unified_diff(stated.decode("utf-8", "replace").splitlines(), rendered.splitlines(), n=0, lineterm="")
    return "".join(f"\n  {line[:160]}" for line in islice(lines, 3, 5))
