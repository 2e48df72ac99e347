"""The night's page in a browser: three widths, both colour schemes, no network, nothing axe-core objects to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from browser_checks import chromium_browser, faults, opened
from night_samples import full_report, quiet_report

from harness.nightly.outcome import NightReport
from harness.reports.night_views import page


@pytest.mark.parametrize("report", [full_report(), quiet_report()], ids=["full", "quiet"])
def test_the_page_of_a_night(report: NightReport, tmp_path: Path, chromium: Path, tools: Callable[[str], Path]) -> None:
    axe = tools("node_modules/axe-core/axe.min.js")
    path = tmp_path / "index.html"
    path.write_text(page(report), encoding="utf-8")
    with chromium_browser(chromium) as browser, opened(browser, path) as opening:
        assert faults(opening, axe) == {}
        opening.page.keyboard.press("Tab")
        assert opening.page.evaluate("document.activeElement.className") == "skip"
        opening.page.emulate_media(media="print")
        assert opening.page.pdf()[:4] == b"%PDF"
        opening.page.emulate_media(media="screen")
