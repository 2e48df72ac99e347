"""Training for segmentation as torchvision's reference recipe does it (``references/segmentation`` of its repository).

Transforms are those of its ``presets.py`` with Pillow images and transforms v2; the loop and its defaults are those of
its ``train.py``: a DataLoader that starts its workers in each epoch and does not pin memory, SGD with momentum, the
rate lowered at each iteration by a power of 0.9, cross entropy without void, the loss read in each step, all of the
state saved after each epoch; on CUDA, cuDNN's fastest algorithms and ``--amp``. Left out, which makes it faster: the
evaluation after each epoch, printing, and the second copy of each checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from harness.datasets.segmented import VOID
from harness.evaluation.feed import usable_processors

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WORKERS = min(16, usable_processors())


@dataclass(frozen=True)
class Recipe:
    """What is set on the script's command line, and ``base`` and ``crop``, which it fixes at 520 and 480.

    Attributes:
        base: The shorter side of a scaled image has from 0.5 to 2 times as many pixels.
        crop: Side of the square pieces.
    """

    epochs: int
    batch: int
    base: int
    crop: int
    learning_rate: float = 0.01
    workers: int = WORKERS


class PadIfSmaller(v2.Transform):
    """Fills images at the right and at the bottom up to a size, with black and with void labels."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = v2.query_size(flat_inputs)
        return {"padding": [0, 0, max(self.size - width, 0), max(self.size - height, 0)]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        fill = VOID if isinstance(inpt, tv_tensors.Mask) else 0
        return v2.functional.pad(inpt, fill=fill, **params) if any(params["padding"]) else inpt


class Files(Dataset[tuple[Tensor, Tensor]]):
    """Images and their label maps, decoded and varied whenever they are asked for."""

    def __init__(self, pairs: Sequence[tuple[Path, Path]], recipe: Recipe) -> None:
        self.pairs = pairs
        self.transforms = v2.Compose(
            [
                v2.RandomResize(int(0.5 * recipe.base), int(2.0 * recipe.base)),
                v2.RandomHorizontalFlip(0.5),
                PadIfSmaller(recipe.crop),
                v2.RandomCrop(recipe.crop),
                v2.PILToTensor(),
                v2.ToDtype({torch.Tensor: torch.float32, tv_tensors.Mask: torch.int64, "others": None}, scale=True),
                v2.Normalize(MEAN, DEVIATION),
                v2.ToPureTensor(),
            ]
        )

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, truth = self.pairs[index]
        labels = tv_tensors.Mask(np.array(Image.open(truth)))
        varied: tuple[Tensor, Tensor] = self.transforms(Image.open(image).convert("RGB"), labels)
        return varied


def train(
    model: nn.Module, pairs: Sequence[tuple[Path, Path]], recipe: Recipe, device: torch.device, path: Path
) -> list[float]:
    """Train ``model``, from images [B, 3, H, W] to scores [B, K, H, W], and return the loss of each step."""
    files = Files(pairs, recipe)
    loader = DataLoader(files, recipe.batch, shuffle=True, num_workers=recipe.workers, drop_last=True)
    optimiser = torch.optim.SGD(model.parameters(), lr=recipe.learning_rate, momentum=0.9, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.PolynomialLR(optimiser, total_iters=len(loader) * recipe.epochs, power=0.9)
    amp = device.type == "cuda"
    scaler = torch.amp.GradScaler(device.type, enabled=amp)
    losses = []
    model.train()
    with torch.backends.cudnn.flags(enabled=True, benchmark=True):
        for epoch in range(recipe.epochs):
            for images, labels in loader:
                images, labels = images.to(device), labels.to(device)
                with torch.autocast(device.type, torch.float16, enabled=amp):
                    loss = F.cross_entropy(model(images), labels, ignore_index=VOID)
                optimiser.zero_grad()
                scaler.scale(loss).backward()
                scaler.step(optimiser)
                scaler.update()
                scheduler.step()
                losses.append(loss.item())
            parts = {"model": model, "optimizer": optimiser, "lr_scheduler": scheduler, "scaler": scaler}
            torch.save({"epoch": epoch} | {name: part.state_dict() for name, part in parts.items()}, path)
    return losses
