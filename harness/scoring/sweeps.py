"""Localisation at every threshold that a record kept, from its arrays alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.ledger.record import Record
from harness.metrics.localisation import LocalisationProtocol, top1_localisation_error

Arrays = Mapping[str, NDArray[Any]]


def box_rule(record: Record) -> LocalisationProtocol:
    """Return the rule for boxes of a record's recipe.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        return msgspec.convert(record.recipe.get("localisation", {}), LocalisationProtocol)
    except msgspec.ValidationError as error:
        raise UsageError(f"the record's rule for boxes cannot be read: {error}") from error


def swept_thresholds(record: Record, arrays: Arrays) -> tuple[float, ...]:
    """Return the thresholds of the columns of ``loc_sweep``; none if it was not kept, or is of others."""
    settings: Any = record.recipe.get("boxes", {})
    first: Any = next(iter(settings.values()), {}) if isinstance(settings, Mapping) else {}
    of_boxes = first.get("thresholds", ()) if isinstance(first, Mapping) else ()
    declared: Any = record.recipe.get("thresholds", of_boxes)
    thresholds = tuple(threshold for threshold in declared if isinstance(threshold, int | float))
    sweep = arrays.get("loc_sweep")
    return thresholds if sweep is not None and sweep.shape[1:] == (len(thresholds),) else ()


def sweep_errors(record: Record, arrays: Arrays) -> NDArray[np.float64]:
    """Return the top-1 localisation error at each of :func:`swept_thresholds`, in percent, float64 [T].

    Raises:
        UsageError: As :func:`box_rule`, or the arrays do not belong together or hold NaN.
    """
    rule, ranks, sweep = box_rule(record), arrays["loc_ranks"], arrays["loc_sweep"].astype(np.float64)
    if ranks.shape != sweep.shape[:1] or not ranks.size or np.isnan(sweep).any():
        raise UsageError(f"loc_ranks {ranks.shape} and loc_sweep {sweep.shape} do not belong together, or hold NaN")
    return np.array([100 * top1_localisation_error(ranks == 0, iou, rule) for iou in sweep.T])
