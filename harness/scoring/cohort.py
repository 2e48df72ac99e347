"""Which records of the ledger stand together: one experiment, one recipe, the same data, code and device.

Of each unit the newest intact record counts. Records of different recipes, data or devices are never averaged; where
several such groups exist, one is used and the others are named with the reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from harness.errors import LedgerError
from harness.experiment import Unit
from harness.ledger import canonical
from harness.ledger.record import Record
from harness.ledger.store import Ledger, Refused, Stored
from harness.scoring.declared import AnyExperiment, Declared, declare
from harness.scoring.model import Unused
from harness.scoring.scores import Mean, Metric, Sample, ScoreError, images, metrics, samples, score, scorer
from harness.statistics.evidence import Evidence
from harness.statistics.intervals import Floats, bootstrap

CHANGED = "made by code that has changed since"
"""Why a stale record does not count."""

System = str
Seed = int
Member = tuple[Stored, Mapping[System, tuple[Sample, ...]]]
"""A record and what it says of each system that it measures."""


@dataclass(frozen=True)
class Score:
    """One metric of one record.

    Attributes:
        value: In the metric's unit.
        resampled: float64 [B], the same draws of images for every system and seed; None for a single figure.
        column: The metric's place in what the sample gives.
    """

    value: float
    resampled: Floats | None
    sample: Sample
    column: int
    digest: str


@dataclass(frozen=True)
class Cohort:
    """The records of an experiment that are compared with each other.

    Attributes:
        records: By digest.
        scores: By system and metric, then by seed in ascending order.
    """

    experiment: Declared
    records: Mapping[str, Record]
    scores: Mapping[tuple[System, Metric], Mapping[Seed, Score]]

    @property
    def evidence(self) -> Evidence:
        return self.experiment.evidence

    @property
    def any_record(self) -> Record:
        """One of the records, for what they have in common: recipe, data, device."""
        return next(iter(self.records.values()))


@dataclass(frozen=True)
class Gathered:
    """What a ledger holds for a paper's experiments.

    Attributes:
        cohorts: At most one for each experiment, in their order.
        stale: Digests of records whose code has changed since, or whose experiment is not there any more, and that no
            record in use has replaced.
        superseded: Digests of such records whose unit was measured again: the ledger's history.
        refused: Records that are damaged, unfinished, of a toy run, or of another recipe than those used.
        stored: Every intact record of the paper, whether it counts or not, ordered by path.
        unused: The stale and the refused of this paper, with the reason.
    """

    cohorts: tuple[Cohort, ...]
    stale: tuple[str, ...]
    superseded: tuple[str, ...]
    refused: tuple[Refused, ...]
    stored: tuple[Stored, ...]
    unused: tuple[Unused, ...]


def gather(paper: str, experiments: Sequence[AnyExperiment], ledger: Ledger) -> Gathered:
    """Choose a cohort for each experiment that has usable records."""
    by_experiment: defaultdict[str, list[Stored]] = defaultdict(list)
    refused: list[Refused] = []
    read = tuple(ledger.records(paper))
    for stored in read:
        if reason := unfit(stored.record):
            refused.append(Refused(str(stored.path), reason))
        else:
            by_experiment[stored.record.experiment].append(stored)
    cohorts: list[Cohort] = []
    outdated: list[Stored] = []
    for experiment in map(declare, experiments):
        mine = by_experiment.pop(experiment.key, [])
        current: list[Stored] = []
        for stored in mine:
            of_today = stored.record.code.digest == experiment.code and stored.record.evidence is experiment.evidence
            (current if of_today else outdated).append(stored)
        groups = _groups(current, experiment)
        for other in groups[1:]:
            refused += [Refused(str(s.path), "of another recipe, data or device than the records shown") for s in other]
        members = list(_members(groups[0], refused)) if groups else []
        if members:
            records = {stored.digest: stored.record for stored, _ in members}
            cohorts.append(Cohort(experiment, records, _scores(members)))
    outdated += [stored for orphans in by_experiment.values() for stored in orphans]
    measured = {_unit(record) for cohort in cohorts for record in cohort.records.values()}
    superseded = tuple(stored.digest for stored in outdated if _unit(stored.record) in measured)
    stale = [stored for stored in outdated if _unit(stored.record) not in measured]
    reasons = {item.path: item.reason for item in refused} | {str(stored.path): CHANGED for stored in stale}
    return Gathered(
        cohorts=tuple(cohorts),
        stale=tuple(stored.digest for stored in stale),
        superseded=superseded,
        refused=(*ledger.refused, *refused),
        stored=read,
        unused=tuple(_unused(paper, read, reasons | {item.path: item.reason for item in ledger.refused})),
    )


def _unused(paper: str, read: Sequence[Stored], reasons: Mapping[str, str]) -> Iterator[Unused]:
    records = {str(stored.path): stored.record for stored in read}
    for name, reason in sorted(reasons.items()):
        path = Path(name)
        if path.parent.parent.name == paper:
            yield Unused(path, path.parent.name, reason, records.get(name))


def _unit(record: Record) -> Unit:
    return Unit(record.experiment, record.system, record.seed)


def unfit(record: Record) -> str:
    """Return why a record gives no number at all; empty if it may. A toy run's recipe has the scale "toy"."""
    if not record.complete:
        return "its evaluation stopped early"
    toy = record.recipe.get("scale") == "toy"
    return "of a toy run, which tests the path and measures nothing" if toy else ""


