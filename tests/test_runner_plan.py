"""The plan: what would run, how long it takes, what it reaches, what the rest would take, and how well it foretells."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from shlex import split

import pytest
from click.testing import CliRunner
from msgspec.structs import replace as changed
from runner_desk import UNITS, Desk, quiet
from tiny_paper import Calls, experiments

from harness.claims.load import load_paper
from harness.claims.model import Paper
from harness.claims.papers import packages
from harness.cli import cli
from harness.errors import DataError, NothingMeasuredError, UsageError
from harness.experiment import Cost, Experiment, Factory, Options, Progress
from harness.ledger.record import Data, Evidence
from harness.ledger.store import Ledger
from harness.runner.budget import fit
from harness.runner.calibration import Calibration, calibrate
from harness.runner.options import select
from harness.runner.owed import Owed, owed
from harness.runner.plan import Plan, make_plan
from harness.runner.prepare import Job, prepare

CLAIMS = """
[paper]
key = "tiny"
title = "Tiny"
authors = ["A. Author"]
year = 2020
versions = ["v1"]

[sources]
text = "the text"

[table.t1]
section = "Table 1"
caption = "Errors"
columns = [
  { id = "top1", metric = "top1-error", unit = "%", n = 60 },
  { id = "miou", metric = "miou", unit = "%" },
  { id = "params", metric = "parameters", unit = "1" },
]
rows."Narrow" = ["30.0", "50.0", "12"]
rows."Wide"   = ["20.0", "60.0", "24"]

[[relation]]
id = "s1/better"
section = "Section 1"
quote = "Wide outperforms Narrow"
left = "t1/wide/top1"
op = "<"
right = "t1/narrow/top1"
unit = "%"
direction = "t1/wide/top1 < t1/narrow/top1"

[[relation]]
id = "s1/sharper"
section = "Section 1"
quote = "also in mean IoU"
left = "t1/wide/miou"
op = ">"
right = "t1/narrow/miou"
unit = "%"
direction = "t1/wide/miou > t1/narrow/miou"

