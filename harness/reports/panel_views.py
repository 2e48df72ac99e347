"""The same images through every system: activation maps, boxes and predicted labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.claims.model import Paper
from harness.ledger.record import Record
from harness.reports.activation_views import activation_gallery, brightest
from harness.reports.galleries import Gallery, Source
from harness.reports.label_views import label_gallery
from harness.reports.values import STRENGTH, system_order
from harness.scoring.model import Results
from harness.statistics.evidence import Evidence

ArraysOf = Callable[[str], Mapping[str, NDArray[Any]]]
"""From a record's digest to its arrays."""

ImagesOf = Callable[[Record, NDArray[np.int32]], NDArray[np.uint8]]
"""From a record and indices [P] into its test set to the images uint8 [P, H, W, 3], to be seen by their owner only."""

MOST_ROWS = 8
MAPS = frozenset({"panel_index", "panel_maps"})
LABELS = frozenset({"panel_index", "panel_truth", "panel_labels"})


@dataclass(frozen=True, slots=True)
class PanelView:
    """The galleries of one experiment and seed, at least one.

    Attributes:
        top: The activation that gets the brightest colour.
        pictured: Whether the images themselves are shown.
        boxed: Whether boxes are known.
    """

    experiment: str
    title: str
    evidence: Evidence
    seed: int
    top: float
    pictured: bool
    boxed: bool
    activations: Gallery | None
    labels: Gallery | None

    @property
    def synthetic(self) -> bool:
        return self.evidence is Evidence.SYNTHETIC


def panel_views(results: Results, arrays: ArraysOf, images: ImagesOf | None) -> tuple[PanelView, ...]:
    """Return the galleries of every experiment that kept panels, strongest evidence first.

    Of an experiment's seeds the first that most systems have is shown.
    """
    found = []
    ranked = {(STRENGTH[record.evidence], record.experiment) for record in results.records.values()}
    for _, experiment in sorted(ranked):
        chosen = _choose(experiment, results)
        if chosen:
            loaded = [Source(record, arrays(digest)) for digest, record in chosen]
            found.append(_view(_alike(loaded), results.titles[experiment], images, results.paper))
    return tuple(found)


def _choose(experiment: str, results: Results) -> list[tuple[str, Record]]:
    """Return digest and record of each system's run with the chosen seed, in the paper's order."""
    usable = {
        (record.seed, record.system): (digest, record)
        for digest, record in sorted(results.records.items())
        if record.experiment == experiment and _has_panels(record)
    }
    if not usable:
        return []
    seeds = [seed for seed, _ in usable]
    seed = max(sorted(set(seeds)), key=seeds.count)
    systems = system_order((system for own, system in usable if own == seed), results.paper)
    return [usable[seed, system] for system in systems]


def _has_panels(record: Record) -> bool:
    kept = record.arrays.keys()
    return kept >= MAPS or kept >= LABELS


def _alike(sources: list[Source]) -> list[Source]:
    """Keep the sources that show the same images as the first."""
    index = sources[0].arrays["panel_index"]
    return [source for source in sources if np.array_equal(source.arrays["panel_index"], index)]


def _view(sources: list[Source], title: str, images: ImagesOf | None, paper: Paper) -> PanelView:
    first = sources[0]
    rows = min(len(first.arrays["panel_index"]), MOST_ROWS)
    index = first.arrays["panel_index"][:rows].astype(np.int32)
    backdrop: NDArray[np.uint8] | None = first.arrays.get("panel_images")
    if backdrop is None and images is not None:
        backdrop = images(first.record, index)
    mapped = [source for source in sources if source.arrays.keys() >= MAPS]
    labelled = [source for source in sources if source.arrays.keys() >= LABELS]
    top = brightest(mapped, rows) if mapped else 0.0
    return PanelView(
        experiment=first.record.experiment,
        title=title,
        evidence=first.record.evidence,
        seed=first.record.seed,
        top=top,
        pictured=backdrop is not None,
        boxed=bool(mapped) and "panel_boxes" in mapped[0].arrays,
        activations=activation_gallery(mapped, index, backdrop, top) if mapped else None,
        labels=label_gallery(labelled, index, backdrop, paper) if labelled else None,
    )
