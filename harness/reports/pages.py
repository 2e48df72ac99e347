"""All pages of the site: from results to paths and bytes. Nothing here reads a clock or writes a file.

``reports/`` is a static site that any server can serve as it is: links are relative, nothing is asked of the network,
and beside each page stands the same as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.audit.review import compare, read_reviews
from harness.reports import addresses
from harness.reports.claim_pages import claim_pages, written
from harness.reports.deviation_views import DeviationView, deviation_views
from harness.reports.history import Entry
from harness.reports.panel_views import ArraysOf, ImagesOf
from harness.reports.relation_views import Statement, relation_anchors
from harness.reports.render import index, page
from harness.reports.site_data import audit_data, claim_data, deviations_data, encoded, index_data, paper_data
from harness.reports.summary import Overview, Summary, overview
from harness.reports.templating import asset, environment
from harness.reports.values import claim_name, linked
from harness.scoring.model import Results

SCHEMA_FILE = "site.schema.json"
SCHEMA = Path(__file__).parent / "schemas" / SCHEMA_FILE
Pages = dict[str, bytes]
"""Content by path below the site's folder."""


def paper_pages(
    results: Results,
    arrays: ArraysOf,
    history: Mapping[str, Sequence[Entry]],
    images: ImagesOf | None = None,
    seen: Overview | None = None,
) -> Pages:
    """Return every page of a paper and the JSON beside it: the report, its claims, its audit, its deviations.

    Args:
        arrays: From a record's digest to its arrays.
        history: By claim (:func:`harness.reports.history.histories`).
        images: Gives the photographs of a private report.
        seen: The overview of the results, where it is at hand.

    Raises:
        ClaimsError: The reviews beside the claims file cannot be read.
        LedgerError: A record's arrays are damaged.
    """
    paper = results.paper
    seen = seen or overview(results)
    claims, prose, summary = seen.claims, seen.prose, seen.summary
    anchors = relation_anchors(prose)
    report = addresses.report_page(paper.key)
    pages = _both(
        report,
        page(results, arrays, images, seen),
        encoded(paper_data(results, summary, claims, prose, refused=len(results.refused))),
    )
    for claim in claim_pages(results, claims, prose, history):
        pages |= _both(claim.address, written(claim, results, anchors), encoded(claim_data(claim, paper)))
    deviations = deviation_views(results, claims)
    pages |= _both(
        addresses.deviations_page(paper.key),
        _deviations(results, deviations),
        encoded(deviations_data(paper, deviations)),
    )
    return pages | _audit(results, prose, summary, anchors)


def index_pages(summaries: Sequence[Summary], unread: Sequence[str] = ()) -> Pages:
    """Return the page that lists the papers, in the order given, and what all pages share.

    Args:
        unread: Keys of papers that cannot be listed.
    """
    return {
        **_both(addresses.INDEX, index(summaries, unread), encoded(index_data(summaries, unread))),
        "style.css": asset("style.css").encode(),
        "script.js": asset("script.js").encode(),
        SCHEMA_FILE: SCHEMA.read_bytes(),
        ".nojekyll": b"",
    }


def _both(address: str, text: str, data: bytes) -> Pages:
    return {address: text.encode(), addresses.data_of(address): data}


def _audit(results: Results, prose: Sequence[Statement], summary: Summary, anchors: Mapping[str, str]) -> Pages:
    paper, address = results.paper, addresses.audit_page(results.paper.key)
    reviews = read_reviews(results.audit.path)

    def to(anchor: str) -> str:
        target = addresses.claim_page(paper.key, anchor) if anchor in paper.claims else ""
        return addresses.relative(address, target) if target else addresses.relative(address, address, anchor)

    text = (
        environment()
        .get_template("audit_page.html")
        .render(
            paper=paper,
            audit=results.audit,
            statements=prose,
            tally=summary.statements,
            reviews={review.fingerprint: review for review in reviews},
            vanished=compare(results.audit, reviews).vanished,
            source=paper.path.name,
            root=addresses.root_of(address),
            data=addresses.relative(address, addresses.data_of(address)),
            link=to,
            linked=lambda words: linked(words, paper, anchors, to),
            relation_anchor=lambda id: anchors.get(id, "verdicts"),
            report_link=lambda anchor: addresses.relative(address, addresses.report_page(paper.key), anchor),
            claim_name=lambda id: claim_name(id, paper),
        )
    )
    return _both(address, text, encoded(audit_data(results.audit, reviews)))


def _deviations(results: Results, deviations: Sequence[DeviationView]) -> str:
    paper, address = results.paper, addresses.deviations_page(results.paper.key)
    return (
        environment()
        .get_template("deviations_page.html")
        .render(
            paper=paper,
            deviations=deviations,
            titles=results.titles,
            root=addresses.root_of(address),
            data=addresses.relative(address, addresses.data_of(address)),
            link=lambda id: addresses.relative(address, addresses.claim_page(paper.key, id)),
            claim_name=lambda id: claim_name(id, paper),
        )
    )
