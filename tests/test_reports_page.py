from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from html_checks import Element, Page, problems
from numpy.typing import NDArray
from report_samples import SCENES, arrays_of, experiments, fill_trained, full_results
from results_samples import experiment, fill, joined, mini_paper

from harness.audit.finding import Outcome
from harness.claims.load import load_paper
from harness.claims.papers import find_paper
from harness.durations import duration
from harness.errors import StorageError
from harness.ledger.record import Record
from harness.ledger.store import Ledger
from harness.reports.numbers import MINUS, THIN
from harness.reports.render import page, render, render_index
from harness.reports.summary import summarise
from harness.reports.words import NOT_CITABLE, VERDICTS
from harness.results.model import Results
from harness.statistics.evidence import Evidence, Word

ArraysOf = Callable[[str], Mapping[str, NDArray[Any]]]
TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, ArraysOf]:
    return full_results(find_paper("drn"), tmp_path_factory.mktemp("ledger"))


@pytest.fixture(scope="module")
def html(full: tuple[Results, ArraysOf]) -> str:
    return page(*full)


@pytest.fixture(scope="module")
def tree(html: str) -> Page:
    return Page(html)


@pytest.fixture(scope="module")
def results(full: tuple[Results, ArraysOf]) -> Results:
    return full[0]


def no_arrays(digest: str) -> Mapping[str, NDArray[Any]]:
    raise AssertionError(f"no arrays were asked for: {digest}")


def numbers(text: str) -> list[float]:
    plain = text.replace(MINUS, "-").replace(THIN, "")
    return [float(found) for found in re.findall(r"(?<![\w.-])[-+]?\d+(?:\.\d+)?", plain)]


def rows(tree: Page, table: str) -> list[Element]:
    body = next(tree.by_id(table).all("tbody"))
    return [row for row in body.children if row.tag == "tr"]


def test_the_page_has_no_structural_fault(tree: Page) -> None:
    assert problems(tree) == []


def test_the_page_is_small_enough_to_send(html: str) -> None:
    assert len(html.encode()) < 3_000_000


def test_every_claim_has_one_row_with_its_printed_number_and_verdict(tree: Page, results: Results) -> None:
    shown = {row.attributes["id"]: row for row in rows(tree, "claim-list")}
    assert shown.keys() == results.paper.claims.keys()
    for row in results.claims:
        text = shown[row.claim.id].text
        assert str(row.claim.printed) in text
        assert VERDICTS[row.verdict.word].text in text
        assert row.claim.quote in text


def test_numbers_in_a_claims_row_are_those_of_the_results(tree: Page, results: Results) -> None:
    compared = 0
    for row in results.claims:
        shown = numbers(tree.by_id(row.claim.id).text)
        for m in row.measurements:
            closest = min(abs(value - m.estimate) for value in shown)
            assert closest <= max((m.high - m.low) / 2, 1e-7 * abs(m.estimate)), row.claim.id
            compared += 1
        if row.verdict.difference is not None:
            assert any(value == pytest.approx(row.verdict.difference, rel=1e-7) for value in shown), row.claim.id
    assert compared > 10


def test_tables_read_as_printed(tree: Page, results: Results) -> None:
    for table in results.paper.tables.values():
        caption = tree.by_id(f"table-{table.id}")
        assert table.caption in caption.text
        assert caption.parent is not None
        body = next(caption.parent.all("tbody"))
        for row, (slug, name) in zip(body.all("tr"), table.rows.items(), strict=True):
            head, *cells = row.children
            assert head.text == name
            for cell, column in zip(cells, table.columns, strict=True):
                claim = results.paper.claims.get(f"{table.id}/{slug}/{column.id}")
                printed = [e.text for e in cell.all("span") if "claimed" in e.classes]
                assert printed == ([str(claim.printed)] if claim else [])


def test_every_statement_and_finding_is_there(tree: Page, results: Results) -> None:
    articles = {article.attributes["id"]: article.text for article in tree.all("article")}
    for row in results.relations:
        assert row.relation.quote in articles[f"says/{row.relation.statement}"]
        assert row.relation.conclusion in articles[f"says/{row.relation.statement}"]
    assert results.audit.findings
    for finding in results.audit.findings:
        text = articles[f"finding-{finding.fingerprint}"]
        assert finding.rule.title in text
        assert finding.severity.value in text
        assert f"claims.toml:{finding.line}" in text
        assert all(number in text for number in finding.printed[:12])


def test_a_verdict_of_arithmetic_stands_beside_each_case(tree: Page, results: Results) -> None:
    statements = tree.by_id("statements").text
    for outcome, word in ((Outcome.CONSISTENT, "✓ consistent"), (Outcome.WITHIN_ROUNDING, "≈ within rounding")):
        assert statements.count(word) >= results.audit.count(outcome) > 0


