"""Several processes on one run: the first decides, records and speaks; the others do their share of each measurement.

Whatever ends one of them ends all, with one message and one exit code.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType

import msgspec
import torch
from torch.distributed import DistError
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from harness.errors import ExitCode, InterruptedRunError, RemeasureError, UsageError
from harness.evaluation.shards import joined
from harness.experiment import Context, Experiment, Options, Unit
from harness.runner.identity import key
from harness.runner.options import find_device
from harness.runner.prepare import Job
from harness.runner.state import STATE, Scratch, State
from harness.shards import ALONE, Shard

PATIENCE = timedelta(minutes=30)
"""How long a process waits for what the first does alone, and for the slowest to have done its share."""
GRACE = timedelta(seconds=60)
"""How long a process that fails waits for the others to notice, which they do between two groups of images."""
LOOK = 0.02
"""Seconds between two looks at who has arrived."""
FAILURE = "failure"


class Call(msgspec.Struct, frozen=True):
    """What the first process asks the others to help with.

    Attributes:
        key: Identity of the measurement, by which they see that they rest on the same code, data and weights.
    """

    experiment: str
    system: str
    seed: int
    key: str

    @property
    def unit(self) -> Unit:
        return Unit(self.experiment, self.system, self.seed)


class Failure(msgspec.Struct, frozen=True):
    """What ended a process."""

    rank: int
    code: int
    message: str
    remedy: str


class ElsewhereError(RemeasureError):
    """What ended another process of the run, with that one's exit code."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message, failure.remedy)
        self.exit_code = ExitCode(failure.code)


class Company:
    """The processes of a run, connected while the body of a ``with`` runs; a process alone has nobody to talk to.

    Attributes:
        shard: This process among them.

    Raises:
        ElsewhereError: At the end, in the first process: what another ended with.
        SystemExit: At the end, in the others: the same exit code, without a word, if the first process knows of it.
    """

    def __init__(self, shard: Shard = ALONE) -> None:
        self.shard = replace(shard, meet=self.meet) if shard.world > 1 else shard
        self._store: Store | None = None
        self._connection = ExitStack()
        self._calls = 0
        self._meetings = 0

    def __enter__(self) -> Company:
        if self.shard.world > 1:
            store, _, _ = next(rendezvous("env://", self.shard.rank, self.shard.world, timeout=PATIENCE))
            self._connection.enter_context(joined(self.shard, PrefixStore("processes", store)))
            self._store = PrefixStore("remeasure", store)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        store, self._store = self._store, None
        if store is None:
            return
        failure = None if error is None else self._publish(store, error)
        if self.shard.leads:
            self._put(store, None)
        self._connection.close()
        if failure is None:
            _all_leave(store, self.shard)
            return
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's, once one process has ended: each ends by itself
        heard = _all_leave(store, self.shard)
        mine = failure.rank == self.shard.rank
        if self.shard.leads and not mine:
            raise ElsewhereError(failure) from None
        if not self.shard.leads and heard and (not mine or failure.code != ExitCode.DEFECT):
            raise SystemExit(failure.code) from None

    def call(self, unit: Unit, identity: str) -> None:
        """Ask the others to measure their share of a unit."""
        if self._store is not None:
            self._put(self._store, Call(unit.experiment, unit.system, unit.seed, identity))

    def calls(self) -> Iterator[Call]:
        """Yield what the first process asks for, until it has ended or some process has failed.

        Raises:
            ElsewhereError: One has failed.
        """
        assert self._store is not None
        while True:
            told = msgspec.json.decode(self._store.get(f"call {self._calls}"), type=Call | None)
            self._calls += 1
            self.watch()
            if told is None:
                return
            yield told

    def meet(self) -> None:
        """Wait until every process is here.

        Raises:
            ElsewhereError: One has failed.
            InterruptedRunError: One is not heard of.
        """
        assert self._store is not None
        self._meetings += 1
        places = [f"meeting {self._meetings} {rank}" for rank in range(self.shard.world)]
        self._store.set(places[self.shard.rank], "1")
        until = time.monotonic() + PATIENCE.total_seconds()
        while not self._store.check(places):
            self.watch()
            if time.monotonic() > until:
                raise InterruptedRunError(
                    f"process {self.shard.rank} waited for others for {PATIENCE}; one was killed or is very slow",
                    "The same command goes on where this one stopped.",
                )
            time.sleep(LOOK)

    def watch(self, *_: object) -> None:
        """See whether another process has failed; a progress callback that shows nothing.

        Raises:
            ElsewhereError: One has.
        """
        if self._store is not None and self._store.check([FAILURE]):
            raise ElsewhereError(msgspec.json.decode(self._store.get(FAILURE), type=Failure))

    def _put(self, store: Store, call: Call | None) -> None:
        store.set(f"call {self._calls}", msgspec.json.encode(call).decode())
        self._calls += 1

    def _publish(self, store: Store, error: BaseException) -> Failure:
        """Tell the others of an error, and return the first that any process told."""
        mine = _failure(self.shard, error)
        try:
            told = store.compare_set(FAILURE, "", msgspec.json.encode(mine).decode())
        except DistError:
            return mine
        return msgspec.json.decode(told, type=Failure)


