"""Every record that was ever made of a printed number, with what it says: the ledger forgets nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from harness.claims.model import Claim
from harness.errors import LedgerError
from harness.experiment import Experiment
from harness.ledger.record import Record
from harness.ledger.store import Stored
from harness.scoring.model import Results
from harness.scoring.reach import conversion, metric_of, reach_of
from harness.scoring.scores import Metric, ScoreError, metrics, samples, score
from harness.statistics.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Reading:
    """What a record says of one metric of one system, in the metric's unit."""

    system: str
    metric: Metric
    value: float


class Standing(Enum):
    """What became of a record: it counts; a newer one does; its code has changed and none is newer; refused."""

    IN_USE = "in use"
    SUPERSEDED = "superseded"
    STALE = "out of date"
    REFUSED = "not used"


@dataclass(frozen=True, slots=True)
class Entry:
    """A record in the history of a printed number.

    Attributes:
        value: In the claim's unit.
    """

    digest: str
    record: Record
    standing: Standing
    value: float


Recall = Callable[[Stored], Sequence[Reading]]
"""From a record to what it says; a record's content never changes, so a caller may remember it."""


def readings(stored: Stored) -> tuple[Reading, ...]:
    """Return everything a record says; nothing if its arrays are damaged or it did not finish. Reads its arrays."""
    if not stored.record.complete:
        return ()
    try:
        said = samples(stored.record, stored.arrays())
    except (LedgerError, ScoreError):
        return ()
    return tuple(
        Reading(system, metric, float(value))
        for system, owned in said.items()
        for sample in owned
        for metric, value in zip(metrics(sample), score(sample)[0], strict=True)
    )


def histories(
    results: Results, experiments: Sequence[Experiment], recall: Recall = readings
) -> dict[str, tuple[Entry, ...]]:
    """Return the history of every printed number that any record speaks of, by the claim's id, the oldest first.

    A record speaks of a claim if its experiment reaches the claim today. Records that count are not read again: their
    numbers stand in the results.

    Args:
        experiments: As the paper declares them.
    """
    by_unit: defaultdict[tuple[str, str, Metric], list[Entry]] = defaultdict(list)
    standing, refused = _standings(results), {found.path for found in results.refused}
    used = _used(results)
    for stored in results.stored.values():
        otherwise = Standing.REFUSED if str(stored.path) in refused else Standing.SUPERSEDED
        state = standing.get(stored.digest, otherwise)
        said = used.get(stored.digest, ()) if state is Standing.IN_USE else recall(stored)
        for reading in said:
            unit = (stored.record.experiment, reading.system, reading.metric)
            by_unit[unit].append(Entry(stored.digest, stored.record, state, reading.value))
    found = {claim.id: tuple(_of(claim, experiments, by_unit)) for claim in results.paper.claims.values()}
    return {id: entries for id, entries in found.items() if entries}


def _standings(results: Results) -> dict[str, Standing]:
    return {
        **dict.fromkeys(results.stale, Standing.STALE),
        **dict.fromkeys(results.superseded, Standing.SUPERSEDED),
        **dict.fromkeys(results.records, Standing.IN_USE),
    }


def _used(results: Results) -> dict[str, list[Reading]]:
    """Return what the records that count say, as the results already hold it."""
    said: defaultdict[str, list[Reading]] = defaultdict(list)
    for m in results.measurements:
        values = (m.estimate,) if m.evidence is Evidence.EXACT else m.per_seed
        for digest, value in zip(m.records, values, strict=True):
            said[digest].append(Reading(m.system, Metric(m.metric, m.label), value))
    return said


def _of(
    claim: Claim, experiments: Sequence[Experiment], by_unit: Mapping[tuple[str, str, Metric], Sequence[Entry]]
) -> Iterator[Entry]:
    """Yield a claim's entries, experiment by experiment in their order, the oldest first."""
    wanted = metric_of(claim)
    for experiment in experiments:
        found = by_unit.get((experiment.key, claim.system, wanted), ())
        if not found or reach_of(experiment, claim) is None:
            continue
        factor = conversion(wanted, claim)
        for entry in sorted(found, key=lambda e: (e.record.started, e.record.seed, e.digest)):
            yield Entry(entry.digest, entry.record, entry.standing, float(Fraction(entry.value) * factor))
