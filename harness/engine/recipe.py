"""Settings of a training run as plain data, and the learning rate they give. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from harness.errors import UsageError

Decay = Literal["cosine", "poly", "step"]
Precision = Literal["float32", "bfloat16"]
BatchNorm = Literal["batch", "frozen"]
Outside = Literal["reflection", "mean"]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How training images, and label maps with them, are varied: scaled, then cut, shifted and mirrored.

    Attributes:
        shift: Greatest random translation in pixels of images that are not cut, by reflection at the border.
        flip: Whether half of the images are mirrored.
        scales: Factors on the image's sides, of which each image gets one by chance; empty for 1.
        crop: Rows and columns of a piece at a random place of the scaled image; None keeps the whole frame.
        outside: What a piece larger than its image shows beyond it: the image's reflection, or the colour that
            normalisation turns into 0. Labels there are void either way.
    """

    shift: int = 0
    flip: bool = True
    scales: tuple[float, ...] = ()
    crop: tuple[int, int] | None = None
    outside: Outside = "reflection"

    def __post_init__(self) -> None:
        if self.shift < 0 or not all(math.isfinite(scale) and scale > 0 for scale in self.scales):
            raise UsageError(f"augmentation needs a shift of 0 or more and scales above 0, got {self}")
        if self.crop is None and self.scales:
            raise UsageError(f"scaled images differ in size; a crop makes them one batch, got {self}")
        if self.crop is not None and (min(self.crop) < 1 or self.shift):
            raise UsageError(f"a crop needs rows and columns, and no shift besides, got {self}")


UNVARIED = Augmentation(flip=False)


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters whose steps differ from the others'.

    Attributes:
        pattern: Regular expression that the whole name of a parameter matches ("head\\..*\\.bias").
        rate: Factor on the learning rate; 0 freezes.
        decay: Factor on the weight decay.
    """

    pattern: str
    rate: float = 1.0
    decay: float = 1.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(factor) and factor >= 0 for factor in (self.rate, self.decay)):
            raise UsageError(f"factors on the learning rate and on weight decay are 0 or more, got {self}")


@dataclass(frozen=True, slots=True)
class Training:
    """Stochastic gradient descent with momentum, the learning rate set anew at each step.

    Attributes:
        epochs: Passes over the images.
        batch: Images per step; what an epoch's order leaves over is not used in that epoch.
        learning_rate: Its largest value.
        decay: "cosine": half a cosine to zero (Loshchilov & Hutter, ICLR 2017, without restarts); "poly":
            ``(1 - progress) ** power`` (DeepLab v2, Section 4.1.2); "step": a tenth at the start of each of the
            ``stages`` but the first, as 120 epochs with a drop every 30 (DRN, Section 5.1).
        warmup: Share of the steps in which the rate first rises linearly from zero.
        momentum: Of the gradient.
        weight_decay: Of all parameters but those of groups that say otherwise.
        augmentation: Of the images.
        power: Of "poly".
        stages: Of "step": parts of equal length, each with one rate.
        groups: The first whose pattern matches a parameter counts; parameters without one have both factors 1.
        parts: Pieces that a step's images are put through the network in, one after the other; the gradient is their
            mean, as with Caffe's ``iter_size``.
        batch_norm: "batch": normalised by each step's statistics; "frozen": by the running ones, which stay as they
            are, as do scale and offset (DeepLab's released networks).
        precision: Of convolutions and matrix products; weights, their steps and the loss are float32 either way.
        repeatable: Whether only algorithms that give the same bits again are used on a GPU, which costs time.
        compiled: Whether torch.compile fuses the network's operations.
    """

    epochs: int
    batch: int
    learning_rate: float
    decay: Decay = "cosine"
    warmup: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 1e-4
    augmentation: Augmentation = Augmentation()
    power: float = 0.9
    stages: int = 4
    groups: tuple[Group, ...] = ()
    parts: int = 1
    batch_norm: BatchNorm = "batch"
    precision: Precision = "float32"
    repeatable: bool = True
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2:
            raise UsageError(f"training needs at least one epoch and two images per step, got {self}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0 and 0 <= self.warmup < 1):
            raise UsageError(f"training needs a learning rate above 0 and a warm-up share in [0, 1), got {self}")
        if not (math.isfinite(self.power) and self.power > 0 and self.stages >= 1):
            raise UsageError(f"a decay needs a power above 0 and at least one stage, got {self}")
        if self.parts < 1 or self.batch % self.parts:
            raise UsageError(f"a step's images are cut into equal parts, got {self}")

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of step ``step`` in 0..steps-1."""
        rise = self.warmup * steps
        if step < rise:
            return self.learning_rate * (step + 1) / (rise + 1)
        progress = step / steps
        match self.decay:
            case "cosine":
                factor = (1 + math.cos(math.pi * progress)) / 2
            case "poly":
                factor = (1 - progress) ** self.power
            case "step":
                factor = 0.1 ** (self.stages * step // steps)
        return self.learning_rate * factor
