"""A CRF-RNN behind a network that does not learn any more: what it learns from, and how it reads that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.crf.parameters import CrfParameters
from harness.crf.rnn import CrfRnn
from harness.datasets.segmented import Segmented
from harness.engine.evaluate import feature_maps, label_maps
from harness.engine.examples import Batch, Examples, Maps, Span
from harness.engine.variation import Variation

COLOURS = 3


class RnnOnMaps(nn.Module):
    """A CRF-RNN whose scores and images come as one map.

    Args:
        classes: K.
        start: The CRF that it starts as.
    """

    def __init__(self, classes: int, start: CrfParameters) -> None:
        super().__init__()
        self.rnn = CrfRnn(classes, start)

    def forward(self, x: Tensor) -> Tensor:
        """Map :func:`scored_images`, [N, K + 3, H, W], to class scores [N, K, H, W]."""
        scores: Tensor = self.rnn(x[:, :-COLOURS], x[:, -COLOURS:])
        return scores


def scored_images(model: nn.Module, examples: Examples, images: Segmented, batch: int, most: int | None = None) -> Maps:
    """Return a network's scores at the pixels of images, and beneath them the images themselves.

    Args:
        model: From ``examples`` to class scores [N, K, H, W]; put into evaluation mode.
        examples: The images as the network sees them.
        images: The same images; of padded ones :class:`Alone` leaves the padding out.
        batch: Images at a time.
        most: The first so many of them; None takes all.

    Returns:
        Features float32 [N, K + 3, H, W], the last three RGB in 0..255, with the images' labels.
    """
    count = len(images) if most is None else min(most, len(images))
    scores = feature_maps(model, islice(examples.chunks(batch), -(-count // batch)))[:count]
    pixels = torch.tensor(images.pixels[:count], device=examples.device).permute(0, 3, 1, 2).float()
    return Maps(torch.cat([scores, pixels], dim=1), torch.tensor(images.labels[:count], device=examples.device))


@dataclass(frozen=True, slots=True, eq=False)
class Alone:
    """Scored images one at a time, each without what pads it, which would send messages, too.

    Attributes:
        maps: Of :func:`scored_images`.
        extents: int32 [N, 2], rows and columns that each image fills, from the top left.
    """

    maps: Maps
    extents: NDArray[np.int32]

    @property
    def device(self) -> torch.device:
        return self.maps.device

    def __len__(self) -> int:
        return len(self.maps)

    def batches(self, variation: Variation, spans: Sequence[Span]) -> Iterator[Batch]:
        """Yield the image of each span.

        Raises:
            ValueError: A span of several images, whose sizes may differ.
        """
        order = variation.order.tolist()
        for start, end in spans:
            _check_alone(end - start)
            place = order[start]
            yield self._within(self.maps.features, place), self._within(self.maps.targets, place).long()

    def chunks(self, batch: int) -> Iterator[Tensor]:
        """Yield every image in order; errors as :meth:`batches`."""
        _check_alone(batch)
        return (self._within(self.maps.features, place) for place in range(len(self)))

    def _within(self, tensor: Tensor, place: int) -> Tensor:
        rows, columns = self.extents[place].tolist()
        return tensor[place : place + 1, ..., :rows, :columns]


def _check_alone(images: int) -> None:
    if images != 1:
        raise ValueError(f"{images} images at a time, which may differ in size; one expected")


def labels_alone(model: nn.Module, images: Alone) -> NDArray[np.uint8]:
    """Return each image's labels in its frame, uint8 [N, H, W]; 0 where it is padded."""
    labels = np.zeros(images.maps.targets.shape, dtype=np.uint8)
    for frame, image in zip(labels, images.chunks(1), strict=True):
        rows, columns = image.shape[-2:]
        (frame[:rows, :columns],) = label_maps(model, [image])
    return labels
