"""Any classifier on any classified images: ranks of the true class by every reading of "10-crop", and boxes.

Both are one pass of :func:`harness.evaluation.groups.measure`: integers per image, the same for any number of processes
and wherever a run was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.datasets.images import Progress
from harness.datasets.labelled import ClassifiedImages
from harness.engine.images import layout
from harness.errors import UsageError
from harness.evaluation.boxes import BoxProtocol, Cells, Sweep, sweep_boxes
from harness.evaluation.crops import ClassificationProtocol, Frame, Pixels, frames, placement
from harness.evaluation.groups import Counts, Finished, Groups, Work, measure, network_digest, run_key
from harness.evaluation.predict import inference
from harness.evaluation.preprocess import normalised
from harness.metrics.localisation import EmptySet
from harness.shards import ALONE, Shard

ScoreMaps = Callable[[Tensor], Tensor]
"""From input float32 [B, 3, h, w] to class scores at each location of the last feature map, [B, K, h', w']."""


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What images are put through.

    Attributes:
        model: From input [B, 3, h, w] to class scores [B, K], on the device.
        device: Where it is.
        batch: Images at a time.
        scratch: Where what is done is kept, under a digest of all that can change it; an interrupted pass goes on
            there. None: nowhere.
        shard: This process among those that share the images.
        progress: Told how many images are done, and how many there are.
    """

    model: nn.Module
    device: torch.device
    batch: int
    scratch: Path | None = None
    shard: Shard = ALONE
    progress: Progress | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """An image's label, its height and width, and its frames, uint8 [V, h, w, 3]."""

    label: int
    size: tuple[int, int]
    pixels: Pixels


def classify(bench: Bench, images: ClassifiedImages, protocol: ClassificationProtocol) -> dict[str, NDArray[np.uint16]]:
    """Rank the true class of each image: how many other classes score at least as high, 0 being a top-1 hit.

    Returns:
        ``ranks`` uint16 [N]; of ten crops, by the mean of their probabilities. With ten crops also ``ranks.logits``
        [N], by the mean of their logits, and ``crop_ranks.each`` [N, 10], each crop by itself: what the words of
        Section 5.1 of the DRN paper, "accuracy is averaged over these 10 crops", say to the letter. On processes other
        than the first only what they did is filled in.

    Raises:
        CheckpointError: A score is not finite.
        DataError: An image cannot be read.
        StorageError: The scratch folder cannot be written.
        UsageError: An image's class is none of the network's.
    """

    def count(shown: Sequence[_Shown]) -> Tensor:
        scores = bench.model(_input([image.pixels for image in shown], protocol, bench.device)).float()
        labels = _labels(shown, scores.shape[1], images, bench.device)
        return _readings(scores.reshape(len(shown), -1, scores.shape[1]), labels)

    ten = protocol.frame is Frame.TEN
    counts = _swept(bench, images, range(len(images)), protocol, count, 12 if ten else 1).astype(np.uint16)
    if not ten:
        return {"ranks": counts[:, 0]}
    return {"ranks": counts[:, 0], "ranks.logits": counts[:, 1], "crop_ranks.each": counts[:, 2:]}


def localise(
    bench: Bench,
    score_maps: ScoreMaps,
    images: ClassifiedImages,
    places: Sequence[int],
    protocol: ClassificationProtocol,
    boxes: BoxProtocol,
) -> Sweep:
    """Find the box of the true class in each of N images, at every threshold.

    Args:
        bench: With the classifier.
        score_maps: Of the classifier.
        images: The split, with boxes.
        places: Of the N images.
        protocol: What the network is shown, but for the frame, which is that of ``boxes``.
        boxes: The rule, with T thresholds.

    Returns:
        Boxes at each threshold; none at all on processes other than the first.

    Raises:
        UsageError: The images have no boxes; else as :func:`classify`.
    """
    if len(images.boxes) != len(images):
        raise UsageError(f"{images.split.root}: no true boxes", "Add the official boxes of the split.")
    shown_as = boxes.shown(protocol)

    def count(shown: Sequence[_Shown]) -> Tensor:
        measured = torch.empty(len(shown), _row(boxes), dtype=torch.int64, device=bench.device)
        for rows in _alike([image.pixels.shape for image in shown]):
            group = [shown[row] for row in rows]
            maps = score_maps(_input([image.pixels for image in group], shown_as, bench.device)).float()
            labels = _labels(group, maps.shape[1], images, bench.device)
            sizes = torch.tensor([(*image.size, *maps.shape[2:]) for image in group], device=bench.device)
            measured[rows] = torch.cat([sizes, _cells(maps, labels, boxes).flatten(1)], dim=1).where(
                maps.isfinite().all(dim=(1, 2, 3))[:, None], -1
            )
        return measured

    counts = _swept(bench, images, places, shown_as, count, _row(boxes), msgspec.to_builtins(boxes))
    if not bench.shard.leads:
        empty = (len(places), len(boxes.thresholds))
        return Sweep(np.full((*empty, 4), np.nan), np.zeros(empty))
    found = Cells(counts[:, 4:].reshape(len(places), -1, 4) - 1, counts[:, 2:4])
    where = [placement(height, width, shown_as) for height, width in counts[:, :2].tolist()]
    return sweep_boxes(found, [images.boxes[place] for place in places], where, boxes)


