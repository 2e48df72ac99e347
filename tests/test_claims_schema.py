"""The JSON Schema that editors use agrees with the loader and with the vocabulary."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from claims_cases import CASES, GOOD, Case
from jsonschema import Draft202012Validator

from harness.claims import load, references, relations
from harness.claims.model import ReferenceKind, Transcription
from harness.claims.papers import claims_path, packages
from harness.claims.vocabulary import METRICS, UNITS

SCHEMA: dict[str, Any] = json.loads(files("harness.claims").joinpath("claims.schema.json").read_text(encoding="utf-8"))
DEFS: dict[str, Any] = SCHEMA["$defs"]


def errors(text: str) -> list[str]:
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(tomllib.loads(text))]


def properties(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if node.get("type") == "object":
            for name, value in node.get("properties", {}).items():
                yield f"{path}/{name}", value
        for name, value in node.items():
            yield from properties(value, f"{path}/{name}")


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_good_files_are_valid() -> None:
    assert errors(GOOD) == []
    for key in packages():
        if claims_path(key).is_file():
            assert errors(claims_path(key).read_text(encoding="utf-8")) == [], key


def test_every_key_is_described() -> None:
    found = dict(properties(SCHEMA))
    assert len(found) > 60
    assert [path for path, value in found.items() if len(value.get("description", "")) < 10] == []


def test_enums_equal_the_vocabulary() -> None:
    assert DEFS["metric"]["enum"] == list(METRICS)
    assert DEFS["unit"]["enum"] == list(UNITS)
    assert DEFS["transcription"]["enum"] == [member.value for member in Transcription]
    assert DEFS["reference"]["properties"]["kind"]["enum"] == [member.value for member in ReferenceKind]
    assert DEFS["relation"]["properties"]["op"]["enum"] == list(relations.OPERATORS)


def test_keys_equal_the_loaders() -> None:
    assert tuple(SCHEMA["properties"]) == load.SECTIONS
    known = {
        name: set(DEFS[name]["properties"]) for name in ("system", "table", "column", "claim", "unprinted", "fact")
    }
    known["paper"] = set(SCHEMA["properties"]["paper"]["properties"])
    assert known == {name: set(keys) for name, keys in load.KEYS.items()}
    assert set(DEFS["reference"]["properties"]) == set(references.KEYS)
    assert set(DEFS["reference-column"]["properties"]) == set(references.COLUMN_KEYS)
    assert set(DEFS["relation"]["properties"]) == set(relations.KEYS)


@pytest.mark.parametrize("case", [case for case in CASES if case.schema], ids=lambda case: case.name)
def test_it_rejects_what_a_schema_can(case: Case) -> None:
    assert errors(GOOD.replace(case.old, case.new, 1)) != []


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.schema and case.says.find("TOML") < 0], ids=lambda case: case.name
)
def test_the_rest_needs_the_linter(case: Case) -> None:
    """Keeps the flag honest: a mistake marked as the linter's alone passes the schema, or is no TOML at all."""
    try:
        found = errors(GOOD.replace(case.old, case.new, 1))
    except tomllib.TOMLDecodeError:
        return
    assert found == []
