"""Ledgers with one record that may be cited, or one that may not, for the tests of citations and tables."""

from __future__ import annotations

from pathlib import Path

from scoring_samples import ERRORS, IMAGENET, claim_row, experiment, fill, joined, mini_paper, record_of

from harness.claims.model import Paper
from harness.experiment import Experiment, Reach
from harness.ledger.record import Deviation
from harness.ledger.store import Ledger
from harness.scoring.model import ClaimRow, Results
from harness.statistics.evidence import Evidence

RELEASED = experiment("released", Evidence.RELEASED_WEIGHTS)
EXACT = experiment("exact", Evidence.EXACT, reaches=(Reach("parameters"),))
SCENES = experiment()
DEVIATION = Deviation("2025-03-04", "crops & scales", "10_000 crops", "Section 1", "one crop", "time", "below 0.1 %")
COUNTS = {"Plain": 11_689_512, "Dilated": 11_689_512, "Degridded": 21_126_584}
CLAIM = "t1/plain/top1"


def exact_records(ledger: Ledger) -> None:
    for system, count in COUNTS.items():
        ledger.append(record_of(EXACT, system, data=None, values={"parameters": count}), {})


def everything(folder: Path) -> tuple[Results, Ledger]:
    """Return a paper with numbers of every kind: exact, measured with released weights, synthetic, arithmetic, none."""
    paper, ledger = mini_paper(folder), Ledger(folder / "ledger")
    exact_records(ledger)
    fill(ledger, RELEASED, {"Plain": 0.3, "Dilated": 0.24}, data=IMAGENET, deviations=(DEVIATION,))
    fill(ledger, SCENES, ERRORS)
    return joined(paper, ledger, EXACT, RELEASED, SCENES), ledger


def row_of(paper: Paper, ledger: Ledger, *experiments: Experiment, claim: str = CLAIM) -> ClaimRow:
    return claim_row(joined(paper, ledger, *experiments), claim)
