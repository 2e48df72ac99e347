"""Prints, after the last benchmark, the ratios of what was timed side by side."""

from __future__ import annotations

import pytest
from side_by_side import SideBySide

TIMES = pytest.StashKey[SideBySide]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TIMES] = SideBySide()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[TIMES].lines():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def side_by_side(pytestconfig: pytest.Config) -> SideBySide:
    """Collect times, whose ratios are printed after the last test."""
    return pytestconfig.stash[TIMES]