def test_measured_directions_lead_the_way_the_paper_says(tree: Page, results: Results) -> None:
    supported = [
        (row, verdict) for row in results.relations for verdict in row.measured if verdict.word is Word.SUPPORTS
    ]
    assert supported
    for row, verdict in supported:
        assert verdict.difference is not None
        text = tree.by_id(f"says/{row.relation.statement}").text
        lead = abs(verdict.difference)
        assert any(abs(value - lead) <= 0.5 for value in numbers(text)), row.relation.id


def test_measured_here_shows_every_measurement(tree: Page, results: Results) -> None:
    shown = numbers(tree.by_id("measured").text)
    for m in results.measurements:
        slack = max((m.high - m.low) / 2, 1e-7 * abs(m.estimate))
        assert any(abs(value - m.estimate) <= slack for value in shown), (m.system, m.metric, m.label)


def test_everything_around_the_numbers_is_there(tree: Page, results: Results) -> None:
    text = " ".join(tree.text.split())
    for deviation in results.deviations:
        assert all(part in text for part in (deviation.paper, deviation.ours, deviation.why, deviation.effect))
    for fact in results.paper.facts:
        assert fact.value in text
    references = tree.by_id("references").text
    for reference in results.paper.references:
        assert reference.source in references
        assert str(reference.printed) in references
    for digest, record in results.records.items():
        assert digest[:12] in text
        assert record.code.digest[:12] in text
    for reason in {row.missing for row in results.claims if row.verdict.word is Word.NOT_MEASURED}:
        assert reason in text
    for command in {row.command for row in (*results.claims, *results.relations) if row.command}:
        assert command in text


def test_filters_offer_only_what_is_there(tree: Page) -> None:
    for form in (e for e in tree.all("form") if "filter" in e.classes):
        assert "hidden" in form.attributes, "without a script a filter would do nothing"
        table = "claim-list" if "claim-list" in form.attributes["data-items"] else "statements"
        items = rows(tree, table) if table == "claim-list" else list(tree.by_id(table).children)
        for select in form.all("select"):
            present = {word for item in items for word in item.attributes[f"data-{select.attributes['name']}"].split()}
            offered = {option.attributes.get("value", option.text) for option in select.all("option")} - {""}
            assert offered >= present - {"none"}
            assert offered & present


def test_the_summary_counts_what_the_results_hold(results: Results) -> None:
    summary = summarise(results)
    words = [row.verdict.word for row in results.claims]
    assert summary.claims.total == len(words)
    assert {mark.text: n for mark, n in summary.claims.parts} == {word.value: words.count(word) for word in set(words)}
    assert summary.checked == sum(word not in (Word.NOT_MEASURED, Word.NOT_COMPARABLE) for word in words)
    assert summary.findings.total == len(results.audit.findings)
    assert str(summary.checked) in summary.headline
    assert {found.experiment for found in summary.directions} == {"scenes", "imagenette"}


def test_synthetic_numbers_are_marked_wherever_they_stand(tree: Page, results: Results) -> None:
    for row in results.claims:
        if any(m.evidence is Evidence.SYNTHETIC for m in row.measurements):
            assert NOT_CITABLE in tree.by_id(row.claim.id).text
    synthetic = [v for row in results.relations for v in row.measured if v.evidence is Evidence.SYNTHETIC]
    assert tree.by_id("statements").text.count(NOT_CITABLE) == len(synthetic) > 0
    plots = [table for table in tree.all("table") if {"plot", "gallery"} & set(table.classes)]
    marked = [table for table in plots if NOT_CITABLE in next(table.all("caption")).text]
    assert 0 < len(marked) < len(plots)
    for table in plots:
        assert table.parent is not None
        assert ("watermarked" in table.parent.classes) == (table in marked)


def test_no_watermark_without_synthetic_evidence(tmp_path: Path) -> None:
    paper, ledger = find_paper("drn"), Ledger(tmp_path)
    photographs = experiments(paper)[2]
    fill_trained(ledger, photographs, pictures=False)
    tree = Page(page(joined(paper, ledger, photographs), arrays_of(ledger)))
    assert NOT_CITABLE not in tree.text
    assert not any("watermarked" in element.classes for element in tree.all())


