"""What one job of a cluster does: measure one unit of a paper as an ordinary run would, and say how it ended."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.errors import ExitCode, RemeasureError, UsageError
from harness.experiment import Options, Unit, experiments_of
from harness.ledger.store import Ledger
from harness.runner.identity import key
from harness.runner.prepare import prepare
from harness.runner.run import run

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission


class Failure(NamedTuple):
    """What a job ended with instead of a measurement."""

    code: ExitCode
    text: str


@dataclass(frozen=True)
class Order:
    """One unit, to be measured wherever this is called.

    Attributes:
        options: As they were given; the device is named.
        key: Identity of the measurement when it was submitted.
        state: The job's own.
    """

    paper: str
    options: Options
    unit: Unit
    key: str
    ledger: Path
    state: Path

    def __call__(self) -> Failure | None:
        """Measure the unit and record it; return what keeps it from that, if it is the user's to mend."""
        try:
            self._measure()
        except RemeasureError as error:
            print(f"remeasure: {error}", file=sys.stderr)
            return Failure(error.exit_code, str(error))
        return None

    def checkpoint(self) -> DelayedSubmission:
        """Return what Slurm is to run once this job has reached its time limit or was preempted: the same, resumed."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _measure(self) -> None:
        ledger = Ledger(self.ledger)
        options = replace(self.options, only=(self.unit.experiment, self.unit.system), only_seeds=(self.unit.seed,))
        declared = experiments_of(self.paper)
        job = prepare(self.paper, declared, options, ledger=ledger, progress=_print_progress, state=self.state)
        (experiment,) = job.experiments
        if self.key != key(self.paper, self.unit, experiment.recipe, job.bases[experiment.key]):
            raise UsageError(
                "code, data or weights are not those with which the job was submitted",
                "Nothing was measured. The same command submits it again as they are now.",
            )
        single = replace(experiment, systems=(self.unit.system,), seeds=(self.unit.seed,))
        job = replace(job, experiments=(single,))
        run(job, ledger=ledger, tell=print, progress=_print_progress, state=self.state)


def _print_progress(what: str, done: int, total: int) -> None:
    print(f"{what}: {done}/{total}", flush=True)
