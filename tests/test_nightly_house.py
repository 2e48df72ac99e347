"""Nights from end to end: the real command, runner and ledger; a paper of tiny trainings, and a clock that is data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from html_checks import Page, problems
from night_house import KEY, TIMED, House, house

from harness.errors import ExitCode
from harness.nightly.kept import NightFile
from harness.regression.history import read
from harness.regression.levels import accept
from harness.regression.model import Night
from harness.runner.state import STATE, hold

NIGHTS = 15
SLOW = f"{KEY}/clock/wide/rate"
WRONG = f"{KEY}/clouds/wide/top1-error"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A first night, fifteen before it, and one in which one run was slow and its repetition was not."""
    made = house(tmp_path_factory.mktemp("house"))
    first = made.nightly()
    assert first.returncode == ExitCode.OK, first.stderr
    assert "Nothing to compare with yet" in first.stdout
    made.remember(NIGHTS)
    made.expect(Wide=[1.3, 1.0])
    quiet = made.nightly()
    assert quiet.returncode == ExitCode.OK, quiet.stdout + quiet.stderr
    return made


@pytest.fixture
def begin(history: House, tmp_path: Path) -> Callable[..., House]:
    """Return a function that copies the house and lays down what the next night meets."""

    def copied(**weather: object) -> House:
        shutil.copytree(history.folder, tmp_path / "house")
        made = House(tmp_path / "house")
        made.expect(**weather)
        return made

    return copied


def newest(of: House, metric: str) -> Night:
    (series,) = (s for s in read(of.ledger, of.nights).series if s.address.id == metric)
    return series.nights[-1]


def test_a_slow_run_that_its_repetition_clears_alarms_nobody(history: House) -> None:
    night = newest(history, SLOW)
    assert night.again is not None
    assert night.again > 1.2 * night.value, "a rate: the repetition was as fast as ever"
    file = history.files()[-1]
    assert (len(file.measured), len(file.confirmed), file.finished) == (2 + len(TIMED), 1, True)
    assert not list(history.out.glob("issues/*"))
    assert json.loads((history.out / "badge.json").read_text())["message"] == "quiet"


def test_the_fixed_set_is_the_clock_and_one_seed_of_the_trained(history: House) -> None:
    file = history.files()[-1]
    assert file.fixed == {KEY: ("clouds", "clock")}
    assert SLOW in file.expected
    assert WRONG in file.expected
    assert not any("/exact/" in name for name in file.expected), "what is derived is owed once, not every night"
    first = next(each for each in history.files() if each.measured and len(each.measured) > len(file.measured))
    units = {(s.record.experiment, s.record.system, s.record.seed) for s in history.records(first.measured)}
    assert ("clouds", "Narrow", 2) in units, "what was owed was measured as well"
    assert ("exact", "Narrow", 0) in units


