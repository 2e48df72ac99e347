"""The work list: what has no current record, whether it can be measured here or elsewhere, and the command. No torch.

Images are not looked at, since those of an experiment for another machine need not be here: a record stands if recipe
and code are those of today.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from shlex import quote

from harness.experiment import Experiment, Factory, Options
from harness.ledger.store import Ledger, Stored
from harness.runner.estimate import repeated
from harness.runner.identity import bases
from harness.runner.options import named, settle
from harness.runner.work import Work, newest_first, work_list
from harness.statistics.evidence import Evidence


@dataclass(frozen=True)
class Piece:
    """One unit that is owed.

    Attributes:
        why: Never measured, or why its record no longer stands.
        lacks: What its system lacks beyond what the experiment needs; empty if nothing.
        seconds: What the newest record of its system under this recipe took; None if there is none.
        record: That record, as its file is called; empty if there is none.
        device: It was made on.
    """

    system: str
    seed: int
    why: str
    lacks: str
    seconds: float | None
    record: str
    device: str


@dataclass(frozen=True)
class Owed:
    """What an experiment owes.

    Attributes:
        units: How many it has, those with a current record included.
        needs: What it lacks to run with the options at hand; empty if nothing.
        command: The command that measures the pieces.
        seconds: What they are expected to take, as far as that is known.
        unknown: Of how many it is not known until a plan on that device has timed them.
    """

    experiment: str
    title: str
    evidence: Evidence
    units: int
    needs: str
    command: str
    seconds: float
    unknown: int
    pieces: tuple[Piece, ...]


def owed(paper: str, factory: Factory, options: Options, ledger: Ledger) -> tuple[Owed, ...]:
    """Return what a paper's experiments owe, those that lack something included.

    An experiment on part of the images is left out where it lacks something, unless its kind is asked for: what it
    lacks, the one on all of them lacks as well.

    Args:
        options: As given; their device need not be here.

    Raises:
        UsageError: An option is wrong; see :func:`~harness.runner.options.settle` and ``named``.
    """
    settled = settle(options, here=False)
    declared = factory(settled)
    systems = {experiment.key: experiment.systems for experiment in declared}
    asked = named(declared, settled.only, settled.evidence, settled.only_seeds)
    experiments = [e for e in asked if e.part_of is None or not e.needs or e.evidence is settled.evidence]
    records = newest_first(ledger.records(paper, verify_arrays=True))
    by_experiment: defaultdict[str, list[Work]] = defaultdict(list)
    for item in work_list(paper, experiments, bases(experiments, None), records):
        if not item.records:
            by_experiment[item.unit.experiment].append(item)
    return tuple(
        _owed(experiment, by_experiment[experiment.key], systems[experiment.key], settled, records)
        for experiment in experiments
        if by_experiment[experiment.key]
    )


def _owed(
    experiment: Experiment,
    work: Sequence[Work],
    systems: Sequence[str],
    options: Options,
    records: Sequence[Stored],
) -> Owed:
    pieces = tuple(_pieces(work, records))
    owing = dict.fromkeys(piece.system for piece in pieces)
    return Owed(
        experiment=experiment.key,
        title=experiment.title,
        evidence=experiment.evidence,
        units=len(experiment.units()),
        needs=experiment.needs,
        command=_command(experiment, options, () if set(owing) == set(systems) else owing),
        seconds=sum(piece.seconds for piece in pieces if piece.seconds is not None),
        unknown=sum(piece.seconds is None for piece in pieces),
        pieces=pieces,
    )


def _pieces(work: Iterable[Work], records: Sequence[Stored]) -> Iterator[Piece]:
    for item in work:
        experiment, system = item.experiment, item.unit.system
        timed = next(repeated(records, experiment, system), None)
        yield Piece(
            system=system,
            seed=item.unit.seed,
            why=item.why,
            lacks=experiment.lacks.get(system, ""),
            seconds=None if timed is None else timed.record.seconds,
            record="" if timed is None else timed.path.stem,
            device="" if timed is None else timed.record.environment.device,
        )


def _command(experiment: Experiment, options: Options, systems: Iterable[str]) -> str:
    """Return the experiment's command with what the user chose; what is no run takes no options.

    Args:
        systems: To be named, where not all are owed.
    """
    command = experiment.command
    if not command.startswith("remeasure run "):
        return command
    for folder, option in ((options.data, "--data"), (options.weights, "--weights")):
        if folder is not None:
            command = command.replace(f"{option} DIR", f"{option} {quote(str(folder))}")
    key = () if experiment.key in command.split() else (experiment.key,)
    words = [f"--only {quote(name)}" for name in (*key, *systems)]
    words += [f"--seeds {options.seeds}"] if options.seeds is not None else []
    words += [f"--seed {seed}" for seed in options.only_seeds]
    words += ["--toy"] if options.toy else []
    return " ".join((command, *words))