[[relation]]
id = "s1/twice"
section = "Section 1"
quote = "with twice the parameters"
left = "t1/wide/params"
op = "="
right = "2 * t1/narrow/params"
unit = "1"
"""


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    path = tmp_path / "claims.toml"
    path.write_text(CLAIMS)
    return load_paper(path)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def plan_of(desk: Desk, paper: Paper, options: Options | None = None, again: bool = False) -> Plan:
    job = desk.job(options or Options(device="cpu"), again=again)
    every = experiments(Options())
    return make_plan(paper, job, ledger=desk.ledger, progress=quiet, every=every)


def test_a_fresh_plan(desk: Desk, paper: Paper) -> None:
    plan = plan_of(desk, paper)
    assert plan.outstanding == len(plan.steps) == UNITS
    assert {step.why for step in plan.steps} == {"not measured yet"}
    assert plan.seconds == 3 * ((1 + 5 * 2) + (1 + 5 * 5))
    assert plan.unknown == ("exact",)
    assert [step.seconds for step in plan.steps] == [11, 26] * 3 + [None]
    assert {step.source for step in plan.steps} == {"timed here", ""}
    assert desk.calls.measured == []


def test_a_plan_after_the_run_takes_no_time(desk: Desk, paper: Paper) -> None:
    summary = desk.run()
    plan = plan_of(desk, paper)
    assert (plan.outstanding, plan.seconds, plan.unknown) == (0, 0.0, ())
    assert [step.record for step in plan.steps] == [stored.path.stem for stored in summary.measured]
    assert desk.calls.timed == []
    repeated = plan_of(desk, paper, again=True)
    assert repeated.outstanding == UNITS
    assert {step.why for step in repeated.steps} == {"measured once more"}
    took = {f"record {stored.path.stem}": stored.record.seconds for stored in summary.measured}
    assert [step.seconds for step in repeated.steps] == pytest.approx([took[step.source] for step in repeated.steps])
    assert repeated.unknown == ()


def test_a_plan_says_why_a_record_no_longer_stands(desk: Desk, paper: Paper) -> None:
    desk.run(rate=0.25)
    steps = plan_of(desk, paper).steps
    assert {step.why for step in steps if step.experiment == "clouds"} == {"the recipe changed (rate 0.25 -> 0.5)"}
    assert {step.why for step in steps if step.experiment == "exact"} == {""}


def test_claims_and_relations_are_reached_as_their_evidence_allows(desk: Desk, paper: Paper) -> None:
    plan = plan_of(desk, paper)
    assert plan.claims == {"t1/narrow/params": ("exact",)}
    assert plan.relations == {"s1/better": ("clouds",)}


def test_the_rest_is_named_with_reason_and_command(desk: Desk, paper: Paper) -> None:
    plan = plan_of(desk, paper, Options(device="cpu", only=("clouds",)))
    missing = {claim: gap for gap in plan.missing_claims for claim in gap.ids}
    assert set(missing) | set(plan.claims) == set(paper.claims)
    assert missing["t1/narrow/params"].command == "remeasure run tiny"
    assert missing["t1/wide/miou"].reason
    assert missing["t1/wide/miou"].command == ""
    assert [gap.ids for gap in plan.missing_relations] == [("s1/sharper",)]


def test_a_plan_tells_what_a_budget_cuts(desk: Desk, paper: Paper) -> None:
    plan = plan_of(desk, paper, Options(device="cpu", budget=50))
    assert plan.seconds == 32
    assert any("2 of 5 epochs" in sentence for sentence in plan.sentences)
    assert len(desk.run(desk.job(Options(device="cpu", budget=50))).measured) == plan.outstanding == 5


def debts(desk: Desk, options: Options | None = None, factory: Factory = experiments) -> dict[str, Owed]:
    return {one.experiment: one for one in owed("tiny", factory, options or Options(), desk.ledger)}


def elsewhere(options: Options) -> tuple[Experiment, ...]:
    """The same experiments, the first of which lacks a GPU and its images."""

    def absent(_progress: Progress) -> Data:
        raise DataError("no such folder: clouds")

    trained, exact = experiments(options)
    return replace(trained, needs="a GPU: --device cuda", data=absent), exact


def test_a_fresh_ledger_owes_everything_and_nothing_is_looked_at(desk: Desk) -> None:
    calls = Calls()
    found = debts(desk, factory=partial(experiments, calls=calls))
    assert {key: (len(one.pieces), one.units, one.unknown, one.seconds) for key, one in found.items()} == {
        "clouds": (6, 6, 6, 0.0),
        "exact": (1, 1, 1, 0.0),
    }
    assert {piece.why for one in found.values() for piece in one.pieces} == {"not measured yet"}
    assert [(piece.system, piece.seed) for piece in found["clouds"].pieces][:3] == [
        ("Narrow", 0),
        ("Wide", 0),
        ("Narrow", 1),
    ]
    assert found["clouds"].command == "remeasure run tiny --only clouds"
    assert (calls.examined, calls.timed, calls.measured) == (0, [], [])


def test_what_cannot_run_here_is_owed_as_well(desk: Desk) -> None:
    with pytest.raises(UsageError, match="needs a GPU"):
        select(elsewhere(Options()), ("clouds",))
    for options in (Options(), Options(device="cuda"), Options(only=("clouds",))):
        assert debts(desk, options, elsewhere)["clouds"].needs == "a GPU: --device cuda"


def test_nothing_is_owed_after_the_run(desk: Desk) -> None:
    desk.run()
    assert debts(desk) == {}
    assert debts(desk, factory=elsewhere) == {}, "the records stand although their data are not here"


def test_only_what_does_not_stand_is_owed_with_what_it_took(desk: Desk) -> None:
    desk.run(desk.job(Options(device="cpu", only=("Narrow",))))
    trained = [stored for stored in desk.ledger.records() if stored.record.experiment == "clouds"]
    found = debts(desk)
    assert list(found) == ["clouds"]
    assert [piece.system for piece in found["clouds"].pieces] == ["Wide"] * 3
    assert found["clouds"].command == "remeasure run tiny --only clouds --only Wide"

    def rewritten(options: Options) -> tuple[Experiment, ...]:
        trained, exact = experiments(options)
        return replace(trained, source=("tiny_paper", "ledger_samples")), exact

    again = debts(desk, factory=rewritten)["clouds"]
    assert [(piece.system, piece.why) for piece in again.pieces[:2]] == [
        ("Narrow", "the code changed"),
        ("Wide", "not measured yet"),
    ]
    newest = max(trained, key=lambda stored: (stored.record.started, stored.digest))
    known = [piece for piece in again.pieces if piece.seconds is not None]
    assert {(piece.system, piece.record, piece.device) for piece in known} == {("Narrow", newest.path.stem, "cpu")}
    assert again.unknown == 3
    assert again.seconds == pytest.approx(3 * newest.record.seconds)


def test_a_record_of_another_recipe_foretells_nothing(desk: Desk) -> None:
    desk.run(rate=0.25)
    found = debts(desk)
    assert list(found) == ["clouds"]
    assert {piece.why for piece in found["clouds"].pieces} == {"the recipe changed (rate 0.25 -> 0.5)"}
    assert found["clouds"].unknown == 6


def test_the_command_repeats_what_was_chosen(desk: Desk) -> None:
    def photographs(options: Options) -> tuple[Experiment, ...]:
        trained, exact = experiments(options)
        return replace(trained, command="remeasure run tiny --only clouds --data DIR"), replace(
            exact, command="nox -s bench"
        )

    options = Options(data=Path("my data"), seeds=5, only_seeds=(0, 4), toy=True)
    found = debts(desk, options, photographs)
    assert split(found["clouds"].command) == [
        *("remeasure", "run", "tiny", "--only", "clouds", "--data", "my data"),
        *("--seeds", "5", "--seed", "0", "--seed", "4", "--toy"),
    ]
    assert {piece.seed for piece in found["clouds"].pieces} == {0, 4}
    assert found["exact"].command == "nox -s bench"


def test_part_of_the_images_is_owed_where_it_can_run_or_is_asked_for(desk: Desk) -> None:
    def parted(options: Options, needs: str = "") -> tuple[Experiment, ...]:
        whole, exact = experiments(options)
        whole = replace(whole, evidence=Evidence.RELEASED_WEIGHTS, lacks={"Wide": "wide.pth"})
        part = replace(
            whole, key="clouds-part", evidence=Evidence.SUBSET, part_of=Evidence.RELEASED_WEIGHTS, needs=needs
        )
        return whole, part, exact

    assert list(debts(desk, factory=parted)) == ["clouds", "clouds-part", "exact"]
    lacking = partial(parted, needs="images")
    assert list(debts(desk, factory=lacking)) == ["clouds", "exact"]
    asked = debts(desk, Options(evidence=Evidence.SUBSET), lacking)
    assert [(one.needs, {p.system: p.lacks for p in one.pieces}) for one in asked.values()] == [
        ("images", {"Narrow": "", "Wide": "wide.pth"})
    ]


def test_every_paper_says_what_it_owes(tmp_path: Path) -> None:
    for paper in packages():
        done = CliRunner().invoke(cli, ["plan", paper, "--owed", "--json", "--ledger", str(tmp_path)])
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert all(len(one["pieces"]) == one["units"] > 0 for one in found)
        assert all(one["command"].startswith(("remeasure run", "nox -s bench")) for one in found)
        on_gpu = [one for one in found if "a GPU: --device cuda" in one["needs"]]
        assert on_gpu
        assert all("--device cuda" in one["command"] for one in on_gpu)


def test_owed_is_printed_as_paragraphs(tmp_path: Path) -> None:
    arguments = ["plan", "drn", "--owed", "--seed", "1", "--only", "scenes", "--ledger", str(tmp_path)]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[0] == "drn: 4 measurements have no current record."
    assert "owed:    4 of 4; 4 not measured yet" in lines
    assert "time:    unknown until a plan on that device times it" in lines
    assert "command: remeasure run drn --only scenes --seed 1" in lines
    for others in (["--check"], ["--again"], ["--budget", "5m"]):
        assert isinstance(CliRunner().invoke(cli, [*arguments, *others]).exception, UsageError)


def calibration(desk: Desk, ledger: Ledger, options: Options | None = None) -> Calibration:
    def factory(chosen: Options) -> tuple[Experiment, ...]:
        return experiments(chosen, desk.calls)

    state = desk.state.folder.parent
    job = prepare("tiny", factory, options or Options(device="cpu"), ledger=ledger, progress=quiet, state=state)
    return calibrate(job, ledger=ledger, progress=quiet)


def retold(desk: Desk, seconds: Sequence[float], processor: str | None = None) -> Ledger:
    """Copy what the desk measured to a ledger in which seed i took so many seconds."""
    ledger = Ledger(desk.folder / "retold")
    for stored in desk.ledger.records():
        record = stored.record
        where = record.environment if processor is None else changed(record.environment, processor=processor)
        ledger.append(changed(record, seconds=seconds[record.seed], environment=where), stored.arrays())
    return ledger


def test_a_calibration_is_held_against_the_records(desk: Desk) -> None:
    desk.run()
    found = calibration(desk, retold(desk, (10.0, 40.0, 20.0)))
    assert [(one.experiment, one.system, one.predicted, one.recorded) for one in found.systems] == [
        ("clouds", "Narrow", 3 * (1 + 5 * 2), 70.0),
        ("clouds", "Wide", 3 * (1 + 5 * 5), 70.0),
    ], "the exact experiment declares what it takes, and is not timed"
    assert [one.ratio for one in found.systems] == [33 / 70, 78 / 70]
    assert found.median == pytest.approx((33 / 70 + 78 / 70) / 2)
    assert [len(one.records) for one in found.systems] == [3, 3]
    assert [unit.system for unit in desk.calls.timed] == ["Narrow", "Wide"], "records must not be the prediction"


def test_a_part_is_held_against_its_own_records(desk: Desk) -> None:
    desk.run()
    ledger = retold(desk, (10.0, 40.0, 20.0))
    found = calibration(desk, ledger, Options(device="cpu", only=("Wide",), only_seeds=(1,)))
    assert [(one.system, one.recorded, one.ratio) for one in found.systems] == [("Wide", 40.0, 26 / 40)]


def test_records_of_other_machines_and_of_other_recipes_prove_nothing(desk: Desk) -> None:
    desk.run()
    with pytest.raises(NothingMeasuredError, match="no training of tiny"):
        calibration(desk, retold(desk, (10.0, 40.0, 20.0), processor="Another"))
    other = Desk(desk.folder / "other")
    other.run(rate=0.25)
    with pytest.raises(NothingMeasuredError):
        calibration(other, other.ledger)
    assert desk.calls.timed == other.calls.timed == []


def test_what_units_share_is_counted_once(desk: Desk, paper: Paper) -> None:
    def sharing(options: Options) -> tuple[Experiment, ...]:
        trained, exact = experiments(options)
        return replace(trained, cost=lambda unit, _: Cost(1.0, 2.0, 100.0 if unit.system == "Wide" else 0.0)), exact

    def prepared(options: Options) -> Job:
        return prepare("tiny", sharing, options, ledger=desk.ledger, progress=quiet, state=desk.state.folder.parent)

    made = make_plan(paper, prepared(Options(device="cpu")), ledger=desk.ledger, progress=quiet)
    assert [step.seconds for step in made.steps] == [11, 111, 11, 11, 11, 11, None]
    assert made.seconds == 6 * 11 + 100
    roomy = prepared(Options(device="cpu", budget=170 / 0.9))
    assert "cuts nothing" in roomy.sentences[0], "counted for each unit it would be cut"


def seeds(options: Options) -> dict[str, tuple[int, ...]]:
    return {e.key: e.seeds for e in select(experiments(options), options.only, options.evidence, options.only_seeds)}


def test_single_seeds_can_be_chosen() -> None:
    assert seeds(Options(only_seeds=(0,))) == {"clouds": (0,), "exact": (0,)}
    assert seeds(Options(only_seeds=(2, 1))) == {"clouds": (1, 2)}
    assert seeds(Options(seeds=5, only_seeds=(4,))) == {"clouds": (4,)}
    with pytest.raises(UsageError, match="has a seed 3") as caught:
        seeds(Options(only_seeds=(3,)))
    assert "--seeds 4" in caught.value.remedy
    with pytest.raises(UsageError, match="has a seed 1"):
        seeds(Options(only=("exact",), only_seeds=(1,)))


def test_a_budget_does_not_cut_seeds_that_were_chosen_one_by_one() -> None:
    def narrowed(options: Options) -> tuple[Experiment, ...]:
        return select(experiments(options), options.only, options.evidence, options.only_seeds)

    def expected(chosen: Sequence[Experiment]) -> float:
        return float(sum(len(e.seeds) * e.trade.epochs for e in chosen if e.trade is not None))

    traded = fit(narrowed, Options(device="cpu", budget=10, only_seeds=(1, 2)), expected)
    assert (traded.seeds, traded.epochs, traded.seconds) == (None, {"clouds": 4}, 8)


def test_pieces_of_a_set_measured_apart_are_the_set(desk: Desk) -> None:
    whole = desk.run(desk.job(Options(device="cpu")))
    parts = [Desk(desk.folder / name) for name in ("first", "second")]
    for part, chosen in zip(parts, ((0,), (1, 2)), strict=True):
        part.run(part.job(Options(device="cpu", only_seeds=chosen)))
    assert [len(list(part.ledger.records())) for part in parts] == [3, 4]
    shutil.copytree(parts[1].ledger.root, parts[0].ledger.root, dirs_exist_ok=True)
    assert parts[0].run().kept == UNITS == len(whole.measured)
    outcomes, expected = parts[0].outcomes(), desk.outcomes()
    assert outcomes == expected
