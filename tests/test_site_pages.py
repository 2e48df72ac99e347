"""The site as files: a page and its data for everything that can be pointed at, and no link to nowhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any
from urllib.parse import unquote

import pytest
from html_checks import Page, problems
from jsonschema import Draft202012Validator, ValidationError
from report_samples import arrays_of, full_results, no_arrays
from report_samples import experiments as drn_experiments
from scoring_samples import TOML, experiment, fill, joined, mini_paper
from site_samples import COUNTS, Sample, put, sample

from harness.claims.load import load_paper
from harness.claims.papers import find_paper
from harness.ledger.store import Ledger
from harness.reports import addresses
from harness.reports.claim_history import MOST_LINES
from harness.reports.history import histories
from harness.reports.pages import SCHEMA, Pages, index_pages, paper_pages
from harness.reports.summary import summarise
from harness.scoring.model import Results
from harness.wording.words import NOT_CITABLE, VERDICTS

SHARED = {"index.html", "index.json", "style.css", "script.js", "site.schema.json", ".nojekyll"}
DOCS = Path(__file__).parents[1] / "docs" / "site.md"
KINDS = {"audit": "audit_page"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return sample(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def pages(small: Sample) -> Pages:
    return small.pages


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Pages]:
    """A real paper with invented outcomes."""
    folder = tmp_path_factory.mktemp("whole")
    paper = find_paper("drn")
    results, arrays = full_results(paper, folder)
    history = histories(results, drn_experiments(paper))
    return results, paper_pages(results, arrays, history) | index_pages([summarise(results)])


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return content


@cache
def validator(kind: str) -> Draft202012Validator:
    content = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return Draft202012Validator({**content, "oneOf": [{"$ref": f"#/$defs/{KINDS.get(kind, kind)}"}]})


def data(pages: Pages, address: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(pages[address])
    return content


def tree(pages: Pages, address: str) -> Page:
    return Page(pages[address].decode())


def html_of(pages: Pages) -> dict[str, Page]:
    return {address: tree(pages, address) for address in pages if address.endswith(".html")}


def test_every_number_has_a_page_of_its_own_and_all_pages_have_data(whole: tuple[Results, Pages]) -> None:
    results, pages = whole
    claims = {f"drn/claims/{id}" for id in results.paper.claims}
    stems = claims | {"drn/index", "drn/audit", "drn/deviations"}
    assert set(pages) - SHARED == {f"{stem}.{kind}" for stem in stems for kind in ("html", "json")}
    assert set(pages) >= SHARED


def test_no_page_has_a_structural_fault(whole: tuple[Results, Pages], pages: Pages) -> None:
    for some in (whole[1], pages):
        for address, page in html_of(some).items():
            assert problems(page) == [], address


def links(page: Page) -> set[str]:
    """Return everything a page leads to or loads."""
    loaded = [e.attributes.get(name) for tag, name in (("link", "href"), ("script", "src")) for e in page.all(tag)]
    return {a.attributes["href"] for a in page.all("a")}.union(filter(None, loaded))


def test_every_link_leads_somewhere_on_the_site(whole: tuple[Results, Pages], pages: Pages) -> None:
    followed = 0
    for some in (whole[1], pages):
        trees = html_of(some)
        ids = {address: page.ids() for address, page in trees.items()}
        for address, page in trees.items():
            for target in (found for found in links(page) if not found.startswith(("https://", "http://"))):
                path, _, anchor = target.partition("#")
                to = normpath(join(dirname(address), unquote(path))) if path else address
                assert to in some, f"{address} links to {target}"
                assert not anchor or unquote(anchor) in ids[to], f"{address} links to {target}"
                followed += 1
    assert followed > 3000


def test_the_schema_is_one_and_every_data_file_keeps_it(
    whole: tuple[Results, Pages], pages: Pages, schema: dict[str, Any]
) -> None:
    Draft202012Validator.check_schema(schema)
    kinds = set()
    for some in (whole[1], pages):
        for address in (a for a in some if a.endswith(".json") and a != "site.schema.json"):
            content = data(some, address)
            validator(content["kind"]).validate(content)
            kinds.add(content["kind"])
            assert content["url"] == address.removesuffix(".json") + ".html"
            assert content["url"] in some
    assert kinds == {"index", "paper", "claim", "audit", "deviations"}
    Draft202012Validator(schema).validate(data(pages, "mini/claims/t1/plain/params.json"))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("schema",), 2),
        (("claimed", "printed"), 11.7),
        (("verdict", "word"), "fine"),
        (("history", 0, "record"), "short"),
        (("url",), "https://elsewhere.org/x.html#"),
        (("more",), "than the schema knows"),
    ],
)
def test_the_schema_refuses_what_it_does_not_describe(pages: Pages, where: tuple[Any, ...], value: object) -> None:
    content = data(pages, "mini/claims/t1/plain/params.json")
    validator("claim").validate(content)
    part: Any = content
    for step in where[:-1]:
        part = part[step]
    part[where[-1]] = value
    with pytest.raises(ValidationError):
        validator("claim").validate(content)


def test_a_number_reads_the_same_in_results_page_and_data(small: Sample, pages: Pages) -> None:
    for row in small.results.claims:
        claim = row.claim
        address = addresses.claim_page("mini", claim.id)
        page, content = tree(pages, address), data(pages, addresses.data_of(address))
        assert content["id"] == small.results.paper.full_id(claim.id)
        assert content["claimed"]["printed"] == str(claim.printed)
        assert content["claimed"]["low"] <= content["claimed"]["value"] <= content["claimed"]["high"]
        assert content["verdict"]["word"] == row.verdict.word.value
        assert VERDICTS[row.verdict.word].text in page.text
        assert str(claim.printed) in page.text
        assert claim.quote in page.text
        assert sorted(m["estimate"] for m in content["measurements"]) == sorted(m.estimate for m in row.measurements)
        for m in row.measurements:
            assert all(digest[:12] in page.text for digest in m.records)
        if row.command:
            assert row.command in page.text
            assert content["not_measured"]["command"] == row.command


def test_history_stands_on_the_page_and_in_the_data(small: Sample, pages: Pages) -> None:
    address = "mini/claims/t1/plain/top1.html"
    page, content = tree(pages, address), data(pages, addresses.data_of(address))
    entries = small.history["t1/plain/top1"]
    assert [entry["record"] for entry in content["history"]] == [entry.digest for entry in entries]
    assert [entry["value"] for entry in content["history"]] == [entry.value for entry in entries]
    text = page.text
    for entry in entries:
        assert entry.digest[:12] in text
        assert entry.record.started[:10] in text
    assert text.count("superseded") == 3
    drawing = next(svg for svg in page.all("svg") if "timeline" in svg.classes)
    dots = [dot.classes for dot in drawing.all("circle")]
    assert dots == [["then"]] * 3 + [["now"]] * 3
    assert NOT_CITABLE in text


def test_a_long_history_is_cut_on_the_page_and_whole_in_the_data(tmp_path: Path) -> None:
    paper, ledger, scenes = mini_paper(tmp_path), Ledger(tmp_path / "ledger"), experiment(systems=("Plain",))
    for day in range(1, 32):
        fill(ledger, scenes, {"Plain": 0.4}, started=f"2025-01-{day:02}T00:00:00+00:00")
    results = joined(paper, ledger, scenes)
    found = paper_pages(results, arrays_of(ledger), histories(results, (scenes,)))
    page, content = tree(found, "mini/claims/t1/plain/top1.html"), data(found, "mini/claims/t1/plain/top1.json")
    assert len(content["history"]) == 93
    assert sum(1 for _ in page.all("circle")) == 93
    assert page.text.count("superseded") + page.text.count("in use") == MOST_LINES
    assert page.text.count("in use") == 3
    assert f"The newest {MOST_LINES} of 93 records" in page.text


def test_relations_findings_and_deviations_of_a_number_stand_on_its_page(whole: tuple[Results, Pages]) -> None:
    results, pages = whole
    finding = next(f for f in results.audit.findings if f.relation is None and f.claims)
    content = data(pages, f"drn/claims/{finding.claims[0]}.json")
    assert finding.fingerprint in {found["fingerprint"] for found in content["findings"]}
    row = next(r for r in results.claims if r.claim.id == "t1/drn-a-18/top1-1crop")
    page, content = tree(pages, f"drn/claims/{row.claim.id}.html"), data(pages, f"drn/claims/{row.claim.id}.json")
    named = [r for r in results.relations if row.claim.id in f"{r.relation.left} {r.relation.right}".split()]
    assert named
    assert {results.paper.full_id(r.relation.id) for r in named} <= {r["id"] for r in content["relations"]}
    assert all(r.relation.quote in page.text for r in named)
    topics = {d.topic for m in row.measurements for digest in m.records for d in results.records[digest].deviations}
    assert topics
    assert {d["topic"] for d in content["deviations"]} == topics
    for deviation in data(pages, "drn/deviations.json")["deviations"]:
        touched = results.paper.full_id(row.claim.id) in deviation["claims"]
        assert touched == (deviation["topic"] in topics)
        assert set(deviation["records"]) <= set(results.records)


def test_a_page_says_how_to_cite_what_may_be_cited_and_why_not_else(pages: Pages) -> None:
    cited = tree(pages, "mini/claims/t1/plain/params.html").by_id("cite").parent
    refused = tree(pages, "mini/claims/t1/plain/top1.html").by_id("cite").parent
    assert cited is not None
    assert refused is not None
    assert "remeasure cite mini/t1/plain/params" in cited.text
    assert "cannot be cited" in refused.text
    assert "remeasure cite" not in refused.text
    assert COUNTS["Plain"] / 1e6 == data(pages, "mini/claims/t1/plain/params.json")["measurements"][0]["estimate"]


def test_pages_of_numbers_are_small(whole: tuple[Results, Pages]) -> None:
    sizes = sorted(len(content) for address, content in whole[1].items() if "/claims/" in address)
    assert sizes[len(sizes) // 2] < 8_000
    assert sizes[-1] < 60_000


def test_the_same_results_give_the_same_bytes(small: Sample, pages: Pages) -> None:
    assert small.pages == pages


def test_nothing_of_the_machine_is_on_the_site(pages: Pages, tmp_path: Path) -> None:
    for address, content in pages.items():
        assert str(tmp_path.parent).encode() not in content, address
        assert not re.search(rb"(href|src)=\"(/|file:)", content), address


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(TOML.replace('title = "Mini"', 'title = "<script>alert(1)</script> & \\"more\\""'), "utf-8")
    results = joined(load_paper(path), Ledger(tmp_path / "ledger"), experiment())
    pages = paper_pages(results, no_arrays, {}) | index_pages([summarise(results)])
    for address, page in html_of(pages).items():
        assert problems(page) == [], address
        assert not any("alert" in script.own for script in page.all("script")), address
    assert data(pages, "mini/index.json")["title"] == '<script>alert(1)</script> & "more"'


@pytest.mark.parametrize("unread", [(), ("broken",)])
def test_the_index_names_papers_that_cannot_be_read(unread: tuple[str, ...]) -> None:
    content = json.loads(index_pages([], unread)["index.json"])
    validator("index").validate(content)
    assert content["unreadable"] == list(unread)


def test_the_addresses_that_are_documented_are_there(whole: tuple[Results, Pages]) -> None:
    results, pages = whole
    deviation = addresses.deviation_id(results.deviations[0])
    text = DOCS.read_text(encoding="utf-8").replace("data-2ef5138f", deviation)
    named = re.findall(r"`((?:drn/|index|style|script)[^`]*\.(?:html|css|js)[^`]*)`", text)
    assert len(named) >= 9
    for address in named:
        path, _, anchor = address.partition("#")
        assert path in pages, address
        assert not anchor or anchor in tree(pages, path).ids(), address


def test_the_documented_example_reads_the_data(whole: tuple[Results, Pages], tmp_path: Path) -> None:
    put(whole[1], tmp_path / "reports")
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True)
    printed, word, history = done.stdout.split(" ", 2)
    row = next(r for r in whole[0].claims if r.claim.id == "t1/drn-c-26/params")
    assert (printed, word) == (str(row.claim.printed), row.verdict.word.value)
    assert json.loads(history) == [m.estimate for m in row.measurements]
