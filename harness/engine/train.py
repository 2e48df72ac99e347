"""Training on images that stay on the device; interrupted training goes on where its last epoch ended.

On the CPU the same seed and number of threads give the same bits, interrupted or not. On CUDA the convolutions
run in bfloat16 with whichever algorithm is fastest, so repeats agree only statistically.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from harness.engine import checkpoint
from harness.engine.images import Normalisation, Variation
from harness.engine.recipe import Training
from harness.errors import CheckpointError, ExitCode, RemeasureError, UsageError

Loss = Callable[[Tensor, Tensor], Tensor]
"""From scores [B, K, ...] and targets int64 [B, ...] to a scalar."""
LogRow = dict[str, int | float | str]
Stepped = Callable[[int, int], None]
"""Called with how many steps are done and how many there are."""
_CALMER = "A lower learning rate or a longer warm-up may help; nothing of this run is recorded."


class DivergedError(RemeasureError):
    """A loss that is no longer a finite number."""

    exit_code = ExitCode.NOTHING_MEASURED


class Examples(Protocol):
    """What a network learns from or is tested on, on the device."""

    @property
    def device(self) -> torch.device: ...

    def __len__(self) -> int: ...

    def batch(self, variation: Variation, start: int, end: int) -> tuple[Tensor, Tensor]:
        """Return network input float32 [B, C, h, w] and targets int64 [B] or [B, H, W] of places in an epoch."""
        ...

    def chunks(self, batch: int) -> Iterator[Tensor]:
        """Yield network input float32 [B, C, h, w], every example in its order and as it is."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Images and what they show; varied in training.

    Attributes:
        pixels: uint8 [N, H, W, 3].
        targets: int64 [N] classes, or uint8 [N, H, W] label maps, which are varied with the images.
        normalisation: Applied to each batch.
    """

    pixels: Tensor
    targets: Tensor
    normalisation: Normalisation

    @property
    def device(self) -> torch.device:
        return self.pixels.device

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, variation: Variation, start: int, end: int) -> tuple[Tensor, Tensor]:
        if self.targets.ndim == 1:
            (pixels,) = variation.batch(start, end, self.pixels)
            return self.normalisation(pixels), self.targets[variation.order[start:end]]
        pixels, targets = variation.batch(start, end, self.pixels, self.targets)
        return self.normalisation(pixels), targets.long()

    def chunks(self, batch: int) -> Iterator[Tensor]:
        return (self.normalisation(self.pixels[start : start + batch]) for start in range(0, len(self), batch))


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """Feature maps of images, made once by a network that does not learn any more; not varied in training.

    Attributes:
        features: float16 or float32 [N, C, h, w].
        targets: uint8 [N, H, W], label maps of the images.
    """

    features: Tensor
    targets: Tensor

    @property
    def device(self) -> torch.device:
        return self.features.device

    def __len__(self) -> int:
        return len(self.features)

    def batch(self, variation: Variation, start: int, end: int) -> tuple[Tensor, Tensor]:
        places = variation.order[start:end]
        return self.features[places].float(), self.targets[places].long()

    def chunks(self, batch: int) -> Iterator[Tensor]:
        return (self.features[start : start + batch].float() for start in range(0, len(self), batch))


@contextmanager
def arithmetic(device: torch.device) -> Iterator[None]:
    """Allow only repeatable algorithms on the CPU, the fastest on CUDA; earlier settings come back at the end."""
    deterministic, search = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(device.type == "cpu")
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        torch.backends.cudnn.benchmark = search


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw initial weights on the CPU from ``seed``; torch's own random state is as before at the end."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def train(
    model: nn.Module,
    examples: Examples,
    loss: Loss,
    training: Training,
    seed: int,
    path: Path,
    stepped: Stepped,
) -> tuple[LogRow, ...]:
    """Train ``model`` in place, or go on from the checkpoint at ``path``; parameters without a gradient stay.

    Args:
        model: On the device of the examples, in its :func:`~harness.engine.images.layout`.
        examples: All training images.
        loss: Of one batch.
        training: The settings.
        seed: Of the order and variation of the images.
        path: Written after each epoch.
        stepped: Called after each step.

    Returns:
        One row per epoch: epoch, mean loss, learning rate of its last step, seconds.

    Raises:
        UsageError: Fewer images than one step needs.
        DivergedError: A loss is infinite or not a number.
        CheckpointError: ``path`` is unreadable or of another training.
        StorageError: ``path`` cannot be written.
    """
    steps = len(examples) // training.batch
    if steps == 0:
        raise UsageError(f"{len(examples)} training images do not fill a batch of {training.batch}")
    optimiser = torch.optim.SGD(
        model.parameters(), lr=0.0, momentum=training.momentum, weight_decay=training.weight_decay
    )
    identity = {**asdict(training), "seed": seed, "images": len(examples)}
    log = _resume(path, model, optimiser, identity)
    model.train()
    for epoch in range(len(log), training.epochs):
        started = time.perf_counter()
        losses = _epoch(model, optimiser, examples, loss, training, seed, epoch, stepped)
        rate = training.rate((epoch + 1) * steps - 1, training.epochs * steps)
        mean = _finite_mean(losses, training, epoch)
        _check_finite(model, rate, epoch)
        seconds = time.perf_counter() - started
        log.append({"epoch": epoch + 1, "loss": mean, "learning_rate": rate, "seconds": seconds})
        state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "log": log, "identity": identity}
        checkpoint.save(path, state)
    model.eval()
    return tuple(log)


def _epoch(
    model: nn.Module,
    optimiser: torch.optim.SGD,
    examples: Examples,
    loss: Loss,
    training: Training,
    seed: int,
    epoch: int,
    stepped: Stepped,
) -> Tensor:
    """Take one epoch's steps without waiting for the device; return the losses, float32 [steps], still on it."""
    count, device = len(examples), examples.device
    variation = Variation.draw(count, training, seed, epoch, device)
    steps = count // training.batch
    losses = []
    for step in range(steps):
        inputs, targets = examples.batch(variation, step * training.batch, (step + 1) * training.batch)
        done = epoch * steps + step
        for group in optimiser.param_groups:
            group["lr"] = training.rate(done, training.epochs * steps)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            value = loss(model(inputs), targets)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(value)
        optimiser.step()
        losses.append(value.detach())
        stepped(done + 1, training.epochs * steps)
    return torch.stack(losses).float()


