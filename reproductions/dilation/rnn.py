"""A CRF-RNN behind a network that does not learn any more: what it learns from, and how it reads that."""

from __future__ import annotations

from itertools import islice

import torch
from torch import Tensor, nn

from harness.crf.parameters import CrfParameters
from harness.crf.rnn import CrfRnn
from harness.datasets.segmented import Segmented
from harness.engine.evaluate import feature_maps
from harness.engine.train import Examples, Maps

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
        images: The same images, none of them padded.
        batch: Images at a time.
        most: The first so many of them; None takes all.

    Returns:
        Features float32 [N, K + 3, H, W], the last three RGB in 0..255, with the images' labels.
    """
    count = len(images) if most is None else min(most, len(images))
    scores = feature_maps(model, islice(examples.chunks(batch), -(-count // batch)))[:count]
    pixels = torch.tensor(images.pixels[:count], device=examples.device).permute(0, 3, 1, 2).float()
    return Maps(torch.cat([scores, pixels], dim=1), torch.tensor(images.labels[:count], device=examples.device))
