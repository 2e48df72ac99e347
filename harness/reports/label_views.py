"""Predicted labels of the same images through every system, each followed by its variants: before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.claims.model import Paper
from harness.ledger.record import measured_systems
from harness.reports.galleries import Column, Gallery, Panel, Source, image_panel, places
from harness.reports.plots.panels import VOID, label_colour, label_map, picture, void_pattern
from harness.reports.values import system_order
from harness.wording.numbers import fixed

Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Predicted:
    """What one system, or a variant of it, predicts: uint8 [P, H, W]."""

    system: str
    labels: Labels


def label_gallery(
    sources: Sequence[Source], index: NDArray[np.int32], images: NDArray[np.uint8] | None, paper: Paper
) -> Gallery:
    """Return a gallery of the arrays ``panel_labels`` and ``panel_labels.<variant>`` beside ``panel_truth``.

    Args:
        sources: At least one; all show the same images.
        index: int32 [P], the images' places in the test set.
        images: uint8 [P, H, W, 3], None where they may not be shown.
        paper: Lists the systems in its own order; a system's variants follow it.
    """
    truth: Labels = sources[0].arrays["panel_truth"][: len(index)]
    groups = [_predicted(source, paper) for source in sources]
    predicted = [one for group in groups for one in group]
    rows = []
    for position, place in enumerate(places(index)):
        true = Panel(picture(label_map(truth[position]), f"True labels of image {place}"), f"image {place}")
        panels = [_panel(one, truth[position], position, place) for one in predicted]
        image = [] if images is None else [image_panel(images[position], place)]
        rows.append((*image, true, *panels))
    heads = (*(() if images is None else (Column("Image"),)), Column("Truth", "stays"), *_heads(groups))
    names = [str(name) for name in sources[0].record.recipe.get("classes", [])]
    shown = (truth, *(one.labels[: len(index)] for one in predicted))
    return Gallery(heads, tuple(rows), _legend(shown, names))


def share_right(predicted: Labels, truth: Labels) -> float | None:
    """Return the share of pixels with the true label, in percent; None where every pixel is void.

    Args:
        predicted, truth: uint8 [H, W]; pixels whose truth is 255 (void) do not count.
    """
    counted = truth != VOID
    return 100.0 * float((predicted == truth)[counted].mean()) if counted.any() else None


def _predicted(source: Source, paper: Paper) -> list[_Predicted]:
    named = measured_systems(source.record.recipe, source.system)
    found = {name: f"panel_labels.{suffix}" if suffix else "panel_labels" for suffix, name in named.items()}
    variants = [name for name in system_order(found, paper) if name != source.system]
    kept = (name for name in (source.system, *variants) if found[name] in source.arrays)
    return [_Predicted(name, source.arrays[found[name]]) for name in kept]


def _heads(groups: Sequence[Sequence[_Predicted]]) -> list[Column]:
    varied = any(len(group) > 1 for group in groups)
    return [
        Column(one.system, "opens" if varied and place == 0 else "")
        for group in groups
        for place, one in enumerate(group)
    ]


def _panel(one: _Predicted, truth: Labels, position: int, place: int) -> Panel:
    labels = one.labels[position]
    share = share_right(labels, truth)
    said = "no truth" if share is None else f"{fixed(share, 1)} % right"
    return Panel(picture(label_map(labels), f"Labels {one.system} predicts for image {place}: {said}"), said)


def _legend(shown: Sequence[Labels], names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    seen = sorted({int(label) for labels in shown for label in np.unique(labels)})
    named = [(names[k] if k < len(names) else f"class {k}", label_colour(k)) for k in seen if k != VOID]
    return (*named, ("void: not counted", void_pattern())) if VOID in seen else tuple(named)
