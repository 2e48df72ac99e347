"""A paper's results from its key: audited, its experiments declared, joined with a ledger. Measures nothing."""

from __future__ import annotations

from harness.audit.run import audit
from harness.claims.papers import find_paper, package_of
from harness.experiment import Options, experiments_of
from harness.ledger.store import Ledger
from harness.scoring.join import join
from harness.scoring.model import Results


def load_results(paper: str, ledger: Ledger, options: Options | None = None) -> Results:
    """Audit a paper and join it with a ledger.

    Args:
        paper: Its key.
        options: Of the run whose records count first.

    Raises:
        UsageError: No paper has this key, or it declares no experiments.
        ClaimsError: Its claims have problems.
    """
    package_of(paper)
    claims = find_paper(paper)
    return join(claims, audit(claims), experiments_of(paper)(options or Options()), ledger)
