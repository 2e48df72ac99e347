"""LaTeX tables: what a reader sees is the table of results, nothing is unbalanced or unknown, and it compiles."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from citation_samples import everything
from latex_checks import seen, unknown
from scoring_samples import TOML, joined

from harness.claims.load import load_paper
from harness.claims.papers import packages
from harness.exports.latex import LONGEST, MARKS, latex_tables
from harness.ledger.store import Ledger
from harness.scoring.citable import deciding, refusal
from harness.scoring.load import load_results
from harness.scoring.model import Results
from harness.statistics.evidence import Evidence

LEDGER = Path(__file__).parents[1] / "reports" / "ledger"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return everything(tmp_path_factory.mktemp("paper"))[0]


def lines(source: str) -> list[str]:
    """Return the rows, heads and notes left out."""
    return [line for line in source.splitlines() if line.startswith("{}") and line.endswith(r" \\")]


def rows(source: str) -> list[list[str]]:
    """Return the cells of each row as a reader sees them."""
    cells = (re.split(r"(?<!\\)&", line.removesuffix(r"\\")) for line in lines(source))
    return [[seen(cell).strip() for cell in row] for row in cells]


def test_every_claim_is_a_row_with_its_number_and_verdict(results: Results) -> None:
    shown = rows(latex_tables(results))
    assert len(shown) == len(results.claims)
    for row, (_, _, claimed, measured, verdict) in zip(results.claims, shown, strict=True):
        assert claimed == row.claim.printed.text
        assert verdict == row.verdict.word.value
        assert (measured in ("--", "–")) == (not row.measurements)


def test_measured_numbers_stand_with_the_mark_of_their_evidence(results: Results) -> None:
    for row, (_, _, _, measured, _) in zip(results.claims, rows(latex_tables(results)), strict=True):
        if row.measurements:
            shown = deciding(row) or row.measurements[0]
            assert measured.endswith(f"^{MARKS[shown.evidence]}")
            number = float(re.findall(r"\d+\.?\d*", measured.replace("\N{NO-BREAK SPACE}", ""))[0])
            assert number == pytest.approx(shown.estimate, rel=0.05)


def test_synthetic_numbers_are_watermarked_and_say_they_cannot_be_cited(results: Results) -> None:
    source = latex_tables(results)
    weak = [bool(row.measurements and refusal(row, deciding(row) or row.measurements[0])) for row in results.claims]
    assert any(weak)
    assert [measured.startswith("synthetic:") for *_, measured, _ in rows(source)] == weak
    notes = [line for line in source.splitlines() if line.startswith(r"\multicolumn")]
    assert any("synthetic: procedural scenes" in note and "not citable" in note for note in notes)
    assert {note.partition("$^{")[2][0] for note in notes} == {
        MARKS[kind] for kind in (Evidence.EXACT, Evidence.RELEASED_WEIGHTS, Evidence.SYNTHETIC)
    }


def test_nothing_in_it_is_unbalanced_or_unknown_to_latex(results: Results) -> None:
    assert unknown(latex_tables(results)) == set()


@pytest.mark.parametrize("paper", list(packages()))
def test_the_papers_tables_parse(paper: str) -> None:
    made = load_results(paper, Ledger(LEDGER))
    source = latex_tables(made)
    assert unknown(source) == set()
    assert len(lines(source)) == len(made.claims)
    tables = re.findall(r"\\begin\{(longtable|tabular)\}(.*?)\\end\{\1\}", source, re.DOTALL)
    assert len(tables) == len({row.claim.table for row in made.claims})
    for kind, inside in tables:
        assert (kind == "longtable") == (len(lines(inside)) > LONGEST)
    labels = re.findall(r"\\label\{(.*?)\}", source)
    assert len(set(labels)) == len(labels) == len(tables)


def test_text_that_means_something_to_latex_is_shown_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(TOML.replace('rows."Plain"', 'rows."[1] A & B_{50} 5% #~^"').replace("Plain = {}", ""), "utf-8")
    text = path.read_text("utf-8").replace('counterpart = "Plain"', 'family = "x"').partition("[[relation]]")[0]
    path.write_text(text, "utf-8")
    source = latex_tables(joined(load_paper(path), Ledger(tmp_path / "none")))
    assert unknown(source) == set()
    assert rows(source)[0][0].replace("ˆ", "^") == "[1] A & B_{50} 5% #~^"
    assert not re.search(r"\\\\\s*[\[*]", source)


def test_the_same_results_give_the_same_text(results: Results, tmp_path: Path) -> None:
    assert latex_tables(everything(tmp_path)[0]) == latex_tables(results)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex is installed")
def test_it_compiles(results: Results, tmp_path: Path) -> None:
    head = "\\documentclass{article}\\usepackage{booktabs,longtable}\\begin{document}\n"
    (tmp_path / "tables.tex").write_text(f"{head}{latex_tables(results)}\\end{{document}}\n", "utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "tables.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
