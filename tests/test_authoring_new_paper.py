"""A new paper runs as it is, is clean, and touches nothing that is there."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from authoring_cases import ROOT, make_checkout, remeasure
from conftest import without
from jsonschema import Draft202012Validator

from harness.authoring.new_paper import PACKAGE, new_paper
from harness.claims.load import load_paper
from harness.claims.papers import find_paper
from harness.errors import ExitCode, UsageError

TITLE = 'Nets "so called", with a \\ and ünï'


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_checkout(tmp_path_factory.mktemp("checkout"))
    done = remeasure("new-paper", "mine", "--title", TITLE, cwd=folder)
    assert done.returncode == ExitCode.OK, done.stdout
    return folder


def test_audit_plan_run_and_report_work_at_once(checkout: Path) -> None:
    audited = remeasure("audit", "mine", cwd=checkout)
    assert audited.returncode == ExitCode.OK
    assert "relations: 1 consistent" in audited.stdout
    assert "findings: none" in audited.stdout
    planned = remeasure("plan", "mine", cwd=checkout)
    assert planned.returncode == ExitCode.OK
    assert "8 measurements" in planned.stdout
    run = remeasure("run", "mine", "--toy", cwd=checkout)
    assert run.returncode == ExitCode.OK, run.stdout
    records = [json.loads(path.read_bytes()) for path in (checkout / "reports" / "ledger").rglob("*.json")]
    counted = {r["system"]: r["values"]["parameters"] for r in records if r["experiment"] == "architecture"}
    assert counted == {"Narrow": _parameters(4), "Wide": _parameters(16)}
    assert {r["experiment"] for r in records} == {"architecture", "scenes"}
    reported = remeasure("report", "mine", cwd=checkout)
    assert "parameters: 2 of 2 exact" in reported.stdout
    page = (checkout / "reports" / "mine" / "index.html").read_text(encoding="utf-8")
    assert "with a \\ and ünï" in page


def _parameters(channels: int) -> int:
    """Three 3x3 convolutions with batch normalisation, and a linear layer for ten classes, by hand."""
    convolutions = 9 * (3 * channels + 2 * channels * channels)
    return convolutions + 3 * 2 * channels + (channels + 1) * 10


def test_its_claims_are_valid_and_its_title_is_kept(checkout: Path) -> None:
    path = checkout / "reproductions" / "mine" / "claims.toml"
    assert load_paper(path).title == TITLE
    schema = json.loads((ROOT / "harness/claims/claims.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(tomllib.loads(path.read_text(encoding="utf-8")))
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert (path.parent / first.removeprefix("#:schema ")).resolve() == ROOT / "harness/claims/claims.schema.json"


@pytest.mark.parametrize("into", [None, "elsewhere"], ids=["checkout", "distribution"])
def test_its_code_is_clean(checkout: Path, tmp_path: Path, into: str | None) -> None:
    if find_spec("ruff") is None:
        without("ruff is not installed")
    folder = checkout / "reproductions" / "mine" if into is None else new_paper("other", TITLE, tmp_path / into)
    for arguments in (("check",), ("format", "--check")):
        command = [sys.executable, "-m", "ruff", *arguments, "--config", ROOT / "pyproject.toml", "--no-cache", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_a_distribution_names_its_entry_point(tmp_path: Path) -> None:
    folder = new_paper("other", TITLE, tmp_path)
    assert folder == tmp_path / "other"
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["remeasure.papers"] == {"other": "remeasure_other"}
    assert project["description"] == TITLE
    assert {path.name for path in (folder / "remeasure_other").iterdir()} == set(PACKAGE)


@pytest.mark.parametrize(
    "key",
    [
        *("", "A", "1st", "my-paper", "../x", "a/b", "class", "json", "a b", "é", "xxx."),
        *("x_", "x__y", "con", "ledger", "private", "x" * 65),
    ],
)
def test_keys_that_cannot_be_packages_are_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(UsageError, match="cannot be the key"):
        new_paper(key, "Title", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is a paper 'drn': reproductions\.drn"):
        new_paper("drn", "Title", tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists; nothing was written"):
        new_paper("mine", "Title", tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "notes.txt"]


def test_a_folder_of_a_papers_name_does_not_hide_the_paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drn").mkdir()
    assert find_paper("drn").key == "drn"
    (tmp_path / "mine").mkdir()
    with pytest.raises(UsageError, match="does not exist"):
        find_paper("mine")
    with pytest.raises(UsageError, match="unknown paper ''"):
        find_paper("")


@pytest.mark.parametrize("title", ["", "  ", "two\nlines", "bell\a"])
def test_titles_are_one_line(tmp_path: Path, title: str) -> None:
    with pytest.raises(UsageError, match="the title"):
        new_paper("mine", title, tmp_path)


def test_without_a_checkout_a_folder_has_to_be_named(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    (checkout / "pyproject.toml").unlink()
    done = remeasure("new-paper", "mine", cwd=checkout)
    assert done.returncode == ExitCode.USAGE
    assert "--into DIR" in done.stdout
    assert not (checkout / "reproductions" / "mine").exists()


@pytest.mark.parametrize("command", [("audit",), ("cite",), ("import-table", "t.csv", "--out"), ("new-paper",)])
def test_a_name_too_long_for_any_folder_is_said_to_be(checkout: Path, command: tuple[str, ...]) -> None:
    done = remeasure(*command, "x" * 300, cwd=checkout)
    assert done.returncode == ExitCode.USAGE
    assert "Traceback" not in done.stdout


def test_the_same_key_twice_is_refused(checkout: Path) -> None:
    before = {path: path.read_bytes() for path in (checkout / "reproductions" / "mine").glob("*.*")}
    done = remeasure("new-paper", "mine", cwd=checkout)
    assert done.returncode == ExitCode.USAGE
    assert "there is a paper 'mine'" in done.stdout
    assert {path: path.read_bytes() for path in before} == before
