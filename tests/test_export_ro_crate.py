"""Crates, held against the specification by its validator, off line, with the context that its own library carries."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from click.testing import CliRunner
from export_samples import COMMIT, LEDGER, put, recorded, sample, strict_json

from harness.claims.papers import packages
from harness.cli import cli
from harness.exports.ro_crate import METADATA, SPECIFICATION, ro_crate
from harness.ledger.store import read

STATE = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
PAGES = {"mini/index.html": b"<!doctype html><title>Mini</title>"}
KEEP_CONTEXT = """
import io, sys
from pathlib import Path
from requests.adapters import BaseAdapter, HTTPAdapter
from requests_cache import CachedSession
from urllib3 import HTTPResponse

class FromFile(BaseAdapter):
    def send(self, request, **_):
        body, kind = io.BytesIO(Path(sys.argv[1]).read_bytes()), {"Content-Type": "application/ld+json"}
        raw = HTTPResponse(body=body, status=200, headers=kind, preload_content=False, request_url=request.url)
        return HTTPAdapter().build_response(request, raw)

    def close(self):
        pass

session = CachedSession(cache_name=sys.argv[3], backend="sqlite", expire_after=-1)
session.mount(sys.argv[2], FromFile())
assert session.get(sys.argv[2]).json()["@id"] == sys.argv[2]
"""
"""What puts a file into the validator's store of pages it has read."""

Validate = Callable[[Path], list[str]]


