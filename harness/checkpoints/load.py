"""A released file into one of our networks: every parameter set exactly once, every entry accounted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.checkpoints.binary import open_source, sha256
from harness.checkpoints.caffe import read_caffemodel, without_leading_ones
from harness.checkpoints.find import require_genuine
from harness.checkpoints.mxnet import read_params
from harness.checkpoints.names import NameMap, Translation, translate
from harness.checkpoints.released import Format, ReleasedFile
from harness.checkpoints.torch_files import read_torch
from harness.errors import CheckpointError
from harness.networks.upsampling import bilinear_kernel

BATCH_COUNT = "num_batches_tracked"
"""Counter of batch normalisation that files older than it, and other frameworks, have not."""
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A checkpoint file as it is, before any of its names is understood.

    Attributes:
        path: The file.
        sha256: Of its bytes, hexadecimal.
        entries: Arrays by the names that the file has for them.
        metadata: What a resumable file tells beside them.
    """

    path: Path
    sha256: str
    entries: Mapping[str, NDArray[np.generic]]
    metadata: Mapping[str, int | float | str]


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """Which file a network's parameters came from.

    Attributes:
        path: The file.
        sha256: Of its bytes, hexadecimal.
        entries: How many of its entries were taken.
        ignored: Why others were not, by their names.
        notes: What bounds the meaning of a score: contamination, selection, origin, missing digest.
        metadata: What a resumable file tells beside its tensors.
    """

    path: Path
    sha256: str
    entries: int
    ignored: Mapping[str, str]
    notes: tuple[str, ...]
    metadata: Mapping[str, int | float | str]


def read_weights(path: Path, kind: Format) -> WeightsFile:
    """Read a checkpoint file.

    Raises:
        CheckpointError: It is missing, corrupt, cut short or of another format.
    """
    if kind == "torch":
        loaded = read_torch(path)
        return WeightsFile(path, loaded.sha256, loaded.entries, loaded.metadata)
    source = open_source(path)
    entries = read_caffemodel(source) if kind == "caffe" else read_params(source)
    return WeightsFile(path, sha256(path), entries, {})


def load_released(model: nn.Module, path: Path, released: ReleasedFile) -> LoadedWeights:
    """Copy a released file into the network that it was trained as; see the paper's ``build_released``.

    The network is unchanged on any error.

    Raises:
        CheckpointError: As :func:`read_weights`; the file is not the released one by its digest; or its entries are
            not the network's parameters, in which case all that differ are listed.
    """
    weights = read_weights(path, released.format)
    require_genuine(path, released, weights.sha256)
    translation = load_weights(model, weights, released.name_map, released.format)
    return LoadedWeights(
        path=path,
        sha256=weights.sha256,
        entries=len(translation.sources),
        ignored=translation.ignored,
        notes=released.caveats(),
        metadata=weights.metadata,
    )


def load_weights(model: nn.Module, weights: WeightsFile, name_map: NameMap, kind: Format) -> Translation:
    """Copy the entries of a file into ``model`` by a map, all of them but those it says to ignore.

    Arrays are converted to the type of the parameter; integers only set integers. Counters of batches that the file
    has not keep their value.

    Raises:
        CheckpointError: A parameter is not set, set twice or of another shape; an entry is unknown, not finite, or
            not what its rule says it equals. The model is then unchanged.
    """
    translation = translate(weights.entries, name_map)
    own = model.state_dict()
    taken = {key: weights.entries[name] for key, name in translation.sources.items()}
    shaped = {key: _fitted(array, own[key], kind) for key, array in taken.items() if key in own}
    _refuse(weights.path, _problems(own, taken, shaped, translation))
    _refuse(weights.path, _broken_promises(weights.entries, translation))
    state = {key: torch.from_numpy(array) for key, array in shaped.items() if array is not None}
    model.load_state_dict({**own, **state})
    return translation


def _fitted(array: NDArray[np.generic], parameter: Tensor, kind: Format) -> NDArray[np.generic] | None:
    """Return the array in the parameter's shape, or None if it is of another one or another kind of number."""
    if array.dtype.kind not in ("f" if parameter.is_floating_point() else "iu"):
        return None
    shape, wanted = tuple(parameter.shape), np.float64 if parameter.dtype == torch.float64 else np.float32
    if array.shape != shape and not (kind == "caffe" and without_leading_ones(array.shape, shape)):
        return None
    with np.errstate(over="ignore"):
        return array.reshape(shape).astype(wanted if parameter.is_floating_point() else np.int64)


def _problems(
    own: Mapping[str, Tensor],
    taken: Mapping[str, NDArray[np.generic]],
    shaped: Mapping[str, NDArray[np.generic] | None],
    translation: Translation,
) -> list[str]:
    misshaped = [
        f"{translation.sources[key]} {array.dtype} {array.shape} where {key} has {tuple(own[key].shape)}"
        for key, array in taken.items()
        if key in own and shaped[key] is None
    ]
    lists: dict[str, Sequence[str]] = {
        "missing": [key for key in own if key not in taken and not key.endswith(BATCH_COUNT)],
        "unexpected": [*translation.unknown, *(translation.sources[key] for key in taken if key not in own)],
        "of a parameter that is set already": translation.doubled,
        "mis-shaped": misshaped,
        "not finite": [
            translation.sources[key]
            for key, array in shaped.items()
            if array is not None and not bool(np.isfinite(array).all())
        ],
    }
    return [f"{label} {len(names)}: {_shortened(names)}" for label, names in lists.items() if names]


def _broken_promises(entries: Mapping[str, NDArray[np.generic]], translation: Translation) -> list[str]:
    unequal = [
        f"{name} is not equal to {other}"
        for name, other in translation.same_as.items()
        if other not in entries or not np.array_equal(entries[name], entries[other])
    ]
    return unequal + [
        f"{name} is not the kernel of bilinear upsampling: it was trained or changed"
        for name in translation.checks
        if not _is_bilinear(entries[name])
    ]


def _is_bilinear(array: NDArray[np.generic]) -> bool:
    rows, columns = array.shape[-2:] if array.ndim == 4 else (0, 1)
    if rows != columns or rows % 4:
        return False
    kernel = bilinear_kernel(rows // 2).numpy()
    return bool(np.allclose(array, np.broadcast_to(kernel, array.shape), rtol=0, atol=1e-6))


def _refuse(path: Path, problems: Sequence[str]) -> None:
    if problems:
        raise CheckpointError(
            f"{path}: belongs to another network\n  " + "\n  ".join(problems[: _SHOWN + 4]),
            "Check which released file it is, and the network and number of classes it was trained with.",
        )


def _shortened(names: Sequence[str]) -> str:
    hidden = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {hidden} more" if hidden > 0 else "")
