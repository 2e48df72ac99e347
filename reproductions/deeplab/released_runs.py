"""One released checkpoint, measured: label maps from scores at cells, of one or several scales."""

from __future__ import annotations

from collections.abc import Mapping

from harness.checkpoints.find import FoundFile
from harness.datasets.labelled import LabelledImages
from harness.evaluation import released
from harness.evaluation.protocol import SegmentationProtocol
from harness.experiment import Context, Outcome, Unit
from reproductions.deeplab.released import build_released


def labels(
    unit: Unit,
    context: Context,
    found: FoundFile,
    images: LabelledImages,
    protocols: Mapping[str, SegmentationProtocol],
    batch: int,
) -> Outcome:
    """Label every pixel of all images in each way."""
    network, origin = released.loaded(build_released, found, context.device)
    cells = released.Cells(network, network.scores)
    return released.labels(unit, context, cells, origin, images, protocols, batch=batch)
