"""Holds one night from its work list to its judgement; an interrupted one goes on where it stopped.

The order is: the fixed set, the timing session, what is owed; then the history is read, what looks changed is measured
once more at once, and the rule of :mod:`harness.regression.rule` speaks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import ExitCode
from harness.ledger.record import measured_systems
from harness.ledger.store import Ledger, Stored
from harness.nightly import kept
from harness.nightly.judge import Found, claims, expected, judge
from harness.nightly.kept import NightFile
from harness.nightly.order import Order
from harness.nightly.outcome import NightReport
from harness.nightly.plan import Piece, Planned
from harness.nightly.session import SESSION, Session, timed
from harness.nightly.verdicts import Said
from harness.nightly.work import NO_TIME, Done, Errand, Failed, Left, by_paper, judged, measure, plans
from harness.regression.history import History, read
from harness.regression.levels import read_levels
from harness.regression.manifests import utc
from harness.regression.model import Level
from harness.regression.rule import suspects
from harness.runner.state import State, hold

Tell = Callable[[str], None]
THE_NIGHT = "nightly"
AGAIN = "measured once more: it looks changed"


@dataclass
class _Night:
    """A night under way: its file, which is written after every step, and what could not be done."""

    order: Order
    tell: Tell
    file: NightFile
    before: NightFile | None
    levels: tuple[Level, ...]
    failed: list[Failed] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    sessions: tuple[tuple[str, str], ...] = ()

    def keep(self, **changes: Any) -> None:
        """Write the night's file with some of its fields changed."""
        self.file = msgspec.structs.replace(self.file, **changes)
        kept.save(self.order.folder, self.file)

    def history(self) -> History:
        return read(Ledger(self.order.ledger), self.order.folder, until=utc(self.file.started))

    def records(self, digests: Sequence[str]) -> list[Stored]:
        """Return records in the order of their digests."""
        found = {stored.digest: stored for stored in Ledger(self.order.ledger).records() if stored.digest in digests}
        return [found[digest] for digest in digests if digest in found]

    def fail(self, failed: Failed) -> None:
        self.failed.append(failed)
        self.tell(f"{failed.what} failed: {failed.text}")

    def leave(self, left: Left) -> None:
        self.left.append(left)
        self.tell(f"{left.what}: left for another night, {left.reason}")

    def errand(self, paper: str, pieces: tuple[Piece, ...] = (), name: str = "") -> Errand:
        order, chosen = self.order, self.file.fixed or (self.before.fixed if self.before else {})
        name = f"night-{kept.name_of(self.file)}{name}"
        before = chosen.get(paper, ())
        return Errand(paper, order.options, order.ledger, name, order.budget, pieces, before, order.state)


def hold_night(order: Order, tell: Tell) -> NightReport:
    """Measure, confirm and judge; what goes wrong on the way is in the report.

    Raises:
        UsageError: Another night is being held in the same working directory.
        InterruptedRunError: Ctrl-C; the same command goes on with the night.
        LedgerError: A file of an earlier night, or of the accepted levels, cannot be read.
        StorageError: The nights' folder cannot be written.
    """
    with hold(order.state, THE_NIGHT):
        return _hold(order, tell)


def _hold(order: Order, tell: Tell) -> NightReport:
    file, before = kept.opened(order.folder, order.device)
    night = _Night(order, tell, file, before, read_levels(order.folder))
    tell(f"{'going on with' if file.measured else 'beginning'} the night of {file.started} on {order.device}")
    planned = _plan(night)
    done = {_unit(stored) for stored in night.records(night.file.measured)}
    pieces = [piece for each in planned for piece in each.pieces if (piece.paper, *_names(piece)) not in done]
    _work(night, [piece for piece in pieces if piece.fixed])
    _session(night, done)
    _work(night, [piece for piece in pieces if not piece.fixed])
    _confirm(night)
    found = _found(night)
    said = claims(found)
    report = judge(found, said.worse, order)
    night.keep(verdicts=said.words, lost=said.lost, finished=True)
    for paper in order.papers:
        _close_rounds(order.state / paper, kept.name_of(night.file))
    return report


def _plan(night: _Night) -> list[Planned]:
    """Plan every paper, and write down what tonight is to measure before anything is measured."""
    found: list[Planned] = []
    for paper in night.order.papers:
        planned = plans(night.errand(paper))
        if isinstance(planned, Failed):
            night.fail(planned)
        else:
            found.append(planned)
    night.sessions = tuple((each.paper, key) for each in found for key in each.in_session)
    fixed = {each.paper: tuple(dict.fromkeys(p.experiment for p in each.pieces if p.fixed)) for each in found}
    if _session_of(night).present():
        fixed = {each.paper: (*fixed[each.paper], *each.in_session) for each in found}
    fixed = {paper: keys for paper, keys in fixed.items() if keys}
    night.keep(fixed=fixed, expected=expected(night.history(), night.before, night.levels))
    return found


