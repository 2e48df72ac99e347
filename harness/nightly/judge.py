"""From a night's records to what is said of it: the metrics by the rule, the claims by their verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.ledger.store import Stored
from harness.nightly.kept import NightFile
from harness.nightly.order import Order
from harness.nightly.outcome import Made, NightReport, Timed
from harness.nightly.verdicts import Said, Worse, against, carried, got_worse
from harness.nightly.work import Failed, Left
from harness.regression.history import History
from harness.regression.manifests import utc
from harness.regression.model import Decision, Level, Series, Word
from harness.regression.rule import decide, ended
from harness.runner.identity import code_of
from harness.runner.state import now_utc

TIMES = ("time", "rate")


@dataclass(frozen=True)
class Found:
    """What a night has found out, before anything is said of it.

    Attributes:
        verdicts: By paper; a paper that could not be judged is not among them, and its claims keep their words.
        made, confirmed: The records of both passes.
    """

    file: NightFile
    before: NightFile | None
    history: History
    levels: tuple[Level, ...]
    verdicts: Mapping[str, Mapping[str, Said]]
    made: tuple[Stored, ...]
    confirmed: tuple[Stored, ...]
    failed: tuple[Failed, ...]
    left: tuple[Left, ...]
    in_session: frozenset[tuple[str, str]]


class Claims(NamedTuple):
    """The word on each claim as the next night meets it, the ids of those that have none now, and what got worse."""

    words: dict[str, str]
    lost: tuple[str, ...]
    worse: tuple[Worse, ...]


def expected(history: History, before: NightFile | None, levels: Sequence[Level]) -> tuple[str, ...]:
    """Return the ids of the metrics that tonight is to measure: those of the fixed set of the night before.

    One that was missing then is missed until it is measured, or until somebody accepts that it is gone.
    """
    if before is None:
        return ()
    started = utc(before.started)
    fixed = {(paper, key) for paper, keys in before.fixed.items() for key in keys}
    there = (s.address for s in history.series if any(night.started == started for night in s.nights))
    found = {address.id for address in there if (address.paper, address.experiment) in fixed}
    nights = {series.address.id: series.nights for series in history.series}
    gone = {name for name in before.expected if ended(name, nights.get(name, ()), levels)}
    return tuple(sorted((found | set(before.expected)) - gone))


def claims(found: Found) -> Claims:
    """Compare the claims' verdicts with those of the night before."""
    now = {name: verdict for own in found.verdicts.values() for name, verdict in own.items()}
    known, lost = (found.before.verdicts, found.before.lost) if found.before else ({}, ())
    compared = {name: word for name, word in known.items() if name.partition("/")[0] in found.verdicts}
    aside = {name: word for name, word in known.items() if name not in compared}
    words, lost_now = carried(compared, now)
    still_lost = set(lost) & set(aside)
    return Claims({**aside, **words}, tuple(sorted({*lost_now, *still_lost})), got_worse(compared, lost, now))


def judge(found: Found, worse: tuple[Worse, ...], order: Order) -> NightReport:
    """Let the rule speak on the metrics, and put together all that is said of the night."""
    file, history = found.file, found.history
    decisions = _of_tonight(decide(history.series, found.levels, utc(file.started)), history, file)
    code = code_of(("harness.nightly",))
    verdicts = (verdict for own in found.verdicts.values() for verdict in own.items())
    return NightReport(
        started=file.started,
        ended=now_utc(),
        device=file.device,
        commit=code.commit or "",
        dirty=code.dirty,
        command=order.command,
        made=_made(found.made),
        confirmed=_made(found.confirmed),
        failed=found.failed,
        left=found.left,
        decisions=decisions,
        series={series.address.id: series for series in history.series},
        worse=worse,
        against=against(dict(verdicts)),
        timings=tuple(_timings(history, found.made, utc(file.started))),
        previous=found.before.started if found.before else "",
        records=history.records,
        in_session=found.in_session,
        folders=order.folders,
        moved=dict(_moved(history, decisions)),
    )


def _of_tonight(decisions: Sequence[Decision], history: History, file: NightFile) -> tuple[Decision, ...]:
    """Leave out what was not to be measured tonight, but for regressions on this device that nobody settled."""
    series = {one.address: one for one in history.series}
    kept = []
    for decision in decisions:
        one = series[decision.address]
        newest = one.nights[-1] if one.nights else None
        measured = newest is not None and newest.started == utc(file.started)
        stands = (
            decision.word is Word.REGRESSION
            and newest is not None
            and history.conditions[newest.segment].get("device", file.device) == file.device
        )
        if one.expected or measured or stands:
            kept.append(decision)
    return tuple(kept)


def _made(stored: Sequence[Stored]) -> tuple[Made, ...]:
    return tuple(
        Made(f"{r.paper}/{r.experiment}: {r.system}, seed {r.seed}", r.seconds, each.digest)
        for each in stored
        for r in (each.record,)
    )


def _timings(history: History, stored: Sequence[Stored], tonight: str) -> Iterator[Timed]:
    """Yield tonight's times, one for each series that rests on timed repeats."""
    by_digest = {each.digest: each for each in stored if "seconds" in each.record.arrays}
    for series in history.series:
        if series.address.metric not in TIMES or not series.nights or series.nights[-1].started != tonight:
            continue
        for digest in series.nights[-1].records:
            if digest in by_digest:
                yield _timed(series, by_digest[digest])


def _timed(series: Series, stored: Stored) -> Timed:
    record = stored.record
    machine = record.environment
    described: dict[str, str | int] = {
        "node": machine.device,
        "processor": machine.processor,
        "system": machine.platform,
        "python_version": machine.python,
        "cores": machine.cores,
        "threads": machine.threads,
        **{f"package {name}": version for name, version in machine.packages.items()},
    }
    seconds = tuple(float(value) for value in stored.array("seconds"))
    batch = int(record.recipe["batch"])
    return Timed(series.address.id, record.paper, record.experiment, seconds, batch, described, stored.digest)


def _moved(history: History, decisions: Sequence[Decision]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what changed between the conditions of tonight and of the last night of another segment."""
    series = {one.address.id: one for one in history.series}
    for decision in decisions:
        nights = series[decision.address.id].nights if decision.address.id in series else ()
        if decision.word is not Word.NEW_SEGMENT or not nights:
            continue
        other = next((night for night in reversed(nights) if night.segment != nights[-1].segment), None)
        if other is not None:
            yield decision.address.id, history.changed(other, nights[-1])
