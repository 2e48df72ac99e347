"""The machine-readable file beside each page; ``schemas/site.schema.json`` describes all of them.

Printed numbers are the paper's decimals as text, with the values that round to them; measured ones are floats, null
where they are not finite. An ``id`` never changes, a ``url`` is the address of the page below the site's folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from harness.audit.export import to_json
from harness.audit.finding import Audit
from harness.audit.review import Review
from harness.claims.model import Claim, Paper
from harness.claims.printed import Printed
from harness.ledger.record import Deviation, Record
from harness.reports import addresses
from harness.reports.claim_pages import ClaimPage
from harness.reports.claim_views import ClaimView
from harness.reports.deviation_views import DeviationView
from harness.reports.history import Entry
from harness.reports.reference_views import Outside
from harness.reports.relation_views import Case, Statement
from harness.reports.summary import Summary, Tally
from harness.reports.values import Value, finding_anchor
from harness.scoring.model import Measurement, Results, Verdict

SCHEMA = 1
Data = dict[str, Any]


def encoded(data: Mapping[str, Any]) -> bytes:
    """Return JSON in UTF-8, indented; the same data gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(data), indent=1) + b"\n"


def claim_data(page: ClaimPage, paper: Paper) -> Data:
    """Return all that a claim's page shows."""
    view, claim = page.view, page.view.claim
    table = paper.tables.get(claim.table or "")
    return {
        **_head("claim", page.id, page.address),
        "paper": paper.key,
        "system": claim.system,
        "metric": claim.metric,
        "dataset": claim.dataset,
        "protocol": claim.protocol,
        "n": claim.n,
        "better": claim.better,
        "claimed": {
            **_printed(claim.printed),
            "unit": claim.unit,
            "readings": [str(reading) for reading in claim.readings],
        },
        "place": _place(claim, table.caption if table else ""),
        "verdict": _verdict(view.row.verdict),
        "not_measured": {"needs": view.row.missing, "command": view.row.command} if view.row.missing else None,
        "citation": {
            "citable": not page.refusal,
            "refusal": page.refusal,
            "remedy": page.remedy,
            "command": "" if page.refusal else f"remeasure cite {page.id}",
        },
        "measurements": [
            *(_measurement(value, judges=True) for value in view.values),
            *(_measurement(value, judges=False) for value in view.orientation),
        ],
        "history": [_entry(entry) for group in page.history for entry in group.entries],
        "relations": [_relation(statement, case, paper) for statement, case in page.cases],
        "findings": [
            {
                "fingerprint": finding.fingerprint,
                "rule": finding.rule.id,
                "severity": finding.severity.value,
                "message": finding.message,
                "url": f"{addresses.audit_page(paper.key)}#{finding_anchor(finding)}",
            }
            for finding in view.findings
        ],
        "deviations": [_deviation(deviation, paper) for deviation in page.deviations],
        "elsewhere": [_elsewhere(outside) for outside in page.elsewhere],
    }


def paper_data(
    results: Results, summary: Summary, claims: Sequence[ClaimView], prose: Sequence[Statement], *, refused: int
) -> Data:
    """Return the outline of a paper's report: every number and comparison with its verdict, and every record."""
    paper = results.paper
    return {
        **_head("paper", paper.key, addresses.report_page(paper.key)),
        **_outline(summary),
        "versions": list(paper.versions),
        "paper_url": paper.url,
        "pages": {
            "audit": addresses.audit_page(paper.key),
            "deviations": addresses.deviations_page(paper.key),
        },
        "claims": [
            {
                "id": paper.full_id(view.id),
                "url": addresses.claim_page(paper.key, view.id),
                "printed": str(view.claim.printed),
                "unit": view.claim.unit,
                "verdict": view.row.verdict.word.value,
                "evidence": view.evidence.value if view.evidence else None,
            }
            for view in claims
        ],
        "relations": [_relation(statement, case, paper) for statement in prose for case in statement.cases],
        "measurements": [_raw(measurement) for measurement in results.measurements],
        "records": [_record(digest, record) for digest, record in sorted(results.records.items())],
        "not_used": {"stale": list(results.stale), "superseded": list(results.superseded), "refused": refused},
    }


def audit_data(audit: Audit, reviews: Sequence[Review]) -> Data:
    """Return the whole audit as ``remeasure audit --json`` writes it, and who has looked at its findings."""
    return {
        **_head("audit", f"{audit.paper}/audit", addresses.audit_page(audit.paper)),
        "audit": to_json(audit),
        "reviews": [{"fingerprint": r.fingerprint, "rule": r.rule, "date": r.date, "note": r.note} for r in reviews],
    }


