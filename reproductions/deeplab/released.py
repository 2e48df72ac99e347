"""The networks that the released files were trained as; the files themselves are listed in ``released.toml``."""

from __future__ import annotations

from harness.checkpoints.released import ReleasedFile
from reproductions.deeplab.models import DeepLab, build


def build_released(file: ReleasedFile) -> DeepLab:
    """Build the network of a released file, whose parameters are yet to be loaded.

    Those on ResNet-101 with ASPP are run at several scales, as :class:`reproductions.deeplab.models.MultiScale` does
    with the network returned here.
    """
    return build(file.network, classes=file.classes)
