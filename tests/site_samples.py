"""Whole sites from invented outcomes, and the records that later ones replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from report_samples import arrays_of
from scoring_samples import classified, experiment, fill, joined, mini_paper, record_of

from harness.experiment import Experiment
from harness.ledger.record import Code
from harness.ledger.store import Ledger, Stored
from harness.reports.history import Entry, histories
from harness.reports.pages import Pages, index_pages, paper_pages
from harness.reports.panel_views import ArraysOf
from harness.reports.summary import summarise
from harness.scoring.model import Results
from harness.statistics.evidence import Evidence

ERRORS = {"Plain": 0.45, "Dilated": 0.3, "Degridded": 0.12}
EARLIER = {"Plain": 0.5, "Dilated": 0.35}
COUNTS = {"Plain": 11_689_512, "Dilated": 11_689_512, "Degridded": 21_126_584}
OLD_CODE = Code("a" * 64, "fedcba9876543210", False)


@dataclass(frozen=True)
class Sample:
    """A small paper with its records, of which the earlier code's were measured again."""

    results: Results
    experiments: tuple[Experiment, ...]
    ledger: Ledger
    earlier: Sequence[Stored]

    @property
    def history(self) -> dict[str, tuple[Entry, ...]]:
        return histories(self.results, self.experiments)

    @property
    def arrays(self) -> ArraysOf:
        return arrays_of(self.ledger)

    @property
    def pages(self) -> Pages:
        return paper_pages(self.results, self.arrays, self.history) | index_pages([summarise(self.results)])


def sample(folder: Path) -> Sample:
    """Return a paper with a derivation and a training, whose first records earlier code made."""
    paper, ledger = mini_paper(folder), Ledger(folder / "ledger")
    exact, scenes = experiment("exact", Evidence.EXACT, title="Counts"), experiment(title="Trained on scenes")
    for system, parameters in COUNTS.items():
        ledger.append(record_of(exact, system, data=None, values={"parameters": parameters}), {})
    earlier = [
        ledger.append(
            record_of(scenes, system, seed, code=OLD_CODE, started=f"2024-12-0{seed + 1}T00:00:00+00:00"),
            classified(error, seed),
        )
        for system, error in EARLIER.items()
        for seed in range(3)
    ]
    fill(ledger, scenes, ERRORS)
    experiments = (exact, scenes)
    return Sample(joined(paper, ledger, *experiments), experiments, ledger, earlier)


def put(pages: Pages, folder: Path) -> Path:
    """Write pages as they would be published."""
    for address, content in pages.items():
        path = folder / address
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
