"""Where the time of a training goes: by a clock that is told the time, and without changing what is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.profiler import record_function
from training_desk import CHECKPOINT, CPU, STEPS, TRAINING, examples, network, run, same

from harness.architecture.cost import multiply_adds
from harness.engine.examples import Batch, Images, Span
from harness.engine.losses import Terms, cross_entropy
from harness.engine.mishaps import DivergedError
from harness.engine.profile import PHASES, Profile, covered, profiled, training_operations, waiting
from harness.engine.recipe import Training
from harness.engine.variation import Variation
from reproductions.drn.models import build

pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass
class Told:
    """A clock on which time passes only when something says so."""

    now: float = 0.0
    marks: list[float] = field(default_factory=list)

    def mark(self) -> None:
        self.marks.append(self.now)

    def between(self) -> list[float]:
        return [end - start for start, end in pairwise(self.marks)]

    def spend(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True, eq=False)
class Slow(Images):
    """Images of which each batch takes four seconds."""

    clock: Told = field(default_factory=Told)

    def batches(self, variation: Variation, spans: Sequence[Span]) -> Iterator[Batch]:
        for batch in Images.batches(self, variation, spans):
            self.clock.spend(4)
            yield batch


def profile_of(folder: Path, training: Training = TRAINING, model: nn.Module | None = None) -> Profile:
    model = network() if model is None else model
    return profiled(model, examples(), cross_entropy, training, 0, folder / CHECKPOINT)


@pytest.mark.parametrize("parts", [1, 2])
def test_each_second_counts_where_it_is_spent(tmp_path: Path, parts: int) -> None:
    clock, model, data = Told(), network(), examples()

    def loss(scores: Tensor, targets: Tensor) -> Terms:
        clock.spend(2)
        return cross_entropy(scores, targets)

    model.register_forward_hook(lambda *_: clock.spend(8))
    next(model.parameters()).register_hook(lambda _: clock.spend(16))
    model.register_state_dict_post_hook(lambda *_: clock.spend(64))
    stepped = register_optimizer_step_post_hook(lambda *_: clock.spend(32))
    try:
        slow = Slow(data.pixels, data.targets, data.normalisation, clock=clock)
        training = replace(TRAINING, parts=parts)
        found = profiled(model, slow, loss, training, 0, tmp_path / CHECKPOINT, clock).seconds
    finally:
        stepped.remove()
    kept = found.pop("keeping")
    assert kept >= 64
    assert kept % 64 == 0
    passes = parts * STEPS
    assert found == {
        "data": 4 * passes,
        "forward": 8 * passes,
        "loss": 2 * passes,
        "backward": 16 * passes,
        "step": 32 * STEPS,
    }


@pytest.mark.parametrize("parts", [1, 2])
def test_an_instrumented_pass_gives_the_same_bits(tmp_path: Path, parts: int) -> None:
    training = replace(TRAINING, parts=parts)
    model = network()
    (tmp_path / "plain").mkdir()
    profile_of(tmp_path, training, model)
    assert same(model, run(tmp_path / "plain", training))


def test_shares_sum_to_1(tmp_path: Path) -> None:
    profile = profile_of(tmp_path)
    assert tuple(profile.shares) == PHASES
    assert sum(profile.shares.values()) == pytest.approx(1)
    assert min(profile.shares.values()) > 0


def test_nothing_is_marked_after_a_pass_even_if_it_failed(tmp_path: Path) -> None:
    clock = Told()
    with pytest.raises(DivergedError):
        profiled(network(), examples(), infinite, TRAINING, 0, tmp_path / CHECKPOINT, clock)
    marks = len(clock.marks)
    run(tmp_path)
    assert len(clock.marks) == marks > 0


def infinite(scores: Tensor, targets: Tensor) -> Terms:
    terms = cross_entropy(scores, targets)
    return Terms(terms.totals * torch.inf, terms.counts)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20))))
def test_overlaps_are_covered_once(spans: list[tuple[int, int]]) -> None:
    cells = {cell for start, length in spans for cell in range(start, start + length)}
    assert covered((start, start + length) for start, length in spans) == len(cells)


def test_only_operators_are_work() -> None:
    def python() -> None:
        with record_function("a name for what follows"):
            sum(range(10_000))

    matrix = torch.ones(300, 300)
    assert waiting(python, CPU) == 1
    assert 0 <= waiting(lambda: matrix @ matrix, CPU) < 1


def test_operations_are_thrice_those_forward_but_for_the_gradient_of_the_image() -> None:
    model, shape = build("ResNet-18"), (3, 64, 64)
    first = 64 * 32 * 32 * 3 * 7 * 7
    assert training_operations(model, shape) == 2 * (3 * multiply_adds(model, shape) - first)


def test_frozen_layers_need_no_gradient_of_their_weights() -> None:
    model, shape = build("ResNet-18"), (3, 64, 64)
    whole = training_operations(model, shape)
    frozen = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    frozen.weight.requires_grad_(False)
    assert training_operations(model, shape) == whole - 2 * 64 * 32 * 32 * 3 * 7 * 7
    assert all(parameter.grad is None for parameter in model.parameters())
