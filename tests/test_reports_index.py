"""The page that lists the papers, and what their measurements took."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from html_checks import Element, Page, problems
from report_samples import no_arrays
from scoring_samples import classified, experiment, fill, joined, mini_paper, record_of

from harness.audit.finding import Outcome, Severity
from harness.claims.load import load_paper
from harness.durations import duration
from harness.ledger.store import Ledger
from harness.reports import render
from harness.reports.effort_views import Effort
from harness.reports.summary import Summary, summarise
from harness.scoring.model import Results
from harness.statistics.evidence import Evidence
from harness.wording.numbers import THIN
from harness.wording.words import NOT_CITABLE

ERRORS = {"Plain": 0.45, "Dilated": 0.3, "Degridded": 0.12}
COUNTS = {"Plain": 11_689_512, "Dilated": 11_689_512, "Degridded": 21_126_584}


@pytest.fixture
def measured(tmp_path: Path) -> Results:
    """A small paper with a gain that its table does not give, a derivation, and a training on scenes."""
    toml = mini_paper(tmp_path).path
    toml.write_text(toml.read_text("utf-8").replace('value = "5.0"', 'value = "7.0"'), "utf-8")
    ledger = Ledger(tmp_path / "ledger")
    exact, scenes = experiment("exact", Evidence.EXACT, title="Counts"), experiment(title="Trained on scenes")
    for system, parameters in COUNTS.items():
        record = record_of(exact, system, data=None, values={"parameters": parameters}, seconds=0.5)
        ledger.append(record, {})
    for seed in range(3):
        for place, (system, error) in enumerate(ERRORS.items()):
            started = f"2025-01-0{1 + seed}T00:00:00+00:00"
            record = record_of(scenes, system, seed, started=started, seconds=20.0, peak_memory=1000.0 + 100 * place)
            ledger.append(record, classified(error, seed))
    return joined(load_paper(toml), ledger, exact, scenes)


def listed(summaries: list[Summary], unread: tuple[str, ...] = ()) -> Page:
    return Page(render.index(summaries, unread))


def cells(index: Page, key: str) -> dict[str, Element]:
    """Return the cells of a paper's row by what they hold."""
    return {cell.attributes["data-label"]: cell for cell in index.by_id(key).all("td")}


def counts(cell: Element) -> dict[str, int]:
    """Return the counts of a cell by their word."""
    found = {}
    for item in cell.all("li"):
        *_, number = next(item.all("b")).text.split()
        found[item.text.rpartition(number)[2].strip()] = int(number)
    return found


def test_a_line_counts_what_the_results_hold(measured: Results) -> None:
    index = listed([summarise(measured)])
    assert problems(index) == []
    line = cells(index, "mini")
    claims = [row.verdict.word.value for row in measured.claims]
    assert counts(line["Printed numbers"]) == {
        "in all": len(claims),
        "exact": claims.count("exact"),
        "differs": claims.count("differs"),
    }
    assert claims.count("exact") > 0 < claims.count("differs")
    outcomes = [row.arithmetic for row in measured.relations]
    relations = counts(line["Relations, by arithmetic"])
    assert relations["in all"] == len(outcomes)
    assert relations["consistent"] == sum(verdict.holds for verdict in outcomes) > 0
    assert relations["inconsistent"] == sum(verdict.outcome is Outcome.INCONSISTENT for verdict in outcomes) > 0
    findings = {word.removesuffix("s"): number for word, number in counts(line["Audit findings"]).items()}
    assert findings == {severity.value: len(measured.audit.by_severity(severity)) for severity in Severity}
    assert findings["error"] > 0
    words = {(r.relation.direction, v.word.value) for r in measured.relations for v in r.measured}
    directions = counts(line["Directions, measured"])
    assert directions == {
        word: sum(found == word for _, found in words) for word in ("supports", "contradicts", "inconclusive")
    }
    assert directions["supports"] > 0
    assert NOT_CITABLE in line["Directions, measured"].text
    assert any(a.attributes["href"] == "mini/index.html" for a in index.by_id("mini").all("a"))


