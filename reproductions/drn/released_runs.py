"""One released checkpoint, measured: ranks by one or ten crops, boxes, or label maps."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.checkpoints.find import FoundFile
from harness.datasets.labelled import ClassifiedImages, LabelledImages
from harness.evaluation import released
from harness.evaluation.boxes import BoxProtocol, Sweep, choose
from harness.evaluation.classify import Bench, classify, localise
from harness.evaluation.crops import ClassificationProtocol
from harness.evaluation.protocol import SegmentationProtocol
from harness.experiment import Context, Outcome, Unit
from reproductions.drn.models import Classifier, Segmenter
from reproductions.drn.released import build_released
from reproductions.drn.released_experiments import LISTED

Arrays = dict[str, NDArray[Any]]


def crops(
    unit: Unit,
    context: Context,
    found: FoundFile,
    images: ClassifiedImages,
    protocol: ClassificationProtocol,
    batch: int,
) -> Outcome:
    """Classify all images."""
    model, origin = released.loaded(build_released, found, context.device)
    return Outcome(origin, classify(_bench(unit, context, model, batch, "crops"), images, protocol))


def boxes(
    unit: Unit,
    context: Context,
    found: FoundFile,
    images: ClassifiedImages,
    protocol: ClassificationProtocol,
    ways: Mapping[str, BoxProtocol],
    batch: int,
) -> Outcome:
    """Classify by ``protocol`` and localise in each way, over all images and over those that are not blacklisted."""
    model, values = released.loaded(build_released, found, context.device)
    if not isinstance(model, Classifier):
        raise TypeError(f"{found.path} is listed as a network that classifies")
    arrays: Arrays = {}
    ranks = classify(_bench(unit, context, model, batch, "categories"), images, protocol)["ranks"]
    for suffix, way in ways.items():
        bench = _bench(unit, context, model, batch, f"boxes, {way.frame.value}")
        swept = localise(bench, model.scores, images, range(len(images)), protocol, way)
        _add(arrays, values, suffix, ranks, swept, way)
        kept = np.array([name not in images.blacklisted for name in images.names])
        if not suffix and not kept.all():
            _add(arrays, values, LISTED, ranks[kept], Sweep(swept.boxes[kept], swept.iou[kept]), way)
    return Outcome(values, arrays)


def labels(
    unit: Unit,
    context: Context,
    found: FoundFile,
    images: LabelledImages,
    protocols: Mapping[str, SegmentationProtocol],
) -> Outcome:
    """Label every pixel of all images in each way."""
    model, origin = released.loaded(build_released, found, context.device)
    return released.labels(unit, context, model, origin, images, protocols)


def _bench(unit: Unit, context: Context, model: Classifier | Segmenter, batch: int, what: str) -> Bench:
    progress = partial(context.progress, f"{unit.system}: {what}")
    return Bench(model, torch.device(context.device), batch, context.scratch, context.shard, progress)


def _add(
    arrays: Arrays,
    values: dict[str, int | float | str],
    suffix: str,
    ranks: NDArray[np.uint16],
    swept: Sweep,
    way: BoxProtocol,
) -> None:
    """Add the arrays and thresholds of one way of localising, under its suffix."""
    chosen = choose(swept, ranks == 0, way)
    ending = f".{suffix}" if suffix else ""
    arrays[f"loc_ranks{ending}"] = ranks
    arrays[f"loc_iou{ending}"] = chosen.iou.astype(np.float32)
    arrays[f"loc_sweep{ending}"] = swept.iou.astype(np.float32)
    arrays[f"loc_boxes{ending}"] = np.rint(np.nan_to_num(chosen.boxes, nan=-1.0)).astype(np.int16)
    names = ("threshold",) if len(chosen.thresholds) == 1 else ("threshold-even", "threshold-odd")
    values |= {f"{name}{ending}": value for name, value in zip(names, chosen.thresholds, strict=True)}
