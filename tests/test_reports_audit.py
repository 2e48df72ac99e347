"""Findings on the page, each with the review that stands beside the claims file."""

from __future__ import annotations

from pathlib import Path

import pytest
from html_checks import Page, problems
from report_samples import no_arrays
from scoring_samples import TOML, joined

from harness.claims.load import load_paper
from harness.errors import ClaimsError
from harness.ledger.store import Ledger
from harness.reports.render import page
from harness.scoring.model import Results

REVIEW = """
[[finding]]
fingerprint = "{fingerprint}"
rule = "{rule}"
claims = []
date = "2025-02-03"
note = "Looked at <twice>, see t1/plain/top1."
"""


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """A paper whose prose states a gain that its table does not give."""
    path = tmp_path / "claims.toml"
    path.write_text(TOML.replace('value = "5.0"', 'value = "7.0"'), encoding="utf-8")
    return joined(load_paper(path), Ledger(tmp_path / "ledger"))


def review(results: Results, *entries: tuple[str, str]) -> None:
    text = "".join(REVIEW.format(fingerprint=fingerprint, rule=rule) for fingerprint, rule in entries)
    (results.audit.path.parent / "reviewed.toml").write_text(text, encoding="utf-8")


def test_a_review_stands_with_its_date_beside_its_finding(results: Results) -> None:
    first, *others = results.audit.findings
    review(results, (first.fingerprint, first.rule.id))
    tree = Page(page(results, no_arrays))
    assert problems(tree) == []
    reviewed = tree.by_id(f"finding-{first.fingerprint}")
    assert "Reviewed on 2025-02-03" in reviewed.text
    assert "Looked at <twice>" in reviewed.text
    assert any(link.attributes["href"] == "#t1/plain/top1" and link.inside("p") for link in reviewed.all("a"))
    for finding in others:
        assert "Not reviewed yet" in tree.by_id(f"finding-{finding.fingerprint}").text
    assert tree.text.count("Reviewed on") == 1


def test_without_reviews_every_finding_says_so(results: Results) -> None:
    assert results.audit.findings
    text = Page(page(results, no_arrays)).by_id("audit").text
    assert text.count("Not reviewed yet") == len(results.audit.findings)


def test_a_review_whose_finding_is_gone_is_listed(results: Results) -> None:
    review(results, ("0123456789abcdef", "means/mean"))
    tree = Page(page(results, no_arrays))
    assert problems(tree) == []
    text = tree.by_id("audit").text
    assert "no longer found" in text
    assert "0123456789abcdef" in text
    assert "means/mean" in text


def test_reviews_that_cannot_be_read_are_an_error_of_the_file(results: Results) -> None:
    (results.audit.path.parent / "reviewed.toml").write_text("[[finding]]\n", encoding="utf-8")
    with pytest.raises(ClaimsError, match=r"reviewed\.toml"):
        page(results, no_arrays)
