"""The tutorial does what it says: its files are written, its commands run in order, and their output is compared."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from authoring_cases import ROOT, make_checkout, remeasure

PAGE = ROOT / "docs" / "tutorial.md"
FENCE = re.compile(
    r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE
)
GAP = "..."


@dataclass(frozen=True)
class Step:
    """One block of the page."""

    language: str
    title: str | None
    body: str


def steps() -> list[Step]:
    text = PAGE.read_text(encoding="utf-8")
    return [Step(found["language"], found["title"], found["body"]) for found in FENCE.finditer(text)]


def commands(body: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with what it is said to print."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def missing(shown: str, printed: str) -> str | None:
    """Return the first piece of what is shown, between gaps, that is not printed after the pieces before it."""
    words = " ".join(printed.split())
    position = 0
    for piece in filter(None, (" ".join(piece.split()) for piece in shown.split(GAP))):
        found = words.find(piece, position)
        if found < 0:
            return piece
        position = found + len(piece)
    return None


def apply(diff: str, path: Path) -> None:
    """Replace the one line or lines that a diff takes away."""
    lines = diff.splitlines()
    old, new = ("".join(f"{line[1:]}\n" for line in lines if line[0] == sign) for sign in "-+")
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path.name} does not hold, once:\n{old}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_pieces_are_looked_for_in_order() -> None:
    assert missing("a b\n...\nd", "a  b\tc\nd e") is None
    assert missing("d ... a b", "a b c d") == "a b"
    assert missing("a c", "a b c") == "a c"


def test_every_block_of_the_page_is_of_use() -> None:
    assert len([step for step in steps() if step.language == "console"]) >= 8
    assert [s for s in steps() if s.language != "console" and s.title is None] == []
    assert PAGE.read_text(encoding="utf-8").count("```") == 2 * len(steps())


def test_the_page_can_be_followed_word_by_word(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    code = 0
    for step in steps():
        if step.language == "diff":
            assert step.title is not None
            apply(step.body, checkout / step.title)
        elif step.title is not None:
            (checkout / step.title).write_text(step.body, encoding="utf-8")
        else:
            block = list(commands(step.body))
            for (command, shown), (after, _) in zip(block, [*block[1:], ("", "")], strict=True):
                if command == "echo $?":
                    assert int(shown) == code
                    continue
                program, *arguments = shlex.split(command)
                assert program == "remeasure"
                done = remeasure(*arguments, cwd=checkout)
                code = done.returncode
                assert code == 0 or after == "echo $?", f"$ {command}\n{done.stdout}"
                assert missing(shown, done.stdout) is None, f"$ {command}\n{done.stdout}"
    page = (checkout / "reports" / "plain" / "index.html").read_text(encoding="utf-8")
    for words in ("Plain Networks", "32.78", "31.78", "procedural scenes", "synthetic", "exact"):
        assert words in page, words
    records = list((checkout / "reports" / "ledger").rglob("*.json"))
    assert len(records) == 3 + 3 * 2


@pytest.mark.parametrize("page", ["claims.md", "data.md", "checkpoints.md"])
def test_the_pages_it_leads_to_are_there(page: str) -> None:
    assert page in PAGE.read_text(encoding="utf-8")
    assert (ROOT / "docs" / page).is_file()