def test_a_line_says_when_it_was_measured_and_what_that_took(measured: Results) -> None:
    index = listed([summarise(measured)])
    text = cells(index, "mini")["Measured"].text
    assert "2025-01-03" in text
    assert duration(9 * 20.0 + 3 * 0.5) in text
    assert f"{1200 / 1024:.1f}" in text
    assert "GiB" in text


@pytest.mark.parametrize(("peak", "text"), [(812.4, "812 MiB"), (1024.0, "1.0 GiB"), (3584.0, "3.5 GiB"), (None, "")])
def test_memory_in_words(peak: float | None, text: str) -> None:
    assert Effort(1, 1.0, peak, "", "", ()).memory.replace(THIN, " ") == text


def test_times_add_up_over_papers_and_memory_does_not(measured: Results) -> None:
    one = summarise(measured)
    other = replace(one, key="other", effort=replace(one.effort, seconds=3600.0, peak=4096.0))
    caption = next(listed([one, other]).all("caption")).text
    assert duration(3600.0 + one.effort.seconds) in caption
    assert "4.0" in caption
    assert "2 papers" in caption
    assert f"{2 * one.claims.total} printed numbers" in caption


def test_provenance_says_what_each_experiment_took(measured: Results) -> None:
    tree = Page(render.page(measured, no_arrays))
    table = tree.by_id("efforts")
    lines = [row.text for body in table.all("tbody") for row in body.all("tr")]
    assert len(lines) == 3
    exact, trained, together = lines
    assert exact.startswith("Counts")
    assert duration(1.5) in exact
    assert "not recorded" in exact
    assert trained.startswith("Trained on scenes")
    assert duration(180.0) in trained
    assert "2025-01-01 to 2025-01-03" in trained
    assert together.startswith("Together")
    assert duration(181.5) in together
    assert "1.2" in trained
    assert "1.2" in together


def test_a_paper_without_records_has_a_line(tmp_path: Path) -> None:
    summary = summarise(joined(mini_paper(tmp_path), Ledger(tmp_path / "ledger"), experiment()))
    index = listed([summary])
    assert problems(index) == []
    line = cells(index, "mini")
    assert line["Measured"].text == "not yet"
    assert line["Directions, measured"].text == "none yet"
    assert counts(line["Relations, by arithmetic"])["consistent"] > 0
    assert NOT_CITABLE not in index.text


@pytest.mark.parametrize("papers", [0, 1, 4, 20])
def test_any_number_of_papers_can_be_listed(measured: Results, papers: int) -> None:
    summaries = [replace(summarise(measured), key=f"paper-{place}", title=f"Title {place}") for place in range(papers)]
    index = listed(summaries)
    assert problems(index) == []
    links = [a.attributes["href"] for a in index.all("a")]
    beside = ("index.html", "audit.html", "deviations.html", "index.json")
    assert links[1:-2] == [f"paper-{place}/{page}" for place in range(papers) for page in beside]
    assert papers or "No paper has a report yet" in index.text


def test_records_that_were_not_used_show_in_the_line(tmp_path: Path) -> None:
    ledger, scenes = Ledger(tmp_path / "ledger"), experiment()
    edited, *_ = fill(ledger, scenes, ERRORS)
    edited.path.write_text(edited.path.read_text().replace("12.5", "13.5"))
    fill(ledger, experiment("gone"), {"Plain": 0.4}, seeds=(0,))
    line = listed([summarise(joined(mini_paper(tmp_path), ledger, scenes))]).by_id("mini").text
    assert "1 ledger record refused" in line
    assert "1 record out of date" in line


def test_a_paper_that_cannot_be_read_is_named(measured: Results) -> None:
    index = listed([summarise(measured)], ("broken",))
    assert problems(index) == []
    alert = next(element for element in index.all("div") if "alert" in element.classes)
    assert "broken" in alert.text
    assert "remeasure report broken" in alert.text


def test_experiments_go_by_their_titles(measured: Results) -> None:
    tree = Page(render.page(measured, no_arrays))
    for part in ("relations", "differences", "measured", "provenance", "claims"):
        assert "Trained on scenes" in tree.by_id(part).text, part
    summary = summarise(measured)
    assert "“Trained on scenes”" in summary.headline
    shown = [head.text for head in tree.all("h3")]
    assert any(head.startswith("Trained on scenes") for head in shown)
    assert not any(head.startswith("scenes") for head in shown)
