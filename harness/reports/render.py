"""One self-contained page per paper, and the page that lists the papers.

The same results give the same bytes: nothing here reads a clock, a locale or the surroundings.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.audit.finding import Severity
from harness.audit.review import compare, read_reviews
from harness.ledger.record import Code, Record
from harness.ledger.record import Environment as Machine
from harness.reports import addresses
from harness.reports.claim_views import ClaimView, grids
from harness.reports.effort_views import efforts, together
from harness.reports.explain_views import gap_views, shift_views
from harness.reports.measured_views import experiments, forests
from harness.reports.panel_views import ArraysOf, ImagesOf, panel_views
from harness.reports.plots.panels import heat_gradient
from harness.reports.reference_views import source_tables
from harness.reports.relation_views import Statement, relation_anchors
from harness.reports.summary import Overview, Summary, overview
from harness.reports.sweep_views import sweep_views
from harness.reports.templating import environment
from harness.reports.values import Value, claim_name, linked, system_order
from harness.scoring.model import Results
from harness.statistics.evidence import Word
from harness.wording import words
from harness.wording.numbers import fixed

MOST_FINDINGS = 5
CONTENTS = (
    ("summary", "In short"),
    ("claims", "Claimed and measured"),
    ("relations", "What the prose says"),
    ("differences", "Measured differences"),
    ("measured", "Measured here"),
    ("thresholds", "Localisation by threshold"),
    ("conventions", "Why do we differ?"),
    ("pictures", "Same images, each system"),
    ("audit", "Findings of the audit"),
    ("missing", "Not measured"),
    ("deviations", "Deviations"),
    ("references", "Printed elsewhere"),
    ("facts", "Settings"),
    ("provenance", "Records and digests"),
)

HOLDINGS = (
    ("differs", "a number that fails"),
    ("inconsistent", "a comparison that does not follow"),
    ("contradicts", "a contradicted direction"),
    ("error", "an error in the audit"),
    ("measured", "measurements"),
)
"""What the list of papers can be filtered by, in words."""


@dataclass(frozen=True, slots=True)
class Need:
    """Claims and directions that wait for the same thing, each with its anchor."""

    anchor: str
    reason: str
    command: str
    claims: tuple[tuple[str, str], ...]
    directions: tuple[tuple[str, str], ...]

    @property
    def size(self) -> int:
        return len(self.claims) + len(self.directions)


def index(summaries: Sequence[Summary], unread: Sequence[str] = ()) -> str:
    """Return the page that lists the papers as HTML."""
    return (
        environment()
        .get_template("index.html")
        .render(
            summaries=summaries,
            together=together([summary.effort for summary in summaries]),
            unread=unread,
            holdings=HOLDINGS,
            has=_has,
        )
    )


def page(results: Results, arrays: ArraysOf, images: ImagesOf | None = None, seen: Overview | None = None) -> str:
    """Return the report of one paper as HTML, with the reviews that stand beside its claims file.

    Args:
        seen: The overview of the results, where it is at hand.

    Raises:
        ClaimsError: The reviews cannot be read.
    """
    paper, address = results.paper, addresses.report_page(results.paper.key)
    seen = seen or overview(results)
    claims, prose = seen.claims, seen.prose
    panels, sweeps = panel_views(results, arrays, images), sweep_views(results, arrays)
    anchors = relation_anchors(prose)
    gaps, shifts = gap_views(results, arrays), shift_views(results, arrays)
    needs = _needs(claims, prose)
    reviews = read_reviews(results.audit.path)
    return (
        environment()
        .get_template("report.html")
        .render(
            paper=paper,
            audit=results.audit,
            reviews={review.fingerprint: review for review in reviews},
            vanished=compare(results.audit, reviews).vanished,
            titles=results.titles,
            summary=seen.summary,
            serious=[f for f in results.audit.findings if f.severity is not Severity.NOTE][:MOST_FINDINGS],
            private=images is not None,
            source=paper.path.name,
            contents=_contents(
                {"pictures": bool(panels), "thresholds": bool(sweeps), "conventions": bool(gaps or shifts)}
            ),
            claims=claims,
            grids=grids(paper, {view.id: view for view in claims}),
            places=list(dict.fromkeys(view.place for view in claims)),
            evidence_kinds=_in_order(kind for view in claims for kind in view.kinds.split()),
            statements=prose,
            measured_words=_measured_words(prose),
            measured=bool(results.measurements),
            forests=forests(claims, prose),
            experiments=experiments(results),
            panels=panels,
            sweeps=sweeps,
            gaps=gaps,
            shifts=shifts,
            claim_name=lambda id: claim_name(id, paper),
            claim_link=lambda id: addresses.relative(address, addresses.claim_page(paper.key, id)),
            linked=lambda text: linked(text, paper, anchors),
            relation_anchor=lambda id: anchors.get(id, "relations"),
            missing=needs,
            waiting=[need for need in needs if need.command],
            needed={anchor: need.anchor for need in needs for _, anchor in (*need.claims, *need.directions)},
            absent=paper.absent,
            deviations=results.deviations,
            sources=source_tables(paper),
            **_provenance(results, claims),
            conclusions=_conclusions,
            seed_values=_seed_values,
            gradient=heat_gradient(),
        )
    )


def _has(summary: Summary) -> str:
    """Return which of the holdings a paper has, for the filter."""
    held = {
        "differs": summary.claims.count("bad"),
        "inconsistent": summary.statements.count("bad"),
        "contradicts": sum(found.tally.count("bad") for found in summary.directions),
        "error": summary.findings.of(words.SEVERITIES[Severity.ERROR]),
        "measured": summary.effort.records,
    }
    return " ".join(word for word, number in held.items() if number)


def _contents(shown: Mapping[str, bool]) -> list[tuple[str, str]]:
    """Return anchor and title of each section but those that are not shown."""
    return [entry for entry in CONTENTS if shown.get(entry[0], True)]


def _in_order(values: Any) -> list[str]:
    return list(dict.fromkeys(values))


def _measured_words(prose: Sequence[Statement]) -> list[str]:
    found = [m.mark.text for statement in prose for case in statement.cases for m in case.measured]
    return [*dict.fromkeys(found), words.VERDICTS[Word.NOT_MEASURED].text]


def _conclusions(statement: Statement) -> list[str]:
    return _in_order(case.relation.conclusion for case in statement.cases if case.relation.conclusion)


def _seed_values(value: Value) -> str:
    """Write the estimate of each seed with the decimals of the whole."""
    m = value.measurement
    decimals = len(value.shown.estimate.partition(".")[2])
    return ", ".join(f"{seed}: {fixed(number, decimals)}" for seed, number in zip(m.seeds, m.per_seed, strict=True))


def _needs(claims: Sequence[ClaimView], prose: Sequence[Statement]) -> tuple[Need, ...]:
    """Group what has no verdict by what it waits for; first what a command would measure."""
    waiting: dict[tuple[str, str], tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {}
    for view in claims:
        if view.row.verdict.word is Word.NOT_MEASURED:
            lists = waiting.setdefault((view.row.missing, view.row.command), ([], []))
            lists[0].append((f"{view.subject}, {view.quantity}", view.id))
    for statement in prose:
        for case in statement.cases:
            if case.direction and not case.measured:
                lists = waiting.setdefault((case.row.missing, case.row.command), ([], []))
                lists[1].append((case.direction, case.anchor))
    ordered = sorted(waiting.items(), key=lambda item: (not item[0][1], [-len(own) for own in item[1]]))
    return tuple(
        Need(f"need-{place}", *key, tuple(own), tuple(directions))
        for place, (key, (own, directions)) in enumerate(ordered, start=1)
    )


def _provenance(results: Results, claims: Sequence[ClaimView]) -> dict[str, Any]:
    """Return what the section on records, environment and digests shows."""
    return {
        "efforts": efforts(results),
        "records": _records(results),
        "machines": _machines(results),
        "codes": _codes(results),
        "recipes": _recipes(results),
        "refused": [("/".join(Path(r.path).parts[-3:]), r.reason) for r in results.refused],
        "stale": results.stale,
        "superseded": len(results.superseded),
        "transcriptions": _transcriptions(claims),
    }


def _records(results: Results) -> list[tuple[str, Record]]:
    rank = {
        name: place
        for place, name in enumerate(system_order((r.system for r in results.records.values()), results.paper))
    }
    return sorted(
        results.records.items(), key=lambda pair: (pair[1].experiment, pair[1].seed, rank[pair[1].system], pair[0])
    )


def _machines(results: Results) -> list[tuple[Machine, int]]:
    """Return every different machine with how many records it made."""
    found: dict[str, list[Machine]] = {}
    for _, record in _records(results):
        found.setdefault(repr(record.environment), []).append(record.environment)
    return [(same[0], len(same)) for same in found.values()]


def _codes(results: Results) -> list[Code]:
    return list(dict.fromkeys(record.code for _, record in _records(results)))


def _recipes(results: Results) -> list[tuple[str, str]]:
    """Return every experiment's settings as text, each different one once."""
    found: dict[tuple[str, str], None] = {}
    for _, record in _records(results):
        found[record.experiment, json.dumps(record.recipe, indent=1, sort_keys=True, ensure_ascii=False)] = None
    return list(found)


def _transcriptions(claims: Sequence[ClaimView]) -> list[tuple[str, int]]:
    counts = Counter(view.claim.place.transcription for view in claims)
    return [(text, counts[kind]) for kind, text in words.TRANSCRIPTIONS.items() if counts[kind]]
