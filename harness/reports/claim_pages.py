"""A page for every printed number: what the paper prints, what was found, what became of it, and how to cite it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.claims.relations import operands
from harness.ledger.record import Deviation
from harness.reports import addresses
from harness.reports.claim_history import ExperimentHistory, claim_history
from harness.reports.claim_views import ClaimView
from harness.reports.deviation_views import deviations_of
from harness.reports.history import Entry
from harness.reports.reference_views import Outside, outside
from harness.reports.relation_views import Case, Statement
from harness.reports.templating import environment
from harness.reports.values import claim_name, linked
from harness.scoring.citable import refusal_of, remedy
from harness.scoring.directions import compared
from harness.scoring.model import Results
from harness.wording.words import REFERENCES, TRANSCRIPTIONS


@dataclass(frozen=True, slots=True)
class ClaimPage:
    """What stands on a printed number's page.

    Attributes:
        address: Below the site's folder.
        id: Unique across papers: ``drn/t1/drn-c-26/top1-1crop``.
        cases: Every comparison of the prose that it takes part in, with its statement.
        deviations: Those of the runs that its measurements come from.
        elsewhere: The same number printed elsewhere.
        refusal, remedy: Why it must not be cited as verified and what would change that; empty if it may.
    """

    address: str
    id: str
    view: ClaimView
    cases: tuple[tuple[Statement, Case], ...]
    history: tuple[ExperimentHistory, ...]
    deviations: tuple[Deviation, ...]
    elsewhere: tuple[Outside, ...]
    refusal: str
    remedy: str


def claim_pages(
    results: Results,
    claims: Sequence[ClaimView],
    prose: Sequence[Statement],
    history: Mapping[str, Sequence[Entry]],
) -> Iterator[ClaimPage]:
    """Yield the pages of a paper's printed numbers, in the order of ``claims``."""
    paper = results.paper
    cases = _cases(results, prose)
    for view in claims:
        refused = refusal_of(view.row)
        yield ClaimPage(
            address=addresses.claim_page(paper.key, view.id),
            id=paper.full_id(view.id),
            view=view,
            cases=tuple(cases[view.id]),
            history=claim_history(view, history.get(view.id, ()), results.titles),
            deviations=deviations_of(results, view),
            elsewhere=tuple(outside(reference, paper) for reference in view.outside),
            refusal=refused,
            remedy=remedy(view.row, paper.key) if refused else "",
        )


def written(page: ClaimPage, results: Results, anchors: Mapping[str, str]) -> str:
    """Return a page as HTML.

    Args:
        anchors: From the id of each statement and relation to its anchor in the report.
    """
    paper = results.paper
    report = addresses.report_page(paper.key)

    def to(anchor: str) -> str:
        if anchor in paper.claims:
            return addresses.relative(page.address, addresses.claim_page(paper.key, anchor))
        return addresses.relative(page.address, report, anchor)

    def text(words: str) -> Markup:
        return linked(words, paper, anchors, to)

    view = page.view
    table = paper.tables.get(view.claim.table or "")
    return (
        environment()
        .get_template("claim.html")
        .render(
            page=page,
            v=view,
            paper=paper,
            table=table,
            titles=results.titles,
            source=paper.path.name,
            root=addresses.root_of(page.address),
            report=addresses.relative(page.address, report),
            place=addresses.relative(page.address, report, f"table-{table.id}" if table else view.id),
            data=addresses.relative(page.address, addresses.data_of(page.address)),
            row=addresses.relative(page.address, report, view.id),
            link=to,
            linked=text,
            deviation_link=lambda d: addresses.relative(
                page.address, addresses.deviations_page(paper.key), addresses.deviation_id(d)
            ),
            audit_link=lambda anchor: addresses.relative(page.address, addresses.audit_page(paper.key), anchor),
            claim_name=lambda id: claim_name(id, paper),
            transcription=TRANSCRIPTIONS[view.claim.place.transcription],
            reference_words=REFERENCES,
        )
    )


def _cases(results: Results, prose: Sequence[Statement]) -> Mapping[str, list[tuple[Statement, Case]]]:
    """Map each claim's id to the comparisons it takes part in, in the order of the prose."""
    found: defaultdict[str, list[tuple[Statement, Case]]] = defaultdict(list)
    for statement in prose:
        for case in statement.cases:
            named = (*operands(case.relation, results.paper), *compared(case.relation, results.paper))
            for id in dict.fromkeys(named):
                found[id].append((statement, case))
    return found
