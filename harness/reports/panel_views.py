"""The same images through every system: activation maps, boxes and predicted labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from harness.ledger.record import Record
from harness.reports.plots.panels import (
    Box,
    Pixels,
    box_overlap,
    heat_map,
    is_box,
    label_colour,
    label_map,
    picture,
)
from harness.reports.values import system_order
from harness.results.model import Results
from harness.statistics.evidence import Evidence

ArraysOf = Callable[[str], Mapping[str, NDArray[Any]]]
"""From a record's digest to its arrays."""

ImagesOf = Callable[[Record, NDArray[np.int32]], NDArray[np.uint8]]
"""From a record and indices [P] into its test set to the images uint8 [P, H, W, 3], to be seen by their owner only."""

MOST_ROWS = 8


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture with the line under it."""

    picture: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures of one experiment: a row per image, a column per system.

    Attributes:
        columns: Heads; the first is the image or the true labels, if there is such a column.
        index: Place of each row's image in the test set.
        legend: Label names with their colours; empty for activation maps.
    """

    columns: tuple[str, ...]
    index: tuple[int, ...]
    rows: tuple[tuple[Panel, ...], ...]
    legend: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PanelView:
    """The galleries of one experiment and seed.

    Attributes:
        top: The activation that gets the brightest colour.
        pictured: Whether the images themselves are shown.
        boxed: Whether boxes are known.
    """

    experiment: str
    evidence: Evidence
    seed: int
    top: float
    pictured: bool
    boxed: bool
    activations: Gallery
    labels: Gallery | None

    @property
    def synthetic(self) -> bool:
        return self.evidence is Evidence.SYNTHETIC


@dataclass(frozen=True)
class _Source:
    record: Record
    arrays: Mapping[str, NDArray[Any]]


def panel_views(results: Results, arrays: ArraysOf, images: ImagesOf | None) -> tuple[PanelView, ...]:
    """Return the galleries of every experiment that kept panels; of its seeds the first that most systems have."""
    found = []
    for experiment in sorted({record.experiment for record in results.records.values()}):
        chosen = _choose(experiment, results)
        if chosen:
            loaded = [_Source(record, arrays(digest)) for digest, record in chosen]
            found.append(_view(_alike(loaded), images))
    return tuple(found)


def _choose(experiment: str, results: Results) -> list[tuple[str, Record]]:
    """Return digest and record of each system's run with the chosen seed, in the paper's order."""
    usable = {
        (record.seed, record.system): (digest, record)
        for digest, record in sorted(results.records.items())
        if record.experiment == experiment and record.complete and _has_panels(record)
    }
    if not usable:
        return []
    seeds = [seed for seed, _ in usable]
    seed = max(sorted(set(seeds)), key=seeds.count)
    systems = system_order((system for own, system in usable if own == seed), results.paper)
    return [usable[seed, system] for system in systems]


def _has_panels(record: Record) -> bool:
    return {"panel_index", "panel_maps"} <= record.arrays.keys()


def _alike(sources: list[_Source]) -> list[_Source]:
    """Keep the sources that show the same images as the first."""
    index = sources[0].arrays["panel_index"]
    return [source for source in sources if np.array_equal(source.arrays["panel_index"], index)]


def _view(sources: list[_Source], images: ImagesOf | None) -> PanelView:
    first = sources[0]
    rows = min(len(first.arrays["panel_index"]), MOST_ROWS)
    index = first.arrays["panel_index"][:rows].astype(np.int32)
    backdrop: NDArray[np.uint8] | None = first.arrays.get("panel_images")
    if backdrop is None and images is not None:
        backdrop = images(first.record, index)
    peak = max(float(np.nanmax(source.arrays["panel_maps"][:rows], initial=0.0)) for source in sources)
    top = _rounded_up(peak)
    return PanelView(
        experiment=first.record.experiment,
        evidence=first.record.evidence,
        seed=first.record.seed,
        top=top,
        pictured=backdrop is not None,
        boxed="panel_boxes" in first.arrays,
        activations=_activations(sources, index, backdrop, top),
        labels=_labels(sources, index),
    )


