"""An explanation as data for a machine: nothing but what ``json.dumps`` writes; scores in percent."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.ledger.store import Stored
from harness.scoring.explained import Explanation, Gap, Number
from harness.statistics.evidence import Evidence
from harness.wording.words import NOT_CITABLE

VERSION = 1


def to_json(stored: Stored, system: str, explanation: Explanation) -> dict[str, Any]:
    """Return an explanation with the record it is of."""
    record = stored.record
    return {
        "version": VERSION,
        "record": stored.digest,
        "paper": record.paper,
        "experiment": record.experiment,
        "system": system,
        "seed": record.seed,
        "evidence": record.evidence.value,
        "warning": NOT_CITABLE if record.evidence is Evidence.SYNTHETIC else None,
        "complete": record.complete,
        "metric": explanation.metric,
        "unit": "%",
        "images": explanation.images,
        "conventions": [
            {**asdict(row), "score": _number(row.score), "change": _number(row.change)} for row in explanation.rows
        ],
        "not_tried": [asdict(item) for item in explanation.untried],
        "gap": _gap(explanation.gap) if explanation.gap else None,
        "other_claims": list(explanation.others),
    }


def _gap(gap: Gap) -> dict[str, Any]:
    fall = gap.waterfall
    return {
        "claim": gap.claim.id,
        "printed": str(gap.claim.printed),
        "printed_unit": gap.claim.unit,
        "rounds_to_print": [float(fall.target.low), float(fall.target.high)],
        "ours": _number(gap.start),
        "gap": float(fall.gap),
        "steps": [
            {
                "axis": step.axis.key,
                "option": step.option.key,
                "tried": step.tried,
                "score": _number(stage.score),
                "change": _number(stage.change),
            }
            for step, stage in zip(fall.steps, gap.stages, strict=True)
        ],
        "rest": float(fall.rest),
        "unexplained": fall.unexplained,
        "combinations": {
            **asdict(gap.nearest.survey),
            "nearest": [list(change) for change in gap.nearest.changes],
        }
        if gap.nearest
        else None,
    }


def _number(number: Number) -> dict[str, Any]:
    return {"value": number.value, "interval": list(number.interval) if number.interval else None}
