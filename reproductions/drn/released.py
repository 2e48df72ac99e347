"""The networks that the released files were trained as; the files themselves are listed in ``released.toml``."""

from __future__ import annotations

from harness.checkpoints.released import ReleasedFile
from reproductions.drn.models import Classifier, Segmenter, build
from reproductions.drn.specs import Schedule, find_spec


def build_released(file: ReleasedFile) -> Classifier | Segmenter:
    """Build the network of a released file, whose parameters are yet to be loaded; a DRN-A dilates as released."""
    spec = find_spec(file.network)
    schedule = Schedule.RELEASED if spec.family == "DRN-A" else None
    if file.task == "classification":
        return build(spec, num_classes=file.classes, schedule=schedule)
    return Segmenter(build(spec, schedule=schedule), file.classes)