def test_maps_of_photographs_come_without_them_until_asked_for_in_private(tmp_path: Path) -> None:
    paper, ledger = find_paper("drn"), Ledger(tmp_path / "ledger")
    photographs = experiments(paper)[2]
    fill_trained(ledger, photographs, pictures=False)
    results = joined(paper, ledger, photographs)
    public = Page(page(results, arrays_of(ledger)))
    assert "remeasure report drn --data DIR --private" in public.text
    asked: list[list[int]] = []

    def images(record: Record, index: NDArray[np.int32]) -> NDArray[np.uint8]:
        asked.append(index.tolist())
        return np.random.default_rng(len(record.system)).integers(0, 255, (len(index), 48, 48, 3)).astype(np.uint8)

    private = Page(render(results, arrays_of(ledger), tmp_path / "private", images).read_text())
    assert problems(private) == []
    assert asked == [[0, 7, 14, 21]]
    assert "not for publication" in private.text
    assert "--private" not in private.text
    assert len(list(private.all("image"))) == len(list(public.all("image"))) + 4


def test_panels_show_the_same_images_through_every_system(tree: Page) -> None:
    galleries = [table for table in tree.all("table") if "gallery" in table.classes]
    heads = [[head.text for head in table.all("th")] for table in galleries]
    systems = ["ResNet-18", "DRN-A-18", "DRN-B-26", "DRN-C-26"]
    assert heads == [systems, ["Truth", *systems], ["Image", *systems], ["Truth", *systems]]
    labels = [svg.attributes["aria-label"] for svg in galleries[2].all("svg")]
    assert any("DRN-C-26, image 7: 12×12 activation map" in label for label in labels)
    assert any("no box" in label for label in labels)


def test_the_same_results_give_the_same_bytes(full: tuple[Results, ArraysOf], html: str, tmp_path: Path) -> None:
    assert render(*full, tmp_path).read_text(encoding="utf-8") == html


def test_bytes_do_not_depend_on_the_order_of_hashes(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from hashlib import sha256; import sys\n"
        "from results_samples import *\n"
        "from harness.reports.render import page\n"
        "paper, ledger = mini_paper(Path(sys.argv[1])), Ledger(Path(sys.argv[1]) / 'ledger')\n"
        "scenes = experiment()\n"
        "fill(ledger, scenes, {'Plain': 0.4, 'Dilated': 0.3})\n"
        "html = page(joined(paper, ledger, scenes), lambda digest: {})\n"
        "assert 'torch' not in sys.modules\n"
        "print(sha256(html.encode()).hexdigest())\n"
    )
    digests = set()
    for seed in ("1", "2"):
        path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        command = [sys.executable, "-c", script, str(tmp_path)]
        digests.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(digests) == 1


HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}<img src=x onerror=alert(2)>"


def test_strings_of_a_claims_file_stay_strings(tmp_path: Path) -> None:
    bad = json.dumps(HOSTILE)
    toml = f"""
[paper]
key = "hostile"
title = {bad}
authors = [{bad}]
year = 2020
venue = {bad}
versions = [{bad}]
url = "javascript:alert(3)"
[sources]
text = {bad}
[table.t1]
section = {bad}
caption = {bad}
columns = [{{ id = "top1", title = {bad}, metric = "top1-error", dataset = {bad}, protocol = {bad}, unit = "%" }}]
rows."a" = ["30.0"]
rows."<b>b</b>" = ["31.0"]
[claim."s1/x"]
value = "5.0"
unit = "pp"
metric = "difference"
system = {bad}
section = {bad}
quote = {bad}
note = {bad}
[[relation]]
id = {json.dumps("summary " + HOSTILE)}
section = {bad}
quote = {bad}
universal = {bad}
left = "t1/a/top1"
op = "<"
right = "t1/b-b-b/top1"
unit = "%"
direction = "t1/a/top1 < t1/b-b-b/top1"
conclusion = {bad}
note = {bad}
[reference.other]
source = {bad}
kind = "authors"
note = {bad}
columns = [{{ beside = "t1/top1" }}]
rows."a" = ["29.0"]
[[fact]]
id = "f"
section = {bad}
value = {bad}
quote = {bad}
[absent]
"t1/c/top1" = {bad}
"""
    path = tmp_path / "claims.toml"
    path.write_text(toml, encoding="utf-8")
    results = joined(load_paper(path), Ledger(tmp_path / "ledger"))
    tree = Page(page(results, no_arrays))
    assert problems(tree) == []
    assert len(list(tree.all("script"))) == 1
    assert not list(tree.all("img"))
    assert not list(tree.all("b"))
    assert tree.text.count(HOSTILE) > 15
    assert Page(render_index([summarise(results)], tmp_path).read_text()).text.count(HOSTILE) > 1


