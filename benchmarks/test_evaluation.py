"""Evaluation from image files to counts against the bare forward pass over the same tensors: ``pytest benchmarks``.

Both are timed in each block before either is timed again. The time of the forward pass over that of the evaluation,
printed at the end, is the share of the bare throughput that evaluation reaches; decoding, preprocessing, upsampling,
labels, counts and keeping them are all in the evaluation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture
from side_by_side import SideBySide, nothing
from torch import Tensor, nn

from harness.architecture.cost import multiply_adds
from harness.datasets.images import read_image
from harness.datasets.labelled import Item, LabelledImages, Split
from harness.datasets.scenes import SceneSpec, generate
from harness.engine.images import layout
from harness.engine.profile import waiting
from harness.engine.throughput import check_speed
from harness.engine.timings import Workload
from harness.evaluation.predict import inference
from harness.evaluation.preprocess import crops
from harness.evaluation.protocol import Alignment, Colours, Precision, SegmentationProtocol, Upsampling
from harness.evaluation.rules import summed_log_probabilities
from harness.evaluation.segment import evaluate
from reproductions.drn.models import build_segmenter

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
GPU = DEVICE.type == "cuda"
COLOURS = Colours((0.290101, 0.328081, 0.286964), (0.182954, 0.186566, 0.184475))
NETWORK, CLASSES = "DRN-C-26", 19
SIZE = (1024, 2048) if GPU else (192, 256)
IMAGES, BATCH = (64, 4) if GPU else (16, 4)
BLOCKS = 4
RULES: dict[str, SegmentationProtocol] = {
    "upsampled by the network": summed_log_probabilities(COLOURS),
    "upsampled by the evaluation": SegmentationProtocol(COLOURS, upsampling=Upsampling(Alignment.CENTRES)),
}
WAYS = ("evaluation", "forward pass")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_evaluation(
    benchmark: BenchmarkFixture, side_by_side: SideBySide, folder: Path, block: int, rule: str, way: str
) -> None:
    run = bare(rule) if way == WAYS[1] else whole(rule, folder)
    benchmark.pedantic(run, rounds=1, iterations=1, warmup_rounds=int(block == 0))
    check_speed(IMAGES * work_of(rule), benchmark.stats.stats.min, DEVICE)
    task = titled(rule)
    times = side_by_side.seconds.setdefault(task, {}).setdefault(way, [])
    times.extend(seconds / IMAGES for seconds in benchmark.stats.stats.data)
    work = Workload(f"{task}, {way}", IMAGES, "images", block)
    benchmark.extra_info.update(msgspec.to_builtins(work))


@pytest.mark.parametrize("rule", RULES)
def test_waiting(side_by_side: SideBySide, folder: Path, rule: str) -> None:
    idle = waiting(whole(rule, folder), DEVICE)
    side_by_side.notes.append(f"{titled(rule)}: {nothing(DEVICE)} in {100 * idle:.1f} % of the evaluation")
    assert idle < 1


def titled(rule: str) -> str:
    return f"{SIZE[0]}x{SIZE[1]} on {DEVICE.type}, scores {rule}"


def bare(rule: str) -> Callable[[], None]:
    """Return a pass over the tensors that the evaluation feeds to the network, in the same batches."""
    model, batches = network(rule), tensors()

    def run() -> None:
        with inference(model, DEVICE, Precision.FLOAT32):
            for batch in batches:
                model(batch)
        if GPU:
            torch.cuda.synchronize(DEVICE)

    return run


def whole(rule: str, folder: Path) -> Callable[[], None]:
    """Return an evaluation from the files, its counts kept in an empty folder."""
    images = labelled(folder)

    def run() -> None:
        with TemporaryDirectory(dir=folder) as scratch:
            evaluate(network(rule), images, RULES[rule], DEVICE, batch=BATCH, scratch=Path(scratch))

    return run


class Cells(nn.Module):
    """A segmentation network without its upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.network = build_segmenter(NETWORK, num_classes=CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.network.scores(x)


def built(rule: str) -> nn.Module:
    by_network = RULES[rule].upsampling.alignment is Alignment.NETWORK
    return build_segmenter(NETWORK, num_classes=CLASSES) if by_network else Cells()


@cache
def network(rule: str) -> nn.Module:
    torch.manual_seed(0)
    return built(rule).eval().to(DEVICE).to(memory_format=layout(DEVICE))


@cache
def work_of(rule: str) -> int:
    """Return the multiply-adds of one image."""
    with torch.device("meta"):
        return multiply_adds(built(rule), (3, *SIZE))


@cache
def pixels() -> list[np.ndarray]:
    scenes = generate(IMAGES, 0, SceneSpec(256)).images
    return [np.array(Image.fromarray(scene).resize((SIZE[1], SIZE[0]))) for scene in scenes]


@cache
def tensors() -> list[Tensor]:
    protocol = next(iter(RULES.values()))
    inputs = [crop.pixels for image in pixels() for crop in crops([torch.from_numpy(image).to(DEVICE)], SIZE, protocol)]
    batches = [torch.stack(inputs[start : start + BATCH]) for start in range(0, IMAGES, BATCH)]
    return [batch.contiguous(memory_format=layout(DEVICE)) for batch in batches]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("evaluation")
    random = np.random.default_rng(0)
    for number, image in enumerate(pixels()):
        Image.fromarray(image).save(place / f"{number}.jpg", quality=90)
        Image.fromarray(random.integers(0, CLASSES, SIZE, dtype=np.uint8)).save(place / f"{number}.png")
    return place


@cache
def labelled(folder: Path) -> LabelledImages:
    items = tuple(Item(str(n), folder / f"{n}.jpg", folder / f"{n}.png") for n in range(IMAGES))
    split = Split("scenes", "test", folder, "", IMAGES, None)
    return LabelledImages(split, items, tuple(map(str, range(CLASSES))), lambda path: np.asarray(read_image(path)))
