"""A training small enough to be repeated often: 40 images of 10x10 pixels, a network of about 300 weights."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import get_context
from multiprocessing.forkserver import set_forkserver_preload
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from harness.engine import train as engine
from harness.engine.examples import Images
from harness.engine.images import Normalisation
from harness.engine.losses import cross_entropy
from harness.engine.recipe import Augmentation, Training
from harness.engine.train import Loss, seeded, train
from harness.shards import ALONE, Shard

CPU = torch.device("cpu")
TRAINING = Training(epochs=3, batch=8, learning_rate=0.05, augmentation=Augmentation(shift=1))
STEPS = 3 * (40 // 8)
CHECKPOINT = "a.pt"


class Double(nn.Module):
    """Double precision, in which a second method agrees to many digits."""

    def forward(self, x: Tensor) -> Tensor:
        return x.double()


def examples() -> Images:
    """40 images whose class is the colour of a square."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 60, (40, 10, 10, 3), dtype=np.uint8)
    labels = np.arange(40) % 3
    for image, label in zip(pixels, labels, strict=True):
        image[3:7, 3:7, label] += 150
    return Images(torch.from_numpy(pixels), torch.from_numpy(labels), Normalisation.of(pixels, CPU))


def network(seed: int = 0) -> nn.Module:
    """Convolution, batch norm and a classifier, with dropout between."""
    with seeded(seed):
        layers = (nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(8, 3))


def run(
    folder: Path,
    training: Training = TRAINING,
    seed: int = 0,
    at: Callable[[int], None] = lambda _: None,
    model: nn.Module | None = None,
    loss: Loss = cross_entropy,
    shard: Shard = ALONE,
) -> nn.Module:
    """Train; ``at`` is called with the number of steps done after each."""
    model = network(seed) if model is None else model
    train(model, examples(), loss, training, seed, folder / CHECKPOINT, lambda done, _: at(done), shard)
    return model


def same(left: nn.Module, right: nn.Module) -> bool:
    states = left.state_dict(), right.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0].keys() | states[1].keys())


def apart(target: Callable[..., None], arguments: Sequence[tuple[object, ...]]) -> list[int | None]:
    """Call a function of a module once for each set of arguments, side by side in processes; return their ends.

    They are copies of one that has torch imported and has not used it yet.
    """
    set_forkserver_preload(["harness.engine.train", "harness.engine.images", "torch._dynamo", "hypothesis", "pytest"])
    processes = [get_context("forkserver").Process(target=target, args=each) for each in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def killed(folder: Path, step: int, training: Training = TRAINING) -> None:
    """Train in a process of its own, saved after each step, until it kills itself after ``step``."""
    assert apart(_until_killed, [(folder, step, training)]) == [-signal.SIGKILL]


def _until_killed(folder: Path, step: int, training: Training) -> None:
    torch.set_num_threads(1)
    engine.SAVE_EVERY = 0.0
    run(folder, training, at=partial(_kill, step))


def _kill(step: int, done: int) -> None:
    if done == step:
        os.kill(os.getpid(), signal.SIGKILL)
