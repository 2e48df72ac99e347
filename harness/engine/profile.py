"""Where the time of a training goes: an instrumented pass, which gives the same weights as a plain one.

The loop itself is not touched. Marks are set where it asks for a batch, for a loss and for a step of the optimiser: by
the device on CUDA, as it gets there, else by the host's clock.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from harness.engine.examples import Batch, Examples, Span
from harness.engine.losses import Terms
from harness.engine.recipe import Training
from harness.engine.train import Loss, train
from harness.engine.variation import Variation

Phase = Literal["data", "forward", "loss", "backward", "step", "keeping"]
PHASES: tuple[Phase, ...] = get_args(Phase)


class Clock(Protocol):
    """Sets marks and tells the seconds between each and the next."""

    def mark(self) -> None: ...

    def between(self) -> list[float]: ...


@dataclass(frozen=True, slots=True)
class HostClock:
    """Marks by the host, in seconds."""

    marks: list[float] = field(default_factory=list)

    def mark(self) -> None:
        self.marks.append(time.perf_counter())

    def between(self) -> list[float]:
        return [end - start for start, end in pairwise(self.marks)]


@dataclass(frozen=True, slots=True)
class DeviceClock:
    """Marks in the order of the device's work, which the host does not wait for."""

    marks: list[torch.Event] = field(default_factory=list)

    def mark(self) -> None:
        event = torch.Event("cuda", enable_timing=True)
        event.record()
        self.marks.append(event)

    def between(self) -> list[float]:
        torch.cuda.synchronize()
        return [start.elapsed_time(end) / 1000 for start, end in pairwise(self.marks)]


@dataclass(frozen=True, slots=True)
class Profile:
    """What a training's seconds were spent on.

    Attributes:
        seconds: By phase. "data": making batches, or waiting for them; "loss": from scores to sums; "step": of the
            optimiser; "keeping": the rest: reading losses, finding infinite weights, saving, and setting out.
    """

    seconds: dict[Phase, float]

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def shares(self) -> dict[Phase, float]:
        """Of the whole, by phase; they sum to 1."""
        return {phase: seconds / self.total for phase, seconds in self.seconds.items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Timeline:
    clock: Clock
    begun: list[Phase] = field(default_factory=list)

    def begin(self, phase: Phase) -> None:
        self.begun.append(phase)
        self.clock.mark()

    def end(self) -> Profile:
        self.clock.mark()
        seconds = dict.fromkeys(PHASES, 0.0)
        for phase, passed in zip(self.begun, self.clock.between(), strict=True):
            seconds[phase] += passed
        return Profile(seconds)


@dataclass(frozen=True, slots=True, eq=False)
class _TimedExamples:
    """The same examples, which say when they are asked for a batch and when they have it."""

    examples: Examples
    timeline: _Timeline

    @property
    def device(self) -> torch.device:
        return self.examples.device

    def __len__(self) -> int:
        return len(self.examples)

    def batches(self, variation: Variation, spans: Sequence[Span]) -> Iterator[Batch]:
        batches = self.examples.batches(variation, spans)
        for _ in spans:
            self.timeline.begin("data")
            batch = next(batches)
            self.timeline.begin("forward")
            yield batch

    def chunks(self, batch: int) -> Iterator[Tensor]:
        return self.examples.chunks(batch)


def profiled(
    model: nn.Module,
    examples: Examples,
    loss: Loss,
    training: Training,
    seed: int,
    path: Path,
    clock: Clock | None = None,
) -> Profile:
    """Train ``model`` as :func:`~harness.engine.train.train` does by one process, and return where the time went.

    What a first step costs once (kernels chosen or compiled, memory taken) counts where it falls; train before to leave
    it out.

    Args:
        model, examples, loss, training, seed, path: As there.
        clock: None: the device's on CUDA, else the host's.
    """
    timeline = _Timeline(clock or (DeviceClock() if examples.device.type == "cuda" else HostClock()))

    def timed_loss(scores: Any, targets: Tensor) -> Terms:
        timeline.begin("loss")
        terms = loss(scores, targets)
        timeline.begin("backward")
        return terms

    hooks = (
        register_optimizer_step_pre_hook(lambda *_: timeline.begin("step")),
        register_optimizer_step_post_hook(lambda *_: timeline.begin("keeping")),
    )
    try:
        timeline.begin("keeping")
        train(model, _TimedExamples(examples, timeline), timed_loss, training, seed, path, lambda *_: None)
        return timeline.end()
    finally:
        for hook in hooks:
            hook.remove()


def waiting(run: Callable[[], object], device: torch.device) -> float:
    """Return the share of the time of ``run`` in which the device has nothing to do, in [0, 1].

    On CUDA neither a kernel nor a copy runs then; on the CPU no operator of torch: Python, decoding and files are left.
    Tracing takes time of its own, most of it the host's.
    """
    cuda = device.type == "cuda"
    kind = device.type.upper()
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as trace:
        begun = time.perf_counter()
        run()
        if cuda:
            torch.cuda.synchronize(device)
        elapsed = time.perf_counter() - begun
    work = [event for event in trace.events() or () if event.device_type.name == kind and not event.is_user_annotation]
    busy = covered((event.time_range.start, event.time_range.end) for event in work)
    return max(0.0, 1 - busy / 1e6 / elapsed)


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return the length of the union of spans (start, end)."""
    length, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        length += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return length


def training_operations(model: nn.Module, input_shape: tuple[int, int, int]) -> int:
    """Return the floating-point operations of one forward and backward pass for one image of ``input_shape`` (C, H, W).

    Counted are convolutions and matrix products, a multiply-add as two; there is no gradient of the image. Runs on the
    meta device: nothing is computed.

    Args:
        model: From images to one map or vector of scores; any of its parameters may be frozen.
    """
    network = copy.deepcopy(model).to("meta").eval()
    with FlopCounterMode(display=False) as counter:
        torch.autograd.backward(network(torch.empty(1, *input_shape, device="meta")).sum())
    return int(counter.get_total_flops())
