"""One released checkpoint, measured: label maps from tiles that come with their margin."""

from __future__ import annotations

from functools import partial

from harness.checkpoints.find import FoundFile
from harness.datasets.labelled import LabelledImages
from harness.evaluation import released
from harness.evaluation.protocol import SegmentationProtocol
from harness.experiment import Context, Outcome, Unit
from reproductions.dilation.released import build_released


def labels(
    unit: Unit, context: Context, found: FoundFile, images: LabelledImages, protocol: SegmentationProtocol
) -> Outcome:
    """Label every pixel of all images."""
    network, origin = released.loaded(partial(build_released, surrounded=True), found, context.device)
    return released.labels(unit, context, released.Cells(network, network.scores), origin, images, {"": protocol})
