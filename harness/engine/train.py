"""Training, by one process or several; one that is interrupted goes on from where it was last saved.

On the CPU the same seed and number of threads give the same bits, interrupted or not. On CUDA they do if the recipe
asks for repeatable algorithms and the network has no operation without one; repeats of others agree only statistically.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.engine import checkpoint
from harness.engine.examples import Batch, Examples
from harness.engine.losses import Terms
from harness.engine.mishaps import DivergedError, diverged, explained, last_good
from harness.engine.optimiser import learning, set_rate, sgd
from harness.engine.processes import Exchanged, exchanged, from_first, letting_go, over_all, spans
from harness.engine.recipe import Training
from harness.engine.variation import Variation
from harness.errors import CheckpointError, UsageError
from harness.shards import ALONE, Shard

SAVE_EVERY = 60.0
"""Seconds after which a training is saved again; when it is saved changes no result."""

Loss = Callable[[Any, Tensor], Terms]
"""From what the network returns, in single precision or better, and targets int64 [B, ...]."""
_SAVED = ("step", "losses", "seconds", "log")
LogRow = dict[str, int | float | str]
Stepped = Callable[[int, int], None]
"""Called with how many steps are done and how many there are."""


@contextmanager
def arithmetic(device: torch.device, repeatable: bool = False, tf32: bool = False) -> Iterator[None]:
    """Choose algorithms while the body runs; earlier settings come back at the end.

    Args:
        device: On the CPU only repeatable algorithms are used in any case.
        repeatable: On CUDA, whether only these are used there, too, instead of the fastest.
        tf32: Whether single precision may be rounded to TF32 there.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    only, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    before = cudnn.benchmark, matmul.allow_tf32, cudnn.allow_tf32
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
    torch.use_deterministic_algorithms(repeatable or device.type == "cpu")
    cudnn.benchmark, matmul.allow_tf32, cudnn.allow_tf32 = not repeatable, tf32, tf32
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(only, warn_only=warned)
        cudnn.benchmark, matmul.allow_tf32, cudnn.allow_tf32 = before


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw initial weights on the CPU from ``seed``; torch's own random state is as before at the end."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


@dataclass(frozen=True, slots=True, eq=False)
class _Course:
    """What stays the same from a training's first step to its last; ``steps`` are those of an epoch."""

    model: nn.Module
    network: Exchanged
    optimiser: torch.optim.SGD
    examples: Examples
    loss: Loss
    training: Training
    seed: int
    path: Path
    stepped: Stepped
    shard: Shard
    steps: int

    @property
    def total(self) -> int:
        return self.training.epochs * self.steps

    @property
    def identity(self) -> dict[str, Any]:
        """What a checkpoint has to be of."""
        return {**asdict(self.training), "seed": self.seed, "images": len(self.examples)}


@dataclass(slots=True)
class _State:
    """How far a training is.

    Attributes:
        step: Steps done.
        losses: Of the epoch under way, all finite.
        seconds: Spent on it before an interruption.
        saved: The step after which this process last saved it, or took it up, if it did.
        saved_at: When, by the monotonic clock; at first, when the training began.
    """

    step: int = 0
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    log: list[LogRow] = field(default_factory=list)
    saved: int | None = None
    saved_at: float = field(default_factory=time.monotonic)


def train(
    model: nn.Module,
    examples: Examples,
    loss: Loss,
    training: Training,
    seed: int,
    path: Path,
    stepped: Stepped,
    shard: Shard = ALONE,
) -> tuple[LogRow, ...]:
    """Train ``model`` in place, or go on from the checkpoint at ``path``; parameters without a gradient stay.

    Each process of several calls it alike. They begin with the weights of the first and share each step; the result
    is that of one process up to rounding and dropout. Torch's own random state is as before at the end.

    Args:
        model: On the device of the examples, in its :func:`~harness.engine.images.layout`.
        examples: All training images.
        loss: Of one batch.
        training: The settings.
        seed: Of the order and variation of the images, and of dropout.
        path: Written by the first process every minute and at the end.
        stepped: Called after each step.
        shard: This process among those that train together.

    Returns:
        One row per epoch: epoch, mean loss, learning rate of its last step, seconds.

    Raises:
        UsageError: Fewer images than one step needs, or the network, recipe and processes do not go together.
        DivergedError: A loss or weight is infinite or not a number.
        CheckpointError: ``path`` is unreadable or of another training.
        StorageError: ``path`` cannot be written.
        DeviceError: The device was lost or lacks memory.
        InterruptedRunError: Another process was lost.
    """
    steps = len(examples) // training.batch
    if steps == 0:
        raise UsageError(f"{len(examples)} training images do not fill a batch of {training.batch}")
    device, state = examples.device, _State()
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    tf32 = training.precision == "bfloat16"
    with (
        arithmetic(device, training.repeatable, tf32),
        torch.random.fork_rng(devices),
        learning(model, training),
    ):
        try:
            with letting_go(shard):
                _go_on(state, model, examples, loss, training, seed, path, stepped, shard, steps)
        except RuntimeError as error:
            watch = partial(stepped, state.step, training.epochs * steps)
            mishap = explained(error, last_good(path, state.saved), watch)
            if mishap is None:
                raise
            raise mishap from error
    return tuple(state.log)


