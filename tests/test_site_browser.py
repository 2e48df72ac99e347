"""The site in Chromium: widths, colour schemes, filter, sort, keyboard, print, accessibility; no network, no error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser_checks import SCHEMES, WIDTHS, chromium_browser, faults, opened, overflow, violations
from playwright.sync_api import Browser, Page
from report_samples import arrays_of
from site_samples import put, sample

from harness.experiment import Options, experiments_of
from harness.ledger.store import Ledger
from harness.reports.history import histories
from harness.reports.pages import index_pages, paper_pages
from harness.reports.summary import summarise
from harness.scoring.load import load_results

LEDGER = Path(__file__).parents[1] / "reports" / "ledger"
CLAIM = "claims/t1/plain/top1.html"
SHOWN = "(rows) => rows.filter((row) => !row.hidden).map((row) => row.id)"
ALL = "(rows) => rows.map((row) => row.id)"

Tools = Callable[[str], Path]


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with chromium_browser(chromium) as started:
        yield started


@pytest.fixture(scope="module")
def axe(tools: Tools) -> Path:
    return tools("node_modules/axe-core/axe.min.js")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small paper's pages, with those of a real paper beside them, and the list of both."""
    made = sample(tmp_path_factory.mktemp("sample"))
    ledger = Ledger(LEDGER)
    real = load_results("drn", ledger)
    history = histories(real, experiments_of("drn")(Options()))
    pages = made.pages | paper_pages(real, arrays_of(ledger), history)
    pages |= index_pages([summarise(real), summarise(made.results)], ("broken",))
    return put(pages, tmp_path_factory.mktemp("site"))


def row_ids(page: Page, table: str, script: str = SHOWN) -> list[str]:
    found: list[str] = page.eval_on_selector_all(f"#{table} > tbody > tr", script)
    return found


@pytest.mark.parametrize(
    "address",
    ["index.html", "mini/index.html", f"mini/{CLAIM}", "mini/audit.html", "mini/deviations.html"],
)
def test_every_kind_of_page_is_accessible_at_every_width_and_in_both_schemes(
    site: Path, browser: Browser, axe: Path, address: str
) -> None:
    with opened(browser, site / address) as opening:
        assert faults(opening, axe) == {}


@pytest.mark.parametrize(
    "address", ["drn/audit.html", "drn/deviations.html", "drn/claims/t1/resnet-34/top1-1crop.html"]
)
def test_a_real_papers_pages_are_accessible(site: Path, browser: Browser, axe: Path, address: str) -> None:
    with opened(browser, site / address) as opening:
        assert faults(opening, axe, WIDTHS[:1], SCHEMES[:1]) | faults(opening, axe, WIDTHS[2:], SCHEMES[1:]) == {}


def test_a_real_report_is_accessible_and_fits_every_width(site: Path, browser: Browser, axe: Path) -> None:
    with opened(browser, site / "drn" / "index.html") as opening:
        for width in reversed(WIDTHS):
            opening.look(width, "dark")
            assert overflow(opening.page) == []
        assert violations(opening.page, axe) == []


def test_the_checks_see_what_is_wrong(browser: Browser, axe: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!DOCTYPE html><html><title>x</title><body><main><h1>x</h1><input><p style='color:#ccc'>pale</p>"
        "<div style='width:2000px'>wide</div><img src='https://example.org/x.png' alt=''>"
        "<script>nothing()</script></main></body></html>",
        "utf-8",
    )

    def look() -> None:
        with opened(browser, bad) as opening:
            wrong = " ".join(faults(opening, axe, WIDTHS[:1], SCHEMES[:1])[WIDTHS[0], "light"])
            for rule in ("color-contrast", "label", "html-has-lang", "pixels too wide"):
                assert rule in wrong
            assert any("a script fails" in fault for fault in opening.faults)

    with pytest.raises(AssertionError, match=r"asks the network for https://example.org"):
        look()


def test_papers_are_filtered_by_words_and_by_what_they_have(site: Path, browser: Browser) -> None:
    with opened(browser, site / "index.html") as opening:
        page = opening.page
        assert row_ids(page, "papers") == ["drn", "mini"]
        page.fill("form.filter [name=text]", "residual dilated")
        assert row_ids(page, "papers") == ["drn"]
        assert page.inner_text("form.filter output") == "1 of 2 shown"
        page.click("form.filter button[type=reset]")
        assert row_ids(page, "papers") == ["drn", "mini"]
        page.select_option("form.filter [name=has]", "error")
        assert row_ids(page, "papers") == ["drn"]


