"""Logs of Every Eval Ever, held against the schema that its package carries."""

from __future__ import annotations

import copy
import json
import uuid
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from export_samples import RESIZED, recorded, sample, strict_json
from jsonschema import Draft7Validator
from ledger_samples import ENVIRONMENT
from msgspec.structs import replace

from harness.claims.papers import packages
from harness.exports.every_eval_ever import evaluation_logs
from harness.statistics.evidence import Evidence

STATE = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
LATER = ("evaluation_result_id", "metric_id", "metric_name", "metric_kind", "metric_unit", "metric_parameters")
"""What the schema had not yet in version 0.2.1."""


def closed(schema: Any) -> Any:
    """Return a schema that takes no property it does not list, nor one that came after version 0.2.1."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    conditions = {name: schema[name] for name in ("if", "then", "else") if name in schema}
    result = {name: closed(value) for name, value in schema.items() if name not in conditions} | conditions
    if isinstance(schema.get("properties"), dict):
        result["properties"] = {name: one for name, one in result["properties"].items() if name not in LATER}
        result.setdefault("additionalProperties", False)
    return result


@pytest.fixture(scope="module")
def validator(tools: Callable[[str], Path]) -> Draft7Validator:
    with zipfile.ZipFile(tools("wheels/every_eval_ever-*.whl")) as wheel:
        schema = strict_json(wheel.read("every_eval_ever/schemas/eval.schema.json"))
    Draft7Validator.check_schema(schema)
    return Draft7Validator(closed(schema))


def problems(validator: Draft7Validator, log: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(log)]


@pytest.mark.parametrize("key", sorted(packages()))
def test_every_log_of_a_paper_fits_the_schema(key: str, validator: Draft7Validator) -> None:
    files = evaluation_logs(recorded(key), STATE)
    assert files
    for name, content in files.items():
        assert problems(validator, strict_json(content)) == [], name


def test_measured_and_printed_numbers_are_logs_of_their_own(tmp_path: Path, validator: Draft7Validator) -> None:
    results, _ = sample(tmp_path)
    logs = [strict_json(content) for content in evaluation_logs(results, STATE).values()]
    for log in logs:
        assert problems(validator, log) == []
        assert log["schema_version"] == "0.2.1"
    kinds = sorted((log["model_info"]["name"], log["source_metadata"]["source_type"]) for log in logs)
    assert kinds == [
        ("Degridded", "documentation"),
        ("Dilated", "documentation"),
        ("Dilated", "evaluation_run"),
        ("Plain", "documentation"),
        ("Plain", "evaluation_run"),
    ]
    (own,) = [log for log in logs if log["evaluation_id"].startswith("measured/mini/plain/")]
    (result,) = own["evaluation_results"]
    (row,) = [row for row in results.claims if row.claim.id == "t1/plain/top1"]
    (measured,) = [one for one in row.measurements if one.evidence is Evidence.RELEASED_WEIGHTS]
    interval = result["score_details"]["uncertainty"]["confidence_interval"]
    assert [interval["lower"], result["score_details"]["score"], interval["upper"]] == pytest.approx(
        [measured.low, measured.estimate, measured.high]
    )
    details = result["score_details"]["details"]
    assert (details["printed"], details["evidence"]) == ("30.0", "released-weights")
    assert details["records"].split(", ") == list(measured.records)
    assert RESIZED.paper in details["deviations"]


def scores_of(logs: dict[str, bytes], source: str) -> Iterator[dict[str, Any]]:
    for log in map(strict_json, logs.values()):
        if log["source_metadata"]["source_type"] == source:
            yield from log["evaluation_results"]


def test_a_print_has_no_uncertainty_and_no_time(tmp_path: Path) -> None:
    results, _ = sample(tmp_path)
    printed = list(scores_of(evaluation_logs(results, STATE), "documentation"))
    claims = {
        claim.id: float(claim.printed.text)
        for claim in results.paper.claims.values()
        if claim.dataset is not None and claim.unit == "%"
    }
    assert {one["score_details"]["details"]["claim"]: one["score_details"]["score"] for one in printed} == claims
    assert all("uncertainty" not in one["score_details"] and "evaluation_timestamp" not in one for one in printed)
    assert {one["metric_config"]["lower_is_better"] for one in printed if "IoU" in one["evaluation_name"]} == {False}
    assert {one["metric_config"]["lower_is_better"] for one in printed if "error" in one["evaluation_name"]} == {True}


@pytest.mark.parametrize("evidence", [Evidence.SYNTHETIC, Evidence.SCALED_DOWN, Evidence.SUBSET, Evidence.TIMING])
def test_what_may_not_be_cited_is_no_evaluation_run(evidence: Evidence, tmp_path: Path) -> None:
    results, _ = sample(tmp_path, evidence)
    assert not list(scores_of(evaluation_logs(results, STATE), "evaluation_run"))


def test_names_are_fixed_by_what_they_name(tmp_path: Path) -> None:
    results, _ = sample(tmp_path)
    files = evaluation_logs(results, STATE)
    assert evaluation_logs(results, STATE) == files
    later = evaluation_logs(results, STATE.replace(year=2026))
    assert not set(files) & set(later)
    for name in files:
        assert uuid.UUID(Path(name).stem).version == 5


@pytest.mark.parametrize(
    "path",
    [
        ("evaluation_id",),
        ("model_info", "id"),
        ("evaluation_results", 0, "score_details", "score"),
        ("evaluation_results", 0, "metric_config", "max_score"),
        ("evaluation_results", 0, "source_data", "dataset_name"),
    ],
)
def test_the_schema_notices_what_is_missing(
    path: tuple[str | int, ...], tmp_path: Path, validator: Draft7Validator
) -> None:
    results, _ = sample(tmp_path)
    log = strict_json(next(iter(evaluation_logs(results, STATE).values())))
    damaged = copy.deepcopy(log)
    inner = damaged
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    assert json.dumps(damaged) != json.dumps(log)
    assert problems(validator, damaged)


def test_the_library_is_named_as_the_records_name_it(tmp_path: Path) -> None:
    environment = replace(ENVIRONMENT, packages={"remeasure": "0.0.7"})
    results, _ = sample(tmp_path, environment=environment)
    logs = [strict_json(content) for content in evaluation_logs(results, STATE).values()]
    libraries = {(log["source_metadata"]["source_type"], *log["eval_library"].values()) for log in logs}
    assert libraries == {("documentation", "unknown", "unknown"), ("evaluation_run", "remeasure", "0.0.7")}
