"""Every Eval Ever, schema 0.2.1: JSON logs of evaluations, one per system and source of its scores.

What the paper prints is a log of ``documentation``, without uncertainty: the rounding of a print is no confidence
interval. What was measured and may be cited is a log of an ``evaluation_run``. The format asks for a time of creation;
to make the same bytes from the same ledger, that is the start of the newest record in use.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from harness.claims.model import Claim, Paper
from harness.exports.hub import HUB, data_set
from harness.exports.scores import Score, folders, metric_title, place, portable, scores
from harness.exports.spelling import json_bytes
from harness.scoring.model import Results
from harness.scoring.provenance import versions

SCHEMA = "0.2.1"


def evaluation_logs(results: Results, state: datetime, *, hub: Mapping[str, str] = HUB) -> dict[str, bytes]:
    """Return the logs by their paths ``paper/system/<uuid>.json``.

    Args:
        state: Of which moment the ledger is exported.
        hub: Repositories of data sets, by the name that claims use.
    """
    found = scores(results)
    names = folders(found)
    files = {}
    for system, own in found.items():
        folder = f"{results.paper.key}/{names[system]}"
        for source, members in _by_source(own).items():
            identity = f"{source}/{folder}/{int(state.timestamp())}"
            content = _log(results.paper, identity, members, state, hub)
            path = f"{folder}/{uuid.uuid5(uuid.NAMESPACE_URL, f'remeasure:{identity}')}.json"
            files[path] = json_bytes(content)
    return files


def _by_source(own: Sequence[Score]) -> dict[str, list[Score]]:
    found: dict[str, list[Score]] = {}
    for score in own:
        found.setdefault("printed" if score.measured is None else "measured", []).append(score)
    return found


def _log(
    paper: Paper, identity: str, members: Sequence[Score], state: datetime, hub: Mapping[str, str]
) -> dict[str, Any]:
    measured = members[0].measured is not None
    dates = {"evaluation_timestamp": max(score.date for score in members)} if measured else {}
    return {
        "schema_version": SCHEMA,
        "evaluation_id": identity,
        **dates,
        "retrieved_timestamp": str(int(state.timestamp())),
        "source_metadata": _ours(paper) if measured else _theirs(paper),
        "eval_library": _library(members),
        "model_info": {
            "name": members[0].claim.system,
            "id": "/".join(identity.split("/")[1:3]),
            "additional_details": {"paper": paper.title, "paper_url": paper.url, "authors": ", ".join(paper.authors)},
        },
        "evaluation_results": [_result(score, hub) for score in members],
    }


def _library(members: Sequence[Score]) -> dict[str, str]:
    """Name what the records say they were made with; a paper's own software is not known."""
    records = [record for score in members for record in score.records]
    return {"name": "remeasure" if records else "unknown", "version": ", ".join(versions(records)) or "unknown"}


def _theirs(paper: Paper) -> dict[str, Any]:
    return {
        "source_name": paper.title,
        "source_type": "documentation",
        "source_organization_name": f"authors of “{paper.title}” ({', '.join(paper.authors)})",
        **({"source_organization_url": paper.url} if paper.url else {}),
        "evaluator_relationship": "other",
        "additional_details": {
            "status": "claimed in the paper",
            "evaluator_relationship": "the paper's authors; the table may quote systems of others",
            "versions": ", ".join(paper.versions),
            "venue": f"{paper.venue} {paper.year}",
        },
    }


def _ours(paper: Paper) -> dict[str, Any]:
    return {
        "source_name": f"Remeasure of “{paper.title}”",
        "source_type": "evaluation_run",
        "source_organization_name": "Remeasure",
        "evaluator_relationship": "third_party",
    }


def _result(score: Score, hub: Mapping[str, str]) -> dict[str, Any]:
    claim = score.claim
    return {
        "evaluation_name": f"{claim.dataset} {metric_title(claim)}",
        "source_data": _source_data(claim, hub),
        **({"evaluation_timestamp": score.date} if score.measured else {}),
        "metric_config": {
            "evaluation_description": f"{metric_title(claim)}, in {claim.unit}",
            "lower_is_better": claim.better == "lower",
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": 1.0 if claim.unit == "fraction" else 100.0,
        },
        "score_details": {
            "score": score.value,
            "details": _printed(claim) | _measured(score),
            **_uncertainty(score),
        },
    }


def _source_data(claim: Claim, hub: Mapping[str, str]) -> dict[str, Any]:
    where = data_set(claim.dataset or "", hub)
    images = {} if claim.n is None else {"samples_number": claim.n}
    if where.repository is None:
        counted = {"additional_details": {"images": str(claim.n)}} if images else {}
        return {"dataset_name": claim.dataset, "source_type": "other", **counted}
    split = {"hf_split": where.split} if where.split else {}
    return {"dataset_name": where.key, "source_type": "hf_dataset", "hf_repo": where.repository, **split, **images}


def _printed(claim: Claim) -> dict[str, str]:
    interval = claim.printed.interval
    return {
        "claim": claim.id,
        "place": place(claim),
        "printed": claim.printed.text,
        "printed_stands_for": f"[{float(interval.low)}, {float(interval.high)}]",
        "unit": claim.unit,
        "transcription": claim.place.transcription.value,
    }


def _measured(score: Score) -> dict[str, str]:
    if score.measured is None:
        return {"status": "claimed in the paper"}
    return {
        "status": "measured by Remeasure",
        "evidence": score.measured.evidence.value,
        "verdict": score.row.verdict.word.value,
        "reason": score.row.verdict.reason,
        "experiment": score.measured.experiment,
        "seeds": ", ".join(map(str, score.measured.seeds)),
        "records": ", ".join(score.measured.records),
        "deviations": "; ".join(score.deviations),
    }


def _uncertainty(score: Score) -> dict[str, Any]:
    if score.measured is None:
        return {}
    interval = {
        "lower": portable(score.measured.low),
        "upper": portable(score.measured.high),
        "confidence_level": 0.95,
        "method": "over seeds and images" if len(score.measured.seeds) > 1 else "over images",
    }
    return {"uncertainty": {"confidence_interval": interval, "num_samples": score.measured.n}}
