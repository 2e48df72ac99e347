"""A run's units as jobs of a Slurm cluster, through submitit: an array, one unit a job.

Each job is an ordinary run of its unit: it writes its record to the ledger, which takes concurrent writers, and locks a
state folder of its own, in which its next attempt resumes. The submitting process holds the paper's lock and waits.

::

    .remeasure/jobs/<key>/job.json    which job was submitted for the unit of this identity
    .remeasure/jobs/<key>/<paper>/    its state folder, see :mod:`harness.runner.state`
    .remeasure/jobs/logs/             what submitit keeps of jobs, and what they print
"""

from __future__ import annotations

import logging
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.errors import ExitCode, InterruptedRunError, RemeasureError, UsageError
from harness.experiment import Progress
from harness.ledger.store import Ledger
from harness.runner.order import Failure, Order
from harness.runner.prepare import Job
from harness.runner.request import Cluster, Request
from harness.runner.run import Summary, Tell
from harness.runner.state import STATE, hold, load, save
from harness.runner.work import Work, work_list

if TYPE_CHECKING:
    import submitit

LOOK = 1.0
"""Seconds between two looks at which jobs have ended."""


class JobsError(RemeasureError):
    """Jobs that failed, with the worst of their exit codes."""

    def __init__(self, failures: Sequence[Failure], total: int) -> None:
        texts = dict.fromkeys(failure.text for failure in failures)
        super().__init__(
            "\n".join((f"{len(failures)} of {total} jobs failed; what the others measured is recorded", *texts)),
            "The same command submits again what is not recorded.",
        )
        codes = {failure.code for failure in failures}
        self.exit_code = ExitCode.DEFECT if ExitCode.DEFECT in codes else max(codes)


class _Ticket(msgspec.Struct, frozen=True):
    """What is kept of a job that was submitted: the cluster and the job's id there."""

    cluster: Cluster
    id: str


@dataclass(frozen=True)
class _Submitted:
    """A unit and the job that measures it."""

    item: Work
    job: submitit.Job[Failure | None]


def run_jobs(
    job: Job, request: Request, *, ledger: Ledger, tell: Tell, progress: Progress, state: Path = STATE
) -> Summary:
    """Measure every unit of a job that has no current record in jobs of a cluster, and wait for them.

    Units whose jobs an earlier command submitted, and which are still queued or running, are waited for.

    Raises:
        InterruptedRunError: Ctrl-C; the jobs go on.
        JobsError: Jobs failed; the others have been waited for.
        UsageError: submitit or the cluster is missing, the jobs were refused, or a run of this paper is going on.
        StorageError: The state folder cannot be written.
    """
    _require_cluster(request)
    with hold(state, job.paper):
        work = _listed(job, ledger)
        todo = [item for item in work if not item.records]
        submitted = _under_way(todo, request.cluster, state)
        if submitted:
            tell(f"{len(submitted)} of {len(todo)} are still queued or running as jobs of an earlier command")
        known = {one.item.key for one in submitted}
        submitted += _submit(job, [item for item in todo if item.key not in known], request, ledger, state, tell)
        try:
            failures = _wait(submitted, job.paper, tell, progress)
        except KeyboardInterrupt:
            raise _interrupted(submitted) from None
        wanted = {item.key for item in todo}
        now = [item for item in _listed(job, ledger) if item.key in wanted]
        for item in now:
            if item.records:
                failures.pop(item.key, None)
                shutil.rmtree(_folder(state, item.key), ignore_errors=True)
            else:
                failures.setdefault(item.key, Failure(ExitCode.STORAGE, f"{ledger.root} does not show its record"))
    if failures:
        raise JobsError(tuple(failures.values()), len(todo))
    return Summary(tuple(item.records[0] for item in now), len(work) - len(todo), {})


def _listed(job: Job, ledger: Ledger) -> tuple[Work, ...]:
    return work_list(job.paper, job.experiments, job.bases, ledger.records(job.paper, verify_arrays=True))


def _folder(state: Path, name: str) -> Path:
    """Return a unit's folder, by the identity of its measurement, or that of the logs."""
    return state / "jobs" / name[:16]


def _require_cluster(request: Request) -> None:
    """Check that jobs can be submitted, and keep submitit's warnings from standard output, where JSON may go."""
    if find_spec("submitit") is None:
        raise UsageError("--slurm needs submitit, which is not installed", "pip install 'submitit>=1.5'")
    if request.cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        raise UsageError(
            "there is no Slurm here: neither sbatch nor srun can be found",
            "Run this where jobs are submitted; --slurm local tries the jobs on this machine.",
        )
    from submitit.core.logger import get_logger

    get_logger().setLevel(logging.ERROR)


