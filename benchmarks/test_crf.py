"""The fully connected CRF: time of both lattices for an image, and images per second over processes.

As in ``test_throughput.py`` every way is timed in each block before any is timed again. Ratios within the run, and how
far the two lattices agree, are printed at the end. Photographs that lie beside the checkout are used, else scenes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.ndimage import gaussian_filter
from scipy.special import softmax

from harness.crf.mean_field import marginals
from harness.datasets.scenes import SceneSpec, generate
from harness.engine.crf import Backend, CrfParameters, crf_pool, refine, refine_all
from harness.engine.timings import Workload, relative

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
SECONDS: dict[tuple[str, str], list[float]] = {}
"""For each image, by task and system."""


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_one_image(benchmark: BenchmarkFixture, block: int, frame: str, backend: Backend) -> None:
    probabilities, image = sample(*FRAMES[frame])
    run = partial(refine, probabilities, image, PARAMETERS, backend)
    measure(benchmark, f"dense CRF of {frame}", backend, 1, block, run)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_batch(benchmark: BenchmarkFixture, block: int) -> None:
    probabilities, image = sample(*FRAMES[BATCHED])
    energies = -torch.from_numpy(probabilities).clamp(min=1e-5).log().to(DEVICE).expand(BATCH, -1, -1, -1)
    images = torch.from_numpy(image).permute(2, 0, 1).to(DEVICE).expand(BATCH, -1, -1, -1)

    def run() -> None:
        marginals(energies, images, PARAMETERS).flatten()[0].item()

    measure(benchmark, f"dense CRF of {BATCHED}", f"lattice, {BATCH} at a time on {DEVICE}", BATCH, block, run)


@pytest.mark.parametrize("processes", PROCESSES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_pool(benchmark: BenchmarkFixture, block: int, backend: Backend, processes: int) -> None:
    probabilities, images = zip(*[sample(*POOLED)] * POOLED_IMAGES, strict=True)
    task = f"dense CRF of {'x'.join(map(str, POOLED))} by {backend}"
    with crf_pool(processes) as pool:
        run = partial(refine_all, probabilities, images, PARAMETERS, pool=pool, backend=backend)
        measure(benchmark, task, f"{processes} processes", POOLED_IMAGES, block, run)


def measure(
    benchmark: BenchmarkFixture, task: str, system: str, images: int, block: int, run: Callable[[], object]
) -> None:
    benchmark.pedantic(run, rounds=ROUNDS, iterations=1, warmup_rounds=1)
    SECONDS.setdefault((task, system), []).extend(value / images for value in benchmark.stats.stats.data)
    work = Workload(f"{task}, {system}", images, "images", block)
    benchmark.extra_info.update(msgspec.to_builtins(work))


@pytest.fixture(scope="module", autouse=True)
def comparison(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print images per second, ratios to the first system of the same task, and how far the lattices agree."""
    yield
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("", *ratios(), *agreement(), sep="\n")


def ratios() -> Iterator[str]:
    for task in dict.fromkeys(task for task, _ in SECONDS):
        systems = {system: np.array(found) for (each, system), found in SECONDS.items() if each == task}
        baseline = next(iter(systems))
        for system, found in systems.items():
            ratio = relative(systems[baseline], found)
            times = f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f}) times {baseline}"
            yield f"{task}, {system}: {1 / float(np.median(found)):.3g} images/s, {times}"


def agreement() -> Iterator[str]:
    for frame, shape in FRAMES.items() if len(BACKENDS) > 1 else ():
        theirs, own = (refine(*sample(*shape), PARAMETERS, backend) for backend in BACKENDS)
        equal = 100 * (theirs.argmax(axis=0) == own.argmax(axis=0)).mean()
        yield f"{frame}: {equal:.4f} % equal labels, probabilities differ by {np.abs(theirs - own).max():.1e}"


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
