"""From the maps that a network made of views of an image to one label for each pixel: a function of the maps alone.

However the views came about, from a network just now or from a file, the protocol says how cells lie on pixels, how
tiles and views are put together, and what refines the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from harness.engine.crf import refine
from harness.errors import UsageError
from harness.evaluation.preprocess import Place
from harness.evaluation.protocol import (
    Alignment,
    Fusion,
    Grid,
    Precision,
    Quantity,
    Seams,
    SegmentationProtocol,
    Size,
    Upsampling,
)
from harness.evaluation.upsampling import argmax_upsampled
from harness.evaluation.windows import cuts
from harness.networks import upsampling as networks

DTYPES = {
    Precision.FLOAT32: torch.float32,
    Precision.TF32: torch.float32,
    Precision.BFLOAT16: torch.bfloat16,
    Precision.FLOAT16: torch.float16,
}
MOST_CLASSES = 255
"""Labels are bytes, and 255 is void."""
_FUSED = {
    Fusion.MAX_OF_LOGITS: Quantity.LOGITS,
    Fusion.MEAN_OF_PROBABILITIES: Quantity.PROBABILITIES,
    Fusion.SUM_OF_LOG_PROBABILITIES: Quantity.LOG_PROBABILITIES,
}


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A network's raw output for one view, or one tile of it.

    Attributes:
        scale: Of the view; 1 is the image's own size.
        flipped: Whether the network saw it mirrored; ``scores`` and ``place`` are as it saw it.
        scores: [K, h, w], logits or log-probabilities, any floating type.
        place: Where they lie.
    """

    scale: float
    flipped: bool
    scores: Tensor
    place: Place


def decide(
    views: Sequence[View], size: Size, protocol: SegmentationProtocol, image: NDArray[np.uint8] | None = None
) -> Tensor:
    """Return the label of each pixel.

    Args:
        views: All views of one image.
        size: Of the image.
        protocol: Says how; scores are rounded to its precision first.
        image: uint8 [H, W, 3], RGB; only the CRF looks at it.

    Returns:
        uint8 [H, W] on the views' device: the class with the highest value, the first of equals.

    Raises:
        UsageError: The maps do not fit the protocol, more than 255 classes, or a CRF without an image.
    """
    if protocol.crf is not None:
        if image is None:
            raise UsageError("the protocol has a CRF, which needs the image", "Store the image, or leave the CRF out.")
        refined = refine(probabilities(views, size, protocol).cpu().numpy(), image, protocol.crf)
        return torch.from_numpy(refined.argmax(axis=0).astype(np.uint8))
    _check(views)
    if len(views) == 1 and _is_at_pixels(views[0], protocol):
        return _largest(_rounded(views[0].scores, protocol)[:, : size[0], : size[1]])
    if len(views) == 1 and (target := _reached_in_one_step(views[0], protocol)) is not None:
        scores = _as(views[0].scores, protocol)
        labels = argmax_upsampled(scores, target, protocol.upsampling.alignment is Alignment.CORNERS)
        return labels[: size[0], : size[1]]
    return _largest(_fused(views, size, protocol))


def probabilities(views: Sequence[View], size: Size, protocol: SegmentationProtocol) -> Tensor:
    """Return the class probabilities of each pixel before any CRF, float32 [K, H, W]; arguments as :func:`decide`.

    Fused logits and log-probabilities become probabilities by a softmax, and means of probabilities are means. A
    single view is turned into probabilities after what is interpolated has been.
    """
    _check(views)
    fused = _fused(views, size, protocol)
    single = _views_of(views) == 1
    quantity = protocol.upsampling.quantity if single else _FUSED[protocol.fusion]
    if quantity is Quantity.PROBABILITIES:
        return fused if single else fused / _views_of(views)
    return fused.softmax(dim=0)


def _fused(views: Sequence[View], size: Size, protocol: SegmentationProtocol) -> Tensor:
    """Values at the image's pixels, [K, H, W]: of the fused quantity, or as interpolated for a single view."""
    if protocol.fused_on is Grid.CELLS:
        reference = next((view for view in views if view.scale == 1), None)
        if reference is None or len(views) != len({view.scale for view in views}):
            raise UsageError("views are fused on the cells of one whole view at scale 1, which is not there")
        cells = (reference.scores.shape[-2], reference.scores.shape[-1])
        corners = protocol.upsampling.alignment is Alignment.CORNERS
        fused = _combined(
            (_resized(_as(view.scores, protocol), cells, corners) for view in views), len(views), protocol
        )
        return _straight(fused, reference.place, size, protocol.upsampling)
    return _combined(_pixel_maps(views, size, protocol), _views_of(views), protocol)


def _views_of(views: Sequence[View]) -> int:
    """How many views there are, whatever the number of their tiles."""
    return len({(view.scale, view.flipped) for view in views})