def test_papers_are_sorted_up_down_and_back(site: Path, browser: Browser) -> None:
    with opened(browser, site / "index.html") as opening:
        page = opening.page
        numbers = page.get_by_role("columnheader", name="Printed numbers")
        button = numbers.get_by_role("button")
        seen = []
        for _ in range(3):
            button.click()
            seen.append((numbers.get_attribute("aria-sort"), row_ids(page, "papers", ALL)))
        assert seen == [("ascending", ["mini", "drn"]), ("descending", ["drn", "mini"]), (None, ["drn", "mini"])]


def test_sorting_works_by_keyboard_alone_at_every_width(site: Path, browser: Browser) -> None:
    for width in WIDTHS:
        with opened(browser, site / "index.html", width=width) as opening:
            page = opening.page
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.className") == "skip"
            assert page.locator(".skip").bounding_box() is not None
            page.keyboard.press("Enter")
            assert page.evaluate("location.hash") == "#content"
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.name") == "text"
            page.keyboard.type("mini")
            assert row_ids(page, "papers") == ["mini"]
            for _ in range(3):
                page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.closest('th').textContent").strip() == "Paper"
            box = page.evaluate(
                "(({width, height}) => Math.min(width, height))(document.activeElement.getBoundingClientRect())"
            )
            assert box >= 20
            page.keyboard.press("Enter")
            page.keyboard.press("Space")
            assert page.get_by_role("columnheader", name="Paper").get_attribute("aria-sort") == "descending"
            assert row_ids(page, "papers", ALL) == ["mini", "drn"]


def test_numbers_of_a_report_are_filtered_sorted_and_found_by_address(site: Path, browser: Browser) -> None:
    with opened(browser, site / "mini" / "index.html") as opening:
        page = opening.page
        every = row_ids(page, "claim-list", ALL)
        claimed = page.get_by_role("columnheader", name="Claimed").get_by_role("button")
        claimed.click()
        values = page.eval_on_selector_all(
            "#claim-list > tbody > tr > td:nth-child(2)", "(cells) => cells.map((cell) => Number(cell.dataset.value))"
        )
        assert values == sorted(values)
        assert len(set(values)) > 3
        page.select_option("form[data-items^='#claim-list'] [name=verdict]", "exact")
        shown = row_ids(page, "claim-list")
        assert 0 < len(shown) < len(every)
        hidden = next(id for id in every if id not in shown)
        page.evaluate(f"location.hash = '#{hidden}'")
        page.wait_for_function("id => !document.getElementById(id).hidden", arg=hidden)


def test_a_reader_gets_from_the_list_to_a_number_and_its_data_and_back(site: Path, browser: Browser) -> None:
    with opened(browser, site / "index.html") as opening:
        page = opening.page
        page.click("#mini th a >> nth=0")
        page.click("[id='t1/plain/top1'] a.id")
        assert page.url.endswith(f"/mini/{CLAIM}")
        assert page.inner_text("h1") == "Plain"
        assert page.evaluate("getComputedStyle(document.querySelector('.tile')).borderRadius") != "0px"
        page.click("nav a >> nth=1")
        assert page.url.endswith("/mini/index.html")
        page.click("footer a[href='audit.html']")
        assert page.inner_text("h1") == "The audit"
        page.fill("form.filter [name=text]", "no such words anywhere")
        assert row_ids(page, "verdict-list") == []


@pytest.mark.parametrize("address", ["index.html", "mini/index.html", f"mini/{CLAIM}"])
def test_paper_shows_everything_on_white_and_no_controls(site: Path, browser: Browser, address: str) -> None:
    with opened(browser, site / address, scheme="dark") as opening:
        page = opening.page
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(27, 31, 35)"
        assert not page.locator("form.filter:visible").count()
        assert not page.locator("details:not([open])").count()
        assert page.pdf(format="A4").startswith(b"%PDF-")


def test_every_focus_is_seen(site: Path, browser: Browser) -> None:
    with opened(browser, site / "mini" / CLAIM) as opening:
        page = opening.page
        stops = 0
        while stops < 60:
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            stops += 1
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert 5 < stops < 60


def test_without_scripts_nothing_is_hidden(site: Path, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    assert page.locator("#papers > tbody > tr:visible").count() == 2
    assert page.locator("form.filter:visible").count() == 0
    context.close()
