"""The page of one night: what to do first, then every metric with its history. No clock, no locale, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from markupsafe import Markup

from harness.claims.document import slug
from harness.errors import ExitCode
from harness.nightly import github, wording
from harness.nightly.outcome import NightReport
from harness.regression.model import Decision, Night, Word
from harness.reports.plots.nights import nights_chart
from harness.reports.templating import environment
from harness.wording.words import Mark, metric_title

MARKS: Mapping[Word, Mark] = MappingProxyType(
    {
        Word.REGRESSION: Mark("regression", "▼", "bad", "worse than its level, and no accident"),
        Word.MISSING: Mark("missing", "✗", "bad", "expected tonight, and not measured"),
        Word.NOT_COMPARED: Mark("not compared", "✗", "bad", "measured, but nothing could be said of it"),
        Word.SUSPECT: Mark("suspect", "?", "open", "worse tonight; another night tells"),
        Word.IMPROVEMENT: Mark("improvement", "▲", "good", "better than its level, and no accident"),
        Word.NEW_SEGMENT: Mark("new segment", "○", "none", "too little to compare with, since something else changed"),
        Word.STEADY: Mark("steady", "✓", "good", "where it was"),
    }
)
TITLES: Mapping[Word, str] = MappingProxyType(
    {
        Word.REGRESSION: "Regressions",
        Word.MISSING: "Missing",
        Word.NOT_COMPARED: "Not compared",
        Word.SUSPECT: "Suspected",
        Word.IMPROVEMENT: "Improvements",
        Word.NEW_SEGMENT: "New segments",
        Word.STEADY: "Steady",
    }
)
TONES: Mapping[ExitCode, str] = MappingProxyType({ExitCode.OK: "good", ExitCode.NOTHING_MEASURED: "open"})
NAMED = (Word.REGRESSION, Word.MISSING, Word.NOT_COMPARED, Word.SUSPECT, Word.IMPROVEMENT)
"""Words whose metrics each have a chart on the page; the others have one behind a fold."""


@dataclass(frozen=True, slots=True)
class MetricView:
    """One metric on the page; texts are empty where there is nothing to say."""

    anchor: str
    id: str
    title: str
    mark: Mark
    tonight: str
    level: str
    again: str
    change: str
    chance: str
    since: str
    commits: str
    reason: str
    moved: tuple[str, ...]
    repeat: str
    accept: str
    chart: Markup


@dataclass(frozen=True, slots=True)
class Group:
    """The metrics of one word."""

    anchor: str
    title: str
    mark: Mark
    named: bool
    metrics: tuple[MetricView, ...]


def page(report: NightReport) -> str:
    """Return the night's page as HTML, which needs no other file."""
    groups = _groups(report)
    return (
        environment()
        .get_template("night.html")
        .render(
            report=report,
            tone=TONES.get(report.exit_code, "bad"),
            headline=report.headline,
            todo=Markup(github.paragraph(report)),
            day=wording.day(report.started),
            ended=wording.day(report.ended),
            previous=wording.day(report.previous) if report.previous else "",
            tally=[(group.mark, len(group.metrics), group.anchor) for group in groups],
            groups=groups,
            exit_code=int(report.exit_code),
            exit_name=report.exit_code.name.lower().replace("_", " "),
            seconds=sum(made.seconds for made in (*report.made, *report.confirmed)),
        )
    )


def _groups(report: NightReport) -> tuple[Group, ...]:
    found = ((word, report.of(word)) for word in MARKS)
    return tuple(
        Group(
            slug(TITLES[word]), TITLES[word], MARKS[word], word in NAMED, tuple(_view(report, each) for each in members)
        )
        for word, members in found
        if members
    )


def _view(report: NightReport, decision: Decision) -> MetricView:
    address = decision.address
    series = report.series.get(address.id)
    nights: Sequence[Night] = series.nights if series else ()
    newest = nights[-1] if nights else None
    again = newest.again if newest is not None and decision.tonight is not None else None
    label = f" of {address.label}" if address.label else ""
    failure = report.failure_behind(decision) if decision.word is Word.MISSING else None
    return MetricView(
        anchor=slug(address.id.replace("/", "-")),
        id=address.id,
        title=f"{address.system}: {metric_title(address.metric)}{label}",
        mark=MARKS[decision.word],
        tonight=wording.value(decision.tonight, decision.unit),
        level=wording.value(decision.level, decision.unit),
        again=wording.value(again, decision.unit),
        change=wording.change(decision),
        chance=wording.chance(decision),
        since=wording.since(decision),
        commits=wording.commits(report, decision) if decision.since else "",
        reason=decision.reason + (f" What measures it failed: {failure.what}." if failure else ""),
        moved=report.moved.get(address.id, ()),
        repeat=wording.repeat(report, decision),
        accept=wording.accept(decision, report.started),
        chart=nights_chart(nights, decision.level, decision.since) if nights else Markup(""),
    )