def _combined(maps: Iterable[Tensor], number: int, protocol: SegmentationProtocol) -> Tensor:
    """The largest or the sum of ``number`` maps [K, h, w]; one alone stays as it is."""
    remaining = iter(maps)
    total = next(remaining)
    if number == 1:
        return total
    wanted = _FUSED[protocol.fusion]
    total = _converted(total, protocol.upsampling.quantity, wanted)
    for values in remaining:
        values = _converted(values, protocol.upsampling.quantity, wanted)
        total = torch.maximum(total, values) if wanted is Quantity.LOGITS else total + values
    return total


def _as(scores: Tensor, protocol: SegmentationProtocol) -> Tensor:
    """Scores [K, h, w] rounded to the protocol's precision, as the quantity to interpolate, float32."""
    return _converted(_rounded(scores, protocol), Quantity.LOGITS, protocol.upsampling.quantity)


def _rounded(scores: Tensor, protocol: SegmentationProtocol) -> Tensor:
    return scores.to(DTYPES[protocol.precision]).float()


def _largest(values: Tensor) -> Tensor:
    """The first class with the largest of values [K, H, W] at each pixel, uint8 [H, W].

    On the CPU class after class is compared, which is some four times as fast as ``argmax`` across distant addresses.
    """
    if values.device.type != "cpu":
        return values.argmax(dim=0).to(torch.uint8)
    highest = values[0].clone()
    labels = torch.zeros(values.shape[1:], dtype=torch.uint8)
    for number, of_class in enumerate(values[1:], start=1):
        labels.masked_fill_(of_class > highest, number)
        torch.maximum(highest, of_class, out=highest)
    return labels


def _converted(values: Tensor, source: Quantity, target: Quantity) -> Tensor:
    """Another quantity of the same scores [K, ...]; interpolated log-probabilities are normalised again."""
    if source is target:
        return values
    if target is Quantity.LOG_PROBABILITIES:
        if source is Quantity.PROBABILITIES:
            return values.clamp_min(torch.finfo(values.dtype).tiny).log()
        return values.log_softmax(dim=0)
    if target is Quantity.PROBABILITIES:
        return values.softmax(dim=0)
    raise UsageError(f"{source.value} cannot become logits", f"Interpolate {target.value}.")


def _pixel_maps(views: Sequence[View], size: Size, protocol: SegmentationProtocol) -> Iterator[Tensor]:
    """Each view's values at the image's pixels, [K, H, W], no longer mirrored."""
    groups: dict[tuple[float, bool], list[View]] = {}
    for view in views:
        groups.setdefault((view.scale, view.flipped), []).append(view)
    for (_, flipped), tiles in groups.items():
        if protocol.tiling is not None:
            values = _joined(tiles, size, protocol)
        elif len(tiles) == 1:
            values = _straight(_as(tiles[0].scores, protocol), tiles[0].place, size, protocol.upsampling)
        else:
            raise UsageError(f"{len(tiles)} tiles of one view, but the protocol has no tiling")
        yield values.flip(-1) if flipped else values


def _straight(values: Tensor, place: Place, size: Size, upsampling: Upsampling) -> Tensor:
    """A whole view's map [K, h, w] brought to the image's pixels, [K, H, W]."""
    if upsampling.alignment is Alignment.NETWORK or upsampling.stride is not None:
        at_frame = _on_window(values, (place.window.rows, place.window.columns), upsampling)
        at_frame = at_frame[:, : place.frame[0], : place.frame[1]]
        pixels = _resized(at_frame, place.canvas, corners=False, antialias=upsampling.antialias)
    else:
        pixels = _resized(values, _spanned(place), upsampling.alignment is Alignment.CORNERS)
    return pixels[:, : size[0], : size[1]]


def _spanned(place: Place) -> Size:
    """Pixels at scale 1 that a view's window spans."""
    rows, columns = (
        max(1, round(side * whole / part))
        for side, whole, part in zip((place.window.rows, place.window.columns), place.canvas, place.frame, strict=True)
    )
    return rows, columns


def _is_at_pixels(view: View, protocol: SegmentationProtocol) -> bool:
    """Whether nothing is interpolated after the network: the order of classes is then that of its scores."""
    place, by_network = view.place, protocol.upsampling.alignment is Alignment.NETWORK
    there = view.scores.shape[-2:] == (place.window.rows, place.window.columns) and place.frame == place.canvas
    return by_network and there and protocol.tiling is None and not view.flipped


def _reached_in_one_step(view: View, protocol: SegmentationProtocol) -> Size | None:
    """The size to which a single view is interpolated if that is all that happens to it, else None."""
    upsampling = protocol.upsampling
    spans = upsampling.stride is None and upsampling.alignment in (Alignment.CORNERS, Alignment.CENTRES)
    whole = protocol.tiling is None and (protocol.fused_on is Grid.PIXELS or view.scale == 1)
    return _spanned(view.place) if spans and whole and not view.flipped else None


