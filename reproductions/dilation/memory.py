"""What one convolution takes from the machine, with the sides, dilations and zeros of the same span."""

from __future__ import annotations

from functools import partial

import torch
from torch.nn import functional as F

from harness.engine.memory import Work, peak_growth
from harness.experiment import Context, Outcome, Unit
from reproductions.dilation.operator import insert_zeros
from reproductions.dilation.specs import CONVOLUTIONS, Convolution, MemoryRecipe


def convolution(device: torch.device, kind: Convolution, recipe: MemoryRecipe) -> Work:
    """Make the input and the weights of a convolution and return it, ready to run once."""
    weight = torch.ones(recipe.channels, recipe.channels, kind.kernel, kind.kernel, device=device)
    dilation = kind.dilation
    if kind.zeros:
        weight, dilation = insert_zeros(weight, dilation), 1
    padding = dilation * (weight.shape[-1] // 2)
    run = partial(F.conv2d, weight=weight, padding=padding, dilation=dilation)
    side = weight.shape[-1] * dilation
    run(torch.ones(1, recipe.channels, side, side, device=device))
    return partial(run, torch.ones(1, recipe.channels, recipe.side, recipe.side, device=device))


def measure(unit: Unit, context: Context, recipe: MemoryRecipe) -> Outcome:
    """Measure the most memory that a convolution's forward pass adds to its input and weights, in MiB."""
    context.progress(unit.system, 0, 1)
    work = partial(convolution, kind=CONVOLUTIONS[unit.system], recipe=recipe)
    return Outcome({"memory": peak_growth(work, context.device)})
