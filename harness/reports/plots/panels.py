"""Activation maps, boxes and label maps of one image as small PNG and SVG pictures."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from harness.metrics.localisation import box_iou

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]

HEAT = ("#000004", "#1f0c48", "#550f6d", "#88226a", "#ba3655", "#e35933", "#f98c0a", "#f9c932", "#fcffa4")
"""Nine points of the perceptually uniform map "inferno" (van der Walt & Smith, 2015, released to the public domain)."""

LABELS = (
    "#22262b", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999",
    "#000075", "#f032e6", "#e6194b", "#808000", "#46f0f0", "#4363d8", "#800000", "#aaffc3", "#8c564b",
    "#fb8072", "#3cb44b", "#bcf60c", "#b3de69", "#e6beff", "#911eb4",
)  # fmt: skip
"""Background, then colours told apart with colour-blindness (Okabe & Ito, 2008), then those of common palettes that lie
farthest from all before them in CIELAB."""

VOID = 255
"""The label of pixels that have none."""

_STRIPES = ("#ffffff", "#7d858c")
_STRIPES_PER_SIDE = 24
_FINE = 160
_MOST_COLOURS = 256


def heat_map(
    activation: NDArray[np.floating[Any]], top: float, backdrop: Pixels | None, size: tuple[int, int]
) -> Pixels:
    """Colour an activation map, over a grey image where there is one.

    Args:
        activation: float [h, w].
        top: The activation that gets the brightest colour; 0 the darkest. Above 0.
        backdrop: uint8 [H, W, 3] or None.
        size: H and W of the result; each is filled by whole cells of the map, the nearest for each pixel.

    Returns:
        uint8 [H, W, 3].

    Raises:
        ValueError: ``top`` is not above 0, or a shape is wrong.
    """
    if activation.ndim != 2 or 0 in activation.shape or not top > 0:
        raise ValueError(f"a map [h, w] and a top above 0 expected, got {activation.shape}, {top}")
    share = np.clip(np.nan_to_num(_nearest(activation, size).astype(np.float64) / top), 0.0, 1.0)
    stops = np.linspace(0.0, 1.0, len(HEAT))
    colours = _rgb(HEAT)
    coloured = np.stack([np.interp(share, stops, colours[:, channel]) for channel in range(3)], axis=-1)
    if backdrop is not None:
        grey = backdrop.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
        weight = (0.35 + 0.5 * share)[..., None]
        coloured = weight * coloured + (1 - weight) * grey[..., None]
    return np.rint(coloured).astype(np.uint8)


def label_map(labels: NDArray[np.integer[Any]]) -> Pixels:
    """Colour a label map int [H, W]; labels beyond the palette share its colours in turn, 255 (void) is hatched."""
    colours = _rgb(LABELS)
    ordinary = np.where(labels < len(LABELS), labels, 1 + (labels - 1) % (len(LABELS) - 1))
    width = max(1, max(labels.shape) // _STRIPES_PER_SIDE)
    stripe = np.add.outer(np.arange(labels.shape[0]), np.arange(labels.shape[1])) // width % len(_STRIPES)
    return np.where((labels == VOID)[..., None], _rgb(_STRIPES)[stripe], colours[ordinary]).astype(np.uint8)


def void_pattern() -> str:
    """Return the hatching of :func:`label_map` as a CSS background."""
    light, dark = _STRIPES
    return f"repeating-linear-gradient(135deg, {light} 0 2px, {dark} 2px 4px)"


def label_colour(label: int) -> str:
    """Return the colour :func:`label_map` gives a label."""
    return LABELS[label] if label < len(LABELS) else LABELS[1 + (label - 1) % (len(LABELS) - 1)]


def picture(pixels: Pixels, description: str, boxes: tuple[tuple[str, Box | None], ...] = ()) -> Markup:
    """Return an image with boxes over it as one SVG element.

    Args:
        pixels: uint8 [H, W, 3].
        description: What it shows, for readers who do not see it.
        boxes: CSS class and x1, y1, x2, y2, both ends inside; None and boxes turned inside out are not drawn.
    """
    height, width = pixels.shape[:2]
    drawn = Markup("").join(
        Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
            name, box[0], box[1], box[2] - box[0] + 1, box[3] - box[1] + 1
        )
        for kind, box in boxes
        if box is not None and is_box(box)
        for name in ("under", kind)
    )
    return Markup(
        '<svg class="{5}" viewBox="0 0 {0} {1}" role="img" aria-label="{2}">'
        '<image href="{3}" width="{0}" height="{1}"/>{4}</svg>'
    ).format(width, height, description, png(pixels), drawn, "picture fine" if width > _FINE else "picture")


def is_box(box: Box) -> bool:
    """Whether the four numbers are a box; a rule that found none is recorded as one turned inside out."""
    return box[0] >= 0 and box[1] >= 0 and box[2] >= box[0] and box[3] >= box[1]


def box_overlap(one: Box, two: Box) -> float:
    """Return the IoU of two boxes with both ends inside, a fraction in [0, 1]; 0 where either is none."""
    if not (is_box(one) and is_box(two)):
        return 0.0
    return float(box_iou(np.array([one]), np.array([two]))[0])


def png(pixels: Pixels) -> str:
    """Return uint8 [H, W, 3] as a PNG in a data URI; the same pixels give the same bytes.

    A picture of up to 256 colours, as a label map is, is stored with a palette, in a fraction of the space.
    """
    from PIL import Image

    packed = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    colours, places = np.unique(packed, return_inverse=True)
    if len(colours) <= _MOST_COLOURS:
        image = Image.fromarray(places.reshape(packed.shape).astype(np.uint8))
        image.putpalette(np.stack([colours >> 16, colours >> 8, colours], axis=1).astype(np.uint8).tobytes())
    else:
        image = Image.fromarray(np.ascontiguousarray(pixels))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=9)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def heat_gradient() -> str:
    """Return the colours of :func:`heat_map` as a CSS gradient from left to right."""
    return f"linear-gradient(to right, {', '.join(HEAT)})"


def _nearest(array: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    rows = np.arange(size[0]) * array.shape[0] // size[0]
    columns = np.arange(size[1]) * array.shape[1] // size[1]
    enlarged: NDArray[Any] = array[rows[:, None], columns[None, :]]
    return enlarged


def _rgb(colours: tuple[str, ...]) -> NDArray[np.float64]:
    return np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in colours], dtype=np.float64)
