"""Pages in a real browser: what no page may do, at every width and in both colour schemes.

One page is opened once and then resized and recoloured, which is what a reader's browser does too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, sync_playwright

WIDTHS = (360, 768, 1280)
SCHEMES = ("light", "dark")
HEIGHT = 900
LOCAL = ("file:", "data:")
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
    "preload": False,
}
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
STICKING_OUT = """() => [...document.querySelectorAll("main *")]
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, svg, pre, .hidden-text"))
  .slice(0, 5).map((e) => e.tagName.toLowerCase() + "." + e.className + ": " + e.textContent.trim().slice(0, 40))"""


@dataclass
class Opened:
    """A page in the browser.

    Attributes:
        faults: What it did that no page may do, as it happens.
    """

    page: Page
    faults: list[str] = field(default_factory=list)

    def look(self, width: int, scheme: str) -> None:
        """Give the window another width, and the reader's system another colour scheme."""
        self.page.set_viewport_size({"width": width, "height": HEIGHT})
        self.page.emulate_media(media="screen", color_scheme="dark" if scheme == "dark" else "light")


@contextmanager
def chromium_browser(executable: Path) -> Iterator[Browser]:
    """Start Chromium, as root too."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(executable), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, path: Path, *, width: int = 1280, scheme: str = "light") -> Iterator[Opened]:
    """Open a file, and fail at the end if it asked the network for anything or reported an error."""
    context = browser.new_context(reduced_motion="reduce")
    found = Opened(context.new_page())

    def asked(route: Route, request: Request) -> None:
        if request.url.startswith(LOCAL):
            route.continue_()
        else:
            found.faults.append(f"asks the network for {request.url}")
            route.abort()

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            found.faults.append(f"the console says: {message.text}")

    context.route("**/*", asked)
    found.page.on("console", said)
    found.page.on("pageerror", lambda error: found.faults.append(f"a script fails: {error}"))
    found.page.on("requestfailed", lambda request: found.faults.append(f"{request.url} cannot be loaded"))
    found.look(width, scheme)
    found.page.goto(path.resolve().as_uri())
    yield found
    context.close()
    assert found.faults == [], f"{path}: {found.faults}"


def violations(page: Page, axe: Path) -> list[str]:
    """Return what axe-core finds against WCAG 2.2 AA and its own best practices, each with the first elements."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(axe.read_text(encoding="utf-8"))
    result: dict[str, Any] = page.evaluate("(options) => axe.run(document, options)", RULES)
    return [
        f"{rule['id']}: {rule['help']}: {[(n['html'][:160], n['failureSummary'][:200]) for n in rule['nodes'][:3]]}"
        for rule in result["violations"]
    ]


def overflow(page: Page) -> list[str]:
    """Return what makes a page wider than the window; empty if nothing does."""
    wider = page.evaluate(WIDER)
    return [f"{wider} pixels too wide: {page.evaluate(STICKING_OUT)}"] if wider > 0 else []


def faults(
    opening: Opened, axe: Path, widths: Sequence[int] = WIDTHS, schemes: Sequence[str] = SCHEMES
) -> dict[tuple[int, str], list[str]]:
    """Return what is wrong with a page at each width and in each scheme; empty for a good page."""
    found = {}
    for width in widths:
        for scheme in schemes:
            opening.look(width, scheme)
            found[width, scheme] = [*overflow(opening.page), *violations(opening.page, axe)]
    return {where: wrong for where, wrong in found.items() if wrong}
