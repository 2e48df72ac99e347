"""``docs/claims.md`` shows a file that loads, messages that are really given, and every key there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from claims_cases import CASES, GOOD

from harness.claims import load, references, relations
from harness.claims.expressions import FUNCTIONS
from harness.claims.load import load_paper
from harness.errors import ClaimsError

DOCS = Path(__file__).resolve().parents[1] / "docs" / "claims.md"


@pytest.fixture(scope="module")
def page() -> str:
    return DOCS.read_text(encoding="utf-8")


def block(page: str, language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_the_small_file_is_the_one_that_loads(page: str, tmp_path: Path) -> None:
    assert block(page, "toml") == GOOD
    (tmp_path / "claims.toml").write_text(GOOD, encoding="utf-8")
    assert load_paper(tmp_path / "claims.toml").key == "mini"


def test_messages_are_those_the_linter_gives(page: str, tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    given: set[str] = set()
    for case in CASES:
        path.write_text(GOOD.replace(case.old, case.new, 1), encoding="utf-8")
        with pytest.raises(ClaimsError) as raised:
            load_paper(path)
        given.update(line.replace(str(path), "claims.toml") for line in str(raised.value).splitlines())
    shown = block(page, "text").splitlines()
    assert len(shown) > 10
    assert [line for line in shown if line not in given] == []


def test_every_key_operator_and_function_is_explained(page: str) -> None:
    coded = " ".join(re.findall(r"`+([^`]+)`+", page)) + block(page, "toml")
    keys = {key for group in load.KEYS.values() for key in group}
    keys |= {*references.KEYS, *references.COLUMN_KEYS, *relations.KEYS, *relations.OPERATORS}
    assert sorted(key for key in keys if key not in re.split(r"[\s,\[\](){}|]+", coded)) == []
    assert re.findall(r"^### (\w+)$", page, re.MULTILINE) == list(load.SECTIONS)
    assert " | ".join(FUNCTIONS) in page
