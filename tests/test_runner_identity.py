"""What makes a record stand, and what the reader is told when it does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_samples import sample_record
from msgspec.structs import replace as changed
from tiny_paper import Calls, experiments

from harness.experiment import Experiment, Options, Unit
from harness.ledger.record import Code, Data
from harness.ledger.store import Ledger
from harness.runner import identity
from harness.runner.identity import Basis, bases, code_digest, is_current, key, key_of, source_files, stale

BASIS = Basis(Code("c" * 64), Data("scenes", "d" * 64, 3000, 1000))


@pytest.fixture
def experiment() -> Experiment:
    trained, _ = experiments(Options())
    return replace(trained, key="scenes", systems=("DRN-C-26",), recipe=sample_record().recipe)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that must not be imported: its files raise."""
    folder = tmp_path / "sample_package"
    (folder / "inner").mkdir(parents=True)
    for name in ("__init__.py", "one.py", "inner/__init__.py", "inner/two.py"):
        (folder / name).write_text(f"raise RuntimeError({name!r})\n")
    (folder / "notes.txt").write_text("no code")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_a_record_read_back_has_the_key_it_was_measured_under(experiment: Experiment, tmp_path: Path) -> None:
    record = sample_record(recipe={"crop": (48, 48), "rate": 1, "nested": {"b": None, "a": 2.0}})
    alike = replace(experiment, recipe=record.recipe)
    stored = Ledger(tmp_path).append(record, {})
    assert key_of(stored.record) == key("drn", Unit("scenes", "DRN-C-26", 0), alike.recipe, BASIS)
    assert is_current(stored.record, alike, BASIS)


def test_whatever_can_change_the_result_changes_the_key() -> None:
    record = sample_record()
    others = [
        changed(record, paper="hdc"),
        changed(record, experiment="photos"),
        changed(record, system="DRN-A-18"),
        changed(record, seed=1),
        changed(record, recipe={**record.recipe, "epochs": 9}),
        changed(record, data=Data("scenes", "e" * 64, 3000, 1000)),
        changed(record, data=None),
        changed(record, code=Code("e" * 64)),
    ]
    assert len({key_of(each) for each in (record, *others)}) == len(others) + 1


def test_whatever_cannot_change_the_result_does_not(experiment: Experiment) -> None:
    record = sample_record()
    same = changed(
        record, started="2026-02-02", seconds=99.0, deviations=(), log=(), code=Code("c" * 64, "another", True)
    )
    assert key_of(same) == key_of(record)
    assert is_current(same, experiment, BASIS)


def test_reasons_name_what_changed(experiment: Experiment) -> None:
    record = sample_record()
    recipe = {**record.recipe, "epochs": 5, "nested": {"momentum": 0.9}}
    assert stale(record, experiment, BASIS) == ""
    assert stale(changed(record, complete=False), experiment, BASIS) == "it stopped early"
    assert stale(record, replace(experiment, recipe=recipe), BASIS) == (
        "the recipe changed (epochs 8 -> 5; nested.momentum absent -> 0.9)"
    )
    other = Basis(Code("x"), Data("scenes", "x", 1, 1))
    assert stale(record, experiment, other) == "the data changed, the code changed"
    many = replace(experiment, recipe={f"setting-{i}": i for i in range(20)})
    assert "; 20 more)" in stale(record, many, BASIS)


def test_unexamined_data_are_not_called_changed(experiment: Experiment) -> None:
    calls = Calls()
    trained, exact = experiments(Options(), calls)
    unexamined = bases((trained, exact), None)
    assert calls.examined == 0
    assert not unexamined["clouds"].examined
    assert unexamined["exact"].examined
    assert stale(sample_record(), experiment, Basis(Code("c" * 64), examined=False)) == ""
    assert stale(sample_record(), experiment, Basis(Code("c" * 64))) == "the data changed"


def test_shared_data_are_examined_once() -> None:
    calls = Calls()
    trained, exact = experiments(Options(), calls)
    found = bases((trained, replace(trained, key="again"), exact), lambda *_: None)
    assert calls.examined == 1
    assert found["clouds"].data == found["again"].data is not None
    assert found["exact"].data is None


@pytest.mark.usefixtures("package")
def test_source_is_found_without_importing_it() -> None:
    assert list(source_files(["sample_package"])) == [
        "sample_package/__init__.py",
        "sample_package/inner/__init__.py",
        "sample_package/inner/two.py",
        "sample_package/one.py",
    ]
    assert list(source_files(["sample_package.one", "sample_package.inner"])) == [
        "sample_package/inner/__init__.py",
        "sample_package/inner/two.py",
        "sample_package/one.py",
    ]
    assert list(source_files(["tiny_paper"])) == ["tiny_paper.py"]
    assert "sample_package" not in sys.modules


def test_the_code_digest_is_that_of_the_named_code(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = ["sample_package.inner", "sample_package.one"]
    before = code_digest(named)
    assert code_digest([*reversed(named), "sample_package.inner.two"]) == before
    (package / "__init__.py").write_text("other = 1\n")
    (package / "notes.txt").write_text("other")
    assert code_digest(named) == before
    (package / "one.py").write_bytes((package / "one.py").read_bytes().replace(b"\n", b"\r\n"))
    assert code_digest(named) == before
    moved = package.parent / "elsewhere"
    shutil.copytree(package.parent / "sample_package", moved / "sample_package")
    monkeypatch.syspath_prepend(moved)
    assert code_digest(named) == before
    assert source_files(named)["sample_package/one.py"].is_relative_to(moved)
    (moved / "sample_package" / "inner" / "two.py").write_text("other = 1\n")
    assert code_digest(named) != before


@pytest.mark.parametrize(
    "name", ["no_such_package", "sample_package.none", "sample_package.one.none", "sys", "json.none"]
)
@pytest.mark.usefixtures("package")
def test_source_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=name):
        code_digest([name])


def git(folder: Path, *arguments: str) -> str:
    author = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    process = subprocess.run(
        ["git", *author, "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    )
    return process.stdout.strip()


@pytest.fixture
def checkout(package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that holds the package, and the module under test as if it stood in it."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    root = package.parent
    monkeypatch.setattr(identity, "__file__", str(root / "harness" / "runner" / "identity.py"))
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "one")
    return root


def test_commit_and_whether_the_source_differs_from_it(checkout: Path, package: Path) -> None:
    code = identity.code_of(["sample_package"])
    assert code == Code(code_digest(["sample_package"]), git(checkout, "rev-parse", "HEAD"), False)
    (checkout / "report.html").write_text("not source")
    (package / "notes.txt").write_text("not source")
    assert not identity.code_of(["sample_package"]).dirty
    (package / "one.py").write_text("other = 1\n")
    assert identity.code_of(["sample_package"]).dirty
    assert not identity.code_of(["sample_package.inner"]).dirty
    (package / "inner" / "new.py").write_text("")
    assert identity.code_of(["sample_package.inner"]).dirty


def test_no_commit_outside_a_checkout_of_ours(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = checkout / "venv" / "site-packages" / "harness" / "runner" / "identity.py"
    installed.parent.mkdir(parents=True)
    monkeypatch.setattr(identity, "__file__", str(installed))
    assert identity.code_of(["sample_package"]).commit is None
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(identity, "__file__", str(checkout / "harness" / "runner" / "identity.py"))
    assert identity.code_of(["sample_package"]).commit is None


def test_identity_needs_no_torch() -> None:
    code = "import sys, harness.runner.identity, harness.runner.work; raise SystemExit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
