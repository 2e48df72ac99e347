"""Training: what a step does, which parameters it moves, and in which arithmetic."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from training_desk import CHECKPOINT, CPU, TRAINING, Double, examples, network, run, same

from harness.engine.examples import Images, Maps
from harness.engine.losses import Terms, cross_entropy, together
from harness.engine.recipe import UNVARIED, Augmentation, Group, Training
from harness.engine.train import arithmetic, seeded, train
from harness.errors import UsageError

pytestmark = pytest.mark.usefixtures("one_thread")


def test_it_learns(tmp_path: Path) -> None:
    data = examples()
    model = run(tmp_path, replace(TRAINING, epochs=20))
    assert not model.training
    predicted = model(data.normalisation(data.pixels)).argmax(1)
    assert (predicted == data.targets).float().mean() > 0.9


def linear() -> nn.Module:
    with seeded(3):
        return nn.Sequential(Double(), nn.Flatten(), nn.Linear(300, 3).double())


ONE_BATCH = Training(2, 40, 0.1, decay="poly", augmentation=UNVARIED, weight_decay=0.01)


def test_one_step_is_sgd_with_momentum_and_decay(tmp_path: Path) -> None:
    """Two steps without variation or batch statistics, against the update written out."""
    data, double = examples(), linear()
    weight, bias = (value.detach().clone().requires_grad_() for value in double.parameters())
    velocity = [torch.zeros_like(weight), torch.zeros_like(bias)]
    inputs = data.normalisation(data.pixels).double().flatten(1)
    for step in range(2):
        gradients = torch.autograd.grad(F.cross_entropy(inputs @ weight.T + bias, data.targets), (weight, bias))
        with torch.no_grad():
            for value, gradient, v in zip((weight, bias), gradients, velocity, strict=True):
                v.mul_(0.9).add_(gradient + 0.01 * value)
                value -= 0.1 * (1 - step / 2) ** 0.9 * v
    run(tmp_path, ONE_BATCH, model=double)
    for value, expected in zip(double.parameters(), (weight, bias), strict=True):
        assert torch.allclose(value, expected, rtol=1e-10, atol=1e-12)


def test_groups_are_as_two_optimisers(tmp_path: Path) -> None:
    """The bias of the classifier learns twenty times as fast and does not decay, as in DeepLab's Caffe files."""
    data, model = examples(), linear()
    weight, bias = (value.detach().clone().requires_grad_() for value in model.parameters())
    slow = torch.optim.SGD([weight], lr=0.1, momentum=0.9, weight_decay=0.01)
    fast = torch.optim.SGD([bias], lr=2.0, momentum=0.9, weight_decay=0.0)
    inputs = data.normalisation(data.pixels).double().flatten(1)
    for step in range(4):
        for optimiser, rate in ((slow, 0.1), (fast, 2.0)):
            optimiser.param_groups[0]["lr"] = rate * (1 - step / 4) ** 0.9
            optimiser.zero_grad()
        torch.autograd.backward(F.cross_entropy(inputs @ weight.T + bias, data.targets))
        slow.step()
        fast.step()
    groups = (Group(r".*\.bias", rate=20, decay=0), Group(r".*", rate=1))
    run(tmp_path, replace(ONE_BATCH, epochs=4, groups=groups), model=model)
    for value, expected in zip(model.parameters(), (weight, bias), strict=True):
        assert torch.allclose(value, expected, rtol=1e-10, atol=1e-12)


