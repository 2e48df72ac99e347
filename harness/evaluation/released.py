"""A released checkpoint as a network to be measured: built as it was trained, loaded, and its label maps counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from harness.checkpoints.find import FoundFile
from harness.checkpoints.load import load_released
from harness.checkpoints.released import ReleasedFile
from harness.datasets.labelled import LabelledImages
from harness.engine.crf import crf_pool
from harness.engine.images import layout
from harness.evaluation.protocol import SegmentationProtocol
from harness.evaluation.segment import Keep, evaluate
from harness.experiment import Context, Outcome, Unit

Network = TypeVar("Network", bound=nn.Module)
Origin = dict[str, int | float | str]
"""Which file a network's parameters came from, as a record's values."""


class Cells(nn.Module):
    """A network that is asked for its scores at cells, which a protocol brings to the pixels.

    Args:
        network: Whose parameters they are.
        scores: Its function from images [N, 3, H, W] to them, [N, K, h, w].
    """

    def __init__(self, network: nn.Module, scores: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self.scores = scores

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of images [N, 3, H, W]."""
        return self.scores(x)


def loaded(build: Callable[[ReleasedFile], Network], found: FoundFile, device: str) -> tuple[Network, Origin]:
    """Return the network of a file on a device, and which file it was.

    Raises:
        CheckpointError: As :func:`harness.checkpoints.load.load_released`.
    """
    network = build(found.released)
    weights = load_released(network, found.path, found.released)
    place = torch.device(device)
    origin: Origin = {"weights-file": weights.path.name, "weights-sha256": weights.sha256}
    return network.to(memory_format=layout(place)).to(place), origin


def labels(
    unit: Unit,
    context: Context,
    network: nn.Module,
    origin: Origin,
    images: LabelledImages,
    protocols: Mapping[str, SegmentationProtocol],
    *,
    batch: int = 1,
    keep: Callable[[str], Keep] | None = None,
) -> Outcome:
    """Label every pixel of all images in each way and count them by truth and label.

    Args:
        unit: What is measured.
        context: Where; an interrupted evaluation goes on in its scratch folder.
        network: From images to scores, as the protocols expect them.
        origin: Of its parameters.
        images: With their truth.
        protocols: By the suffix of their arrays; the empty one for the system itself.
        batch: Images at a time; a CRF refines as many side by side.
        keep: From a suffix to where the network's outputs go; None: nowhere.
    """
    device = torch.device(context.device)
    refined = any(protocol.crf is not None for protocol in protocols.values())
    arrays = {}
    with crf_pool() if refined else nullcontext() as pool:
        for suffix, protocol in protocols.items():
            what = f"{unit.system}: images, {suffix}" if suffix else f"{unit.system}: images"
            counts = evaluate(
                network,
                images,
                protocol,
                device,
                batch=batch,
                scratch=context.scratch,
                shard=context.shard,
                progress=partial(context.progress, what),
                keep_views=None if keep is None else keep(suffix),
                crf_pool=pool,
            )
            arrays[f"confusion.{suffix}" if suffix else "confusion"] = counts.astype(np.int32)
    return Outcome(origin, arrays)