def _go_on(
    state: _State,
    model: nn.Module,
    examples: Examples,
    loss: Loss,
    training: Training,
    seed: int,
    path: Path,
    stepped: Stepped,
    shard: Shard,
    steps: int,
) -> None:
    """Train from where the checkpoint stands to the end."""
    network, optimiser = exchanged(model, training, examples.device, shard), sgd(model, training)
    course = _Course(model, network, optimiser, examples, loss, training, seed, path, stepped, shard, steps)
    _resume(course, state)
    while state.step < course.total:
        _epoch(course, state)


def _epoch(course: _Course, state: _State) -> None:
    """Take an epoch's steps, or what is left of them, without waiting for the device but where it is saved."""
    begun = time.perf_counter() - state.seconds
    training, epoch, steps = course.training, state.step // course.steps, course.steps
    variation = Variation.draw(len(course.examples), training.augmentation, course.seed, epoch, course.examples.device)
    places = spans(training, range(state.step % steps, steps), course.shard)
    batches = course.examples.batches(variation, places)
    unread: list[Tensor] = []
    while len(state.losses) + len(unread) < steps:
        unread.append(_step(course, batches, state.step))
        state.step += 1
        course.stepped(state.step, course.total)
        if _due(course, state):
            _read(course, state, unread)
            state.seconds = time.perf_counter() - begun
            _save(course, state)
    _read(course, state, unread)
    mean = sum(state.losses) / steps
    rate, seconds = training.rate(state.step - 1, course.total), time.perf_counter() - begun
    state.log.append({"epoch": epoch + 1, "loss": mean, "learning_rate": rate, "seconds": seconds})
    state.losses, state.seconds = [], 0.0
    if _due(course, state) or (course.shard.leads and state.step == course.total):
        _save(course, state)


def _step(course: _Course, batches: Iterator[Batch], step: int) -> Tensor:
    """Take one step; return its loss over all parts and processes, still on the device."""
    training, shard, device = course.training, course.shard, course.examples.device
    _draw_dropout(course, step)
    set_rate(course.optimiser, training.rate(step, course.total))
    course.optimiser.zero_grad(set_to_none=True)
    half = torch.autocast(device.type, dtype=torch.bfloat16, enabled=training.precision == "bfloat16")
    values = []
    for part in range(1, training.parts + 1):
        inputs, targets = next(batches)
        with nullcontext() if part == training.parts else course.network.apart():
            with half:
                scores = course.network.forward(inputs)
            terms = course.loss(_single(scores), targets)
            everywhere = over_all(terms, shard)
            value = Terms(terms.totals, everywhere.counts).value
            torch.autograd.backward(value * (shard.world / training.parts))
        values.append(everywhere.value)
    course.optimiser.step()
    return torch.stack(values).mean()


def _draw_dropout(course: _Course, step: int) -> None:
    """Let what a step draws depend on nothing but its place, and on the process."""
    place = np.random.SeedSequence([course.seed, step, course.shard.rank])
    (drawn,) = place.generate_state(1, np.uint64)
    torch.default_generator.manual_seed(int(drawn))
    if course.examples.device.type == "cuda":
        torch.cuda.manual_seed(int(drawn))


def _single(scores: Any) -> Any:
    """Return scores, or several maps of them, in single precision if they are in half."""
    if isinstance(scores, Tensor):
        return scores.float() if scores.dtype is torch.bfloat16 else scores
    return [_single(scale) for scale in scores]


def _read(course: _Course, state: _State, unread: list[Tensor]) -> None:
    """Bring losses off the device, and see that they and all that is saved are finite.

    Raises:
        DivergedError: Something is not.
    """
    values = torch.stack(unread).tolist() if unread else []
    bad = next((place for place, value in enumerate(values) if not math.isfinite(value)), None)
    if bad is not None:
        raise _diverged(course, state, f"the loss is {values[bad]}", state.step - len(values) + bad)
    state.losses += values
    unread.clear()
    momenta = (value for kept in course.optimiser.state.values() for value in kept.values())
    tensors = [*course.model.state_dict().values(), *(value for value in momenta if isinstance(value, Tensor))]
    if not bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all()):
        raise _diverged(course, state, "infinite weights", state.step - 1)


def _diverged(course: _Course, state: _State, what: str, step: int) -> DivergedError:
    rate = course.training.rate(step, course.total)
    return diverged(what, step + 1, step // course.steps + 1, rate, last_good(course.path, state.saved))


def _due(course: _Course, state: _State) -> bool:
    """Whether this process saves, and has not done so for a while."""
    return course.shard.leads and time.monotonic() - state.saved_at > SAVE_EVERY


def _save(course: _Course, state: _State) -> None:
    kept = {name: getattr(state, name) for name in _SAVED}
    learnt = {"model": course.model.state_dict(), "optimiser": course.optimiser.state_dict()}
    checkpoint.save(course.path, {**learnt, **kept, "identity": course.identity})
    state.saved, state.saved_at = state.step, time.monotonic()


def _resume(course: _Course, state: _State) -> None:
    """Take up the first process's checkpoint, if there is one.

    Raises:
        CheckpointError: It is unreadable or of another training.
    """
    path = course.path
    content = from_first(checkpoint.read(path) if course.shard.leads else None, course.shard)
    if content is None:
        return
    found = checkpoint.decode(content, path, course.examples.device)
    if found.get("identity") != course.identity:
        raise CheckpointError(f"{path}: a checkpoint of another training", "Delete the file to train from the start.")
    course.model.load_state_dict(found["model"])
    course.optimiser.load_state_dict(found["optimiser"])
    for name in _SAVED:
        setattr(state, name, found[name])
    if course.shard.leads:
        state.saved = state.step
