"""Checkpoint files in, parameters out: read without running their code, loaded strictly, identified by digest."""

from __future__ import annotations

import hashlib
import pickle
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from harness.errors import CheckpointError

_ZIP = b"PK\x03\x04"
_LEGACY = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)[2:]
"""The magic number that opens files of torch.save before 1.6, less the two bytes of the pickle protocol."""

_UNREADABLE = (
    pickle.UnpicklingError,
    RuntimeError,
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    OverflowError,
    MemoryError,
    struct.error,
)
"""What torch's safe unpickler raises on bytes that it cannot follow."""

_SHOWN_KEYS = 6
_BATCH_COUNT = "num_batches_tracked"


@dataclass(frozen=True)
class LoadedCheckpoint:
    """Which file a model's parameters came from.

    Attributes:
        path: The file.
        sha256: Digest of its bytes, hexadecimal.
        tensors: Entries taken from it.
        metadata: What a resumable file tells beside its tensors (epoch, arch, best_prec1), numbers and strings only.
    """

    path: Path
    sha256: str
    tensors: int
    metadata: Mapping[str, int | float | str]


def load_checkpoint(path: Path, model: nn.Module) -> LoadedCheckpoint:
    """Copy the tensors of a ``torch.save`` file into ``model``, all of them and no others.

    Accepts a state dict or a training checkpoint that holds one under ``state_dict``, keys with or without the
    ``module.`` of DataParallel, the legacy format as well as the zip format, and files older than batch
    normalisation's ``num_batches_tracked`` (the model keeps its own). The model is unchanged on any error.

    Raises:
        CheckpointError: The file is missing, unreadable, corrupt, of another format, holds code, holds values that
            are not finite, does not have the digest in its name (``name-<first digits of sha256>.pth``), or belongs
            to another model, in which case the keys that differ are listed.
    """
    digest = _digest(path)
    payload = _read(path)
    state = _state_dict(path, payload)
    _check_keys(path, state, model)
    infinite = [key for key, value in state.items() if not bool(torch.isfinite(value).all())]
    if infinite:
        raise CheckpointError(
            f"{path}: values that are not finite in {_shortened(infinite)}",
            "The training that wrote it diverged; use an earlier checkpoint.",
        )
    model.load_state_dict({**model.state_dict(), **state})
    return LoadedCheckpoint(path, digest, len(state), _metadata(payload))


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(
            f"{path}: {reason[:1].lower()}{reason[1:]}", "Give the path of a .pth file that you may read."
        ) from error
    named = re.search(r"-([0-9a-f]{8,64})\.", path.name)
    if named and not digest.startswith(named[1]):
        raise CheckpointError(
            f"{path}: its sha256 begins with {digest[: len(named[1])]}, not with the {named[1]} in its name",
            "Download it again; rename it if you changed it on purpose.",
        )
    return digest


def _read(path: Path) -> object:
    with path.open("rb") as file:
        head = file.read(len(_LEGACY) + 2)
    if not head.startswith(_ZIP) and head[2:] != _LEGACY:
        kind = "a plain Python pickle, which can hold code" if head[:1] == b"\x80" else "not a PyTorch checkpoint"
        raise CheckpointError(f"{path}: {kind}", "Give a file written by torch.save; nothing was executed.")
    try:
        with torch.serialization.safe_globals(_numpy_scalar_globals()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        if code:
            raise CheckpointError(
                f"{path}: holds Python code or objects ({code[1]}), not only tensors; nothing was executed",
                "Do not load it elsewhere either unless you trust its author; ask for the bare state dict.",
            ) from error
        raise CheckpointError(
            f"{path}: corrupt or cut short ({type(error).__name__})", "Download or copy the file again."
        ) from error


def _numpy_scalar_globals() -> list[Callable[..., object] | tuple[Callable[..., object], str]]:
    """Return what a float saved as a numpy scalar (such as ``best_prec1``) is made of, under numpy 1 and 2."""
    scalar = cast(tuple[Callable[..., object], object], np.float64(0).__reduce__())[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    kinds = [type(np.dtype(kind)) for kind in (np.float64, np.float32)]
    return [np.dtype, *kinds, *((scalar, name) for name in names)]


def _state_dict(path: Path, payload: object) -> dict[str, Tensor]:
    entries = payload.get("state_dict", payload) if isinstance(payload, Mapping) else payload
    if not isinstance(entries, Mapping) or not entries:
        raise CheckpointError(
            f"{path}: holds {_described(entries)}, not a state dict", "Save model.state_dict() and give that file."
        )
    strays = [str(key) for key, value in entries.items() if not isinstance(value, Tensor)]
    if strays:
        raise CheckpointError(
            f"{path}: entries that are not tensors: {_shortened(strays)}",
            "Give a state dict, or a file that holds one under 'state_dict'.",
        )
    wrapped = all(str(key).startswith("module.") for key in entries)
    return {str(key).removeprefix("module.") if wrapped else str(key): value for key, value in entries.items()}


def _check_keys(path: Path, state: Mapping[str, Tensor], model: nn.Module) -> None:
    own = model.state_dict()
    missing = [key for key in own if key not in state and not key.endswith(_BATCH_COUNT)]
    unexpected = [key for key in state if key not in own]
    misshaped = [
        f"{key} {tuple(value.shape)} where the model has {tuple(own[key].shape)}"
        for key, value in state.items()
        if key in own and value.shape != own[key].shape
    ]
    problems = [
        f"{label} {len(keys)}: {_shortened(keys)}"
        for label, keys in (("missing", missing), ("unexpected", unexpected), ("mis-shaped", misshaped))
        if keys
    ]
    if problems:
        raise CheckpointError(
            f"{path}: belongs to another model\n  " + "\n  ".join(problems),
            "Name the model, the head and the number of classes that the file was trained with.",
        )


def _metadata(payload: object) -> dict[str, int | float | str]:
    if not isinstance(payload, Mapping) or "state_dict" not in payload:
        return {}
    scalars = {str(key): value.item() if isinstance(value, np.generic) else value for key, value in payload.items()}
    return {key: value for key, value in scalars.items() if isinstance(value, int | float | str)}


def _shortened(keys: Sequence[str]) -> str:
    hidden = len(keys) - _SHOWN_KEYS
    return ", ".join(keys[:_SHOWN_KEYS]) + (f" and {hidden} more" if hidden > 0 else "")


def _described(value: object) -> str:
    return f"an empty {type(value).__name__}" if isinstance(value, Mapping) else f"a {type(value).__name__}"
