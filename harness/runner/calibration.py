"""What a short calibration predicts, held against what records of this machine took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from harness.errors import NothingMeasuredError
from harness.experiment import Progress
from harness.ledger.store import Ledger
from harness.runner.environment import environment, same_machine
from harness.runner.estimate import Estimates, estimates, expected
from harness.runner.prepare import Job
from harness.runner.work import Work, work_list


@dataclass(frozen=True)
class Held:
    """One system of an experiment.

    Attributes:
        predicted: Seconds its units take by a calibration made now.
        recorded: Seconds they took.
        ratio: Predicted over recorded.
        records: Of those units, as their files are called.
    """

    experiment: str
    system: str
    predicted: float
    recorded: float
    ratio: float
    records: tuple[str, ...]


@dataclass(frozen=True)
class Calibration:
    """How well the time of units that are recorded would have been predicted.

    Attributes:
        median: Of the systems' ratios.
    """

    paper: str
    device: str
    median: float
    systems: tuple[Held, ...]


def calibrate(job: Job, *, ledger: Ledger, progress: Progress) -> Calibration:
    """Time a few steps of each system that has current records of this machine, and compare.

    Only experiments that train are timed; what the others take is declared.

    Raises:
        NothingMeasuredError: There is no such record.
    """
    here = environment(job.options.device)
    measured: defaultdict[tuple[str, str], list[Work]] = defaultdict(list)
    for item in work_list(job.paper, job.experiments, job.bases, ledger.records(job.paper, verify_arrays=True)):
        own = tuple(s for s in item.records if same_machine(s.record.environment, here) and s.record.seconds > 0)
        if own and item.experiment.cost is not None and item.experiment.trade is not None:
            measured[item.unit.experiment, item.unit.system].append(replace(item, records=own))
    if not measured:
        message = f"no training of {job.paper} that was asked for has a current record of this machine"
        raise NothingMeasuredError(message, "Predictions can be held against records once there are some.")
    systems = ((work[0].experiment, system) for (_, system), work in measured.items())
    timed = estimates(systems, (), here, device=job.options.device, progress=progress)
    held = tuple(_held(work, timed) for work in measured.values())
    return Calibration(job.paper, job.options.device, median(one.ratio for one in held), held)


def _held(work: Sequence[Work], timed: Estimates) -> Held:
    unit, newest = work[0].unit, [item.records[0] for item in work]
    predicted, took = expected(work, timed)[0], sum(stored.record.seconds for stored in newest)
    names = tuple(stored.path.stem for stored in newest)
    return Held(unit.experiment, unit.system, predicted, took, predicted / took, names)
