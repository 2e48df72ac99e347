"""Evaluation of a segmentation network on labelled images: integer counts of each image, and what they stand on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.datasets.images import Progress
from harness.datasets.labelled import LabelledImages
from harness.engine.crf import refine_all
from harness.engine.images import layout
from harness.errors import DataError, UsageError
from harness.evaluation.counting import confusion_counts
from harness.evaluation.decide import View, decide, probabilities
from harness.evaluation.groups import Counts, Finished, Groups, Work, measure, network_digest, run_key
from harness.evaluation.predict import Picture, inference, picture, views_of
from harness.evaluation.protocol import SegmentationProtocol, Size
from harness.shards import ALONE, Shard

VOID = 255


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A decoded image on its way to the device: its number, what the network sees, its truth, and itself if wanted."""

    number: int
    picture: Picture
    truth: Tensor
    image: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What an evaluation that stopped has measured.

    Attributes:
        counts: int64 [M, n, n + 1] of the images that are done, in order.
        images: int64 [M], their numbers.
        complete: Whether those are all; a record of fewer is marked incomplete and gets no verdict.
    """

    counts: Counts
    images: NDArray[np.int64]
    complete: bool


class SaveViews(Protocol):
    """Writes the views of one image, whole or not at all; truth is uint8 [H, W], image uint8 [H, W, 3] or None."""

    def __call__(
        self,
        path: Path,
        views: Sequence[View],
        size: Size,
        *,
        truth: NDArray[np.uint8] | None,
        image: NDArray[np.uint8] | None,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Keep:
    """Where the network's raw outputs go, a file for each image.

    Attributes:
        folder: Of the files.
        save: Writes one.
        photographs: Whether the image itself is kept beside them, so that a CRF can be tried.
    """

    folder: Path
    save: SaveViews
    photographs: bool = False

    def path(self, number: int) -> Path:
        """Return the file of the image with a number."""
        return self.folder / f"{number:06d}.npz"

    def keep(self, sample: Sample, views: Sequence[View]) -> None:
        """Write an image's views with its truth."""
        image = sample.image if self.photographs else None
        self.save(self.path(sample.number), views, sample.picture.size, truth=sample.truth.numpy(), image=image)


def evaluate(
    model: nn.Module,
    images: LabelledImages,
    protocol: SegmentationProtocol,
    device: torch.device,
    *,
    batch: int = 4,
    scratch: Path | None = None,
    shard: Shard = ALONE,
    progress: Progress | None = None,
    keep_views: Keep | None = None,
    crf_pool: Executor | None = None,
) -> Counts:
    """Predict every image at its full size and count its pixels by true and predicted class.

    Interrupted at any point, even by SIGKILL, the same call goes on where ``scratch`` ends, with any number of
    processes: integers are kept in groups of ``batch`` images under a digest of the protocol, the network, the data,
    the device and the code.

    Args:
        model: From normalised float32 [B, 3, h, w] to scores [B, K, h', w'], one for each class; moved to ``device``.
        images: With their truth.
        protocol: Everything between an image and its labels.
        device: Where the network runs and pixels are counted.
        batch: Images in flight, and the most inputs of one size that the network sees at a time.
        scratch: Folder for what is done; None: an interrupted evaluation begins again.
        shard: This process among those that share the images, connected by :func:`harness.evaluation.shards.joined`.
        progress: Told how many images are done, and how many there are.
        keep_views: Where the network's raw outputs go; None: they are not kept.
        crf_pool: Where the protocol's CRF refines a group's images side by side; None: one after another.

    Returns:
        int64 [N, n, n + 1] in order: rows are truth, columns prediction, the last one "outside the classes". On
        processes other than the first only the rows of their own images are filled.

    Raises:
        CheckpointError: Scores are not finite.
        DataError: An image or its truth is unreadable, of different sizes, or has a label out of range.
        StorageError: ``scratch`` or the folder for views cannot be written.
        UsageError: The network's maps are not what the protocol says, or of another number of classes.
    """
    run = _Run(_placed(model, device), images, protocol, device, batch, keep_views, crf_pool)
    return measure(
        run.work,
        run.groups,
        device,
        finished=None if scratch is None else run.finished(scratch),
        repeat=run.lacks_views,
        shard=shard,
        progress=progress,
    )


