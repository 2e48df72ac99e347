"""What a night has to do of one paper: its part of the fixed set, then what is owed and can be measured here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from harness.errors import NothingMeasuredError
from harness.experiment import Experiment, Factory, Options, Progress, Unit
from harness.ledger.record import measured_systems
from harness.ledger.store import Ledger, Stored
from harness.nightly.fixed import standing
from harness.runner.environment import environment, same_machine
from harness.runner.estimate import estimates, repeated
from harness.runner.identity import bases
from harness.runner.options import select, settle
from harness.runner.work import Work, newest_first, work_list
from harness.statistics.evidence import Evidence

Seconds = Mapping[tuple[str, str], float]
"""By experiment and system; a pair of which nothing is known is missing."""
FIXED_SET = "measured every night"


class Piece(msgspec.Struct, frozen=True):
    """One unit of a night's work.

    Attributes:
        why: Why it is measured: because it always is, or what the ledger lacks.
        fixed: Whether it is of the fixed set.
        seconds: What it is expected to take; None if that is not known.
        systems: All that its record may say something of: the system and its variants.
    """

    paper: str
    experiment: str
    system: str
    seed: int
    why: str
    fixed: bool
    seconds: float | None
    systems: tuple[str, ...]

    @property
    def unit(self) -> Unit:
        return Unit(self.experiment, self.system, self.seed)

    @property
    def title(self) -> str:
        return f"{self.paper}/{self.experiment}: {self.system}, seed {self.seed}"


@dataclass(frozen=True)
class Planned:
    """A paper's part of a night.

    Attributes:
        pieces: In the order of work, the fixed set first.
        in_session: Keys of the experiments that are timed by the benchmarks, in a session of their own.
    """

    paper: str
    device: str
    pieces: tuple[Piece, ...]
    in_session: tuple[str, ...]


def plan_paper(
    paper: str,
    factory: Factory,
    options: Options,
    *,
    ledger: Ledger,
    progress: Progress,
    before: Iterable[str] = (),
) -> Planned:
    """Choose what a night measures of a paper. Looks at the data, and times a few steps of what no record tells.

    Args:
        before: Keys of the paper's experiments in the fixed set of the night before.

    Raises:
        UsageError: An option is wrong, see :func:`~harness.runner.options.settle`.
        DataError: A data folder is missing, half-copied or holds an unreadable file.
    """
    settled = settle(options)
    declared = factory(settled)
    in_session = tuple(experiment.key for experiment in declared if _is_session(experiment))
    able = _able([experiment for experiment in declared if not _is_session(experiment)])
    basis = bases(able, progress)
    records = list(ledger.records(paper, verify_arrays=True))
    work = work_list(paper, able, basis, records)
    known = _seconds(work, records, settled.device, progress)
    chosen = standing(able, {experiment.key: _of_a_seed(experiment, known) for experiment in able}, before)
    fixed = {unit for experiment in chosen for unit in experiment.units()}
    always = [_piece(paper, item, FIXED_SET, known) for item in work if item.unit in fixed]
    owed = [_piece(paper, item, item.why, known) for item in work if item.unit not in fixed and not item.records]
    return Planned(paper, settled.device, (*always, *owed), in_session)


def _is_session(experiment: Experiment) -> bool:
    """Whether an experiment is no run of units but timed by the benchmarks, where all systems take turns."""
    return experiment.evidence is Evidence.TIMING and not experiment.command.startswith("remeasure run ")


def _able(experiments: Sequence[Experiment]) -> tuple[Experiment, ...]:
    try:
        return select(experiments, ())
    except NothingMeasuredError:
        return ()


def _seconds(work: Iterable[Work], records: Iterable[Stored], device: str, progress: Progress) -> Seconds:
    """Return what a unit of each system takes here: what its newest record did, else what a few timed steps tell."""
    here = environment(device)
    made_here = newest_first(stored for stored in records if same_machine(stored.record.environment, here))
    systems = {(item.unit.experiment, item.unit.system): item.experiment for item in work}
    found: dict[tuple[str, str], float] = {}
    for (key, system), experiment in systems.items():
        last = next(repeated(made_here, experiment, system), None)
        if last is not None:
            found[key, system] = last.record.seconds
    rest = ((experiment, system) for (key, system), experiment in systems.items() if (key, system) not in found)
    timed = estimates(rest, (), here, device=device, progress=progress)
    return found | {name: estimate.seconds(systems[name]) for name, estimate in timed.items()}


def _of_a_seed(experiment: Experiment, known: Seconds) -> float:
    """Return what a seed of all systems takes; infinite where that is not known."""
    return sum(known.get((experiment.key, system), float("inf")) for system in experiment.systems)


def _piece(paper: str, item: Work, why: str, known: Seconds) -> Piece:
    unit = item.unit
    seconds = known.get((unit.experiment, unit.system))
    systems = tuple(measured_systems(item.experiment.recipe, unit.system).values())
    return Piece(paper, unit.experiment, unit.system, unit.seed, why, why is FIXED_SET, seconds, systems)
