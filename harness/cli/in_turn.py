"""Several papers one after the other, each in a process of its own, so that one that fails stops none of the others."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

import click

from harness.errors import ExitCode, InterruptedRunError, RemeasureError
from harness.packages import required

T = TypeVar("T")

GRACE = 10.0
"""Seconds a process has to put its affairs in order after Ctrl-C, which the terminal sends to it as well."""


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
        returned, code = _apart(paper, work)
        if code is ExitCode.INTERRUPTED:
            raise InterruptedRunError(f"interrupted in {paper}", "The same command goes on where this one stopped.")
        if code is ExitCode.OK:
            results[paper] = returned[0]
        else:
            failed[paper] = code
    return Done(results, failed)


def _apart(paper: str, work: Callable[[str], T]) -> tuple[list[T], ExitCode]:
    """Do the work in a process of its own; return what it gave, if anything, and how it ended."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sender, paper, work))
    process.start()
    sender.close()
    returned: list[T] = []
    try:
        returned.append(receiver.recv())
    except EOFError:
        pass
    except KeyboardInterrupt:
        process.join(GRACE)
        process.terminate()
        raise
    finally:
        process.join()
    return returned, _exit_code(paper, process.exitcode)


def _child(sender: Connection, paper: str, work: Callable[[str], object]) -> None:
    try:
        with required():
            sender.send(work(paper))
    except RemeasureError as error:
        click.echo(f"remeasure: {paper}: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)


def _exit_code(paper: str, code: int | None) -> ExitCode:
    if code in set(ExitCode):
        return ExitCode(code)
    click.echo(f"remeasure: {paper}: its process ended with {code}; -9 is often a lack of memory", err=True)
    return ExitCode.DEFECT