@pytest.fixture(scope="module")
def validate(tools: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Validate:
    """Return a function from a crate's folder to what the validator holds against it."""
    python, program = tools("bin/python"), tools("bin/rocrate-validator")
    context, folder = tools("node_modules/ro-crate/lib/context.json"), tmp_path_factory.mktemp("validator")
    store = folder / "pages"
    arguments = (str(context), f"{SPECIFICATION}/context", str(store))
    subprocess.run([python, "-c", KEEP_CONTEXT, *arguments], check=True, capture_output=True)

    def issues(crate: Path) -> list[str]:
        found = folder / "issues.json"
        command = [program, "-y", "--disable-color", "validate", "--offline", "--cache-path", store, "--no-paging"]
        command += ["--skip-availability-check", "-p", "ro-crate-1.2", "-f", "json", "-o", found, crate]
        done = subprocess.run(
            command, env={**os.environ, "HOME": str(folder)}, capture_output=True, text=True, check=False
        )
        assert found.exists(), done.stderr
        report = strict_json(found.read_bytes())
        found.unlink()
        assert report["passed"] == (not report["issues"])
        assert {item["category"] for item in report["skipped_check_details"]} <= {"configured", "returned"}
        return [issue["message"] for issue in report["issues"]]

    return issues


def graph(files: dict[str, bytes]) -> dict[str, Any]:
    """Return a crate's entities by id, each described once."""
    entities = strict_json(files[METADATA])["@graph"]
    by_id = {entity["@id"]: entity for entity in entities}
    assert len(by_id) == len(entities)
    return by_id


def references(value: Any) -> set[str]:
    match value:
        case {"@id": str(target)} if len(value) == 1:
            return {target}
        case dict() | list():
            parts = value.values() if isinstance(value, dict) else value
            return set().union(*map(references, parts))
        case _:
            return set()


def check(files: dict[str, bytes]) -> dict[str, Any]:
    """Check that the metadata describes exactly the files that are there, and points at nothing that is not."""
    entities = graph(files)
    described = {unquote(id): entity for id, entity in entities.items() if entity["@type"] == "File"}
    assert set(described) == set(files) - {METADATA}
    assert {unquote(part["@id"]) for part in entities["./"]["hasPart"]} == set(described)
    for path, entity in described.items():
        assert entity["sha256"] == hashlib.sha256(files[path]).hexdigest()
        assert entity["contentSize"] == str(len(files[path]))
        assert entity["encodingFormat"] != "application/octet-stream"
    pointed_at = set().union(*(references(entity) for entity in entities.values()))
    assert pointed_at - set(entities) == {SPECIFICATION}
    return entities


def test_the_validator_finds_no_fault(validate: Validate, tmp_path: Path) -> None:
    results, _ = sample(tmp_path / "sample")
    assert validate(put(ro_crate([results], PAGES, STATE), tmp_path / "crate")) == []


def test_the_validator_finds_what_is_damaged(validate: Validate, tmp_path: Path) -> None:
    results, _ = sample(tmp_path / "sample")
    files = ro_crate([results], PAGES, STATE)
    content = strict_json(files[METADATA])
    entities = {entity["@id"]: entity for entity in content["@graph"]}
    del entities["./"]["license"]
    del entities[f"#remeasure-{COMMIT[:16]}"]["url"]
    del files["mini/claims.toml"]
    damaged = put({**files, METADATA: json.dumps(content).encode()}, tmp_path / "crate")
    found = " ".join(validate(damaged))
    assert all(part in found for part in ("`license` property", "`url` property", "mini/claims.toml"))


@pytest.mark.long
@pytest.mark.parametrize("key", sorted(packages()))
def test_the_validator_finds_no_fault_with_a_papers_crate(key: str, validate: Validate, tmp_path: Path) -> None:
    files = ro_crate([recorded(key)], {f"{key}/index.html": b"<!doctype html>"}, STATE)
    assert validate(put(files, tmp_path)) == []


def test_all_papers_fit_in_one_crate() -> None:
    results = [recorded(key) for key in packages()]
    entities = check(ro_crate(results, {}, STATE))
    assert {one["@id"] for one in entities["./"]["citation"]} == {each.paper.url for each in results}
    runs = [entity for entity in entities.values() if entity["@type"] == "CreateAction"]
    assert len(runs) == sum(len(each.records) for each in results)
    for run in runs:
        assert datetime.fromisoformat(run["startTime"]) <= datetime.fromisoformat(run["endTime"])


def test_the_command_writes_a_crate_whose_pages_find_each_other(tmp_path: Path) -> None:
    arguments = ["export", "ro-crate", "drn", "--ledger", str(LEDGER.root), "--out", str(tmp_path / "crate")]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    root = tmp_path / "crate"
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    check(files)
    pages = {path: content.decode() for path, content in files.items() if path.endswith(".html")}
    targets = {
        unquote(posixpath.normpath(posixpath.join(posixpath.dirname(path), target)))
        for path, text in pages.items()
        for target in re.findall(r"""(?:href|src)="([^"#:]+)[#"]""", text)
    }
    assert "drn/index.html" in targets
    assert targets <= set(files)


def test_records_come_out_as_they_went_in(tmp_path: Path) -> None:
    results, _ = sample(tmp_path / "sample")
    files = ro_crate([results], PAGES, STATE)
    entities = check(files)
    folder = put(files, tmp_path / "crate")
    found = {read(path).digest: read(path) for path in folder.glob("ledger/*/*/*.json")}
    assert set(found) == set(results.records)
    for digest, stored in found.items():
        assert set(stored.arrays()) == set(results.records[digest].arrays)
        run = entities[f"#run-{digest[:16]}"]
        assert f"Evidence: {stored.record.evidence.value}" in run["description"]
    assert entities["./"]["datePublished"] == STATE.isoformat()
    assert files["mini/claims.toml"] == results.paper.path.read_bytes()


def test_synthetic_records_are_called_never_citable(tmp_path: Path) -> None:
    results, _ = sample(tmp_path)
    entities = check(ro_crate([results], PAGES, STATE))
    synthetic = {digest[:16] for digest, record in results.records.items() if record.evidence.value == "synthetic"}
    assert synthetic
    named = {id for id, entity in entities.items() if "never citable" in entity.get("description", "")}
    assert named == {
        id for id in entities if any(id == f"#run-{digest}" or f"/{digest}." in id for digest in synthetic)
    }


def test_code_is_named_by_its_commit_only_where_that_is_what_ran(tmp_path: Path) -> None:
    results, _ = sample(tmp_path)
    entities = check(ro_crate([results], PAGES, STATE))
    named = {entity["url"] for entity in entities.values() if entity["@type"] == "SoftwareApplication"}
    assert f"swh:1:rev:{COMMIT}" in named
    (hashed,) = named - {f"swh:1:rev:{COMMIT}"}
    assert hashed.startswith("ni:///sha-256;")
    assert len(hashed.partition(";")[2]) == 43
