"""CITATION.cff of the project and of each kind of verified number, validated by cffconvert."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import yaml
from citation_samples import CLAIM, everything

from harness.citation.cited import AUTHOR, Cited, cite
from harness.citation.sentence import sentence
from harness.claims.papers import find_paper, packages
from harness.exports.citation_file import project_file, result_file
from harness.ledger.record import Code

Tools = Callable[[str], Path]


def convert(tools: Tools, folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "CITATION.cff").write_text(text, encoding="utf-8")
    command = [str(tools("bin/cffconvert")), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def cited(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cited]:
    results, _ = everything(tmp_path_factory.mktemp("paper"))
    return {claim: cite(results, claim) for claim in (CLAIM, "t1/plain/params", "s1/gain")}


def test_the_projects_file_is_valid_and_names_the_papers(tools: Tools, tmp_path: Path) -> None:
    papers = [find_paper(key) for key in packages()]
    text = project_file(papers)
    done = convert(tools, tmp_path, text, "--validate")
    assert done.returncode == 0, done.stderr
    content = yaml.safe_load(text)
    assert [reference["title"] for reference in content["references"]] == [paper.title for paper in papers]
    first = content["references"][0]["authors"][0]
    assert f"{first['given-names']} {first['family-names']}" == papers[0].authors[0]


@pytest.mark.parametrize("claim", [CLAIM, "t1/plain/params", "s1/gain"])
def test_a_verified_numbers_file_is_valid(cited: dict[str, Cited], claim: str, tools: Tools, tmp_path: Path) -> None:
    one = cited[claim]
    text = result_file(one)
    done = convert(tools, tmp_path, text, "--validate")
    assert done.returncode == 0, done.stderr
    content = yaml.safe_load(text)
    assert content["abstract"] == sentence(one)
    assert content.get("date-released", "") == one.date
    assert [found["value"] for found in content.get("identifiers", [])] == [f"sha256:{d}" for d in one.records]
    assert content["references"][0]["authors"] == [{"name": "A"}]


def test_other_tools_make_a_citation_of_it(cited: dict[str, Cited], tools: Tools, tmp_path: Path) -> None:
    done = convert(tools, tmp_path, result_file(cited[CLAIM]), "--format", "apalike")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{AUTHOR} (2025). {cited[CLAIM].title}")


def test_a_commit_is_given_only_where_it_is_the_code_that_measured(cited: dict[str, Cited]) -> None:
    one = cited["t1/plain/params"]
    (digest,) = one.records
    for code, commit in ((Code("c" * 64, "a" * 40), "a" * 40), (Code("c" * 64, "a" * 40, True), None)):
        records = {digest: msgspec.structs.replace(one.records[digest], code=code)}
        assert yaml.safe_load(result_file(replace(one, records=records))).get("commit") == commit


def test_a_paper_without_venue_authors_or_url_is_valid_too(
    cited: dict[str, Cited], tools: Tools, tmp_path: Path
) -> None:
    bare = replace(cited[CLAIM].paper, venue="", authors=(), url="")
    done = convert(tools, tmp_path, project_file([bare]), "--validate")
    assert done.returncode == 0, done.stderr
