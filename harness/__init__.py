"""Remeasure: published numbers as data, measured again and audited."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

__version__ = "0.1.0"


def results(
    papers: str | Iterable[str] | None = None,
    ledger: str | Path = Path("reports/ledger"),
    *,
    kind: Literal["claims", "relations"] = "claims",
) -> pd.DataFrame:
    """Return a ledger joined with claims and verdicts as a tidy table.

    ``harness.results("drn").query("citable")`` has what can be cited of one paper;
    ``harness.results().dropna(subset="verdict")`` one row for each claim of all.

    Args:
        papers: A key, or several; None takes every paper.
        ledger: Where records are kept; one that is not there is empty.
        kind: "claims": one row for each claim and measurement of it
            (columns: :func:`harness.scoring.tidy.claims_table`); "relations": one for each statement about numbers and
            verdict on it (:func:`harness.scoring.tidy.relations_table`).

    Raises:
        UsageError: No paper has that key, or there is no such kind of table.
        ClaimsError: A paper's claims have problems.
        MissingPackageError: pandas or scipy is not installed.
    """
    from harness.claims.papers import packages
    from harness.errors import UsageError
    from harness.ledger.store import Ledger
    from harness.packages import require
    from harness.scoring.load import load_results
    from harness.scoring.tidy import claims_table, relations_table

    require("pandas", "scipy")
    tables = {"claims": claims_table, "relations": relations_table}
    if kind not in tables:
        raise UsageError(f"there is no table of {kind!r}", f"Tables: {', '.join(tables)}.")
    keys = (papers,) if isinstance(papers, str) else tuple(packages() if papers is None else dict.fromkeys(papers))
    store = Ledger(Path(ledger))
    return tables[kind](load_results(key, store) for key in keys)