def deviations_data(paper: Paper, deviations: Sequence[DeviationView]) -> Data:
    """Return every deviation with the records and numbers it touches."""
    return {
        **_head("deviations", f"{paper.key}/deviations", addresses.deviations_page(paper.key)),
        "paper": paper.key,
        "deviations": [
            {
                **_deviation(view.deviation, paper),
                "experiments": list(view.experiments),
                "records": list(view.records),
                "claims": [paper.full_id(id) for id in view.claims],
            }
            for view in deviations
        ],
    }


def index_data(summaries: Iterable[Summary], unread: Sequence[str]) -> Data:
    """Return the papers with their counts, in the order of the page."""
    papers = [
        {"id": summary.key, "url": addresses.report_page(summary.key), **_outline(summary)} for summary in summaries
    ]
    return {**_head("index", "index", addresses.INDEX), "papers": papers, "unreadable": list(unread)}


def _head(kind: str, id: str, page: str) -> Data:
    return {"schema": SCHEMA, "kind": kind, "id": id, "url": page}


def _outline(summary: Summary) -> Data:
    return {
        "title": summary.title,
        "authors": list(summary.authors),
        "venue": summary.venue,
        "headline": summary.headline,
        "claims_by_verdict": _counts(summary.claims),
        "relations_by_outcome": _counts(summary.statements),
        "findings_by_severity": _counts(summary.findings),
        "directions": [
            {"experiment": d.experiment, "evidence": d.evidence.value, "by_verdict": _counts(d.tally)}
            for d in summary.directions
        ],
        "synthetic": summary.synthetic,
        "measured_last": summary.effort.last or None,
    }


def _counts(tally: Tally) -> dict[str, int]:
    return {mark.text: number for mark, number in tally.parts}


def _printed(printed: Printed) -> Data:
    interval = printed.interval
    return {
        "printed": str(printed),
        "value": float(printed.value),
        "low": float(interval.low),
        "high": float(interval.high),
    }


def _place(claim: Claim, caption: str) -> Data:
    place = claim.place
    return {
        "table": claim.table,
        "row": claim.row,
        "column": claim.column,
        "caption": caption,
        "section": place.section,
        "quote": claim.quote,
        "source": place.source,
        "transcription": place.transcription.value,
        "line": place.line,
        "note": claim.note,
    }


def _verdict(verdict: Verdict) -> Data:
    difference = None
    if verdict.difference is not None:
        difference = {
            "value": verdict.difference,
            "low": verdict.low,
            "high": verdict.high,
            "unit": verdict.unit,
        }
    return {
        "word": verdict.word.value,
        "evidence": verdict.evidence.value if verdict.evidence else None,
        "experiment": verdict.experiment,
        "reason": verdict.reason,
        "difference": difference,
    }


def _measurement(value: Value, *, judges: bool) -> Data:
    return {
        **_raw(value.measurement),
        "text": " ".join(filter(None, (value.text, value.shown.interval))),
        "judges_the_claim": judges,
    }


def _raw(m: Measurement) -> Data:
    return {
        "experiment": m.experiment,
        "evidence": m.evidence.value,
        "system": m.system,
        "metric": m.metric,
        "label": m.label,
        "unit": m.unit,
        "estimate": m.estimate,
        "low": m.low,
        "high": m.high,
        "data": m.data,
        "n": m.n,
        "seeds": list(m.seeds),
        "per_seed": list(m.per_seed),
        "records": list(m.records),
    }


def _entry(entry: Entry) -> Data:
    return {**_record(entry.digest, entry.record), "standing": entry.standing.value, "value": entry.value}


def _record(digest: str, record: Record) -> Data:
    return {
        "record": digest,
        "experiment": record.experiment,
        "evidence": record.evidence.value,
        "system": record.system,
        "seed": record.seed,
        "started": record.started,
        "device": record.environment.device,
        "code": record.code.digest,
        "commit": record.code.commit,
        "dirty": record.code.dirty,
    }


def _relation(statement: Statement, case: Case, paper: Paper) -> Data:
    relation = case.relation
    return {
        "id": paper.full_id(relation.id),
        "url": f"{addresses.report_page(paper.key)}#{case.anchor}",
        "quote": statement.quote,
        "expression": f"{relation.left} {relation.op} {relation.right}".strip(),
        "outcome": case.row.arithmetic.outcome.value,
        "measured": [_verdict(found.verdict) for found in case.measured],
    }


def _deviation(deviation: Deviation, paper: Paper) -> Data:
    id = addresses.deviation_id(deviation)
    fields: Data = msgspec.to_builtins(deviation)
    return {"id": id, "url": f"{addresses.deviations_page(paper.key)}#{id}", **fields}


def _elsewhere(outside: Outside) -> Data:
    reference = outside.reference
    return {
        "id": reference.id,
        **_printed(reference.printed),
        "unit": reference.unit,
        "kind": reference.kind.value,
        "agrees": None if outside.mark is None else outside.mark.tone == "none",
        "source": reference.source,
        "note": reference.note,
    }
