"""The way from our number to the print: its steps add up, and a planted convention is found."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.claims.intervals import Interval
from harness.claims.printed import Printed
from harness.explain.conventions import Axis, Choice, Grid, Option
from harness.explain.rescore import segmentation
from harness.explain.waterfall import FULL_GRID, Values, Waterfall, survey, waterfall

NAMES = ["background", "road", "car"]


def grid_of(*sizes: int) -> Grid:
    axes = [
        Axis(f"axis {place}", f"Question {place}", tuple(Option(str(k), f"answer {k}") for k in range(size)), "0")
        for place, size in enumerate(sizes)
    ]
    return Grid(tuple(axes))


@st.composite
def scored_grids(draw: st.DrawFn) -> tuple[Grid, dict[Choice, float], Interval]:
    grid = grid_of(*draw(st.lists(st.integers(2, 3), min_size=1, max_size=3)))
    number = st.floats(0, 100)
    table = {choice: draw(number | st.just(float("nan"))) for choice in grid.combinations()}
    table[grid.usual] = draw(number)
    return grid, table, Printed(draw(st.decimals(0, 100, places=1).map(str))).interval


def values_of(table: dict[Choice, float]) -> Values:
    return lambda choices: [table[choice] for choice in choices]


@given(scored_grids())
def test_steps_and_rest_add_up_to_the_gap_exactly(case: tuple[Grid, dict[Choice, float], Interval]) -> None:
    grid, table, target = case
    fall = waterfall(grid, values_of(table), target)
    assert sum((step.change for step in fall.steps), Fraction(0)) + fall.rest == fall.gap
    assert fall.gap == target.middle - Fraction(table[grid.usual])
    assert [step.before for step in fall.steps] == [fall.start, *(step.after for step in fall.steps)][:-1]
    assert all(table[step.choice] == step.after for step in fall.steps)


@given(scored_grids())
def test_each_step_changes_one_convention_and_is_the_nearest(
    case: tuple[Grid, dict[Choice, float], Interval],
) -> None:
    grid, table, target = case
    fall = waterfall(grid, values_of(table), target)
    for before, after in pairwise([grid.usual, *(step.choice for step in fall.steps)]):
        assert sum(a != b for a, b in zip(before, after, strict=True)) == 1
    far = [Interval.point(Fraction(v)).distance(target) for v in (fall.start, *(step.after for step in fall.steps))]
    assert far == sorted(far, reverse=True)
    last = fall.steps[-1].choice if fall.steps else grid.usual
    if far[-1] > 0:
        rivals = [table[other] for _, _, other in grid.singles(last) if table[other] == table[other]]
        assert all(Interval.point(Fraction(rival)).distance(target) >= far[-1] for rival in rivals)
    if fall.unexplained is None:
        assert far == [0]
    else:
        assert (fall.unexplained == 0) == (far[-1] == 0)
        assert 0 <= fall.unexplained <= 1 + 1e-9


@given(scored_grids(), st.data())
def test_the_order_of_the_table_does_not_matter(
    case: tuple[Grid, dict[Choice, float], Interval], data: st.DataObject
) -> None:
    grid, table, target = case
    shuffled = dict(data.draw(st.permutations(list(table.items()))))
    assert waterfall(grid, values_of(table), target) == waterfall(grid, values_of(shuffled), target)
    assert survey(grid, values_of(table), target) == survey(grid, values_of(shuffled), target)


@given(scored_grids())
def test_the_survey_counts_every_combination_by_brute_force(
    case: tuple[Grid, dict[Choice, float], Interval],
) -> None:
    grid, table, target = case
    found = survey(grid, values_of(table), target)
    assert found is not None
    scored = {choice: value for choice, value in table.items() if value == value}
    assert found.combinations == len(scored)
    assert (found.low, found.high) == pytest.approx((min(scored.values()), max(scored.values())), abs=1e-8)
    assert found.within <= found.numbers <= found.combinations

    def far(value: float) -> Fraction:
        return Interval.point(Fraction(value)).distance(target)

    assert far(found.value) == min(map(far, scored.values()))
    equals = [choice for choice, value in scored.items() if far(value) == far(found.value)]
    fewest = min(sum(answer != "0" for answer in choice) for choice in equals)
    assert sum(answer != "0" for answer in found.nearest) == fewest
    assert 0 < found.by_chance <= found.numbers


def test_by_chance_is_how_often_a_print_placed_anywhere_is_met() -> None:
    numbers = [10.0, 10.02, 14.0, 31.0, 55.5]
    table = {(str(k),): value for k, value in enumerate(numbers)}
    target = Printed("14.0").interval
    found = survey(grid_of(len(numbers)), values_of(table), target)
    assert found is not None
    half = float(target.width) / 2
    centres = np.linspace(min(numbers) - half, max(numbers) + half, 400_001)
    met = sum((np.abs(centres - number) <= half).mean() for number in numbers)
    assert found.by_chance == pytest.approx(met, rel=1e-3)
    assert found.within == 1


def test_grids_too_large_are_not_scored_whole() -> None:
    grid = grid_of(5, 5, 5, 5)
    assert FULL_GRID < 5**4
    assert survey(grid, refuse, Printed("1.0").interval) is None


def refuse(choices: Sequence[Choice]) -> list[float]:
    raise AssertionError(f"{len(choices)} choices are scored")


def test_a_number_that_rounds_to_the_print_has_no_gap() -> None:
    fall = waterfall(grid_of(2), values_of({("0",): 76.349, ("1",): 76.3}), Printed("76.3").interval)
    assert fall == Waterfall(76.349, (), Printed("76.3").interval)
    assert fall.unexplained is None


def test_no_score_under_the_usual_conventions_is_an_error() -> None:
    with pytest.raises(ValueError, match="no score"):
        waterfall(grid_of(2), values_of({("0",): float("nan"), ("1",): 1.0}), Printed("1.0").interval)


def counts(seed: int = 0) -> np.ndarray:
    """Counts in which every convention gives another number: classes absent, predictions outside, uneven images."""
    stream = np.random.default_rng(seed)
    found = stream.integers(0, 400, (40, 3, 4))
    found[:, np.arange(3), np.arange(3)] *= 9
    found[stream.random(40) < 0.5, 2, :] = 0
    found[stream.random(40) < 0.5, :, 2] = 0
    return found


@pytest.mark.parametrize(
    ("axis", "option"),
    [
        (axis.key, option.key)
        for axis in segmentation(counts(), "miou", "voc2012", NAMES).grid.axes
        for option in axis.options
        if option.key != axis.usual and axis.key != "absent"
    ],
)
def test_a_single_planted_convention_is_named(axis: str, option: str) -> None:
    scoring = segmentation(counts(), "miou", "voc2012", NAMES)
    grid = scoring.grid
    (number,) = scoring.values([grid.changed(grid.usual, axis, option)])
    target = Printed(f"{number:.4f}").interval
    fall = waterfall(grid, scoring.values, target)
    assert [(step.axis.key, step.option.key) for step in fall.steps] == [(axis, option)]
    assert fall.unexplained == 0
    found = survey(grid, scoring.values, target)
    assert found is not None
    assert grid.changed(grid.usual, axis, option) == found.nearest


def test_absent_classes_explain_only_when_images_are_averaged() -> None:
    scoring = segmentation(counts(), "miou", "voc2012", NAMES)
    grid = scoring.grid
    alone = grid.changed(grid.usual, "absent", "zero")
    assert scoring.values([alone]) == scoring.values([grid.usual]), "every class is somewhere"
    both = grid.changed(grid.changed(grid.usual, "averaging", "images"), "absent", "zero")
    (number,) = scoring.values([both])
    found = survey(grid, scoring.values, Printed(f"{number:.4f}").interval)
    assert found is not None
    assert found.nearest == both
    assert found.within == 1
