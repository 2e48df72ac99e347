"""``remeasure check`` on made ledgers: quiet nights, losses, what is missing, what is accepted, what is replayed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from check_samples import SYSTEMS, night_of, other_machine, rate_of, start_of
from ledger_samples import sample_record

from harness.__main__ import main
from harness.errors import ExitCode
from harness.ledger.record import Evidence
from harness.ledger.store import Ledger

QUIET_NIGHTS = 14
SLOW = "DRN-C-26"
CHANGE = "+0.50 [+0.22, +0.78] pp"


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs the command as ``main`` does."""

    def run(*arguments: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["remeasure", "check", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with quiet nights."""
    folder = tmp_path_factory.mktemp("quiet")
    for night in range(QUIET_NIGHTS):
        night_of(folder, night)
    return folder


@pytest.fixture
def nights(quiet: Path, tmp_path: Path) -> Path:
    """A copy of the quiet nights, to which others can be added."""
    return shutil.copytree(quiet, tmp_path / "nights-and-ledger")


def where(folder: Path) -> tuple[str, ...]:
    """Return the options that name a folder's ledger and nights, of which there may be none yet."""
    (folder / "nights").mkdir(parents=True, exist_ok=True)
    return "--ledger", str(folder / "ledger"), "--nights", str(folder / "nights")


def test_quiet_nights_are_quiet(check: Any, nights: Path) -> None:
    said = check(*where(nights))
    assert said.code == ExitCode.OK
    assert said.out == "12 metrics: 12 steady.\n"
    assert said.err == ""


def test_a_slowdown_is_found_with_the_command_that_accepts_it(check: Any, nights: Path) -> None:
    night_of(nights, QUIET_NIGHTS, {SLOW: 1.2}, confirmed=[SLOW])
    said = check(*where(nights))
    assert said.code == ExitCode.REGRESSION
    (row,) = (line for line in said.out.splitlines() if line.startswith(rate_of(SLOW)))
    assert row.split("\t")[1] == "regression"
    assert f'remeasure check --accept {rate_of(SLOW)} --reason "..."' in said.out
    assert "11 steady, 1 regression" in said.out


def test_a_regression_stays_until_it_is_accepted(check: Any, nights: Path) -> None:
    for night in range(QUIET_NIGHTS, QUIET_NIGHTS + 3):
        night_of(nights, night, {SLOW: 1.2}, confirmed=[SLOW])
    assert check(*where(nights)).code == ExitCode.REGRESSION
    accepted = check(*where(nights), "--accept", rate_of(SLOW), "--reason", "checks every box twice")
    assert accepted.code == ExitCode.OK
    assert "since 2026-01-15 02:00" in accepted.out
    (entry,) = json.loads((nights / "nights" / "levels.json").read_text())["levels"]
    assert (entry["address"], entry["since"]) == (rate_of(SLOW), start_of(QUIET_NIGHTS))
    assert check(*where(nights)).code == ExitCode.OK


def test_an_improvement_is_told_and_is_no_failure(check: Any, nights: Path) -> None:
    for night in range(QUIET_NIGHTS, QUIET_NIGHTS + 2):
        night_of(nights, night, {SLOW: 0.8}, confirmed=[SLOW])
    said = check(*where(nights))
    assert said.code == ExitCode.OK
    assert "1 improvement" in said.out
    assert f"--accept {rate_of(SLOW)}" in said.out


def test_a_metric_that_disappeared_is_a_failure(check: Any, nights: Path) -> None:
    night_of(nights, QUIET_NIGHTS, systems=SYSTEMS[:-1])
    said = check(*where(nights))
    assert said.code == ExitCode.REGRESSION
    assert "1 missing" in said.out
    assert f"{rate_of(SYSTEMS[-1])}\tmissing" in said.out
    for name in (rate_of(SYSTEMS[-1]), rate_of(SYSTEMS[-1]).replace("/rate", "/memory")):
        if name in said.out:
            accepted = check(*where(nights), "--accept", name, "--reason", "not needed")
            assert (accepted.code, accepted.err) == (ExitCode.OK, "")
            assert "is not expected any more since 2026-01-15 02:00: not needed" in accepted.out
    assert check(*where(nights)).code == ExitCode.OK
    again = check(*where(nights), "--accept", rate_of(SYSTEMS[-1]), "--reason", "not needed")
    assert again.code == ExitCode.USAGE
    assert "neither measured nor expected" in again.err


def test_a_level_is_accepted_where_the_history_is_not(check: Any, tmp_path: Path) -> None:
    folder = tmp_path / "nights"
    accept = ("--nights", folder, "--reason", "meant", "--accept")
    said = check(*accept, rate_of(SLOW), "--since", "2026-01-15T03:00:00+01:00")
    assert (said.code, said.err) == (ExitCode.OK, "")
    (entry,) = json.loads((folder / "levels.json").read_text())["levels"]
    assert (entry["address"], entry["since"]) == (rate_of(SLOW), start_of(QUIET_NIGHTS))
    for name, since, message in (
        (rate_of(SLOW), "yesterday", "no ISO 8601"),
        (rate_of(SLOW), "9999-01-01", "yet to come"),
        ("rate", "2026-01-15", "names no metric"),
        ("drm/throughput/resnet-18/rate", "2026-01-15", "Did you mean drn?"),
    ):
        refused = check(*accept, name, "--since", since)
        assert refused.code == ExitCode.USAGE
        assert message in refused.err


def test_an_accepted_level_of_no_metric_is_named(check: Any, nights: Path) -> None:
    check("--nights", nights / "nights", "--reason", "x", "--accept", rate_of("ResNet-81"), "--since", "2026-01-02")
    said = check(*where(nights))
    assert said.code == ExitCode.OK
    assert f"Not applied: the accepted level of {rate_of('ResNet-81')}" in said.err


def test_another_machine_is_shown_and_not_compared(check: Any, nights: Path) -> None:
    night_of(nights, QUIET_NIGHTS, dict.fromkeys(SYSTEMS, 2.0), **other_machine(threads=1))
    said = check(*where(nights))
    assert said.code == ExitCode.OK
    assert "Under new conditions, so not compared with the nights before: 12 metrics. threads 2 -> 1" in said.out
    assert "12 new segment" in said.out


def test_an_accuracy_loss_that_only_pairing_sees(check: Any, tmp_path: Path) -> None:
    """Half a point on 5,000 images: 38 that were right are wrong, 13 the other way."""
    ledger = Ledger(tmp_path / "ledger")
    before = np.random.default_rng(5).permutation(np.arange(5000) < 1250)
    after = before.copy()
    after[np.flatnonzero(~before)[:38]] = True
    after[np.flatnonzero(before)[:13]] = False
    for day, wrong in ((1, before), (2, before), (3, after)):
        record = sample_record(started=f"2026-01-0{day}T02:00:00+00:00", values={})
        ledger.append(record, {"ranks": wrong.astype(np.uint16)})
        code = check(*where(tmp_path)).code
        assert code == (ExitCode.REGRESSION if day == 3 else ExitCode.OK)
    rows = [line.split("\t") for line in check(*where(tmp_path)).out.splitlines()]
    (row,) = (row for row in rows if row[0] == "drn/scenes/drn-c-26/top1-error")
    assert [cell.replace("\u202f", " ") for cell in row[1:5]] == ["regression", "25 %", "25.5 %", CHANGE]


def test_an_exact_quantity_that_changed_is_a_failure(check: Any, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    for day, parameters in ((1, 21126584), (2, 21126585)):
        record = sample_record(
            started=f"2026-01-0{day}", evidence=Evidence.EXACT, data=None, values={"parameters": parameters}
        )
        ledger.append(record, {})
    said = check(*where(tmp_path))
    assert said.code == ExitCode.REGRESSION
    assert "drn/scenes/drn-c-26/parameters\tregression" in said.out
    name = "drn/scenes/drn-c-26/parameters"
    assert check(*where(tmp_path), "--accept", name, "--reason", "a bias was missing").code == ExitCode.OK
    assert check(*where(tmp_path)).code == ExitCode.OK


def test_images_that_cannot_be_paired_are_a_failure(check: Any, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    for day, count in ((1, 400), (2, 399)):
        record = sample_record(started=f"2026-01-0{day}", values={})
        ledger.append(record, {"ranks": np.zeros(count, dtype=np.uint16)})
    said = check(*where(tmp_path))
    assert said.code == ExitCode.REGRESSION
    assert "2 not compared" in said.out
    assert "399 images, 400 before" in said.out


def test_json_has_what_failed_and_the_code_behind_it(check: Any, nights: Path) -> None:
    night_of(nights, QUIET_NIGHTS, {SLOW: 1.2}, confirmed=[SLOW])
    said = json.loads(check(*where(nights), "--json").out)
    assert said["night"] == start_of(QUIET_NIGHTS)
    assert said["failed"] is True
    assert said["counts"] == {"regression": 1, "steady": 11}
    (metric,) = said["metrics"]
    assert (metric["address"], metric["word"], metric["since"]) == (rate_of(SLOW), "regression", said["night"])
    assert metric["change"]["estimate"] < 0
    assert metric["code"] == ["0123abcd"]
    assert len(json.loads(check(*where(nights), "--json", "--all").out)["metrics"]) == 12


def test_all_lists_what_is_steady(check: Any, nights: Path) -> None:
    said = check(*where(nights), "--all", "drn")
    assert all(f"{rate_of(system)}\tsteady" in said.out for system in SYSTEMS)


def test_replay_tells_what_each_night_would_have_said(check: Any, nights: Path) -> None:
    for night in range(QUIET_NIGHTS, QUIET_NIGHTS + 2):
        night_of(nights, night, {SLOW: 1.2}, confirmed=[SLOW])
    said = check(*where(nights), "--replay")
    assert said.code == ExitCode.OK
    headings = [line for line in said.out.splitlines() if not line.startswith("  ")]
    assert len(headings) == QUIET_NIGHTS + 2
    assert headings[0] == "2026-01-01 02:00: 12 metrics: 12 new segment"
    assert headings[QUIET_NIGHTS - 1].endswith("12 metrics: 12 steady")
    assert headings[QUIET_NIGHTS].endswith("11 steady, 1 regression")
    told = json.loads(check(*where(nights), "--replay", "--json").out)
    assert [night["failed"] for night in told] == [False] * QUIET_NIGHTS + [True] * 2


def table(path: Path, values: list[float]) -> Path:
    lines = [f"2026-01-{day:02},p50,{value},{value}" for day, value in enumerate(values, start=1)]
    path.write_text("\n".join(("night,metric,value,again", *lines)), encoding="utf-8")
    return path


def test_any_recorded_history_is_judged(check: Any, tmp_path: Path) -> None:
    stream = np.random.default_rng(8)
    values = [float(value) for value in 10 * np.exp(stream.normal(0, 0.01, 20))]
    assert check("--history", table(tmp_path / "t.csv", values)).code == ExitCode.OK
    slow = table(tmp_path / "t.csv", [*values, *(13.0 for _ in range(4))])
    said = check("--history", slow)
    assert said.code == ExitCode.REGRESSION
    assert "recorded/t/p50/value\tregression" in said.out
    assert "--accept" not in said.out
    assert check("--history", slow, "--replay").code == ExitCode.OK
    broken = table(tmp_path / "t.csv", [*values, float("nan")])
    assert check("--history", broken).code == ExitCode.REGRESSION


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--accept", "a/b/c/d"), ExitCode.USAGE, "no reason"),
        (("--reason", "meant"), ExitCode.USAGE, "--reason without --accept"),
        (("--since", "2026-01-01"), ExitCode.USAGE, "--since without --accept"),
        (("--accept", "a/b/c/d", "--reason", "meant", "--replay"), ExitCode.USAGE, "as it is now"),
        (
            ("--accept", "drn/throughput/resnet-81/rate", "--reason", "x"),
            ExitCode.USAGE,
            "mean drn/throughput/resnet-18/",
        ),
        (("drn", "--history", "t.csv"), ExitCode.USAGE, "of no paper"),
        (("drm",), ExitCode.USAGE, "Did you mean drn?"),
        (("hdc",), ExitCode.NOTHING_MEASURED, "no measurement of hdc"),
        (("--history", "none.csv"), ExitCode.DATA, "none.csv: cannot be read"),
    ],
)
def test_mistakes_get_a_sentence(
    check: Any, tmp_path: Path, arguments: tuple[str, ...], code: ExitCode, message: str
) -> None:
    night_of(tmp_path, 0, expected=())
    said = check(*arguments, *where(tmp_path))
    assert said.code == code
    assert message in said.err


def test_a_damaged_manifest_is_no_pass(check: Any, nights: Path) -> None:
    (nights / "nights" / "20260101T020000Z.json").write_text("{", encoding="utf-8")
    said = check(*where(nights))
    assert said.code == ExitCode.LEDGER
    assert "20260101T020000Z.json" in said.err


def test_a_damaged_record_is_missed_and_named(check: Any, nights: Path) -> None:
    stored = night_of(nights, QUIET_NIGHTS)
    stored[0].path.with_suffix(".npz").write_bytes(b"")
    said = check(*where(nights))
    assert said.code == ExitCode.REGRESSION
    assert f"{rate_of(SYSTEMS[0])}\tmissing" in said.out
    assert str(stored[0].path) in said.err


def test_a_damaged_record_that_nothing_expects_is_no_pass(check: Any, nights: Path) -> None:
    stored = night_of(nights, QUIET_NIGHTS, expected=())
    stored[0].path.write_bytes(b"{}")
    said = check(*where(nights))
    assert said.code == ExitCode.LEDGER
    assert str(stored[0].path) in said.err


def test_a_misspelt_folder_of_nights_is_not_taken_for_no_nights(check: Any, nights: Path) -> None:
    said = check("--ledger", str(nights / "ledger"), "--nights", str(nights / "night"))
    assert said.code == ExitCode.USAGE
    assert f"there is no folder {nights / 'night'}" in said.err


def test_torch_is_not_imported(nights: Path) -> None:
    program = (
        "import sys\nfrom harness.__main__ import main\n"
        f"sys.argv = {['remeasure', 'check', '--all', *where(nights)]!r}\n"
        "try:\n    main()\nfinally:\n    assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert "12 metrics: 12 steady" in done.stdout
