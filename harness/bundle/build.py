"""Making a bundle: the inputs are collected, and all that follows is worked out from them as a verifier will."""

from __future__ import annotations

from collections.abc import Sequence

from harness.audit.finding import Audit
from harness.audit.review import FILE_NAME as REVIEWED
from harness.bundle.archive import Files
from harness.bundle.contents import (
    CLAIMS,
    CONFIGURATION,
    DECLARED,
    RECORDS,
    REPORT,
    ROWS,
    STATEMENT,
    Page,
    declaration,
    recompute,
    spelt_declaration,
)
from harness.bundle.rows import Row, rows_of, stated
from harness.bundle.statement import statement
from harness.claims.model import Paper
from harness.errors import DataError, VerificationError
from harness.ledger import canonical
from harness.ledger.store import Ledger
from harness.scoring.declared import AnyExperiment, declare
from harness.scoring.join import join
from harness.scoring.model import Results


def build(
    paper: Paper, audit: Audit, experiments: Sequence[AnyExperiment], ledger: Ledger, page: Page | None
) -> dict[str, bytes]:
    """Return the files of an unsigned bundle; the same inputs give the same bytes.

    Args:
        page: Renders the report; None leaves it out.

    Raises:
        ClaimsError: A claim's unit cannot be compared with its metric.
        DataError: The claims cannot be read, or they or a record changed while the bundle was made.
        LedgerError: A record has gone since it was joined.
    """
    declared = tuple(map(declare, experiments))
    results = join(paper, audit, declared, ledger)
    try:
        files = _inputs(results)
        files[DECLARED] = spelt_declaration(declaration(results, declared))
        made = recompute(files, page)
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
    except VerificationError as error:
        raise DataError(f"the claims or records of {paper.key} changed meanwhile: {error.message}") from error
    rows = rows_of(made.results)
    files[ROWS] = canonical.pretty(stated(rows))
    if made.page is not None:
        files[REPORT] = made.page.encode("utf-8")
    files[STATEMENT] = spelt_statement(files, rows)
    return files


def spelt_statement(files: Files, rows: Sequence[Row]) -> bytes:
    """Return ``statement.json`` for files that do not hold it yet, nor signatures."""
    return canonical.pretty(statement(files, CONFIGURATION, rows))


def _inputs(results: Results) -> dict[str, bytes]:
    """Return the claims and the records in use, as they stand on the disk."""
    claims = results.paper.path
    files = {CLAIMS: claims.read_bytes()}
    if (reviewed := claims.parent / REVIEWED).is_file():
        files[REVIEWED] = reviewed.read_bytes()
    for digest, record in results.records.items():
        for name, content in results.stored[digest].files().items():
            files[f"{RECORDS}/{record.experiment}/{name}"] = content
    return files
