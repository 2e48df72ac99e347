"""Tonight's outcomes against an earlier night's, image by image and seed by seed.

Both nights tested the same networks on the same images, so what varies from image to image falls out, and a loss shows
in the images whose outcome changed: McNemar's test (Psychometrika 12, 1947) on a proportion, the paired bootstrap on an
IoU of pooled counts. Outcomes that are equal bit by bit are no change, however few they are. With several seeds the
spread of their differences counts as well: what changed for the network of one seed is not what changed for the code.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, hypot, log
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.claims.vocabulary import METRICS, Direction
from harness.regression.model import Change, Night
from harness.scoring.scores import Mean, Pooled, Sample, Single, images, score
from harness.statistics.intervals import Estimate, Floats, bootstrap, seeds_and_images, standard_error

SMALLEST_P = 1e-100
"""Below it no probability of images and seeds together is told from another."""

NO_CHANGE = Change(0.0, 0.0, 0.0, 1.0, 1.0)


class IncomparableError(ValueError):
    """Two nights whose outcomes cannot be paired; the message says why."""


class Tails(NamedTuple):
    """How likely a fall, and a rise, as large as the one seen is where nothing changed."""

    fall: float
    rise: float


class Pair(NamedTuple):
    """One seed's outcomes in both nights."""

    before: Sample
    tonight: Sample


def compare(reference: Sequence[Night], tonight: Night, better: Direction) -> Change:
    """Test tonight against the newest night of the reference, on the seeds that both have.

    ================================== ========================================================================
    metric                             one-sided p
    ================================== ========================================================================
    proportion of images, one seed     exact: each changed image is as likely to fall as to rise
    IoU of pooled counts, other means  Student's t of the difference over its standard error over images, N - 1
                                       degrees of freedom; never below ``2 ** -k`` with k changed images
    any of these, several seeds        one minus the level at which the one-sided interval of
                                       :func:`~harness.statistics.intervals.seeds_and_images` ends at zero;
                                       never below the p over images alone
    derived, exact quantity            0 for worse: it has no chance in it, so any difference is a change
    ================================== ========================================================================

    Args:
        reference: Of tonight's segment, the oldest first. Small losses that add up are found where it is the first
            nights of a level, not the last.

    Returns:
        The change in the metric's unit, the mean over seeds, with the 95 % interval over images and seeds.

    Raises:
        IncomparableError: There is no reference, no common seed, the images are not the same, or nothing tells what
            chance alone would do.
    """
    pairs = _pairs(reference, tonight)
    if all(_same(pair) for pair in pairs):
        return NO_CHANGE
    try:
        per_seed = [_value(pair.tonight) - _value(pair.before) for pair in pairs]
        if all(_derived(pair.tonight) for pair in pairs):
            mean = float(np.mean(per_seed))
            return Change(mean, mean, mean, 0.0, 1.0)
        count = images(pairs[0].tonight)
        estimate = seeds_and_images(per_seed, _image_error(pairs, count), count)
    except ValueError as error:
        raise IncomparableError(str(error)) from error
    tails = _tails(pairs, estimate)
    worse, improved = (tails.rise, tails.fall) if better == "lower" else (tails.fall, tails.rise)
    return Change(estimate.value, estimate.low, estimate.high, worse, improved)


def narrowed(sample: Sample, column: int) -> Sample:
    """Return a sample of one metric alone: the one that ``metrics(sample)[column]`` names is the first it gives.

    A class's IoU keeps that class's counts against the rest, int64 [N, 2, 3].
    """
    if not isinstance(sample, Pooled):
        return sample
    counts, means = sample.confusion, tuple(sample.means.values())
    if column == 0:
        return Pooled(counts, {}, sample.averaged)
    if column <= len(means):
        members = np.zeros(counts.shape[1], dtype=np.bool_)
        members[list(means[column - 1])] = True
        return Pooled(counts, {}, members)
    one = tuple(sample.classes)[column - 1 - len(means)]
    hits = counts[:, one, one]
    against = np.zeros((len(counts), 2, 3), dtype=np.int64)
    against[:, 0, 0] = hits
    against[:, 0, 1] = counts[:, one].sum(axis=1) - hits
    against[:, 1, 0] = counts[:, :, one].sum(axis=1) - hits
    return Pooled(against, {}, np.array([True, False]))


def mean_over(night: Night, seeds: Sequence[int]) -> float:
    """Return the mean of a night's metric over some of its seeds."""
    return float(np.mean([_value(night.samples[seed]) for seed in seeds]))


