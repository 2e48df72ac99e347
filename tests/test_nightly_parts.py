"""The parts of a night by themselves: what is chosen, what is kept, what fits, what counts as worse."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from runner_desk import OPTIONS, Desk, quiet
from tiny_paper import experiments

from harness.errors import ExitCode, LedgerError
from harness.experiment import Experiment, Options
from harness.ledger.store import Ledger
from harness.nightly import kept
from harness.nightly.fixed import FIXED, standing
from harness.nightly.kept import NightFile
from harness.nightly.plan import FIXED_SET, plan_paper
from harness.nightly.session import BENCHMARKS, Session, timed
from harness.nightly.verdicts import AGAINST, FOR, Said, carried, got_worse, rank
from harness.nightly.work import Budget, Failed
from harness.regression.manifests import read_manifests
from harness.statistics.evidence import WORDS, Evidence, Word

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / ".github/workflows/nightly-gpu.yml"
SESSION_TEST = """
import msgspec, pytest
from harness.engine.timings import Timing
from harness.ledger.record import Code
from ledger_samples import ENVIRONMENT

@pytest.mark.parametrize("system", ["Narrow", "Wide"])
@pytest.mark.parametrize("block", range(2))
def test_sum(benchmark, block, system):
    benchmark.pedantic(sum, args=(range(100),), rounds=3, iterations=1)
    timing = Timing("tiny", "summing", system, block, {{"batch": 1}}, {{"memory": 1.0}}, ENVIRONMENT, Code("c" * 64))
    benchmark.extra_info.update(msgspec.to_builtins(timing))
    {statement}
