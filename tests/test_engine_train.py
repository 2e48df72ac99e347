"""Training: it learns, repeats to the bit, survives interruption, and says where it diverged."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from harness.engine.images import Normalisation
from harness.engine.recipe import Training
from harness.engine.train import DivergedError, Images, Maps, arithmetic, seeded, train
from harness.errors import CheckpointError, UsageError

TRAINING = Training(epochs=3, batch=8, learning_rate=0.05, shift=1)
STEPS = 3 * (40 // 8)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Bits are promised for a fixed number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def examples() -> Images:
    """40 images whose class is the colour of a square."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 60, (40, 10, 10, 3), dtype=np.uint8)
    labels = np.arange(40) % 3
    for image, label in zip(pixels, labels, strict=True):
        image[3:7, 3:7, label] += 150
    return Images(torch.from_numpy(pixels), torch.from_numpy(labels), Normalisation.of(pixels, CPU))


def network(seed: int = 0) -> nn.Module:
    with seeded(seed):
        layers = (nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return nn.Sequential(*layers, nn.Linear(8, 3))


def run(
    folder: Path, training: Training = TRAINING, seed: int = 0, at: Callable[[int], None] | None = None
) -> nn.Module:
    model = network(seed)
    with arithmetic(CPU):
        train(
            model,
            examples(),
            F.cross_entropy,
            training,
            seed,
            folder / "a.pt",
            lambda done, _: at(done) if at else None,
        )
    return model


def bits(model: nn.Module) -> list[Tensor]:
    return list(model.state_dict().values())


def same(left: nn.Module, right: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(bits(left), bits(right), strict=True))


def test_it_learns(tmp_path: Path) -> None:
    data = examples()
    model = run(tmp_path, replace(TRAINING, epochs=20))
    assert not model.training
    predicted = model(data.normalisation(data.pixels)).argmax(1)
    assert (predicted == data.targets).float().mean() > 0.9


def test_one_step_is_sgd_with_momentum_and_decay(tmp_path: Path) -> None:
    """Two steps without variation or batch statistics, against the update written out."""
    data = examples()
    training = Training(2, 40, 0.1, decay="poly", shift=0, flip=False, weight_decay=0.01)
    with seeded(3):
        model = nn.Sequential(nn.Flatten(), nn.Linear(300, 3)).double()
    weight, bias = (value.detach().clone().requires_grad_() for value in model.parameters())
    velocity = [torch.zeros_like(weight), torch.zeros_like(bias)]
    inputs = data.normalisation(data.pixels).double().flatten(1)
    for step in range(2):
        gradients = torch.autograd.grad(F.cross_entropy(inputs @ weight.T + bias, data.targets), (weight, bias))
        with torch.no_grad():
            for value, gradient, v in zip((weight, bias), gradients, velocity, strict=True):
                v.mul_(0.9).add_(gradient + 0.01 * value)
                value -= 0.1 * (1 - step / 2) ** 0.9 * v
    double = nn.Sequential(_Double(), model)
    train(double, data, F.cross_entropy, training, 0, tmp_path / "a.pt", lambda *_: None)
    for value, expected in zip(model.parameters(), (weight, bias), strict=True):
        assert torch.allclose(value, expected, rtol=1e-10, atol=1e-12)


class _Double(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.double()


def test_the_same_seed_gives_the_same_bits(tmp_path: Path) -> None:
    first, second, other = (run(tmp_path / str(i), seed=seed) for i, seed in enumerate((0, 0, 1)))
    assert same(first, second)
    assert not same(first, other)


@pytest.mark.parametrize("step", [1, 5, 7, 11, STEPS])
def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path: Path, step: int) -> None:
    def interrupt(done: int) -> None:
        if done == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", at=interrupt)
    resumed_at: list[int] = []
    resumed = run(tmp_path / "broken", at=resumed_at.append)
    assert same(resumed, run(tmp_path / "whole"))
    assert resumed_at[0] == (step - 1) // 5 * 5 + 1


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    steps: list[int] = []
    first = run(tmp_path)
    second = run(tmp_path, at=steps.append)
    assert not steps
    assert same(first, second)


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, torch; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "import test_engine_train as t; torch.set_num_threads(1);"
        "t.run(Path(sys.argv[2]), at=lambda done: os.kill(os.getpid(), signal.SIGKILL) if done == 8 else None)"
    )
    folder = tmp_path / "killed"
    child = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(folder)],
        env={**os.environ, "PYTHONPATH": "."},
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    resumed_at: list[int] = []
    resumed = run(folder, at=resumed_at.append)
    assert resumed_at[0] == 6
    assert same(resumed, run(tmp_path / "whole"))


def test_divergence_names_step_and_rate(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"step \d+ \(epoch 1\), learning rate 9\.\d+e\+29"):
        run(tmp_path, replace(TRAINING, learning_rate=1e30))
    assert not (tmp_path / "a.pt").exists()


def test_infinite_weights_after_a_finite_loss_are_divergence(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="infinite weights after epoch 1"):
        run(tmp_path, replace(TRAINING, epochs=1, batch=40, learning_rate=3e38, weight_decay=1e5))


@pytest.mark.parametrize("change", [{"learning_rate": 0.1}, {"epochs": 4}])
def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path, change: dict[str, float]) -> None:
    run(tmp_path)
    with pytest.raises(CheckpointError, match=r"a\.pt: a checkpoint of another training"):
        run(tmp_path, replace(TRAINING, **change))


class _Bomb:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch exploded",)


def _pickled() -> bytes:
    return pickle.dumps(_Bomb(), protocol=2)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", _pickled()], ids=["empty", "text", "code"])
def test_an_unusable_checkpoint_is_refused(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.pt: not a training checkpoint"):
        run(tmp_path)
    assert not (tmp_path / "exploded").exists()


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    path = tmp_path / "a.pt"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CheckpointError, match=r"a\.pt: not a training checkpoint"):
        run(tmp_path)


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
    train(model, pixels, F.cross_entropy, replace(TRAINING, epochs=30, shift=3), 0, tmp_path / "a.pt", lambda *_: None)
    predicted = model(data.normalisation(data.pixels)).argmax(1)
    assert (predicted == masks).float().mean() > 0.97


def test_learning_on_features_leaves_what_made_them_as_it_is(tmp_path: Path) -> None:
    """A classifier on frozen features learns the bright pixels, and its order of examples is that of the images."""
    data = examples()
    masks = (data.pixels.amax(-1) > 100).to(torch.uint8)
    frozen = Maps(torch.cat(list(Images(data.pixels, masks, data.normalisation).chunks(7))).half(), masks)
    with seeded(0):
        model = nn.Conv2d(3, 2, 1)
    train(model, frozen, F.cross_entropy, replace(TRAINING, epochs=30), 0, tmp_path / "a.pt", lambda *_: None)
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
