"""A paper's experiments in miniature: softmax regression on Gaussian clouds, which checkpoints every epoch."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.experiment import Context, Cost, Experiment, Options, Outcome, Progress, Reach, Trade, Unit
from harness.ledger import canonical
from harness.ledger.record import Data, Deviation, Evidence

Array = NDArray[Any]
Log = list[dict[str, int | float | str]]
EPOCHS = 5
FEATURES = {"Narrow": 2, "Wide": 5}
CLASSES = 4


@dataclass
class Calls:
    """How often an experiment was asked for what, for tests of what the runner asks."""

    measured: list[Unit] = field(default_factory=list)
    timed: list[Unit] = field(default_factory=list)
    examined: int = 0


def experiments(options: Options, calls: Calls | None = None, **recipe: Any) -> tuple[Experiment, ...]:
    """Return two experiments: a trained one whose seeds and epochs can be cut, and an exact one."""
    calls = calls or Calls()
    epochs = options.epochs.get("clouds", EPOCHS)
    settings = {"epochs": epochs, "rate": 0.5, "images": 60, **recipe}
    cut = Deviation("2025-01-01", "epochs", str(EPOCHS), "Section 1", str(epochs), "budget")
    trained = Experiment(
        key="clouds",
        title="Clouds",
        evidence=Evidence.SYNTHETIC,
        systems=tuple(FEATURES),
        seeds=tuple(range(options.seeds or 3)),
        reaches=(Reach("top1-error"),),
        recipe=settings,
        source=("tiny_paper",),
        deviations=(cut,) if epochs < EPOCHS else (),
        measure=partial(measure, recipe=settings, calls=calls),
        command="remeasure run tiny",
        data=partial(examine, images=settings["images"], calls=calls),
        cost=partial(cost, calls=calls),
        trade=Trade(epochs, fewest_epochs=2, fewest_seeds=2),
    )
    exact = Experiment(
        key="exact",
        title="Counts",
        evidence=Evidence.EXACT,
        systems=("Narrow",),
        seeds=(0,),
        reaches=(Reach("parameters"),),
        recipe={},
        source=("tiny_paper",),
        deviations=(),
        measure=partial(count, calls=calls),
        command="remeasure run tiny",
    )
    return trained, exact


def examine(progress: Progress, images: int, calls: Calls) -> Data:
    calls.examined += 1
    progress("clouds", images, images)
    pixels, labels = clouds(99, images, 5)
    digest = canonical.digest([canonical.array_info(array).sha256 for array in (pixels, labels)])
    return Data("clouds", digest, images, images)


def cost(unit: Unit, device: str, calls: Calls) -> Cost:
    assert device == "cpu"
    calls.timed.append(unit)
    return Cost(setup=1.0, per_epoch=float(FEATURES[unit.system]))


def count(unit: Unit, context: Context, calls: Calls) -> Outcome:
    calls.measured.append(unit)
    context.progress("counting", 1, 1)
    return Outcome(values={"parameters": (FEATURES[unit.system] + 1) * CLASSES})


def measure(unit: Unit, context: Context, recipe: Mapping[str, Any], calls: Calls) -> Outcome:
    calls.measured.append(unit)
    features, epochs = FEATURES[unit.system], recipe["epochs"]
    pixels, labels = clouds(unit.seed, recipe["images"], features)
    weights, log = resume(context.scratch, features)
    for epoch in range(len(log), epochs):
        begun = time.perf_counter()
        order = np.random.default_rng([unit.seed, epoch]).permutation(len(labels))
        for chosen in np.array_split(order, 5):
            weights -= recipe["rate"] * gradient(weights, pixels[chosen], labels[chosen])
        scores = pixels @ weights
        loss = float(np.mean(np.log(np.exp(scores).sum(1)) - scores[np.arange(len(labels)), labels]))
        log.append({"epoch": epoch + 1, "loss": loss, "seconds": time.perf_counter() - begun})
        save(context.scratch, weights, log)
        context.progress("training", epoch + 1, epochs)
    test, truth = clouds(99, recipe["images"], features)
    scores = test @ weights
    ranks = (scores > scores[np.arange(len(truth)), truth][:, None]).sum(1).astype(np.uint16)
    return Outcome({"last-loss": log[-1]["loss"]}, {"ranks": ranks, "gridding": np.abs(weights).mean(1)}, tuple(log))


def clouds(seed: int, images: int, features: int) -> tuple[Array, Array]:
    stream = np.random.default_rng([7, seed])
    labels = stream.integers(0, CLASSES, images)
    centres = np.random.default_rng(5).normal(size=(CLASSES, 5))[:, :features]
    return np.column_stack([centres[labels] + stream.normal(size=(images, features)), np.ones(images)]), labels


def gradient(weights: Array, pixels: Array, labels: Array) -> Array:
    scores = np.exp(pixels @ weights)
    wrong = scores / scores.sum(1, keepdims=True) - np.eye(CLASSES)[labels]
    result: Array = pixels.T @ wrong / len(labels)
    return result


def save(scratch: Path, weights: Array, log: Log) -> None:
    state = {"weights": weights.tolist(), "log": log}
    (scratch / "new.json").write_bytes(canonical.encode(state))
    (scratch / "new.json").replace(scratch / "state.json")


def resume(scratch: Path, features: int) -> tuple[Array, Log]:
    path = scratch / "state.json"
    if not path.exists():
        return np.zeros((features + 1, CLASSES)), []
    state = json.loads(path.read_text())
    return np.array(state["weights"]), state["log"]
