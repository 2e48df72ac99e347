"""What the networks are trained by: cross entropy at the cells of a score map, for each scale and their fusion."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from harness.datasets.segmented import VOID
from harness.engine.losses import Terms, cross_entropy, together
from reproductions.deeplab.interpolation import sample_labels
from reproductions.deeplab.models import fuse


def training_loss(scores: Tensor | Sequence[Tensor], labels: Tensor) -> Terms:
    """Return the loss of what a ``Trained`` network returns: of one map, or the mean over all scales and their fusion.

    The mean makes steps as long as those of a single scale, whose learning rate is used.
    """
    if isinstance(scores, Tensor):
        return cell_loss(scores, labels)
    return together([multi_scale_loss(scores, labels)], weight=1 / (len(scores) + 1))


def cell_loss(scores: Tensor, labels: Tensor) -> Terms:
    """Return the mean cross-entropy over a map's cells that are not void; 0 where all are.

    The paper sums over cells (Section 4); its released code divides by their number, and its learning rates are for
    that.

    Args:
        scores: [N, K, h, w].
        labels: int64 [N, H, W] of the image; each cell takes that of the nearest pixel.
    """
    return cross_entropy(scores, sample_labels(labels, (scores.shape[-2], scores.shape[-1])), VOID)


def multi_scale_loss(branches: Sequence[Tensor], labels: Tensor) -> Terms:
    """Return the sum of :func:`cell_loss` over all scales and their fusion: four terms for three scales."""
    return together([cell_loss(scores, labels) for scores in (*branches, fuse(branches))])