def _work(night: _Night, pieces: Sequence[Piece]) -> None:
    for paper, own in by_paper(pieces).items():
        for outcome in measure(night.errand(paper, own)):
            match outcome:
                case Done(digest=digest):
                    night.keep(measured=(*night.file.measured, digest))
                case Failed():
                    night.fail(outcome)
                case Left():
                    night.leave(outcome)


def _session_of(night: _Night) -> Session:
    order = night.order
    return Session(order.benchmarks, night.sessions, order.options.device, order.ledger)


def _session(night: _Night, done: set[tuple[str, str, str, int]]) -> None:
    """Let the benchmarks time all that is timed in a session, unless they have done so tonight."""
    session = _session_of(night)
    if not night.sessions or any((paper, key) in night.sessions for paper, key, *_ in done):
        return
    if not session.present():
        night.leave(Left(SESSION, True, "its benchmarks are not here; they stand in a checkout of Remeasure"))
        return
    last = night.before.session if night.before else None
    if not night.order.budget.fits(last):
        night.leave(Left(SESSION, True, NO_TIME))
        return
    night.tell(SESSION)
    begun = time.monotonic()
    outcome = timed(session, night.order.budget)
    if isinstance(outcome, Failed):
        night.fail(outcome)
    else:
        digests = tuple(stored.digest for stored in outcome)
        night.keep(measured=(*night.file.measured, *digests), session=round(time.monotonic() - begun, 1))


def _confirm(night: _Night) -> None:
    """Measure once more, at once, what looks changed; what is timed in a session, with all systems beside it."""
    history = night.history()
    newest = {series.address: series.nights[-1] for series in history.series if series.nights}
    suspected = (newest[address] for address in suspects(history.series, night.levels))
    digests = [digest for one in suspected if one.started == utc(night.file.started) for digest in one.records]
    records = night.records(tuple(dict.fromkeys(digests)))
    in_session = {(r.record.paper, r.record.experiment) for r in records} & set(night.sessions)
    pieces = [_again(stored) for stored in records if (stored.record.paper, stored.record.experiment) not in in_session]
    for paper, own in by_paper(pieces).items():
        for outcome in measure(night.errand(paper, own, "-again")):
            match outcome:
                case Done(digest=digest):
                    night.keep(confirmed=(*night.file.confirmed, digest))
                case Failed():
                    night.fail(outcome)
                case Left():
                    night.leave(outcome)
    if in_session:
        _session_again(night, frozenset(in_session))


def _session_again(night: _Night, only: frozenset[tuple[str, str]]) -> None:
    if not night.order.budget.fits(night.file.session):
        night.leave(Left(f"{SESSION}, once more", True, NO_TIME))
        return
    night.tell(f"{SESSION}, once more")
    outcome = timed(_session_of(night), night.order.budget, only)
    if isinstance(outcome, Failed):
        night.fail(outcome)
    else:
        night.keep(confirmed=(*night.file.confirmed, *(stored.digest for stored in outcome)))


def _again(stored: Stored) -> Piece:
    record = stored.record
    systems = tuple(measured_systems(record.recipe, record.system).values())
    return Piece(
        record.paper, record.experiment, record.system, record.seed, AGAIN, True, record.seconds, systems
    )  # fmt: skip


def _verdicts(night: _Night) -> dict[str, dict[str, Said]]:
    """Return the verdicts of every paper that could be judged."""
    found: dict[str, dict[str, Said]] = {}
    for paper in night.order.papers:
        verdicts = judged(night.errand(paper))
        if isinstance(verdicts, Failed):
            night.fail(verdicts)
        else:
            found[paper] = verdicts
    return found


def _found(night: _Night) -> Found:
    verdicts, history = _verdicts(night), night.history()
    for damaged in history.damaged:
        night.fail(Failed(f"reading {damaged.path}", (), int(ExitCode.LEDGER), damaged.reason))
    return Found(
        file=night.file,
        before=night.before,
        history=history,
        levels=night.levels,
        verdicts=verdicts,
        made=tuple(night.records(night.file.measured)),
        confirmed=tuple(night.records(night.file.confirmed)),
        failed=tuple(night.failed),
        left=tuple(night.left),
        in_session=frozenset(night.sessions),
    )


def _unit(stored: Stored) -> tuple[str, str, str, int]:
    record = stored.record
    return record.paper, record.experiment, record.system, record.seed


def _names(piece: Piece) -> tuple[str, str, int]:
    return piece.experiment, piece.system, piece.seed


def _close_rounds(folder: Path, name: str) -> None:
    for suffix in ("", "-again"):
        State(folder).close_round(f"night-{name}{suffix}")
