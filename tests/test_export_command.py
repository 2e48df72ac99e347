"""``remeasure export``: every format from this checkout's own ledger, the same bytes each time, and clear refusals."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from export_samples import LEDGER, strict_json

from harness.cli import cli
from harness.cli.export import FILES, FOLDERS, NEEDED
from harness.errors import ExitCode, MissingPackageError, RemeasureError, UsageError
from harness.packages import USES

ROOT = Path(__file__).parents[1]
NO_NUMBER = re.compile(r"(?<![\w.-])[-+]?\.?(?:nan|inf|infinity)\b(?!\w)", re.IGNORECASE)
EXPORT_ALL = """
import hashlib, sys
from pathlib import Path
from harness.cli import cli
from harness.scoring import load

loaded, load_results = {}, load.load_results
load.load_results = lambda key, ledger: loaded.get(key) or loaded.setdefault(key, load_results(key, ledger))
out = Path(sys.argv[1])
for form in sys.argv[3:]:
    cli(["export", form, "drn", "--ledger", sys.argv[2], "--out", str(out / form)], standalone_mode=False)
for path in sorted(out.rglob("*")):
    if path.is_file():
        print("DIGEST", path.relative_to(out), hashlib.sha256(path.read_bytes()).hexdigest())
"""


def run(*arguments: str | Path) -> str:
    """Run the command in this process; errors of the user's come through as they are."""
    done = CliRunner().invoke(cli, ["export", *map(str, arguments)], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.output


def exporting(folder: Path, seed: int) -> subprocess.Popen[str]:
    """Start to export in every format, in a process of its own that prints the digests of the files."""
    return subprocess.Popen(
        [sys.executable, "-c", EXPORT_ALL, folder, LEDGER.root, *FILES, *FOLDERS],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(seed)},
        stdout=subprocess.PIPE,
        text=True,
    )


def digests(process: subprocess.Popen[str]) -> list[str]:
    output, _ = process.communicate()
    assert process.returncode == 0
    return [line for line in output.splitlines() if line.startswith("DIGEST")]


def test_the_same_ledger_gives_the_same_bytes_and_only_finite_numbers(tmp_path: Path) -> None:
    processes = [exporting(tmp_path / name, seed) for seed, name in enumerate(("first", "second"), start=1)]
    first, second = map(digests, processes)
    assert first == second
    assert {line.split()[1].split("/")[0] for line in first} == {*FILES, *FOLDERS}
    pages = 0
    for path in (tmp_path / "first").rglob("*"):
        if path.suffix == ".json":
            strict_json(path.read_bytes())
        elif path.is_file() and path.suffix not in (".npz", ".html", ".js") and path.name != "parquet":
            pages += 1
            assert not NO_NUMBER.findall(path.read_text(encoding="utf-8")), path
    assert pages > 2 * len(FILES)


@pytest.mark.parametrize("text", ["a: .nan", "value: -.inf", "1,NaN,2", "Infinity"])
def test_the_pattern_sees_what_is_no_number(text: str) -> None:
    assert NO_NUMBER.search(text)


@pytest.mark.parametrize("form", [*FILES, *FOLDERS])
def test_every_format_says_what_it_cannot_do_without(form: str, tmp_path: Path, monkeypatch: Any) -> None:
    assert set(NEEDED[form]) <= set(USES)
    for package in NEEDED[form]:
        monkeypatch.setattr("harness.packages.missing", lambda *names, gone=package: [n for n in names if n == gone])
        with pytest.raises(MissingPackageError, match="is not installed"):
            run(form, "drn", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_format_is_named_with_those_there_are() -> None:
    done = CliRunner().invoke(cli, ["export", "excel", "--out", "x"])
    assert done.exit_code == ExitCode.USAGE
    assert all(form in done.output for form in ("excel", *FILES, *FOLDERS))


@pytest.mark.parametrize("form", FILES)
def test_a_file_is_replaced_only_when_asked(form: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    with pytest.raises(RemeasureError, match="is there already"):
        run(form, "drn", "--ledger", LEDGER.root, "--out", out)
    assert out.read_text() == "mine"
    run(form, "drn", "--ledger", LEDGER.root, "--out", out, "--replace")
    assert out.read_bytes() != b"mine"
    with pytest.raises(RemeasureError, match="is a folder"):
        run(form, "drn", "--ledger", LEDGER.root, "--out", tmp_path)


@pytest.mark.parametrize("form", FOLDERS)
def test_a_folder_must_be_empty(form: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for out in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(RemeasureError, match="is not an empty folder"):
            run(form, "drn", "--out", out, "--replace")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_data_sets_without_a_repository_are_named(tmp_path: Path) -> None:
    output = run("eval-results", "drn", "--ledger", LEDGER.root, "--out", tmp_path / "out")
    assert "cityscapes (--hub names one)" in output
    with pytest.raises(RemeasureError, match="hdc: no score that eval-results can hold"):
        run("eval-results", "hdc", "--ledger", LEDGER.root, "--out", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_date_comes_from_the_records_or_from_the_user(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(RemeasureError, match="no record gives the export its date"):
        run("every-eval-ever", "drn", "--ledger", empty, "--out", tmp_path / "out")
    run("every-eval-ever", "drn", "--ledger", empty, "--out", tmp_path / "out", "--date", "2025-03-04")
    logs = [strict_json(path.read_bytes()) for path in (tmp_path / "out").rglob("*.json")]
    assert {log["retrieved_timestamp"] for log in logs} == {"1741046400"}
    assert {log["source_metadata"]["source_type"] for log in logs} == {"documentation"}


@pytest.mark.parametrize(
    ("form", "option"),
    [
        ("csv", ("--site", "https://example.org")),
        ("citation", ("--relations",)),
        ("latex", ("--hub", "cityscapes=owner/cityscapes")),
        ("model-index", ("--date", "2025-03-04")),
    ],
)
def test_an_option_that_a_format_does_not_take_is_refused(form: str, option: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{option[0]} means nothing for {form}"):
        run(form, "drn", "--ledger", LEDGER.root, "--out", tmp_path / "out", *option)
    assert not (tmp_path / "out").exists()


def test_a_citation_file_is_about_papers_or_one_claim(tmp_path: Path) -> None:
    run("citation", "drn", "hdc", "--out", tmp_path / "papers.cff")
    assert "Understanding Convolution" in (tmp_path / "papers.cff").read_text(encoding="utf-8")
    with pytest.raises(RemeasureError, match="one claim, or about papers"):
        run("citation", "drn/t1/drn-c-26/params", "hdc", "--out", tmp_path / "both.cff")
    with pytest.raises(RemeasureError) as refused:
        run("citation", "drn/t3/drn-c-26/miou", "--ledger", LEDGER.root, "--out", tmp_path / "one.cff")
    assert refused.value.exit_code is ExitCode.NOT_CITABLE
    assert not (tmp_path / "one.cff").exists()


def test_the_command_explains_itself() -> None:
    help_text = CliRunner().invoke(cli, ["export", "--help"]).output
    page = (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")
    for form in (*FILES, *FOLDERS):
        assert form in help_text
        assert f"`{form}`" in page
    for option in ("--replace", "--relations", "--hub", "--site", "--date"):
        assert option in help_text
        assert option in page
