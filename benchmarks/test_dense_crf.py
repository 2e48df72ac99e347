"""The fully connected CRF: time of both lattices for an image, how far they agree, and time over processes.

Every way is timed in each block before any is timed again. A photograph that lies beside the checkout is used, else a
scene.
"""

from __future__ import annotations

from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.ndimage import gaussian_filter
from scipy.special import softmax
from side_by_side import SideBySide

from harness.crf.mean_field import marginals
from harness.datasets.scenes import SceneSpec, generate
from harness.engine.crf import Backend, CrfParameters, crf_pool, refine, refine_all

Floats = NDArray[np.float32]
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
PARAMETERS = CrfParameters(4, 49, 5)
"""Of DeepLab's released scripts."""
FRAMES = {"128x128x8": (128, 128, 8), "375x500x21": (375, 500, 21)}
BATCHED = "128x128x8"
BACKENDS = [*([Backend.PYDENSECRF] if find_spec("pydensecrf") else []), Backend.LATTICE]
PROCESSES = (1, 2)
BLOCKS = 3
ROUNDS = 1
BATCH = 8
POOLED = (240, 320, 21)
POOLED_IMAGES = 8
PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "shared" / "data" / "VOC2012-fullsize" / "JPEGImages"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_one_image(
    benchmark: BenchmarkFixture, side_by_side: SideBySide, block: int, frame: str, backend: Backend
) -> None:
    probabilities, image = sample(*FRAMES[frame])
    run = partial(refine, probabilities, image, PARAMETERS, backend)
    side_by_side.measure(benchmark, f"dense CRF of {frame}", backend, block, run, ROUNDS)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_batch(benchmark: BenchmarkFixture, side_by_side: SideBySide, block: int) -> None:
    probabilities, image = sample(*FRAMES[BATCHED])
    energies = -torch.from_numpy(probabilities).clamp(min=1e-5).log().to(DEVICE).expand(BATCH, -1, -1, -1)
    images = torch.from_numpy(image).permute(2, 0, 1).to(DEVICE).expand(BATCH, -1, -1, -1)

    def run() -> None:
        marginals(energies, images, PARAMETERS).flatten()[0].item()

    way = f"lattice, {BATCH} at a time on {DEVICE}"
    side_by_side.measure(benchmark, f"dense CRF of {BATCHED}", way, block, run, ROUNDS, BATCH)


@pytest.mark.parametrize("processes", PROCESSES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_pool(
    benchmark: BenchmarkFixture, side_by_side: SideBySide, block: int, backend: Backend, processes: int
) -> None:
    probabilities, images = zip(*[sample(*POOLED)] * POOLED_IMAGES, strict=True)
    task = f"dense CRF of {'x'.join(map(str, POOLED))} by {backend}"
    with crf_pool(processes) as pool:
        run = partial(refine_all, probabilities, images, PARAMETERS, pool=pool, backend=backend)
        side_by_side.measure(benchmark, task, f"processes: {processes}", block, run, ROUNDS, POOLED_IMAGES)


@pytest.mark.skipif(len(BACKENDS) == 1, reason="pydensecrf is not installed")
@pytest.mark.parametrize("frame", FRAMES)
def test_agreement(side_by_side: SideBySide, frame: str) -> None:
    theirs, own = (refine(*sample(*FRAMES[frame]), PARAMETERS, backend) for backend in BACKENDS)
    equal = (theirs.argmax(axis=0) == own.argmax(axis=0)).mean()
    apart = np.abs(theirs - own).max()
    side_by_side.notes.append(f"{frame}: {100 * equal:.4f} % equal labels, probabilities differ by {apart:.1e}")
    assert equal > 0.999


@cache
def sample(height: int, width: int, classes: int) -> tuple[Floats, NDArray[np.uint8]]:
    """Draw probabilities [K, H, W] that are smooth over some ten pixels, for a picture [H, W, 3]."""
    found = sorted(PHOTOGRAPHS.glob("*.jpg"))
    picture = (
        Image.open(found[0]).convert("RGB") if found else Image.fromarray(generate(1, 0, SceneSpec(512)).images[0])
    )
    noise = np.random.default_rng(0).normal(size=(classes, height, width))
    probabilities: Floats = softmax(50 * gaussian_filter(noise, (0, 5, 5)), axis=0).astype(np.float32)
    return probabilities, np.array(picture.resize((width, height)))
