"""Measures a night's pieces in processes of their own, so that nothing that goes wrong in one ends the night.

A process measures the pieces of one paper one after the other and reports each. An error that is the surroundings'
fault leaves the process as it is; after a defect, a kill or a piece that outlasts the budget, a fresh process goes on
with the piece after it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.apart import Ended, alone, apart
from harness.errors import ExitCode, InterruptedRunError, RemeasureError
from harness.experiment import Options, Progress, experiments_of
from harness.ledger.store import Ledger
from harness.nightly.plan import Piece, Planned, plan_paper
from harness.nightly.verdicts import Said, said
from harness.runner.prepare import Job, prepare
from harness.runner.state import STATE
from harness.runner.work import newest_first, unit_of
from harness.scoring.load import load_results

T = TypeVar("T")

NO_TIME = "it did not fit into what was left of the budget"
RESERVE = 0.05
"""Share of the budget that no piece is begun in, since an estimate is one."""


class Done(msgspec.Struct, frozen=True):
    """A piece that was measured; ``digest`` is its record's."""

    piece: Piece
    digest: str


class Failed(msgspec.Struct, frozen=True):
    """Work that could not be done.

    Attributes:
        what: The piece, the paper or the session, in words.
        covers: Paper, experiment and system of all that it would have measured; empty stands for every one.
        code: The exit code of the error; 1 for a defect and for a process that was killed.
        text: The message, or the traceback.
    """

    what: str
    covers: tuple[tuple[str, str, str], ...]
    code: int = int(ExitCode.DEFECT)
    text: str = ""

    @property
    def defect(self) -> bool:
        return self.code == ExitCode.DEFECT

    @property
    def message(self) -> str:
        """The line that says most: the last of a traceback, the first of a message."""
        lines = self.text.strip().splitlines() or ["no message"]
        return lines[-1 if self.defect else 0]


class Left(msgspec.Struct, frozen=True):
    """A piece that was not begun, and why."""

    what: str
    fixed: bool
    reason: str


Outcome = Done | Failed | Left


@dataclass(frozen=True)
class Budget:
    """How long a night may take.

    Attributes:
        seconds: In all; None: as long as it takes.
        ends: When it is over, seconds since the epoch.
    """

    seconds: float | None = None
    ends: float | None = None

    def remaining(self) -> float:
        """Return the seconds left; infinite where there is no limit."""
        return float("inf") if self.ends is None else self.ends - time.time()

    def fits(self, seconds: float | None) -> bool:
        """Whether something that is expected to take so long may be begun; of what is not known, while time is left."""
        held_back = 0.0 if self.seconds is None else RESERVE * self.seconds
        return (seconds or 0.0) < self.remaining() - held_back


@dataclass(frozen=True)
class Errand:
    """What a process is sent to do: pieces of one paper.

    Attributes:
        options: Settled.
        name: Of the round in which what is recorded is measured once more.
        state: Where interrupted attempts are kept.
    """

    paper: str
    options: Options
    ledger: Path
    name: str
    budget: Budget = Budget()
    pieces: tuple[Piece, ...] = ()
    before: tuple[str, ...] = ()
    state: Path = STATE


def plans(errand: Errand) -> Planned | Failed:
    """Plan a paper in a process of its own; see :func:`~harness.nightly.plan.plan_paper`.

    Raises:
        InterruptedRunError: Ctrl-C.
    """
    return _found(_plan, errand, f"planning {errand.paper}")


def judged(errand: Errand) -> dict[str, Said] | Failed:
    """Join a paper with the ledger in a process of its own; return its verdicts, see :func:`verdicts.said`.

    Raises:
        InterruptedRunError: Ctrl-C.
    """
    return _found(_judge, errand, f"judging the claims of {errand.paper}")


def _found(work: Callable[[Errand], T], errand: Errand, what: str) -> T | Failed:
    match alone(work, errand, what):
        case Ended() as ended:
            return _failure(Failed(what, ((errand.paper, "", ""),)), ended)
        case found:
            return found


