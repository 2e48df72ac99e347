"""One pass over a set in groups of images: decoded ahead, shared among processes, and kept so that it can go on.

Groups are the same whatever the number of processes and wherever a run was interrupted, so a network always sees the
same images together: its sums are rounded alike, and the integers are the same.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.datasets.digest import arrays_digest
from harness.datasets.images import Progress
from harness.errors import CheckpointError
from harness.evaluation.feed import ahead
from harness.evaluation.shards import summed_at_first, told_by_first
from harness.files import sweep, write_atomically
from harness.ledger.canonical import digest
from harness.shards import ALONE, Shard

L = TypeVar("L")
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Groups:
    """``items`` items in groups of ``batch``; the last may be smaller."""

    items: int
    batch: int

    def __len__(self) -> int:
        return -(-self.items // self.batch)

    def span(self, group: int) -> range:
        """Return the items of a group."""
        return range(group * self.batch, min((group + 1) * self.batch, self.items))


@dataclass(frozen=True, slots=True)
class Finished:
    """Files of the groups that are done, one each, whole or not there.

    Attributes:
        folder: Of this run and no other: its name is a digest of everything that can change the integers.
        shape: Of one item's integers.
    """

    folder: Path
    shape: tuple[int, ...]

    def write(self, group: int, counts: Counts) -> None:
        """Keep a group's int64 [B, *shape].

        Raises:
            StorageError: The disk is full or the folder cannot be written.
        """
        buffer = io.BytesIO()
        np.save(buffer, counts, allow_pickle=False)
        write_atomically(self._path(group), buffer.getvalue())

    def read(self, group: int, items: int) -> Counts | None:
        """Return what was kept of a group; None if nothing usable was."""
        try:
            with self._path(group).open("rb") as file:
                counts: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return counts if counts.shape == (items, *self.shape) and counts.dtype == np.int64 else None

    def load(self, groups: Groups) -> tuple[Counts, NDArray[np.bool_]]:
        """Return the integers of all items, int64 [N, *shape], 0 where not done, and which groups are, bool [G]."""
        sweep(self.folder)
        counts = np.zeros((groups.items, *self.shape), dtype=np.int64)
        done = np.zeros(len(groups), dtype=bool)
        for group in range(len(groups)):
            span = groups.span(group)
            found = self.read(group, len(span))
            if found is not None:
                counts[_slice(span)], done[group] = found, True
        return counts, done

    def _path(self, group: int) -> Path:
        return self.folder / f"{group:06d}.npy"


@dataclass(frozen=True, slots=True, eq=False)
class Work(Generic[L]):
    """What is done to each item.

    Attributes:
        shape: Of its integers.
        load: From its number to what the device needs; called in threads.
        count: From the loaded items of a group to int64 [B, *shape] on the device, -1 throughout an item whose
            scores are not finite; it need not wait for the device.
        name: Of an item, for messages.
    """

    shape: tuple[int, ...]
    load: Callable[[int], L]
    count: Callable[[Sequence[L]], Tensor]
    name: Callable[[int], str]


def measure(
    work: Work[L],
    groups: Groups,
    device: torch.device,
    *,
    finished: Finished | None = None,
    repeat: Callable[[int], bool] | None = None,
    shard: Shard = ALONE,
    progress: Progress | None = None,
) -> Counts:
    """Measure all items that are not done yet.

    While the device works at a group, the next are decoded, and the one before is brought off the device and kept.

    Args:
        work: What is done.
        groups: Of the items.
        device: Where.
        finished: Where groups are kept; None: nowhere.
        repeat: Whether a group is done again although it was kept; None: no group is.
        shard: This process among those that share the work.
        progress: Told the items that are done, of all processes at the beginning and then of this one, and all items.

    Returns:
        int64 [N, *shape] in order; on processes other than the first only their own and those done before.

    Raises:
        CheckpointError: Scores are not finite.
        DataError: An image or its truth cannot be used.
        StorageError: A group cannot be kept.
    """
    counts = np.zeros((groups.items, *work.shape), dtype=np.int64)
    done = np.zeros(len(groups), dtype=bool)
    if finished is not None:
        counts, done = finished.load(groups)
        if repeat is not None:
            done &= ~np.array([repeat(group) for group in range(len(groups))], dtype=bool)
    done = told_by_first(done, shard)
    for group, known in enumerate(done.tolist()):
        if not (known and shard.leads):
            counts[_slice(groups.span(group))] = 0
    mine: list[int] = list(shard.share(np.flatnonzero(~done).tolist()))
    ready = sum(len(groups.span(group)) for group, known in enumerate(done.tolist()) if known)
    for group, measured in _measured(work, groups, mine, device):
        span = groups.span(group)
        _check(measured, span, work)
        counts[_slice(span)] = measured
        if finished is not None:
            finished.write(group, measured)
        ready += len(span)
        if progress is not None:
            progress(ready, groups.items)
    return summed_at_first(counts, shard)


def run_key(*settings: Any) -> str:
    """Digest plain JSON data that decides a run's integers, with torch's version and this package's code."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    code = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()
    return digest([*settings, torch.__version__, code])


def network_digest(model: nn.Module) -> str:
    """Digest a network's structure and every parameter and buffer."""
    state = model.state_dict()
    arrays = (value.detach().cpu().view(torch.uint8).numpy() for value in map(_flat, state.values()))
    return arrays_digest([str(model), *state], arrays)


def _slice(span: range) -> slice:
    return slice(span.start, span.stop)


def _flat(value: Tensor) -> Tensor:
    return value.contiguous().flatten()


def _measured(work: Work[L], groups: Groups, mine: Sequence[int], device: torch.device) -> Iterator[tuple[int, Counts]]:
    """Yield each group's integers one group late, when the device is busy with the next."""
    loaded = ahead((item for group in mine for item in groups.span(group)), work.load, depth=2 * groups.batch)
    before: tuple[int, _Landing] | None = None
    for group in mine:
        landing = _Landing(work.count([next(loaded) for _ in groups.span(group)]), device)
        if before is not None:
            yield before[0], before[1].counts()
        before = group, landing
    if before is not None:
        yield before[0], before[1].counts()


class _Landing:
    """Integers on their way from the device."""

    def __init__(self, counts: Tensor, device: torch.device) -> None:
        self._event = torch.Event(device) if device.type == "cuda" else None
        self._host = torch.empty(counts.shape, dtype=torch.int64, pin_memory=True) if self._event else counts
        if self._event is not None:
            self._host.copy_(counts, non_blocking=True)
            self._event.record()

    def counts(self) -> Counts:
        """Wait for them, and for nothing that the device was told to do later."""
        if self._event is not None:
            self._event.synchronize()
        arrived: Counts = self._host.cpu().numpy()
        return arrived


def _check(measured: Counts, span: range, work: Work[Any]) -> None:
    bad = np.flatnonzero((measured < 0).reshape(len(measured), -1).any(axis=1))
    if bad.size:
        raise CheckpointError(
            f"{work.name(span[int(bad[0])])}: the network's scores are not finite",
            "Half precision overflows where single does not; in single precision the weights or the protocol's"
            " colours are another network's.",
        )
