"""The command line as its users meet it: messages, exit codes, JSON, and what it does not import."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.claims.papers import packages
from harness.errors import ExitCode

ROOT = Path(__file__).parents[1]


def remeasure(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the program as a shell would."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


def loaded_modules(*arguments: str, cwd: Path) -> set[str]:
    """Return the modules a command has imported when it ends."""
    program = (
        "import sys, atexit, runpy; sys.argv[0] = 'remeasure'\n"
        "atexit.register(lambda: print('LOADED', *sys.modules, file=sys.stderr))\n"
        "runpy.run_module('harness', run_name='__main__')"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return set(done.stderr.rpartition("LOADED ")[2].split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("audit", "drn"),
        ("report", "drn", "--ledger", "empty", "--reports", "out"),
        ("plan", "drn", "--owed", "--ledger", "empty"),
        ("--help",),
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_that_measure_nothing_never_import_torch(arguments: tuple[str, ...], tmp_path: Path) -> None:
    modules = loaded_modules(*arguments, cwd=tmp_path)
    assert "harness" in modules
    assert "torch" not in modules


def test_list_as_json_names_every_paper() -> None:
    done = remeasure("list", "--json")
    assert done.returncode == ExitCode.OK
    assert [paper["key"] for paper in json.loads(done.stdout)] == list(packages())


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("run", "dnr"), ExitCode.USAGE, "Did you mean drn"),
        (("run",), ExitCode.USAGE, "no paper given"),
        (("run", "drn", "--seeds", "0"), ExitCode.USAGE, "at least 1"),
        (("run", "drn", "--seeds", "-2"), ExitCode.USAGE, "at least 1"),
        (("run", "drn", "--budget", "0"), ExitCode.USAGE, "more than 0"),
        (("run", "drn", "--budget", "soon"), ExitCode.USAGE, "not a time such as"),
        (("run", "drn", "--device", "abacus"), ExitCode.USAGE, "Known devices"),
        (("run", "drn", "--only", "DRN-A-19"), ExitCode.USAGE, "Did you mean DRN-A-18"),
        (("run", "drn", "--only", "imagenette"), ExitCode.USAGE, "--data DIR"),
        (("run", "drn", "--data", "nowhere"), ExitCode.DATA, "nowhere"),
        (("audit", "nowhere.toml"), ExitCode.USAGE, "does not exist"),
        (("report", "drn", "--private"), ExitCode.USAGE, "--data DIR"),
        (("report", "drn", "--private", "--data", "nowhere"), ExitCode.USAGE, "nowhere is no folder"),
        (("report", "drn", "--data", "."), ExitCode.USAGE, "without --private"),
        (("report", "drn", "--ledger", "nowhere"), ExitCode.USAGE, "no folder nowhere"),
        (("bundle", "drn", "--ledger", "nowhere"), ExitCode.USAGE, "no folder nowhere"),
        (("check", "drn", "--ledger", "nowhere"), ExitCode.USAGE, "no folder nowhere"),
        (("cite", "drn/s5.1/drn-a-18/gain", "--ledger", "nowhere"), ExitCode.USAGE, "no folder nowhere"),
        (("cite", "../t1/drn-a-18/params"), ExitCode.USAGE, "unknown paper '..'"),
        (("nightly", "--benchmarks", "nowhere.py"), ExitCode.USAGE, "nowhere.py"),
        (("lst",), ExitCode.USAGE, "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes_get_one_message_and_their_own_code(
    arguments: tuple[str, ...], code: ExitCode, said: str, tmp_path: Path
) -> None:
    done = remeasure(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.json"))


def test_a_broken_claims_file_is_refused_with_every_problem(tmp_path: Path) -> None:
    file = tmp_path / "claims.toml"
    text = (ROOT / "reproductions/drn/claims.toml").read_text(encoding="utf-8")
    broken = text.replace('rows."DRN-A-18" = ["54.6", "48.2"]', 'rows."DRN-A-18" = [54.6, "48.2", "1"]')
    file.write_text(broken.replace('rows."DRN-A-18" = ["28.00"', 'rows."DRN-A-18" = [28.00'), encoding="utf-8")
    done = remeasure("audit", str(file))
    assert done.returncode == ExitCode.CLAIMS
    assert re.search(r"claims\.toml:\d+: \[table t1, row DRN-A-18, column top1-1crop\]", done.stderr)
    assert re.search(r"claims\.toml:\d+: \[table t2, row DRN-A-18[^\]]*\].*ragged", done.stderr)


def test_an_audit_is_settled_only_when_every_finding_is_reviewed(tmp_path: Path) -> None:
    claims = tmp_path / "claims.toml"
    claims.write_bytes((ROOT / "reproductions/drn/claims.toml").read_bytes())
    unreviewed = remeasure("audit", str(claims))
    assert unreviewed.returncode == ExitCode.FINDINGS
    assert "new, not reviewed" in unreviewed.stdout
    reviews = ROOT / "reproductions/drn/reviewed.toml"
    (tmp_path / "reviewed.toml").write_bytes(reviews.read_bytes())
    assert remeasure("audit", str(claims)).returncode == ExitCode.OK
    vanished = (
        '\n[[finding]]\nfingerprint = "0"\nrule = "means/mean"\nclaims = []\ndate = "2026-11-21"\nnote = "gone"\n'
    )
    with (tmp_path / "reviewed.toml").open("a", encoding="utf-8") as file:
        file.write(vanished)
    done = remeasure("audit", str(claims))
    assert done.returncode == ExitCode.FINDINGS
    assert "no longer found" in done.stdout


def test_sarif_points_at_lines_of_the_claims_file(tmp_path: Path) -> None:
    target = tmp_path / "findings.sarif"
    remeasure("audit", "drn", "--sarif", str(target))
    log = json.loads(target.read_text(encoding="utf-8"))
    lines = (ROOT / "reproductions/drn/claims.toml").read_text(encoding="utf-8").splitlines()
    assert log["version"] == "2.1.0"
    for result in log["runs"][0]["results"]:
        region = result["locations"][0]["physicalLocation"]["region"]
        assert 1 <= region["startLine"] <= len(lines)


def test_every_exit_code_is_documented() -> None:
    text = (ROOT / "docs/exit-codes.md").read_text(encoding="utf-8")
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == set(ExitCode)
