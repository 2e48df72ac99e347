"""One verified number with everything a citation says of it, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

from harness import __version__
from harness.claims.model import Claim, Paper
from harness.errors import NotCitableError, UsageError
from harness.ledger.record import Deviation, Record
from harness.scoring.citable import deciding, refusal_of, remedy
from harness.scoring.model import ClaimRow, Measurement, Results, Verdict
from harness.scoring.provenance import commits, deviations, distinct, newest, versions
from harness.scoring.reach import metric_of

NEAREST = 3
AUTHOR = "The Remeasure contributors"


@dataclass(frozen=True)
class Cited:
    """A claim that can be cited with its verdict.

    Attributes:
        id: The claim's address across papers: ``drn/t1/drn-c-26/params``.
        measurement: What the verdict rests on; None where it follows by arithmetic from the paper's own numbers.
        records: Those of the measurement, by digest.
    """

    id: str
    paper: Paper
    claim: Claim
    verdict: Verdict
    measurement: Measurement | None
    records: dict[str, Record]

    @property
    def title(self) -> str:
        """What was measured, in a line: ``Parameters of DRN-C-26 in “Dilated Residual Networks”, measured again``."""
        done = "recomputed" if self.measurement is None else "measured again"
        subject = self.subject
        return f"{subject[0].upper()}{subject[1:]} in “{self.paper.title}”, {done}"

    @property
    def subject(self) -> str:
        """What the number is of: ``top-1 error of DRN-C-26 on imagenet/val (1-crop)``."""
        claim, label = self.claim, metric_of(self.claim).label
        what = f"{claim.definition.title} ({label})" if label else claim.definition.title
        on = f" on {claim.dataset}" if claim.dataset else ""
        return f"{what} of {claim.system}{on}{f' ({claim.protocol})' if claim.protocol else ''}"

    @property
    def date(self) -> str:
        """The day of the newest record, ISO 8601 (UTC); empty for arithmetic, which holds on any day."""
        return newest(self.records.values())

    @property
    def deviations(self) -> tuple[Deviation, ...]:
        return deviations(self.records.values())

    @property
    def devices(self) -> tuple[str, ...]:
        """The accelerators, or "cpu", with the processor beside them."""
        machines = (record.environment for record in self.records.values())
        return distinct(f"{machine.device} ({machine.processor})" for machine in machines)

    @property
    def version(self) -> str:
        """Remeasure's version that measured; the present one for arithmetic."""
        return " and ".join(versions(self.records.values())) or __version__

    @property
    def commits(self) -> tuple[str, ...]:
        """The commits of Remeasure's code that measured; one with later changes says so."""
        return commits(self.records.values())

    @property
    def sources(self) -> tuple[str, ...]:
        """Digests (sha256) of the source files that could change the outcome."""
        return distinct(record.code.digest for record in self.records.values())


class Name(NamedTuple):
    """A person's name: its last word, and what comes before it; a name of one word has nothing before it."""

    family: str
    given: str


def name_parts(name: str) -> Name:
    """Part a name as printed."""
    given, _, family = name.strip().rpartition(" ")
    return Name(family, given)


def published(paper: Paper) -> str:
    """Return where and when a paper was published: ``CVPR 2017``; the year alone where it names no venue."""
    return f"{paper.venue} {paper.year}".strip()


def cite(results: Results, claim_id: str) -> Cited:
    """Return a claim with what its verdict rests on.

    Args:
        claim_id: With or without the paper's key in front.

    Raises:
        UsageError: The paper has no such claim; the message names the nearest.
        NotCitableError: It must not be cited; the message says why and what would change that.
    """
    paper = results.paper
    row = _row(results, claim_id.removeprefix(f"{paper.key}/"))
    full = paper.full_id(row.claim.id)
    if why := refusal_of(row):
        raise NotCitableError(f"{full} must not be cited. {why}", remedy(row, paper.key))
    measurement = deciding(row)
    records = {} if measurement is None else {digest: results.records[digest] for digest in measurement.records}
    return Cited(full, paper, row.claim, row.verdict, measurement, records)


def _row(results: Results, claim_id: str) -> ClaimRow:
    found = next((row for row in results.claims if row.claim.id == claim_id), None)
    if found is not None:
        return found
    paper = results.paper
    if claim_id in ("", paper.key):
        example = paper.full_id(next(iter(paper.claims), "table/row/column"))
        raise UsageError(f"{paper.key} is a paper; only a number can be cited", f"Give its address, such as {example}.")
    if any(claim_id in (relation.id, relation.statement) for relation in paper.relations):
        message = f"{paper.full_id(claim_id)} is a statement about numbers; only a number can be cited"
        raise UsageError(message, "Name one of the numbers it is about; remeasure audit shows them.")
    close = get_close_matches(claim_id, paper.claims, n=NEAREST, cutoff=0.0)
    known = ", ".join(paper.full_id(other) for other in close)
    raise UsageError(f"{paper.full_id(claim_id)} is no claim of {paper.key}", f"The nearest: {known}.")
