"""What a run would do: units, time, the claims and relations that get a verdict, and what the others would take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.claims.model import Claim, Paper, Relation
from harness.experiment import Experiment, Progress, Unit
from harness.ledger.store import Ledger
from harness.runner.estimate import Estimates, expected, unit_seconds
from harness.runner.prepare import Job, estimate
from harness.runner.work import Work, work_list
from harness.scoring.directions import compared
from harness.scoring.missing import Missing, missing_claim, missing_relation
from harness.scoring.reach import reach_of
from harness.statistics.evidence import ON_CLAIMS, WORDS, Evidence, Word


@dataclass(frozen=True)
class Step:
    """One unit of the plan.

    Attributes:
        why: Why it would be measured; empty if a record stands.
        record: The record that stands, as its file is called; empty if none.
        seconds: Expected; None if it is not known, 0 if a record stands.
        source: Where the expectation was taken from.
    """

    experiment: str
    title: str
    evidence: Evidence
    system: str
    seed: int
    why: str
    record: str
    seconds: float | None
    source: str


@dataclass(frozen=True)
class Gap:
    """Claims or relations that get no verdict for the same reason, and the command that would change it."""

    reason: str
    command: str
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        seconds: What the outstanding work is expected to take, as far as that is known.
        unknown: Experiments with outstanding work of unknown length.
        claims: By id, the experiments that would give a verdict.
        relations: The same for relations, by the direction they claim.
        sentences: What a budget changes.
    """

    paper: str
    device: str
    steps: tuple[Step, ...]
    seconds: float
    unknown: tuple[str, ...]
    claims: dict[str, tuple[str, ...]]
    relations: dict[str, tuple[str, ...]]
    missing_claims: tuple[Gap, ...]
    missing_relations: tuple[Gap, ...]
    sentences: tuple[str, ...]

    @property
    def outstanding(self) -> int:
        """How many units would be measured."""
        return sum(1 for step in self.steps if step.why)


def make_plan(
    paper: Paper,
    job: Job,
    *,
    ledger: Ledger,
    progress: Progress,
    every: Sequence[Experiment] | None = None,
) -> Plan:
    """Say what running ``job`` would do.

    Args:
        every: All experiments of the paper, also those that need other options; the job's own by default. What they
            could give is named with their command.
    """
    records = list(ledger.records(paper.key, verify_arrays=True))
    work = work_list(paper.key, job.experiments, job.bases, records)
    todo = job.outstanding(work)
    known = estimate(job, todo, records, progress)
    seconds, unknown = expected(todo, known)
    each = {item.unit: one for item, one in zip(todo, unit_seconds(todo, known), strict=True)}
    claims = {claim.id: by for claim in paper.claims.values() if (by := _on_claim(claim, job.experiments))}
    relations = {r.id: by for r in paper.relations if (by := _on_relation(r, paper, job.experiments))}
    possible = every if every is not None else job.experiments
    return Plan(
        paper.key,
        job.options.device,
        tuple(_step(item, known, each, job.again) for item in work),
        seconds,
        tuple(sorted(unknown)),
        claims,
        relations,
        _gaps((c.id, missing_claim(c, possible)) for c in paper.claims.values() if c.id not in claims),
        _gaps((r.id, missing_relation(r, paper, possible)) for r in paper.relations if r.id not in relations),
        job.sentences,
    )


def _step(item: Work, known: Estimates, each: Mapping[Unit, float | None], again: bool) -> Step:
    stands = bool(item.records) and not again
    found = None if stands else known.get((item.unit.experiment, item.unit.system))
    return Step(
        experiment=item.unit.experiment,
        title=item.experiment.title,
        evidence=item.experiment.evidence,
        system=item.unit.system,
        seed=item.unit.seed,
        why="" if stands else item.why or "measured once more",
        record=item.records[0].path.stem if stands else "",
        seconds=0.0 if stands else each[item.unit],
        source=found.source if found else "",
    )


def _on_claim(claim: Claim, experiments: Sequence[Experiment]) -> tuple[str, ...]:
    """Return the experiments whose evidence gives verdicts on claims and that measure what this one states."""
    return tuple(e.key for e in experiments if e.evidence in ON_CLAIMS and reach_of(e, claim) is not None)


def _on_relation(relation: Relation, paper: Paper, experiments: Sequence[Experiment]) -> tuple[str, ...]:
    """Return the experiments whose evidence can judge a direction and that measure everything in this one."""
    claims = [paper.operands[id] for id in compared(relation, paper)]
    if not claims:
        return ()
    return tuple(
        e.key
        for e in experiments
        if WORDS[e.evidence] & {Word.SUPPORTS, Word.EXACT} and all(reach_of(e, claim) for claim in claims)
    )


def _gaps(missing: Iterable[tuple[str, Missing]]) -> tuple[Gap, ...]:
    """Put ids together that lack the same; relations that nothing could measure have no reason and are left out."""
    by_reason: defaultdict[Missing, list[str]] = defaultdict(list)
    for name, reason in missing:
        if reason.reason:
            by_reason[reason].append(name)
    return tuple(Gap(reason.reason, reason.command, tuple(names)) for reason, names in by_reason.items())
