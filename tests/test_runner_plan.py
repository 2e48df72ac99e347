"""The plan: what would run, how long it takes, what it reaches, and what the rest would take."""

from __future__ import annotations

from pathlib import Path

import pytest
from runner_desk import UNITS, Desk, quiet
from tiny_paper import experiments

from harness.claims.load import load_paper
from harness.claims.model import Paper
from harness.experiment import Options
from harness.runner.plan import Plan, make_plan

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
