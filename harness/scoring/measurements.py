"""From a cohort's scores to measurements: one estimate with its interval for each system and metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from math import hypot

import numpy as np

from harness.claims.model import Claim
from harness.scoring.cohort import Cohort, Score, Seed
from harness.scoring.model import Measurement
from harness.scoring.reach import conversion
from harness.scoring.scores import Mean, Metric, Pooled, images, score
from harness.statistics.evidence import Evidence
from harness.statistics.intervals import (
    Estimate,
    Floats,
    bca,
    jackknife,
    percentile,
    seeds_and_images,
    standard_error,
)
from harness.statistics.proportions import critical, wilson


def measurements(cohort: Cohort) -> tuple[Measurement, ...]:
    """Return what a cohort measured, ordered by metric and, within it, by the experiment's order of systems."""
    order = {system: place for place, system in enumerate(cohort.experiment.measured())}
    names = list(dict.fromkeys(metric for _, metric in cohort.scores))
    keys = sorted(cohort.scores, key=lambda key: (names.index(key[1]), order.get(key[0], len(order)), key[0]))
    return tuple(_measurement(cohort, system, metric) for system, metric in keys)


def _measurement(cohort: Cohort, system: str, metric: Metric) -> Measurement:
    by_seed = cohort.scores[system, metric]
    data = cohort.any_record.data
    seeds, per_seed = tuple(by_seed), tuple(one.value for one in by_seed.values())
    if cohort.evidence is Evidence.EXACT:
        by_seed, seeds, per_seed = dict([next(iter(by_seed.items()))]), (), ()
    estimate = estimated(by_seed, metric)
    return Measurement(
        experiment=cohort.experiment.key,
        evidence=cohort.evidence,
        system=system,
        metric=metric.name,
        unit=metric.unit,
        estimate=estimate.value,
        low=estimate.low,
        high=estimate.high,
        seeds=seeds,
        per_seed=per_seed,
        n=estimate.images,
        records=tuple(one.digest for one in by_seed.values()),
        data=data.name if data is not None else "",
        label=metric.label,
    )


def estimated(by_seed: Mapping[Seed, Score], metric: Metric) -> Estimate:
    """Estimate a metric over seeds with its 95 % interval.

    Several seeds: :func:`~harness.statistics.intervals.seeds_and_images`. One seed has no spread over seeds: Wilson's
    interval for a proportion, BCa for an IoU, the percentile interval for other means.
    """
    scores = list(by_seed.values())
    if len(scores) == 1 and scores[0].resampled is not None:
        return _from_one_seed(scores[0], scores[0].resampled)
    count = min(images(one.sample) for one in scores)
    drawn = [one.resampled for one in scores if one.resampled is not None]
    error = standard_error(np.mean(drawn, axis=0), count) if drawn else 0.0
    first = scores[0].sample
    if isinstance(first, Mean) and first.proportion:
        error = hypot(error, first.scale * _resolution(count))
    estimate = seeds_and_images([one.value for one in scores], error, count)
    if metric.unit != "%":
        return estimate
    return replace(estimate, low=max(estimate.low, 0.0), high=min(estimate.high, 100.0))


def in_unit_of(measurement: Measurement, claim: Claim) -> Measurement:
    """Convert a measurement to the unit of the claim it stands beside.

    Raises:
        ClaimsError: The units are of different dimensions.
    """
    factor = conversion(Metric(measurement.metric), claim)

    def converted(value: float) -> float:
        return float(Fraction(value) * factor)

    return replace(
        measurement,
        unit=claim.unit,
        estimate=converted(measurement.estimate),
        low=converted(measurement.low),
        high=converted(measurement.high),
        per_seed=tuple(converted(value) for value in measurement.per_seed),
    )


def _resolution(count: int) -> float:
    """Return what Wilson's interval adds to the standard error of a proportion: z / 2n, felt where all images agree."""
    return critical(0.95) / (2 * count)


def _from_one_seed(only: Score, drawn: Floats) -> Estimate:
    sample, count = only.sample, images(only.sample)
    if isinstance(sample, Mean) and sample.proportion:
        low, high = (sample.scale * bound for bound in wilson(round(float(sample.values.sum())), count))
    elif isinstance(sample, Pooled):
        left_out = jackknife(lambda weights: score(sample, weights)[:, only.column], count)
        low, high = bca(only.value, drawn, left_out)
    else:
        low, high = percentile(drawn)
    return Estimate(only.value, low, high, 1, None, standard_error(drawn, count), count)
