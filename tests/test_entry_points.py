"""Papers in other distributions: installed by pip, found, run; a broken one is named and stops no other."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from authoring_cases import make_checkout, remeasure
from conftest import without

from harness.errors import ExitCode

KEY = "elsewhere"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def site(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the distribution that ``new-paper --into`` makes."""
    for package in ("pip", "setuptools"):
        if find_spec(package) is None:
            without(f"{package} is not installed; it installs the paper")
    folder = tmp_path_factory.mktemp("installed")
    made = remeasure("new-paper", KEY, "--title", 'Nets "elsewhere"', "--into", str(folder / "source"), cwd=checkout)
    assert made.returncode == ExitCode.OK, made.stdout
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet")
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", folder / "site", folder / "source" / KEY]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "site"


def announce(folder: Path, distribution: str, entries: dict[str, str]) -> None:
    """Leave the metadata of an installed distribution that announces papers."""
    metadata = folder / f"{distribution}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = [f"{key} = {package}" for key, package in entries.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[remeasure.papers]", *lines, ""]))


def make_package(folder: Path, name: str, **contents: str) -> None:
    (folder / name).mkdir(parents=True)
    for file, content in {"__init__": "", **contents}.items():
        (folder / name / (file.replace("_toml", ".toml") if file.endswith("_toml") else f"{file}.py")).write_text(
            content
        )


def claims(key: str) -> str:
    return f'[paper]\nkey = "{key}"\ntitle = "A title"\n'


def listed(output: str) -> list[str]:
    return [line.partition("\t")[0] for line in output.splitlines() if "\tA title\t" in line]


def test_an_installed_paper_is_listed_audited_run_and_reported(checkout: Path, site: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        done = remeasure(*arguments, cwd=checkout, path=(site,))
        assert done.returncode == ExitCode.OK, done.stdout
        return done.stdout

    assert KEY not in remeasure("list", cwd=checkout).stdout
    assert f'{KEY}\tNets "elsewhere"' in run("list")
    assert "6 claims" in run("audit", KEY)
    folders = ("--ledger", str(tmp_path / "ledger"), "--reports", str(tmp_path / "reports"))
    assert "2 of 2 exact" in run("run", KEY, "--toy", *folders)
    records = [json.loads(path.read_bytes()) for path in (tmp_path / "ledger").rglob("*.json")]
    assert {record["paper"] for record in records} == {KEY}
    assert {record["experiment"] for record in records} == {"architecture", "scenes"}
    assert "2 of 2 exact" in run("report", KEY, *folders)
    assert "elsewhere" in (tmp_path / "reports" / KEY / "index.html").read_text(encoding="utf-8")


def test_a_broken_entry_point_gets_one_sentence_and_stops_no_other(checkout: Path, tmp_path: Path) -> None:
    make_package(tmp_path, "good_paper", claims_toml=claims("good"))
    make_package(tmp_path, "bare_package")
    announce(tmp_path, "good-things", {"good": "good_paper"})
    announce(tmp_path, "bad-things", {"lost": "no_such_package", "bare": "bare_package", "deep": "good_paper.inner"})
    done = remeasure("list", cwd=checkout, path=(tmp_path,))
    assert done.returncode == ExitCode.OK
    assert listed(done.stdout) == ["good"]
    for key, reason in {
        "lost": "no package 'no_such_package'",
        "bare": "holds no claims.toml",
        "deep": "no package",
    }.items():
        (sentence,) = [line for line in done.stdout.splitlines() if f"'{key}'" in line]
        assert sentence.startswith(f"the paper '{key}' of the distribution bad-things is not used: ")
        assert reason in sentence
    folders = ("--ledger", str(tmp_path / "ledger"), "--reports", str(tmp_path / "reports"))
    (tmp_path / "ledger").mkdir()
    reported = remeasure("report", *folders, cwd=checkout, path=(tmp_path,))
    assert reported.returncode == ExitCode.OK
    assert "good is not in the index: good declares no experiments" in reported.stdout
    assert (tmp_path / "reports" / "index.html").is_file()
    audited = remeasure("audit", "bare", cwd=checkout, path=(tmp_path,))
    assert audited.returncode == ExitCode.USAGE
    assert "holds no claims.toml" in audited.stdout
    assert "Traceback" not in audited.stdout


def test_two_papers_of_one_key_are_told_apart(checkout: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    make_package(one, "first_paper", claims_toml=claims("same"))
    make_package(other, "second_paper", claims_toml=claims("same"))
    announce(one, "first-things", {"same": "first_paper"})
    announce(other, "second-things", {"same": "second_paper"})
    done = remeasure("list", cwd=checkout, path=(one, other))
    assert listed(done.stdout) == ["same"]
    assert (
        "the paper 'same' of the distribution second-things is not used: "
        "the distribution first-things has a paper of this key"
    ) in done.stdout


def test_a_key_of_a_built_in_paper_stays_its_own(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    remeasure("new-paper", "mine", "--title", "A title", cwd=checkout)
    make_package(tmp_path / "site", "their_paper", claims_toml=claims("mine").replace("A title", "Theirs"))
    announce(tmp_path / "site", "their-things", {"mine": "their_paper"})
    done = remeasure("list", cwd=checkout, path=(tmp_path / "site",))
    assert listed(done.stdout) == ["mine"]
    assert "Theirs" not in done.stdout
    assert "of the distribution their-things is not used: reproductions has a paper of this key" in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("import no_such_library", "No module named 'no_such_library'"),
        ("def experiments(options:", "never closed"),
        ("from harness.experiment import NoSuchThing", "NoSuchThing"),
    ],
    ids=["missing library", "syntax", "missing name"],
)
def test_experiments_that_cannot_be_imported_are_named(checkout: Path, tmp_path: Path, content: str, said: str) -> None:
    make_package(tmp_path, "odd_paper", claims_toml=claims("odd"), experiments=content)
    announce(tmp_path, "odd-things", {"odd": "odd_paper"})
    assert listed(remeasure("list", cwd=checkout, path=(tmp_path,)).stdout) == ["odd"]
    done = remeasure("run", "odd", cwd=checkout, path=(tmp_path,))
    assert done.returncode == ExitCode.USAGE
    assert "the experiments of odd cannot be imported" in done.stdout
    assert said in done.stdout
    assert "Traceback" not in done.stdout


def test_a_paper_is_found_by_the_key_its_claims_give(checkout: Path, tmp_path: Path) -> None:
    make_package(tmp_path, "some_paper", claims_toml=claims("theirs"))
    make_package(tmp_path, "good_paper", claims_toml=claims("good"))
    announce(tmp_path, "some-things", {"ours": "some_paper", "good": "good_paper"})
    done = remeasure("list", cwd=checkout, path=(tmp_path,))
    assert done.returncode == ExitCode.CLAIMS
    assert listed(done.stdout) == ["good"]
    assert "ours is not listed" in done.stdout
    assert "the key is 'theirs'" in done.stdout


def test_listing_imports_no_package_of_a_paper(checkout: Path, tmp_path: Path) -> None:
    make_package(tmp_path, "loud_paper", claims_toml=claims("loud"))
    (tmp_path / "loud_paper" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    announce(tmp_path, "loud-things", {"loud": "loud_paper"})
    done = remeasure("list", cwd=checkout, path=(tmp_path,))
    assert done.returncode == ExitCode.OK
    assert listed(done.stdout) == ["loud"]
