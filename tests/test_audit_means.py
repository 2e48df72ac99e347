"""Means, complements, ranges and granularity against brute force."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from audit_cases import column, found, paper_of, relation, sheet_of, table
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.audit import complements, granularity, means, ranges
from harness.audit.finding import Finding, Severity
from harness.audit.rules import HIDDEN_PART, HIDDEN_VALUE, MEAN, OTHER_MEAN, UNLIKELY_MEAN
from harness.claims.intervals import Interval
from harness.claims.printed import Printed, rounded

shares = st.fractions(min_value=1, max_value=99, max_denominator=10_000)


def class_table(rows: Sequence[Sequence[str]], parts: int) -> str:
    columns = [column(f"iou-{k}", "iou", group="classes") for k in range(parts)] + [column("miou", "miou")]
    return table("t1", columns, {f"Net-{k}": row for k, row in enumerate(rows)})


def judged(rows: Sequence[Sequence[str]]) -> list[Finding]:
    return found(means.detect, class_table(rows, len(rows[0]) - 1))


def printed_row(parts: Sequence[Fraction], mean: Fraction, decimals: int = 1) -> list[str]:
    return [rounded(value, decimals) for value in (*parts, mean)]


@settings(max_examples=25)
@given(st.lists(st.lists(shares, min_size=19, max_size=19), min_size=1, max_size=4), st.integers(0, 2))
def test_true_means_are_not_accused(rows: list[list[Fraction]], decimals: int) -> None:
    printed = [printed_row(parts, sum(parts, Fraction(0)) / 19, decimals) for parts in rows]
    assert [finding for finding in judged(printed) if finding.rule is MEAN] == []


@given(st.lists(st.integers(10, 990), min_size=3, max_size=8), st.integers(-30, 30))
def test_a_mean_is_wrong_exactly_outside_the_sum_of_all_roundings(tenths: list[int], off: int) -> None:
    parts = [Fraction(t, 10) for t in tenths]
    exact = sum(parts, Fraction(0)) / len(parts)
    mean = Printed(rounded(exact + Fraction(off, 10), 1))
    good = printed_row([Fraction(50)] * len(parts), Fraction(50))
    wrong = [f for f in judged([good, good, [*printed_row(parts, exact)[:-1], mean.text]]) if f.rule is MEAN]
    assert bool(wrong) == (abs(mean.value - exact) > Fraction(1, 10))


def test_a_mean_next_to_its_rounding_is_not_accused() -> None:
    """Nineteen parts whose mean is 67.247, printed as 67.3: half a step of one part tips it."""
    parts = [
        "96.9", "77.4", "90.3", "35.8", "42.8", "59.0", "66.8", "74.5", "91.6", "57.0",
        "93.4", "78.7", "55.3", "92.1", "43.2", "59.5", "36.2", "52.0", "75.2",
    ]  # fmt: skip
    assert judged([[*parts, "67.3"]]) == []
    assert judged([[*parts, "67.2"]]) == []


def test_an_incredible_rounding_is_a_warning_with_a_bound_on_its_probability() -> None:
    good = ["50.0"] * 12 + ["50.1"] * 7 + ["50.0"]
    (finding,) = judged([good, good, ["50.0"] * 19 + ["50.1"]])
    assert (finding.rule, finding.severity) == (UNLIKELY_MEAN, Severity.WARNING)
    assert "probability below" in finding.message


def test_parts_that_were_cut_off_are_allowed_for() -> None:
    """Parts cut off instead of rounded lower their mean by half a step."""
    rng = np.random.default_rng(0)
    true = rng.uniform(20, 90, (6, 19))
    rows = [[*(f"{np.floor(v * 10) / 10:.1f}" for v in row), f"{row.mean():.1f}"] for row in true]
    assert [finding.rule for finding in judged(rows)] == []


def test_the_probability_bound_holds_in_simulation() -> None:
    n = 5
    errors = np.random.default_rng(1).uniform(-0.05, 0.05, (200_000, n)).mean(axis=1)
    observed = float((np.abs(errors) >= 0.0345).mean())
    *parts, mean = sheet_of(class_table([["50.0"] * n + ["50.035"]], n)).paper.claims.values()
    bound = means.Row(mean, tuple(parts)).chance(means.CONVENTIONS[0])
    assert bound == pytest.approx(2 * np.exp(-6 * n * 0.0345**2 / 0.1**2))
    assert 0 < observed <= bound


def test_the_wrong_row_among_right_ones_is_named_with_what_it_should_be() -> None:
    rows = [["40.0", "50.0", "60.0", "50.0"], ["41.0", "50.0", "62.0", "51.0"], ["40.0", "50.0", "66.0", "51.0"]]
    (finding,) = judged(rows)
    assert finding.rule is MEAN
    assert finding.claims[0] == "t1/net-2/miou"
    assert finding.recomputed == Interval(Fraction("51.95"), Fraction("52.05"))


def test_the_statements_that_rest_on_a_wrong_mean_are_recomputed() -> None:
    rows = [["40.0", "50.0", "60.0", "50.0"], ["41.0", "50.0", "62.0", "51.0"], ["40.0", "50.0", "66.0", "51.0"]]
    body = class_table(rows, 3) + relation("t1/net-2/miou - t1/net-0/miou", "=", "1.0")
    (finding,) = found(means.detect, body)
    assert [consequence.relation for consequence in finding.consequences] == ["s/r"]


@settings(max_examples=25)
@given(st.lists(st.lists(shares, min_size=20, max_size=20), min_size=2, max_size=5), st.integers(900, 950))
def test_a_part_that_is_not_printed_is_inferred(rows: list[list[Fraction]], hidden: int) -> None:
    background = Fraction(hidden, 10) + 4
    printed = [printed_row(parts, (sum(parts, Fraction(0)) + background) / 21) for parts in rows]
    direct = [row for row, parts in zip(printed, rows, strict=True) if abs(Fraction(row[-1]) - sum(parts) / 20) > 1]
    findings = judged(printed)
    if len(direct) == len(rows):
        assert [finding.rule for finding in findings if finding.severity is not Severity.NOTE] == []
        assert HIDDEN_PART in {finding.rule for finding in findings}


def test_an_implied_part_beyond_the_range_is_an_error() -> None:
    rows = [["50.0"] * 20 + ["52.0"]] * 3 + [["50.0"] * 20 + ["62.0"]]
    rules = {finding.rule: finding for finding in judged(rows)}
    assert rules[HIDDEN_VALUE].severity is Severity.ERROR
    assert rules[HIDDEN_VALUE].claims[0] == "t1/net-3/miou"


def test_an_implied_part_unlike_the_others_stands_out() -> None:
    implied = [91.2, 91.6, 91.4, 91.9, 91.5, 91.7, 91.3, 60.0]
    rows = [["50.00"] * 20 + [f"{(1000 + value) / 21:.2f}"] for value in implied]
    flagged = [finding for finding in judged(rows) if finding.rule is HIDDEN_VALUE]
    assert [finding.claims[0] for finding in flagged] == ["t1/net-7/miou"]


def test_one_row_alone_does_not_tell_a_wrong_mean_from_a_hidden_part() -> None:
    (finding,) = judged([["50.0"] * 20 + ["52.0"]])
    assert (finding.rule, finding.severity) == (HIDDEN_PART, Severity.NOTE)


def test_means_over_something_else_are_one_note() -> None:
    (finding,) = judged([["50.0"] * 5 + ["80.0"], ["40.0"] * 5 + ["75.0"], ["30.0"] * 5 + ["70.0"]])
    assert (finding.rule, finding.severity) == (OTHER_MEAN, Severity.NOTE)


def test_rows_with_a_gap_and_other_datasets_are_left_alone() -> None:
    assert judged([["50.0", "-", "60.0", "80.0"]]) == []
    columns = [column("iou-a", "iou"), column("iou-b", "iou"), column("miou", "miou", dataset="d/test")]
    assert found(means.detect, table("t1", columns, {"A": ["40.0", "50.0", "80.0"]})) == []


ACCURACY = [column("accuracy", "accuracy", n=400), column("error", "top1-error", n=400)]


@given(st.lists(st.integers(0, 400), min_size=2, max_size=6))
def test_complements_of_one_truth_add_up(correct: list[int]) -> None:
    rows = {f"N{i}": [rounded(Fraction(k, 4), 1), rounded(100 - Fraction(k, 4), 1)] for i, k in enumerate(correct)}
    assert found(complements.detect, table("t1", ACCURACY, rows)) == []


def test_the_row_that_does_not_add_up_is_named() -> None:
    rows = {"A": ["70.0", "30.0"], "B": ["71.5", "28.5"], "C": ["72.5", "28.5"]}
    (finding,) = found(complements.detect, table("t1", ACCURACY, rows))
    assert finding.claims == ("t1/c/accuracy", "t1/c/error")


def test_columns_that_never_add_up_are_not_complements() -> None:
    rows = {"A": ["70.0", "10.0"], "B": ["71.5", "9.5"], "C": ["72.5", "8.5"]}
    assert found(complements.detect, table("t1", ACCURACY, rows)) == []


@pytest.mark.parametrize(("value", "wrong"), [("0.0", False), ("100.0", False), ("100.1", True), ("-0.1", True)])
def test_percentages_stay_within_their_range(value: str, wrong: bool) -> None:
    body = table("t1", [column("top1", "top1-error")], {"A": [value], "B": ["50.0"]})
    assert bool(found(ranges.detect, body)) is wrong


@settings(max_examples=30)
@given(st.integers(1, 60), st.integers(0, 1))
def test_power_is_the_share_of_decimals_that_no_count_rounds_to(n: int, decimals: int) -> None:
    scale = 10**decimals
    printable = range(1, 100 * scale)
    possible = {d for d in printable for k in range(n + 1) if abs(d * n - 100 * k * scale) * 2 <= n}
    for d in printable:
        printed = Printed(rounded(Fraction(d, scale), decimals))
        assert granularity.attainable(printed.interval, n, Fraction(100)) == (d in possible)
    power = granularity.power(Printed(rounded(Fraction(1, scale), decimals)), n, Fraction(100))
    assert float(power) == pytest.approx(1 - len(possible) / len(printable), abs=(n + 1) / (100 * scale))


@given(st.integers(1, 3000), st.data())
def test_a_share_of_images_is_never_impossible(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    value = rounded(Fraction(100 * k, n), data.draw(st.integers(0, 3)))
    body = table("t1", [column("top1", "top1-error", n=n)], {"A": [value]})
    assert found(granularity.detect, body) == []


def test_an_impossible_share_names_its_neighbours_and_power() -> None:
    (finding,) = found(granularity.detect, table("t1", [column("top1", "top1-error", n=46)], {"A": ["40.1"]}))
    assert finding.severity is Severity.ERROR
    assert "18 (39.13)" in finding.message
    assert "19 (41.304)" in finding.message
    assert "95%" in finding.message


def test_without_power_there_is_no_finding_and_it_is_counted() -> None:
    body = table("t1", [column("top1", "top1-error", n=50000)], {"A": ["40.1"]})
    assert found(granularity.detect, body) == []
    assert granularity.powerless(paper_of(body)) == 1
