"""Training against a bare loop and torchvision's reference recipe, and where its time goes: ``pytest benchmarks``.

Every way is timed in each block before any is timed again, and ratios to ``remeasure`` are printed at the end: that of
the bare loop is the share of the bare throughput that training reaches, and that of torchvision's recipe is how many
times as long it takes. ``docs/speed.md`` says what is the same and what is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
import torchvision_recipe as reference
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture
from side_by_side import SideBySide, nothing
from torch import nn

from harness.datasets.images import read_image
from harness.datasets.labelled import Item, LabelledImages, Split
from harness.datasets.scenes import SceneSpec, generate
from harness.datasets.segmented import VOID
from harness.engine.examples import Examples, Images
from harness.engine.images import Normalisation, layout
from harness.engine.profile import profiled, training_operations, waiting
from harness.engine.recipe import Augmentation, Training
from harness.engine.streamed import Streamed
from harness.engine.throughput import check_speed, fastest
from harness.engine.train import train
from harness.segmentation.desk import pixel_cross_entropy
from reproductions.drn.models import build_segmenter

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
GPU = DEVICE.type == "cuda"
NETWORK, CLASSES = "DRN-C-26", 11
WIDTH = 1.0 if GPU else 0.25
SIZE, CROP = ((360, 480), 320) if GPU else ((120, 160), 96)
IMAGES, BATCH, EPOCHS = (384, 12, 4) if GPU else (48, 4, 4)
BLOCKS = 5
SEED = 0
TRAINING = Training(
    epochs=EPOCHS,
    batch=BATCH,
    learning_rate=0.01,
    decay="poly",
    augmentation=Augmentation(scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0), crop=(CROP, CROP)),
    precision="bfloat16" if GPU else "float32",
    repeatable=False,
)
STEPS = EPOCHS * (IMAGES // BATCH)
TITLE = f"training {NETWORK} on {DEVICE.type}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images as JPEG, their labels as PNG."""
    place = tmp_path_factory.mktemp("training")
    for number, (image, labels) in enumerate(zip(*pictures(), strict=True)):
        Image.fromarray(image).save(place / f"{number}.jpg", quality=90)
        Image.fromarray(labels).save(place / f"{number}.png")
    return place


@cache
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Scenes uint8 [N, H, W, 3] and labels uint8 [N, H, W], a band of which is void."""
    scenes = generate(IMAGES, SEED, SceneSpec(256)).images
    images = np.stack([np.array(Image.fromarray(scene).resize(SIZE[::-1])) for scene in scenes])
    labels = np.random.default_rng(SEED).integers(0, CLASSES, images.shape[:3], dtype=np.uint8)
    labels[:, : SIZE[0] // 16] = VOID
    return images, labels


def built() -> nn.Module:
    return build_segmenter(NETWORK, num_classes=CLASSES, width=WIDTH)


@cache
def network(name: str) -> nn.Module:
    """A network for each way; torchvision's recipe does not choose an order in memory."""
    torch.manual_seed(SEED)
    order = torch.contiguous_format if name == "torchvision" else layout(DEVICE)
    return built().to(memory_format=order).to(DEVICE)


@cache
def in_memory() -> Images:
    pixels, labels = pictures()
    on_device = (torch.from_numpy(array).to(DEVICE) for array in (pixels, labels))
    return Images(*on_device, Normalisation.of(pixels, DEVICE))


@cache
def from_files(folder: Path) -> Streamed:
    items = tuple(Item(str(n), image, truth) for n, (image, truth) in enumerate(pairs(folder)))
    split = Split("scenes", "train", folder, "", IMAGES, None)
    images = LabelledImages(split, items, tuple(map(str, range(CLASSES))), lambda path: np.asarray(read_image(path)))
    return Streamed(images, in_memory().normalisation)


def pairs(folder: Path) -> list[tuple[Path, Path]]:
    return [(folder / f"{n}.jpg", folder / f"{n}.png") for n in range(IMAGES)]


# Ways to train ----------------------------------------------------------------------------------------------------


def remeasure(name: str, training: Training = TRAINING, examples: Examples | None = None) -> Callable[[], None]:
    """Return the harness's training from the start, saved at the end."""

    def run() -> None:
        with TemporaryDirectory() as scratch:
            path = Path(scratch) / "training.pt"
            train(network(name), examples or in_memory(), pixel_cross_entropy, training, SEED, path, lambda *_: None)

    return run


