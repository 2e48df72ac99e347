"""From images to views: a network run over everything that a protocol shows it, inputs of one size together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.engine.images import layout
from harness.errors import UsageError
from harness.evaluation.decide import DTYPES, View
from harness.evaluation.preprocess import Crop, crops, frames
from harness.evaluation.protocol import Precision, SegmentationProtocol, Size


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An image on its way to the device.

    Attributes:
        size: Of the image.
        sources: What :func:`harness.evaluation.preprocess.frames` made of it, uint8 [h, w, 3], in page-locked memory
            if the device is a GPU.
    """

    size: Size
    sources: tuple[Tensor, ...]


def picture(image: NDArray[np.uint8], protocol: SegmentationProtocol, device: torch.device) -> Picture:
    """Do what is done on the host to uint8 [H, W, 3], RGB."""
    sources = (torch.from_numpy(np.require(frame, requirements=["C", "W"])) for frame in frames(image, protocol))
    if device.type == "cuda":
        sources = (source.pin_memory() for source in sources)
    return Picture((image.shape[0], image.shape[1]), tuple(sources))


def views_of(
    model: Callable[[Tensor], Tensor],
    pictures: Sequence[Picture],
    protocol: SegmentationProtocol,
    device: torch.device,
    batch: int,
) -> list[list[View]]:
    """Return each image's views.

    Call it under :func:`inference`.

    Args:
        model: From float32 [B, 3, h, w], normalised, to scores [B, K, h', w'].
        pictures: Any number, of any sizes; inputs of one size are batched across images, scales and tiles.
        protocol: What the network is shown.
        device: Where it is.
        batch: Inputs at a time.

    Raises:
        UsageError: The network returns something other than one map for each input.
    """
    views: list[list[View]] = []
    waiting: dict[Size, list[tuple[int, int, Crop]]] = {}
    for number, each in enumerate(pictures):
        sources = [source.to(device, non_blocking=True) for source in each.sources]
        inputs = list(crops(sources, each.size, protocol))
        views.append([])
        for position, crop in enumerate(inputs):
            waiting.setdefault((crop.pixels.shape[-2], crop.pixels.shape[-1]), []).append((number, position, crop))
    placed: dict[tuple[int, int], View] = {}
    for alike in waiting.values():
        for start in range(0, len(alike), batch):
            together = alike[start : start + batch]
            scores = _scores(model, [crop.pixels for _, _, crop in together])
            for (number, position, crop), values in zip(together, scores, strict=True):
                placed[number, position] = View(crop.scale, crop.flipped, values, crop.place)
    for number, position in sorted(placed):
        views[number].append(placed[number, position])
    return views


@contextmanager
def inference(model: nn.Module, device: torch.device, precision: Precision) -> Iterator[None]:
    """Run the body without gradients, in evaluation mode and in a precision; the model's mode is restored.

    cuDNN chooses algorithms that give the same bits again, and float32 means float32: no TF32 unless asked for.
    """
    training = model.training
    model.eval()
    dtype = DTYPES[precision]
    fast = precision is Precision.TF32
    matmul = torch.backends.cuda.matmul.allow_tf32
    try:
        torch.backends.cuda.matmul.allow_tf32 = fast
        with (
            torch.inference_mode(),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=fast),
            torch.autocast(device.type, dtype if dtype != torch.float32 else None, enabled=dtype != torch.float32),
        ):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul
        model.train(training)


def _scores(model: Callable[[Tensor], Tensor], inputs: Sequence[Tensor]) -> Tensor:
    stacked = torch.stack(list(inputs))
    scores = model(stacked.contiguous(memory_format=layout(stacked.device)))
    if not isinstance(scores, Tensor) or scores.ndim != 4 or len(scores) != len(inputs):
        found = list(scores.shape) if isinstance(scores, Tensor) else f"a {type(scores).__name__}"
        raise UsageError(f"a network that returns scores [{len(inputs)}, K, h, w] expected, this one returned {found}")
    return scores
