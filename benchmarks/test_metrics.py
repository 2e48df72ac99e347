"""Counting pixels by class, and labels from a coarse map: ``pytest benchmarks``.

One image of Cityscapes' size. Labels lie in patches as they do on photographs, nine in ten predicted right: where
neighbours are equal a histogram waits for the counter it has just written, which noise would hide.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture
from side_by_side import SideBySide
from torch import Tensor
from torch.nn import functional as F

from harness.evaluation.counting import confusion_counts
from harness.evaluation.upsampling import argmax_upsampled

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
CLASSES, VOID = 19, 255
SIZE = (1024, 2048)
STRIDE = 8
BLOCKS = 3


@pytest.mark.parametrize("way", ["remeasure", "numpy.bincount", "torchmetrics", "torchmetrics, unchecked"])
@pytest.mark.parametrize("block", range(BLOCKS))
def test_confusion_counts(benchmark: BenchmarkFixture, side_by_side: SideBySide, block: int, way: str) -> None:
    side_by_side.measure(benchmark, f"confusion counts on {DEVICE}", way, block, finished(counting(way)))


@pytest.mark.parametrize("way", ["remeasure", "interpolate, argmax", "channels last"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("block", range(BLOCKS))
def test_upsampled_labels(
    benchmark: BenchmarkFixture, side_by_side: SideBySide, block: int, align_corners: bool, way: str
) -> None:
    coarse = maps(SIZE[0] // STRIDE, SIZE[1] // STRIDE)
    ordered = coarse.contiguous(memory_format=torch.channels_last) if way == "channels last" else coarse

    def run() -> object:
        if way == "remeasure":
            return argmax_upsampled(coarse[0], SIZE, align_corners)
        return F.interpolate(ordered, size=SIZE, mode="bilinear", align_corners=align_corners).argmax(dim=1)

    side_by_side.measure(
        benchmark, f"labels on {DEVICE}, align_corners={align_corners}", way, block, finished(run), rounds=3
    )


def counting(way: str) -> Callable[[], object]:
    """Return the update for one image, its labels in the type that the way expects."""
    truth, predicted = labels()
    if way == "remeasure":
        return lambda: confusion_counts(truth[None], predicted[None], CLASSES, VOID)
    if way == "numpy.bincount":
        true, guessed = truth.cpu().numpy(), predicted.cpu().numpy()
        return lambda: usual_histogram(true, guessed)
    metrics = pytest.importorskip("torchmetrics.classification")
    checked = way == "torchmetrics"
    matrix = metrics.MulticlassConfusionMatrix(CLASSES, ignore_index=VOID, validate_args=checked).to(DEVICE)
    true, guessed = truth.long(), predicted.long()
    return lambda: matrix.update(guessed, true)


def usual_histogram(truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> NDArray[np.int64]:
    """What evaluations of segmentation commonly do, predictions outside the classes unnoticed."""
    inside = (truth >= 0) & (truth < CLASSES)
    cells = np.bincount(CLASSES * truth[inside].astype(int) + predicted[inside], minlength=CLASSES**2)
    return cells.reshape(CLASSES, CLASSES)


def finished(run: Callable[[], object]) -> Callable[[], object]:
    """Return ``run`` with a wait for the device."""

    def waited() -> object:
        result = run()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize(DEVICE)
        return result

    return waited


@cache
def labels() -> tuple[Tensor, Tensor]:
    """Truth with a band of void, and predictions, uint8 [H, W]."""
    patches = argmax_upsampled(maps(*SIZE, seed=1)[0], SIZE, align_corners=False)
    others = argmax_upsampled(maps(*SIZE, seed=2)[0], SIZE, align_corners=False)
    right = torch.rand(SIZE, generator=torch.Generator().manual_seed(3)).to(DEVICE) < 0.9
    truth = patches.clone()
    truth[: SIZE[0] // 16] = VOID
    return truth, torch.where(right, patches, others)


@cache
def maps(height: int, width: int, seed: int = 0) -> Tensor:
    """Draw scores [1, K, h, w] that are smooth over a sixteenth of the height."""
    noise = torch.randn(1, CLASSES, 16, 32, generator=torch.Generator().manual_seed(seed)).to(DEVICE)
    return F.interpolate(noise, size=(height, width), mode="bicubic")
