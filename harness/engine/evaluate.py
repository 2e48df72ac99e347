"""Evaluation of trained networks in single precision: outcomes per image, brought off the device once at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.engine.images import Normalisation
from harness.metrics.classification import true_class_ranks
from harness.metrics.localisation import ClassActivation

ScoreMaps = Callable[[Tensor], Tensor]
"""From images float32 [B, 3, H, W] to class scores at each location of the last feature map, [B, K, h, w]."""


@dataclass(frozen=True, slots=True, eq=False)
class Recognition:
    """What a classifier makes of N images.

    Attributes:
        ranks: uint16 [N], how many other classes score at least as high as the true one; 0 is a top-1 hit.
        activation: The true class's activation maps, [N, h, w].
    """

    ranks: NDArray[np.uint16]
    activation: ClassActivation


def recognise(
    model: nn.Module, score_maps: ScoreMaps, pixels: Tensor, labels: Tensor, normalise: Normalisation, batch: int
) -> Recognition:
    """Classify images and take the true class's activation maps in the same pass.

    The score of a class is the mean of its score map: a linear classifier commutes with global average pooling
    (DRN paper, Section 3), so this is the classification network's own output.

    Args:
        model: What ``score_maps`` belongs to; put into evaluation mode.
        score_maps: Of the model.
        pixels: uint8 [N, H, W, 3] on the model's device.
        labels: int64 [N] on the same device.
        normalise: As in training.
        batch: Images at a time.

    Raises:
        ValueError: A score is NaN.
    """
    scores, responses, dominant = [], [], []
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(pixels), batch):
            maps = score_maps(normalise(pixels[start : start + batch])).float()
            scores.append(maps.mean(dim=(2, 3)))
            probabilities = maps.softmax(dim=1)
            images = torch.arange(len(maps), device=maps.device)
            responses.append(probabilities[images, labels[start : start + batch]])
            dominant.append(responses[-1] >= probabilities.amax(dim=1))
    ranks = true_class_ranks(_array(scores), labels.cpu().numpy()) - 1
    return Recognition(ranks.astype(np.uint16), ClassActivation(_array(responses), _array(dominant)))


def label_maps(model: nn.Module, inputs: Iterable[Tensor]) -> NDArray[np.uint8]:
    """Predict the class of each pixel.

    Args:
        model: From ``inputs`` to class scores at each pixel, [B, K, H, W]; put into evaluation mode.
        inputs: Batches on the model's device.

    Returns:
        uint8 [N, H, W], the class with the highest score.

    Raises:
        ValueError: A score is NaN.
    """
    predicted, valid = [], []
    model.eval()
    with torch.inference_mode():
        for batch in inputs:
            scores = model(batch)
            predicted.append(scores.argmax(dim=1).to(torch.uint8))
            valid.append(scores.isnan().logical_not().flatten(1).all(dim=1))
    bad = np.flatnonzero(~_array(valid))
    if bad.size:
        raise ValueError(f"{bad.size} of {sum(map(len, valid))} images have a NaN score, the first is image {bad[0]}")
    return _array(predicted)


def probability_maps(model: nn.Module, inputs: Iterable[Tensor]) -> Iterator[NDArray[np.float32]]:
    """Yield each image's class probabilities at each pixel, float32 [K, H, W]; arguments as in :func:`label_maps`."""
    model.eval()
    with torch.inference_mode():
        for batch in inputs:
            yield from model(batch).float().softmax(dim=1).cpu().numpy()


def feature_maps(model: nn.Module, inputs: Iterable[Tensor], dtype: torch.dtype = torch.float32) -> Tensor:
    """Return what ``model`` makes of all inputs, [N, C, h, w] on its device; it is put into evaluation mode."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model(batch).to(dtype) for batch in inputs])


def _array(batches: list[Tensor]) -> NDArray[Any]:
    return torch.cat(batches).cpu().numpy()
