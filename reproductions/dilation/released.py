"""The networks that the released files were trained as; the files themselves are listed in ``released.toml``."""

from __future__ import annotations

from torch import nn

from harness.checkpoints.released import ReleasedFile
from harness.errors import UsageError
from harness.networks.upsampling import Alignment
from reproductions.dilation.frontend import dilated_front_end
from reproductions.dilation.models import Segmenter, build_context
from reproductions.dilation.specs import DEPLOYMENTS, LARGE, Deployment, Margin


def deployment(file: ReleasedFile) -> Deployment:
    """Return what a released file runs on.

    Raises:
        UsageError: The file is for none of the datasets.
    """
    found = next((known for known in DEPLOYMENTS if known.dataset == file.network), None)
    if found is None:
        raise UsageError(f"no network was released for {file.network!r}")
    return found


def build_released(file: ReleasedFile, *, surrounded: bool = False) -> Segmenter:
    """Build the network of a released file, whose parameters are yet to be loaded.

    The Large context module surrounds its maps with zeros once, the others layer by layer. The file for Cityscapes
    upsamples between the centres of cells, the others from the pixels that cells lie on.

    Args:
        file: Which one.
        surrounded: Whether images come with their margin of 186 pixels, as tiles of larger ones do, so that the
            network does not mirror them itself; :meth:`Segmenter.scores` then is of the tile without its margin.
    """
    deployed = deployment(file)
    front = dilated_front_end(file.classes)
    if surrounded:
        front.margin = nn.Identity()
    margin = Margin.ZEROS if deployed.context is LARGE else Margin.LAYERS
    context = build_context(deployed.context, file.classes, margin=margin)
    alignment = Alignment.CENTRES if deployed.dataset == "Cityscapes" else Alignment.SAMPLES
    return Segmenter(front, context, alignment)
