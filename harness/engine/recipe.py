"""Settings of a training run as plain data, and the learning rate they give. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from harness.errors import UsageError

Decay = Literal["cosine", "poly", "step"]


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
        weight_decay: Of all parameters.
        shift: Greatest random translation in pixels, by reflection at the border.
        flip: Whether half of the images are mirrored.
        power: Of "poly".
        stages: Of "step": parts of equal length, each with one rate.
    """

    epochs: int
    batch: int
    learning_rate: float
    decay: Decay = "cosine"
    warmup: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 1e-4
    shift: int = 4
    flip: bool = True
    power: float = 0.9
    stages: int = 4

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2:
            raise UsageError(f"training needs at least one epoch and two images per step, got {self}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0 and 0 <= self.warmup < 1):
            raise UsageError(f"training needs a learning rate above 0 and a warm-up share in [0, 1), got {self}")
        if not (math.isfinite(self.power) and self.power > 0 and self.stages >= 1):
            raise UsageError(f"a decay needs a power above 0 and at least one stage, got {self}")

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
