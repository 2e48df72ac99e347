"""Writes what a night leaves: a page for people, and the rest for what shows or reads it elsewhere.

::

    index.html         the page
    junit.xml          a test for each metric, claim and failure
    summary.md         the step summary of GitHub
    badge.json         for shields.io's endpoint badge
    benchmark.json     times, in the shape of pytest-benchmark
    issues/*.md        one for each alarm; the first line is the issue's title
"""

from __future__ import annotations

from pathlib import Path

from harness.files import write_atomically
from harness.nightly import github
from harness.nightly.junit import junit
from harness.nightly.machine import pytest_benchmark, shields
from harness.nightly.outcome import NightReport
from harness.reports.night_views import page


def write(report: NightReport, out: Path) -> Path:
    """Write every output into a folder; return the page.

    Raises:
        StorageError: The folder cannot be written.
    """
    contents = {
        "index.html": page(report).encode(),
        "junit.xml": junit(report),
        "summary.md": github.summary(report).encode(),
        "badge.json": shields(report),
        "benchmark.json": pytest_benchmark(report),
        **{f"issues/{issue.name}.md": f"# {issue.title}\n\n{issue.body}".encode() for issue in github.issues(report)},
    }
    for name, content in contents.items():
        write_atomically(out / name, content)
    _forget(out / "issues", contents)
    return out / "index.html"


def _forget(folder: Path, contents: dict[str, bytes]) -> None:
    """Remove the issues that the same night wrote before it was resumed."""
    for path in folder.glob("*.md"):
        if f"issues/{path.name}" not in contents:
            path.unlink()
