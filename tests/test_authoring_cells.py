"""Cells and headers: what is plainly one number is read digit by digit, and all else is named."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pylatexenc.latex2text import LatexNodes2Text

from harness.authoring import cells
from harness.authoring.cells import Cell, Comma, parts_of, read_cell
from harness.authoring.columns import HEADERS, UNIT_WORDS, id_of, metric_of, unit_of
from harness.authoring.latex_text import argument, plain
from harness.claims.printed import PRINTED, Printed
from harness.claims.vocabulary import METRICS, UNITS

DECIMALS = st.from_regex(PRINTED, fullmatch=True).filter(str.isascii)


@given(DECIMALS)
def test_a_printed_decimal_keeps_every_digit(text: str) -> None:
    assert read_cell(text) == Cell(text)
    assert read_cell(f" {text.replace('-', '−')}\u00a0") == Cell(text)


@given(st.text(max_size=12))
def test_any_text_gives_a_cell_that_claims_accept(text: str) -> None:
    for comma in (None, "thousands", "decimal"):
        cell = read_cell(text, comma)
        assert cell.text in ("-", "?") or PRINTED.fullmatch(cell.text)
        assert not cell.fault or cell.text == "?"


@given(DECIMALS, st.sampled_from(["±0.2", " ± 1.25", "+/-3"]), st.sampled_from(["", "*", "†", "^a", " ^*"]))
def test_a_spread_and_a_mark_never_touch_the_number(text: str, spread: str, mark: str) -> None:
    cell = read_cell(f"{text}{spread}{mark}")
    assert cell.text == text
    assert "spread" in cell.note
    assert ("mark" in cell.note) == bool(mark)


@given(st.integers(1000, 10**9), st.from_regex(r"\A[0-9]{1,3}\Z"))
def test_grouped_thousands_are_the_number_python_groups(whole: int, part: str) -> None:
    assert read_cell(f"{whole:,}.{part}").text == f"{whole}.{part}"
    assert read_cell(f"{whole:,}", "thousands").text == str(whole)
    clear = whole >= 10**6
    assert (read_cell(f"{whole:,}").fault == "") == clear


@pytest.mark.parametrize(
    ("text", "expected", "said"),
    [
        ("+1.20", "1.20", ""),
        (".763", "0.763", ""),
        ("76.", "76", ""),
        ("-.5", "-0.5", ""),
        ("76.3%", "76.3", ""),
        ("76.3*", "76.3", "mark"),
        ("76.3^†", "76.3", "mark"),
        ("76.3_±0.2", "76.3", "spread"),
        ("", "-", ""),
        ("n/a", "-", ""),
        ("—", "-", ""),
        ("OOM", "-", ""),
        ("?", "?", ""),
        ("1,234", "?", "--comma"),
        ("76,3", "?", "--comma"),
        ("76.3/92.1", "?", "two numbers"),
        ("76.3 (92.1)", "?", "two numbers"),
        ("~76", "?", "bound or an estimate"),
        ("> 90", "?", "bound or an estimate"),
        ("1e7", "?", "exponent"),
        ("10^3", "?", "exponent"),
        ("1.2 × 10", "?", "exponent"),
        ("007", "?", "plain decimal"),
        ("76.3 or so", "?", "not one number"),
        ("76 3", "?", "not one number"),
        ("nan", "-", ""),
        ("inf", "?", "not one number"),
    ],
)
def test_the_rule_for_every_kind_of_cell(text: str, expected: str, said: str) -> None:
    cell = read_cell(text)
    assert cell.text == expected
    assert said in cell.note + cell.fault
    assert bool(said) == bool(cell.note or cell.fault)


@pytest.mark.parametrize(("comma", "expected"), [("thousands", "1234"), ("decimal", "1.234")])
def test_the_user_says_what_a_comma_means(comma: Comma, expected: str) -> None:
    assert read_cell("1,234", comma).text == expected
    assert read_cell("1,23", "thousands").fault


def test_the_module_says_what_its_rules_do() -> None:
    page = cells.__doc__ or ""
    for text, becomes in (("76.3±0.2", "spread"), ("76.3*", "mark"), ("1,234", "unclear"), ("76.3/92.1", "unclear")):
        assert becomes in page
        assert text.replace("±", " ± ") in page


def test_several_numbers_in_a_cell() -> None:
    assert parts_of("76.3/92.1", 2) == ["76.3", "92.1"]
    assert parts_of("76.3 (92.1)", 2) == ["76.3", "92.1"]
    assert parts_of("n/a", 2) == ["n/a", "n/a"]
    assert all(read_cell(part).fault for part in parts_of("76.3", 2))


@pytest.mark.parametrize(
    ("header", "metric", "unit"),
    [
        ("Acc@1", "top1-accuracy", "%"),
        ("Top-1 err.", "top1-error", "%"),
        ("top5_err", "top5-error", "%"),
        ("Top-5 acc. (%) ↑", "top5-accuracy", "%"),
        ("mIoU", "miou", "%"),
        ("Mean IoU [%]", "miou", "%"),
        ("Params (M)", "parameters", "M"),
        ("#Params (k)", "parameters", "k"),
        ("GFLOPs", "multiply-adds", "G"),
        ("FLOPs (B)", "multiply-adds", "G"),
        ("Latency (ms)", "time", "ms"),
        ("latency_ms", "time", "ms"),
        ("FPS", "rate", "images/s"),
        ("box AP", "average-precision", "%"),
        ("AP50", "average-precision", "%"),
        ("img_size", "image-side", "px"),
        ("Pixel Acc.", "pixel-accuracy", "%"),
    ],
)
def test_ordinary_headers_are_understood(header: str, metric: str, unit: str) -> None:
    assert metric_of(header) == metric
    assert unit_of(header, metric, [Cell("71.4"), Cell("-")]) == unit


@pytest.mark.parametrize("header", ["Year", "Rank", "Backbone", "#", "R@1", "Kappa"])
def test_other_headers_are_not_guessed(header: str) -> None:
    assert metric_of(header) is None


def test_numbers_tell_a_share_of_one_from_per_cent_and_suffixes_tell_units() -> None:
    assert unit_of("accuracy", "accuracy", [Cell("0.763"), Cell("1.0")]) == "fraction"
    assert unit_of("accuracy", "accuracy", [Cell("0.763"), Cell("76.3")]) == "%"
    assert unit_of("Params", "parameters", [Cell("25.6", "M"), Cell("4.1", "M")]) == "M"
    assert unit_of("Params", "parameters", [Cell("25557032")]) == "1"
    assert unit_of("Params", "parameters", [Cell("25")]) is None
    assert unit_of("Time", "time", [Cell("3.2")]) is None


@pytest.mark.parametrize(("text", "suffix"), [("1.5B", "G"), ("3K", "k"), ("25.6M", "M"), ("76.3 %", "%"), ("7", "")])
def test_what_stands_behind_a_number_is_a_unit_of_claims(text: str, suffix: str) -> None:
    assert read_cell(text).suffix == suffix


def test_guesses_are_in_the_vocabulary() -> None:
    assert {metric for _, metric in HEADERS} <= set(METRICS)
    assert set(UNIT_WORDS.values()) <= set(UNITS)


def test_an_id_leaves_out_the_unit() -> None:
    assert id_of("mIoU (%)") == "miou"
    assert id_of("Top-1 err.") == "top-1-err"
    assert id_of("AP (small)") == "ap-small"


@pytest.mark.parametrize(
    "text",
    [
        r"\textbf{76.3}",
        r"\underline{\textbf{76.3}}",
        r"{\bf 76.3}",
        r"$76.3$",
        r"\emph{ResNet}-50",
        r"50\,\%",
        r"A \& B",
        r"a\_b",
        r"$67.6 \pm 0.3$",
        r"\textit{x} \textrm{y}",
        r"$\mathbf{71.2}$",
    ],
)
def test_latex_reads_as_an_independent_reader_sees_it(text: str) -> None:
    def squeezed(seen: str) -> str:
        return re.sub(r"\s+", "", seen)

    assert squeezed(plain(text)) == squeezed(LatexNodes2Text().latex_to_text(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"FCN-8s~\cite{fcn}", "FCN-8s"),
        (r"Ours\footnote{With {nested} braces}", "Ours†"),
        (r"71.6$^\dagger$", "71.6^†"),
        (r"1{,}234", "1,234"),
        (r"\cellcolor{gray!20}76.3", "76.3"),
        (r"\makecell[c]{Top-1\\error}", "Top-1 error"),
        (r"\ours{} (big)", "ours (big)"),
        (r"\textcolor{red}{76.3}", "76.3"),
        (r"\resnet-50", "resnet-50"),
        (r"Ours (\ie, big)", "Ours (ie, big)"),
        (r"\href{https://example.org}{Net}", "Net"),
        (r"67.6_{\pm 0.3}", "67.6_±0.3"),
    ],
)
def test_commands_of_tables(text: str, expected: str) -> None:
    assert plain(text) == expected


@given(DECIMALS, st.lists(st.sampled_from(["textbf", "underline", "emph", "mathbf", "best"]), max_size=4))
def test_latex_around_a_number_never_touches_it(text: str, commands: list[str]) -> None:
    wrapped = text
    for command in commands:
        wrapped = f"\\{command}{{{wrapped}}}"
    assert read_cell(plain(f"${wrapped}$")).text == text


@given(st.text(alphabet="{}\\ab &%$", max_size=20))
def test_no_latex_is_too_broken_to_be_shown(text: str) -> None:
    assert isinstance(plain(text), str)
    found = argument(text, 0)
    assert found is None or found[1] <= len(text)


def test_printed_agrees_with_what_cells_accept() -> None:
    assert Printed(read_cell("+76.30").text).decimals == 2