def test_records_that_were_not_used_are_said_loudly(tmp_path: Path) -> None:
    paper, ledger = mini_paper(tmp_path), Ledger(tmp_path / "ledger")
    scenes = experiment()
    edited, *_ = fill(ledger, scenes, {"Plain": 0.4, "Dilated": 0.3})
    edited.path.write_text(edited.path.read_text().replace("12.5", "13.5"))
    fill(ledger, experiment("gone"), {"Plain": 0.4}, seeds=(0,))
    results = joined(paper, ledger, scenes)
    tree = Page(page(results, arrays_of(ledger)))
    alert = next(element for element in tree.all("div") if {"alert", "bad"} <= set(element.classes))
    assert "1 ledger record refused" in alert.text
    assert "1 record out of date" in alert.text
    listed = tree.by_id("provenance").text
    assert f"mini/scenes/{edited.path.name}" in listed
    assert str(tmp_path) not in tree.text
    assert results.stale[0][:12] in listed
    index = Page(render_index([summarise(results)], tmp_path).read_text())
    assert "refused" in index.text
    assert problems(tree) == problems(index) == []


def test_a_page_without_measurements_says_so(tmp_path: Path) -> None:
    results = joined(mini_paper(tmp_path), Ledger(tmp_path / "ledger"), experiment())
    tree = Page(page(results, no_arrays))
    assert problems(tree) == []
    assert "Nothing has been measured yet" in tree.text
    assert NOT_CITABLE not in tree.text
    assert "pictures" not in tree.ids()


def test_a_direction_against_the_paper_reads_as_one(tmp_path: Path) -> None:
    paper, ledger = mini_paper(tmp_path), Ledger(tmp_path / "ledger")
    scenes = experiment()
    fill(ledger, scenes, {"Plain": 0.2, "Dilated": 0.5, "Degridded": 0.5})
    results = joined(paper, ledger, scenes)
    statement = Page(page(results, no_arrays)).by_id("says/gain").text
    assert "✗ contradicts" in statement
    lead = next(v.difference for r in results.relations if r.relation.id == "gain" for v in r.measured)
    assert lead is not None
    assert any(abs(value + lead) <= 0.5 for value in numbers(statement)), "a lead against the paper is below zero"
    assert any("contradicted in scenes" in item.text for item in summarise(results).fails)


def test_the_index_lists_papers_and_leads_to_them(results: Results, tmp_path: Path) -> None:
    summary = summarise(results)
    index = Page(render_index([summary], tmp_path).read_text(encoding="utf-8"))
    assert problems(index) == []
    assert summary.headline in index.text
    assert any(a.attributes["href"] == "drn/index.html" for a in index.all("a"))
    assert NOT_CITABLE in index.text
    assert problems(Page(render_index([], tmp_path).read_text())) == []


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    results = joined(mini_paper(tmp_path), Ledger(tmp_path / "ledger"))
    (tmp_path / "mini").write_text("in the way")
    with pytest.raises(StorageError, match="mini"):
        render(results, no_arrays, tmp_path)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.84, "0.8 s"), (44.4, "44 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 5 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour (WCAG 2.1)."""
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    light, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(html: str, scheme: int) -> None:
    style = html.partition("<style>")[2].partition("</style>")[0]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", style.split(":root {")[1 + scheme].partition("}")[0]))
    for ink in ("ink", "soft", "accent", "good", "bad", "open", "none", "syn"):
        for ground in ("page", "card", "wash"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    for tone in ("good", "bad", "open", "none", "syn"):
        assert contrast(colours[tone], colours[f"{tone}-wash"]) >= 4.5, tone
        assert contrast(colours["ink"], colours[f"{tone}-wash"]) >= 4.5, tone
    for series in range(6):
        assert contrast(colours[f"s{series}"], colours["page"]) >= 3.0, series


def test_a_scene_is_what_the_fixture_says_it_is(results: Results) -> None:
    assert {r.data.name for r in results.records.values() if r.data} == {SCENES.name, "imagenette2-112"}


def test_a_partial_measurement_does_not_look_whole(tmp_path: Path) -> None:
    paper, ledger = mini_paper(tmp_path), Ledger(tmp_path / "ledger")
    scenes = experiment()
    fill(ledger, scenes, {"Plain": 0.4})
    fill(ledger, scenes, {"Dilated": 0.3}, seeds=(0,))
    results = joined(paper, ledger, scenes)
    tree = Page(page(results, no_arrays))
    alerts = [element.text for element in tree.all("div") if "alert" in element.classes]
    assert any("Partial" in text and "wait for measurements" in text for text in alerts)
    assert any("Plain: 0, 1, 2; Dilated: 0" in text for text in alerts)
    assert scenes.command in tree.by_id("missing").text
