"""Atrous spatial pyramid pooling: several fields of view on one feature map, their scores summed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from harness.errors import UsageError

SMALL_RATES = (2, 4, 8, 12)
LARGE_RATES = (6, 12, 18, 24)
"""ASPP-S and ASPP-L (Chen et al., DeepLab v2, Section 4.1.2)."""


class Pyramid(nn.Module):
    """Branches ``c0``, ``c1``, ... that read the same map and whose outputs are summed.

    Args:
        branches: At least one; all map [N, C, h, w] to the same shape.
    """

    def __init__(self, branches: Iterable[nn.Module]) -> None:
        super().__init__()
        for index, branch in enumerate(branches):
            self.add_module(f"c{index}", branch)

    def forward(self, x: Tensor) -> Tensor:
        """Map features [N, C, h, w] to the sum of all branches' maps."""
        first, *others = self.children()
        total: Tensor = first(x)
        for branch in others:
            total = total + branch(x)
        return total


def aspp(
    in_channels: int, classes: int, *, rates: Sequence[int] = LARGE_RATES, kernel: int = 3, deviation: float = 0.01
) -> Pyramid:
    """Build parallel atrous classifiers with bias, one per rate, that keep the size of their map by zeros.

    It maps features [N, in_channels, h, w] to class scores [N, classes, h, w]: the head of DeepLab v2's ResNet-101
    (Section 4.1.2) and of networks after it. A single rate is that paper's LargeFOV on ResNet-101.

    Args:
        in_channels: Of the map it reads.
        classes: Channels of the result.
        rates: Distance between taps, in cells, of each branch.
        kernel: Side of the kernels, odd.
        deviation: Initial standard deviation of the weights, which are normal around 0; biases are 0.

    Raises:
        UsageError: Fewer than one class, no rate, or a rate below 1.
        ValueError: The kernel is even, so that no padding keeps the size of the map.
    """
    if classes < 1:
        raise UsageError(f"a segmentation network needs at least one class, not {classes}")
    if not rates or min(rates) < 1:
        raise UsageError(f"atrous rates are positive whole numbers and at least one is needed, not {tuple(rates)}")
    if kernel % 2 == 0:
        raise ValueError(f"a kernel of side {kernel} has no centre")
    pyramid = Pyramid(
        nn.Conv2d(in_channels, classes, kernel, padding=rate * (kernel // 2), dilation=rate) for rate in rates
    )
    for branch in pyramid.children():
        if isinstance(branch, nn.Conv2d) and branch.bias is not None:
            nn.init.normal_(branch.weight, std=deviation)
            nn.init.zeros_(branch.bias)
    return pyramid
