"""Losses as sums over targets beside the numbers of targets, so that what several processes see adds up exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """A loss of T terms, each a mean over targets.

    Attributes:
        totals: Floating point [T], each term's sum over its targets, times its weight.
        counts: [T], over how many targets; 0 where all are void.
    """

    totals: Tensor
    counts: Tensor

    @property
    def value(self) -> Tensor:
        """The sum of the terms, a scalar; a term without targets is 0."""
        return (self.totals / self.counts.clamp(min=1)).sum()


def cross_entropy(scores: Tensor, targets: Tensor, void: int = -100) -> Terms:
    """Return the mean cross entropy over targets that are not void, one term.

    Each target's loss is made by itself and then summed: CUDA has no repeatable algorithm for both at once.

    Args:
        scores: [B, K] or [B, K, H, W].
        targets: int64 [B] or [B, H, W].
        void: The target that does not count.
    """
    losses = F.cross_entropy(scores, targets, ignore_index=void, reduction="none")
    return Terms(losses.sum().reshape(1), (targets != void).sum().reshape(1))


def together(terms: Sequence[Terms], weight: float = 1.0) -> Terms:
    """Return several losses as one, their sum times ``weight``."""
    totals = torch.cat([term.totals for term in terms])
    return Terms(weight * totals, torch.cat([term.counts for term in terms]))
