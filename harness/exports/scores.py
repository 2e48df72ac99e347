"""What the formats of leaderboards take in: scores of a system on a data set, printed in the paper or measured here.

Parameters, receptive fields and other derived quantities are no scores: these formats hang every number on a data set.
Neither are times: they belong to a device. A measured score is given only where it may be cited
(:func:`harness.scoring.citable.refusal`); a printed one is always said to be the paper's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.claims.document import slug
from harness.claims.model import Claim
from harness.claims.vocabulary import Quantity
from harness.ledger.record import Record
from harness.scoring.citable import deciding, refusal
from harness.scoring.model import ClaimRow, Measurement, Results
from harness.scoring.provenance import deviations, in_words
from harness.scoring.reach import metric_of

DIGITS = 10
"""Significant digits of a measured number: more than any interval deserves, fewer than differ between machines."""

SHARES = ("%", "fraction")
"""Units of a score. What is printed in percentage points is a difference, and would pass for a bad score."""


@dataclass(frozen=True)
class Score:
    """A claim's number, or a citable measurement of it, in the claim's unit.

    Attributes:
        measured: None for the number that the paper prints.
        records: Those that the measurement was computed from; none for a printed number.
    """

    row: ClaimRow
    measured: Measurement | None = None
    records: tuple[Record, ...] = ()

    @property
    def claim(self) -> Claim:
        return self.row.claim

    @property
    def value(self) -> float:
        return float(self.claim.printed.text) if self.measured is None else portable(self.measured.estimate)

    @property
    def date(self) -> str:
        """When the last of the records was begun, ISO 8601; empty for a printed number."""
        return max((record.started for record in self.records), default="")

    @property
    def deviations(self) -> tuple[str, ...]:
        """Every difference from the paper's protocol, as a sentence."""
        return tuple(map(in_words, deviations(self.records)))


def portable(value: float) -> float:
    """Round to :data:`DIGITS` significant digits, the same on every machine."""
    return float(f"{value:.{DIGITS}g}")


def scores(results: Results) -> Mapping[str, tuple[Score, ...]]:
    """Return the scores by system: each printed number, followed by its citable measurement if it has one.

    A number that the paper prints twice is given once.
    """
    found: dict[str, dict[tuple[object, ...], Score]] = {}
    for row in results.claims:
        if not _is_score(row.claim):
            continue
        of_system = found.setdefault(row.claim.system, {})
        for score in _scores(row, results.records):
            of_system.setdefault((_quantity(row.claim), score.value, score.measured is None), score)
    return {system: tuple(own.values()) for system, own in found.items()}


def folders(systems: Iterable[str]) -> Mapping[str, str]:
    """Give each system a folder's name of its own, in their order."""
    names: dict[str, str] = {}
    for system in systems:
        stem, taken = slug(system) or "system", set(names.values())
        candidates = (stem, *(f"{stem}-{number}" for number in range(2, len(names) + 3)))
        names[system] = next(name for name in candidates if name not in taken)
    return names


def metric_title(claim: Claim) -> str:
    """Return what was scored, in words: ``top-1 error (10-crop)``, ``IoU of road``."""
    label = metric_of(claim).label
    of_class = f" of {label}" if label else ""
    return f"{claim.definition.title}{of_class}{f' ({claim.protocol})' if claim.protocol else ''}"


def metric_slug(claim: Claim) -> str:
    """Return the same as an identifier: ``top1-error-10-crop``, ``iou-road``."""
    return slug("-".join(part for part in (claim.metric, metric_of(claim).label, claim.protocol) if part))


def place(claim: Claim) -> str:
    """Return where the number stands: the section or table, and the address."""
    return f"{claim.place.section}, {claim.id}"


def _scores(row: ClaimRow, records: Mapping[str, Record]) -> Iterator[Score]:
    yield Score(row)
    measured = deciding(row)
    if measured is not None and not refusal(row, measured):
        yield Score(row, measured, tuple(records[digest] for digest in measured.records))


def _is_score(claim: Claim) -> bool:
    return (
        claim.definition.quantity in (Quantity.PROPORTION, Quantity.SCORE)
        and claim.definition.better is not None
        and claim.dataset is not None
        and claim.unit in SHARES
    )


def _quantity(claim: Claim) -> tuple[object, ...]:
    return (metric_of(claim), claim.dataset, claim.protocol, claim.unit)