def _swept(
    bench: Bench,
    images: ClassifiedImages,
    places: Sequence[int],
    protocol: ClassificationProtocol,
    count: Callable[[Sequence[_Shown]], Tensor],
    integers: int,
    *settings: object,
) -> Counts:
    """Count what ``count`` gives of each place, int64 [N, integers]; ``settings`` decide it beside the protocol."""

    def load(item: int) -> _Shown:
        image = images.image(places[item])
        return _Shown(int(images.labels[places[item]]), (image.shape[0], image.shape[1]), frames(image, protocol))

    def counted(shown: Sequence[_Shown]) -> Tensor:
        with inference(bench.model, bench.device, protocol.precision):
            return count(shown)

    names = [images.names[place] for place in places]
    work, finished = Work((integers,), load, counted, names.__getitem__), None
    if bench.scratch is not None:
        on_gpu = bench.device.type == "cuda"
        key = run_key(
            msgspec.to_builtins(protocol),
            network_digest(bench.model),
            [images.split.key, images.split.digest, *names],
            [torch.cuda.get_device_name(bench.device) if on_gpu else bench.device.type, bench.batch],
            *settings,
        )
        finished = Finished(bench.scratch / key, work.shape)
    groups = Groups(len(places), bench.batch)
    return measure(work, groups, bench.device, finished=finished, shard=bench.shard, progress=bench.progress)


def _input(frames_of: Sequence[Pixels], protocol: ClassificationProtocol, device: torch.device) -> Tensor:
    """Turn uint8 [V, h, w, 3] of each image into network input float32 [B * V, 3, h, w]."""
    pixels = torch.from_numpy(np.concatenate(frames_of))
    count, height = pixels.shape[:2]
    if device.type == "cuda":
        pixels = pixels.pin_memory().to(device, non_blocking=True)
    planes = normalised(pixels.flatten(0, 1), protocol.colours).reshape(3, count, height, -1)
    return planes.transpose(0, 1).contiguous(memory_format=layout(device))


def _labels(shown: Sequence[_Shown], classes: int, images: ClassifiedImages, device: torch.device) -> Tensor:
    labels = [image.label for image in shown]
    if max(labels) >= classes:
        raise UsageError(
            f"{images.split.key} has the class {max(labels)}, and the network tells {classes} apart",
            "Evaluate a network trained on the classes of these images.",
        )
    return torch.tensor(labels, device=device)


def _readings(scores: Tensor, labels: Tensor) -> Tensor:
    """Rank the true class in logits [B, V, K] by each reading, [B, 1] or [B, 2 + V]; -1 where one is not finite."""
    each = _ranks(scores, labels[:, None].expand(scores.shape[:2]))
    if scores.shape[1] == 1:
        ranks = each
    else:
        probabilities = _ranks(scores.softmax(dim=2).double().mean(dim=1), labels)
        logits = _ranks(scores.double().mean(dim=1), labels)
        ranks = torch.cat([probabilities[:, None], logits[:, None], each], dim=1)
    return ranks.where(scores.isfinite().all(dim=(1, 2))[:, None], -1)


def _ranks(scores: Tensor, labels: Tensor) -> Tensor:
    """Count the other classes of [..., K] that score at least as high as the true one, [...]."""
    return (scores >= scores.gather(-1, labels[..., None])).sum(dim=-1) - 1


def _row(boxes: BoxProtocol) -> int:
    """Integers per image: height and width of the image and of the map, and four for each threshold."""
    return 4 + 4 * len(boxes.thresholds)


def _cells(maps: Tensor, labels: Tensor, boxes: BoxProtocol) -> Tensor:
    """First and last column and row of the set S_c of the true class, from 1, at each threshold; 0 where it is empty.

    Args:
        maps: Class scores [B, K, h, w].
        labels: int64 [B].

    Returns:
        int64 [B, T, 4].
    """
    probabilities = maps.softmax(dim=1)
    response = probabilities[torch.arange(len(maps), device=maps.device), labels]
    above = response[:, None] > torch.tensor(boxes.thresholds, device=maps.device)[:, None, None]
    selected = above & (response >= probabilities.amax(dim=1))[:, None]
    if boxes.rule.empty_set is EmptySet.IGNORE_DOMINANCE:
        selected = selected.where(selected.any(dim=(2, 3), keepdim=True), above)
    ends = []
    for axis in (2, 3):
        occupied = selected.any(dim=axis).long()
        numbers = torch.arange(1, occupied.shape[2] + 1, device=maps.device)
        last = (occupied * numbers).amax(dim=2)
        beyond = len(numbers) + 1
        ends.append((torch.where(occupied > 0, numbers, beyond).amin(dim=2) % beyond, last))
    (left, right), (top, bottom) = ends
    return torch.stack([left, top, right, bottom], dim=2)


def _alike(shapes: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """Group places by what is there, in order of first appearance."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, shape in enumerate(shapes):
        groups.setdefault(shape, []).append(place)
    return list(groups.values())
