"""A report of a whole paper: every number, statement, finding and setting is there, and reads as it should."""

from __future__ import annotations

import re

import pytest
from html_checks import Element, Page, problems
from report_samples import SCENES, ArraysOf, full_results, numbers

from harness.audit.finding import Outcome
from harness.claims.papers import find_paper
from harness.reports.render import page
from harness.reports.summary import summarise
from harness.scoring.model import Results
from harness.statistics.evidence import Evidence, Word
from harness.wording.words import NOT_CITABLE, VERDICTS


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


def rows(tree: Page, table: str) -> list[Element]:
    body = next(tree.by_id(table).all("tbody"))
    return [row for row in body.children if row.tag == "tr"]


def watermarked(element: Element) -> bool:
    parent = element.parent
    return parent is not None and ("watermarked" in parent.classes or watermarked(parent))


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
        assert watermarked(table) == (table in marked)


def test_the_same_results_give_the_same_bytes(full: tuple[Results, ArraysOf], html: str) -> None:
    assert page(*full) == html


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
