"""Ids made of printed names, and the line numbers that messages and SARIF point at."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.claims.document import SLUG, Document, slug
from harness.claims.expressions import Name, parse
from harness.claims.locate import Key, context_at, lines_of


@pytest.mark.parametrize(
    ("name", "id"),
    [("DRN-C-26", "drn-c-26"), ("ResNet-101 +Aug+ASPP", "resnet-101-+aug+aspp"), ("VGG-16 (ours)", "vgg-16-ours"),
     ("Dilation8 + CRF-RNN", "dilation8-+-crf-rnn"), ("αβ", "")],
)  # fmt: skip
def test_slug_of_names(name: str, id: str) -> None:
    assert slug(name) == id


@given(st.text(max_size=30))
def test_slug_is_idempotent_and_its_ids_parse(name: str) -> None:
    once = slug(name)
    assert slug(once) == once
    assert re.fullmatch(r"[a-z0-9.+_-]*", once)
    if SLUG.fullmatch(once):
        assert parse(f"t1/{once}/x") == Name(f"t1/{once}/x")


words = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
row_names = st.text(
    st.characters(codec="utf-8", exclude_characters='"\\\x7f', exclude_categories=["C"]), min_size=1, max_size=12
)
fillers = st.lists(st.sampled_from(["", "# a comment", "   "]), max_size=3)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, dict[Key, int]]:
    """A generated file together with the line on which each thing was written."""
    lines: list[str] = []
    expected: dict[Key, int] = {}

    def write(text: str, key: Key | None = None) -> None:
        lines.extend(draw(fillers))
        lines.append(text)
        if key is not None:
            expected[key] = len(lines)

    write("[system]", ("system",))
    for name in draw(st.lists(words, unique=True, max_size=3)):
        write(f'{name} = {{ family = "f" }}', ("system", name))
    for table in draw(st.lists(words, unique=True, max_size=3)):
        write(f"[table.{table}]" + draw(st.sampled_from(["", "  # note"])), ("table", table))
        write('section = "[[relation]]"')
        write("columns = [\n  {},\n]")
        lines[-1:] = lines[-1].split("\n")
        for row in draw(st.lists(row_names, unique=True, max_size=4)):
            write(f'rows."{row}" = ["1",\n  "2"]', ("table", table, row))
            lines[-1:] = lines[-1].split("\n")
    for claim in draw(st.lists(words, unique=True, max_size=3)):
        write(f'[claim."s1/{claim}"]', ("claim", f"s1/{claim}"))
        write('value = "1"')
    for number in range(draw(st.integers(0, 4))):
        write("[[relation]]", ("relation", str(number)))
        write('id = "x"')
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines) + "\n", expected


@given(files())
def test_lines_are_those_the_file_was_written_with(file: tuple[str, dict[Key, int]]) -> None:
    text, expected = file
    tomllib.loads(text)
    assert lines_of(text) == expected


@given(files())
def test_context_is_the_last_thing_at_or_above_a_line(file: tuple[str, dict[Key, int]]) -> None:
    text, expected = file
    for key, line in expected.items():
        described = context_at(text, line)
        assert key[-1] in described or str(int(key[-1]) + 1) in described
    assert context_at("\n\n", 2) == ""


def test_line_of_a_cell_is_its_rows_and_of_an_unknown_key_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    path.write_text('[table.t1]\n\ncolumns = []\nrows."A" = ["1"]\n', encoding="utf-8")
    document = Document.read(path)
    assert document.line("table", "t1", "A") == 4
    assert document.line("table", "t1", "B") == 1
    assert document.line("fact", "0") == 1


def test_odd_line_breaks_inside_strings_do_not_shift_the_lines(tmp_path: Path) -> None:
    text = '[claim."s1/a"]\nquote = "one\u2028two\x85three"\n[claim."s1/b"]\nvalue = "1"\n'
    assert lines_of(text)["claim", "s1/b"] == 3
    (tmp_path / "claims.toml").write_text(text, encoding="utf-8")
    assert Document.read(tmp_path / "claims.toml").line("claim", "s1/b") == 3
