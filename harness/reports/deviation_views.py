"""Where the runs deviate from the paper, and which numbers that touches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.ledger.record import Deviation
from harness.reports.addresses import deviation_id
from harness.reports.claim_views import ClaimView
from harness.scoring.model import Results
from harness.scoring.provenance import deviations


@dataclass(frozen=True, slots=True)
class DeviationView:
    """One deviation.

    Attributes:
        id: Permanent; its anchor.
        experiments: Keys of those whose records carry it.
        records: Digests of these.
        claims: Ids of the printed numbers that these stand beside.
    """

    id: str
    deviation: Deviation
    experiments: tuple[str, ...]
    records: tuple[str, ...]
    claims: tuple[str, ...]


def deviations_of(results: Results, view: ClaimView) -> tuple[Deviation, ...]:
    """Return the deviations of the runs that a claim's measurements come from, each once."""
    return deviations(results.records[digest] for m in view.row.measurements for digest in m.records)


def deviation_views(results: Results, claims: Sequence[ClaimView]) -> tuple[DeviationView, ...]:
    """Return every deviation of the records in use, in their order."""
    records: Mapping[Deviation, list[str]] = {deviation: [] for deviation in results.deviations}
    touched: Mapping[Deviation, list[str]] = {deviation: [] for deviation in results.deviations}
    for digest, record in results.records.items():
        for deviation in dict.fromkeys(record.deviations):
            records[deviation].append(digest)
    for view in claims:
        for deviation in deviations_of(results, view):
            touched[deviation].append(view.id)
    return tuple(
        DeviationView(
            deviation_id(deviation),
            deviation,
            tuple(dict.fromkeys(results.records[digest].experiment for digest in records[deviation])),
            tuple(records[deviation]),
            tuple(touched[deviation]),
        )
        for deviation in results.deviations
    )
