"""The history of a printed number as a reader sees it: a drawing and a table for each experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from harness.reports.claim_views import ClaimView
from harness.reports.history import Entry, Standing
from harness.reports.plots.timeline import Point, timeline
from harness.reports.plots.tracks import scale_over
from harness.scoring.citable import judges
from harness.statistics.evidence import Evidence
from harness.wording.numbers import exact, fixed
from harness.wording.words import WEAK

USUAL_DECIMALS = 2
MOST_LINES = 60
"""Records of one experiment in a table; the drawing and the data file hold all of them."""


@dataclass(frozen=True, slots=True)
class Line:
    """A record with its number as text."""

    entry: Entry
    text: str


@dataclass(frozen=True, slots=True)
class ExperimentHistory:
    """The records of one experiment, the oldest first.

    Attributes:
        entries: All of them.
        lines: The newest, as the table shows them.
        drawing: None where there is one record.
        banded: Whether the drawing shows the print: where the records bear on it.
    """

    key: str
    title: str
    evidence: Evidence
    entries: tuple[Entry, ...]
    lines: tuple[Line, ...]
    drawing: Markup | None
    banded: bool

    @property
    def synthetic(self) -> bool:
        return self.evidence is Evidence.SYNTHETIC


def claim_history(
    view: ClaimView, entries: Sequence[Entry], titles: Mapping[str, str]
) -> tuple[ExperimentHistory, ...]:
    """Return the history of a claim, experiment by experiment in the order of its entries."""
    return tuple(
        _history(view, key, titles[key], list(own)) for key, own in groupby(entries, lambda e: e.record.experiment)
    )


def _history(view: ClaimView, key: str, title: str, entries: Sequence[Entry]) -> ExperimentHistory:
    evidence = entries[-1].record.evidence
    decimals = None if evidence is Evidence.EXACT else _decimals(view, key)
    newest = entries[-MOST_LINES:]
    lines = tuple(Line(e, exact(e.value) if decimals is None else fixed(e.value, decimals)) for e in newest)
    data = entries[-1].record.data
    bears = evidence not in WEAK and judges(evidence, data.name if data is not None else "", view.claim)
    drawing = _drawn(view, entries, bears=bears) if len(entries) > 1 else None
    return ExperimentHistory(key, title, evidence, tuple(entries), lines, drawing, bears and drawing is not None)


def _decimals(view: ClaimView, key: str) -> int:
    """Return the decimals of the measurement that counts, which its interval deserves."""
    shown = (v.shown.estimate for v in (*view.values, *view.orientation) if v.measurement.experiment == key)
    return next((len(text.partition(".")[2]) for text in shown), USUAL_DECIMALS)


def _drawn(view: ClaimView, entries: Sequence[Entry], *, bears: bool) -> Markup:
    points = [Point(e.record.started, e.value, e.standing is Standing.IN_USE) for e in entries]
    interval = view.claim.printed.interval
    printed = (float(interval.low), float(interval.high)) if bears else None
    scale = scale_over([point.value for point in points], include=printed or ())
    return timeline(points, scale, printed)
