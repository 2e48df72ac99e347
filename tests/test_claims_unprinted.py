"""Quantities the prose compares without printing them: only a direction may name them, and exact evidence decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.claims.expressions import names
from harness.claims.load import load_paper
from harness.claims.relations import comparison, resolved
from harness.errors import ClaimsError

PAPER = """
[paper]
key = "p"
title = "P"
authors = ["A"]
year = 2020
versions = ["v1"]

[sources]
text = "the text"

[claim."s1/a/layers"]
value = "18"
unit = "layers"
metric = "layers"
system = "A"
section = "Section 1"

[unprinted]
"built/a/receptive-field" = { system = "A", metric = "receptive-field", unit = "px" }
"built/b/receptive-field" = { system = "B", metric = "receptive-field", unit = "px" }

[[relation]]
id = "s1/same"
section = "Section 1"
quote = "the same receptive field"
unchecked = "no printed number"
cases = [{ x = "a", y = "b" }, { x = "b", y = "a" }]
direction = "built/{x}/receptive-field = built/{y}/receptive-field"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "claims.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_direction_may_compare_them_case_by_case(tmp_path: Path) -> None:
    paper = load_paper(write(tmp_path, PAPER))
    assert [relation.id for relation in paper.relations] == ["s1/same#1", "s1/same#2"]
    for relation, systems in zip(paper.relations, (("A", "B"), ("B", "A")), strict=True):
        assert relation.direction is not None
        left, op, right = comparison(relation.direction)
        assert op == "="
        compared = [name for side in (left, right) for name in names(resolved(side, paper))]
        assert tuple(paper.operands[name].system for name in compared) == systems


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'unchecked = "no printed number"',
            'left = "built/a/receptive-field"\nop = "="\nright = "435"\nunit = "px"',
            "left",
        ),
        ("built/{y}/receptive-field", "built/{y}/field", "unknown id 'built/b/field'"),
        ('"built/a/receptive-field" = {', '"s1/a/layers" = {', "is a claim"),
        (
            'metric = "receptive-field", unit = "px" }\n"built/b',
            'metric = "field", unit = "px" }\n"built/b',
            "unknown metric",
        ),
        ('"built/b/receptive-field" = {', '"Built b" = {', "must read like"),
    ],
)
def test_mistakes_are_named(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert old in PAPER
    with pytest.raises(ClaimsError, match=said) as caught:
        load_paper(write(tmp_path, PAPER.replace(old, new, 1)))
    assert "claims.toml:" in caught.value.message