def test_a_group_of_rate_0_keeps_its_bits_and_can_learn_later(tmp_path: Path) -> None:
    before, model = network(), network()
    run(tmp_path / "a", replace(TRAINING, groups=(Group(r"0\..*", rate=0),)), model=model)
    assert torch.equal(model[0].weight, before[0].weight)  # type: ignore[index]
    assert torch.equal(model[0].bias, before[0].bias)  # type: ignore[index]
    assert not torch.equal(model[6].weight, before[6].weight)  # type: ignore[index]
    assert all(parameter.requires_grad for parameter in model.parameters())
    run(tmp_path / "b", model=model)
    assert not torch.equal(model[0].weight, before[0].weight)  # type: ignore[index]


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (
            (Group(r"head\..*"),),
            r"no parameter's name matches 'head.*'\nSome of the 6: 0.weight, 0.bias, 1.weight",
        ),
        ((Group(r"weight"),), "no parameter's name matches 'weight'"),
        ((Group(r"("),), r"'\(' is no regular expression"),
        ((Group(r".*", rate=0),), "no parameter of the network learns"),
    ],
)
def test_groups_that_cannot_be_meant_are_refused(tmp_path: Path, groups: tuple[Group, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run(tmp_path, replace(TRAINING, groups=groups))


def test_parts_take_the_mean_of_their_gradients(tmp_path: Path) -> None:
    """With all targets counted it is the gradient of the whole; with uneven voids each part counts the same."""
    whole, parts = linear(), linear()
    run(tmp_path / "whole", ONE_BATCH, model=whole)
    run(tmp_path / "parts", replace(ONE_BATCH, parts=5), model=parts)
    for value, expected in zip(parts.parameters(), whole.parameters(), strict=True):
        assert torch.allclose(value, expected, rtol=1e-10, atol=1e-12)


def test_each_part_is_a_mean_over_its_own_targets(tmp_path: Path) -> None:
    data, model = examples(), linear()
    training = replace(ONE_BATCH, epochs=1, parts=2, weight_decay=0)
    seen: list[tuple[Tensor, Tensor]] = []

    def uneven(scores: Tensor, targets: Tensor) -> Terms:
        """The first part has one target that counts, the second all."""
        chosen = targets if seen else targets.where(torch.arange(len(targets)) == 4, -100)
        seen.append((scores.detach().clone(), chosen))
        return cross_entropy(scores, chosen)

    weight, bias = (value.detach().clone() for value in model.parameters())
    train(model, data, uneven, training, 0, tmp_path / CHECKPOINT, lambda *_: None)
    expected = torch.stack([_bias_gradient(scores, targets) for scores, targets in seen]).mean(0)
    assert torch.allclose(list(model.parameters())[1], bias - 0.1 * expected, rtol=1e-10, atol=1e-12)
    assert weight.shape == (3, 300)


def _bias_gradient(scores: Tensor, targets: Tensor) -> Tensor:
    counted = targets != -100
    truth = F.one_hot(targets[counted], 3)
    return (scores[counted].softmax(1) - truth).mean(0)


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=1, max_size=4), st.integers(0, 99))
def test_terms_are_the_means_they_stand_for(counted: list[list[bool]], seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    terms, means = [], []
    for row in counted:
        scores = torch.randn(len(row), 5, generator=random, dtype=torch.float64)
        targets = torch.randint(5, (len(row),), generator=random).where(torch.tensor(row), 255)
        terms.append(cross_entropy(scores, targets, void=255))
        means.append(
            F.cross_entropy(scores, targets, ignore_index=255) if any(row) else torch.zeros((), dtype=scores.dtype)
        )
    assert torch.allclose(together(terms, 0.25).value, 0.25 * torch.stack(means).sum(), rtol=1e-12, atol=0)


def test_frozen_batch_norm_keeps_its_bits(tmp_path: Path) -> None:
    model = network()
    norm = model[1]  # type: ignore[index]
    assert isinstance(norm, nn.BatchNorm2d)
    torch.nn.init.uniform_(norm.running_mean, generator=torch.Generator().manual_seed(1))  # type: ignore[arg-type]
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    first = model[0].weight.detach().clone()  # type: ignore[index]
    modes: list[tuple[bool, bool]] = []
    frozen = replace(TRAINING, batch_norm="frozen")
    run(tmp_path, frozen, model=model, at=lambda _: modes.append((norm.training, model.training)))
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    assert set(modes) == {(False, True)}
    assert not torch.equal(model[0].weight, first)  # type: ignore[index]
    assert norm.weight.requires_grad


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_precision_is_of_products_alone(tmp_path: Path, precision: str) -> None:
    model, seen = network(), set[torch.dtype]()
    for place in (0, 6):
        model[place].register_forward_hook(lambda _m, _i, scores: seen.add(scores.dtype))  # type: ignore[index]

    def loss(scores: Tensor, targets: Tensor) -> Terms:
        assert scores.dtype is torch.float32
        return cross_entropy(scores, targets)

    run(tmp_path, replace(TRAINING, precision=precision), model=model, loss=loss)  # type: ignore[arg-type]
    assert seen == {getattr(torch, precision)}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler for the CPU")
def test_compiled_it_is_the_same_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to rounding: fused operations add in another order."""
    monkeypatch.setattr("torch._inductor.config.cpp_cache_precompile_headers", False)
    with seeded(0):
        first, second = (nn.Sequential(nn.Flatten(), nn.Linear(300, 4), nn.Tanh(), nn.Linear(4, 3)) for _ in range(2))
    second.load_state_dict(first.state_dict())
    once = replace(TRAINING, epochs=1)
    run(tmp_path / "plain", once, model=first)
    run(tmp_path / "compiled", replace(once, compiled=True), model=second)
    for name, value in second.state_dict().items():
        assert torch.allclose(value, first.state_dict()[name], atol=1e-5), name


def test_the_same_seed_gives_the_same_bits(tmp_path: Path) -> None:
    first, second, other = (run(tmp_path / str(i), seed=seed) for i, seed in enumerate((0, 0, 1)))
    assert same(first, second)
    assert not same(first, other)


def test_dropout_follows_the_seed_and_not_what_was_drawn_before(tmp_path: Path) -> None:
    torch.manual_seed(11)
    first = run(tmp_path / "a")
    torch.rand(7)
    assert same(first, run(tmp_path / "b"))
    masks: list[Tensor] = []
    model = network()
    model[5].register_forward_hook(lambda _m, _i, kept: masks.append(kept != 0))  # type: ignore[index]
    run(tmp_path / "c", model=model)
    assert len({mask.numpy().tobytes() for mask in masks}) == len(masks)


def test_too_few_images_for_a_batch(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="40 training images do not fill a batch of 64"):
        run(tmp_path, replace(TRAINING, batch=64))


def test_label_maps_vary_with_their_images(tmp_path: Path) -> None:
    """A 1x1 convolution can only learn which pixels are bright if the maps move with the images."""
    data = examples()
    masks = (data.pixels.amax(-1) > 100).to(torch.uint8)
    with seeded(0):
        model = nn.Conv2d(3, 2, 1)
    pixels = Images(data.pixels, masks, data.normalisation)
    train(
        model,
        pixels,
        cross_entropy,
        replace(TRAINING, epochs=30, augmentation=Augmentation(shift=3)),
        0,
        tmp_path / "a.pt",
        lambda *_: None,
    )
    predicted = model(data.normalisation(data.pixels)).argmax(1)
    assert (predicted == masks).float().mean() > 0.97


def test_learning_on_features_leaves_what_made_them_as_it_is(tmp_path: Path) -> None:
    """A classifier on frozen features learns the bright pixels, and its order of examples is that of the images."""
    data = examples()
    masks = (data.pixels.amax(-1) > 100).to(torch.uint8)
    frozen = Maps(torch.cat(list(Images(data.pixels, masks, data.normalisation).chunks(7))).half(), masks)
    with seeded(0):
        model = nn.Conv2d(3, 2, 1)
    train(model, frozen, cross_entropy, replace(TRAINING, epochs=30), 0, tmp_path / "a.pt", lambda *_: None)
    predicted = torch.cat([model(batch).argmax(1) for batch in frozen.chunks(9)])
    assert (predicted == masks).float().mean() > 0.97


def test_global_state_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(tmp_path)
    assert torch.equal(torch.rand(3), expected)
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize(("repeatable", "tf32"), [(True, False), (False, False), (False, True)])
def test_arithmetic_of_a_gpu_is_chosen_without_one(
    repeatable: bool, tf32: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings, that is: what they do there is torch's word."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with arithmetic(torch.device("cuda"), repeatable, tf32):
        assert torch.are_deterministic_algorithms_enabled() == repeatable
        assert torch.backends.cudnn.benchmark == (not repeatable)
        assert torch.backends.cuda.matmul.allow_tf32 == torch.backends.cudnn.allow_tf32 == tf32
        with arithmetic(CPU):
            assert torch.are_deterministic_algorithms_enabled()
        assert torch.are_deterministic_algorithms_enabled() == repeatable
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cuda.matmul.allow_tf32


def test_poly_is_deeplabs() -> None:
    training = Training(1, 2, 2.5e-4, decay="poly")
    rates = [training.rate(step, 20_000) for step in (0, 5_000, 10_000, 15_000, 19_999)]
    assert rates == pytest.approx([2.5e-4, 1.92972e-4, 1.33972e-4, 7.17936e-5, 3.36522e-8], rel=1e-5)


def test_step_is_the_papers() -> None:
    training = Training(120, 256, 0.1, decay="step")
    rates = [training.rate(epoch, 120) for epoch in range(120)]
    assert rates == pytest.approx([0.1] * 30 + [0.01] * 30 + [0.001] * 30 + [0.0001] * 30)


@given(st.sampled_from(["cosine", "poly", "step"]), st.floats(0, 0.9), st.integers(1, 500))
def test_rates_rise_then_fall_and_stay_in_bounds(decay: str, warmup: float, steps: int) -> None:
    training = Training(1, 2, 0.1, decay=decay, warmup=warmup)  # type: ignore[arg-type]
    rates = [training.rate(step, steps) for step in range(steps)]
    assert all(0 < rate <= 0.1 for rate in rates)
    rising = sum(step < warmup * steps for step in range(steps))
    assert rates[:rising] == sorted(rates[:rising])
    assert rates[rising:] == sorted(rates[rising:], reverse=True)


@pytest.mark.parametrize(
    "setting", [{"epochs": 0}, {"batch": 1}, {"learning_rate": 0.0}, {"learning_rate": float("nan")}, {"warmup": 1.0}]
)
def test_impossible_settings_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        replace(TRAINING, **setting)
