"""The networks of the paper as data: names, block counts and what the sources leave open. Needs no torch."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from harness.errors import UsageError

Family = Literal["ResNet", "DRN-A", "DRN-B", "DRN-C", "DRN-D"]
BlockKind = Literal["basic", "bottleneck"]


class Schedule(StrEnum):
    """Dilations in DRN-A's groups G4 and G5 (``layer3``, ``layer4``) once stride is removed; the sources disagree.

    Attributes:
        PAPER: Section 2: the layer that lost its stride keeps the dilation of its input (1 in G4, 2 in G5), every
            later layer has 2 in G4 and 4 in G5. The only one that keeps each unit's receptive field.
        RELEASED: The authors' code: the whole first block of either group has 1, later blocks 2 in G4 and 4 in G5.
        FIGURE: Figure 5: all layers of a group share one dilation, 2 in G4 and 4 in G5.
        NAIVE: No dilation at all: the approach that Section 2 rejects because receptive fields shrink.
    """

    PAPER = "paper"
    RELEASED = "released"
    FIGURE = "figure"
    NAIVE = "naive"


class Upsampling(StrEnum):
    """How the segmentation head takes scores from the feature map's resolution to the image's.

    Attributes:
        DECONVOLUTION: The released default: a frozen bilinear transposed convolution. Equals HALF_PIXEL in the
            interior and fades towards zero at the border, where it has no neighbours to interpolate.
        HALF_PIXEL: Bilinear interpolation between cell centres (``align_corners=False``).
        CORNERS: Bilinear interpolation with corner cells on corner pixels (``align_corners=True``), the released
            code's ``use_torch_up``.
    """

    DECONVOLUTION = "deconvolution"
    HALF_PIXEL = "half-pixel"
    CORNERS = "corners"


@dataclass(frozen=True)
class ModelSpec:
    """What distinguishes one network from another.

    Attributes:
        name: As printed in the paper, e.g. ``DRN-C-26``.
        family: Which construction.
        block: Residual block of the four main groups.
        blocks: Blocks per level: four numbers for ResNet and DRN-A, eight for the others.
        end_residual: Whether levels 7 and 8 keep their skip connections: all that separates DRN-B from DRN-C
            (Section 4, "Removing residual connections").
    """

    name: str
    family: Family
    block: BlockKind
    blocks: tuple[int, ...]
    end_residual: bool = False

    @property
    def slug(self) -> str:
        """The name in lower case, as in claim ids and file names: ``drn-c-26``."""
        return self.name.lower()

    @property
    def output_stride(self) -> int:
        """Image pixels per cell of the last feature map."""
        return 32 if self.family == "ResNet" else 8


_SPECS = (
    ModelSpec("ResNet-18", "ResNet", "basic", (2, 2, 2, 2)),
    ModelSpec("DRN-A-18", "DRN-A", "basic", (2, 2, 2, 2)),
    ModelSpec("DRN-B-26", "DRN-B", "basic", (1, 1, 2, 2, 2, 2, 1, 1), end_residual=True),
    ModelSpec("DRN-C-26", "DRN-C", "basic", (1, 1, 2, 2, 2, 2, 1, 1)),
    ModelSpec("ResNet-34", "ResNet", "basic", (3, 4, 6, 3)),
    ModelSpec("DRN-A-34", "DRN-A", "basic", (3, 4, 6, 3)),
    ModelSpec("DRN-C-42", "DRN-C", "basic", (1, 1, 3, 4, 6, 3, 1, 1)),
    ModelSpec("ResNet-50", "ResNet", "bottleneck", (3, 4, 6, 3)),
    ModelSpec("DRN-A-50", "DRN-A", "bottleneck", (3, 4, 6, 3)),
    ModelSpec("DRN-C-58", "DRN-C", "bottleneck", (1, 1, 3, 4, 6, 3, 1, 1)),
    ModelSpec("ResNet-101", "ResNet", "bottleneck", (3, 4, 23, 3)),
    ModelSpec("DRN-D-22", "DRN-D", "basic", (1, 1, 2, 2, 2, 2, 1, 1)),
    ModelSpec("DRN-D-38", "DRN-D", "basic", (1, 1, 3, 4, 6, 3, 1, 1)),
    ModelSpec("DRN-D-54", "DRN-D", "bottleneck", (1, 1, 3, 4, 6, 3, 1, 1)),
    ModelSpec("DRN-D-105", "DRN-D", "bottleneck", (1, 1, 3, 4, 23, 3, 1, 1)),
)

MODELS: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})
"""Every network by its printed name. DRN-C-58 and the DRN-D are released but not in the paper."""


def find_spec(name: str) -> ModelSpec:
    """Return the network called ``name``: printed name, slug or ``drn_c_26``, in any case.

    Raises:
        UsageError: No network has that name; the closest ones are offered.
    """
    slug = name.strip().lower().replace("_", "-")
    by_slug = {spec.slug: spec for spec in MODELS.values()}
    if slug in by_slug:
        return by_slug[slug]
    close = [by_slug[match].name for match in difflib.get_close_matches(slug, by_slug, n=3)]
    remedy = f"Did you mean {' or '.join(close)}?" if close else f"The models are: {', '.join(MODELS)}."
    raise UsageError(f"there is no model {name!r} in the paper drn", remedy)
