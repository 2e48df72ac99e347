"""Several papers in one command, as a user meets them: tiny papers in a folder of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from html_checks import Page, problems
from tiny_paper import FEATURES

from harness.cli.in_turn import Done
from harness.errors import ExitCode

TESTS = Path(__file__).parent
EXPERIMENTS = """
from dataclasses import replace
import tiny_paper

def experiments(options):
    return tuple(replace(e, command="remeasure run {key}") for e in tiny_paper.experiments(options))
"""
FAILING = """
from dataclasses import replace
import os, signal
import tiny_paper
from harness.errors import DataError

def fail(unit, context):
    {statement}

def experiments(options):
    return tuple(replace(e, measure=fail) for e in tiny_paper.experiments(options))
"""
CLAIMS = """
[paper]
key = "{key}"
title = "Paper {key}"
authors = ["A. Author"]
year = 2020
versions = ["v1"]

[sources]
text = "the text"

[table.t1]
section = "Table 1"
caption = "Errors"
columns = [
  {{ id = "top1", metric = "top1-error", unit = "%", n = 60 }},
  {{ id = "params", metric = "parameters", unit = "1" }},
]
rows."Narrow" = ["30.0", "12"]
rows."Wide"   = ["20.0", "24"]
"""
UNITS = 3 * len(FEATURES) + 1


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder in which one paper can be found, the last of those that tests add."""
    return built(tmp_path, "gamma")


def built(folder: Path, key: str) -> Path:
    """Make a folder in which one paper can be found.

    Its description of the distribution comes before that of an installed one, whose papers it hides.
    """
    (folder / "remeasure-0.dist-info").mkdir()
    (folder / "remeasure-0.dist-info/METADATA").write_text("Name: remeasure\nVersion: 0\n", encoding="utf-8")
    (folder / "reproductions").mkdir()
    (folder / "reproductions/__init__.py").touch()
    add(folder, key)
    return folder


def add(house: Path, key: str, statement: str = "") -> None:
    """Add a paper; with a statement, one whose measurements run it."""
    folder = house / "reproductions" / key
    folder.mkdir()
    (folder / "__init__.py").touch()
    code = FAILING.format(statement=statement) if statement else EXPERIMENTS.format(key=key)
    (folder / "experiments.py").write_text(code, encoding="utf-8")
    (folder / "claims.toml").write_text(CLAIMS.format(key=key), encoding="utf-8")


def remeasure(house: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(house), str(TESTS), str(TESTS.parent)])
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(command, cwd=house, env=environment, capture_output=True, text=True, timeout=300, check=False)


def index(house: Path) -> Page:
    return Page((house / "reports/index.html").read_text(encoding="utf-8"))


def recorded(house: Path, key: str) -> int:
    return len(list((house / "reports/ledger" / key).rglob("*.json")))