def bare() -> Callable[[], None]:
    """Return steps on random images that are on the device already, in torch's own settings; nothing is read back."""
    model = network("bare")
    inputs = torch.randn(BATCH, 3, CROP, CROP, device=DEVICE).to(memory_format=layout(DEVICE))
    targets = torch.randint(CLASSES, (BATCH, CROP, CROP), device=DEVICE)

    def run() -> None:
        model.train()
        optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            for _ in range(STEPS):
                optimiser.zero_grad()
                with torch.autocast(DEVICE.type, torch.bfloat16, enabled=GPU):
                    scores = model(inputs)
                torch.autograd.backward(pixel_cross_entropy(scores.float(), targets).value)
                optimiser.step()

    return run


def torchvision(folder: Path) -> Callable[[], None]:
    """Return the reference recipe's training from files."""
    recipe = reference.Recipe(EPOCHS, BATCH, base=min(SIZE), crop=CROP)

    def run() -> None:
        with TemporaryDirectory() as scratch:
            reference.train(network("torchvision"), pairs(folder), recipe, DEVICE, Path(scratch) / "checkpoint.pth")

    return run


TASKS: dict[str, dict[str, Callable[[Path], Callable[[], None]]]] = {
    "in memory": {"remeasure": lambda _: remeasure("memory"), "bare loop": lambda _: bare()},
    "from files": {
        "remeasure": lambda folder: remeasure("files", examples=from_files(folder)),
        "torchvision's recipe": torchvision,
    },
}
SETTINGS: dict[str, dict[str, Callable[[Path], Callable[[], None]]]] = {
    "settings": {
        "remeasure": lambda _: remeasure("memory"),
        "repeatable": lambda _: remeasure("repeatable", replace(TRAINING, repeatable=True)),
        "compiled": lambda _: remeasure("compiled", replace(TRAINING, compiled=True)),
    }
}
"""Only on CUDA: on the CPU nothing but repeatable algorithms is used in any case."""
TIMED = [(task, way) for task, ways in (TASKS | (SETTINGS if GPU else {})).items() for way in ways]


@pytest.mark.parametrize(("task", "way"), TIMED)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_training(
    benchmark: BenchmarkFixture, side_by_side: SideBySide, folder: Path, block: int, task: str, way: str
) -> None:
    run = (TASKS | SETTINGS)[task][way](folder)
    shown = f"{TITLE}, {task}"
    side_by_side.measure(benchmark, shown, way, block, finished(run), 1, STEPS * BATCH, warm_up=int(block == 0))
    check_speed(STEPS * BATCH * operations() // 2, benchmark.stats.stats.min, DEVICE)


@pytest.mark.parametrize("task", ["in memory", "from files"])
def test_where_time_goes(side_by_side: SideBySide, folder: Path, tmp_path: Path, task: str) -> None:
    examples = in_memory() if task == "in memory" else from_files(folder)
    run = remeasure("profiled", replace(TRAINING, epochs=1), examples)
    run()
    profile = profiled(network("profiled"), examples, pixel_cross_entropy, TRAINING, SEED, tmp_path / "training.pt")
    idle = waiting(run, DEVICE)
    shares = ", ".join(f"{phase} {100 * share:.1f} %" for phase, share in profile.shares.items())
    side_by_side.notes.append(f"{TITLE}, {task}: {shares}; {nothing(DEVICE)} in {100 * idle:.1f} %")
    assert sum(profile.shares.values()) == pytest.approx(1)


def test_share_of_peak(side_by_side: SideBySide) -> None:
    limit, timed = fastest(DEVICE), side_by_side.seconds.get(f"{TITLE}, in memory")
    if limit is None or timed is None:
        pytest.skip("the device's peak is not known, or nothing was timed")
    share = operations() / float(np.median(timed["remeasure"])) / limit
    bound = "the device's peak in bfloat16" if GPU else "what no such processor passes (its peak is unknown)"
    side_by_side.notes.append(f"{TITLE}, in memory: the network's operations are {100 * share:.2g} % of {bound}")


def finished(run: Callable[[], None]) -> Callable[[], None]:
    """Return ``run`` with a wait for the device."""

    def waited() -> None:
        run()
        if GPU:
            torch.cuda.synchronize(DEVICE)

    return waited


@cache
def operations() -> int:
    """Return the floating-point operations that the network takes for one image."""
    return training_operations(built(), (3, CROP, CROP))
