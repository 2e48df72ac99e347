"""Files from which an interrupted training goes on: written whole or not at all, read without running code."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from harness.errors import CheckpointError
from harness.files import write_atomically


def save(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values so that a reader finds the old file or the new one, whenever the power fails.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def read(path: Path) -> bytes | None:
    """Return what :func:`save` wrote, as it is; None if there is no such file.

    Raises:
        CheckpointError: The file cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error.strerror or type(error).__name__) from error


def decode(content: bytes, path: Path, device: torch.device) -> dict[str, Any]:
    """Return the state in the content of a file, its tensors on ``device``.

    Raises:
        CheckpointError: It is no checkpoint of tensors and plain values.
    """
    try:
        state = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, LookupError, ValueError) as error:
        raise _unusable(path, str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    if not isinstance(state, dict):
        raise _unusable(path, f"it holds a {type(state).__name__}")
    return state


def _unusable(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(f"{path}: not a training checkpoint ({reason})", "Delete the file to train from the start.")
