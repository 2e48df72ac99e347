"""The fully connected CRF: the backends against sums over all pairs and against each other, and the search."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Mapping
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from harness.crf.kernels import MOST_EXACT_PIXELS
from harness.engine.crf import (
    DEEPLAB_SEARCH,
    Backend,
    CrfParameters,
    Normalisation,
    available_backend,
    crf_pool,
    refine,
    refine_all,
)
from harness.engine.grid_search import search
from harness.errors import UsageError

Floats = NDArray[np.float32]
PARAMETERS = CrfParameters(w1=4, sigma_alpha=20, sigma_beta=20)
INSTALLED = [Backend.LATTICE, *([Backend.PYDENSECRF] if find_spec("pydensecrf") else [])]


def blobs(seed: int, classes: int = 4, height: int = 24, width: int = 32) -> tuple[Floats, NDArray[np.uint8]]:
    """Probabilities that are unsure near the borders of smooth regions, and an image coloured by region."""
    stream = np.random.default_rng(seed)
    fields = gaussian_filter(stream.normal(size=(classes, height, width)), (0, 4, 4))
    colours = stream.integers(30, 226, (classes, 3))
    image = colours[fields.argmax(axis=0)] + stream.normal(0, 5, (height, width, 3))
    scores = gaussian_filter(fields + stream.normal(0, 0.1, fields.shape), (0, 1, 1)) * 30
    probabilities = np.exp(scores - scores.max(axis=0))
    probabilities /= probabilities.sum(axis=0)
    return probabilities.astype(np.float32), image.clip(0, 255).astype(np.uint8)


def by_loops(probabilities: Floats, image: NDArray[np.uint8], parameters: CrfParameters) -> NDArray[np.float64]:
    """Algorithm 1 of the paper pixel by pixel, with symmetric normalisation."""
    classes, height, width = probabilities.shape
    pixels = list(itertools.product(range(height), range(width)))
    kernels = []
    for weight, position, colour in (
        (parameters.w1, parameters.sigma_alpha, parameters.sigma_beta),
        (parameters.w2, parameters.sigma_gamma, math.inf),
    ):
        raw = np.zeros((len(pixels), len(pixels)))
        for i, p in enumerate(pixels):
            for j, q in enumerate(pixels):
                difference = image[p].astype(float) - image[q].astype(float)
                distance = math.dist(p, q) ** 2 / position**2 + (difference**2).sum() / colour**2
                raw[i, j] = math.exp(-distance / 2)
        kernels.append(weight * raw / np.sqrt(raw.sum(axis=0)[:, None] * raw.sum(axis=1)[None, :]))
    unary = -np.log(probabilities.reshape(classes, -1).astype(float))
    marginals = np.exp(-unary) / np.exp(-unary).sum(axis=0)
    for _ in range(parameters.iterations):
        updated = np.empty_like(marginals)
        for i in range(len(pixels)):
            for label in range(classes):
                others = [other for other in range(classes) if other != label]
                cost = sum(kernel[i] @ marginals[other] for kernel in kernels for other in others)
                updated[label, i] = math.exp(-unary[label, i] - cost)
        marginals = updated / updated.sum(axis=0)
    return marginals.reshape(probabilities.shape)


@pytest.mark.parametrize("iterations", [1, 3])
def test_exact_backend_is_the_paper_s_algorithm(iterations: int) -> None:
    """The loops charge for other labels, the code credits the same label: they differ by a constant of each pixel."""
    probabilities, image = blobs(0, classes=3, height=5, width=6)
    parameters = CrfParameters(w1=2, sigma_alpha=4, sigma_beta=30, w2=1, sigma_gamma=2, iterations=iterations)
    expected = by_loops(probabilities, image, parameters)
    np.testing.assert_allclose(refine(probabilities, image, parameters, Backend.EXACT), expected, atol=1e-5)


@pytest.mark.parametrize("backend", INSTALLED)
@pytest.mark.parametrize("seed", range(3))
def test_lattice_labels_are_those_of_exact_kernels(backend: Backend, seed: int) -> None:
    """The lattice stretches and cuts the Gaussian: single pixels at borders may flip, and marginals there move."""
    probabilities, image = blobs(seed)
    exact = refine(probabilities, image, PARAMETERS, Backend.EXACT)
    approximate = refine(probabilities, image, PARAMETERS, backend)
    assert (exact.argmax(axis=0) == approximate.argmax(axis=0)).mean() >= 0.98
    assert np.abs(exact - approximate).mean() < 0.01
    changed = exact.argmax(axis=0) != probabilities.argmax(axis=0)
    assert changed.mean() > 0.005


@pytest.mark.parametrize("normalisation", Normalisation)
@pytest.mark.parametrize("seed", range(3))
def test_own_lattice_gives_what_pydensecrf_gives(normalisation: Normalisation, seed: int) -> None:
    """The same algorithm in the same precision; mean field magnifies rounding where two labels are level."""
    pytest.importorskip("pydensecrf")
    probabilities, image = blobs(seed, classes=5, height=31, width=43)
    for parameters in (
        CrfParameters(4, 49, 5, normalisation=normalisation),
        CrfParameters(3, 15, 3, sigma_gamma=1, normalisation=normalisation),
    ):
        own = refine(probabilities, image, parameters, Backend.LATTICE)
        theirs = refine(probabilities, image, parameters, Backend.PYDENSECRF)
        assert (own.argmax(axis=0) == theirs.argmax(axis=0)).mean() >= 0.999
        assert np.abs(own - theirs).max() < 1e-3
        assert np.abs(own - theirs).mean() < 1e-5


def test_normalisations_differ() -> None:
    probabilities, image = blobs(1)
    after = CrfParameters(4, 20, 20, normalisation=Normalisation.AFTER)
    symmetric, other = (refine(probabilities, image, choice) for choice in (PARAMETERS, after))
    assert np.abs(symmetric - other).max() > 1e-3


@pytest.mark.parametrize("backend", [*INSTALLED, Backend.EXACT])
def test_marginals_are_probabilities_and_no_edge_weight_changes_nothing(backend: Backend) -> None:
    probabilities, image = blobs(2)
    refined = refine(probabilities, image, PARAMETERS, backend)
    assert refined.shape == probabilities.shape
    assert refined.dtype == np.float32
    np.testing.assert_allclose(refined.sum(axis=0), 1, atol=1e-5)
    silent = CrfParameters(w1=0, sigma_alpha=20, sigma_beta=20, w2=0)
    np.testing.assert_allclose(refine(probabilities, image, silent, backend), probabilities, atol=1e-4)


@pytest.mark.parametrize("backend", [*INSTALLED, Backend.EXACT])
def test_mirrored_image_has_mirrored_marginals(backend: Backend) -> None:
    """Nearly, as the lattice does not mirror."""
    probabilities, image = blobs(3)
    straight = refine(probabilities, image, PARAMETERS, backend)
    mirrored = refine(probabilities[..., ::-1], image[:, ::-1], PARAMETERS, backend)[..., ::-1]
    assert (straight.argmax(axis=0) == mirrored.argmax(axis=0)).mean() >= 0.98


def test_appearance_kernel_moves_a_blurred_border_to_the_image_s_edge() -> None:
    """Truth: two halves; probabilities: a border two pixels off and a speck, both mended by colour."""
    image = np.full((20, 24, 3), 40, dtype=np.uint8)
    image[:, 12:] = 200
    truth = np.repeat(np.arange(24)[None] >= 12, 20, axis=0).astype(int)
    guess = np.repeat(np.arange(24)[None] >= 10, 20, axis=0).astype(int)
    guess[5, 4] = 1
    right = np.where(guess == 1, 0.6, 0.4)
    probabilities = np.stack([1 - right, right]).astype(np.float32)
    refined = refine(probabilities, image, CrfParameters(w1=5, sigma_alpha=10, sigma_beta=10))
    assert (guess != truth).any()
    assert (refined.argmax(axis=0) == truth).all()


@pytest.mark.parametrize("backend", INSTALLED)
def test_pool_gives_the_same_as_one_process(backend: Backend) -> None:
    samples = [blobs(seed, height=12 + seed, width=16) for seed in range(3)]
    probabilities, images = [sample[0] for sample in samples], [sample[1] for sample in samples]
    alone = refine_all(probabilities, images, PARAMETERS, backend=backend)
    with crf_pool(2) as pool:
        together = refine_all(probabilities, images, PARAMETERS, pool=pool, backend=backend)
    assert all((one == other).all() for one, other in zip(alone, together, strict=True))
    with pytest.raises(ValueError, match="3 maps of probabilities for 2 images"):
        refine_all(probabilities, images[:2], PARAMETERS)


@pytest.mark.parametrize("backend", [*INSTALLED, Backend.EXACT])
def test_memory_mapped_arrays_and_views_are_accepted(backend: Backend) -> None:
    probabilities, image = blobs(4)
    expected = refine(probabilities, image, PARAMETERS, backend)
    for array in (probabilities, image):
        array.flags.writeable = False
    assert (refine(probabilities, image, PARAMETERS, backend) == expected).all()
    inner = refine(probabilities[:, 2:-2, 3:-3], image[2:-2, 3:-3], PARAMETERS, backend)
    copied = refine(probabilities[:, 2:-2, 3:-3].copy(), image[2:-2, 3:-3].copy(), PARAMETERS, backend)
    assert (inner == copied).all()


def test_backend_is_the_authors_where_installed() -> None:
    expected = Backend.PYDENSECRF if find_spec("pydensecrf") else Backend.LATTICE
    assert available_backend() is expected
    probabilities, image = blobs(0)
    assert (refine(probabilities, image, PARAMETERS) == refine(probabilities, image, PARAMETERS, expected)).all()


def test_missing_pydensecrf_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    with pytest.raises(UsageError, match="pydensecrf cannot be imported"):
        refine(*blobs(0), PARAMETERS, Backend.PYDENSECRF)


def test_bad_input_is_refused() -> None:
    probabilities, image = blobs(0)
    poisoned = probabilities.copy()
    poisoned[0, 0, 0] = np.nan
    for wrong in (poisoned, probabilities * 2, np.log(probabilities)):
        with pytest.raises(ValueError, match="probabilities expected"):
            refine(wrong, image, PARAMETERS)
    for pixels in (image[1:], image[..., 0]):
        with pytest.raises(ValueError, match="image \\[H, W, 3\\]"):
            refine(probabilities, pixels, PARAMETERS)
    with pytest.raises(ValueError, match="uint8 image"):
        refine(probabilities, image.astype(np.float32), PARAMETERS)
    with pytest.raises(ValueError, match="two classes"):
        refine(np.ones_like(probabilities[:1]), image, PARAMETERS)


@pytest.mark.parametrize(
    "wrong", [{"w1": -1}, {"w1": math.nan}, {"sigma_beta": 0}, {"sigma_alpha": math.inf}, {"iterations": 0}]
)
def test_impossible_parameters_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="a CRF needs"):
        CrfParameters(**({"w1": 4, "sigma_alpha": 20, "sigma_beta": 20} | wrong))


def test_large_image_is_no_exact_kernel() -> None:
    with pytest.raises(ValueError, match="exact kernel"):
        refine(*blobs(0, height=MOST_EXACT_PIXELS // 64 + 1, width=64), PARAMETERS, Backend.EXACT)


@given(
    optimum=st.tuples(st.floats(3, 6), st.floats(30, 100), st.floats(3, 6)),
    curvature=st.tuples(*[st.floats(0.5, 2)] * 3),
)
def test_search_finds_the_grid_s_best_point_of_a_separable_score(
    optimum: tuple[float, ...], curvature: tuple[float, ...]
) -> None:
    """A concave separable score: after both stages each parameter is within half a fine step of its optimum."""
    names = ("w1", "sigma_alpha", "sigma_beta")

    def score(point: Mapping[str, float]) -> float:
        return -sum(curve * (point[name] - at) ** 2 for name, at, curve in zip(names, optimum, curvature, strict=True))

    outcome = search(score, DEEPLAB_SEARCH)
    for name, at, half in zip(names, optimum, (0.25, 2.5, 0.25), strict=True):
        assert abs(outcome.best.point[name] - at) <= half + 1e-9
    assert outcome.best.score == max(trial.score for trial in outcome.trials)
    assert len(outcome.trials) == 4 * 8 * 4 + 26


def test_search_scores_each_point_once_and_prefers_the_first_of_equals() -> None:
    seen: list[tuple[float, ...]] = []

    def score(point: Mapping[str, float]) -> float:
        seen.append(tuple(point.values()))
        return 0.0

    outcome = search(score, [{"a": (1, 2), "b": (5,)}, {"a": (-1, 0, 1)}])
    assert outcome.best.point == {"a": 1, "b": 5}
    assert seen == [(1, 5), (2, 5), (0, 5)]
    assert outcome.at_edge({"a": (1, 2), "b": (5,)}) == ("a",)


def test_search_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="not a number"):
        search(lambda _: math.nan, [{"a": (1,)}])
    with pytest.raises(ValueError, match="needs a stage"):
        search(lambda _: 0, [])
    with pytest.raises(ValueError, match="at least one value"):
        search(lambda _: 0, [{"a": ()}])
    with pytest.raises(ValueError, match="b: not a parameter"):
        search(lambda _: 0, [{"a": (1,)}, {"b": (1,)}])
