from __future__ import annotations

import base64
import io
import re
from itertools import pairwise

import numpy as np
import pytest
from html_checks import Page
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from harness.reports.plots.panels import HEAT, LABELS, box_overlap, heat_map, label_colour, label_map, picture, png
from harness.reports.plots.tracks import SHAPES, Lane, axis, key, scale_over, track

VALUES = st.lists(st.floats(-1e4, 1e4, allow_nan=False), min_size=1, max_size=8)
SMALL = st.integers(0, 9)
BOXES = st.tuples(SMALL, SMALL, SMALL, SMALL)


def colour(text: str) -> list[int]:
    return [int(text[k : k + 2], 16) for k in (1, 3, 5)]


@given(VALUES)
def test_a_scale_reaches_all_values_with_few_round_ticks(values: list[float]) -> None:
    scale = scale_over(values)
    margin = 1e-6 * max(abs(scale.low), abs(scale.high))
    assert scale.low - margin <= min(values) <= max(values) <= scale.high + margin
    assert 2 <= len(scale.ticks) <= 9
    steps = [b - a for a, b in pairwise(scale.ticks)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-3)
    digits = f"{steps[0]:.3e}"[0]
    assert digits in "125"
    assert len(set(scale.labels())) == len(scale.ticks)


@given(VALUES)
def test_positions_keep_the_order_and_stay_inside(values: list[float]) -> None:
    scale = scale_over(values, include=[0.0])
    places = [float(scale.percent(value).rstrip("%")) for value in sorted(values)]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)
    assert scale.low <= 0 <= scale.high


def test_shares_never_leave_0_to_100() -> None:
    scale = scale_over([-3.0, 2.0, 99.5, 104.0], limits=(0.0, 100.0))
    assert (scale.low, scale.high) == (0.0, 100.0)


def test_nothing_to_show_still_gives_an_axis() -> None:
    scale = scale_over([float("nan")])
    assert scale.low < scale.high


def test_a_track_puts_estimate_interval_and_seeds_where_they_are() -> None:
    scale = scale_over([0.0, 100.0])
    lane = Lane(2, 50.0, 40.0, 75.0, (45.0, 55.0))
    page = Page(str(track(scale, [lane], reference=0.0)))
    bar = next(line for line in page.all("line") if "bar" in line.classes)
    assert (bar.attributes["x1"], bar.attributes["x2"]) == ("40.00%", "75.00%")
    assert [seed.attributes["cx"] for seed in page.all("circle")] == ["45.00%", "55.00%"]
    centre = next(path for path in page.all("path") if "centre" in path.classes)
    assert centre.parent is not None
    assert centre.parent.attributes["x"] == "50.00%"
    assert centre.attributes["d"] == SHAPES[2]
    zero = next(line for line in page.all("line") if "zero" in line.classes)
    assert zero.attributes["x1"] == "0.00%"


def test_twelve_series_are_told_apart() -> None:
    assert len({str(key(series)) for series in range(2 * len(SHAPES))}) == 2 * len(SHAPES)
    without_colour = {re.sub(r"s\d", "", str(key(series))) for series in range(2 * len(SHAPES))}
    assert len(without_colour) == 2 * len(SHAPES), "hollow shapes are told from filled ones without colour"


@pytest.mark.parametrize("series", [0, 5, 6, 11])
def test_a_series_looks_in_the_track_as_in_its_key(series: int) -> None:
    drawn = Page(str(track(scale_over([0.0, 1.0]), [Lane(series, 0.5)])))
    group, legend = next(drawn.all("g")), next(Page(str(key(series))).all("svg"))
    assert set(group.classes) == set(legend.classes) - {"key"}
    assert next(group.all("path")).attributes["d"] == next(legend.all("path")).attributes["d"]


def test_series_differ_in_shape_and_not_only_in_colour() -> None:
    assert len({str(key(series)).split('d="')[1] for series in range(len(SHAPES))}) == len(SHAPES)


def test_an_axis_names_every_tick() -> None:
    scale = scale_over([-10.0, 20.0])
    assert re.findall(r">([^<>]+)</text>", str(axis(scale, signed=True))) == list(scale.labels(signed=True))


