"""The work list: every unit of a paper's experiments, with the record that makes measuring it unnecessary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.experiment import Experiment, Unit
from harness.ledger.record import Record
from harness.ledger.store import Stored
from harness.runner.identity import Basis, is_current, key, stale

NEVER_MEASURED = "not measured yet"


@dataclass(frozen=True)
class Work:
    """One unit and what is known of it.

    Attributes:
        key: Identity of the measurement: everything that can change the result.
        records: Complete records under this identity, newest first; there is nothing to do if there is one.
        why: Why it has to be measured; empty if it is recorded.
    """

    experiment: Experiment
    basis: Basis
    unit: Unit
    key: str
    records: tuple[Stored, ...]
    why: str

    @property
    def title(self) -> str:
        return f"{self.unit.system}, seed {self.unit.seed} ({self.unit.experiment})"


def work_list(
    paper: str, experiments: Sequence[Experiment], bases: Mapping[str, Basis], records: Iterable[Stored]
) -> tuple[Work, ...]:
    """Return every unit in the order of work.

    Args:
        bases: By the experiment's key; see :func:`harness.runner.identity.bases`. Where data are unexamined, a record
            stands whatever its data are, and the identities mean nothing.
        records: The paper's ledger.
    """
    by_unit: dict[Unit, list[Stored]] = defaultdict(list)
    for stored in newest_first(records):
        if stored.record.paper == paper:
            by_unit[unit_of(stored.record)].append(stored)
    return tuple(
        _work(paper, experiment, bases[experiment.key], unit, by_unit[unit])
        for experiment in experiments
        for unit in experiment.units()
    )


def unit_of(record: Record) -> Unit:
    """Return the unit a record measured."""
    return Unit(record.experiment, record.system, record.seed)


def newest_first(records: Iterable[Stored]) -> list[Stored]:
    """Order by start; the digest settles ties."""
    return sorted(records, key=lambda stored: (stored.record.started, stored.digest), reverse=True)


def _work(paper: str, experiment: Experiment, basis: Basis, unit: Unit, records: Sequence[Stored]) -> Work:
    identity = key(paper, unit, experiment.recipe, basis)
    current = tuple(stored for stored in records if is_current(stored.record, experiment, basis))
    why = ""
    if not current:
        why = stale(records[0].record, experiment, basis) if records else NEVER_MEASURED
    return Work(experiment, basis, unit, identity, current, why)
