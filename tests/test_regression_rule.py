"""The nightly check's words on made histories, and what must not change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.claims.vocabulary import Direction
from harness.nightly.wording import sentence
from harness.regression.model import FAILURES, Address, Decision, Kind, Level, Night, Series, Shape, Word
from harness.regression.rule import decide, replay, suspects
from harness.scoring.scores import Mean, Metric, Single

OTHERS = 6
"""Further metrics, so that a night as a whole can be told from one of its metrics."""

SEVERITY = (Word.IMPROVEMENT, Word.STEADY, Word.SUSPECT, Word.REGRESSION)


def start(night: int) -> str:
    return f"2026-{1 + night // 28:02d}-{1 + night % 28:02d}T01:00:00Z"


def timed(
    values: Sequence[float],
    name: str = "time",
    again: float | None = None,
    better: Direction = "lower",
    kind: Kind = Kind.SPEED,
    segments: str = "",
    expected: bool = True,
) -> Series:
    """Return a metric of the machine; ``again`` confirms the last night, ``segments`` has a letter for each night."""
    nights = [Night(start(place), value, segments[place] if segments else "a") for place, value in enumerate(values)]
    nights[-1] = replace(nights[-1], again=again)
    return Series(Address("p", "e", "s", name), kind, "ms", better, tuple(nights), expected)


def noisy(nights: int, seed: int = 0, noise: float = 0.01) -> list[float]:
    return [float(value) for value in np.exp(np.random.default_rng(seed).normal(0, noise, nights))]


def others(nights: int) -> list[Series]:
    return [timed(noisy(nights, 100 + place), f"other-{place}") for place in range(OTHERS)]


def word(series: Series, *, alone: bool = False, levels: Sequence[Level] = ()) -> Word:
    return said(series, alone=alone, levels=levels).word


def said(series: Series, *, alone: bool = False, levels: Sequence[Level] = ()) -> Decision:
    beside = [] if alone else others(len(series.nights))
    return decide([series, *beside], levels)[0]


def words(series: Series, *, alone: bool = False) -> list[Word]:
    beside = [] if alone else others(len(series.nights))
    return [
        decision.word
        for _, decisions in replay([series, *beside], [])
        for decision in decisions
        if decision.address == series.address
    ]


def test_a_confirmed_slowdown_is_found_in_its_first_night() -> None:
    quiet = noisy(40)
    decision = said(timed([*quiet, 1.05], again=1.051))
    assert decision.word is Word.REGRESSION
    assert decision.shape is Shape.STEP
    assert decision.since == start(40)
    assert decision.nights == 40
    assert decision.level == pytest.approx(1.0, abs=0.01)
    assert decision.change is not None
    assert 0.03 < decision.change.low < 0.05 < decision.change.high < 0.09
    assert decision.change.p_worse < 1e-3


def test_without_a_confirmation_the_next_night_decides() -> None:
    quiet = noisy(40)
    assert word(timed([*quiet, 1.05])) is Word.SUSPECT
    assert word(timed([*quiet, 1.05, 1.05])) is Word.REGRESSION
    assert said(timed([*quiet, 1.05, 1.05])).since == start(40)


def test_a_single_slow_run_is_cleared_by_its_confirmation() -> None:
    series = timed([*noisy(40), 1.40])
    assert suspects([series, *others(41)], []) == (series.address,)
    assert word(timed([*noisy(40), 1.40], again=1.002)) is Word.STEADY


def test_what_does_not_stray_is_not_measured_again() -> None:
    assert suspects([timed([*noisy(40), 1.003]), *others(41)], []) == ()
    assert suspects([], []) == ()


def test_a_slow_night_is_no_regression_of_everything() -> None:
    slow = [timed([*(v for v in noisy(40, 100 + place)), 1.2], f"m{place}", again=1.21) for place in range(8)]
    assert {decision.word for decision in decide(slow, [])} == {Word.SUSPECT}


def test_everything_slower_for_good_is_found_within_three_nights() -> None:
    slow = [timed([*noisy(40, 100 + place), 1.2, 1.2, 1.2], f"m{place}") for place in range(8)]
    assert {decision.word for decision in decide(slow, [])} == {Word.REGRESSION}


def test_a_regression_stands_until_it_is_over() -> None:
    step = [*noisy(40), *(1.05 * v for v in noisy(60, 1))]
    assert set(words(timed(step))[41:]) == {Word.REGRESSION}
    after = words(timed([*step, *noisy(5, 2)]))
    assert after[-1] is Word.STEADY
    assert Word.STEADY in after[-5:]


def test_regressed_nights_do_not_become_the_level() -> None:
    decision = said(timed([*noisy(40), *[1.05] * 60]))
    assert decision.level == pytest.approx(1.0, abs=0.005)
    assert decision.nights == 40
    assert decision.since == start(40)


def test_an_accepted_level_restarts_the_reference() -> None:
    series = timed([*noisy(40), *(1.05 * v for v in noisy(20, 1))])
    level = Level(series.address.id, start(40), "a slower and safer kernel")
    assert word(series) is Word.REGRESSION
    accepted = said(series, levels=[level])
    assert accepted.word is Word.STEADY
    assert accepted.level == pytest.approx(1.05, abs=0.01)
    assert word(timed([*noisy(40), 1.05, 1.05]), levels=[level]) is Word.NEW_SEGMENT
    assert word(series, levels=[replace(level, address="p/e/s/other")]) is Word.REGRESSION


def test_a_new_segment_is_shown_and_not_compared() -> None:
    values = [*noisy(40), *(2 * v for v in noisy(8, 1))]
    spoken = words(timed(values, segments="a" * 40 + "b" * 8))
    assert spoken[40:47] == [Word.NEW_SEGMENT] * 7
    assert spoken[47] is Word.STEADY
    assert "changed" in said(timed(values[:42], segments="a" * 40 + "b" * 2)).reason


def test_a_segment_that_returns_is_compared_with_itself() -> None:
    values = [*noisy(30), 2.0, 1.3, 1.3]
    spoken = said(timed(values, again=1.3, segments="a" * 30 + "b" + "aa"))
    assert spoken.word is Word.REGRESSION
    assert spoken.level == pytest.approx(1.0, abs=0.01)


def test_what_was_expected_and_is_not_there_is_missing() -> None:
    gone = timed(noisy(20), "gone")
    idle = timed(noisy(20), "idle", expected=False)
    never = Series(Address("p", "e", "s", "never"), Kind.SPEED, "ms", "lower", ())
    spoken = {one.address.metric: one.word for one in decide([gone, idle, never, timed(noisy(21))], [])}
    assert spoken == {"gone": Word.MISSING, "idle": Word.STEADY, "never": Word.MISSING, "time": Word.STEADY}
    assert [one.word for one in decide([timed(noisy(20))], [], tonight=start(30))] == [Word.MISSING]
    assert decide([replace(never, expected=False)], []) == ()


def test_an_end_that_was_accepted_is_not_missed() -> None:
    gone, never = (
        timed([*noisy(20), 2.0], "gone", again=2.0),
        Series(Address("p", "e", "s", "never"), Kind.SPEED, "s", "lower", ()),
    )
    beside = timed(noisy(22))
    ends = [Level(one.address.id, start(21), "not needed") for one in (gone, never)]
    assert [one.word for one in decide([gone, never, beside], ends)] == [Word.STEADY]
    earlier = [replace(one, since=start(20)) for one in ends[:1]]
    assert decide([gone, beside], earlier)[0].word is Word.MISSING, "that was about a level it was measured at"
    back = replace(gone, nights=(*gone.nights, Night(start(22), 1.0, "a")))
    assert decide([back, beside], ends[:1])[0].word is Word.NEW_SEGMENT


@pytest.mark.parametrize(("level", "tonight"), [(1.0, 1e308), (5e-324, 1e308), (1e308, 5e-324)])
def test_no_change_is_too_large_to_be_told(level: float, tonight: float) -> None:
    for better in ("lower", "higher"):
        one = said(timed([*[level] * 20, tonight], again=tonight, better=better))
        assert one.word is (Word.REGRESSION if (tonight > level) == (better == "lower") else Word.IMPROVEMENT)
        assert one.change is not None
        assert np.isfinite([one.change.estimate, one.change.low, one.change.high]).all()
        assert sentence(one)


def test_what_overshoots_its_old_level_is_not_called_steady() -> None:
    faster = [*noisy(40), *(0.9 * v for v in noisy(5, 1))]
    assert said(timed([*faster, 1.3], again=1.3)).word is Word.SUSPECT
    assert said(timed([*faster, 1.3])).word is Word.SUSPECT
    assert said(timed([*faster, 1.3, 1.3, 1.3], again=1.3)).word is Word.REGRESSION


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 0.0, -1.0])
def test_what_is_no_time_is_not_compared(bad: float) -> None:
    for series in (timed([*noisy(20), bad]), timed([*noisy(20), 1.0], again=bad), timed([bad])):
        decision = said(series)
        assert decision.word is Word.NOT_COMPARED
        assert decision.word in FAILURES
        assert decision.change is None
    assert word(timed([*noisy(20), bad, 1.0])) is Word.STEADY, "a bad night is no part of the level"
    assert suspects([timed([*noisy(20), bad])], []) == ()


def test_a_drift_over_weeks_is_found() -> None:
    drift = np.exp(0.001 * np.maximum(np.arange(60) - 25, 0))
    series = timed([float(v * d) for v, d in zip(noisy(60, noise=0.005), drift, strict=True)])
    spoken = words(series)
    assert Word.REGRESSION not in spoken[:25]
    first = spoken.index(Word.REGRESSION)
    assert first < 55
    found = decide([replace(series, nights=series.nights[: first + 1]), *others(first + 1)], [])[0]
    assert found.shape is Shape.DRIFT
    assert spoken[-1] is Word.REGRESSION


def test_memory_that_never_moved_may_move_by_a_page() -> None:
    peak = 2.0**31
    assert word(timed([peak] * 40 + [peak + 2**12], again=peak + 2**12, kind=Kind.MEMORY)) is Word.STEADY
    assert word(timed([peak] * 40 + [1.02 * peak], again=1.02 * peak, kind=Kind.MEMORY), alone=True) is Word.REGRESSION


def test_improvements_are_reported_and_stand() -> None:
    faster = [*noisy(40), *(0.9 * v for v in noisy(5, 1))]
    assert said(timed(faster)).word is Word.IMPROVEMENT
    assert word(timed([*faster, 1.0, 1.0, 1.0])) is Word.STEADY


def test_the_unit_does_not_matter() -> None:
    values = [*noisy(40), 1.05]
    for factor in (1e-6, 1000.0):
        scaled = timed([factor * v for v in values], again=factor * 1.05)
        assert word(scaled) is Word.REGRESSION
        assert word(timed([factor * v for v in noisy(40)])) is word(timed(noisy(40)))


@given(nights=st.integers(9, 30), last=st.floats(0.7, 1.4), seed=st.integers(0, 20))
@settings(max_examples=30)
def test_a_rate_is_the_mirror_of_a_time(nights: int, last: float, seed: int) -> None:
    values = [*noisy(nights, seed), last]
    times = said(timed(values, again=last))
    rates = said(timed([1 / v for v in values], again=1 / last, better="higher"))
    assert times.word is rates.word
    assert (times.level is None) == (rates.level is None)
    if times.change and rates.change:
        assert times.change.p_worse == pytest.approx(rates.change.p_worse, rel=1e-6, abs=1e-12)
        assert (1 + times.change.estimate) * (1 + rates.change.estimate) == pytest.approx(1.0)


@given(
    nights=st.integers(9, 30),
    seed=st.integers(0, 20),
    slower=st.lists(st.floats(0.8, 2.0), min_size=2, max_size=2).map(sorted),
    confirmed=st.booleans(),
)
@settings(max_examples=40)
def test_a_larger_slowdown_never_gets_a_milder_word(
    nights: int, seed: int, slower: list[float], confirmed: bool
) -> None:
    near, far = (word(timed([*noisy(nights, seed), value], again=value if confirmed else None)) for value in slower)
    assert SEVERITY.index(near) <= SEVERITY.index(far)


@given(order=st.permutations(range(OTHERS + 2)))
@settings(max_examples=10)
def test_the_order_of_the_metrics_does_not_matter(order: list[int]) -> None:
    series = [timed([*noisy(20), 1.1], again=1.1), timed([*noisy(20, 1), 0.9], "fast", again=0.9), *others(21)]
    spoken = {one.address: one for one in decide(series, [])}
    assert {one.address: one for one in decide([series[place] for place in order], [])} == spoken


def test_deciding_is_the_last_night_of_the_replay() -> None:
    series = [timed([*noisy(30), 1.05, 1.05]), *others(32)]
    *_, (night, spoken) = replay(series, [])
    assert night == start(31)
    assert spoken == decide(series, [])


def test_the_past_does_not_know_the_future() -> None:
    series = timed([*noisy(30), *(1.05 * v for v in noisy(10, 1))])
    beside = others(40)
    for place, (_, spoken) in enumerate(replay([series, *beside], [])):
        if place >= 28:
            cut = [replace(one, nights=one.nights[: place + 1]) for one in (series, *beside)]
            assert decide(cut, []) == spoken


def test_histories_must_be_in_order_and_told_apart() -> None:
    series = timed(noisy(5))
    with pytest.raises(ValueError, match="order"):
        decide([replace(series, nights=series.nights[::-1])], [])
    with pytest.raises(ValueError, match="two series"):
        decide([series, series], [])


def images(lost: int, gained: int = 0, started: int = 0, wrong: int = 1500, total: int = 5000) -> Night:
    """Return a night of a classifier: of ``total`` images ``wrong`` were missed, then some lost and some gained."""
    outcomes = np.zeros(total)
    outcomes[gained : wrong + lost] = 1.0
    sample = Mean(Metric("top1-error"), outcomes, 100.0, proportion=True)
    return Night(start(started), 100 * float(outcomes.mean()), "a", samples={0: sample})


def network(*nights: Night) -> Series:
    return Series(Address("p", "e", "network", "top1-error"), Kind.ACCURACY, "%", "lower", nights)


def test_half_a_point_of_accuracy_is_found_where_few_outcomes_change() -> None:
    before = images(0)
    series = network(before, images(37, 12, started=1))
    decision = decide([series, *others(2)], [])[0]
    assert decision.word is Word.REGRESSION
    assert decision.change is not None
    assert decision.change.estimate == pytest.approx(0.5)
    assert decide([network(before, images(137, 112, started=1)), *others(2)], [])[0].word is Word.STEADY


def test_outcomes_that_mostly_repeat_are_tested_less_strictly() -> None:
    repeated = [images(0, started=night) for night in range(20)]
    assert decide([network(*repeated, images(45, 20, started=20))], [])[0].word is Word.REGRESSION
    restless = [images(night % 3, night % 3, started=night) for night in range(20)]
    assert decide([network(*restless, images(45, 20, started=20))], [])[0].word is Word.STEADY


def test_a_lost_half_point_stands_and_may_return() -> None:
    lost = [images(37, 12, started=night) for night in range(1, 5)]
    spoken = [said[0].word for _, said in replay([network(images(0), *lost, images(0, started=5))], [])]
    assert spoken == [Word.NEW_SEGMENT, *[Word.REGRESSION] * 4, Word.STEADY]


def test_half_of_a_loss_that_is_still_seen_is_no_return() -> None:
    nights = [images(0), images(100, started=1), images(40, started=2), images(3, started=3)]
    spoken = [said[0] for _, said in replay([network(*nights)], [])]
    assert [one.word for one in spoken] == [Word.NEW_SEGMENT, Word.REGRESSION, Word.REGRESSION, Word.STEADY]
    assert spoken[2].since == start(1)


def test_seeds_that_come_and_go_move_no_level() -> None:
    """Another seed is two points better, so that the mean over both hides the loss that pairing shows."""

    def both(first: Night, second: Night) -> Night:
        samples = {0: first.samples[0], 1: second.samples[0]}
        return replace(first, samples=samples, value=(first.value + second.value) / 2)

    better = images(0, wrong=1400)
    nights = (both(images(0), better), both(images(40, started=1), images(40, wrong=1400)), images(40, started=2))
    first, lost, alone = (said[0] for _, said in replay([network(*nights)], []))
    assert (first.word, lost.word, alone.word) == (Word.NEW_SEGMENT, Word.REGRESSION, Word.REGRESSION)
    assert (lost.level, lost.tonight) == (pytest.approx(29.0), pytest.approx(29.8))
    assert (alone.level, alone.tonight) == (pytest.approx(30.0), pytest.approx(30.8)), "of the seed that was compared"
    assert alone.since == start(1)
    assert "only of seed 0, which both nights have" in alone.reason
    assert "which both" not in lost.reason
    mended = decide([network(*nights[:2], images(0, started=2))], [])[0]
    assert mended.word is Word.STEADY, "its mean is a point worse, the seed is what it was"


def test_a_count_that_is_nearly_what_it_was_is_not_what_it_was() -> None:
    counts = [
        Night(start(place), float(count), "a", samples={0: Single(Metric("parameters"), count)})
        for place, count in enumerate((21, 25, 22, 21))
    ]
    series = Series(Address("p", "e", "network", "parameters"), Kind.ACCURACY, "1", "lower", tuple(counts))
    spoken = [said[0].word for _, said in replay([series], [])]
    assert spoken == [Word.NEW_SEGMENT, Word.REGRESSION, Word.REGRESSION, Word.STEADY]


def test_the_same_outcomes_are_no_change() -> None:
    decision = decide([network(images(0), images(0, started=1))], [])[0]
    assert decision.word is Word.STEADY
    assert decision.change is not None
    assert decision.change.p_worse == decision.change.p_better == 1.0


def test_losses_too_small_for_one_night_add_up() -> None:
    nights = [images(2 * night, started=night) for night in range(12)]
    spoken = [said[0] for _, said in replay([network(*nights)], [])]
    assert spoken[3].word is Word.STEADY
    assert spoken[-1].word is Word.REGRESSION
    assert spoken[-1].shape is Shape.DRIFT


def test_other_images_cannot_be_compared() -> None:
    decision = decide([network(images(0), images(0, started=1, total=4000))], [])[0]
    assert decision.word is Word.NOT_COMPARED
    assert "images" in decision.reason


def test_accuracy_is_not_measured_again() -> None:
    assert suspects([network(images(0), images(200, started=1))], []) == ()
