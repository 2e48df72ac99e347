"""The rows a report shows; built by :mod:`harness.scoring.join`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.audit.finding import Audit, Finding, RelationVerdict
from harness.claims.model import Claim, Paper, Relation
from harness.ledger.record import Deviation, Record
from harness.ledger.store import Refused as Refused
from harness.ledger.store import Stored
from harness.statistics.evidence import Evidence as Evidence
from harness.statistics.evidence import Word as Word


@dataclass(frozen=True, slots=True)
class Measurement:
    """One metric of one system in one experiment, over its seeds.

    Attributes:
        estimate, low, high: In the metric's unit (percent for proportions and IoU); 95 % interval.
        per_seed: One estimate per seed, in the order of ``seeds``.
        n: Test images behind each seed's estimate; 0 for exact quantities.
        records: Digests of the records it was computed from.
        data: The data set that the records name; empty where none was used.
        label: The class a class's IoU is of; empty for all else.
    """

    experiment: str
    evidence: Evidence
    system: str
    metric: str
    unit: str
    estimate: float
    low: float
    high: float
    seeds: tuple[int, ...]
    per_seed: tuple[float, ...]
    n: int
    records: tuple[str, ...]
    data: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A word with the numbers it rests on.

    Attributes:
        evidence, experiment: None and empty where nothing was measured.
        difference, low, high: Measured minus claimed, or the measured left side minus the right; 95 % interval; None
            where the verdict needs none.
        reason: One sentence for a reader.
    """

    word: Word
    evidence: Evidence | None
    experiment: str
    reason: str
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Unused:
    """A file of the ledger that gives no number, and why.

    Attributes:
        experiment: As its folder says.
        record: None if it cannot be read.
    """

    path: Path
    experiment: str
    reason: str
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A claim next to what was computed or measured.

    Attributes:
        measurements: The same system and metric measured, whatever the evidence; those of weaker evidence are shown for
            orientation and give no verdict on the claim.
        verdict: The verdict of the strongest evidence at hand; ``Word.NOT_MEASURED`` with reason and command otherwise.
        missing, command: What would be needed to measure it, and the command; empty if measured.
        unused: Records of its very quantity that do not count, where none does, and unreadable ones that may be.
    """

    claim: Claim
    measurements: tuple[Measurement, ...]
    verdict: Verdict
    findings: tuple[Finding, ...]
    missing: str = ""
    command: str = ""
    unused: tuple[Unused, ...] = ()


@dataclass(frozen=True, slots=True)
class RelationRow:
    """A relation with its arithmetic verdict and, where its direction was measured, one verdict per experiment."""

    relation: Relation
    arithmetic: RelationVerdict
    measured: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    missing: str = ""
    command: str = ""


@dataclass(frozen=True)
class Results:
    """Everything a report of one paper shows.

    Attributes:
        records: Those that numbers rest on, by digest.
        stored: Every intact record that the ledger had of the paper, by digest, whether it counts or not.
        stale: Digests of records that code has moved away from.
        superseded: Digests of such records whose unit was measured again.
        titles: Of the experiments, by key.
    """

    paper: Paper
    audit: Audit
    claims: tuple[ClaimRow, ...]
    relations: tuple[RelationRow, ...]
    measurements: tuple[Measurement, ...]
    records: dict[str, Record]
    stored: dict[str, Stored]
    stale: tuple[str, ...]
    superseded: tuple[str, ...]
    refused: tuple[Refused, ...]
    deviations: tuple[Deviation, ...]
    titles: Mapping[str, str]
