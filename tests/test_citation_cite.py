"""``remeasure cite``: every number of every paper, what is refused and how, and the command as its users meet it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from citation_samples import CLAIM, RELEASED, everything
from latex_checks import unknown
from scoring_samples import IMAGENET, fill, joined, mini_paper
from test_cli import loaded_modules, remeasure

from harness.citation.bibtex import bibtex
from harness.citation.cited import cite
from harness.citation.sentence import latex_sentence, sentence
from harness.claims.papers import packages
from harness.errors import ExitCode, NotCitableError, UsageError
from harness.ledger.record import Code, Environment
from harness.ledger.store import Ledger
from harness.runner.identity import code_digest
from harness.scoring.citable import refusal_of
from harness.scoring.load import load_results
from harness.scoring.model import Results
from harness.statistics.evidence import Evidence

LEDGER = Path(__file__).parents[1] / "reports" / "ledger"
GAIN = "drn/s5.1/drn-a-18/gain"
"""A difference that follows from the paper's own numbers: it can be cited on any machine, with any ledger."""


@pytest.fixture(scope="module")
def committed() -> Mapping[str, Results]:
    return {paper: load_results(paper, Ledger(LEDGER)) for paper in packages()}


def test_every_number_of_every_paper_is_cited_or_refused_with_a_remedy(committed: Mapping[str, Results]) -> None:
    cited, refused = [], 0
    for results in committed.values():
        for row in results.claims:
            if refusal_of(row):
                refused += 1
                with pytest.raises(NotCitableError, match="must not be cited") as error:
                    cite(results, row.claim.id)
                assert error.value.message.startswith(results.paper.full_id(row.claim.id))
                assert error.value.remedy
            else:
                cited.append(cite(results, results.paper.full_id(row.claim.id)))
    assert len(cited) >= 35
    assert refused >= 900
    assert {one.verdict.evidence for one in cited} <= {Evidence.EXACT, Evidence.ARITHMETIC}
    for one in cited:
        assert f"prints {one.claim.printed.text}" in sentence(one)
        assert unknown(latex_sentence(one)) == set()
    text = bibtex(cited)
    assert text.count("{") == text.count("}")
    assert text.count("@misc{") == len(cited) + len({one.paper.key for one in cited})
    assert all(line.isprintable() for line in text.splitlines())


def test_a_claim_may_be_named_with_or_without_its_paper(tmp_path: Path) -> None:
    results, _ = everything(tmp_path)
    assert cite(results, CLAIM) == cite(results, f"mini/{CLAIM}")


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("t1/plain/top2", "mini/t1/plain/top1"),
        ("xyz", "The nearest: mini/"),
        ("mini", "only a number can be cited\nGive its address, such as mini/t1/plain/top1"),
        ("", "only a number can be cited"),
        ("gain", "is a statement about numbers"),
        ("segmentation#1", "is a statement about numbers"),
        ("segmentation", "is a statement about numbers"),
    ],
)
def test_what_names_no_number_is_answered_with_the_nearest(tmp_path: Path, claim: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        cite(everything(tmp_path)[0], claim)
    assert said in str(error.value)


def test_what_was_measured_instead_is_named_in_the_refusal(tmp_path: Path) -> None:
    with pytest.raises(NotCitableError, match=r"Not measured\. Synthetic: .*never citable") as error:
        cite(everything(tmp_path)[0], "t1/degridded/top1")
    assert error.value.exit_code is ExitCode.NOT_CITABLE
    assert error.value.remedy == f"Measure it: {RELEASED.command}"


def test_machines_versions_and_commits_are_those_of_the_records(tmp_path: Path) -> None:
    paper, ledger = mini_paper(tmp_path), Ledger(tmp_path / "ledger")
    machine = Environment("3.12.1", "Linux", "Some CPU", 8, 8, "NVIDIA A100", {"remeasure": "9.8.7"})
    digest = code_digest(RELEASED.source)
    for seed, dirty in ((0, False), (1, True)):
        fill(
            *(ledger, RELEASED, {"Plain": 0.3}, [seed]),
            data=IMAGENET,
            environment=machine,
            code=Code(digest, "a" * 40, dirty),
            started=f"2024-0{seed + 1}-03T04:05:06+00:00",
        )
    cited = cite(joined(paper, ledger, RELEASED), CLAIM)
    assert (cited.version, cited.devices, cited.date) == ("9.8.7", ("NVIDIA A100 (Some CPU)",), "2024-02-03")
    assert cited.commits == ("a" * 40, f"{'a' * 40} with changes")
    assert "Remeasure 9.8.7 measured" in sentence(cited)
    assert "on 2024-02-03, device NVIDIA A100 (Some CPU)" in sentence(cited)


@pytest.mark.parametrize("form", ["text", "bibtex", "csl-json", "latex"])
def test_the_command_prints_each_format(form: str, tmp_path: Path) -> None:
    done = remeasure("cite", GAIN, "--format", form, "--ledger", str(tmp_path))
    assert done.returncode == ExitCode.OK, done.stderr
    assert "2.43" in done.stdout
    assert "drn/s5.1/drn-a-18/gain" in done.stdout
    if form == "csl-json":
        assert [item["id"] for item in json.loads(done.stdout)] == [f"remeasure:{GAIN}", "drn2017"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("drn/t1/drn-c-26/top1-1crop",), ExitCode.NOT_CITABLE, "must not be cited. Not measured."),
        ((GAIN, "drn/t1/drn-c-26/top1-1crop"), ExitCode.NOT_CITABLE, "must not be cited"),
        (("drn/t1/drn-c-27/params",), ExitCode.USAGE, "drn/t1/drn-c-26/params"),
        (("dnr/t1",), ExitCode.USAGE, "Did you mean drn?"),
        (("drn",), ExitCode.USAGE, "only a number can be cited"),
        ((), ExitCode.USAGE, "CLAIM"),
        ((GAIN, "--format", "apa"), ExitCode.USAGE, "bibtex"),
    ],
)
def test_the_command_refuses_in_a_sentence_and_prints_nothing(
    arguments: tuple[str, ...], code: ExitCode, said: str, tmp_path: Path
) -> None:
    done = remeasure("cite", *arguments, "--ledger", str(tmp_path))
    assert done.returncode == code
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_the_command_never_imports_torch_or_pandas(tmp_path: Path) -> None:
    modules = loaded_modules("cite", GAIN, cwd=tmp_path)
    assert "harness.citation.cited" in modules
    assert not modules & {"torch", "pandas"}
