"""Work in a process of its own: what it held in memory is given back, and nothing that goes wrong in it spreads."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing.connection import Connection
from traceback import format_exception
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from harness.errors import ExitCode, InterruptedRunError, RemeasureError
from harness.packages import required

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

Of = TypeVar("Of")
T = TypeVar("T")

GRACE = 10.0
"""Seconds a process has to put its affairs in order after Ctrl-C, which the terminal sends to it as well."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How work ended that did not get to its end.

    Attributes:
        code: The exit code of its error; ``DEFECT`` for any other error and for a process that was killed,
            ``INFRASTRUCTURE`` where the time was over.
        text: The message, or the traceback of a defect, which the process has printed as well.
    """

    code: ExitCode
    text: str

    @property
    def message(self) -> str:
        """What to say: of a traceback the last line."""
        return self.text.strip().splitlines()[-1] if self.code is ExitCode.DEFECT else self.text


def apart(work: Callable[[Of], Iterator[T]], of: Of, what: str, *, until: float | None = None) -> Iterator[T | Ended]:
    """Yield what the work yields in a process of its own; if it does not get to its end, last of all how it ended.

    Args:
        work: A function that can be pickled, and so can its argument and what it yields.
        what: What is being done, in a few words.
        until: When the process is ended, seconds since the epoch; None: it may take as long as it likes.

    Raises:
        InterruptedRunError: Ctrl-C ended the process.
    """
    context = _context()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sender, work, of))
    process.start()
    sender.close()
    ended: Ended | None = None
    try:
        while receiver.poll(None if until is None else max(until - time.time(), 0.0)):
            message: Any = receiver.recv()
            if isinstance(message, Ended):
                ended = message
            else:
                yield message
        process.terminate()
        ended = ended or Ended(
            ExitCode.INFRASTRUCTURE, "Its time was over before it was done; the next run goes on with it."
        )
    except EOFError:
        pass
    except (KeyboardInterrupt, GeneratorExit):
        process.join(GRACE)
        process.terminate()
        raise
    finally:
        process.join()
    if process.exitcode == ExitCode.INTERRUPTED:
        raise InterruptedRunError(f"interrupted in {what}", "The same command goes on where this one stopped.")
    if ended is None and process.exitcode != ExitCode.OK:
        ended = Ended(ExitCode.DEFECT, f"its process ended with {process.exitcode}; -9 is often a lack of memory")
    if ended is not None:
        yield ended


def alone(work: Callable[[Of], T], of: Of, what: str) -> T | Ended:
    """Return what the work returns in a process of its own, or how it ended; see :func:`apart`."""
    return list(apart(partial(_once, work), of, what))[-1]


def _once(work: Callable[[Of], T], of: Of) -> Iterator[T]:
    yield work(of)


@cache
def _context() -> SpawnContext | ForkServerContext:
    """Return how processes are made: where the system allows, by a server that has imported torch but computed nothing.

    So each starts at once, and none inherits what another one's device was left in.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "harness.runner.run", __name__])
    return context


def _child(sender: Connection, work: Callable[[Of], Iterator[object]], of: Of) -> None:
    try:
        with _Telling(sender), required():
            for message in work(of):
                sender.send(message)
    except RemeasureError as error:
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)


@dataclass(frozen=True, slots=True)
class _Telling:
    """Tells which error ends the work, and lets it pass."""

    sender: Connection

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        match error:
            case None | KeyboardInterrupt() | InterruptedRunError():
                pass
            case RemeasureError():
                self.sender.send(Ended(error.exit_code, str(error)))
            case _:
                self.sender.send(Ended(ExitCode.DEFECT, "".join(format_exception(error))))
