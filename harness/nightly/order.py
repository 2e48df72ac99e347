"""What a night is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from harness.experiment import Options
from harness.nightly.work import Budget
from harness.runner.state import STATE


@dataclass(frozen=True)
class Order:
    """What a night is asked to do.

    Attributes:
        papers: By key.
        options: Settled: the device is "cpu" or "cuda".
        device: Its name.
        folder: Where the nights' files are.
        benchmarks: Of the timing session.
        command: That was given.
        state: Where interrupted attempts are kept.
    """

    papers: tuple[str, ...]
    options: Options
    device: str
    ledger: Path
    folder: Path
    budget: Budget
    benchmarks: tuple[Path, ...]
    command: str
    state: Path = STATE

    @property
    def folders(self) -> str:
        """The options that name folders, for commands that repeat a measurement."""
        given = (("--data", self.options.data), ("--weights", self.options.weights))
        return " ".join(f"{option} {quote(str(folder))}" for option, folder in given if folder is not None)