def test_all_papers_are_run_and_the_index_lists_them(house: Path) -> None:
    add(house, "alpha")
    done = remeasure(house, "run", "--all", "--device", "cpu", "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    said = json.loads(done.stdout)
    assert list(said) == ["alpha", "gamma"]
    assert [len(outcome["measured"]) for outcome in said.values()] == [UNITS, UNITS]
    assert all((house / outcome["report"]).is_file() for outcome in said.values())
    listed = index(house)
    assert problems(listed) == []
    reports = [a.attributes["href"] for a in listed.all("a") if str(a.attributes["href"]).endswith("/index.html")]
    assert reports == ["alpha/index.html", "gamma/index.html"]
    assert [recorded(house, key) for key in said] == [UNITS, UNITS]


@pytest.mark.parametrize(
    ("statement", "code", "said"),
    [
        ("raise DataError('no such folder: clouds')", ExitCode.DATA, "remeasure: beta: no such folder: clouds"),
        ("raise ZeroDivisionError('a defect')", ExitCode.DEFECT, "ZeroDivisionError: a defect"),
        ("os.kill(os.getpid(), signal.SIGKILL)", ExitCode.DEFECT, "beta: its process ended with -9"),
    ],
    ids=["error", "defect", "killed"],
)
def test_a_paper_that_fails_stops_no_other(house: Path, statement: str, code: ExitCode, said: str) -> None:
    add(house, "beta", statement)
    done = remeasure(house, "run", "--all", "--device", "cpu", "--json", "--seeds", "1")
    assert done.returncode == code
    assert said in done.stderr
    outcomes = json.loads(done.stdout)
    assert outcomes["beta"] == {"failed": int(code)}
    assert len(outcomes["gamma"]["measured"]) == len(FEATURES) + 1
    rows = [row.attributes["id"] for row in index(house).all("tr") if "id" in row.attributes]
    assert rows == ["beta", "gamma"]
    assert "not yet" in index(house).by_id("beta").text


def test_a_paper_whose_claims_cannot_be_read_is_named_in_the_index(house: Path) -> None:
    add(house, "beta")
    (house / "reproductions/beta/claims.toml").write_text("[paper", encoding="utf-8")
    done = remeasure(house, "run", "--all", "--device", "cpu", "--only", "exact")
    assert done.returncode == ExitCode.CLAIMS
    assert [recorded(house, key) for key in ("beta", "gamma")] == [0, 1]
    assert "beta cannot be read" in index(house).text
    alone = remeasure(house, "run", "gamma", "--device", "cpu", "--only", "exact")
    assert alone.returncode == ExitCode.OK, "a broken paper is no fault of its neighbour"


@pytest.mark.parametrize(
    ("codes", "worst"),
    [
        ((), ExitCode.OK),
        ((ExitCode.DATA, ExitCode.CLAIMS), ExitCode.DATA),
        ((ExitCode.STORAGE, ExitCode.DEFECT, ExitCode.DATA), ExitCode.DEFECT),
    ],
)
def test_the_exit_code_is_the_worst(codes: tuple[ExitCode, ...], worst: ExitCode) -> None:
    assert Done({}, {str(place): code for place, code in enumerate(codes)}).exit_code is worst


def test_an_interrupted_paper_is_the_last(house: Path) -> None:
    add(house, "beta", "os.kill(os.getpid(), signal.SIGINT)")
    done = remeasure(house, "run", "--all", "--device", "cpu", "--only", "exact")
    assert done.returncode == ExitCode.INTERRUPTED
    assert "The same command goes on" in done.stderr
    assert recorded(house, "gamma") == 0


def test_ctrl_c_stops_a_run_of_several_papers(house: Path) -> None:
    add(house, "beta", "os.kill(os.getppid(), signal.SIGINT); os.kill(os.getpid(), signal.SIGINT)")
    done = remeasure(house, "run", "--all", "--device", "cpu", "--only", "exact")
    assert done.returncode == ExitCode.INTERRUPTED
    assert recorded(house, "gamma") == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_all_papers_are_planned_and_nothing_is_measured(house: Path) -> None:
    add(house, "alpha")
    done = remeasure(house, "plan", "--all", "--device", "cpu", "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    plans = json.loads(done.stdout)
    assert [len(plans[key]["steps"]) for key in ("alpha", "gamma")] == [UNITS, UNITS]
    assert not (house / "reports").exists()


def test_a_plan_is_held_against_what_a_run_took(house: Path) -> None:
    chosen = ("gamma", "--device", "cpu", "--only", "clouds")
    nothing = remeasure(house, "plan", *chosen, "--check")
    assert nothing.returncode == ExitCode.NOTHING_MEASURED
    assert remeasure(house, "run", *chosen, "--seed", "2").returncode == ExitCode.OK
    assert recorded(house, "gamma") == len(FEATURES)
    done = remeasure(house, "plan", *chosen, "--check")
    assert done.returncode == ExitCode.OK, done.stderr
    title, head, *rows, median = done.stdout.splitlines()
    assert "gamma on cpu" in title
    assert head.split("\t") == ["experiment", "system", "predicted", "recorded", "ratio", "records"]
    assert [row.split("\t")[:3] for row in rows] == [["clouds", "Narrow", "11 s"], ["clouds", "Wide", "26 s"]]
    assert "median of 2 systems" in median


def test_a_paper_that_cannot_be_planned_stops_no_other(house: Path) -> None:
    add(house, "beta")
    (house / "reproductions/beta/claims.toml").write_text("[paper", encoding="utf-8")
    done = remeasure(house, "plan", "beta", "gamma", "--device", "cpu", "--only", "exact")
    assert done.returncode == ExitCode.CLAIMS
    assert "What a run of gamma would do" in done.stdout


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gamma", "--all"), "both papers and --all"),
        ((), "no paper given"),
        (("gamma", "gama"), "Did you mean gamma"),
    ],
    ids=["both", "none", "misspelt"],
)
def test_papers_are_checked_before_any_is_begun(
    house: Path, command: str, arguments: tuple[str, ...], said: str
) -> None:
    done = remeasure(house, command, *arguments)
    assert done.returncode == ExitCode.USAGE
    assert said in done.stderr
    assert not (house / "reports").exists()
