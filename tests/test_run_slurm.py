"""``remeasure run --slurm``: jobs record what a run does, fail each for itself, and outlive who waits for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent, indent
from typing import IO, Any

import pytest
from runner_desk import Desk, quiet
from submitit import SlurmExecutor
from test_cli_all import TESTS, built

from harness.errors import ExitCode, UsageError
from harness.experiment import Options, Unit
from harness.ledger.store import Ledger
from harness.runner.order import Failure, Order
from harness.runner.request import NUMBERS, TEXTS, Request, read_request, require_jobs
from harness.runner.slurm import JobsError, run_jobs
from harness.shards import ALONE, Shard

EXPERIMENTS = """
import os
import signal
from dataclasses import replace

import tiny_paper
from harness.errors import DataError


def experiments(options):
    return tuple(hooked(experiment) for experiment in tiny_paper.experiments(options))


def hooked(experiment):
    def measure(unit, context):
{statements}
        return experiment.measure(unit, context)

    return replace(experiment, measure=measure, command="remeasure run tiny")
"""
TWO_UNITS = ("run", "tiny", "--device", "cpu", "--only", "Narrow", "--seeds", "1")
ONE_UNIT = ("run", "tiny", "--device", "cpu", "--only", "exact")
JOBS = ("--slurm", "local,time=2")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder in which the tiny paper can be found."""
    return built(tmp_path, "tiny")


def before_measuring(house: Path, statements: str) -> None:
    """Have every unit do something first; the digest of the code stays the same."""
    file = house / "reproductions/tiny/experiments.py"
    file.write_text(EXPERIMENTS.format(statements=indent(dedent(statements), " " * 8)), encoding="utf-8")


def started(house: Path, *arguments: str, said: IO[str] | int) -> subprocess.Popen[str]:
    """Start the program; its messages go to ``said``, which jobs on this machine keep open as well."""
    path = os.pathsep.join([str(house), str(TESTS), str(TESTS.parent)])
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments],
        cwd=house,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=said,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> int:
    try:
        return process.wait(timeout=120)
    finally:
        process.kill()


def remeasure(house: Path, *arguments: str) -> tuple[int, str]:
    """Return the program's exit code and messages."""
    with (house / "said").open("w+", encoding="utf-8") as said:
        code = finished(started(house, *arguments, said=said))
        said.seek(0)
        return code, said.read()


def recorded(house: Path) -> Ledger:
    return Ledger(house / "reports/ledger")


def outcomes(ledger: Ledger) -> dict[str, Any]:
    """Return everything of a ledger's records that two runs have in common."""
    records = [stored.record for stored in ledger.records(verify_arrays=True)]
    return {
        record.experiment: (
            (record.system, record.seed, record.evidence, record.recipe, record.data, record.code, record.deviations),
            (record.arrays, record.values, [row["loss"] for row in record.log]),
        )
        for record in records
    }


def test_jobs_record_what_a_run_does_and_only_what_is_missing(house: Path) -> None:
    code, said = remeasure(house, *TWO_UNITS, *JOBS)
    assert code == ExitCode.OK, said
    assert "submitted 2 jobs" in said
    assert (house / "reports/tiny/index.html").is_file()
    assert sorted(path.name for path in (house / ".remeasure/jobs").iterdir()) == ["logs"]

    plain = Desk(house / "plain")
    plain.run(options=Options(device="cpu", only=("Narrow",), seeds=1))
    assert set(outcomes(plain.ledger)) == {"clouds", "exact"}
    assert outcomes(recorded(house)) == outcomes(plain.ledger)

    before = sorted((house / "reports/ledger").rglob("*.json"))
    code, said = remeasure(house, *TWO_UNITS, *JOBS)
    assert code == ExitCode.OK, said
    assert "submitted" not in said
    assert sorted((house / "reports/ledger").rglob("*.json")) == before


def test_jobs_that_fail_keep_no_other_from_its_record(house: Path) -> None:
    before_measuring(
        house,
        """
        if unit.experiment == "clouds" and unit.system == "Narrow":
            raise DataError("no such folder: clouds", "Mount it.")
        if unit.experiment == "clouds":
            raise ZeroDivisionError("a defect")
        """,
    )
    code, said = remeasure(house, "run", "tiny", "--device", "cpu", "--seeds", "1", *JOBS)
    assert code == ExitCode.DEFECT, said
    assert "2 of 3 jobs failed" in said
    assert "\nno such folder: clouds\nMount it.\n" in said
    assert "\nZeroDivisionError: a defect (state" in said
    assert set(outcomes(recorded(house))) == {"exact"}
    logs = dict(line.split(": failed, see ") for line in said.splitlines() if ": failed, see " in line)
    assert set(logs) == {"Narrow, seed 0 (clouds)", "Wide, seed 0 (clouds)"}
    assert "no such folder: clouds" in Path(logs["Narrow, seed 0 (clouds)"]).read_text(encoding="utf-8")
    assert "Traceback" in Path(logs["Wide, seed 0 (clouds)"]).read_text(encoding="utf-8")