def measure(errand: Errand) -> Iterator[Outcome]:
    """Measure an errand's pieces, and yield what becomes of each as soon as it is known.

    Raises:
        InterruptedRunError: Ctrl-C; what was finished is recorded.
    """
    waiting = list(errand.pieces)
    while waiting and errand.budget.fits(None):
        rest = replace(errand, pieces=tuple(waiting))
        for message in apart(_measure, rest, f"measuring {errand.paper}", until=errand.budget.ends):
            match message:
                case Ended() as ended:
                    yield from (_failure(_failed(piece), ended) for piece in waiting[:1])
                case outcome:
                    yield outcome
            del waiting[:1]
    for piece in waiting:
        yield Left(piece.title, piece.fixed, NO_TIME)


def _failed(piece: Piece) -> Failed:
    return Failed(piece.title, tuple((piece.paper, piece.experiment, system) for system in piece.systems))


def _failure(of: Failed, ended: Ended) -> Failed:
    return msgspec.structs.replace(of, code=int(ended.code), text=ended.text)


def _plan(errand: Errand) -> Planned:
    return plan_paper(
        errand.paper,
        experiments_of(errand.paper),
        errand.options,
        ledger=Ledger(errand.ledger),
        progress=_progress(),
        before=errand.before,
    )


def _judge(errand: Errand) -> dict[str, Said]:
    return said(load_results(errand.paper, Ledger(errand.ledger), errand.options))


def _measure(errand: Errand) -> Iterator[Outcome]:
    ledger, progress = Ledger(errand.ledger), _progress()
    options = replace(errand.options, only=tuple(dict.fromkeys(piece.experiment for piece in errand.pieces)))
    job = prepare(
        errand.paper, experiments_of(errand.paper), options, ledger=ledger, progress=progress, state=errand.state
    )
    for piece in errand.pieces:
        if not errand.budget.fits(piece.seconds):
            yield Left(piece.title, piece.fixed, NO_TIME)
            continue
        try:
            yield _measure_one(piece, _alone(job, piece, errand), ledger, progress, errand.state)
        except InterruptedRunError:
            raise
        except RemeasureError as error:
            yield msgspec.structs.replace(_failed(piece), code=int(error.exit_code), text=str(error))


def _alone(job: Job, piece: Piece, errand: Errand) -> Job:
    """Return the job of measuring one piece, whatever is recorded of it."""
    (experiment,) = (each for each in job.experiments if each.key == piece.experiment)
    single = replace(experiment, systems=(piece.system,), seeds=(piece.seed,))
    return replace(job, experiments=(single,), name=errand.name, again=True)


def _measure_one(piece: Piece, job: Job, ledger: Ledger, progress: Progress, state: Path) -> Done:
    """Measure a piece; one whose round was finished but not reported is not measured twice."""
    from harness.runner.run import run

    summary = run(job, ledger=ledger, tell=_tell, progress=progress, state=state)
    recorded = [stored for stored in summary.measured if unit_of(stored.record) == piece.unit]
    if not recorded:
        recorded = [s for s in newest_first(ledger.records(piece.paper)) if unit_of(s.record) == piece.unit][:1]
    return Done(piece, recorded[-1].digest)


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _progress() -> Progress:
    """Say every so often what is being done: a night's output is a log."""
    shown = ""

    def progress(what: str, done: int, total: int) -> None:
        nonlocal shown
        if what != shown:
            shown = what
            print(f"{what}: {done}/{total}", file=sys.stderr, flush=True)

    return progress


def by_paper(pieces: Sequence[Piece]) -> dict[str, tuple[Piece, ...]]:
    """Return each paper's pieces, papers and pieces in their order."""
    found: dict[str, tuple[Piece, ...]] = {}
    for piece in pieces:
        found[piece.paper] = (*found.get(piece.paper, ()), piece)
    return found