def require_shareable(papers: tuple[str, ...], options: Options, shard: Shard) -> None:
    """Check what is asked of a run before its processes do anything.

    Raises:
        UsageError: Several processes can not do it.
    """
    if shard.world == 1:
        return
    if len(papers) != 1:
        raise UsageError(f"{shard.world} processes for {len(papers)} papers", "Run one paper at a time under torchrun.")
    if options.budget is not None:
        raise UsageError(f"--budget under {shard.world} processes", "A budget is divided by what one process takes.")


def require_shared(experiments: tuple[Experiment, ...], shard: Shard) -> None:
    """Check that several processes can measure what they are asked to.

    Raises:
        UsageError: An experiment is one process's work.
    """
    single = [experiment.key for experiment in experiments if not experiment.shared]
    if shard.world > 1 and single:
        raise UsageError(
            f"{shard.world} processes cannot share the work of {', '.join(single)}",
            "Name experiments that train or evaluate networks by --only, or run without torchrun.",
        )


def own_device(name: str, shard: Shard) -> None:
    """Choose this process's GPU, if it is to use one.

    Args:
        name: As :class:`~harness.experiment.Options` has it.

    Raises:
        UsageError: Its machine has fewer GPUs than processes.
    """
    if shard.world == 1 or find_device(name) == "cpu":
        return
    count = torch.cuda.device_count()
    if shard.local >= count:
        raise UsageError(f"process {shard.local} on this machine has no GPU: there are {count}", "Start fewer.")
    torch.cuda.set_device(shard.local)


def help_measure(job: Job, company: Company, state: Path = STATE) -> None:
    """Do this process's share of each unit that the first process asks for; it keeps no record.

    Raises:
        UsageError: This process would not measure the same.
    """
    require_shared(job.experiments, company.shard)
    experiments = {experiment.key: experiment for experiment in job.experiments}
    for call in company.calls():
        experiment = experiments.get(call.experiment)
        if experiment is None or call.key != key(job.paper, call.unit, experiment.recipe, job.bases[call.experiment]):
            raise UsageError(
                f"process {company.shard.rank} does not find the code, images and weights of process 0",
                "Give every machine the same; nothing was measured with the difference.",
            )
        work = Scratch(State(state / job.paper).unit_folder(call.unit), "", 0.0).work
        experiment.measure(call.unit, Context(work, job.options.device, company.watch, company.shard))


def _failure(shard: Shard, error: BaseException) -> Failure:
    if isinstance(error, RemeasureError):
        return Failure(shard.rank, error.exit_code, error.message, error.remedy)
    if isinstance(error, KeyboardInterrupt):
        return Failure(shard.rank, ExitCode.INTERRUPTED, "interrupted", "The same command goes on where it stopped.")
    message = f"process {shard.rank} of {shard.world} failed: {type(error).__name__}: {error}"
    return Failure(shard.rank, ExitCode.DEFECT, message, "Its traceback is above. Please report it.")


def _all_leave(store: Store, shard: Shard) -> bool:
    """Wait until all processes are about to end; the first ends last, since it may hold the store.

    Returns:
        Whether they are.
    """
    ready = [f"leaving {rank}" for rank in range(shard.world)]
    gone = [f"gone {rank}" for rank in range(1, shard.world)]
    try:
        store.set(ready[shard.rank], "1")
        store.wait(ready, GRACE)
        if shard.leads:
            store.wait(gone, GRACE)
        else:
            store.set(gone[shard.rank - 1], "1")
    except DistError:
        return False
    return True
