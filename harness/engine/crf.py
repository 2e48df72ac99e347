"""Refinement of class probabilities by the fully connected CRF, as DeepLab, dilated convolutions and HDC use it.

The energy of DeepLab v2 (Section 3.3, equations 2 and 3): the unary is ``-log P``, and a pair of pixels with different
labels costs

    w1 exp(-|p_i - p_j|^2 / (2 sigma_alpha^2) - |I_i - I_j|^2 / (2 sigma_beta^2))
    + w2 exp(-|p_i - p_j|^2 / (2 sigma_gamma^2))

with positions p in pixels and colours I in 0..255. Inference is by pydensecrf where it is installed, else by
:mod:`harness.crf` on the permutohedral lattice: the same algorithm, marginals equal to about 1e-6, or 1e-4 where two
labels are level, for the mean field magnifies rounding there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from harness.crf.parameters import CrfParameters as CrfParameters
from harness.crf.parameters import Normalisation as Normalisation
from harness.errors import UsageError

Floats = NDArray[np.float32]

LEAST_PROBABILITY = 1e-5
"""Probabilities are raised to this before the logarithm, as ``unary_from_softmax`` of pydensecrf does."""

DEEPLAB_SEARCH: tuple[dict[str, tuple[float, ...]], ...] = (
    {"w1": (3, 4, 5, 6), "sigma_alpha": tuple(range(30, 101, 10)), "sigma_beta": (3, 4, 5, 6)},
    {"w1": (-0.5, 0, 0.5), "sigma_alpha": (-5, 0, 5), "sigma_beta": (-0.5, 0, 0.5)},
)
"""Stages of DeepLab v2's search, Section 4.1.1: values of the first round as printed, 128 points; then offsets around
the best, half the first steps, for the paper prints no steps of the second round."""


class Backend(StrEnum):
    """What computes the marginals."""

    PYDENSECRF = "pydensecrf"
    """The authors' C++ code, wrapped by pydensecrf or pydensecrf2."""
    LATTICE = "lattice"
    """The same algorithm in torch, :mod:`harness.crf`."""
    EXACT = "exact"
    """No approximation of the kernels; small images only."""


def available_backend() -> Backend:
    """Return pydensecrf where it is installed, else the lattice."""
    return Backend.PYDENSECRF if find_spec("pydensecrf") else Backend.LATTICE


def refine(
    probabilities: Floats, image: NDArray[np.uint8], parameters: CrfParameters, backend: Backend | None = None
) -> Floats:
    """Return the marginals of one image's pixels.

    Args:
        probabilities: float32 [K, H, W] in [0, 1], at least two classes; each pixel sums to 1. Padding must have
            been cut off: the CRF knows no void pixels.
        image: uint8 [H, W, 3], RGB, as decoded: neither normalised nor less a mean.
        parameters: Of the energy.
        backend: What computes them; ``None`` takes :func:`available_backend`.

    Returns:
        float32 [K, H, W]; each pixel sums to 1.

    Raises:
        ValueError: Shapes or types disagree, or values are not probabilities.
        UsageError: pydensecrf is asked for but not installed.
    """
    _check(probabilities, image)
    energies = -np.log(np.maximum(probabilities, np.float32(LEAST_PROBABILITY)))
    chosen = available_backend() if backend is None else backend
    if chosen is Backend.PYDENSECRF:
        return _by_pydensecrf(energies, image, parameters)
    return _by_mean_field(energies, image, parameters, exact=chosen is Backend.EXACT)


def refine_all(
    probabilities: Floats | Sequence[Floats],
    images: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
    parameters: CrfParameters,
    *,
    pool: Executor | None = None,
    backend: Backend | None = None,
) -> list[Floats]:
    """Refine many images, whose sizes may differ; the result does not depend on the pool.

    Args:
        probabilities: float32 [K, H, W] of each image.
        images: uint8 [H, W, 3] of each.
        parameters: Of the energy.
        pool: Where the images are refined side by side, such as :func:`crf_pool`; ``None``: one after another.
        backend: As in :func:`refine`.

    Returns:
        float32 [K, H, W] of each image, in order.

    Raises:
        ValueError: As :func:`refine`, or the numbers of images differ.
    """
    if len(probabilities) != len(images):
        raise ValueError(f"{len(probabilities)} maps of probabilities for {len(images)} images")
    work = partial(refine, parameters=parameters, backend=backend)
    return list(map(work, probabilities, images) if pool is None else pool.map(work, probabilities, images))


def crf_pool(workers: int | None = None) -> ProcessPoolExecutor:
    """Return a pool for :func:`refine_all`: processes of one thread, since pydensecrf holds the interpreter's lock.

    Args:
        workers: Processes; ``None`` is one for each processor that this process may use.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ProcessPoolExecutor(workers or usable, mp_context=get_context("spawn"), initializer=_one_thread)


def _one_thread() -> None:
    """Keep torch, which a process imports later, from starting as many threads as there are processors."""
    os.environ["OMP_NUM_THREADS"] = "1"


def _check(probabilities: Floats, image: NDArray[np.uint8]) -> None:
    if probabilities.ndim != 3 or image.shape != (*probabilities.shape[1:], 3) or len(probabilities) < 2:
        shapes = f"{probabilities.shape}, {image.shape}"
        raise ValueError(f"probabilities [K, H, W] of two classes or more and image [H, W, 3] expected, got {shapes}")
    if probabilities.dtype != np.float32 or image.dtype != np.uint8:
        raise ValueError(f"float32 probabilities and a uint8 image expected, got {probabilities.dtype}, {image.dtype}")
    if not np.allclose(probabilities.sum(axis=0), 1, atol=1e-3) or probabilities.min() < 0:
        raise ValueError("probabilities expected: finite, 0 or more, and of sum 1 at each pixel")


def _by_pydensecrf(energies: Floats, image: NDArray[np.uint8], parameters: CrfParameters) -> Floats:
    """[K, H, W] from the same."""
    try:
        from pydensecrf import densecrf
    except ImportError as error:
        raise UsageError(
            f"pydensecrf cannot be imported ({error})",
            "Install pydensecrf2 again, or remove it to use Remeasure's own code in its place.",
        ) from error
    classes, height, width = energies.shape
    scaling = {
        Normalisation.SYMMETRIC: densecrf.NORMALIZE_SYMMETRIC,
        Normalisation.AFTER: densecrf.NORMALIZE_AFTER,
    }[parameters.normalisation]
    crf = densecrf.DenseCRF2D(width, height, classes)
    crf.setUnaryEnergy(np.ascontiguousarray(energies.reshape(classes, -1)))
    crf.addPairwiseGaussian(sxy=parameters.sigma_gamma, compat=parameters.w2, normalization=scaling)
    crf.addPairwiseBilateral(
        sxy=parameters.sigma_alpha,
        srgb=parameters.sigma_beta,
        rgbim=np.require(image, requirements=("C", "W")),
        compat=parameters.w1,
        normalization=scaling,
    )
    return np.array(crf.inference(parameters.iterations), dtype=np.float32).reshape(energies.shape)


def _by_mean_field(energies: Floats, image: NDArray[np.uint8], parameters: CrfParameters, *, exact: bool) -> Floats:
    """[K, H, W] from the same."""
    import torch

    from harness.crf.mean_field import marginals

    pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    found = marginals(torch.from_numpy(energies)[None], pixels[None], parameters, exact=exact)[0]
    refined: Floats = found.contiguous().numpy()
    return refined
