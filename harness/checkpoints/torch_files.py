"""PyTorch's own files, read without running what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import CheckpointError
from harness.weights import _digest, _metadata, _read, _state_dict


@dataclass(frozen=True, slots=True)
class TorchFile:
    """What a ``torch.save`` file holds.

    Attributes:
        sha256: Of its bytes, hexadecimal.
        entries: By key, without the ``module.`` of DataParallel.
        metadata: Numbers and strings that a resumable file has beside them.
    """

    sha256: str
    entries: Mapping[str, NDArray[np.generic]]
    metadata: Mapping[str, int | float | str]


def read_torch(path: Path) -> TorchFile:
    """Read what :func:`harness.weights.load_checkpoint` accepts, without a model to compare it with.

    Raises:
        CheckpointError: As there, and for entries of a kind that NumPy has not (bfloat16, sparse).
    """
    digest = _digest(path)
    payload = _read(path)
    entries: dict[str, NDArray[np.generic]] = {}
    for key, tensor in _state_dict(path, payload).items():
        try:
            entries[key] = tensor.detach().numpy()
        except (TypeError, RuntimeError) as error:
            raise CheckpointError(
                f"{path}: {key} is {tensor.dtype} and {tensor.layout}", "Save it as dense float32 and give that file."
            ) from error
    return TorchFile(digest, entries, _metadata(payload))
