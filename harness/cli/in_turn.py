"""Several papers one after the other, each in a process of its own, so that one that fails stops none of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import click

from harness.apart import Ended, alone
from harness.errors import ExitCode

T = TypeVar("T")


@dataclass(frozen=True)
class Done(Generic[T]):
    """What became of each paper.

    Attributes:
        results: Of the papers that were done.
        failed: The exit codes of the others, which have said why.
    """

    results: Mapping[str, T]
    failed: Mapping[str, ExitCode]

    @property
    def exit_code(self) -> ExitCode:
        """The worst of all: a defect if there is one, else the highest."""
        codes = set(self.failed.values())
        return ExitCode.DEFECT if ExitCode.DEFECT in codes else max(codes, default=ExitCode.OK)

    def as_json(self, shown: Mapping[str, object]) -> dict[str, object]:
        """Return what is shown of each paper, with the exit codes of those that failed."""
        return {**shown, **{paper: {"failed": int(code)} for paper, code in self.failed.items()}}


def in_turn(papers: Sequence[str], work: Callable[[str], T]) -> Done[T]:
    """Do the work for each paper.

    A single paper is worked on here, and its errors are the caller's. Of several, each gets a fresh process: what it
    held in memory is given back, and an error, a defect or a kill is told, counted, and the next paper begun.

    Args:
        work: A function of a paper's key that can be pickled, and so can what it returns.

    Raises:
        InterruptedRunError: The process of a paper was interrupted; the papers after it are not begun.
    """
    if len(papers) == 1:
        return Done({papers[0]: work(papers[0])}, {})
    results: dict[str, T] = {}
    failed: dict[str, ExitCode] = {}
    for place, paper in enumerate(papers, start=1):
        click.echo(f"\n{paper} ({place} of {len(papers)})", err=True)
        match alone(work, paper, paper):
            case Ended() as ended:
                click.echo(f"remeasure: {paper}: {ended.message}", err=True)
                failed[paper] = ended.code
            case result:
                results[paper] = result
    return Done(results, failed)