def test_ctrl_c_ends_the_waiting_and_not_the_jobs(house: Path) -> None:
    """The job says that it runs through one named pipe, and is told to go on through another."""
    for name in ("runs", "go-on"):
        os.mkfifo(house / name)
    before_measuring(house, "open('runs', 'w').write(str(os.getpid())); open('go-on').read()")
    with (house / "said").open("w") as said:
        waiting = started(house, *ONE_UNIT, *JOBS, said=said)
    job = int((house / "runs").read_text())
    for process in (waiting.pid, job):
        os.kill(process, signal.SIGINT)
    assert finished(waiting) == ExitCode.INTERRUPTED
    told = (house / "said").read_text(encoding="utf-8")
    assert "1 jobs go on" in told
    assert "The same command waits for them" in told

    again = started(house, *ONE_UNIT, *JOBS, said=subprocess.PIPE)
    assert again.stderr is not None
    assert "1 of 1 are still queued or running as jobs of an earlier command" in next(again.stderr)
    (house / "go-on").write_text("")
    assert finished(again) == ExitCode.OK
    assert "submitted" not in again.stderr.read()
    assert len(outcomes(recorded(house))) == 1


def test_a_job_that_is_preempted_goes_on_where_it_was(house: Path) -> None:
    before_measuring(
        house,
        """
        seen = context.scratch / "seen"
        if not seen.exists():
            seen.touch()
            os.kill(os.getpid(), signal.SIGUSR2)
        """,
    )
    code, said = remeasure(house, *ONE_UNIT, *JOBS)
    assert code == ExitCode.OK, said
    (log,) = (house / ".remeasure/jobs/logs").glob("*_log.out")
    assert "going on with an interrupted attempt" in log.read_text(encoding="utf-8")
    assert len(outcomes(recorded(house))) == 1


def test_a_job_refuses_what_has_changed_since_it_was_submitted(tmp_path: Path) -> None:
    unit = Unit("architecture", "DRN-A-18", 0)
    order = Order("drn", Options(device="cpu"), unit, "0" * 64, tmp_path / "ledger", tmp_path / "state")
    failure = order()
    assert failure is not None
    assert failure.code is ExitCode.USAGE
    assert "not those with which the job was submitted" in failure.text
    assert not list(tmp_path.iterdir())


def test_without_slurm_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path)
    job = desk.job()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="there is no Slurm here"):
        run_jobs(job, Request("slurm", {}), ledger=desk.ledger, tell=desk.said.append, progress=quiet)
    assert not list(tmp_path.iterdir())


def test_without_submitit_its_installation_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    desk = Desk(tmp_path)
    with pytest.raises(UsageError, match="pip install"):
        run_jobs(desk.job(), Request("local", {}), ledger=desk.ledger, tell=desk.said.append, progress=quiet)


def test_parameters_are_those_of_submitit() -> None:
    assert set(TEXTS + NUMBERS) <= SlurmExecutor._valid_parameters()
    text = "partition=gpu,gres=gpu:a100:1,exclude=node[1-3,5],node7,time=30"
    request = read_request(text)
    assert request.cluster == "slurm"
    assert request.parameters == {
        "partition": "gpu",
        "gres": "gpu:a100:1",
        "exclude": "node[1-3,5],node7",
        "time": 30,
    }
    assert read_request("account=a").parameters["time"] == 60
    assert read_request("local,time=5") == Request("local", {"timeout_min": 5})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not of the form name=value"),
        ("partition", "not of the form name=value"),
        ("partition=", "not of the form name=value"),
        ("partitoin=gpu", "Did you mean partition"),
        ("time=1:00:00", "a whole number above 0"),
        ("time=0", "a whole number above 0"),
        ("nodes=2", "unknown parameter 'nodes'"),
        ("local,partition=gpu", "unknown parameter 'partition'"),
    ],
)
def test_wrong_parameters_are_named(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_request(text)
    assert said in str(caught.value)


def test_what_cannot_be_split_into_jobs_is_refused() -> None:
    options = Options(device="cuda")
    require_jobs(options, False, ALONE)
    for device in ("auto", "abacus"):
        with pytest.raises(UsageError, match="device of the machines that measure"):
            require_jobs(replace(options, device=device), False, ALONE)
    with pytest.raises(UsageError, match="--budget"):
        require_jobs(replace(options, budget=60.0), False, ALONE)
    with pytest.raises(UsageError, match="--again"):
        require_jobs(options, True, ALONE)
    with pytest.raises(UsageError, match="torchrun"):
        require_jobs(options, False, Shard(0, 2))


def test_the_exit_code_is_the_worst_of_the_jobs() -> None:
    missing, full, defect = (Failure(code, code.name) for code in (ExitCode.DATA, ExitCode.STORAGE, ExitCode.DEFECT))
    assert JobsError([full, missing, missing], 4).exit_code is ExitCode.STORAGE
    assert JobsError([full, defect], 2).exit_code is ExitCode.DEFECT
    assert JobsError([full, missing, missing], 4).message.count("DATA") == 1