def _under_way(todo: Sequence[Work], cluster: Cluster, state: Path) -> list[_Submitted]:
    """Return the units whose jobs are known to be queued or running."""
    from submitit import LocalJob, SlurmJob

    kind: type[submitit.Job[Failure | None]] = LocalJob if cluster == "local" else SlurmJob
    tickets = [(item, load(_folder(state, item.key) / "job.json", _Ticket)) for item in todo]
    noted = [(item, ticket.id) for item, ticket in tickets if ticket is not None and ticket.cluster == cluster]
    queued = _queued() if noted and cluster == "slurm" else {id for _, id in noted if _lives(id)}
    return [_Submitted(item, kind(_folder(state, "logs"), id)) for item, id in noted if id in queued]


def _queued() -> set[str]:
    """Return the ids of this user's jobs that wait or run, those of an array one by one."""
    command = ("squeue", "--me", "--noheader", "--array", "--format=%i")
    return set(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.split())


def _submit(
    job: Job, items: Sequence[Work], request: Request, ledger: Ledger, state: Path, tell: Tell
) -> list[_Submitted]:
    """Submit an array of jobs and note their ids, which Ctrl-C does not interrupt."""
    from submitit import LocalExecutor, SlurmExecutor
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    if not items:
        return []
    logs = _folder(state, "logs")
    executor = LocalExecutor(logs) if request.cluster == "local" else SlurmExecutor(logs)
    executor.update_parameters(**{"job_name": f"remeasure-{job.paper}", **request.parameters})
    orders = [Order(job.paper, job.options, i.unit, i.key, ledger.root, _folder(state, i.key)) for i in items]
    with _deaf_to_interrupts():
        try:
            jobs = executor.submit_array(orders)
        except (FailedJobError, FailedSubmissionError) as error:
            said = str(error).strip().rpartition("\n")[2]
            raise UsageError(f"Slurm refused the jobs: {said}", "Change --slurm.") from error
        submitted = [_Submitted(item, one) for item, one in zip(items, jobs, strict=True)]
        for one in submitted:
            save(_folder(state, one.item.key) / "job.json", _Ticket(request.cluster, one.job.job_id))
    tell(f"submitted {len(submitted)} jobs ({', '.join(_ids(submitted))}); logs are in {logs}")
    return submitted


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C, here and in processes that are started meanwhile, for good in those."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _wait(submitted: Sequence[_Submitted], paper: str, tell: Tell, progress: Progress) -> dict[str, Failure]:
    """Wait until every job has ended; return what failed by the measurement's identity."""
    left, failures = list(submitted), {}
    while left:
        for one in [one for one in left if _ended(one.job)]:
            left.remove(one)
            failure = _failure(one)
            if failure is not None:
                failures[one.item.key] = failure
                tell(f"{one.item.title}: failed, see {one.job.paths.stderr}")
            else:
                tell(f"{one.item.title}: measured by job {one.job.job_id}")
        progress(f"{paper}: jobs that have ended", len(submitted) - len(left), len(submitted))
        if left:
            time.sleep(LOOK)
    return failures


def _ended(job: submitit.Job[Failure | None]) -> bool:
    """Whether a job is over; submitit does not know this of processes that another command started."""
    from submitit import LocalJob

    return job.done() and not (isinstance(job, LocalJob) and _lives(job.job_id))


def _lives(process: str) -> bool:
    try:
        return b"submitit" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def _failure(one: _Submitted) -> Failure | None:
    """Return what a job that has ended failed with: what it returned, or the last line it printed."""
    from submitit.core.utils import UncompletedJobError

    try:
        return one.job.result()
    except UncompletedJobError:
        printed = (one.job.stderr() or "").split("\n")
        last = next((line for line in reversed(printed) if line.strip()), "it ended without a word")
        return Failure(ExitCode.DEFECT, f"{last} (state {one.job.state})")


def _interrupted(submitted: Sequence[_Submitted]) -> InterruptedRunError:
    left = [one for one in submitted if not _ended(one.job)]
    return InterruptedRunError(
        f"interrupted; {len(left)} jobs go on: {', '.join(_ids(left))}",
        "The same command waits for them, submits none twice, and writes the report; scancel ends jobs of Slurm.",
    )


def _ids(submitted: Sequence[_Submitted]) -> list[str]:
    """Return the ids of jobs, an array's once."""
    return list(dict.fromkeys(one.job.job_id.partition("_")[0] for one in submitted))
