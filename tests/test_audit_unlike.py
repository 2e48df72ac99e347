"""Comparisons that mix unlike settings."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from audit_cases import column, found, relation, sheet_of, table
from hypothesis import given
from hypothesis import strategies as st

from harness.audit.finding import Severity
from harness.audit.generated import clean_paper
from harness.audit.unlike import compared, detect
from harness.audit.worksheet import lay_out
from harness.claims.papers import find_paper, packages

FINE = {"training data": "fine", "CRF": "yes", "stem": "7x7"}
COARSE = {"training data": "coarse", "CRF": "no", "stem": "7x7"}
VAL = column("val", "miou", dataset="d/val", protocol="one scale", n=500)
TEST = column("test", "miou", dataset="d/test", protocol="one scale", n=1525)
SCALES = column("scales", "miou", dataset="d/test", protocol="six scales", n=1525)
TIMES = column("params", "parameters", unit="M")


def systems(**stated: Mapping[str, str]) -> str:
    """Write what is stated of the systems; their names are the words given."""
    lines = ["[system]"]
    for name, settings in stated.items():
        written = ", ".join(f'"{key}" = "{value}"' for key, value in settings.items())
        lines.append(f"{name} = {{ settings = {{ {written} }} }}" if settings else f"{name} = {{}}")
    return "\n".join(lines) + "\n\n"


def numbers() -> str:
    cells = {"A": ["70.0", "71.0", "72.0", "40"], "B": ["75.0", "76.0", "77.0", "44"]}
    return table("t1", [VAL, TEST, SCALES, TIMES], cells)


UNLIKE_SYSTEMS = systems(A=FINE, B=COARSE) + numbers()


@pytest.mark.parametrize(
    ("left", "op", "right"),
    [
        ("t1/a/val", "<", "t1/b/val"),
        ("t1/b/val", "~", "t1/a/val"),
        ("t1/b/val - t1/a/val", "=", "5.0"),
        ("5.0", "=", "t1/b/val - t1/a/val"),
        ("100 * (t1/b/val - t1/a/val) / t1/a/val", ">", "7"),
        ("t1/b/val / t1/a/val", ">", "1"),
        ("abs(t1/a/val - t1/b/val)", ">", "1"),
        ("-(t1/a/val - t1/b/val) ^ 1", ">", "1"),
    ],
)
def test_two_stated_settings_that_differ_are_a_note(left: str, op: str, right: str) -> None:
    margin = 'margin = "5"\nmargin_reason = "words"' if op == "~" else ""
    (note,) = found(detect, UNLIKE_SYSTEMS + relation(left, op, right, more=margin))
    assert (note.severity, note.rule.id, note.relation) == (Severity.NOTE, "comparison/unlike", "s/r")
    assert set(note.claims) == {"t1/a/val", "t1/b/val"}
    assert "training data" in note.message
    assert "CRF" in note.message
    assert "stem" not in note.message


@pytest.mark.parametrize(
    ("left", "op", "right"),
    [
        ("t1/a/val", "=", "t1/b/val"),
        ("t1/b/val", ">", "max(t1/a/val, t1/a/test)"),
        ("t1/b/val + t1/a/val", ">", "1"),
        ("t1/b/val", ">", "60"),
        ("t1/b/params", ">", "t1/a/params"),
    ],
    ids=["repeats a number", "ranking", "sum", "threshold", "not measured"],
)
def test_what_compares_no_two_measured_numbers_is_quiet(left: str, op: str, right: str) -> None:
    assert found(detect, UNLIKE_SYSTEMS + relation(left, op, right)) == []


def test_a_setting_that_one_side_leaves_open_is_not_unlike() -> None:
    stated = systems(A=FINE, B={"training data": "coarse"}) + numbers()
    assert found(detect, stated + relation("t1/a/val", "<", "t1/b/val")) == []
    assert found(detect, systems(B=COARSE) + numbers() + relation("t1/a/val", "<", "t1/b/val")) == []


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        ("t1/a/val", "t1/b/test", ("dataset (d/val, d/test)", "system (A, B)")),
        ("t1/a/test", "t1/b/scales", ("protocol (one scale, six scales)", "system (A, B)")),
        ("t1/a/val", "t1/a/scales", ("dataset", "protocol")),
        ("t1/a/val", "t1/a/test", ()),
        ("t1/a/test", "t1/a/scales", ()),
        ("t1/a/test", "t1/b/test", ()),
    ],
)
def test_one_difference_is_what_a_comparison_is_about(left: str, right: str, words: tuple[str, ...]) -> None:
    notes = found(detect, numbers() + relation(left, "<", right))
    assert len(notes) == bool(words)
    assert all(word in note.message for note in notes for word in words)


def test_test_images_count_on_one_dataset_and_follow_from_another() -> None:
    part = column("part", "miou", dataset="d/val", protocol="one scale", n=100)
    cells = table("t1", [VAL, part], {"A": ["70.0", "71.0"], "B": ["75.0", "76.0"]})
    (note,) = found(detect, cells + relation("t1/a/val", "<", "t1/b/part"))
    assert "test images (500, 100)" in note.message
    (note,) = found(detect, numbers() + relation("t1/a/val", "<", "t1/b/test"))
    assert "test images" not in note.message


def test_statements_about_the_same_systems_are_one_note() -> None:
    twice = relation("t1/a/val", "<", "t1/b/val") + relation("t1/b/test - t1/a/test", ">", "4", id="s/again")
    (note,) = found(detect, UNLIKE_SYSTEMS + twice)
    assert set(note.claims) == {"t1/a/val", "t1/b/val", "t1/a/test", "t1/b/test"}
    assert note.conclusion == "Statements that compare them: s/r and s/again."


VALUES = st.dictionaries(st.sampled_from(["crop", "batch", "CRF", "data"]), st.sampled_from(["1", "2"]))


@given(VALUES, VALUES)
def test_the_note_counts_the_settings_that_both_state_and_that_differ(
    one: dict[str, str], other: dict[str, str]
) -> None:
    differing = [name for name in one if name in other and one[name] != other[name]]
    for left, right in (("a", "b"), ("b", "a")):
        notes = found(detect, systems(A=one, B=other) + numbers() + relation(f"t1/{left}/val", "<", f"t1/{right}/val"))
        assert len(notes) == (len(differing) >= 2)
        assert all(f"{name} (" in note.message for note in notes for name in differing)


def test_generated_papers_compare_like_with_like() -> None:
    assert [note for seed in range(10) for note in detect(lay_out(clean_paper(seed)))] == []


@pytest.mark.parametrize("key", packages())
def test_no_relation_of_a_real_paper_yields_more_pairs_than_it_has_symbols(key: str) -> None:
    for equation in lay_out(find_paper(key)).equations.values():
        text = f"{equation.relation.left} {equation.relation.op} {equation.relation.right}"
        assert len(list(compared(equation))) <= len(text.split())


def test_systems_without_settings_are_told_apart_by_name_alone() -> None:
    sheet = sheet_of(systems(A={}, B={}) + numbers() + relation("t1/a/val", "<", "t1/b/val"))
    assert list(detect(sheet)) == []
