"""Settings of ResNet-101 trained end to end on photographs. Every value here is part of a record. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from harness.engine.recipe import Group, Training
from harness.segmentation.recipe import Scale
from reproductions.deeplab.recipes import MULTI_SCALE, DeepLabRecipe, fine_tuned
from reproductions.deeplab.specs import Geometry

PLAIN, VARIED = "ResNet-101", f"{MULTI_SCALE} + Aug"
WITH_LARGE_FOV, WITH_ASPP = f"{VARIED} + LargeFOV", f"{VARIED} + ASPP"
SYSTEMS = (PLAIN, MULTI_SCALE, VARIED, WITH_LARGE_FOV, WITH_ASPP)
"""The rows of Table 4, each with one thing more than a row before it, without the images of MS-COCO."""
SCALED = (VARIED, WITH_LARGE_FOV, WITH_ASPP)
"""Whose training images are scaled (Aug)."""
REFINED = (PLAIN, WITH_ASPP)
"""To which a CRF is applied as well: Figure 10, and the last row of Table 4."""

RATE = 2.5e-4
"""Learning rate of layers with ImageNet weights (released code)."""
EPOCHS: Mapping[Scale, int] = MappingProxyType({"toy": 2, "gpu": 20})
"""About as many passes as 20K iterations of 10 images make over the paper's 10,582: 19."""
WEIGHTS = "weights/resnet101-63fe2227.pth"
"""torchvision's ResNet-101 (IMAGENET1K_V1), in the data folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualRecipe(DeepLabRecipe):
    """One comparison of networks on ResNet-101.

    Attributes:
        scaled: Systems whose training images are scaled; those of the others are cut and mirrored alone.
    """

    scaled: tuple[str, ...]

    def training_of(self, system: str) -> Training:
        """Return the training of one system."""
        if system in self.scaled:
            return self.training
        return replace(self.training, augmentation=replace(self.training.augmentation, scales=()))


def residual(scale: Scale, epochs: int | None = None) -> ResidualRecipe:
    """Return the recipe for ResNet-101 on PASCAL VOC 2012; ``epochs`` replaces the number of passes.

    Photographs, crops, evaluation and CRF are those of VGG-16's networks; optimiser, rates, batch and what is frozen
    are the released code's for ResNet-101. A toy run has few channels and blocks, and starts from random weights.
    """
    alike, whole = fine_tuned(scale), scale == "gpu"
    training = replace(
        alike.training,
        epochs=epochs or EPOCHS[scale],
        batch=10 if whole else 6,
        learning_rate=RATE,
        groups=(
            Group(r".*\.head\..*\.weight", rate=10.0),
            Group(r".*\.head\..*\.bias", rate=20.0, decay=0.0),
        ),
        batch_norm="frozen",
    )
    return ResidualRecipe(
        scale=scale,
        width=1.0 if whole else 1 / 16,
        data=alike.data,
        classes=alike.classes,
        training=training,
        variants=alike.variants,
        evaluation_batch=alike.evaluation_batch,
        crf=alike.crf,
        least_images=alike.least_images,
        geometry=Geometry() if whole else Geometry(blocks=1),
        head=1.0,
        dropout=0.0,
        policies={},
        refined=REFINED,
        band=alike.band,
        trunk="fine-tuned",
        weights=WEIGHTS if whole else "",
        filler=0.01,
        scaled=SCALED,
    )
