"""Verdicts on relations: sound against sampling, complete against closed forms, quiet about rounding."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
from audit_cases import column, relation, sheet_of, table, two_systems, verdict_of
from hypothesis import given
from hypothesis import strategies as st

from harness.audit.finding import Outcome, Severity
from harness.audit.relations import consequences, detect, verdicts
from harness.audit.rules import COUNTER_EXAMPLE, READING, RELATION, TRUNCATED, UNDECIDED
from harness.claims.printed import Printed, rounded

GAIN = "t1/a/top1 - t1/b/top1"


def outcome(body: str, id: str = "s/r") -> Outcome:
    return verdict_of(verdicts(sheet_of(body)), id).outcome


@pytest.mark.parametrize(
    ("a", "b", "op", "right", "expected"),
    [
        ("30.43", "28.00", "=", "2.43", Outcome.CONSISTENT),
        ("30.43", "28.00", "=", "2.4", Outcome.CONSISTENT),
        ("30.43", "28.00", "=", "2", Outcome.CONSISTENT),
        ("30.43", "28.00", "=", "2.44", Outcome.WITHIN_ROUNDING),
        ("30.43", "28.00", "=", "2.46", Outcome.INCONSISTENT),
        ("30.43", "28.00", "=", "2.92", Outcome.INCONSISTENT),
        ("28.00", "30.43", "=", "-2.43", Outcome.CONSISTENT),
        ("30.4", "28.0", "=", "2.43", Outcome.WITHIN_ROUNDING),
        ("24.01", "22.94", ">", "1", Outcome.CONSISTENT),
        ("23.94", "22.94", ">", "1", Outcome.UNDECIDED),
        ("23.94", "22.94", ">=", "1", Outcome.WITHIN_ROUNDING),
        ("23.945", "22.94", ">", "1", Outcome.WITHIN_ROUNDING),
        ("23.93", "22.94", ">", "1", Outcome.INCONSISTENT),
        ("23.92", "22.94", ">", "1", Outcome.INCONSISTENT),
        ("24.01", "22.94", "<", "2", Outcome.CONSISTENT),
    ],
)
def test_difference_against_a_number(a: str, b: str, op: str, right: str, expected: Outcome) -> None:
    assert outcome(two_systems(a, b) + relation(GAIN, op, right)) is expected


@pytest.mark.parametrize(
    ("a", "op", "b", "expected"),
    [
        ("24.81", "<", "24.82", Outcome.CONSISTENT),
        ("24.82", "<", "24.81", Outcome.INCONSISTENT),
        ("24.81", "<", "24.81", Outcome.UNDECIDED),
        ("24.81", "<=", "24.81", Outcome.WITHIN_ROUNDING),
        ("24.8", "<", "24.81", Outcome.WITHIN_ROUNDING),
        ("24.8", "<", "24.79", Outcome.UNDECIDED),
        ("24.8", "<", "24.74", Outcome.INCONSISTENT),
        ("24.81", "=", "24.8", Outcome.CONSISTENT),
        ("24.86", "=", "24.8", Outcome.INCONSISTENT),
    ],
)
def test_two_claims_against_each_other(a: str, op: str, b: str, expected: Outcome) -> None:
    assert outcome(two_systems(a, b) + relation("t1/a/top1", op, "t1/b/top1", unit="%")) is expected


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("24.86", "24.81", Outcome.CONSISTENT),
        ("24.9", "24.81", Outcome.CONSISTENT),
        ("24.95", "24.84", Outcome.WITHIN_ROUNDING),
        ("25.00", "24.81", Outcome.INCONSISTENT),
    ],
)
def test_near_means_apart_by_at_most_the_margin(a: str, b: str, expected: Outcome) -> None:
    margin = 'margin = "0.1"\nmargin_reason = "because"'
    assert outcome(two_systems(a, b) + relation("t1/a/top1", "~", "t1/b/top1", more=margin)) is expected


def test_counts_are_exact_and_parameters_are_rounded() -> None:
    layers = '{ id = "layers", metric = "layers", unit = "layers" }'
    params = '{ id = "params", metric = "parameters", unit = "M" }'
    body = table("t1", [layers, params], {"A": ["18", "21.8"], "B": ["18", "21.8"]})
    body += relation("t1/a/layers", "<=", "t1/b/layers", id="s/layers")
    body += relation("t1/a/params", "<=", "t1/b/params", id="s/params")
    assert outcome(body, "s/layers") is Outcome.CONSISTENT
    assert outcome(body, "s/params") is Outcome.WITHIN_ROUNDING


decimals = st.integers(0, 3)
truths = st.fractions(min_value=1, max_value=99, max_denominator=100_000)


@given(truths, truths, decimals, decimals, decimals)
def test_what_was_rounded_from_one_truth_is_never_accused(
    a: Fraction, b: Fraction, digits_a: int, digits_b: int, digits: int
) -> None:
    printed = two_systems(rounded(a, digits_a), rounded(b, digits_b))
    body = printed + relation(GAIN, "=", rounded(a - b, digits), id="s/gain")
    body += relation(f"({GAIN}) / t1/a/top1 * 100", "=", rounded((a - b) / a * 100, digits), id="s/share")
    body += relation("mean(t1/*/top1)", "=", rounded((a + b) / 2, digits), id="s/mean")
    body += relation("t1/a/top1", "<" if a < b else ">=", "t1/b/top1", id="s/order")
    for verdict in verdicts(sheet_of(body)):
        assert verdict.outcome is not Outcome.INCONSISTENT, verdict


cents = st.integers(100, 9900)


@given(cents, cents, st.integers(-300, 300))
def test_a_difference_is_accused_exactly_where_rounding_cannot_reach(a: int, b: int, off: int) -> None:
    result = Fraction(a - b + off, 100)
    printed = two_systems(rounded(Fraction(a, 100), 2), rounded(Fraction(b, 100), 2))
    found = outcome(printed + relation(GAIN, "=", rounded(result, 2)))
    half_steps = 3 * Fraction(1, 200)
    assert (found is Outcome.INCONSISTENT) == (abs(Fraction(off, 100)) > half_steps)
    assert (found is Outcome.CONSISTENT) == (off == 0)


@given(cents, cents, st.integers(0, 2000))
def test_a_ratio_is_accused_only_where_no_corner_reaches_it(a: int, b: int, percent: int) -> None:
    half = Fraction(1, 200)
    x, y = Fraction(a, 100), Fraction(b, 100)
    corners = [(p - q) / p * 100 for p, q in product((x - half, x + half), (y - half, y + half))]
    right = Fraction(percent, 10)
    reachable = min(corners) <= right + Fraction(1, 20) and right - Fraction(1, 20) <= max(corners)
    body = two_systems(rounded(x, 2), rounded(y, 2)) + relation(f"({GAIN}) / t1/a/top1 * 100", "=", rounded(right, 1))
    found = outcome(body)
    if reachable:
        assert found is not Outcome.INCONSISTENT
    if found is not Outcome.INCONSISTENT:
        assert min(corners) - 1 <= right <= max(corners) + 1


def test_a_divisor_that_may_be_zero_is_not_checkable() -> None:
    verdict = verdicts(sheet_of(two_systems("5.0", "0.0") + relation("t1/a/top1 / t1/b/top1", "=", "3", unit="x")))[0]
    assert verdict.outcome is Outcome.NOT_CHECKABLE
    assert "divisor" in verdict.reason


def test_unchecked_relations_keep_their_reason() -> None:
    body = two_systems("1.0", "2.0") + (
        '[[relation]]\nid = "s/r"\nsection = "S"\nquote = "q"\nunchecked = "shown in a picture only"\n'
    )
    verdict = verdicts(sheet_of(body))[0]
    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_CHECKABLE, "shown in a picture only")


def test_a_failing_relation_names_numbers_and_conclusion() -> None:
    body = two_systems("30.43", "28.00") + relation(GAIN, "=", "2.92", more='conclusion = "Less is gained."')
    sheet = sheet_of(body)
    (finding,) = detect(sheet, verdicts(sheet))
    assert (finding.rule, finding.severity) == (RELATION, Severity.ERROR)
    assert finding.claims == ("t1/a/top1", "t1/b/top1")
    assert finding.printed == ("30.43", "28.00")
    assert finding.conclusion == "Less is gained."
    assert "2.43" in finding.message
    assert "2.92" in finding.message
    assert finding.recomputed is not None
    assert (finding.recomputed.low, finding.recomputed.high) == (Fraction("2.42"), Fraction("2.44"))


def test_a_number_cut_off_instead_of_rounded_is_a_note() -> None:
    sheet = sheet_of(two_systems("30.67", "30.00") + relation(GAIN, "=", "0.6"))
    (finding,) = detect(sheet, verdicts(sheet))
    assert (finding.rule, finding.severity) == (TRUNCATED, Severity.NOTE)


UNIVERSAL = 'universal = "each"\nacross = { x = ["b", "c", "d"] }'


def four_systems(*values: str) -> str:
    return table("t1", [column("top1", "top1-error")], dict(zip("ABCD", ([v] for v in values), strict=True)))


def test_one_counter_example_is_enough_and_is_named() -> None:
    sheet = sheet_of(
        four_systems("20.0", "21.0", "19.0", "22.0") + relation("t1/a/top1", "<", "t1/{x}/top1", more=UNIVERSAL)
    )
    (finding,) = detect(sheet, verdicts(sheet))
    assert finding.rule is COUNTER_EXAMPLE
    assert finding.relation == "s/r#2"
    assert "2 of 3 cases hold" in finding.message
    assert "t1/c/top1" in finding.message
    assert "t1/b/top1" not in finding.message


def test_a_universal_statement_that_holds_is_quiet() -> None:
    sheet = sheet_of(
        four_systems("20.0", "21.0", "20.1", "22.0") + relation("t1/a/top1", "<", "t1/{x}/top1", more=UNIVERSAL)
    )
    assert list(detect(sheet, verdicts(sheet))) == []


def test_equal_prints_leave_an_order_open_without_an_accusation() -> None:
    sheet = sheet_of(two_systems("20.0", "20.0") + relation("t1/a/top1", "<", "t1/b/top1"))
    (finding,) = detect(sheet, verdicts(sheet))
    assert (finding.rule, finding.severity) == (UNDECIDED, Severity.NOTE)


def claim(id: str, value: str, more: str = "") -> str:
    return f'[claim."{id}"]\nvalue = "{value}"\nunit = "x"\nmetric = "ratio"\nsection = "S"\nquote = "q"\n{more}\n\n'


def test_another_reading_of_an_uncertain_copy_is_a_note() -> None:
    uncertain = 'transcription = "uncertain"\nreadings = ["16"]'
    body = claim("s/factor", "24", uncertain) + relation("4 ^ 2", "=", "s/factor", unit="x")
    sheet = sheet_of(body)
    (verdict,) = verdicts(sheet)
    assert verdict.outcome is Outcome.UNDECIDED
    (finding,) = detect(sheet, [verdict])
    assert (finding.rule, finding.severity) == (READING, Severity.NOTE)
    assert "read as 16" in finding.message


def test_no_reading_helps_a_relation_that_fails_for_all() -> None:
    uncertain = 'transcription = "uncertain"\nreadings = ["18"]'
    sheet = sheet_of(claim("s/factor", "24", uncertain) + relation("4 ^ 2", "=", "s/factor", unit="x"))
    (finding,) = detect(sheet, verdicts(sheet))
    assert (finding.rule, finding.severity) == (RELATION, Severity.ERROR)


def test_a_margin_violated_is_a_warning_with_its_reason() -> None:
    margin = 'margin = "0.1"\nmargin_reason = "a tenth"'
    sheet = sheet_of(two_systems("25.0", "20.0") + relation("t1/a/top1", "~", "t1/b/top1", more=margin))
    (finding,) = detect(sheet, verdicts(sheet))
    assert finding.severity is Severity.WARNING
    assert "a tenth" in finding.message


def test_significance_is_judged_where_images_are_counted_and_declined_elsewhere() -> None:
    body = two_systems("30.43", "28.00")
    body += table("t2", [column("miou", "miou", n=500)], {"A": ["60.0"], "B": ["70.0"]})
    body += relation("t1/b/top1", "<", "t1/a/top1", id="s/counted", more="significant = true")
    body += relation("t2/a/miou", "<", "t2/b/miou", id="s/score", more="significant = true")
    judged = verdicts(sheet_of(body))
    assert verdict_of(judged, "s/counted").reason.startswith("resolved")
    assert "not checkable" in verdict_of(judged, "s/score").reason
    assert verdict_of(judged, "s/score").outcome is Outcome.CONSISTENT


def test_consequences_are_the_relations_that_turn() -> None:
    body = two_systems("27.73", "24.81")
    body += relation(GAIN, "=", "2.92", id="s/gain", more='conclusion = "The gain is smaller."')
    body += relation("t1/b/top1", "<", "t1/a/top1", id="s/order")
    (consequence,) = consequences(sheet_of(body), {"t1/a/top1": Printed("26.73")})
    assert consequence.relation == "s/gain"
    assert (consequence.before, consequence.after) == (Outcome.CONSISTENT, Outcome.INCONSISTENT)
    assert "1.92" in consequence.message
    assert consequence.conclusion == "The gain is smaller."