def sign_flips(differences: NDArray[np.int64]) -> Tails:
    """Return the exact tails of a sum of whole numbers [N] whose signs are tossed, each by itself.

    The n differences of size k add up to k (2 B - n) with B binomial; over the sizes these are convolved. With
    differences of -1, 0 and 1 this is McNemar's exact test.
    """
    from scipy.stats import binom

    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    masses: Floats = np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        spread = np.zeros(2 * size * count + 1)
        spread[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
        masses = np.convolve(masses, spread)
    place = len(masses) // 2 + int(differences.sum())
    return Tails(min(1.0, float(masses[: place + 1].sum())), min(1.0, float(masses[place:].sum())))


def _pairs(reference: Sequence[Night], tonight: Night) -> list[Pair]:
    if not reference:
        raise IncomparableError("there is no earlier night")
    before = reference[-1]
    if before.segment != tonight.segment:
        raise IncomparableError(f"the night of {before.started} was measured under other conditions")
    seeds = sorted(before.samples.keys() & tonight.samples.keys())
    if not seeds:
        raise IncomparableError(f"no outcomes of a seed that the night of {before.started} has as well")
    pairs = [Pair(before.samples[seed], tonight.samples[seed]) for seed in seeds]
    for seed, pair in zip(seeds, pairs, strict=True):
        if why := _mismatch(pair):
            raise IncomparableError(f"seed {seed}, against the night of {before.started}: {why}")
    if len({images(pair.tonight) for pair in pairs}) > 1:
        raise IncomparableError("the seeds were tested on different numbers of images")
    return pairs


def _mismatch(pair: Pair) -> str:
    """Return why two samples are not of the same images; empty if they are."""
    if images(pair.before) != images(pair.tonight):
        return f"{images(pair.tonight)} images, {images(pair.before)} before"
    match pair:
        case Mean(repeats=True), _:
            return "timed repeats cannot be paired"
        case (Mean(), Mean()) | (Single(), Single()):
            return ""
        case Pooled() as before, Pooled() as tonight:
            same = np.array_equal(_truth(before), _truth(tonight))
            return "" if same else "the labelled pixels of the images are not the same"
        case _:
            return "outcomes of another kind"


def _truth(sample: Pooled) -> NDArray[np.int64]:
    """Return the labelled pixels of each image and class that the mean is over, int64 [N, J]."""
    classes = slice(None) if sample.averaged is None else sample.averaged
    truth: NDArray[np.int64] = sample.confusion[:, classes].sum(axis=2)
    return truth


def _outcomes(sample: Sample) -> NDArray[Any]:
    """Return what there is of each image, [N, ...]; of a single figure the figure."""
    match sample:
        case Mean(values=values):
            return values
        case Pooled(confusion=confusion):
            return confusion
        case Single(value=value):
            return np.array([value])


def _same(pair: Pair) -> bool:
    return np.array_equal(_outcomes(pair.before), _outcomes(pair.tonight))


def _derived(sample: Sample) -> bool:
    """Whether a figure is an exact quantity, with nothing of chance in it."""
    if not isinstance(sample, Single):
        return False
    definition = METRICS.get(sample.metric.name)
    return definition is None or not definition.quantity.measured


def _value(sample: Sample) -> float:
    return float(score(sample)[0, 0])


def _image_error(pairs: Sequence[Pair], count: int) -> float:
    """Return the standard error over images of the mean difference over seeds; 0.0 for single figures.

    Raises:
        ValueError: A single figure of a single seed, or a resample without a score.
    """
    if count == 0:
        if len(pairs) == 1:
            raise ValueError("a single figure of a single seed: nothing tells what chance alone would do")
        return 0.0
    if isinstance(pairs[0].tonight, Mean):
        changes = np.mean([_changes(pair) for pair in pairs], axis=0)
        return float(changes.std(ddof=1) / np.sqrt(count))

    def difference(weights: Floats) -> Floats:
        columns = [score(pair.tonight, weights)[:, 0] - score(pair.before, weights)[:, 0] for pair in pairs]
        mean: Floats = np.mean(columns, axis=0)
        return mean

    return standard_error(bootstrap(difference, count), count)


def _changes(pair: Pair) -> Floats:
    """Return how much more each image gives to a mean tonight, float64 [N]."""
    before, tonight = pair
    assert isinstance(before, Mean)
    assert isinstance(tonight, Mean)
    changes: Floats = tonight.scale * tonight.values - before.scale * before.values
    return changes


def _tails(pairs: Sequence[Pair], estimate: Estimate) -> Tails:
    over_images = _over_images(pairs)
    if estimate.seeds == 1 and _proportion(pairs[0]):
        return over_images
    toward = _end_at_zero(estimate)
    overall = Tails(toward, 1 - toward) if estimate.value < 0 else Tails(1 - toward, toward)
    return Tails(max(overall.fall, over_images.fall), max(overall.rise, over_images.rise))


def _over_images(pairs: Sequence[Pair]) -> Tails:
    """Return the tails of tossing each image's signs, or, of what is no proportion, the least that k of them allow.

    Single figures are tossed by seed.
    """
    if all(_proportion(pair) for pair in pairs):
        flips = [np.rint(_outcomes(pair.tonight) - _outcomes(pair.before)) for pair in pairs]
        return sign_flips(np.sum(flips, axis=0).astype(np.int64))
    if images(pairs[0].tonight):
        changed = int(np.any([_changed(pair) for pair in pairs], axis=0).sum())
    else:
        changed = sum(not _same(pair) for pair in pairs)
    return Tails(0.5**changed, 0.5**changed)


def _proportion(pair: Pair) -> bool:
    return all(isinstance(sample, Mean) and sample.proportion for sample in pair)


def _changed(pair: Pair) -> NDArray[np.bool_]:
    """Return which images have other outcomes than before, bool [N]."""
    before, tonight = _outcomes(pair.before), _outcomes(pair.tonight)
    changed: NDArray[np.bool_] = (before != tonight).reshape(len(tonight), -1).any(axis=1)
    return changed


def _end_at_zero(estimate: Estimate) -> float:
    """Return the p, at most 0.5, whose one-sided interval over seeds and images ends at zero."""
    from scipy.optimize import brentq
    from scipy.special import stdtr, stdtrit

    errors = ((estimate.images - 1, estimate.sample_error), (estimate.seeds - 1, estimate.seed_error or 0.0))
    parts = [(freedom, error) for freedom, error in errors if error > 0]
    size = abs(estimate.value)
    if len(parts) < 2:
        return float(stdtr(parts[0][0], -size / parts[0][1])) if parts else 0.0

    def beyond_zero(log_p: float) -> float:
        return hypot(*(float(stdtrit(freedom, exp(log_p))) * error for freedom, error in parts)) - size

    lowest = log(SMALLEST_P)
    return SMALLEST_P if beyond_zero(lowest) < 0 else exp(float(brentq(beyond_zero, lowest, log(0.5))))
