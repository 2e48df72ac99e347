"""The seeded-error experiment, and that clean papers are not accused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.audit.finding import Outcome, Severity
from harness.audit.generated import clean_paper
from harness.audit.mutations import MUTATIONS, Mutation
from harness.audit.run import audit
from harness.audit.seeded import PER_PAPER, experiment, main, markdown, tables_only
from harness.claims.papers import find_paper

DOCS = Path(__file__).resolve().parents[1] / "docs" / "audit.md"
BEGIN, END = "<!-- seeded errors: begin -->", "<!-- seeded errors: end -->"


def test_clean_papers_have_no_error_and_hardly_a_warning() -> None:
    findings = [finding for seed in range(1000, 1040) for finding in audit(clean_paper(seed)).findings]
    assert [finding for finding in findings if finding.severity is Severity.ERROR] == []
    warnings = sum(finding.severity is Severity.WARNING for finding in findings)
    assert warnings <= 7, "at 1 % for each of some 3 tests in 40 papers, more than 7 has a probability below 1e-4"


def test_generated_papers_are_reproducible_and_true() -> None:
    paper = clean_paper(5)
    assert paper == clean_paper(5)
    assert paper != clean_paper(6)
    accuracies = [claim for claim in paper.claims.values() if claim.metric == "accuracy"]
    assert accuracies
    for claim in accuracies:
        error = paper.claims[f"{claim.table}/{claim.row}/error"]
        assert abs(claim.printed.value + error.printed.value - 100) <= claim.printed.step
    outcomes = {verdict.outcome for seed in range(20) for verdict in audit(clean_paper(seed)).verdicts}
    assert outcomes <= {Outcome.CONSISTENT, Outcome.WITHIN_ROUNDING, Outcome.UNDECIDED}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_mutation_changes_the_value_of_every_cell_it_names(mutation: Mutation) -> None:
    rng = np.random.default_rng(0)
    paper = clean_paper(7)
    cells = [claim for claim in paper.claims.values() if claim.table and claim.definition.quantity.measured]
    changed = [mutation(rng, paper, cell) for cell in cells]
    assert any(changed)
    for new in changed:
        assert all(paper.claims[id].printed.value != printed.value for id, printed in new.items())


def test_the_experiment_is_reproducible_and_finds_what_cannot_be_missed() -> None:
    first, second = (experiment((clean_paper(k) for k in range(5)), PER_PAPER, seed=1) for _ in range(2))
    assert markdown(first) == markdown(second)
    assert first.papers == 5
    assert len(first.trials) == 5 * PER_PAPER
    for trial in first.trials:
        if trial.kind in ("sign_added", "point_shifted"):
            assert trial.suspected


def test_real_tables_without_their_prose_are_audited_alone() -> None:
    paper = tables_only(find_paper("drn"))
    assert paper.relations == ()
    assert all(claim.table for claim in paper.claims.values())
    done = experiment([paper], 8, seed=0)
    assert "| all | 8 |" in markdown(done)


@pytest.mark.parametrize("arguments", [["--mutations", "0"], ["--seed", "-1"], ["--mutations", "many"]])
def test_senseless_numbers_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)


@pytest.mark.long
def test_the_documented_tables_are_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--seed", "0", "--mutations", "1000"])
    documented = DOCS.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert capsys.readouterr().out.strip() == documented.strip()