def evaluated(
    model: nn.Module,
    images: LabelledImages,
    protocol: SegmentationProtocol,
    device: torch.device,
    *,
    scratch: Path,
    batch: int = 4,
) -> Part:
    """Return what :func:`evaluate` with the same arguments has done so far, without measuring anything."""
    run = _Run(_placed(model, device), images, protocol, device, batch)
    counts, done = run.finished(scratch).load(run.groups)
    numbers = [number for group in np.flatnonzero(done) for number in run.groups.span(int(group))]
    return Part(counts[numbers], np.array(numbers, dtype=np.int64), bool(done.all()))


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One network on one set."""

    model: nn.Module
    images: LabelledImages
    protocol: SegmentationProtocol
    device: torch.device
    batch: int
    keep: Keep | None = None
    pool: Executor | None = None

    @property
    def classes(self) -> int:
        return len(self.images.class_names)

    @property
    def groups(self) -> Groups:
        return Groups(len(self.images), self.batch)

    @property
    def work(self) -> Work[Sample]:
        names = [item.name for item in self.images.items]
        return Work((self.classes, self.classes + 1), self.load, self.count, names.__getitem__)

    def finished(self, scratch: Path) -> Finished:
        on_gpu = self.device.type == "cuda"
        key = run_key(
            msgspec.to_builtins(self.protocol),
            network_digest(self.model),
            [self.images.split.key, self.images.split.digest, *(item.name for item in self.images.items)],
            list(self.images.class_names),
            [torch.cuda.get_device_name(self.device) if on_gpu else self.device.type, self.batch],
        )
        return Finished(scratch / key, self.work.shape)

    def lacks_views(self, group: int) -> bool:
        return self.keep is not None and not all(self.keep.path(each).exists() for each in self.groups.span(group))

    def load(self, number: int) -> Sample:
        image, truth = self.images.image(number), self.images.truth(number)
        item = self.images.items[number]
        if truth.shape != image.shape[:2]:
            raise DataError(
                f"{item.truth}: labels of {truth.shape[0]}x{truth.shape[1]} for an image of"
                f" {image.shape[0]}x{image.shape[1]} pixels ({item.image})",
                "Copy both files again from the dataset.",
            )
        stray = truth[(truth >= self.classes) & (truth != VOID)]
        if stray.size:
            raise DataError(f"{item.truth}: label {stray[0]} is neither one of the {self.classes} classes nor void")
        labels = torch.from_numpy(np.require(truth, requirements=["C", "W"]))
        kept = image if self.protocol.crf is not None or (self.keep is not None and self.keep.photographs) else None
        return Sample(number, picture(image, self.protocol, self.device), labels, kept)

    def count(self, samples: Sequence[Sample]) -> Tensor:
        """Counts of a group's images, int64 [B, n, n + 1] on the device, -1 where scores are not finite."""
        with inference(self.model, self.device, self.protocol.precision):
            views = views_of(self.model, [each.picture for each in samples], self.protocol, self.device, self.batch)
        self._check_classes(views)
        if self.keep is not None:
            for sample, kept in zip(samples, views, strict=True):
                self.keep.keep(sample, kept)
        rows = []
        for sample, labels, seen in zip(samples, self._labels(samples, views), views, strict=True):
            finite = torch.stack([view.scores.isfinite().all() for view in seen]).all()
            truth = sample.truth.to(self.device, non_blocking=True)
            rows.append(confusion_counts(truth[None], labels[None], self.classes).masked_fill(~finite, -1))
        return torch.cat(rows)

    def _labels(self, samples: Sequence[Sample], views: Sequence[Sequence[View]]) -> Iterator[Tensor]:
        """The label maps of a group, uint8 [H, W] each, on the device."""
        if self.protocol.crf is None:
            for sample, each in zip(samples, views, strict=True):
                yield decide(each, sample.picture.size, self.protocol)
            return
        unrefined = [
            probabilities(each, sample.picture.size, self.protocol).cpu().numpy()
            for sample, each in zip(samples, views, strict=True)
        ]
        images = [each.image for each in samples if each.image is not None]
        for refined in refine_all(unrefined, images, self.protocol.crf, pool=self.pool):
            yield torch.from_numpy(refined.argmax(axis=0).astype(np.uint8)).to(self.device)

    def _check_classes(self, views: Sequence[Sequence[View]]) -> None:
        found = {len(view.scores) for each in views for view in each}
        if found != {self.classes}:
            raise UsageError(
                f"the network scores {', '.join(map(str, sorted(found)))} classes, {self.images.split.key} has"
                f" {self.classes}",
                "Give the network that was trained on this dataset.",
            )


def _placed(model: nn.Module, device: torch.device) -> nn.Module:
    return model.to(device).to(memory_format=layout(device))