def test_a_planted_slowdown_and_a_planted_loss_are_caught(begin: Callable[..., House], tmp_path: Path) -> None:
    made = begin(Wide=[1.08], worsened=True)
    summary = tmp_path / "summary.md"
    said = []
    for _ in range(2):
        done = made.nightly(GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
        assert done.returncode == ExitCode.REGRESSION, done.stdout + done.stderr
        said.append(done.stdout)
        if (made.out / "issues" / f"{SLOW.replace('/', '-')}.md").exists():
            break
    issue = (made.out / "issues" / f"{SLOW.replace('/', '-')}.md").read_text()
    assert issue.startswith(f"# Nightly: {SLOW}\n\n**Regression**")
    assert f"remeasure run {KEY} --only clock --only Wide --seed 0 --again" in issue
    assert any(f"remeasure check --accept {SLOW} --since {night.started} --reason" in issue for night in made.files())
    assert "−7." in issue, "a rate: 1 / 1.08"
    assert (made.out / "issues" / f"{WRONG.replace('/', '-')}.md").exists()
    assert not any("narrow-rate" in path.name for path in made.out.glob("issues/*")), "the others are where they were"
    assert "::error title=regression%3A gamma/clock/wide/rate::" in said[-1]
    assert f"| {SLOW} |" in summary.read_text().replace("\\", "")
    assert f"{WRONG}: regression" in said[0], "what is paired image by image is found in its first night"
    page = Page((made.out / "index.html").read_text(encoding="utf-8"))
    assert problems(page) == []
    assert "regression" in page.by_id(SLOW.replace("/", "-")).text
    suites = ElementTree.parse(made.out / "junit.xml").getroot()
    failures = {case.get("name") for case in suites.iter("testcase") if case.find("failure") is not None}
    assert {"Wide rate", "Wide top1-error"} <= failures


def test_a_failing_unit_stops_nothing_else(begin: Callable[..., House]) -> None:
    made = begin(fails=True)
    damaged = made.records(made.files()[0].measured)[0].path
    damaged.write_bytes(b"{}")
    done = made.nightly()
    assert done.returncode == ExitCode.INFRASTRUCTURE, done.stdout + done.stderr
    file = made.files()[-1]
    assert {s.record.experiment for s in made.records(file.measured)} == {"clock"}
    page = Page((made.out / "index.html").read_text(encoding="utf-8"))
    assert page.by_id("failed").text.count("ZeroDivisionError: a defect in Wide") == 1
    assert "clouds: Narrow, seed 0" in page.by_id("failed").text
    assert damaged.name in page.by_id("failed").text, "what cannot be compared is told"
    assert "its process ended with -9" in page.by_id("failed").text
    assert "Traceback" in page.by_id("failed").text
    assert "What measures it failed" in page.by_id(WRONG.replace("/", "-")).text
    assert not list(made.out.glob("issues/*")), "the failure is told, not each of the metrics it took along"


def test_a_metric_that_disappeared_is_no_pass(begin: Callable[..., House]) -> None:
    made = begin(**{"no clock": True})
    done = made.nightly()
    assert done.returncode == ExitCode.REGRESSION
    assert f"{SLOW}: missing" in done.stdout
    missed = made.files()[-1].expected
    assert missed == made.files()[-2].expected, "it is missed until somebody accepts that it is gone"
    gone = [name for name in missed if "/clock/" in name]
    for name in gone:
        accept(made.nights, name, made.files()[-1].started, "the clock is broken")
    assert made.nightly().returncode == ExitCode.OK
    assert made.files()[-1].expected == tuple(name for name in missed if name not in gone)


def test_a_budget_that_nothing_fits_into(begin: Callable[..., House]) -> None:
    made = begin()
    done = made.nightly("--budget", "0.01s")
    assert done.returncode == ExitCode.NOTHING_MEASURED, done.stdout + done.stderr
    assert made.files()[-1].measured == ()
    left = Page((made.out / "index.html").read_text(encoding="utf-8")).by_id("left")
    assert [item.text.count("measured every night") for item in left.all("li")] == [1] * (2 + len(TIMED))


def test_an_interrupted_night_goes_on(begin: Callable[..., House]) -> None:
    made = begin(interrupted="Long")
    done = made.nightly()
    assert done.returncode == ExitCode.INTERRUPTED
    begun = made.files()[-1]
    assert not begun.finished
    assert 0 < len(begun.measured) < 2 + len(TIMED)
    done = made.nightly()
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    assert f"going on with the night of {begun.started}" in done.stderr
    ended: NightFile = made.files()[-1]
    assert (ended.started, ended.finished) == (begun.started, True)
    assert ended.measured[: len(begun.measured)] == begun.measured, "what was measured is not measured twice"
    assert len(ended.measured) == 2 + len(TIMED)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data", "nowhere"), "nowhere is no folder"),
        (("--device", "abacus"), "unknown device 'abacus'"),
        (("--budget", "0s"), "budget is 0 s"),
        (("--budget", "soon"), "not a time"),
    ],
)
def test_bad_input(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = house(tmp_path).nightly(*arguments)
    assert done.returncode == ExitCode.USAGE
    assert said in done.stderr
    assert not (tmp_path / "reports").exists()


def test_one_night_at_a_time(tmp_path: Path) -> None:
    home = house(tmp_path)
    with hold(home.folder / STATE, "nightly"):
        done = home.nightly()
    assert done.returncode == ExitCode.USAGE
    assert "another run of nightly is going on" in done.stderr
    assert not home.nights.exists()
