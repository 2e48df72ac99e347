"""The drawing of a number's history: later is further right, more is higher, and all of it is inside."""

from __future__ import annotations

import re

from html_checks import Element, Page
from hypothesis import given
from hypothesis import strategies as st

from harness.reports.plots.timeline import FRAME, Point, timeline
from harness.reports.plots.tracks import scale_over

points = st.lists(
    st.builds(
        Point,
        st.dates().map(lambda day: f"{day.isoformat()}T00:00:00+00:00"),
        st.floats(-1e6, 1e6, allow_nan=False),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


def drawn(of: list[Point], printed: tuple[float, float] | None = None) -> Page:
    scale = scale_over([point.value for point in of], include=printed or ())
    return Page(str(timeline(of, scale, printed)))


def place(dot: Element) -> tuple[float, float]:
    return float(dot.attributes["cx"].removesuffix("%")), float(dot.attributes["cy"])


@given(points)
def test_dots_stand_where_their_numbers_say(of: list[Point]) -> None:
    dots = list(drawn(of).all("circle"))
    assert [dot.classes == ["now"] for dot in dots] == [point.counts for point in of]
    for one, here in zip(of, dots, strict=True):
        x, y = place(here)
        assert 0 < x < 100
        assert 0 < y < FRAME.height
        for two, there in zip(of, dots, strict=True):
            across, down = place(there)
            assert (x < across) == (one.moment < two.moment)
            assert y >= down if one.value < two.value else y <= down


@given(points, st.floats(-1e3, 1e3), st.floats(0.001, 10))
def test_a_band_holds_the_numbers_that_round_to_the_print(of: list[Point], low: float, width: float) -> None:
    tree = drawn(of, (low, low + width))
    band = next(tree.all("rect"))
    top, height = (float(band.attributes[name]) for name in ("y", "height"))
    for point, dot in zip(of, tree.all("circle"), strict=True):
        _, y = place(dot)
        if low <= point.value <= low + width:
            assert top - 1.6 <= y <= top + height + 1.6


def test_the_ends_are_dated_and_a_single_moment_is_not() -> None:
    two = drawn([Point("2025-01-01T00:00:00", 1.0, False), Point("2025-03-01T12:00:00", 2.0, True)]).text
    assert re.findall(r"\d{4}-\d\d-\d\d", two) == ["2025-01-01", "2025-03-01"]
    assert not re.findall(r"\d{4}-\d\d", drawn([Point("2025-01-01T00:00:00", 1.0, True)]).text)
