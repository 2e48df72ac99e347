"""Confidence intervals from raw outcomes: over images by the bootstrap, over seeds by Student's t, and over both.

A score measured on N images with networks of S seeds varies because other images could have been drawn and because
training is random. :func:`bootstrap` resamples images with the same draw for every system and seed, so that a
difference keeps its pairing; :func:`seeds_and_images` adds the spread over seeds.

Nothing here returns NaN: a number that is not finite raises ValueError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
RESAMPLES = 2000
BLOCK = 4_000_000
"""Weights held at a time: 32 MB."""

Floats = NDArray[np.float64]
Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval and what the interval holds.

    Attributes:
        value, low, high: In the unit of the input.
        seeds: Seeds behind it; 0 where none are involved.
        seed_error: Standard error from the spread over seeds; None with fewer than two, when none can be had.
        sample_error: Standard error from the sampling of images (or timed repeats); 0.0 without any.
        images: Images (or repeats) behind each seed; 0 without any.
    """

    value: float
    low: float
    high: float
    seeds: int
    seed_error: float | None
    sample_error: float
    images: int

    def __post_init__(self) -> None:
        finite("estimate", (self.value, self.low, self.high, self.seed_error or 0.0, self.sample_error))
        if self.low > self.high:
            raise ValueError(f"the interval [{self.low}, {self.high}] is turned inside out")

    @property
    def has_spread(self) -> bool:
        """Whether anything varied; if not, the interval has no width and says nothing."""
        return bool(self.seed_error) or self.sample_error > 0

    def scaled(self, factor: float) -> Estimate:
        """Return the estimate in another unit; the factor is above 0."""
        seed_error = None if self.seed_error is None else self.seed_error * factor
        return Estimate(
            self.value * factor,
            self.low * factor,
            self.high * factor,
            self.seeds,
            seed_error,
            self.sample_error * factor,
            self.images,
        )


def finite(name: str, values: ArrayLike) -> Floats:
    """Return the values as float64.

    Raises:
        ValueError: A value is NaN or infinite, or there is none.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0 or not np.isfinite(array).all():
        bad = "no value" if array.size == 0 else f"{int((~np.isfinite(array)).sum())} of {array.size} values not finite"
        raise ValueError(f"{name}: {bad}")
    return array


def bootstrap(
    statistic: Callable[[Floats], Floats], images: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> Floats:
    """Draw resamples of the images and return the statistic of each (Efron 1979).

    A resample is how often each image was drawn, multinomial with N trials; a statistic of sums over images is then a
    matrix product. The draws depend on ``images`` and ``seed`` alone: two calls give paired resamples.

    Args:
        statistic: float64 weights [b, N] to values [b, ...].
        images: N, at least 2.

    Returns:
        float64 [resamples, ...].

    Raises:
        ValueError: Fewer than two images, or a value that is not finite.
    """
    if images < 2:
        raise ValueError(f"the bootstrap needs at least 2 images, got {images}")
    rng = np.random.default_rng(seed)
    rows = max(1, BLOCK // images)
    blocks = [
        statistic(_multinomial_weights(rng, min(rows, resamples - start), images))
        for start in range(0, resamples, rows)
    ]
    return finite("bootstrap", np.concatenate(blocks))


def jackknife(statistic: Callable[[Floats], Floats], images: int) -> Floats:
    """Return the statistic with each image left out in turn, float64 [N, ...]; arguments as :func:`bootstrap`."""
    if images < 2:
        raise ValueError(f"the jackknife needs at least 2 images, got {images}")
    rows = max(1, BLOCK // images)
    blocks = []
    for start in range(0, images, rows):
        left_out = np.arange(start, min(start + rows, images))
        weights = np.ones((len(left_out), images))
        weights[np.arange(len(left_out)), left_out] = 0.0
        blocks.append(statistic(weights))
    return finite("jackknife", np.concatenate(blocks))


def standard_error(resampled: Floats, images: int) -> float:
    """Return the bootstrap's standard error.

    The factor sqrt(N / (N - 1)) makes it the usual standard error where the statistic is a mean.
    """
    return float(finite("resamples", resampled).std(ddof=1) * np.sqrt(images / (images - 1)))


def percentile(resampled: Floats, level: float = LEVEL) -> Bounds:
    """Return the percentile interval of bootstrap resamples [B] (Efron and Tibshirani 1993)."""
    tail = (1 - level) / 2
    low, high = np.quantile(finite("resamples", resampled), (tail, 1 - tail))
    return float(low), float(high)


def bca(value: float, resampled: Floats, left_out: Floats, level: float = LEVEL) -> Bounds:
    """Return the bias-corrected and accelerated bootstrap interval (Efron 1987, JASA 82, 171-185).

    With z0 the normal quantile of the share of resamples below the value, and the acceleration
    a = sum d^3 / (6 (sum d^2)^1.5) of the jackknife's deviations d, the interval runs between the quantiles
    Phi(z0 + (z0 + z) / (1 - a (z0 + z))) for z at both tails. The share is kept half a resample from 0 and 1.

    Args:
        value: The statistic of the original sample.
        resampled: float64 [B].
        left_out: float64 [N], from :func:`jackknife`.

    Raises:
        ValueError: A number that is not finite, or a level too high for so skewed a statistic.
    """
    from scipy.special import ndtr, ndtri

    finite("estimate", value)
    samples, deviations = finite("resamples", resampled), finite("jackknife", left_out).mean() - left_out
    squares = float((deviations**2).sum())
    acceleration = float((deviations**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0
    below = float((samples < value).mean() + (samples <= value).mean()) / 2
    margin = 0.5 / len(samples)
    bias = ndtri(min(max(below, margin), 1 - margin))
    shifted = bias + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    stretch = 1 - acceleration * shifted
    if (stretch <= 0).any():
        raise ValueError(f"no BCa interval at level {level}: acceleration {acceleration:.3g}, bias {bias:.3g}")
    low, high = np.quantile(samples, ndtr(bias + shifted / stretch))
    return float(low), float(high)


def student(values: Sequence[float] | Floats, level: float = LEVEL) -> Estimate:
    """Return the mean over seeds with Student's t interval; with one seed, an interval without width."""
    return seeds_and_images(values, 0.0, 0, level)


