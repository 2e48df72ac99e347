"""What a claims file is refused for, and whether the message leads to the place."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from claims_cases import CASES, GOOD, Case
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.claims.load import examine, load_paper
from harness.claims.model import Paper
from harness.errors import ClaimsError, ExitCode


def refusal(folder: Path, content: str | bytes) -> str:
    path = folder / "claims.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ClaimsError) as raised:
        load_paper(path)
    assert raised.value.exit_code is ExitCode.CLAIMS
    return str(raised.value)


def test_good_file_has_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(GOOD, encoding="utf-8")
    paper, problems = examine(path)
    assert problems == []
    assert list(paper.claims) == ["t1/net-a/top1", "t1/net-a/params", "t1/net-b/top1", "t1/net-b/params", "s1/gain"]
    assert [relation.left for relation in paper.relations] == ["(t1/net-a/top1 - t1/net-b/top1)", "t1/net-b/top1"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_message_names_file_line_and_place(case: Case, tmp_path: Path) -> None:
    assert GOOD.count(case.old) >= 1, "the case edits nothing"
    text = GOOD.replace(case.old, case.new, 1)
    message = refusal(tmp_path, text)
    line = text.count("\n", 0, text.index(case.at)) + 1
    start = f"{tmp_path / 'claims.toml'}:{line}:"
    said = [part for part in message.splitlines() if part.startswith(start) and case.says in part]
    assert said, message
    assert case.where in said[0]


def test_every_problem_is_listed_in_file_order(tmp_path: Path) -> None:
    text = GOOD.replace('["28.00", "21.8"]', "[28.00]").replace('"s1/gain"\nunit', '"s1/gian"\nunit')
    text = text.replace('"difference"', '"diference"')
    lines = [int(part.split(":")[1]) for part in refusal(tmp_path, text).splitlines() if part.startswith(str(tmp_path))]
    assert len(lines) == 3
    assert lines == sorted(lines)


def test_a_missing_unit_is_one_problem(tmp_path: Path) -> None:
    message = refusal(tmp_path, GOOD.replace(', unit = "M"', ""))
    assert "1 problem in" in message


def test_not_utf8_names_the_line_and_the_byte(tmp_path: Path) -> None:
    raw = GOOD.encode().replace(b"a blog", b"caf\xe9")
    line = raw[: raw.index(b"\xe9")].count(b"\n") + 1
    message = refusal(tmp_path, raw)
    assert message.startswith(f"{tmp_path / 'claims.toml'}:{line}: not UTF-8: byte 0xe9")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClaimsError, match=r"nowhere\.toml: cannot be read \(No such file"):
        load_paper(tmp_path / "nowhere.toml")


def test_hostile_expressions_are_refused(tmp_path: Path) -> None:
    for expression in ("(" * 5000 + "1" + ")" * 5000, "-" * 5000 + "1", " + ".join(["1"] * 5000), "9 ^ 99999999"):
        message = refusal(tmp_path, GOOD.replace('left = "let/gain"', f'left = "{expression}"'))
        assert "at most 300" in message or "whole number up to 16" in message
    assert "unexpected" in refusal(tmp_path, GOOD.replace('"let/gain"\n', f'"1 + {9:05000d}"\n'))
    assert "not a plain decimal" in refusal(tmp_path, GOOD.replace("28.00", "9" * 5000))


def test_unreadable_cell_is_absent_and_said_so(tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(GOOD.replace('"21.8"', '"?"').replace('"11.7"', '"-"'), encoding="utf-8")
    paper = load_paper(path)
    assert "t1/net-b/params" not in paper.claims
    assert "could not be read" in paper.absent["t1/net-b/params"]
    assert "t1/net-a/params" not in paper.claims
    assert "t1/net-a/params" not in paper.absent


def written(value: object) -> str:
    """Write a parsed value as TOML, tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(item) for item in value) + "]"
    return json.dumps(value)


def places(node: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner: Iterable[tuple[str | int, object]] = ()
    if isinstance(node, dict):
        inner = node.items()
    elif isinstance(node, list):
        inner = enumerate(node)
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


GOOD_PLACES = [place for place in places(tomllib.loads(GOOD)) if place]
anything = st.one_of(
    st.sampled_from(["", "-", "?", "t1", "t1/net-a/top1", "let/gain", "1", "{column}", "mean(t1/*)", "nan", "a < b"]),
    st.booleans(),
    st.integers(-2, 2),
    st.floats(allow_nan=False, allow_infinity=False, width=16),
    st.sampled_from([[], {}, [1], [""], [[]], [{}], {"a": 1}, {"a": ["b"]}, [{"a": 1}]]),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(GOOD_PLACES), anything), min_size=1, max_size=3))
def test_no_value_in_any_place_ends_in_a_traceback(
    tmp_path: Path, edits: list[tuple[tuple[str | int, ...], object]]
) -> None:
    root: Any = tomllib.loads(GOOD)
    for place, value in edits:
        node = root
        try:
            for key in place[:-1]:
                node = node[key]
            node[place[-1]] = deepcopy(value)
        except (KeyError, IndexError, TypeError):
            continue
    path = tmp_path / "claims.toml"
    path.write_text("\n".join(f"{json.dumps(key)} = {written(value)}" for key, value in root.items()), encoding="utf-8")
    paper, problems = examine(path)
    assert problems or paper.claims
    assert all(problem.line >= 1 and problem.where and problem.message for problem in problems)


def loaded(folder: Path, content: str) -> Paper:
    path = folder / "claims.toml"
    path.write_text(content, encoding="utf-8")
    return load_paper(path)


def test_a_column_may_describe_more_than_its_row(tmp_path: Path) -> None:
    paper = loaded(tmp_path, GOOD.replace("n = 50000", 'n = 50000, system = "{row} + CRF"', 1))
    assert paper.claims["t1/net-a/top1"].system == "Net-A + CRF"
    assert paper.claims["t1/net-a/params"].system == "Net-A"


def test_signs_in_front_of_a_row_are_not_part_of_its_id(tmp_path: Path) -> None:
    paper = loaded(tmp_path, GOOD.replace('rows."Net-A"', 'rows."+Net-A"', 1))
    assert paper.claims["t1/net-a/top1"].system == "+Net-A"
