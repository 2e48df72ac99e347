"""From a user's options to a job: the experiments as they will run, what they rest on, and what a budget changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from harness.errors import NothingMeasuredError
from harness.experiment import Experiment, Factory, Options, Progress
from harness.ledger import canonical
from harness.ledger.record import Environment
from harness.ledger.store import Ledger, Stored
from harness.runner.budget import Traded, fit
from harness.runner.environment import environment
from harness.runner.estimate import Estimates, estimates, expected
from harness.runner.identity import Basis, bases
from harness.runner.options import lacking, select, settle
from harness.runner.state import STATE, State, load, save
from harness.runner.work import Work, work_list


@dataclass(frozen=True)
class Job:
    """A paper's experiments, ready to run.

    Attributes:
        options: Settled: the device is decided, and seeds and epochs are those the budget leaves.
        bases: By the experiment's key.
        again: Measure every unit once more, whatever is recorded.
        name: Of this command's options, the same each time they are given.
        sentences: What experiments that were asked for lack, and what a budget changed, for the user.
    """

    paper: str
    options: Options
    experiments: tuple[Experiment, ...]
    bases: Mapping[str, Basis]
    name: str
    again: bool = False
    sentences: tuple[str, ...] = ()

    def outstanding(self, work: Iterable[Work]) -> list[Work]:
        """Return the work that has to be done, not counting what an open round has done already."""
        return [item for item in work if self.again or not item.records]


def prepare(
    paper: str,
    factory: Factory,
    options: Options,
    *,
    ledger: Ledger,
    progress: Progress,
    state: Path = STATE,
    again: bool = False,
    here: bool = True,
) -> Job:
    """Check the options, look at the data, and fit the budget if there is one.

    What a budget was traded for is kept in the state folder, so that the same command stays the same run as long as
    code, data and machine do; a new round (``again``) trades afresh.

    Args:
        factory: The paper's experiments; ``options.only`` is applied to what it returns.
        again: Measure every unit once more, whatever is recorded.
        here: Whether this machine measures; if another does, ``options`` name its device.

    Raises:
        UsageError: An option is wrong; see :func:`~harness.runner.options.settle` and ``select``.
        DataError: A data folder is missing, half-copied or holds an unreadable file.
        NothingMeasuredError: The paper has no experiment for these options.
        StorageError: The state folder cannot be written.
    """
    settled = settle(options, here)

    def narrowed(changed: Options) -> tuple[Experiment, ...]:
        return select(factory(changed), changed.only, changed.evidence, changed.only_seeds)

    experiments = narrowed(settled)
    if not any(experiment.units() for experiment in experiments):
        raise NothingMeasuredError(f"no experiment of {paper} can run with these options", "See remeasure plan.")
    basis = bases(experiments, progress)
    asked = settled.weights is not None or settled.evidence is not None
    lacks = lacking(factory(settled), settled.only, settled.evidence) if asked else ()
    job = Job(paper, settled, experiments, basis, _name(settled), again, lacks)
    if settled.budget is None:
        return job
    traded = _trade(job, narrowed, ledger, progress, State(state / paper))
    cut = traded.apply(settled)
    return replace(job, options=cut, experiments=narrowed(cut), sentences=(*lacks, *traded.sentences))


def estimate(job: Job, work: Iterable[Work], records: Iterable[Stored], progress: Progress) -> Estimates:
    """Estimate on this machine each system that some of a job's work is on."""
    device = job.options.device
    systems = ((item.experiment, item.unit.system) for item in work)
    return estimates(systems, records, environment(device), device=device, progress=progress)


def _trade(job: Job, factory: Factory, ledger: Ledger, progress: Progress, state: State) -> Traded:
    """Return what the budget was traded for, anew if code, data or machine are no longer what they were."""
    path = state.folder / "budgets" / f"{job.name}.json"
    rests_on = _rests_on(job.bases, environment(job.options.device))
    opens_round = job.again and not state.round_path(job.name).exists()
    found = None if opens_round else load(path, Traded)
    if found is not None and found.basis == rests_on:
        return found
    records = list(ledger.records(job.paper, verify_arrays=True))

    def outstanding(experiments: Sequence[Experiment]) -> list[Work]:
        return job.outstanding(work_list(job.paper, experiments, job.bases, records))

    full = outstanding(job.experiments)
    known = estimate(job, full, records, progress)
    fitted = fit(factory, job.options, lambda experiments: expected(outstanding(experiments), known)[0])
    traded = msgspec.structs.replace(fitted, basis=rests_on)
    unknown = expected(full, known)[1]
    if unknown:
        sentence = f"How long this takes is not known, and not counted: {', '.join(sorted(unknown))}."
        traded = msgspec.structs.replace(traded, sentences=(*traded.sentences, sentence))
    save(path, traded)
    return traded


def _rests_on(basis: Mapping[str, Basis], here: Environment) -> str:
    """Digest what an estimate depends on."""
    parts = {name: [b.code.digest, b.data.digest if b.data is not None else None] for name, b in basis.items()}
    return canonical.digest([parts, here.processor, here.cores, here.threads, here.device])


def _name(options: Options) -> str:
    """Name a round or a budget by what the user chose."""
    chosen = {
        "data": str(options.data.resolve()) if options.data is not None else None,
        "device": options.device,
        "budget": options.budget,
        "seeds": options.seeds,
        "only": sorted(options.only),
        "only-seeds": sorted(options.only_seeds),
        "toy": options.toy,
        "weights": str(options.weights.resolve()) if options.weights is not None else None,
        "evidence": options.evidence.value if options.evidence is not None else None,
    }
    return canonical.digest(chosen)[:16]