"""


def trained(key: str, **changes: Any) -> Experiment:
    return replace(experiments(OPTIONS)[0], key=key, **changes)


def test_the_fixed_set_names_each_kind_of_evidence_once() -> None:
    kinds = [kind for part in FIXED for kind in part.evidence]
    assert len(kinds) == len(set(kinds))
    assert set(Evidence) - set(kinds) == {Evidence.EXACT, Evidence.ARITHMETIC}
    assert all(part.why for part in FIXED)


def test_the_cheapest_is_taken_and_kept_while_it_can_run() -> None:
    able = [trained("dear"), trained("cheap"), trained("clock", evidence=Evidence.TIMING, seeds=(0, 1))]
    first = standing(able, {"dear": 9.0, "cheap": 5.0})
    assert {(e.key, e.seeds) for e in first} == {("clock", (0, 1)), ("cheap", (0,))}
    moved = standing(able, {"dear": 4.9, "cheap": 5.0}, before=("cheap", "clock"))
    assert {e.key for e in moved} == {"clock", "cheap"}, "an estimate that moves a little ends no history"
    gone = standing([able[0]], {"dear": 4.9}, before=("cheap", "clock"))
    assert [e.key for e in gone] == ["dear"]
    assert [e.key for e in standing(able[:2], {"cheap": 5.0})] == ["cheap"], "what is not known is no bargain"


def test_a_plan_has_the_fixed_set_first_and_then_what_is_owed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    def factory(options: Options) -> tuple[Experiment, ...]:
        session = trained("bench", evidence=Evidence.TIMING, command="nox -s bench", needs="a session of its own")
        return (*experiments(options, desk.calls), session, trained("elsewhere", needs="a GPU"))

    planned = plan_paper("tiny", factory, OPTIONS, ledger=desk.ledger, progress=quiet)
    assert planned.in_session == ("bench",)
    assert [(p.system, p.seed) for p in planned.pieces if p.fixed] == [("Narrow", 0), ("Wide", 0)]
    assert [p.fixed for p in planned.pieces] == sorted((p.fixed for p in planned.pieces), reverse=True)
    assert len(planned.pieces) == 7, "nothing of what cannot run here"
    assert all(p.why == "not measured yet" for p in planned.pieces if not p.fixed)
    desk.run()
    later = plan_paper("tiny", factory, OPTIONS, ledger=desk.ledger, progress=quiet)
    assert [(p.system, p.seed, p.why) for p in later.pieces] == [("Narrow", 0, FIXED_SET), ("Wide", 0, FIXED_SET)]
    assert all(p.seconds is not None for p in later.pieces)


def test_a_budget_holds_something_back_and_never_ends_early() -> None:
    assert Budget().fits(1e9)
    now = time.time()
    budget = Budget(100.0, now + 100.0)
    assert budget.fits(90.0)
    assert not budget.fits(98.0), "an estimate is one"
    assert budget.fits(None)
    assert not Budget(100.0, now - 1).fits(0.0)
    assert not Budget(100.0, now - 1).fits(None)


def test_an_interrupted_night_goes_on_for_a_day_and_no_longer(tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    old = NightFile(started=(now - timedelta(days=2)).isoformat(), device="cpu", finished=True, session=7.5)
    kept.save(tmp_path, old)
    fresh, before = kept.opened(tmp_path, "cpu")
    assert (before, fresh.measured, fresh.finished) == (old, (), False)
    assert kept.opened(tmp_path, "Some GPU")[1] is None, "another device has nights of its own"
    begun = NightFile(started=(now - timedelta(hours=3)).isoformat(), device="cpu", measured=("d" * 64,))
    kept.save(tmp_path, begun)
    assert kept.opened(tmp_path, "cpu") == (begun, old)
    kept.save(tmp_path, msgspec.structs.replace(begun, finished=True))
    assert kept.opened(tmp_path, "cpu")[0].started != begun.started
    abandoned = NightFile(started=(now - timedelta(hours=21)).isoformat(), device="abacus")
    kept.save(tmp_path, abandoned)
    assert kept.opened(tmp_path, "abacus")[0].started != abandoned.started


def test_no_two_nights_begin_in_one_second(tmp_path: Path) -> None:
    first, _ = kept.opened(tmp_path, "cpu")
    seconds = [datetime.fromisoformat(first.started) + timedelta(seconds=more) for more in range(10)]
    for second in seconds:
        kept.save(tmp_path, NightFile(started=second.isoformat(), device="Some GPU", measured=("d" * 64,)))
    started = kept.opened(tmp_path, "cpu")[0].started
    assert datetime.fromisoformat(started) > seconds[-1]


def test_what_is_kept_is_a_manifest(tmp_path: Path) -> None:
    night = NightFile(
        started="2026-03-01T01:00:00+00:00", device="cpu", measured=("d" * 64,), fixed={"drn": ("scenes",)}, session=3.0
    )
    path = kept.save(tmp_path, night)
    assert path.stem == kept.name_of(night) == "20260301T010000Z"
    (manifest,) = read_manifests(tmp_path)
    assert (manifest.started, manifest.measured) == (night.started, night.measured)
    assert kept.nights(tmp_path, "cpu") == (night,)
    path.write_text(json.dumps({"started": 3}))
    with pytest.raises(LedgerError, match=path.name):
        kept.nights(tmp_path, "cpu")


def test_every_word_has_a_rank() -> None:
    measured = {word for words in WORDS.values() for word in words}
    assert not FOR & AGAINST
    assert {word for word in measured if rank(word) == 1} == {Word.INCONCLUSIVE, Word.NOT_COMPARABLE}


def spoken(word: Word, evidence: Evidence = Evidence.RELEASED_WEIGHTS) -> Said:
    return Said(word, evidence, "because")


@pytest.mark.parametrize(
    ("before", "now", "evidence", "worse"),
    [
        (Word.REPRODUCED, Word.WORSE, Evidence.RELEASED_WEIGHTS, True),
        (Word.REPRODUCED, Word.INCONCLUSIVE, Evidence.RELEASED_WEIGHTS, True),
        (Word.INCONCLUSIVE, Word.CONTRADICTS, Evidence.TIMING, True),
        (Word.SUPPORTS, Word.CONTRADICTS, Evidence.TIMING, True),
        (Word.SUPPORTS, Word.INCONCLUSIVE, Evidence.TIMING, False),
        (Word.WORSE, Word.WORSE, Evidence.RELEASED_WEIGHTS, False),
        (Word.WORSE, Word.REPRODUCED, Evidence.RELEASED_WEIGHTS, False),
        (Word.REPRODUCED, Word.BETTER, Evidence.RELEASED_WEIGHTS, False),
    ],
)
def test_a_verdict_that_got_worse(before: Word, now: Word, evidence: Evidence, worse: bool) -> None:
    found = got_worse({"drn/a": before.value}, (), {"drn/a": spoken(now, evidence)})
    assert [(one.id, one.before, one.now) for one in found] == ([("drn/a", before.value, now.value)] if worse else [])


def test_a_lost_verdict_counts_once_and_is_remembered() -> None:
    before = {"drn/a": Word.REPRODUCED.value}
    assert [one.now for one in got_worse(before, (), {})] == ["not measured"]
    words, lost = carried(before, {})
    assert (words, lost) == (before, ("drn/a",))
    assert got_worse(words, lost, {}) == ()
    assert len(got_worse(words, lost, {"drn/a": spoken(Word.WORSE)})) == 1, "back, and worse than it was"


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(sorted(FOR | AGAINST, key=lambda w: w.value))))
def test_the_same_verdicts_again_fail_no_night(words: dict[str, Word]) -> None:
    now = {name: spoken(word) for name, word in words.items()}
    before, lost = carried({}, now)
    assert (lost, got_worse(before, lost, now)) == ((), ())


def session(folder: Path, statement: str = "") -> Session:
    path = folder / "test_summing.py"
    path.write_text(SESSION_TEST.format(statement=statement), encoding="utf-8")
    return Session((path, folder / "absent.py"), (("tiny", "summing"),), "cpu", folder / "ledger")


def test_a_session_times_all_systems_and_records_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'tests'}")
    whole = timed(session(tmp_path), Budget())
    assert not isinstance(whole, Failed), whole
    assert [(s.record.system, s.array("seconds").shape) for s in whole] == [("Narrow", (6,)), ("Wide", (6,))]
    none = timed(session(tmp_path), Budget(), only=frozenset({("tiny", "else")}))
    assert none == []
    assert len(list(Ledger(tmp_path / "ledger").records())) == 2


def test_a_session_that_fails_says_what_it_covers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'tests'}")
    failed = timed(session(tmp_path, "raise ArithmeticError('no sum')"), Budget())
    assert isinstance(failed, Failed)
    assert failed.covers == (("tiny", "summing", ""),)
    assert "no sum" in failed.text
    assert not (tmp_path / "ledger").exists()
    late = timed(session(tmp_path), Budget(1.0, time.time() - 1))
    assert isinstance(late, Failed)
    assert late.code == ExitCode.INFRASTRUCTURE


def test_the_benchmarks_whose_times_become_records_are_those_of_the_session() -> None:
    recording = {path for path in (ROOT / "benchmarks").glob("test_*.py") if "Timing(" in path.read_text()}
    assert {ROOT / path for path in BENCHMARKS} == recording


def test_the_workflow_says_what_github_reads() -> None:
    found = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    assert set(found) == {"name", True, "permissions", "concurrency", "defaults", "env", "jobs"}, (
        "yaml reads on: as True"
    )
    assert found["permissions"] == {"contents": "read", "issues": "write"}
    assert found["concurrency"]["cancel-in-progress"] is False
    assert found[True]["schedule"]
    (job,) = found["jobs"].values()
    assert "self-hosted" in job["runs-on"]
    steps = job["steps"]
    assert all(step["uses"].startswith("actions/") for step in steps if "uses" in step)
    assert all(step.keys() <= {"name", "uses", "with", "run", "if", "env"} for step in steps)
    kept_always = [step for step in steps if step.get("if") == "always()"]
    assert [("upload-artifact" in step.get("uses", ""), "gh issue" in step.get("run", "")) for step in kept_always] == [
        (True, False),
        (False, True),
    ]
    runs = [step["run"] for step in steps if "run" in step]
    assert any("nox -s nightly" in run for run in runs)
    for run in runs:
        subprocess.run(["bash", "-n"], input=run, text=True, check=True)


def test_the_workflow_adds_to_the_history_and_replaces_only_the_levels(tmp_path: Path) -> None:
    """Its first step, twice: what is there stays, and levels come from the repository."""
    (job,) = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"].values()
    script = next(step["run"] for step in job["steps"] if "run" in step)
    history = tmp_path / "history"
    for name, content in (("ledger/drn/a.json", "old"), ("nights/levels.json", "accepted"), ("nights/1.json", "night")):
        path = tmp_path / "reports" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (history / "nights").mkdir(parents=True)
    (history / "nights/1.json").write_text("longer")
    (history / "nights/levels.json").write_text("none")
    (tmp_path / "night/issues").mkdir(parents=True)
    environment = {"PATH": "/usr/bin:/bin", "HISTORY": str(history)}
    for _ in range(2):
        subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=tmp_path, env=environment, check=True)
    found = {str(path.relative_to(history)): path.read_text() for path in history.rglob("*") if path.is_file()}
    assert found == {"ledger/drn/a.json": "old", "nights/1.json": "longer", "nights/levels.json": "accepted"}
    assert not (tmp_path / "night").exists(), "no issue of another night is told again"


def test_the_workflow_opens_or_updates_one_issue_for_each_alarm(tmp_path: Path) -> None:
    """Its last step, run with a ``gh`` that writes down what it is asked."""
    found = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    (job,) = found["jobs"].values()
    script = job["steps"][-1]["run"]
    (tmp_path / "night/issues").mkdir(parents=True)
    for name in ("known", "new"):
        (tmp_path / f"night/issues/{name}.md").write_text(f"# Nightly: drn/{name}\n\nBody of {name}.\n")
    (tmp_path / "bin").mkdir()
    gh = tmp_path / "bin/gh"
    gh.write_text(
        '#!/bin/bash\necho "$@" >> asked\n'
        'if [ "$2" = list ] && [ "$TITLE" = "Nightly: drn/known" ]; then echo 7; fi\n'
        'for word in "$@"; do if [ -f "$word" ]; then cat "$word" >> asked; fi; done\n'
    )
    gh.chmod(0o755)
    environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "RUNNER_TEMP": str(tmp_path)}
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=tmp_path, env=environment, check=True)
    asked = (tmp_path / "asked").read_text().splitlines()
    edited = next(place for place, line in enumerate(asked) if line.startswith("issue edit 7 "))
    created = next(
        place for place, line in enumerate(asked) if line.startswith("issue create --title Nightly: drn/new ")
    )
    assert (asked[edited + 1], asked[created + 1]) == ("Body of known.", "Body of new.")
    assert sum(line.startswith(("issue edit", "issue create")) for line in asked) == 2
