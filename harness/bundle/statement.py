"""What a bundle states, for programs that check attestations: an in-toto Statement with a test result.

Layout: in-toto attestation framework, Statement v1, and its predicate "Test Result" v0.1. Every file of the bundle is a
subject; the claims, their reviews and the declared experiments are the configuration; each comparison is a test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any

from harness.audit.finding import Outcome
from harness.bundle.archive import Files
from harness.bundle.rows import Row
from harness.statistics.evidence import Evidence, Word

STATEMENT = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"


class Mark(Enum):
    """How a test ended."""

    PASSED = "PASSED"
    WARNED = "WARNED"
    FAILED = "FAILED"


MARKS: Mapping[Word, Mark | None] = MappingProxyType(
    {
        Word.CONSISTENT: Mark.PASSED,
        Word.EXACT: Mark.PASSED,
        Word.REPRODUCED: Mark.PASSED,
        Word.SUPPORTS: Mark.PASSED,
        Word.COMPATIBLE: Mark.WARNED,
        Word.BETTER: Mark.WARNED,
        Word.INCONCLUSIVE: Mark.WARNED,
        Word.NOT_COMPARABLE: Mark.WARNED,
        Word.NOT_MEASURED: None,
        Word.INCONSISTENT: Mark.FAILED,
        Word.DIFFERS: Mark.FAILED,
        Word.WORSE: Mark.FAILED,
        Word.INCOMPATIBLE: Mark.FAILED,
        Word.CONTRADICTS: Mark.FAILED,
    }
)
"""What each verdict comes to; None: no test was made. Open comparisons, and those on part of the images, only warn."""

ARITHMETIC: Mapping[Outcome, Mark | None] = MappingProxyType(
    {
        Outcome.CONSISTENT: Mark.PASSED,
        Outcome.WITHIN_ROUNDING: Mark.PASSED,
        Outcome.INCONSISTENT: Mark.FAILED,
        Outcome.UNDECIDED: Mark.WARNED,
        Outcome.NOT_CHECKABLE: None,
    }
)
"""What each outcome of the audit's arithmetic comes to."""


def statement(files: Files, configuration: Sequence[str], rows: Sequence[Row]) -> dict[str, Any]:
    """Return the Statement as plain JSON.

    The result is the worst mark there is. Synthetic evidence warns at best, and so does the whole where a comparison
    was not made: such a one stands in none of the lists of tests.

    Args:
        files: All files it is about.
        configuration: The names of those that say what was tested and how.
        rows: As :func:`~harness.bundle.rows.rows_of` returns them.
    """
    tests = [test for row in rows for test in _tests(row)]
    named: dict[Mark, list[str]] = {mark: [name for name, own in tests if own is mark] for mark in Mark}
    complete = all(mark is not None for _, mark in tests)
    result = Mark.FAILED if named[Mark.FAILED] else Mark.PASSED if complete and not named[Mark.WARNED] else Mark.WARNED
    return {
        "_type": STATEMENT,
        "subject": [_described(name, files[name]) for name in sorted(files)],
        "predicateType": TEST_RESULT,
        "predicate": {
            "result": result.value,
            "configuration": [_described(name, files[name]) for name in configuration if name in files],
            "passedTests": named[Mark.PASSED],
            "warnedTests": named[Mark.WARNED],
            "failedTests": named[Mark.FAILED],
        },
    }


def _described(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": hashlib.sha256(content).hexdigest()}}


def _tests(row: Row) -> Iterator[tuple[str, Mark | None]]:
    """Yield the tests of a row: one for a claim, one for a relation's arithmetic and for each of its measurements."""
    match row["kind"]:
        case "claim":
            yield _test(f"claim {row['id']}", row["verdict"])
        case "relation":
            yield f"relation {row['id']} (arithmetic)", ARITHMETIC[Outcome(row["arithmetic"])]
            for verdict in row["measured"]:
                yield _test(f"relation {row['id']}", verdict)


def _test(what: str, verdict: Mapping[str, Any]) -> tuple[str, Mark | None]:
    mark = MARKS[Word(verdict["word"])]
    if verdict["evidence"] == Evidence.SYNTHETIC.value and mark is Mark.PASSED:
        mark = Mark.WARNED
    how = " ".join(filter(None, (verdict["evidence"], verdict["experiment"])))
    return f"{what} ({how or verdict['word']})", mark
