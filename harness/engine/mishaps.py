"""What can end a training from outside, as errors that say where it stands and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch.distributed import DistError

from harness.errors import DeviceError, ExitCode, InterruptedRunError, RemeasureError

_CALMER = "A lower learning rate or a longer warm-up may help; nothing of this run is recorded."
_SMALLER = "More parts put a step's images through in smaller pieces; smaller crops or networks need less, too."
_AGAIN = "The same command goes on from there."


class DivergedError(RemeasureError):
    """A loss or a weight that is no longer a finite number."""

    exit_code = ExitCode.NOTHING_MEASURED


def diverged(what: str, step: int, epoch: int, rate: float, kept: str) -> DivergedError:
    """Return the error of a training whose numbers are no longer finite.

    Args:
        what: Which numbers.
        step: At which step, from 1.
        epoch: In which epoch, from 1.
        rate: The step's learning rate.
        kept: As :func:`last_good`.
    """
    where = f"step {step} (epoch {epoch}), learning rate {rate:.3g}"
    return DivergedError(f"training diverged: {what} at {where}; {kept}", _CALMER)


def last_good(path: Path, step: int | None) -> str:
    """Say which state is at ``path``: that after ``step`` steps, an unknown number of them (None), or none."""
    if not path.exists():
        return "there is no checkpoint yet"
    return f"the last good checkpoint is {path}{'' if step is None else f', after step {step}'}"


def explained(error: RuntimeError, kept: str, watch: Callable[[], None]) -> RemeasureError | None:
    """Return what a failure of the device or of the other processes means to the user; None for any other error.

    Args:
        error: Raised by torch while it trained.
        kept: As :func:`last_good`.
        watch: Raises what another process has failed by.

    Raises:
        RemeasureError: Another process has failed.
    """
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return DeviceError(f"training ran out of memory: {said}; {kept}", _SMALLER)
    if isinstance(error, DistError) or "gloo/" in str(error):
        watch()
        return InterruptedRunError(f"another process of the training was lost: {said}; {kept}", _AGAIN)
    if _lost(error):
        return DeviceError(f"the device failed in training: {said}; {kept}", _AGAIN)
    return None


def _lost(error: RuntimeError) -> bool:
    """Whether an accelerator failed, by the error's class or, before torch 2.8 gave it one, by its words."""
    kind = getattr(torch, "AcceleratorError", None)
    return (kind is not None and isinstance(error, kind)) or "CUDA error" in str(error)
