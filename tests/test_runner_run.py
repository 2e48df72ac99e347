"""Runs measure what is not recorded, lose nothing, and end with the same numbers however often they are interrupted."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from runner_desk import OPTIONS, UNITS, Desk, Interrupt, quiet
from tiny_paper import experiments

from harness.errors import ExitCode, InterruptedRunError, LedgerError, StorageError, UsageError
from harness.experiment import Context, Outcome, Unit
from harness.runner.identity import key_of
from harness.runner.run import Summary
from harness.runner.state import hold


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("uninterrupted"))
    desk.run()
    return desk


def test_everything_is_measured_once(uninterrupted: Desk) -> None:
    assert len(uninterrupted.calls.measured) == len(uninterrupted.outcomes()) == UNITS
    assert uninterrupted.is_tidy()
    before = len(uninterrupted.calls.measured)
    summary = uninterrupted.run()
    assert summary == Summary((), UNITS, {})
    assert len(uninterrupted.calls.measured) == before


def test_units_come_seed_by_seed_and_records_say_where_they_come_from(uninterrupted: Desk) -> None:
    assert uninterrupted.calls.measured[:3] == [
        Unit("clouds", "Narrow", 0),
        Unit("clouds", "Wide", 0),
        Unit("clouds", "Narrow", 1),
    ]
    job = uninterrupted.job()
    for stored in uninterrupted.ledger.records():
        record = stored.record
        (experiment,) = (e for e in job.experiments if e.key == record.experiment)
        assert record.recipe == experiment.recipe
        assert record.code == job.bases[experiment.key].code
        assert record.data == job.bases[experiment.key].data
        assert record.environment.device == "cpu"
        assert record.complete


def test_what_changed_is_measured_again_and_only_that(desk: Desk) -> None:
    desk.run()
    summary = desk.run(rate=0.25)
    assert {stored.record.experiment for stored in summary.measured} == {"clouds"}
    assert summary.kept == 1
    assert len(list(desk.ledger.records())) == 2 * UNITS - 1
    assert desk.run(rate=0.25).measured == ()
    assert desk.run(images=50).kept == 1


def test_a_damaged_record_is_measured_again(desk: Desk) -> None:
    stored = desk.run().measured[0]
    stored.path.with_suffix(".npz").write_bytes(b"damaged")
    (again,) = desk.run().measured
    assert (again.record.system, again.record.seed) == (stored.record.system, stored.record.seed)


def test_again_measures_everything_and_says_what_repeats(desk: Desk) -> None:
    first = {(s.record.system, s.record.seed, s.record.experiment): s.digest for s in desk.run().measured}
    summary = desk.run(again=True)
    assert len(summary.measured) == UNITS
    assert len(desk.calls.measured) == 2 * UNITS
    assert summary.repeats == {
        s.digest: first[s.record.system, s.record.seed, s.record.experiment] for s in summary.measured
    }
    assert sum("bit for bit" in line for line in desk.said) == UNITS
    assert desk.is_tidy()
    assert len(desk.run(again=True).measured) == UNITS, "a finished round is over"


def test_again_says_what_differs(desk: Desk) -> None:
    desk.run()
    trained, exact = experiments(OPTIONS, desk.calls)

    def unsteady(unit: Unit, context: Context) -> Outcome:
        outcome = trained.measure(unit, context)
        return replace(outcome, arrays={**outcome.arrays, "ranks": outcome.arrays["ranks"] + 1})

    job = desk.job(again=True)
    summary = desk.run(replace(job, experiments=(replace(trained, measure=unsteady), exact)))
    assert len(summary.repeats) == 1
    differing = [line for line in desk.said if "differs from record" in line]
    assert len(differing) == UNITS - 1
    assert differing[0].endswith("in ranks")


def run_until_interrupted(desk: Desk, again: bool) -> Summary | None:
    job = desk.job(again=again)
    desk.progress = Interrupt(9)
    try:
        return desk.run(job)
    except InterruptedRunError:
        return None
    finally:
        desk.progress = quiet


def test_ctrl_c_is_told_from_failure(desk: Desk) -> None:
    desk.progress = Interrupt(9)
    with pytest.raises(InterruptedRunError, match=f"interrupted; 1 of {UNITS} measurements are recorded") as caught:
        desk.run()
    assert caught.value.exit_code is ExitCode.INTERRUPTED
    assert "goes on" in caught.value.remedy


@pytest.mark.parametrize("again", [False, True])
def test_ctrl_c_loses_nothing(desk: Desk, uninterrupted: Desk, again: bool) -> None:
    interruptions = 0
    while (summary := run_until_interrupted(desk, again)) is None:
        interruptions += 1
    assert interruptions >= 3
    assert len(summary.measured) < UNITS
    assert desk.outcomes() == uninterrupted.outcomes()
    assert desk.is_tidy()
    assert any("going on with an interrupted attempt" in line for line in desk.said)
    assert len(desk.calls.measured) <= UNITS + interruptions


def test_an_interrupted_round_keeps_what_it_measured(desk: Desk) -> None:
    desk.run()
    desk.progress = Interrupt(20)
    with pytest.raises(InterruptedRunError):
        desk.run(again=True)
    done = len(list(desk.ledger.records())) - UNITS
    assert 0 < done < UNITS
    desk.progress = quiet
    assert desk.run().measured == (), "a plain run has nothing to do and leaves the round open"
    summary = desk.run(again=True)
    assert (len(summary.measured), summary.kept) == (UNITS - done, done)
    assert f"going on with the round: {done} of {UNITS} measured" in desk.said
    assert desk.is_tidy()


def test_scratch_of_another_recipe_is_not_resumed(desk: Desk) -> None:
    desk.progress = Interrupt(5)
    with pytest.raises(InterruptedRunError):
        desk.run(rate=0.1)
    (folder,) = desk.state.folder.glob("units/*")
    assert (folder / "work" / "state.json").exists()
    desk.progress = quiet
    desk.run()
    assert not any("interrupted attempt" in line for line in desk.said)
    other = Desk(desk.folder / "other")
    other.run()
    assert desk.outcomes() == other.outcomes()


def test_half_deleted_scratch_is_not_resumed(desk: Desk, uninterrupted: Desk) -> None:
    desk.progress = Interrupt(5)
    with pytest.raises(InterruptedRunError):
        desk.run()
    (folder,) = desk.state.folder.glob("units/*")
    (folder / "unit.json").unlink()
    (folder / "work" / "state.json").write_text('{"weights": [[0]], "log": [1, 2, 3]}')
    desk.progress = quiet
    desk.run()
    assert desk.outcomes() == uninterrupted.outcomes()


def test_time_spent_counts_every_attempt(desk: Desk) -> None:
    desk.progress = Interrupt(5)
    with pytest.raises(InterruptedRunError):
        desk.run()
    (folder,) = desk.state.folder.glob("units/*")
    begun = (folder / "unit.json").stat().st_mtime
    os.utime(folder / "unit.json", (begun + 1000, begun + 1000))
    desk.progress = quiet
    first = desk.run().measured[0].record
    assert 1000 <= first.seconds < 1100


@pytest.mark.parametrize("again", [False, True])
def test_what_cannot_be_recorded_is_kept_and_not_measured_twice(desk: Desk, uninterrupted: Desk, again: bool) -> None:
    blocker = desk.folder / "ledger" / "tiny"
    blocker.parent.mkdir()
    blocker.write_text("a file where the paper's folder should be")
    with pytest.raises(StorageError, match="cannot write") as caught:
        desk.run(again=again)
    assert str(blocker) in caught.value.message
    assert "without measuring again" in caught.value.remedy
    blocker.unlink()
    summary = desk.run(again=again)
    assert len(summary.measured) == len(desk.calls.measured) == UNITS
    assert any("measured by an earlier run" in line for line in desk.said)
    assert desk.outcomes() == uninterrupted.outcomes()
    assert desk.is_tidy()


def test_a_state_folder_that_cannot_be_written(desk: Desk) -> None:
    job = desk.job()
    desk.state.folder.parent.write_text("")
    with pytest.raises(StorageError, match="cannot write") as caught:
        desk.run(job)
    assert str(desk.state.folder.parent) in caught.value.message


def test_one_run_at_a_time(desk: Desk) -> None:
    with (
        hold(desk.state.folder.parent, "tiny"),
        pytest.raises(UsageError, match="another run of tiny is going on") as caught,
    ):
        desk.run()
    assert caught.value.remedy
    assert len(desk.run().measured) == UNITS


def test_what_is_no_number_is_refused_with_its_place(desk: Desk) -> None:
    def diverge(*_: object) -> Outcome:
        return Outcome({"last-loss": float("nan")})

    job = desk.job()
    diverging = tuple(replace(experiment, measure=diverge) for experiment in job.experiments)
    with pytest.raises(LedgerError, match=r"tiny/clouds, Narrow, seed 0: values\.last-loss is not a finite number"):
        desk.run(replace(job, experiments=diverging))
    assert desk.outcomes() == {}


def test_state_that_cannot_be_read_costs_work_only(desk: Desk) -> None:
    desk.progress = Interrupt(20)
    with pytest.raises(InterruptedRunError):
        desk.run(again=True)
    for path in [*desk.state.folder.glob("rounds/*"), *desk.state.folder.glob("units/*/unit.json")]:
        path.write_text("{")
    desk.progress = quiet
    assert len(desk.run(again=True).measured) == UNITS
    newest = {key_of(stored.record): stored for stored in desk.ledger.records()}
    assert len(newest) == UNITS
    assert desk.is_tidy()


KILLED_AGAIN_AND_AGAIN = """
import os, random, signal, sys, torch
from pathlib import Path
sys.path.insert(0, "tests")
from runner_desk import Desk
stream = random.Random(1)