def _groups(current: Sequence[Stored], experiment: Declared) -> list[list[Stored]]:
    """Part the records into cohorts, the one to use first.

    That is the one with the experiment's own recipe, else the one with most units, else the newest.
    """
    groups: defaultdict[str, list[Stored]] = defaultdict(list)
    for stored in current:
        groups[_setting(stored.record)].append(stored)
    own = canonical.encode(msgspec.to_builtins(experiment.recipe))

    def preference(group: list[Stored]) -> tuple[bool, int, str]:
        units = {(s.record.system, s.record.seed) for s in group}
        return canonical.encode(group[0].record.recipe) == own, len(units), max(s.record.started for s in group)

    return sorted(groups.values(), key=preference, reverse=True)


def _setting(record: Record) -> str:
    """Return what a record must share with others to be compared; what is derived is the same on every machine."""
    machine = record.environment
    where = [] if record.evidence is Evidence.EXACT else [machine.device]
    if record.evidence is Evidence.TIMING:
        where += [machine.processor, str(machine.threads)]
    return canonical.digest([record.recipe, record.data.digest if record.data else None, where])


def _members(group: Sequence[Stored], refused: list[Refused]) -> Iterator[Member]:
    """Yield the newest intact record of each unit; note the damaged ones."""
    units: defaultdict[tuple[System, Seed], list[Stored]] = defaultdict(list)
    for stored in group:
        units[stored.record.system, stored.record.seed].append(stored)
    for unit in sorted(units):
        for stored in sorted(units[unit], key=lambda s: (s.record.started, s.digest), reverse=True):
            try:
                owned = samples(stored.record, stored.arrays())
            except LedgerError as error:
                refused.append(Refused(str(stored.path), error.message))
            except ScoreError as error:
                refused.append(Refused(str(stored.path), str(error)))
            else:
                yield stored, owned
                break


def _scores(members: Sequence[Member]) -> dict[tuple[System, Metric], dict[Seed, Score]]:
    """Score every sample as it is and on resamples; samples over the same images share the draws."""
    together: defaultdict[tuple[int, int], list[tuple[Stored, System, Sample]]] = defaultdict(list)
    for stored, owned in members:
        for system, found in owned.items():
            for sample in found:
                together[images(sample), _stream(stored, sample)].append((stored, system, sample))
    table: defaultdict[tuple[System, Metric], dict[Seed, Score]] = defaultdict(dict)
    for (count, stream), scored in together.items():
        drawn = _resampled([sample for *_, sample in scored], count, stream)
        for (stored, system, sample), part in zip(scored, drawn, strict=True):
            values = score(sample)[0]
            for column, metric in enumerate(metrics(sample)):
                entry = Score(
                    float(values[column]), None if part is None else part[:, column], sample, column, stored.digest
                )
                table[system, metric][stored.record.seed] = entry
    return {key: dict(sorted(by_seed.items())) for key, by_seed in table.items()}


def _stream(stored: Stored, sample: Sample) -> int:
    """Return the seed of a sample's draws: 0 for the images all systems share, a record's own for its repeats."""
    return int(stored.digest[:8], 16) if isinstance(sample, Mean) and sample.repeats else 0


def _resampled(scored: Sequence[Sample], count: int, stream: int) -> list[Floats] | list[None]:
    """Return for each sample float64 [B, J] on common draws of ``count`` images; None where there are no images."""
    if count == 0:
        return [None] * len(scored)
    drawn = bootstrap(scorer(scored), count, seed=stream)
    ends = np.cumsum([len(metrics(sample)) for sample in scored])
    return np.split(drawn, ends[:-1], axis=1)
