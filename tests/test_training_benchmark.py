"""What the benchmark of training compares: the same images in as many steps; and what ``remeasure bench`` prints."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor, nn

from harness.cli.bench import bench
from harness.datasets.images import read_image
from harness.datasets.labelled import Item, LabelledImages, Split
from harness.datasets.segmented import VOID
from harness.engine.images import Normalisation
from harness.engine.recipe import Augmentation, Training
from harness.engine.streamed import Streamed
from harness.engine.timings import Timing
from harness.engine.train import seeded, train
from harness.ledger.record import Code, Environment
from harness.segmentation.desk import pixel_cross_entropy

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
IMAGES, BATCH, EPOCHS, CROP = 11, 3, 2, 24
STEPS = EPOCHS * (IMAGES // BATCH)
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import torchvision_recipe

    return torchvision_recipe


@pytest.fixture
def pairs(tmp_path: Path) -> list[tuple[Path, Path]]:
    """Grey images, each of a level and of a label of its own."""
    for number in range(IMAGES):
        Image.new("RGB", (40, 30), (level(number),) * 3).save(tmp_path / f"{number}.jpg", quality=95)
        Image.new("L", (40, 30), number).save(tmp_path / f"{number}.png")
    return [(tmp_path / f"{number}.jpg", tmp_path / f"{number}.png") for number in range(IMAGES)]


def level(number: int) -> int:
    return 40 + 20 * number


class Seen(nn.Module):
    """Writes down, step by step, which images it is shown; their upper corners show them whatever is cut and padded."""

    def __init__(self, mean: float, deviation: float) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, IMAGES, 1)
        self.mean, self.deviation = mean, deviation
        self.steps: list[list[int]] = []

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape == (BATCH, 3, CROP, CROP)
        levels = x[:, 0].amax(dim=(1, 2)) * self.deviation + self.mean
        self.steps.append([round((found - 40) / 20) for found in levels.tolist()])
        scores: Tensor = self.convolution(x)
        return scores


def check(steps: list[list[int]]) -> None:
    """Every image comes at most once in an epoch, and nearly all do."""
    assert len(steps) == STEPS
    for epoch in range(EPOCHS):
        shown = Counter(number for step in steps[epoch * STEPS // EPOCHS :][: STEPS // EPOCHS] for number in step)
        assert set(shown) <= set(range(IMAGES))
        assert sorted(shown.values()) == [1] * (STEPS // EPOCHS * BATCH)
    assert steps[0] != steps[STEPS // EPOCHS]


def test_the_reference_recipe_takes_the_same_steps(
    reference: ModuleType, pairs: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    recipe = reference.Recipe(EPOCHS, BATCH, base=30, crop=CROP, workers=1)
    model = Seen(255 * reference.MEAN[0], 255 * reference.DEVIATION[0])
    with seeded(0):
        losses = reference.train(model, pairs, recipe, CPU, tmp_path / "a.pth")
    check(model.steps)
    assert len(losses) == STEPS
    assert np.isfinite(losses).all()
    saved = torch.load(tmp_path / "a.pth", weights_only=True)
    assert torch.equal(saved["model"]["convolution.weight"], model.convolution.weight)
    assert saved["lr_scheduler"]["last_epoch"] == STEPS


def test_the_harness_takes_the_same_steps(pairs: list[tuple[Path, Path]], tmp_path: Path) -> None:
    items = tuple(Item(str(number), image, truth) for number, (image, truth) in enumerate(pairs))
    names = tuple(map(str, range(IMAGES)))
    split = Split("grey", "train", tmp_path, "", IMAGES, None)
    images = LabelledImages(split, items, names, lambda path: np.asarray(read_image(path)))
    scale = Normalisation(torch.full((3,), 120.0), torch.full((3,), 60.0))
    model = Seen(120, 60)
    augmentation = Augmentation(scales=(0.5, 1.0, 2.0), crop=(CROP, CROP))
    training = Training(EPOCHS, BATCH, 0.01, decay="poly", augmentation=augmentation)
    train(model, Streamed(images, scale), pixel_cross_entropy, training, 0, tmp_path / "a.pt", lambda *_: None)
    check(model.steps)


def test_images_of_the_reference_are_padded_with_black_and_void(
    reference: ModuleType, pairs: list[tuple[Path, Path]]
) -> None:
    files = reference.Files(pairs, reference.Recipe(1, BATCH, base=20, crop=60))
    for number in range(IMAGES):
        with seeded(number):
            image, labels = files[number]
        assert (image.shape, image.dtype) == ((3, 60, 60), torch.float32)
        assert (labels.shape, labels.dtype) == ((60, 60), torch.int64)
        grey = 255 * (image[0] * reference.DEVIATION[0] + reference.MEAN[0])
        assert torch.equal(grey > 20, labels == number)
        assert torch.equal(grey.abs() < 0.01, labels == VOID)
        assert (labels == VOID).any()


# What is printed ------------------------------------------------------------------------------------------------------


def benchmark(info: dict[str, Any], *seconds: float) -> dict[str, Any]:
    return {"name": "t", "stats": {"data": seconds}, "extra_info": info}


def work(task: str, size: int, block: int) -> dict[str, Any]:
    return {"task": task, "size": size, "unit": "claims", "block": block}


def timing(system: str, device: str) -> dict[str, Any]:
    here = Environment("3.11", "Linux", "x86", 2, 1, device, {})
    timed = Timing("drn", "latency", system, 0, {"batch": 8}, {"memory": 12.0}, here, Code("0" * 64, None, False))
    found: dict[str, Any] = msgspec.to_builtins(timed)
    return found


def printed(folder: Path, *benchmarks: dict[str, Any]) -> str:
    path = folder / "benchmark.json"
    path.write_text(json.dumps({"datetime": "2026-11-21T00:00:00", "benchmarks": benchmarks}), encoding="utf-8")
    done = CliRunner().invoke(bench, ["--from", str(path), "--ledger", str(folder / "ledger")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_processor_gets_ratios_and_no_absolute_figures(tmp_path: Path) -> None:
    rows = [benchmark(timing(system, "cpu"), *seconds) for system, *seconds in (("a", 1.5, 3.0), ("b", 3.0, 6.0))]
    lines = printed(tmp_path, *rows).splitlines()
    assert lines[0] == "latency: 8 images at a time on cpu, medians"
    assert lines[1].split("\t") == ["system", "time over a (95 %)", "peak memory, MiB"]
    assert lines[2].split("\t") == ["a", "1.00 (1.00 to 1.00)", "12"]
    assert lines[3].split("\t") == ["b", "2.00 (2.00 to 2.00)", "12"]


def test_a_gpu_gets_absolute_figures_too(tmp_path: Path) -> None:
    rows = [benchmark(timing(system, "NVIDIA"), *seconds) for system, *seconds in (("a", 1.0, 3.0), ("b", 2.0, 6.0))]
    lines = printed(tmp_path, *rows).splitlines()
    assert lines[3].split("\t") == ["b", "2.00 (2.00 to 2.00)", "2", "4000", "12"]


def test_growth_is_printed_of_what_was_done_at_several_sizes(tmp_path: Path) -> None:
    rows = [benchmark(work("audit", size, block), size * 3.0) for block in range(2) for size in (10, 20)]
    rows += [benchmark(work("training", 10, block), 1.0) for block in range(2)]
    lines = printed(tmp_path, *rows).splitlines()
    assert lines == [
        "audit: time for each of the claims",
        "claims\tover 10 (95 %)",
        "10\t1.00 (1.00 to 1.00)",
        "20\t1.00 (1.00 to 1.00)",
        f"0 records added to {tmp_path / 'ledger'}.",
    ]
