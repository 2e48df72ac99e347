"""A night for GitHub: the step summary, annotations, and one issue for each alarm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from markupsafe import escape

from harness.claims.document import slug
from harness.durations import duration
from harness.errors import ExitCode
from harness.nightly import wording
from harness.nightly.outcome import NightReport
from harness.regression.model import Decision, Kind, Word
from harness.wording.words import counted

MOST_ROWS = 200
"""Rows of a table in the summary, which GitHub cuts at a MiB; the page has them all."""
MOST_ANNOTATIONS = 10
"""GitHub shows so many of a kind in a step."""
_TITLES = {
    Word.REGRESSION: "Regressions",
    Word.MISSING: "Missing",
    Word.NOT_COMPARED: "Not compared",
    Word.SUSPECT: "Suspected: worse tonight, another night tells",
    Word.IMPROVEMENT: "Improvements",
    Word.NEW_SEGMENT: "New segments: other hardware, software, recipe or data",
}


class Issue(NamedTuple):
    """An issue to open, or to bring up to date where one of this title is open.

    Attributes:
        name: Of its file.
        title: The same whenever it is about the same metric.
        body: Markdown.
    """

    name: str
    title: str
    body: str


def summary(report: NightReport) -> str:
    """Return the step summary as Markdown; its first lines say what happened and what to do."""
    return "\n".join(_summary(report)) + "\n"


def _summary(report: NightReport) -> Iterator[str]:
    yield f"## Night of {wording.day(report.started)} UTC: {report.headline}"
    yield ""
    yield f"{what_to_do(report)}"
    yield ""
    exit_code = report.exit_code
    yield f"{wording.tally(report)}. Device: {_cell(report.device)}. Exit code {int(exit_code)} ({exit_code.name})."
    for word, title in _TITLES.items():
        if found := report.of(word):
            yield from _table(f"{title} ({len(found)})", _HEAD, [_row(decision) for decision in found])
        if found and word is Word.IMPROVEMENT:
            yield from ("", "To take an improvement as the new level:", "", "```console")
            yield from (wording.accept(decision, report.started) for decision in found[:MOST_ROWS])
            yield "```"
    if report.worse:
        rows = [(each.id, each.before, each.now, each.reason) for each in report.worse]
        yield from _table("Claims whose verdict got worse", ("claim", "before", "now", "why"), rows)
    if report.failed:
        rows_failed = [(failed.what, str(failed.code), failed.text.strip()) for failed in report.failed]
        yield from _table("Failed", ("work", "code", "message"), rows_failed)
    if report.left:
        rows_left = [(left.what, "yes" if left.fixed else "no", left.reason) for left in report.left]
        yield from _table("Left for another night", ("work", "measured every night", "why"), rows_left)


def what_to_do(report: NightReport) -> str:
    """Say in a sentence or two what a person should do now."""
    match report.exit_code:
        case ExitCode.OK:
            better = report.of(Word.IMPROVEMENT)
            return f"Nothing to do.{_accept_hint(better)}"
        case ExitCode.NOTHING_MEASURED:
            return "Give the night more time, or a device that some experiment can run on."
        case ExitCode.INFRASTRUCTURE:
            return "Look at what failed below; what was measured is kept, and the next night tries again."
        case ExitCode.CLAIM_FAILED:
            return "Look at the claims below: their records say what changed."
        case _:
            first = next(alarm for alarm in report.alarms if not report.explained(alarm))
            return (
                f"Repeat the first one with `{wording.repeat(report, first)}`. If the change is meant, accept it with "
                f"`{wording.accept(first, report.started)}`; if not, look at what changed "
                f"{wording.since(first) or 'tonight'}{_range(report, first)}."
            )


def paragraph(report: NightReport) -> str:
    """Return :func:`what_to_do` as HTML."""
    parts = what_to_do(report).split("`")
    marked = (f"<code>{escape(part)}</code>" if place % 2 else str(escape(part)) for place, part in enumerate(parts))
    return "".join(marked)


def lines(report: NightReport) -> tuple[str, ...]:
    """Return a line for each thing that is wrong, and for each improvement, for a terminal."""
    return (
        *(wording.sentence(each) for each in report.alarms),
        *(f"claim {each.id}: {each.before}, now {each.now}. {each.reason}" for each in report.worse),
        *(f"failed: {each.what}: {each.message}" for each in report.failed),
        *(f"left: {each.what}: {each.reason}" for each in report.left),
        *(f"{wording.sentence(each)} {wording.accept(each, report.started)}" for each in report.of(Word.IMPROVEMENT)),
    )


def _accept_hint(better: Sequence[Decision]) -> str:
    return f" {counted(len(better), 'improvement')} can be accepted as the new level." if better else ""


def _range(report: NightReport, decision: Decision) -> str:
    found = wording.commits(report, decision)
    return f" (commits {found})" if ".." in found else f" (commit {found})" if found else ""


_HEAD = ("metric", "tonight", "level", "change (95 %)", "p", "since")


def _row(decision: Decision) -> tuple[str, ...]:
    return (
        decision.address.id,
        wording.value(decision.tonight, decision.unit) or "none",
        wording.value(decision.level, decision.unit) or "none",
        wording.change(decision) or decision.reason,
        wording.chance(decision).removeprefix("p = "),
        wording.since(decision),
    )


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield from ("", f"### {title}", "", _line(head), _line("---" for _ in head))
    yield from (_line(map(_cell, row)) for row in rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        yield from ("", f"{len(rows) - MOST_ROWS} more are on the page.")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Return text such that it stays within its cell and is nothing but text."""
    flat = " ".join(text.split())
    for character in "\\`*_[]<>|":
        flat = flat.replace(character, f"\\{character}")
    return flat


