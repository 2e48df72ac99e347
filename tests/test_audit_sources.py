"""Numbers against their other prints and their sources, and rankings against the size of the test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import pytest
from audit_cases import column, found, relation, sheet_of, table, two_systems
from hypothesis import given
from hypothesis import strategies as st

from harness.audit import references, resolution, two_values
from harness.audit.finding import Severity
from harness.audit.rules import AUTHORS_DIFFER, COPY_DIFFERS, NOT_SIGNIFICANT, ORIGIN_DIFFERS, ORIGIN_UNLIKE, UNRESOLVED
from harness.claims.printed import Printed, rounded

TOP1 = column("top1", "top1-error", n=50000)
PRINTED = {"A": ["30.43"], "B": ["27.73"], "C": ["24.01"], "D": ["22.44"]}
GAIN = relation("t1/b/top1 - t1/c/top1", "=", "3.72", more='conclusion = "The gain is smaller."')


def source(kind: str, rows: Mapping[str, Sequence[str]]) -> str:
    cells = "\n".join(f'rows."{name}" = ["{values[0]}"]' for name, values in rows.items())
    return f'[reference.src]\nsource = "Elsewhere"\nkind = "{kind}"\ncolumns = [{{ beside = "t1/top1" }}]\n{cells}\n'


@given(st.fractions(min_value=0, max_value=100, max_denominator=10**6), st.integers(0, 4), st.integers(0, 4))
def test_two_prints_of_one_truth_have_the_same_value(truth: Fraction, one: int, other: int) -> None:
    assert two_values.same_value(Printed(rounded(truth, one)), Printed(rounded(truth, other)))


@given(st.integers(0, 10_000), st.integers(-50, 50), st.integers(0, 2))
def test_prints_apart_by_more_than_half_the_coarser_step_differ(hundredths: int, off: int, decimals: int) -> None:
    fine = Printed(rounded(Fraction(hundredths + 100, 100), 2))
    coarse = Printed(rounded(Fraction(hundredths + 100 + off, 100), decimals))
    assert two_values.same_value(fine, coarse) == (abs(fine.value - coarse.value) <= coarse.step / 2 and (
        decimals < 2 or fine.value == coarse.value))  # fmt: skip


def test_a_quoted_number_that_differs_is_an_error_with_its_consequence() -> None:
    quoted = {"A": ["30.43"], "B": ["26.73"], "C": ["24.01"], "D": ["22.44"]}
    (finding,) = found(references.detect, table("t1", [TOP1], PRINTED) + GAIN + source("origin", quoted))
    assert (finding.rule, finding.severity) == (ORIGIN_DIFFERS, Severity.ERROR)
    assert finding.claims == ("t1/b/top1",)
    assert "3 other numbers" in finding.message
    assert "2.72" in finding.message
    assert [consequence.relation for consequence in finding.consequences] == ["s/r"]
    assert finding.conclusion == "The gain is smaller."


def test_statements_that_survive_the_source_are_said_to() -> None:
    quoted = {"A": ["30.43"], "B": ["26.73"], "C": ["24.01"], "D": ["22.44"]}
    body = table("t1", [TOP1], PRINTED) + relation("t1/c/top1", "<", "t1/b/top1") + source("origin", quoted)
    (finding,) = found(references.detect, body)
    assert "keep their verdict" in finding.message
    assert finding.consequences == ()


@pytest.mark.parametrize("kind", ["origin", "authors", "copy", "independent"])
def test_a_source_rounded_to_fewer_digits_agrees(kind: str) -> None:
    coarse = {"A": ["30.4"], "B": ["27.7"], "C": ["24"], "D": ["22.4"]}
    assert found(references.detect, table("t1", [TOP1], PRINTED) + source(kind, coarse)) == []


def test_an_independent_measurement_may_differ() -> None:
    other = {name: [f"{float(value) - 0.5:.2f}"] for name, (value,) in PRINTED.items()}
    assert found(references.detect, table("t1", [TOP1], PRINTED) + source("independent", other)) == []


def test_a_source_that_mostly_differs_is_one_note() -> None:
    other = {name: [f"{float(value) - 0.5:.2f}"] for name, (value,) in PRINTED.items()}
    (finding,) = found(references.detect, table("t1", [TOP1], PRINTED) + source("origin", other))
    assert (finding.rule, finding.severity) == (ORIGIN_UNLIKE, Severity.NOTE)
    assert len(finding.claims) == 4


def test_a_copy_that_differs_is_one_note_that_accuses_the_copy() -> None:
    copied = {"A": ["30.4"], "B": ["27.8"], "C": ["24.10"], "D": ["22.44"]}
    (finding,) = found(references.detect, table("t1", [TOP1], PRINTED) + GAIN + source("copy", copied))
    assert (finding.rule, finding.severity) == (COPY_DIFFERS, Severity.NOTE)
    assert finding.claims == ("t1/b/top1", "t1/c/top1")
    assert "2 of 4 numbers differ" in finding.message
    assert finding.consequences == ()


def test_the_authors_other_print_is_a_warning() -> None:
    (finding,) = found(references.detect, table("t1", [TOP1], PRINTED) + source("authors", {"B": ["27.6"]}))
    assert (finding.rule, finding.severity) == (AUTHORS_DIFFER, Severity.WARNING)


def prose(value: str, **settings: str) -> str:
    given_ = {
        "metric": "top1-error",
        "unit": "%",
        "system": "A",
        "dataset": "d/val",
        "section": "Section 5",
        **settings,
    }
    lines = "\n".join(f'{key} = "{text}"' for key, text in given_.items())
    return f'[claim."s5/a/top1"]\nvalue = "{value}"\nquote = "q"\n{lines}\n'


def test_one_quantity_with_two_values_is_a_warning_that_names_both_places() -> None:
    (finding,) = found(two_values.detect, two_systems("30.43", "28.00") + prose("30.24"))
    assert finding.severity is Severity.WARNING
    assert finding.claims == ("s5/a/top1", "t1/a/top1")
    assert "Table t1" in finding.message
    assert "Section 5" in finding.message


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"system": "B2"},
        {"dataset": "d/test"},
        {"protocol": "10-crop"},
        {"metric": "top5-error"},
    ],
)
def test_other_quantities_and_coarser_prints_are_not_accused(other: dict[str, str]) -> None:
    value = "30.24" if other else "30.4"
    assert found(two_values.detect, two_systems("30.43", "28.00") + prose(value, **other)) == []


def test_classes_are_told_apart_by_their_column() -> None:
    columns = [column("iou-road", "iou"), column("iou-car", "iou")]
    body = table("t1", columns, {"A": ["97.0", "92.0"]})
    assert found(two_values.detect, body) == []
    (finding,) = found(two_values.detect, body + table("t2", columns, {"A": ["97.0", "93.0"]}))
    assert finding.claims == ("t2/a/iou-car", "t1/a/iou-car")


def test_groups_are_other_quantities() -> None:
    one = table("t1", [column("miou", "miou", group="classes")], {"A": ["67.1"]})
    other = table("t2", [column("miou", "miou", group="categories")], {"A": ["86.5"]})
    assert found(two_values.detect, one + other) == []


def test_the_spread_of_a_difference_is_that_of_a_simulation() -> None:
    body = table("t1", [column("top1", "top1-error", n=2000)], {"A": ["30.0"], "B": ["28.0"]})
    body += relation("t1/a/top1", ">", "t1/b/top1", id="s/plain")
    body += relation("100 * (t1/a/top1 - t1/b/top1) / t1/a/top1", ">", "5", id="s/share", unit="%")
    sheet = sheet_of(body)
    rng = np.random.default_rng(0)
    a, b = (rng.binomial(2000, p, 400_000) / 20 for p in (0.30, 0.28))
    simulated = {"s/plain": np.std(a - b), "s/share": np.std(100 * (a - b) / a)}
    for id, deviation in simulated.items():
        found_ = resolution.resolution(sheet.equations[id], sheet.paper.claims)
        assert found_ is not None
        assert found_.deviation == pytest.approx(deviation, rel=0.02)


def test_a_ranking_within_sampling_error_is_a_note() -> None:
    body = two_systems("22.44", "22.16") + relation("t1/b/top1", "<", "t1/a/top1", unit="%")
    (finding,) = found(resolution.detect, body)
    assert (finding.rule, finding.severity) == (UNRESOLVED, Severity.NOTE)
    assert "0.28" in finding.message


def test_calling_it_significant_is_a_warning() -> None:
    more = "significant = true"
    body = two_systems("22.44", "22.16") + relation("t1/b/top1", "<", "t1/a/top1", unit="%", more=more)
    (finding,) = found(resolution.detect, body)
    assert (finding.rule, finding.severity) == (NOT_SIGNIFICANT, Severity.WARNING)


def test_wide_differences_thresholds_and_scores_are_quiet() -> None:
    assert found(resolution.detect, two_systems("24.0", "22.0") + relation("t1/b/top1", "<", "t1/a/top1")) == []
    threshold = relation("t1/a/top1 - t1/b/top1", ">", "1")
    assert found(resolution.detect, two_systems("24.01", "22.94") + threshold) == []
    scores = table("t2", [column("miou", "miou", n=500)], {"A": ["66.6"], "B": ["66.7"]})
    assert found(resolution.detect, scores + relation("t2/a/miou", "<", "t2/b/miou")) == []


def test_cases_of_one_statement_are_one_finding() -> None:
    rows = {"A": ["22.44"], "B": ["22.16"], "C": ["22.30"], "D": ["30.00"]}
    cases = 'across = { x = ["a", "c", "d"] }'
    body = table("t1", [TOP1], rows) + relation("t1/b/top1", "<", "t1/{x}/top1", more=cases)
    (finding,) = found(resolution.detect, body)
    assert "2 of 3 comparisons" in finding.message
