"""Maps to labels: closed forms, and a reference in float64 that works out one pixel at a time."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import msgspec
import numpy as np
import pytest
import torch
from evaluation_sets import PLAIN
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from harness.engine.crf import CrfParameters, refine
from harness.errors import UsageError
from harness.evaluation.decide import View, decide, probabilities
from harness.evaluation.preprocess import Place
from harness.evaluation.protocol import (
    Alignment,
    Fusion,
    Grid,
    Padding,
    Precision,
    Quantity,
    Resize,
    Seams,
    SegmentationProtocol,
    SizeRule,
    Tiling,
    Upsampling,
)
from harness.evaluation.rules import largest_logits, mean_probabilities, mirrored_tiles, summed_log_probabilities
from harness.evaluation.windows import Window, cuts, reflected, resized, windows

BASE = SegmentationProtocol(PLAIN)


def whole(scores: Tensor, size: tuple[int, int], scale: float = 1.0, frame: tuple[int, int] | None = None) -> View:
    frame = frame or size
    return View(scale, False, scores, Place(Window(0, 0, *frame), frame, size))


def pixel(*logits: float) -> Tensor:
    return torch.tensor(logits)[:, None, None]


@pytest.mark.parametrize(
    ("fusion", "winner"),
    [(Fusion.MAX_OF_LOGITS, 0), (Fusion.MEAN_OF_PROBABILITIES, 1), (Fusion.SUM_OF_LOG_PROBABILITIES, 1)],
)
def test_fusion_rules_disagree(fusion: Fusion, winner: int) -> None:
    views = [whole(pixel(5, 4.9), (1, 1)), whole(pixel(0, 3), (1, 1), 0.5)]
    protocol = replace(BASE, scales=(1.0, 0.5), fusion=fusion)
    assert decide(views, (1, 1), protocol).item() == winner


@pytest.mark.parametrize(
    ("fusion", "winner"), [(Fusion.MEAN_OF_PROBABILITIES, 0), (Fusion.SUM_OF_LOG_PROBABILITIES, 1)]
)
def test_arithmetic_and_geometric_means_disagree(fusion: Fusion, winner: int) -> None:
    views = [whole(pixel(*map(math.log, p)), (1, 1), s) for p, s in [((0.9, 0.1), 1.0), ((0.001, 0.999), 0.5)]]
    views.append(whole(pixel(math.log(0.9), math.log(0.1)), (1, 1), 2.0))
    protocol = replace(BASE, scales=(1.0, 0.5, 2.0), fusion=fusion)
    assert decide(views, (1, 1), protocol).item() == winner
    if fusion is Fusion.MEAN_OF_PROBABILITIES:
        found = probabilities(views, (1, 1), protocol).flatten().tolist()
        assert found == pytest.approx([0.6003333, 0.3996667], abs=1e-6)


@pytest.mark.parametrize(
    ("alignment", "stride", "expected"),
    [
        (Alignment.CORNERS, None, [0, 1 / 3, 2 / 3, 1]),
        (Alignment.CENTRES, None, [0, 0.25, 0.75, 1]),
        (Alignment.CENTRES, 2, [0, 0.25, 0.75, 1]),
        (Alignment.SAMPLES, 2, [0, 0.5, 1, 1]),
    ],
)
def test_where_cells_lie(alignment: Alignment, stride: int | None, expected: list[float]) -> None:
    protocol = replace(BASE, upsampling=Upsampling(alignment, stride, Quantity.PROBABILITIES))
    rise = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).clamp_min(1e-30).log()[:, None, :]
    found = probabilities([whole(rise, (1, 4))], (1, 4), protocol)
    assert found[0, 0].tolist() == pytest.approx(expected, abs=1e-6)


@given(classes=st.integers(1, 6), seed=st.integers(0, 50))
def test_the_first_of_equal_classes_wins(classes: int, seed: int) -> None:
    scores = torch.randint(0, 3, (classes, 4, 5), generator=torch.manual_seed(seed)).float()
    labels = decide([whole(scores, (4, 5))], (4, 5), replace(BASE, upsampling=Upsampling(Alignment.NETWORK)))
    assert np.array_equal(labels.numpy(), scores.numpy().argmax(axis=0))


def test_single_view_is_not_fused() -> None:
    scores = torch.randn(3, 4, 5, generator=torch.manual_seed(0))
    labels = [decide([whole(scores, (9, 11))], (9, 11), replace(BASE, fusion=fusion)) for fusion in Fusion]
    assert all(torch.equal(each, labels[0]) for each in labels)


def weight(position: float, cell: int, cells: int) -> float:
    """Of a cell at a position measured in cells, beyond whose ends values are held."""
    return max(0.0, 1 - abs(min(max(position, 0.0), cells - 1.0) - cell))


def position(index: int, pixels: int, cells: int, alignment: Alignment, stride: int | None) -> float:
    if alignment is Alignment.CORNERS:
        return 0.0 if pixels == 1 else index * (cells - 1) / (pixels - 1)
    if alignment is Alignment.SAMPLES:
        assert stride is not None
        return index / stride
    return (index + 0.5) / (stride or pixels / cells) - 0.5


def interpolated(
    values: np.ndarray, size: tuple[int, int], alignment: Alignment, stride: int | None = None
) -> np.ndarray:
    """Bilinear interpolation of float64 [K, h, w], one pixel and one cell at a time."""
    result = np.zeros((len(values), *size))
    _, rows, columns = values.shape
    for (y, x), (i, j) in product(np.ndindex(size), np.ndindex(rows, columns)):
        down = weight(position(y, size[0], rows, alignment, stride), i, rows)
        right = weight(position(x, size[1], columns, alignment, stride), j, columns)
        result[:, y, x] += down * right * values[:, i, j]
    return result


def quantity_of(scores: np.ndarray, quantity: Quantity) -> np.ndarray:
    logs = scores - np.log(np.exp(scores).sum(axis=0))
    return {Quantity.LOGITS: scores, Quantity.PROBABILITIES: np.exp(logs), Quantity.LOG_PROBABILITIES: logs}[quantity]


def agree(labels: Tensor, values: np.ndarray) -> None:
    """Labels are those of the largest value, but for classes level within rounding."""
    ordered = np.sort(values, axis=0)
    clear = ordered[-1] - ordered[-2] > 1e-5
    assert (labels.numpy()[clear] == values.argmax(axis=0)[clear]).all()
    assert clear.mean() > 0.9


ALIGNMENTS = st.sampled_from(
    [(Alignment.CORNERS, None), (Alignment.CENTRES, None), (Alignment.CENTRES, 3), (Alignment.SAMPLES, 3)]
)


@given(
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    cut=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    aligned=ALIGNMENTS,
    quantity=st.sampled_from(Quantity),
    seed=st.integers(0, 10),
)
def test_one_view_against_one_pixel_at_a_time(
    rows: int, columns: int, cut: tuple[int, int], aligned: tuple[Alignment, int | None], quantity: Quantity, seed: int
) -> None:
    covered = (3 * rows, 3 * columns)
    size = (covered[0] - cut[0], covered[1] - cut[1])
    scores = torch.randn(3, rows, columns, generator=torch.manual_seed(seed))
    protocol = replace(BASE, upsampling=Upsampling(*aligned, quantity))
    view = View(1.0, False, scores, Place(Window(0, 0, *covered), size, size))
    expected = interpolated(quantity_of(scores.double().numpy(), quantity), covered, *aligned)
    expected = expected[:, : size[0], : size[1]]
    agree(decide([view], size, protocol), expected)
    found = probabilities([view], size, protocol).numpy()
    wanted = expected if quantity is Quantity.PROBABILITIES else quantity_of(expected, Quantity.PROBABILITIES)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@given(
    seed=st.integers(0, 20),
    fusion=st.sampled_from(Fusion),
    alignment=st.sampled_from([Alignment.CORNERS, Alignment.CENTRES]),
)
def test_scales_and_mirror_images_against_one_pixel_at_a_time(seed: int, fusion: Fusion, alignment: Alignment) -> None:
    size = (7, 6)
    drawn = torch.manual_seed(seed)
    quantity = Quantity.LOGITS
    protocol = replace(BASE, scales=(0.5, 1.0), flip=True, fusion=fusion, upsampling=Upsampling(alignment))
    views, fused = [], []
    for scale, frame in ((0.5, (4, 3)), (1.0, size)):
        for flipped in (False, True):
            scores = torch.randn(3, 2, 3, generator=drawn)
            views.append(View(scale, flipped, scores, Place(Window(0, 0, *frame), frame, size)))
            pixels = interpolated(quantity_of(scores.double().numpy(), quantity), size, alignment)
            fused.append(pixels[..., ::-1] if flipped else pixels)
    match fusion:
        case Fusion.MAX_OF_LOGITS:
            expected = np.max(fused, axis=0)
        case Fusion.MEAN_OF_PROBABILITIES:
            expected = np.mean([quantity_of(each, Quantity.PROBABILITIES) for each in fused], axis=0)
        case Fusion.SUM_OF_LOG_PROBABILITIES:
            expected = np.sum([quantity_of(each, Quantity.LOG_PROBABILITIES) for each in fused], axis=0)
    agree(decide(views, size, protocol), expected)


def test_deeplab_fuses_on_the_cells_of_the_full_size() -> None:
    protocol = largest_logits(PLAIN, side=33)
    size, canvas = (30, 33), (33, 33)
    drawn = torch.manual_seed(1)
    cells = {1.0: (5, 33), 0.75: (4, 25), 0.5: (3, 17)}
    views, maps = [], []
    for scale, (count, side) in cells.items():
        scores = torch.randn(3, count, count, generator=drawn)
        views.append(View(scale, False, scores, Place(Window(0, 0, side, side), (side, side), canvas)))
        maps.append(interpolated(scores.double().numpy(), (5, 5), Alignment.CORNERS))
    expected = interpolated(np.max(maps, axis=0), canvas, Alignment.CORNERS)[:, :30, :33]
    agree(decide(views, size, protocol), expected)
    elsewhere = decide(views, size, replace(protocol, fused_on=Grid.PIXELS))
    assert not torch.equal(decide(views, size, protocol), elsewhere)


@pytest.mark.parametrize("scale", [0.5, 1.75])
def test_maps_at_pixels_shrink_and_grow_as_pillow_does(scale: float) -> None:
    size = (12, 20)
    frame = resized(size, scale, SizeRule.FLOOR)
    scores = torch.randn(3, *frame, generator=torch.manual_seed(2))
    protocol = summed_log_probabilities(PLAIN, scales=(scale,))
    view = whole(scores, size, scale, frame)
    expected = np.stack(
        [
            np.asarray(Image.fromarray(each, "F").resize((size[1], size[0]), Image.Resampling.BILINEAR))
            for each in scores.log_softmax(0).numpy()
        ]
    )
    agree(decide([view], size, protocol), expected)
    found = probabilities([view], size, protocol).numpy()
    np.testing.assert_allclose(found, quantity_of(expected, Quantity.PROBABILITIES), atol=1e-5)


def tiled(pixels: Tensor, protocol: SegmentationProtocol, stride: int = 1) -> list[View]:
    """Views whose tiles show a map [K, H, W] as it is, every ``stride``-th pixel of it; 0 outside."""
    frame = (pixels.shape[-2], pixels.shape[-1])
    views = []
    for window in windows(frame, protocol.padding, protocol.tiling):
        beyond = F.pad(pixels, (0, window.left + window.columns, 0, window.top + window.rows))
        part = beyond[
            :, window.top : window.top + window.rows : stride, window.left : window.left + window.columns : stride
        ]
        views.append(View(1.0, False, part, Place(window, frame, frame)))
    return views


@pytest.mark.parametrize("seams", Seams)
@given(height=st.integers(1, 23), width=st.integers(1, 23), overlap=st.sampled_from([0, 1, 4]))
def test_tiles_that_agree_join_to_the_whole(seams: Seams, height: int, width: int, overlap: int) -> None:
    pixels = torch.randn(3, height, width, generator=torch.manual_seed(height * 31 + width))
    protocol = replace(BASE, tiling=Tiling((8, 6), overlap, seams=seams), upsampling=Upsampling(Alignment.NETWORK))
    assert torch.equal(decide(tiled(pixels, protocol), (height, width), protocol), pixels.argmax(0).to(torch.uint8))


def test_overlaps_are_averaged_or_cut_in_the_middle() -> None:
    tiling = Tiling((1, 4), 0)
    with pytest.raises(UsageError, match="overlap"):
        replace(tiling, overlap=1)
    places = [Place(Window(0, left, 4, 4), (4, 6), (4, 6)) for left in (0, 2)]
    scores = [torch.zeros(2, 4, 4), torch.zeros(2, 4, 4)]
    scores[0][0], scores[1][1] = 1.0, 3.0
    views = [View(1.0, False, each, place) for each, place in zip(scores, places, strict=True)]
    for seams, row in ((Seams.AVERAGE, [0, 0, 1, 1, 1, 1]), (Seams.CROP, [0, 0, 0, 1, 1, 1])):
        protocol = replace(BASE, tiling=Tiling((4, 4), 2, seams=seams), upsampling=Upsampling(Alignment.NETWORK))
        assert decide(views, (4, 6), protocol)[0].tolist() == row


def test_cells_of_tiles_are_joined_before_interpolation() -> None:
    protocol = mirrored_tiles(PLAIN, (8, 8), margin=0, stride=4)
    size = (13, 14)
    pixels = torch.randn(3, 16, 16, generator=torch.manual_seed(4))
    views = [
        View(1.0, False, each.scores, Place(each.place.window, size, size))
        for each in tiled(pixels, protocol, stride=4)
    ]
    cells = quantity_of(pixels[:, ::4, ::4].double().numpy(), Quantity.PROBABILITIES)
    expected = interpolated(cells, (16, 16), Alignment.SAMPLES, 4)[:, :13, :14]
    agree(decide(views, size, protocol), expected)
    np.testing.assert_allclose(probabilities(views, size, protocol).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("precision", "same"), [(Precision.FLOAT32, False), (Precision.FLOAT16, True), (Precision.BFLOAT16, True)]
)
def test_scores_are_rounded_to_the_precision(precision: Precision, same: bool) -> None:
    protocol = replace(BASE, precision=precision)
    level = [whole(pixel(4.0, 4.0 + step), (1, 1)) for step in (0.0, 1e-4)]
    assert (decide(level[:1], (1, 1), protocol).item() == decide(level[1:], (1, 1), protocol).item()) is same


def test_crf_refines_the_probabilities_of_the_image() -> None:
    size = (12, 14)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    view = whole(torch.randn(3, 3, 4, generator=torch.manual_seed(5)), size)
    crf = CrfParameters(w1=4, sigma_alpha=20, sigma_beta=30, iterations=3)
    protocol = replace(BASE, crf=crf)
    refined = refine(probabilities([view], size, BASE).numpy(), image, crf)
    assert np.array_equal(decide([view], size, protocol, image).numpy(), refined.argmax(axis=0))
    with pytest.raises(UsageError, match="needs the image"):
        decide([view], size, protocol)


@pytest.mark.parametrize(
    ("view", "protocol", "message"),
    [
        (
            whole(torch.zeros(2, 2, 2), (9, 8)),
            replace(BASE, upsampling=Upsampling(stride=4)),
            "2x2 cells of 4 pixels for 9x8",
        ),
        (
            whole(torch.zeros(2, 2, 2), (9, 8)),
            replace(BASE, upsampling=Upsampling(Alignment.NETWORK)),
            "2x2 cells of 1",
        ),
        (whole(torch.zeros(256, 1, 1), (1, 1)), BASE, r"got \[256\]"),
        (whole(torch.zeros(2, 1, 1), (8, 8), 0.5), largest_logits(PLAIN, 9), "not there"),
    ],
)
def test_maps_that_do_not_fit_are_refused(view: View, protocol: SegmentationProtocol, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        decide([view], (view.place.canvas), protocol)


@pytest.mark.parametrize(
    "protocol",
    [
        BASE,
        mirrored_tiles(PLAIN, (528, 528), 186),
        largest_logits(PLAIN, 513),
        summed_log_probabilities(PLAIN, (0.5, 1.0, 1.75)),
        replace(
            mean_probabilities(PLAIN, (1.0, 1.5), flip=True), crf=CrfParameters(4, 49, 5), precision=Precision.BFLOAT16
        ),
    ],
)
def test_protocols_are_plain_data(protocol: SegmentationProtocol) -> None:
    plain = msgspec.to_builtins(protocol)
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(plain)), SegmentationProtocol) == protocol


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scales": ()}, "scales"),
        ({"scales": (1.0, 1.0)}, "scales"),
        ({"scales": (1.0, math.nan)}, "scales"),
        (
            {"flip": True, "fusion": Fusion.MAX_OF_LOGITS, "upsampling": Upsampling(quantity=Quantity.PROBABILITIES)},
            "logits",
        ),
        ({"flip": True, "fused_on": Grid.CELLS}, "mirrored"),
        ({"scales": (0.5, 2.0), "fused_on": Grid.CELLS}, "scale 1"),
        ({"tiling": Tiling((8, 8), seams=Seams.CELLS)}, "stride"),
        ({"tiling": Tiling((9, 8), seams=Seams.CELLS), "upsampling": Upsampling(stride=4)}, "multiple"),
    ],
)
def test_contradictions_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(BASE, **change)


def test_settings_out_of_range_are_refused() -> None:
    for wrong in (
        lambda: Resize(antialias=False),
        lambda: Padding(multiple=8, remainder=8),
        lambda: Padding(margin=-1),
        lambda: Upsampling(Alignment.SAMPLES),
        lambda: replace(PLAIN, deviation=(1.0, 0.0, 1.0)),
        lambda: replace(PLAIN, mean=(math.nan, 0.0, 1.0)),
    ):
        with pytest.raises(UsageError):
            wrong()


@pytest.mark.parametrize(
    ("size", "scale", "rule", "expected"),
    [
        ((513, 321), 0.5, SizeRule.INTERP, (257, 161)),
        ((513, 321), 0.75, SizeRule.INTERP, (385, 241)),
        ((321, 500), 0.75, SizeRule.FLOOR, (240, 375)),
        ((321, 5), 0.5, SizeRule.ROUND, (161, 3)),
        ((30, 1), 0.1, SizeRule.FLOOR, (3, 1)),
        ((1024, 2048), 1.75, SizeRule.ROUND, (1792, 3584)),
    ],
)
def test_sizes(size: tuple[int, int], scale: float, rule: SizeRule, expected: tuple[int, int]) -> None:
    assert resized(size, scale, rule) == expected


@given(st.integers(1, 12), st.integers(0, 40), st.integers(0, 40))
def test_reflection_bounces_between_the_edges(length: int, before: int, after: int) -> None:
    expected = np.pad(np.arange(length), (before, after), mode="reflect")
    assert reflected(np.arange(-before, length + after), length).tolist() == expected.tolist()


@given(st.integers(1, 60), st.integers(2, 20), st.integers(0, 19))
def test_cuts_divide_an_axis(length: int, side: int, overlap: int) -> None:
    tiling = Tiling((side, side), min(overlap, side - 1))
    starts = [window.left for window in windows((1, length), Padding(), tiling) if window.top == 0]
    end = max(starts) + side
    parts = cuts(starts, side, end)
    assert [begin for begin, _ in parts] == [0, *[stop for _, stop in parts[:-1]]]
    assert parts[-1][1] == end >= length
    for start, (begin, stop) in zip(starts, parts, strict=True):
        assert start <= begin <= stop <= start + side
