"""Localisation error at every threshold of the activation map, for each system of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from harness.ledger.record import Record
from harness.reports.panel_views import ArraysOf
from harness.reports.plots.curves import curve
from harness.reports.plots.tracks import Scale, axis, scale_over
from harness.reports.values import STRENGTH, system_order
from harness.scoring.model import Results
from harness.scoring.sweeps import sweep_errors, swept_thresholds
from harness.statistics.evidence import Evidence
from harness.wording.numbers import fixed

METRIC = "top1-localisation-error"

Errors = NDArray[np.float64]
Kept = tuple[Record, Mapping[str, NDArray[Any]]]
"""A record and its arrays."""


@dataclass(frozen=True, slots=True)
class SweepRow:
    """One system: its mean error over the seeds, in percent.

    Attributes:
        errors: At each threshold.
        least, at: The least of them, and the first threshold that has it.
        seeds: How many.
    """

    system: str
    errors: tuple[str, ...]
    least: str
    at: str
    seeds: int
    curve: Markup


@dataclass(frozen=True, slots=True)
class SweepView:
    """One experiment; ``lowest`` and ``highest`` are the ends of the axis that errors are drawn along, in percent."""

    title: str
    evidence: Evidence
    thresholds: tuple[str, ...]
    rows: tuple[SweepRow, ...]
    axis: Markup
    lowest: str
    highest: str

    @property
    def synthetic(self) -> bool:
        return self.evidence is Evidence.SYNTHETIC


def sweep_views(results: Results, arrays: ArraysOf) -> tuple[SweepView, ...]:
    """Return a view of every experiment that kept its boxes at several thresholds, strongest evidence first.

    Raises:
        LedgerError: A record's arrays are damaged.
    """
    grouped: dict[tuple[int, str], dict[str, list[Kept]]] = {}
    for measurement in results.measurements:
        if measurement.metric == METRIC:
            kept = [(results.records[digest], arrays(digest)) for digest in measurement.records]
            if all(record.system == measurement.system and swept_thresholds(record, a) for record, a in kept):
                key = STRENGTH[measurement.evidence], measurement.experiment
                grouped.setdefault(key, {})[measurement.system] = kept
    return tuple(_view(results, grouped[key]) for key in sorted(grouped))


def _view(results: Results, systems: Mapping[str, list[Kept]]) -> SweepView:
    """An experiment has one recipe, and so the same thresholds for all systems."""
    record, arrays = next(iter(systems.values()))[0]
    thresholds = swept_thresholds(record, arrays)
    means: dict[str, Errors] = {
        system: np.mean([sweep_errors(*one) for one in kept], axis=0) for system, kept in systems.items()
    }
    across = scale_over(thresholds)
    upwards = scale_over([float(error) for mean in means.values() for error in mean], limits=(0.0, 100.0))
    return SweepView(
        title=results.titles[record.experiment],
        evidence=record.evidence,
        thresholds=tuple(f"{threshold:g}" for threshold in thresholds),
        rows=tuple(
            _row(system, len(systems[system]), thresholds, means[system], across, upwards)
            for system in system_order(means, results.paper)
        ),
        axis=axis(across),
        lowest=fixed(upwards.low, upwards.decimals),
        highest=fixed(upwards.high, upwards.decimals),
    )


def _row(
    system: str, seeds: int, thresholds: tuple[float, ...], mean: Errors, across: Scale, upwards: Scale
) -> SweepRow:
    best = int(mean.argmin())
    points = [(threshold, float(error)) for threshold, error in zip(thresholds, mean, strict=True)]
    return SweepRow(
        system=system,
        errors=tuple(fixed(float(error), 1) for error in mean),
        least=fixed(float(mean[best]), 1),
        at=f"{thresholds[best]:g}",
        seeds=seeds,
        curve=curve(across, upwards, points, thresholds[best]),
    )