def test_the_heat_scale_runs_from_nothing_to_the_top() -> None:
    pixels = heat_map(np.array([[0.0, 0.5], [1.0, 2.0]]), 1.0, None, (2, 2))
    assert pixels[0, 0].tolist() == colour(HEAT[0])
    assert pixels[0, 1].tolist() == colour(HEAT[len(HEAT) // 2])
    assert pixels[1, 0].tolist() == pixels[1, 1].tolist() == colour(HEAT[-1])


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
def test_each_cell_of_a_map_fills_its_part_of_the_frame(rows: int, columns: int, factor: int) -> None:
    activation = np.arange(rows * columns).reshape(rows, columns) / (rows * columns)
    small = heat_map(activation, 1.0, None, (rows, columns))
    large = heat_map(activation, 1.0, None, (rows * factor, columns * factor))
    assert np.array_equal(large, small.repeat(factor, axis=0).repeat(factor, axis=1))


def test_the_image_shows_through_a_map() -> None:
    backdrop = np.zeros((4, 4, 3), dtype=np.uint8)
    backdrop[:, 2:] = 255
    pixels = heat_map(np.full((2, 2), 0.3), 1.0, backdrop, (4, 4)).astype(int)
    assert (pixels[:, 2:].sum(axis=2) > pixels[:, :2].sum(axis=2)).all()


def test_a_map_that_is_no_map_is_refused() -> None:
    with pytest.raises(ValueError, match="a top above 0"):
        heat_map(np.zeros((2, 2)), 0.0, None, (2, 2))
    with pytest.raises(ValueError, match=r"a map \[h, w\]"):
        heat_map(np.zeros((0, 2)), 1.0, None, (2, 2))


def test_labels_have_colours_of_their_own() -> None:
    labels = np.arange(len(LABELS))[None]
    assert len({tuple(pixel) for pixel in label_map(labels)[0].tolist()}) == len(LABELS)


def lightness_and_colour(text: str) -> np.ndarray:
    """Return a colour in CIELAB (CIE 15, illuminant D65)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (k / 255 for k in colour(text))]
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    x, y, z = (
        np.cbrt(v) if v > (6 / 29) ** 3 else v / (3 * (6 / 29) ** 2) + 4 / 29
        for v in np.array(to_xyz) @ linear / [0.95047, 1.0, 1.08883]
    )
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_colours_of_twenty_one_classes_are_told_apart() -> None:
    labs = [lightness_and_colour(text) for text in LABELS[:21]]
    apart = [np.linalg.norm(one - other) for k, one in enumerate(labs) for other in labs[:k]]
    assert min(apart) > 20, "2 is a just noticeable difference"


def test_void_is_hatched_and_no_class_is() -> None:
    for side in (8, 48, 480):
        void = label_map(np.full((side, side), 255))
        assert {tuple(pixel) for pixel in void.reshape(-1, 3).tolist()} == {(255, 255, 255), (125, 133, 140)}
        assert len({tuple(pixel) for pixel in void[0].tolist()}) == 2, "also along a line one pixel high"
        assert len(np.unique(label_map(np.full((side, side), 7)).reshape(-1, 3), axis=0)) == 1


def test_a_label_map_is_stored_in_less_than_a_byte_a_pixel() -> None:
    labels = np.random.default_rng(0).integers(0, 21, (40, 40)).repeat(4, axis=0).repeat(4, axis=1)
    assert len(png(label_map(labels))) < labels.size / 4


@given(st.integers(0, 254))
def test_the_legend_has_the_colour_of_the_map(label: int) -> None:
    assert label_map(np.array([[label]]))[0, 0].tolist() == colour(label_colour(label))


@given(BOXES, BOXES)
def test_overlap_is_that_of_the_pixels(one: tuple[int, int, int, int], two: tuple[int, int, int, int]) -> None:
    def pixels(box: tuple[int, int, int, int]) -> set[tuple[int, int]]:
        return {(x, y) for x in range(box[0], box[2] + 1) for y in range(box[1], box[3] + 1)}

    expected = len(pixels(one) & pixels(two)) / max(len(pixels(one) | pixels(two)), 1)
    assert box_overlap(one, two) == pytest.approx(expected if pixels(one) and pixels(two) else 0.0)


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3))))
def test_a_picture_holds_the_pixels_it_was_given(pixels: np.ndarray) -> None:
    uri = png(pixels)
    assert uri == png(pixels.copy())
    content = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")), pixels)


def test_boxes_cover_both_their_ends_and_no_box_is_not_drawn() -> None:
    drawn = picture(
        np.zeros((9, 9, 3), np.uint8), 'a "b" <c>', (("truth", (1, 2, 3, 6)), ("predicted", (-1, -1, -1, -1)))
    )
    page = Page(str(drawn))
    rectangles = list(page.all("rect"))
    assert {tuple(r.attributes[n] for n in ("x", "y", "width", "height")) for r in rectangles} == {("1", "2", "3", "5")}
    assert not any("predicted" in r.classes for r in rectangles)
    assert next(page.all("svg")).attributes["aria-label"] == 'a "b" <c>'
