"""Experiments that compute instead of measuring: what follows exactly from a definition or a built model. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.experiment import Context, Cost, Experiment, Outcome, Reach, Unit
from harness.ledger.record import Deviation
from harness.statistics.evidence import Evidence

SECONDS = 0.5
"""What a unit takes, nearly all of it for building networks."""


def derivation(
    key: str,
    title: str,
    systems: tuple[str, ...],
    metrics: tuple[str, ...],
    measure: Callable[[Unit, Context], Outcome],
    *,
    paper: str,
    recipe: Mapping[str, Any],
    source: tuple[str, ...],
    deviations: tuple[Deviation, ...],
) -> Experiment:
    """Declare a derivation, the same for every machine and seed.

    Args:
        metrics: Of the printed numbers that it decides.
        measure: Derives one system's quantities; imports torch only when it is called.
        recipe, source, deviations: As in :class:`~harness.experiment.Experiment`; one paper's derivations share them.
    """
    return Experiment(
        key=key,
        title=title,
        evidence=Evidence.EXACT,
        systems=systems,
        seeds=(0,),
        reaches=tuple(Reach(metric) for metric in metrics),
        recipe=recipe,
        source=source,
        deviations=deviations,
        measure=measure,
        command=f"remeasure run {paper} --only {key}",
        cost=lambda _unit, _device: Cost(SECONDS),
    )
