"""Images that are read from their files while the device works on those before them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.datasets.labelled import ClassifiedImages, LabelledImages
from harness.engine.examples import Batch, Span
from harness.engine.images import Normalisation
from harness.engine.variation import Variation
from harness.errors import DataError, UsageError
from harness.evaluation.feed import ahead

AHEAD = 2
"""Batches whose images are being decoded, or are decoded and wait for their turn."""

Bytes = NDArray[np.uint8]
R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class Streamed:
    """Images and what they show, too many for the device's memory; varied in training as those in memory are.

    Attributes:
        images: With a class for each image, or label maps.
        normalisation: Applied to each batch; batches are on its device.
        threads: That decode; None: one for each processor, up to 16.
    """

    images: ClassifiedImages | LabelledImages
    normalisation: Normalisation
    threads: int | None = None

    @property
    def device(self) -> torch.device:
        return self.normalisation.mean.device

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, variation: Variation, spans: Sequence[Span]) -> Iterator[Batch]:
        """Yield the batch of each span while threads decode the next ones.

        Raises:
            DataError: A file of the batch that is due cannot be decoded, or an image and its labels differ in size.
            UsageError: Images of a batch differ in size, and the recipe does not cut pieces of one size from them.
        """
        order = variation.order.tolist()
        groups = [order[start:end] for start, end in spans]
        decoded = _in_groups(groups, self._decode, self.threads)
        for (start, end), group, pairs in zip(spans, groups, decoded, strict=True):
            images = [image for image, _ in pairs]
            if variation.augmentation.crop is None:
                self._check_sizes(group, images)
            pixels = self._on_device(images)
            extents = torch.tensor([image.shape[:2] for image in images]).to(self.device, non_blocking=True)
            sampling = variation.sampling(start, end, (pixels.shape[1], pixels.shape[2]), extents)
            which = torch.arange(len(images), device=self.device)
            inputs = sampling.clear_outside(self.normalisation(sampling.pixels(pixels, which)))
            if isinstance(self.images, ClassifiedImages):
                yield inputs, torch.from_numpy(self.images.labels[group]).to(self.device, non_blocking=True)
            else:
                yield inputs, sampling.labels(self._on_device([labels for _, labels in pairs]), which)

    def chunks(self, batch: int) -> Iterator[Tensor]:
        """Yield every image in order and as it is; errors as :meth:`batches`."""
        groups = [range(start, min(start + batch, len(self))) for start in range(0, len(self), batch)]
        for group, images in zip(groups, _in_groups(groups, self.images.image, self.threads), strict=True):
            self._check_sizes(group, images)
            yield self.normalisation(self._on_device(images))

    def _decode(self, index: int) -> tuple[Bytes, Bytes]:
        """Return an image and its label map, which is empty where the image has one class."""
        image = self.images.image(index)
        if isinstance(self.images, ClassifiedImages):
            return image, np.empty(0, np.uint8)
        labels = self.images.truth(index)
        if labels.shape != image.shape[:2]:
            item = self.images.items[index]
            raise DataError(
                f"{item.truth}: {_size(labels)} pixels, its image {item.image.name} has {_size(image)}",
                "An image and its labels must have one size.",
            )
        return image, labels

    def _check_sizes(self, group: Sequence[int], images: Sequence[Bytes]) -> None:
        for index, image in zip(group, images, strict=True):
            if image.shape != images[0].shape:
                raise UsageError(
                    f"{self._path(index)}: {_size(image)} pixels in a batch with {self._path(group[0])}, which has "
                    f"{_size(images[0])}",
                    "Images of different sizes make a batch only where a crop cuts pieces of one size from them.",
                )

    def _path(self, index: int) -> Path:
        images = self.images
        return images.paths[index] if isinstance(images, ClassifiedImages) else images.items[index].image

    def _on_device(self, arrays: Sequence[Bytes]) -> Tensor:
        """Return arrays [h, w, ...] in one uint8 [B, H, W, ...], each at the top left; the rest is never looked at."""
        rows, columns = (max(array.shape[axis] for array in arrays) for axis in (0, 1))
        shape = (len(arrays), rows, columns, *arrays[0].shape[2:])
        stack = torch.empty(shape, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        for place, array in zip(stack.numpy(), arrays, strict=True):
            place[: array.shape[0], : array.shape[1]] = array
        return stack.to(self.device, non_blocking=True)


def _in_groups(groups: Sequence[Sequence[int]], decode: Callable[[int], R], threads: int | None) -> Iterator[list[R]]:
    """Yield what is decoded of each group, while the images of the next ``AHEAD`` groups are being decoded."""
    depth = max(1, AHEAD * max(map(len, groups), default=0))
    decoded = ahead(chain.from_iterable(groups), decode, depth, threads)
    for group in groups:
        yield list(islice(decoded, len(group)))


def _size(image: Bytes) -> str:
    return f"{image.shape[1]} x {image.shape[0]}"
