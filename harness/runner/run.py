"""Measures what is not recorded yet, one unit at a time, so that no interruption costs more than the unit in hand.

A finished measurement goes to the outbox, then to the ledger, then is marked in the open round; then its scratch
is deleted and the outbox emptied. Each step can be repeated, so a run that is killed between two of them is put right
by the next one before it does anything else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.durations import duration
from harness.errors import InterruptedRunError, StorageError
from harness.experiment import Context, Outcome, Progress
from harness.ledger.record import Evidence, Record
from harness.ledger.store import Ledger, Stored
from harness.runner.environment import environment, peak_memory, same_machine
from harness.runner.identity import key_of
from harness.runner.prepare import Job
from harness.runner.state import STATE, Scratch, State, attempt, discard, hold
from harness.runner.together import Company, require_shared
from harness.runner.work import Work, unit_of, work_list

Tell = Callable[[str], None]
"""Called with a sentence for the user."""


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        measured: Records added to the ledger, in the order of work.
        kept: How many units needed no work.
        repeats: Digest of a new record to that of an earlier one with the same identity, arrays and values.
    """

    measured: tuple[Stored, ...]
    kept: int
    repeats: dict[str, str]


@dataclass(frozen=True)
class _Bench:
    """What measuring a unit needs."""

    job: Job
    ledger: Ledger
    state: State
    tell: Tell
    progress: Progress
    company: Company


def run(
    job: Job,
    *,
    ledger: Ledger,
    tell: Tell,
    progress: Progress,
    state: Path = STATE,
    company: Company | None = None,
) -> Summary:
    """Measure every unit of a job that has no current record.

    A job that measures everything once more (``job.again``) opens a round. It is kept until each unit has been measured
    in it, so that an interrupted round goes on where it stopped.

    Args:
        company: The processes that share the work, of which this is the first; None: it is alone.

    Raises:
        InterruptedRunError: Ctrl-C; what was finished is recorded.
        StorageError: The ledger or the state folder cannot be written; a finished measurement is kept.
        UsageError: Another run of this paper is going on in the same state folder, or an experiment cannot be shared.
        ElsewhereError: Another process failed.
        LedgerError: A measurement holds a number that is not finite.
    """
    company = company or Company()
    require_shared(job.experiments, company.shard)
    with hold(state, job.paper) as held:
        bench = _Bench(job, ledger, held, tell, progress, company)
        recorded: list[Stored] = []
        total = 0
        try:
            for waiting in list(held.outbox.records(job.paper)):
                tell(f"recording {_name(waiting.record)}, measured by an earlier run")
                recorded.append(_deliver(bench, waiting))
            work = work_list(job.paper, job.experiments, job.bases, ledger.records(job.paper, verify_arrays=True))
            todo = _outstanding(bench, work)
            total = len(todo)
            repeats = {}
            for position, item in enumerate(todo, start=1):
                stored = _measure(bench, item, f"{position}/{total}")
                recorded.append(stored)
                if earlier := _compare(bench, item, stored):
                    repeats[stored.digest] = earlier
        except KeyboardInterrupt:
            message = f"interrupted; {len(recorded)} of {total} measurements are recorded" if total else "interrupted"
            raise InterruptedRunError(message, "The same command goes on where this one stopped.") from None
        if job.again:
            held.close_round(job.name)
    return Summary(tuple(recorded), len(work) - len(todo), repeats)


def _outstanding(bench: _Bench, work: Sequence[Work]) -> list[Work]:
    """Return what is left to measure; in a round, what has not been measured in it."""
    if not bench.job.again:
        return bench.job.outstanding(work)
    done = bench.state.open_round(bench.job.name).done
    left = [item for item in work if done.get(item.key) not in {stored.digest for stored in item.records}]
    if len(left) < len(work):
        bench.tell(f"going on with the round: {len(work) - len(left)} of {len(work)} measured")
    return left


def _measure(bench: _Bench, item: Work, position: str) -> Stored:
    """Measure one unit and record it."""
    scratch = bench.state.scratch(item.unit, item.key)
    title = f"{position} {item.title}"
    bench.tell(f"{title}: going on with an interrupted attempt" if scratch.spent else title)

    def progress(what: str, done: int, total: int) -> None:
        scratch.alive()
        bench.company.watch()
        bench.progress(f"{title}: {what}", done, total)

    begun = time.monotonic()
    bench.company.call(item.unit, item.key)
    context = Context(scratch.work, bench.job.options.device, progress, bench.company.shard)
    outcome = item.experiment.measure(item.unit, context)
    record = _record(bench.job, item, outcome, scratch, time.monotonic() - begun + scratch.spent)
    stored = _deliver(bench, bench.state.outbox.append(record, outcome.arrays))
    bench.tell(f"{title}: recorded as {stored.path.stem} after {duration(record.seconds)}")
    return stored


def _record(job: Job, item: Work, outcome: Outcome, scratch: Scratch, seconds: float) -> Record:
    return Record(
        paper=job.paper,
        experiment=item.unit.experiment,
        system=item.unit.system,
        seed=item.unit.seed,
        evidence=item.experiment.evidence,
        recipe=dict(item.experiment.recipe),
        data=item.basis.data,
        code=item.basis.code,
        environment=environment(job.options.device),
        deviations=item.experiment.deviations,
        started=scratch.started,
        seconds=round(seconds, 3),
        values=dict(outcome.values),
        log=outcome.log,
        peak_memory=peak_memory(),
    )


def _deliver(bench: _Bench, waiting: Stored) -> Stored:
    """Move a record from the outbox to the ledger, and forget the work that led to it."""
    try:
        stored = bench.ledger.append(waiting.record, waiting.arrays())
    except StorageError as error:
        kept = (
            f"The finished measurement is kept in {waiting.path.parent} and will be recorded without measuring again."
        )
        raise StorageError(error.message, f"{error.remedy}\n{kept}") from error
    identity = key_of(stored.record)
    bench.state.mark(identity, stored.digest)
    folder = bench.state.unit_folder(unit_of(stored.record))
    in_hand = attempt(folder)
    if in_hand is not None and in_hand.key == identity:
        discard(folder)
    bench.state.sent(waiting)
    return stored


def _compare(bench: _Bench, item: Work, stored: Stored) -> str | None:
    """Say whether an earlier record under the same identity holds the same outcome; return its digest if one does."""
    if not item.records or item.experiment.evidence is Evidence.TIMING:
        return None
    new = stored.record
    for earlier in item.records:
        if (earlier.record.arrays, earlier.record.values) == (new.arrays, new.values):
            bench.tell(f"{item.title}: repeats record {earlier.path.stem} bit for bit")
            return earlier.digest
    old = item.records[0].record
    names = [name for name in {**old.arrays, **new.arrays} if old.arrays.get(name) != new.arrays.get(name)]
    names += [name for name in {**old.values, **new.values} if old.values.get(name) != new.values.get(name)]
    where = "" if same_machine(old.environment, new.environment) else ", which was measured on another machine"
    bench.tell(f"{item.title}: differs from record {item.records[0].path.stem} in {', '.join(names)}{where}")
    return None


def _name(record: Record) -> str:
    return f"{record.system}, seed {record.seed} ({record.experiment})"
