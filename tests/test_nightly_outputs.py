"""What a night leaves for people and programs: complete, well-formed, and read by what it is meant for."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import msgspec
import pytest
from html_checks import Page, problems
from night_samples import IOU, NASTY, RATE, STARTED, full_report, quiet_report
from pytest_benchmark.logger import Logger
from pytest_benchmark.stats import Stats
from pytest_benchmark.storage.file import FileStorage
from pytest_benchmark.utils import parse_compare_fail

from harness.errors import ExitCode
from harness.ledger.record import Code
from harness.nightly import github
from harness.nightly.junit import junit
from harness.nightly.machine import pytest_benchmark, shields
from harness.nightly.outcome import NightReport
from harness.nightly.outputs import write
from harness.nightly.wording import commits
from harness.nightly.work import Failed
from harness.regression.model import Word
from harness.reports.night_views import page

FAILED = Failed("drn/throughput", (("drn", "throughput", ""),), 4, "no such folder")
ENDPOINT = {
    "type": "object",
    "required": ["schemaVersion", "label", "message"],
    "additionalProperties": False,
    "properties": {
        "schemaVersion": {"const": 1},
        "label": {"type": "string", "minLength": 1},
        "message": {"type": "string", "minLength": 1},
        "color": {"enum": ["brightgreen", "green", "yellow", "orange", "red", "lightgrey", "blue"]},
        "isError": {"type": "boolean"},
    },
}
"""What shields.io takes from an endpoint, as its documentation lists it."""


def test_the_exit_code_is_the_first_that_applies() -> None:
    everything = full_report()
    assert everything.exit_code is ExitCode.REGRESSION
    fine = tuple(d for d in everything.decisions if d not in everything.alarms)
    claims = replace(everything, decisions=fine)
    assert claims.exit_code is ExitCode.CLAIM_FAILED
    assert replace(claims, worse=()).exit_code is ExitCode.INFRASTRUCTURE
    assert replace(claims, worse=(), failed=()).exit_code is ExitCode.OK
    assert replace(everything, made=()).exit_code is ExitCode.INFRASTRUCTURE
    assert replace(everything, made=(), failed=()).exit_code is ExitCode.NOTHING_MEASURED


@pytest.mark.parametrize("word", [Word.REGRESSION, Word.MISSING, Word.NOT_COMPARED])
def test_no_comparison_is_no_pass(word: Word) -> None:
    one = next(each for each in full_report().decisions if each.word is word)
    report = replace(quiet_report(), decisions=(one,))
    assert report.exit_code is ExitCode.REGRESSION
    assert not report.headline.startswith(("Quiet", "No alarm"))


def test_only_what_failed_explains_what_is_missing() -> None:
    report = full_report()
    (missing,) = report.of(Word.MISSING)
    assert report.explained(missing), "the unit of this very system failed"
    assert not replace(report, failed=(FAILED,)).explained(missing), "something else failed"
    (slow,) = report.of(Word.REGRESSION)
    assert not replace(report, failed=(FAILED,)).explained(slow), "a regression is one, whatever failed"
    assert [issue.title for issue in github.issues(report)] == [
        f"Nightly: {RATE.id}",
        "Nightly: drn/scenes/drn-a-18/top1-error",
    ]


def test_what_to_do_is_about_what_no_failure_explains() -> None:
    full = full_report()
    report = replace(full, decisions=tuple(one for one in full.decisions if one.word is not Word.REGRESSION))
    assert report.explained(report.alarms[0])
    assert "drn/scenes/drn-a-18/top1-error" in github.what_to_do(report)
    assert f"--accept {IOU.id}" not in github.what_to_do(report)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_night_without_a_number_is_told_by_every_output(bad: float, tmp_path: Path) -> None:
    full = full_report()
    slow = full.series[RATE.id]
    broken = replace(slow, nights=(*slow.nights[:-1], replace(slow.nights[-1], value=bad, again=bad)))
    (word,) = (one for one in full.decisions if one.address == RATE)
    told = replace(
        word, word=Word.NOT_COMPARED, level=None, tonight=None, change=None, since="", reason="Not compared."
    )
    write(replace(full, decisions=(told,), series={RATE.id: broken}), tmp_path)
    html = (tmp_path / "index.html").read_text()
    assert problems(Page(html)) == []
    assert not re.search(r'"(nan|inf)"', html)
    only = replace(broken, nights=broken.nights[-1:])
    assert problems(Page(page(replace(full, decisions=(told,), series={RATE.id: only})))) == []


def test_junit_has_a_case_for_everything_and_adds_up() -> None:
    report = full_report()
    root = ElementTree.fromstring(junit(report))
    assert root.tag == "testsuites"
    assert [suite.get("name") for suite in root] == ["metrics", "claims", "work"]
    for suite in root:
        cases = list(suite)
        assert {case.tag for case in cases} == {"testcase"}
        assert int(suite.get("tests", "")) == len(cases)
        for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(kind, "")) == sum(case.find(tag) is not None for case in cases)
        assert all(case.get("name") and case.get("classname") for case in cases)
        assert all(len(case) <= 1 and float(case.get("time", "")) >= 0 for case in cases)
    metrics = {f"{case.get('classname')} {case.get('name')}": case for case in root[0]}
    assert len(metrics) == len(report.decisions)
    failure = metrics["drn.throughput ResNet-18 rate"].find("failure")
    assert failure is not None
    assert "remeasure check --accept" in (failure.text or "")
    assert metrics["deeplab.voc LargeFOV + CRF iou sky"].find("failure") is not None
    assert metrics["drn.scenes DRN-A-18 top1-error"].find("error") is not None
    assert metrics["drn.scenes DRN-B-26 top1-error"].find("skipped") is not None
    assert len(metrics["drn.scenes DRN-C-26 top1-error"]) == 0
    quiet = ElementTree.fromstring(junit(quiet_report()))
    assert (quiet.get("failures"), quiet.get("errors")) == ("0", "0")


def test_annotations_say_what_they_mean_whatever_the_text() -> None:
    lines = github.workflow_commands(full_report())
    for line in lines:
        found = re.fullmatch(r"::(error|warning) title=([^:,\r\n]*)::([^\r\n]*)", line)
        assert found, line
        assert not re.search(r"%(?!25|0D|0A|3A|2C)", found[2] + found[3])
    claim = next(line for line in lines if "claim" in line)
    plain = claim.split("::")[2].replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
    assert plain == f"reproduced, now worse. {NASTY}"
    assert sum(line.startswith("::warning") for line in lines) == 1, "only what every night measures"
    assert github.workflow_commands(quiet_report()) == ()


def test_the_summary_says_first_what_to_do() -> None:
    summary = github.summary(full_report())
    first = summary.splitlines()[:10]
    assert first[0].startswith("## Night of 2026-03-20 01:00 UTC: 1 regression, 1 missing metric")
    assert "remeasure run drn --only throughput --only" in first[2]
    assert f"remeasure check --accept {RATE.id}" in first[2]
    assert "Exit code 13" in "\n".join(first)
    rows = [line for line in summary.splitlines() if line.startswith("|")]
    widths = {len(re.split(r"(?<!\\)\|", row)) for row in rows}
    assert widths <= {5, 6, 8}, "a cell that is more than one"
    assert "<b>" not in summary.replace("\\<b\\>", "")
    assert "To take an improvement as the new level" in summary
    assert "Nothing to do." in github.summary(quiet_report())


def test_an_issue_has_all_that_it_takes_to_act() -> None:
    issue = github.issues(full_report())[0]
    for part in (
        "370.4 images/s",
        "400",
        "−7.4",
        "p = 2e-09",
        "since the night of 2026-03-20",
        "212121212121..c0ffeec0ffee",
        "| confirmed by | 371",
        "remeasure check --accept drn/throughput/resnet-18/rate",
    ):
        assert part in issue.body, part
    later = replace(full_report(), started="2026-03-21T01:00:00+00:00")
    assert github.issues(later)[0].title == issue.title


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (Code("c", "a" * 40), Code("c", "a" * 40), "aaaaaaaaaaaa, the same as before"),
        (Code("c", "a" * 40), Code("d", "a" * 40, dirty=True), "aaaaaaaaaaaa with changes that were not committed"),
        (Code("d", "a" * 40, dirty=True), Code("c", "a" * 40), "aaaaaaaaaaaa"),
        (Code("c", "a" * 40), Code("d", "b" * 40, dirty=True), "a..bbbbbbbbbbbb with changes that were not committed"),
        (Code("c"), Code("d", "b" * 40), "bbbbbbbbbbbb"),
        (Code("c", "a" * 40), Code("d"), ""),
    ],
)
def test_changes_that_were_not_committed_are_no_commit(before: Code, now: Code, said: str) -> None:
    full = full_report()
    records = {name: msgspec.structs.replace(record, code=before) for name, record in full.records.items()}
    records["r-now"] = msgspec.structs.replace(records["r-now"], code=now)
    (regression,) = full.of(Word.REGRESSION)[:1]
    found = commits(replace(full, records=records), regression)
    assert found.endswith(said)
    assert bool(found) == bool(said)


def test_the_badge_is_an_endpoint_of_shields() -> None:
    reports = (full_report(), quiet_report(), full_report(made=(), failed=()), full_report(made=()))
    for report in reports:
        jsonschema.validate(json.loads(shields(report)), ENDPOINT)
    badges = [json.loads(shields(report)) for report in reports[:2]]
    assert [badge["color"] for badge in badges] == ["red", "brightgreen"]
    assert [badge["isError"] for badge in badges] == [True, False]


def test_pytest_benchmark_reads_the_times_and_compares_them(tmp_path: Path) -> None:
    report = quiet_report()
    folder = tmp_path / "Linux-CPython-3.11-64bit"
    folder.mkdir()
    (folder / "0001_night.json").write_bytes(pytest_benchmark(report))
    storage = FileStorage(tmp_path, Logger(), default_machine_id="Linux-CPython-3.11-64bit")
    (loaded,) = storage.load_benchmarks("0001")
    stats = Stats()
    for seconds in report.timings[0].seconds:
        stats.update(seconds)
    ours = json.loads(pytest_benchmark(report))["benchmarks"][0]["stats"]
    assert set(Stats.fields) < set(ours)
    for name in ("min", "max", "mean", "stddev", "rounds", "median", "ops", "total", "stddev_outliers"):
        assert ours[name] == pytest.approx(getattr(stats, name)), name
    assert ours["min"] <= ours["q1"] <= ours["median"] <= ours["q3"] <= ours["max"]
    assert loaded["fullname"] == "drn/throughput/resnet-18"
    check = parse_compare_fail("mean:5%")
    slower = {**loaded, "mean": 1.06 * loaded["mean"]}
    assert check.fails(slower, loaded)
    assert not check.fails({**loaded, "mean": 1.04 * loaded["mean"]}, loaded)


@pytest.mark.parametrize("report", [full_report(), quiet_report(), full_report(made=(), decisions=(), series={})])
def test_the_page_is_well_formed(report: NightReport) -> None:
    assert problems(Page(page(report))) == []


def test_the_page_tells_everything() -> None:
    report = full_report()
    html = Page(page(report))
    for each in report.decisions:
        if each.word is not Word.NOT_COMPARED:
            assert each.reason in html.by_id(each.address.id.replace("/", "-")).text
    slow = html.by_id("drn-throughput-resnet-18-rate").text
    assert "Once more, at once 371" in slow
    assert "remeasure check --accept drn/throughput/resnet-18/rate" in slow
    assert "What measures it failed" in html.by_id(IOU.id.replace("/", "-")).text
    assert 'packages.torch "2.6.0" -> "2.7.0"' in html.by_id("drn-scenes-drn-b-26-top1-error").text
    assert "Compared with the nights before; the last one was 2026-03-19" in html.text


def test_a_chart_shows_segments_level_tonight_and_confirmation() -> None:
    html = Page(page(full_report()))

    def drawn(anchor: str) -> list[str]:
        return [
            e.attributes.get("class", "") for e in html.by_id(anchor).all() if e.tag in ("polyline", "line", "circle")
        ]

    slow = drawn("drn-throughput-resnet-18-rate")
    assert slow.count("dot ") == 12
    assert slow.count("dot tonight left") == 1
    assert slow.count("again") == 1
    assert slow.count("held") == 1
    assert (slow.count("path"), slow.count("divider")) == (1, 0)
    moved = drawn("drn-scenes-drn-b-26-top1-error")
    assert (moved.count("path"), moved.count("divider"), moved.count("held")) == (3, 2, 0)


def test_the_same_night_gives_the_same_bytes_and_no_stale_issue(tmp_path: Path) -> None:
    write(full_report(), tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert set(first) >= {"index.html", "junit.xml", "summary.md", "badge.json", "benchmark.json"}
    write(full_report(), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == first
    write(quiet_report(), tmp_path)
    assert list((tmp_path / "issues").glob("*")) == []
    assert STARTED[:10] in (tmp_path / "index.html").read_text()
