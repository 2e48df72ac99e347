"""Accuracy on the same images night after night: what a loss of half a point looks like, and who sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.regression.model import Address, Kind, Night, Series, Word
from harness.regression.rule import decide
from harness.scoring.scores import Mean, Metric
from harness.statistics.proportions import two_proportion_z

Outcomes = NDArray[np.bool_]

IMAGES = 5000
ERROR = 0.30
BEFORE = 10
"""Nights before, all with the same outcomes, as on fixed seeds."""

OTHERS = 40
"""Further metrics of the night, of the machine, at their level: the loss has to be found among these."""


@dataclass(frozen=True)
class Loss:
    """What happens to an image classifier on one night.

    Attributes:
        flips: Share of the images whose outcome changes.
        points: Percentage points of accuracy that are lost, on average over draws.
    """

    flips: float
    points: float


@dataclass(frozen=True)
class Seen:
    """How often a loss is reported, as shares of ``draws``: by the check, by two proportions' z, by thresholds."""

    loss: Loss
    draws: int
    check: int
    unpaired: int
    half_point: int
    one_point: int


def count(loss: Loss, draws: int, rng: np.random.Generator) -> Seen:
    """Draw pairs of nights and count who reports the second to be worse."""
    found = [_draw(loss, rng) for _ in range(draws)]
    return Seen(loss, draws, *(sum(column) for column in zip(*found, strict=True)))


def _draw(loss: Loss, rng: np.random.Generator) -> tuple[bool, bool, bool, bool]:
    before = rng.random(IMAGES) < ERROR
    tonight = before.copy()
    lost = loss.flips / 2 + loss.points / 200
    chance = rng.random(IMAGES)
    tonight[~before & (chance < lost / (1 - ERROR))] = True
    tonight[before & (chance < (loss.flips - lost) / ERROR)] = False
    wrong = float(before.mean()), float(tonight.mean())
    z = two_proportion_z(wrong[1], IMAGES, wrong[0], IMAGES)
    points = 100 * (wrong[1] - wrong[0])
    return _found(before, tonight, rng), z.statistic > 0 and z.p / 2 < 0.05, points >= 0.5, points >= 1.0


def _found(before: Outcomes, tonight: Outcomes, rng: np.random.Generator) -> bool:
    def night(started: str, wrong: Outcomes) -> Night:
        sample = Mean(Metric("top1-error"), wrong.astype(np.float64), 100.0, proportion=True)
        return Night(started, 100 * float(wrong.mean()), "s", samples={0: sample})

    accuracy = Series(
        Address("simulation", "nights", "network", "top1-error"),
        Kind.ACCURACY,
        "%",
        "lower",
        (*(night(f"{place:02d}", before) for place in range(BEFORE)), night(f"{BEFORE:02d}", tonight)),
    )
    times = [
        Series(
            Address("simulation", "nights", f"s{index}", "time"),
            Kind.SPEED,
            "s",
            "lower",
            tuple(Night(f"{start:02d}", float(np.exp(rng.normal(0, 0.01))), "s") for start in range(BEFORE + 1)),
        )
        for index in range(OTHERS)
    ]
    return decide([accuracy, *times], [])[0].word is Word.REGRESSION