def _activations(
    sources: list[_Source], index: NDArray[np.int32], backdrop: NDArray[np.uint8] | None, top: float
) -> Gallery:
    rows = []
    for position, place in enumerate(index):
        image = None if backdrop is None else backdrop[position]
        panels = [] if image is None else [Panel(picture(image, f"Image {place}"), f"image {place}")]
        panels.extend(_activation(source, position, int(place), image, top) for source in sources)
        rows.append(tuple(panels))
    heads = () if backdrop is None else ("Image",)
    return Gallery((*heads, *(s.record.system for s in sources)), tuple(int(i) for i in index), tuple(rows))


def _activation(source: _Source, position: int, place: int, image: Pixels | None, top: float) -> Panel:
    activation = source.arrays["panel_maps"][position]
    size = _frame(source, image)
    resolution = f"{activation.shape[0]}×{activation.shape[1]}"
    peak = float(np.nanmax(activation, initial=0.0))
    description = f"{source.record.system}, image {place}: {resolution} activation map, largest {peak:.2f}"
    pixels = heat_map(activation, top, image, size)
    if "panel_boxes" not in source.arrays:
        return Panel(picture(pixels, description), resolution)
    truth, predicted = (_box(corners) for corners in source.arrays["panel_boxes"][position])
    overlap = f"IoU {box_overlap(truth, predicted):.2f}" if is_box(predicted) else "no box"
    drawn = picture(
        pixels, f"{description}; its box and the true box: {overlap}", (("truth", truth), ("predicted", predicted))
    )
    return Panel(drawn, f"{resolution}, {overlap}")


def _labels(sources: list[_Source], index: NDArray[np.int32]) -> Gallery | None:
    sources = [source for source in sources if {"panel_truth", "panel_labels"} <= source.arrays.keys()]
    if not sources:
        return None
    truth = sources[0].arrays["panel_truth"]
    rows, seen = [], set(np.unique(truth[: len(index)]).tolist())
    for position, place in enumerate(index):
        panels = [Panel(picture(label_map(truth[position]), f"True labels of image {place}"), f"image {place}")]
        for source in sources:
            predicted = source.arrays["panel_labels"][position]
            seen.update(np.unique(predicted).tolist())
            valid = truth[position] != 255
            share = float((predicted == truth[position])[valid].mean()) if valid.any() else 0.0
            description = (
                f"Labels {source.record.system} predicts for image {place}: {100 * share:.0f} % of pixels right"
            )
            panels.append(Panel(picture(label_map(predicted), description), f"{100 * share:.0f} % right"))
        rows.append(tuple(panels))
    names = [str(name) for name in sources[0].record.recipe.get("classes", [])]
    legend = tuple(
        (names[label] if label < len(names) else f"class {label}", label_colour(label))
        for label in sorted(seen - {255})
    )
    heads = ("Truth", *(source.record.system for source in sources))
    return Gallery(heads, tuple(int(i) for i in index), tuple(rows), legend)


def _rounded_up(peak: float) -> float:
    """Return the next number of two significant digits, so that a legend can print it; 1 if nothing is above 0."""
    if not peak > 0:
        return 1.0
    exponent = math.floor(math.log10(peak)) - 1
    return float(f"{math.ceil(peak / 10.0**exponent - 1e-9) * 10.0**exponent:.2g}")


def _frame(source: _Source, image: Pixels | None) -> tuple[int, int]:
    """Return height and width of the frame that boxes are drawn in."""
    if image is not None:
        return image.shape[0], image.shape[1]
    if "panel_truth" in source.arrays:
        height, width = source.arrays["panel_truth"].shape[1:]
        return int(height), int(width)
    rows, columns = (int(side) for side in source.arrays["panel_maps"].shape[1:])
    if "panel_boxes" not in source.arrays:
        return rows, columns
    boxes = source.arrays["panel_boxes"]
    return max(rows, int(boxes[..., 3].max()) + 1), max(columns, int(boxes[..., 2].max()) + 1)


def _box(corners: NDArray[Any]) -> Box:
    left, top, right, bottom = (int(corner) for corner in corners)
    return left, top, right, bottom
