"""Activation maps of the same images through every system, with the box each gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.reports.galleries import Column, Gallery, Panel, Source, image_panel, places
from harness.reports.plots.panels import Box, Pixels, box_overlap, heat_map, is_box, picture


def brightest(sources: Sequence[Source], rows: int) -> float:
    """Return the activation that gets the brightest colour in the first ``rows`` maps of all systems; above 0."""
    return _rounded_up(max(float(np.nanmax(source.arrays["panel_maps"][:rows], initial=0.0)) for source in sources))


def activation_gallery(
    sources: Sequence[Source], index: NDArray[np.int32], images: NDArray[np.uint8] | None, top: float
) -> Gallery:
    """Return a gallery of the arrays ``panel_maps``, over the images where they may be shown.

    Args:
        index: int32 [P], the images' places in the test set.
        images: uint8 [P, H, W, 3] or None.
        top: The activation that gets the brightest colour.
    """
    rows = []
    for position, place in enumerate(places(index)):
        image = None if images is None else images[position]
        panels = [] if image is None else [image_panel(image, place)]
        panels.extend(_activation(source, position, place, image, top) for source in sources)
        rows.append(tuple(panels))
    heads = () if images is None else (Column("Image"),)
    return Gallery((*heads, *(Column(source.system) for source in sources)), tuple(rows))


def _activation(source: Source, position: int, place: int, image: Pixels | None, top: float) -> Panel:
    activation = source.arrays["panel_maps"][position]
    size = _frame(source, image)
    resolution = f"{activation.shape[0]}×{activation.shape[1]}"
    peak = float(np.nanmax(activation, initial=0.0))
    description = f"{source.system}, image {place}: {resolution} activation map, largest {peak:.2f}"
    pixels = heat_map(activation, top, image, size)
    if "panel_boxes" not in source.arrays:
        return Panel(picture(pixels, description), resolution)
    truth, predicted = (_box(corners) for corners in source.arrays["panel_boxes"][position])
    overlap = f"IoU {box_overlap(truth, predicted):.2f}" if is_box(predicted) else "no box"
    drawn = picture(
        pixels, f"{description}; its box and the true box: {overlap}", (("truth", truth), ("predicted", predicted))
    )
    return Panel(drawn, f"{resolution}, {overlap}")


def _rounded_up(peak: float) -> float:
    """Return the next number of two significant digits, so that a legend can print it; 1 if nothing is above 0."""
    if not peak > 0:
        return 1.0
    exponent = math.floor(math.log10(peak)) - 1
    return float(f"{math.ceil(peak / 10.0**exponent - 1e-9) * 10.0**exponent:.2g}")


def _frame(source: Source, image: Pixels | None) -> tuple[int, int]:
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