def trace_until(fatal):
    seen = 0
    def trace(frame, event, argument):
        nonlocal seen
        name = frame.f_code.co_filename
        if "harness/runner" not in name and "harness/ledger" not in name and "tiny_paper" not in name:
            return None
        seen += event == "line"
        if seen == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    return trace

def run_until_killed(folder, again, fatal):
    child = os.fork()
    if child == 0:
        desk = Desk(folder)
        job = desk.job(again=again)
        sys.settrace(trace_until(fatal))
        desk.run(job)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return status

for name in ("plain", "again"):
    folder, kills = Path(sys.argv[1], name), 0
    while os.WIFSIGNALED(status := run_until_killed(folder, name == "again", stream.randrange(200, 3500))):
        kills += 1
    print(name, kills, os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_killed_at_random_the_run_ends_with_the_same_numbers(tmp_path: Path, uninterrupted: Desk) -> None:
    command = [sys.executable, "-c", KILLED_AGAIN_AND_AGAIN, str(tmp_path)]
    process = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    for line in process.stdout.splitlines():
        name, kills, code = line.split()
        assert (int(code), int(kills) >= 3) == (0, True), line
        desk = Desk(tmp_path / name)
        assert desk.outcomes() == uninterrupted.outcomes()
        assert desk.ledger.refused == ()
        assert desk.is_tidy()
    assert len(process.stdout.splitlines()) == 2
