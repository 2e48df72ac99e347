"""Heads trained on feature maps that convolutions with ImageNet weights made of photographs, once for all units."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.datasets.segmented import Segmented
from harness.engine.evaluate import feature_maps
from harness.engine.examples import Images, Maps
from harness.engine.images import Normalisation, layout
from harness.networks.upsampling import Alignment, upsample
from harness.segmentation.desk import Views
from harness.segmentation.sets import Sets

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
"""Of colours in [0, 1], with which torchvision's weights were trained."""


class AtPixels(nn.Module):
    """A head on maps, its scores upsampled to the images.

    Args:
        head: Maps features [N, C, h, w] to class scores [N, K, h', w'].
        size: Of the images, (H, W).
        stride: Image pixels per cell of the scores.
        alignment: Of the scores' cells with pixels.
    """

    def __init__(
        self, head: nn.Module, size: tuple[int, int], stride: int, alignment: Alignment = Alignment.SAMPLES
    ) -> None:
        super().__init__()
        self.head = head
        self.size = size
        self.stride = stride
        self.alignment = alignment

    def forward(self, x: Tensor) -> Tensor:
        """Map features [N, C, h, w] to class scores [N, K, H, W]."""
        return upsample(self.head(x), self.size, self.stride, self.alignment)


def imagenet_normalisation(device: str) -> Normalisation:
    """Return what torchvision's ImageNet weights expect of pixels."""
    mean, deviation = (torch.tensor(values, device=device) * 255 for values in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    return Normalisation(mean, deviation)


def frozen_maps(trunk: nn.Module, sets: Sets, batch: int, device: str) -> Views:
    """Return the feature maps, float16 [N, C, h, w], that a trunk with ImageNet weights makes of all images."""
    where = torch.device(device)
    placed = trunk.to(memory_format=layout(where)).to(where)
    normalisation = imagenet_normalisation(device)

    def maps(images: Segmented) -> Maps:
        pixels, labels = (torch.tensor(array, device=where) for array in (images.pixels, images.labels))
        return Maps(feature_maps(placed, Images(pixels, labels, normalisation).chunks(batch), torch.float16), labels)

    return Views(maps(sets.train), maps(sets.tuning), maps(sets.test))
