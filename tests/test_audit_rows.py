"""Rows that share values, break a pattern, stand out, or go against depth."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, product
from statistics import NormalDist

import numpy as np
import pytest
from audit_cases import column, found, relation, sheet_of, table
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.audit import identical_rows, monotone, outliers, patterns
from harness.audit.finding import Severity
from harness.audit.rules import BROKEN_PATTERN, ORDER
from harness.claims.intervals import Interval
from harness.claims.printed import PRINTED, Printed

NORMAL = NormalDist()
FOUR = [
    column(f"top{k}-{crops}crop", f"top{k}-error", protocol=f"{crops}-crop", n=50000)
    for crops in (1, 10)
    for k in (1, 5)
]
CLEAN = {
    "A": ["30.43", "10.76", "28.22", "9.42"],
    "B": ["28.00", "9.50", "25.75", "8.25"],
    "C": ["25.19", "7.91", "23.33", "6.69"],
    "D": ["24.86", "7.55", "22.93", "6.39"],
    "E": ["26.73", "8.74", "24.76", "7.35"],
    "F": ["24.81", "7.54", "22.64", "6.34"],
    "G": ["22.98", "6.63", "21.20", "5.60"],
    "H": ["24.01", "7.02", "22.24", "6.08"],
    "I": ["22.94", "6.57", "21.34", "5.74"],
    "J": ["22.44", "6.21", "21.08", "5.35"],
}


def with_row(name: str, *cells: str) -> str:
    return table("t1", FOUR, {**CLEAN, name: cells})


def test_a_clean_table_is_quiet() -> None:
    body = table("t1", FOUR, CLEAN)
    for detector in (identical_rows.detect, patterns.detect, outliers.detect):
        assert found(detector, body) == []


def test_two_shared_measured_values_are_reported_with_their_expected_count() -> None:
    (finding,) = found(identical_rows.detect, with_row("G", "22.94", "6.57", "21.20", "5.60"))
    assert finding.severity is Severity.NOTE
    assert set(finding.claims) == {f"t1/{row}/top{k}-1crop" for row in "gi" for k in (1, 5)}
    assert "22.94" in finding.message


def test_the_more_values_are_shared_the_less_can_be_chance() -> None:
    (finding,) = found(identical_rows.detect, with_row("G", "22.94", "6.57", "21.34", "5.60"))
    assert finding.severity is Severity.WARNING


def test_one_shared_value_and_shared_parameters_do_not_count() -> None:
    params = '{ id = "params", metric = "parameters", unit = "M" }'
    rows = {name: [cells[0], "11.7", "11.7"] for name, cells in CLEAN.items()}
    rows["G"][0] = "22.94"
    columns = [FOUR[0], params, params.replace('"params"', '"again"')]
    assert found(identical_rows.detect, table("t1", columns, rows)) == []


def test_values_at_the_end_of_the_range_do_not_count() -> None:
    rows = {name: ["0.00", "0.00", *cells[2:]] if name in "AB" else cells for name, cells in CLEAN.items()}
    assert found(identical_rows.detect, table("t1", FOUR, rows)) == []


def test_coarse_prints_share_values_by_chance() -> None:
    rows = {name: [cells[0][:2], cells[1].partition(".")[0]] for name, cells in CLEAN.items()}
    assert found(identical_rows.detect, table("t1", FOUR[:2], rows)) == []


def expected_in(values: np.ndarray) -> float:
    cells = {f"R{i}": [f"{value:.1f}" for value in row] for i, row in enumerate(values)}
    sheet = sheet_of(table("t1", FOUR[:2], cells))
    by_column = {
        name: {claim.row or "": claim for claim in sheet.paper.claims.values() if claim.column == name}
        for name in ("top1-1crop", "top5-1crop")
    }
    expected = identical_rows.expected_by_chance(by_column, list(by_column))
    assert expected is not None
    return expected


def test_expected_coincidences_are_those_of_a_simulation_and_err_on_the_careful_side() -> None:
    rng = np.random.default_rng(3)
    cholesky = np.array([[2.0, 0.0], [1.2, 0.9]])
    draws = [np.round(50 + rng.normal(size=(12, 2)) @ cholesky.T, 1) for _ in range(4000)]
    observed = sum((v[a] == v[b]).all() for v in draws for a, b in combinations(range(12), 2)) / len(draws)
    predicted = float(np.mean([expected_in(values) for values in draws[:60]]))
    assert observed < predicted < 2.5 * observed


def test_one_wild_row_does_not_make_coincidences_look_rare() -> None:
    values = np.round(50 + np.random.default_rng(4).normal(size=(10, 2)), 1)
    wild = np.vstack([values, [[90.0, 5.0]]])
    assert expected_in(wild) > 0.5 * expected_in(values)


def test_few_rows_are_reported_only_if_all_their_measured_values_agree() -> None:
    three = {"A": ["30.1", "20.2", "10.3", "5.4"], "B": ["31.1", "21.2", "11.3", "6.4"]}
    all_same = table("t1", FOUR, {**three, "C": ["30.1", "20.2", "10.3", "5.4"]})
    some_same = table("t1", FOUR, {**three, "C": ["30.1", "20.2", "10.3", "5.5"]})
    assert len(found(identical_rows.detect, all_same)) == 1
    assert found(identical_rows.detect, some_same) == []


@pytest.mark.parametrize(
    ("cells", "pairs"),
    [
        (("6.57", "22.94", "21.34", "5.74"), {("t1/i/top5-1crop", "t1/i/top1-1crop")}),
        (("22.94", "6.57", "5.74", "21.34"), {("t1/i/top5-10crop", "t1/i/top1-10crop")}),
    ],
)
def test_a_top5_error_above_the_top1_error_is_an_error(cells: tuple[str, ...], pairs: set[tuple[str, str]]) -> None:
    errors = [finding for finding in found(patterns.detect, with_row("I", *cells)) if finding.rule is ORDER]
    assert {finding.claims for finding in errors} == pairs
    assert {finding.severity for finding in errors} == {Severity.ERROR}


def test_a_localisation_error_below_the_classification_error_is_an_error() -> None:
    columns = [column("cls", "top1-error"), column("loc", "top1-localisation-error")]
    (finding,) = found(patterns.detect, table("t1", columns, {"A": ["30.0", "54.0"], "B": ["29.0", "28.0"]}))
    assert finding.claims == ("t1/b/cls", "t1/b/loc")


def test_columns_of_other_protocols_have_no_forced_order() -> None:
    columns = [column("a", "top1-error", protocol="1-crop"), column("b", "top5-error", protocol="10-crop")]
    assert found(patterns.detect, table("t1", columns, {"A": ["5.0", "9.0"], "B": ["6.0", "9.5"]})) == []


def test_the_one_row_that_turns_an_order_round_is_named() -> None:
    (finding,) = found(patterns.detect, with_row("E", "23.73", "8.74", "24.76", "7.35"))
    assert finding.rule is BROKEN_PATTERN
    assert finding.claims == ("t1/e/top1-1crop", "t1/e/top1-10crop")
    assert finding.severity is Severity.WARNING


BEFORE_AND_AFTER = [column("before", "miou"), column("after", "miou", system="{row} + CRF")]
CRF_GAINS = {
    "A": ["62.2", "66.1"], "B": ["63.4", "67.2"], "C": ["65.9", "69.6"], "D": ["67.0", "70.9"],
    "E": ["68.9", "72.6"], "F": ["70.3", "74.1"], "G": ["71.6", "75.2"],
}  # fmt: skip


def test_before_and_after_are_told_apart_by_the_system_of_their_column() -> None:
    detectors = (patterns.detect, outliers.detect)
    assert [found(detect, table("t1", BEFORE_AND_AFTER, CRF_GAINS)) for detect in detectors] == [[], []]
    turned = table("t1", BEFORE_AND_AFTER, {**CRF_GAINS, "D": ["67.0", "60.9"]})
    (broken,), (outlier,) = (found(detect, turned) for detect in detectors)
    assert (broken.rule, broken.severity) == (BROKEN_PATTERN, Severity.WARNING)
    assert broken.claims == ("t1/d/before", "t1/d/after")
    assert set(outlier.claims) == set(broken.claims)


def test_columns_that_only_their_ids_tell_apart_are_not_held_against_each_other() -> None:
    alike = [column("before", "miou"), column("after", "miou")]
    turned = table("t1", alike, {**CRF_GAINS, "D": ["67.0", "60.9"]})
    assert [found(detect, turned) for detect in (patterns.detect, outliers.detect)] == [[], []]


def test_an_order_that_others_hardly_keep_may_be_broken() -> None:
    rng = np.random.default_rng(0)
    rows = {f"N{i}": [f"{v:.1f}", f"{v - g:.1f}"] for i, (v, g) in enumerate(zip(rng.uniform(20, 40, 9),
            [0.1, 1.2, 0.4, 2.0, 0.2, 0.9, 1.5, 0.3, -0.2], strict=True))}  # fmt: skip
    assert found(patterns.detect, table("t1", [FOUR[0], FOUR[2]], rows)) == []


def test_a_digit_changed_stands_out_and_is_put_back() -> None:
    body = with_row("E", "36.73", "8.74", "24.76", "7.35") + relation("t1/e/top1-1crop - t1/f/top1-1crop", "=", "11.92")
    finding = next(f for f in found(outliers.detect, body) if f.claims == ("t1/e/top1-1crop",))
    assert finding.severity is Severity.WARNING
    assert "26.73" in finding.message
    assert [consequence.relation for consequence in finding.consequences] == ["s/r"]
    assert finding.recomputed is not None
    assert finding.recomputed.low < 26.73 < finding.recomputed.high


def test_two_columns_do_not_tell_which_is_wrong() -> None:
    body = table("t1", [FOUR[0], FOUR[2]], {n: [c[0], c[2]] for n, c in {**CLEAN, "E": ("36.73", "", "24.76")}.items()})
    (finding,) = found(outliers.detect, body)
    assert set(finding.claims) == {"t1/e/top1-1crop", "t1/e/top1-10crop"}


def test_scores_of_single_classes_are_not_predicted() -> None:
    columns = [column(f"iou-{k}", "iou") for k in range(4)]
    rows = {f"N{i}": [f"{40 + 3 * i + k}.0" for k in range(4)] for i in range(8)}
    rows["N4"][2] = "9.0"
    assert found(outliers.detect, table("t1", columns, rows)) == []


def test_predictions_are_those_of_a_refit_without_the_row() -> None:
    sheet = sheet_of(table("t1", FOUR, CLEAN))
    declared = sheet.paper.tables["t1"].columns
    cells = {cell.claim.id: cell for cell in outliers.predictions(sheet, sheet.paper.tables["t1"], declared)}
    probits = np.array([[NORMAL.inv_cdf(float(cell) / 100) for cell in row] for row in CLEAN.values()])
    standing = -(probits - probits.mean(axis=0)) / probits.std(axis=0)
    for i, name in enumerate(CLEAN):
        for k, settings_of in enumerate(declared):
            others = np.arange(len(CLEAN)) != i
            x = np.delete(standing, k, axis=1).mean(axis=1)
            fit = stats.linregress(x[others], probits[others, k])
            expected = NORMAL.cdf(fit.intercept + fit.slope * x[i]) * 100
            cell = cells[f"t1/{name.lower()}/{settings_of.id}"]
            assert float(cell.expected) == pytest.approx(expected, abs=1e-4)
            assert cell.range.low < cell.expected < cell.range.high


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_missing_cells_and_extreme_values_are_survived(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = [["-" if rng.random() < 0.3 else f"{rng.choice([0, 100, rng.uniform(1, 99)]):.2f}" for _ in FOUR]
             for _ in range(8)]  # fmt: skip
    for finding in found(outliers.detect, table("t1", FOUR, {f"N{i}": row for i, row in enumerate(cells)})):
        assert finding.claims[0] in sheet_of(table("t1", FOUR, {f"N{i}": r for i, r in enumerate(cells)})).paper.claims


@given(st.from_regex(r"(0|[1-9][0-9]?)(\.[0-9]{1,2})?", fullmatch=True), st.integers(0, 4000))
def test_one_digit_corrections_are_all_there_are(text: str, hundredths: int) -> None:
    value = Printed(text).value
    within = Interval(value - Fraction(hundredths, 100), value + Fraction(hundredths, 100))
    places = [k for k, character in enumerate(text) if character.isdigit()]
    every: set[str] = set()
    for digits in product("0123456789", repeat=len(places)):
        changed = list(text)
        for place, digit in zip(places, digits, strict=True):
            changed[place] = digit
        other = "".join(changed)
        if PRINTED.fullmatch(other) and sum(a != b for a, b in zip(other, text, strict=True)) == 1:
            every |= {other} if within.low <= Fraction(other) <= within.high else set()
    corrections = outliers.one_digit_corrections(Printed(text), value, within)
    assert {correction.text for correction in corrections} == every
    distances = [abs(correction.value - value) for correction in corrections]
    assert distances == sorted(distances)


DEPTHS = [f"{family}-{depth}" for family in "PQ" for depth in (18, 34, 50, 101)]
SYSTEMS = "[system]\n" + "".join(
    f'{name} = {{ family = "{name[0]}", layers = {name.partition("-")[2]} }}\n' for name in DEPTHS
)
LOC = [column(f"top{k}-loc", f"top{k}-localisation-error", n=50000) for k in (1, 5)]
IMPROVING = {
    "P-18": ["61.5", "59.3"],
    "P-34": ["58.7", "56.4"],
    "P-50": ["55.7", "52.8"],
    "P-101": ["54.6", "51.9"],
    "Q-18": ["54.6", "48.2"],
    "Q-34": ["53.0", "47.0"],
    "Q-50": ["52.0", "46.0"],
}
ERRORS = ("30.43", "27.73", "24.01", "22.44", "28.00", "24.81", "22.94")
ELSEWHERE = table("t2", [FOUR[0]], {name: [error] for name, error in zip(IMPROVING, ERRORS, strict=True)})


def test_a_deeper_network_that_is_worse_here_and_nowhere_else_is_noted() -> None:
    body = SYSTEMS + table("t1", LOC, {**IMPROVING, "Q-34": ["55.5", "47.0"]}) + ELSEWHERE
    (finding,) = found(monotone.detect, body)
    assert finding.severity is Severity.NOTE
    assert finding.claims == ("t1/q-34/top1-loc", "t1/q-18/top1-loc")


def test_a_network_that_is_worse_everywhere_is_not_noted() -> None:
    body = SYSTEMS + table("t1", LOC, {**IMPROVING, "Q-34": ["55.5", "50.7"]})
    assert found(monotone.detect, body) == []


def test_a_gap_within_sampling_error_is_not_noted() -> None:
    body = SYSTEMS + table("t1", LOC, {**IMPROVING, "Q-34": ["54.8", "47.0"]}) + ELSEWHERE
    assert found(monotone.detect, body) == []


def test_two_exceptions_are_no_exception() -> None:
    rows = {**IMPROVING, "Q-34": ["55.5", "47.0"], "P-34": ["62.5", "56.4"]}
    assert found(monotone.detect, SYSTEMS + table("t1", LOC, rows) + ELSEWHERE) == []


@st.composite
def errors_by_depth(draw: st.DrawFn) -> list[int]:
    """Draw errors in tenths of a per cent of two families of four depths, of which at most one step goes up."""
    gains = draw(st.lists(st.integers(1, 20), min_size=6, max_size=6))
    exception = draw(st.integers(0, 6))
    if exception < 6:
        gains[exception] = -draw(st.integers(1, 30))
    return [start - sum(steps[:k]) for start, steps in ((400, gains[:3]), (390, gains[3:])) for k in range(4)]


@settings(max_examples=60)
@given(st.lists(errors_by_depth(), min_size=2, max_size=4))
def test_depth_exceptions_are_those_of_a_plain_search(columns: list[list[int]]) -> None:
    """Ten thousand images resolve 1.4 points around 40 %, so that some of the gaps count and others do not."""
    declared = [column(f"c{k}", "top1-error", protocol=f"p{k}", n=10_000) for k in range(len(columns))]
    rows = {name: [f"{values[i] / 10:.1f}" for values in columns] for i, name in enumerate(DEPTHS)}
    pairs = [(i, i + 1) for i in range(7) if i != 3]
    expected = set()
    for k, values in enumerate(columns):
        worse = [(i, j) for i, j in pairs if values[j] >= values[i]]
        if len(worse) != 1:
            continue
        i, j = worse[0]
        gains = [other[j] < other[i] for other in columns]
        p1, p2 = values[i] / 1000, values[j] / 1000
        pooled = (p1 + p2) / 2
        z = (p2 - p1) / (2 * pooled * (1 - pooled) / 10_000) ** 0.5
        if 2 * sum(gains) > len(gains) and 2 * stats.norm.sf(z) * len(pairs) < 0.05:
            expected.add(f"t1/{DEPTHS[j].lower()}/c{k}")
    findings = found(monotone.detect, SYSTEMS + table("t1", declared, rows))
    assert {id for finding in findings for id in finding.claims[::2]} == expected


@pytest.mark.parametrize(
    ("rising", "exception"),
    [
        ([True] * 6, None),
        ([False, True, True, True, True, True], 0),
        ([False, False, False, False, True, False], 4),
        ([True, False, True, False, True, True], None),
        ([True, True, True, True, False], None),
    ],
)
def test_an_exception_is_one_against_at_least_five(rising: list[bool], exception: int | None) -> None:
    assert patterns.only_exception(rising) == exception