def _joined(tiles: Sequence[View], size: Size, protocol: SegmentationProtocol) -> Tensor:
    """The maps of a view's tiles joined and brought to the image's pixels, [K, H, W]."""
    tiling, upsampling = protocol.tiling, protocol.upsampling
    assert tiling is not None
    place = tiles[0].place
    windows = [tile.place.window for tile in tiles]
    extent = (max(each.top + each.rows for each in windows), max(each.left + each.columns for each in windows))
    if tiling.seams is Seams.CELLS:
        stride = upsampling.stride or 1
        maps = [_as(tile.scores, protocol) for tile in tiles]
        for tile, values in zip(tiles, maps, strict=True):
            _check_cells(values, (tile.place.window.rows, tile.place.window.columns), stride, exactly=True)
        corners = [(each.top // stride, each.left // stride) for each in windows]
        whole = _on_window(_averaged(maps, corners, (extent[0] // stride, extent[1] // stride)), extent, upsampling)
    else:
        pixels = (
            _on_window(_as(t.scores, protocol), (t.place.window.rows, t.place.window.columns), upsampling)
            for t in tiles
        )
        corners = [(each.top, each.left) for each in windows]
        join = _averaged if tiling.seams is Seams.AVERAGE else _cut_together
        whole = join(list(pixels), corners, extent)
    whole = whole[:, : place.frame[0], : place.frame[1]]
    whole = _resized(whole, place.canvas, corners=False, antialias=upsampling.antialias)
    return whole[:, : size[0], : size[1]]


def _averaged(maps: Sequence[Tensor], corners: Sequence[Size], extent: Size) -> Tensor:
    """Maps [K, h, w] laid down with their first values at ``corners``, averaged where they overlap."""
    total = maps[0].new_zeros(len(maps[0]), *extent)
    number = maps[0].new_zeros(extent)
    for values, (top, left) in zip(maps, corners, strict=True):
        area = (slice(top, top + values.shape[-2]), slice(left, left + values.shape[-1]))
        total[:, *area] += values
        number[area] += 1
    return total / number


def _cut_together(maps: Sequence[Tensor], corners: Sequence[Size], extent: Size) -> Tensor:
    """Maps [K, h, w] laid down with their first values at ``corners``, each cut in the middle of overlaps."""
    total = maps[0].new_zeros(len(maps[0]), *extent)
    side = (maps[0].shape[-2], maps[0].shape[-1])
    owned = []
    for axis in (0, 1):
        starts = sorted({corner[axis] for corner in corners})
        owned.append(dict(zip(starts, cuts(starts, side[axis], extent[axis]), strict=True)))
    for values, (top, left) in zip(maps, corners, strict=True):
        (first, last), (begin, end) = owned[0][top], owned[1][left]
        total[:, first:last, begin:end] = values[:, first - top : last - top, begin - left : end - left]
    return total


def _on_window(values: Tensor, size: Size, upsampling: Upsampling) -> Tensor:
    """A map [K, h, w] at the pixels that it covers, [K, *size]."""
    match upsampling.alignment, upsampling.stride:
        case Alignment.NETWORK, _:
            _check_cells(values, size, 1, exactly=True)
            return values
        case Alignment.CORNERS, _:
            return _resized(values, size, corners=True)
        case _, None:
            return _resized(values, size, corners=False)
        case alignment, stride:
            _check_cells(values, size, stride, exactly=False)
            return networks.upsample(values[None], size, stride, networks.Alignment(alignment.value))[0]


def _resized(values: Tensor, size: Size, corners: bool, antialias: bool = False) -> Tensor:
    """A map [K, h, w] interpolated bilinearly to [K, *size]."""
    if values.shape[-2:] == size:
        return values
    return F.interpolate(values[None], size, mode="bilinear", align_corners=corners, antialias=antialias)[0]


def _check(views: Sequence[View]) -> None:
    classes = {len(view.scores) for view in views}
    if len(classes) != 1 or not 1 <= min(classes) <= MOST_CLASSES:
        raise UsageError(f"views of one image with 1 to {MOST_CLASSES} classes expected, got {sorted(classes)}")


def _check_cells(values: Tensor, size: Size, stride: int, *, exactly: bool) -> None:
    cells = (values.shape[-2], values.shape[-1])
    covered = [stride * side for side in cells]
    if any(have != want if exactly else have < want for have, want in zip(covered, size, strict=True)):
        raise UsageError(
            f"a map of {cells[0]}x{cells[1]} cells of {stride} pixels for {size[0]}x{size[1]} pixels",
            "The protocol's padding, margin, stride or alignment is another network's.",
        )
