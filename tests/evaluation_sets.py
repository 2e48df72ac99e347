"""Small sets of labelled images on disk, and networks small enough to be worked out by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from harness.datasets.images import read_image
from harness.datasets.labelled import Item, LabelledImages, Split
from harness.evaluation.protocol import Colours

PLAIN = Colours(mean=(120.0, 110.0, 100.0), white=255.0)
CLASSES = 4


def labelled(folder: Path, sizes: Sequence[tuple[int, int]], classes: int = CLASSES, seed: int = 0) -> LabelledImages:
    """Write images of random colours, with random labels of which some are void, and open them."""
    random = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    items = numbered(folder, len(sizes))
    for item, (height, width) in zip(items, sizes, strict=True):
        Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(item.image)
        truth = random.integers(0, classes, (height, width), dtype=np.uint8)
        truth[random.random((height, width)) < 0.1] = 255
        Image.fromarray(truth).save(item.truth)
    return opened(items, folder, classes)


def numbered(folder: Path, count: int) -> list[Item]:
    return [Item(f"image {n}", folder / f"{n}.png", folder / f"{n}-truth.png") for n in range(count)]


def opened(items: Sequence[Item], folder: Path, classes: int) -> LabelledImages:
    listing = "\n".join(f"{item.name} {item.image.stat().st_size}" for item in items)
    split = Split("noise", "val", folder, hashlib.sha256(listing.encode()).hexdigest(), len(items), len(items))
    return LabelledImages(split, tuple(items), tuple(map(str, range(classes))), read_labels)


def read_labels(path: Path) -> NDArray[np.uint8]:
    return np.asarray(read_image(path))


class Strided(nn.Module):
    """Two convolutions and a subsampling: cell k of the map is pixel ``stride * k``, of ceil(n / stride) cells."""

    def __init__(self, classes: int = CLASSES, stride: int = 4, *, padded: bool = True, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv2d(3, 6, 3, padding=1 if padded else 0)
        self.second = nn.Conv2d(6, classes, 3, stride=stride, padding=1 if padded else 0)
        with torch.no_grad():
            self.second.weight *= 0.05
            self.second.bias.zero_()
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, 3, H, W] to [N, classes, h, w]; float64 inside, so that two ways of working it out agree."""
        scores: Tensor = self.second(self.first(x.double()).relu())
        return scores