def seeds_and_images(
    per_seed: Sequence[float] | Floats, sample_error: float, images: int, level: float = LEVEL
) -> Estimate:
    """Return the mean over seeds with an interval for other seeds and other images.

    The variance of the mean is s^2/S + e^2: s is the standard deviation over the S seeds on the same images, e the
    standard error over images of the mean over seeds. What seeds and images do together is in both terms, so the sum
    errs on the wide side.

    The half-widths of the two parts add in quadrature (Howe 1974, JASA 69, 789-794):

        h^2 = t(S-1)^2 s^2/S + t(N-1)^2 e^2

    In simulations that covers at least the nominal level for every S and every share of the two parts. Student's t
    with Welch-Satterthwaite degrees of freedom for the same variance is narrower: at a nominal 95 % it covers as
    little as 89 % with two seeds and 92 % with three.

    Args:
        per_seed: S scores, one a seed, all on the same images.
        sample_error: e; 0.0 where no images are involved.
        images: N, the images behind ``sample_error``.

    Raises:
        ValueError: No seed, a number that is not finite, or a sample error without at least two images.
    """
    from scipy.special import stdtrit

    scores = finite("scores", per_seed)
    error = float(finite("sample error", sample_error))
    if error < 0 or (error > 0 and images < 2):
        raise ValueError(f"a sample error of {error} over {images} images")
    count = len(scores)
    quantile = (1 + level) / 2
    half_squared = (stdtrit(images - 1, quantile) * error) ** 2 if error > 0 else 0.0
    seed_error = None
    if count > 1:
        seed_error = float(scores.std(ddof=1) / np.sqrt(count))
        half_squared += (stdtrit(count - 1, quantile) * seed_error) ** 2
    half = float(np.sqrt(half_squared))
    value = float(scores.mean())
    return Estimate(value, value - half, value + half, count, seed_error, error, images)


def paired_difference(
    left: Sequence[float] | Floats,
    right: Sequence[float] | Floats,
    resampled: Floats,
    images: int,
    level: float = LEVEL,
) -> Estimate:
    """Return the mean seed-paired difference ``left - right``; see :func:`seeds_and_images`.

    Args:
        left, right: S scores of the two systems, in the same order of seeds.
        resampled: float64 [B], the mean difference over seeds on each resample of the images, the same images for both.
        images: N.

    Raises:
        ValueError: Different numbers of seeds, or a number that is not finite.
    """
    first, second = finite("left", left), finite("right", right)
    if first.shape != second.shape:
        raise ValueError(f"{first.size} seeds cannot be paired with {second.size}")
    return seeds_and_images(first - second, standard_error(resampled, images), images, level)


def _multinomial_weights(rng: np.random.Generator, resamples: int, images: int) -> Floats:
    """Count how often each of N images is drawn in N draws, float64 [resamples, N]."""
    drawn = rng.integers(0, images, size=(resamples, images))
    drawn += np.arange(resamples)[:, None] * images
    counts = np.bincount(drawn.ravel(), minlength=resamples * images)
    return counts.reshape(resamples, images).astype(np.float64)