def workflow_commands(report: NightReport) -> tuple[str, ...]:
    """Return workflow commands that mark the step: errors for what is wrong, warnings for what was left."""
    errors = [
        *((f"{each.word.value}: {each.address.id}", wording.sentence(each)) for each in report.alarms),
        *((f"claim: {each.id}", f"{each.before}, now {each.now}. {each.reason}") for each in report.worse),
        *((f"failed: {each.what}", each.text) for each in report.failed),
    ]
    warnings = [(f"left: {each.what}", each.reason) for each in report.left if each.fixed]
    return (
        *(_annotation("error", *each) for each in errors[:MOST_ANNOTATIONS]),
        *(_annotation("warning", *each) for each in warnings[:MOST_ANNOTATIONS]),
    )


def _annotation(kind: str, title: str, message: str) -> str:
    return f"::{kind} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def issues(report: NightReport) -> tuple[Issue, ...]:
    """Return an issue for each alarm but those that a failure of the same night explains."""
    return tuple(_issue(report, decision) for decision in report.alarms if not report.explained(decision))


def _issue(report: NightReport, decision: Decision) -> Issue:
    address = decision.address
    body = "\n".join(_body(report, decision)) + "\n"
    return Issue(slug(address.id.replace("/", "-")), f"Nightly: {address.id}", body)


def _body(report: NightReport, decision: Decision) -> Iterator[str]:
    yield f"**{decision.word.value.capitalize()}** in the night of {wording.day(report.started)} UTC. {decision.reason}"
    yield ""
    facts = (
        ("metric", f"{decision.address.metric} of {decision.address.system} ({decision.address.experiment})"),
        ("tonight", wording.value(decision.tonight, decision.unit) or "none"),
        ("confirmed by", _again(report, decision)),
        ("level", wording.value(decision.level, decision.unit)),
        ("change (95 %)", wording.change(decision)),
        ("chance where nothing changed", wording.chance(decision)),
        ("nights behind the level", str(decision.nights) if decision.nights else ""),
        ("since", wording.since(decision)),
        ("commits", wording.commits(report, decision)),
        ("device", report.device),
        ("duration of the night", duration(sum(made.seconds for made in report.made))),
    )
    yield from (_line(("", "")), _line(("---", "---")))
    yield from (_line((name, _cell(text))) for name, text in facts if text)
    yield from ("", "Measure it once more:", "", "```console", wording.repeat(report, decision), "```")
    gone = decision.word is Word.MISSING
    meant = "If its end is meant, accept that:" if gone else "Take tonight's value as the new level, if it is meant:"
    yield from ("", meant, "", "```console")
    yield from (wording.accept(decision, report.started), "```")


def _again(report: NightReport, decision: Decision) -> str:
    """Return the value of tonight's confirmation; of accuracy, which repeats bit for bit, there is none."""
    series = report.series.get(decision.address.id)
    if series is None or decision.kind is Kind.ACCURACY or not series.nights:
        return ""
    return wording.value(series.nights[-1].again, decision.unit)