def _finite_mean(losses: Tensor, training: Training, epoch: int) -> float:
    values = [float(value) for value in losses.tolist()]
    bad = next((step for step, value in enumerate(values) if not math.isfinite(value)), None)
    if bad is None:
        return sum(values) / len(values)
    step = epoch * len(values) + bad
    rate = training.rate(step, training.epochs * len(values))
    where = f"step {step + 1} (epoch {epoch + 1}), learning rate {rate:.3g}"
    raise DivergedError(f"training diverged: the loss is {values[bad]} at {where}", _CALMER)


def _check_finite(model: nn.Module, rate: float, epoch: int) -> None:
    finite = torch.stack([value.isfinite().all() for value in model.state_dict().values()])
    if not bool(finite.all()):
        raise DivergedError(
            f"training diverged: infinite weights after epoch {epoch + 1}, learning rate {rate:.3g}", _CALMER
        )


def _resume(
    path: Path, model: nn.Module, optimiser: torch.optim.SGD, identity: dict[str, int | float | str]
) -> list[LogRow]:
    """Take up the checkpoint, if there is one, and return its log."""
    device = next(model.parameters()).device
    state = checkpoint.load(path, device)
    if state is None:
        return []
    if state.get("identity") != identity:
        raise CheckpointError(f"{path}: a checkpoint of another training", "Delete the file to train from the start.")
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    log: list[LogRow] = state["log"]
    return log
