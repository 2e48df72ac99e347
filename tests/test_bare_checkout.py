"""A checkout that is not installed, with only what pip brings for torch, torchvision, click and msgspec."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from harness.audit.run import BY_PREDICTION
from harness.errors import ExitCode
from harness.ledger.store import Ledger, Stored
from harness.packages import FEATURES, USES, required
from harness.runner.identity import key_of

ROOT = Path(__file__).parents[1]
CARRIED = ("torch", "torchvision", "click", "msgspec")
OPTIONAL = {module for feature in FEATURES for module in feature.modules} - {"jinja2"}
OPTIONAL |= {"cryptography", "pandas", "pooch", "pyarrow", "requests", "yaml"}
"""All but those that torch brings."""
UNIT = ("drn", "--toy", "--only", "scenes", "--only", "ResNet-18", "--device", "cpu")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of this checkout that git knows or would add, without git's own."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "harness", "reproductions"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folder = tmp_path_factory.mktemp("checkout")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages that pip installs for those that are carried along, and no others."""
    folder = tmp_path_factory.mktemp("packages")
    for name in dict.fromkeys(_with_all_it_needs(CARRIED)):
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or () if file.parts[0] != ".."}:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(found.locate_file(top))))
    return folder


def _with_all_it_needs(names: Iterable[str], seen: frozenset[str] = frozenset()) -> Iterator[str]:
    for name in names:
        try:
            requirements = distribution(name).requires or []
        except PackageNotFoundError:  # for another system
            continue
        yield name
        needed = {re.split(r"[^\w.-]", line)[0] for line in requirements if "extra ==" not in line}
        yield from _with_all_it_needs(needed - seen - {name}, seen | needed | {name})


def without(packages: Path, module: str, folder: Path) -> Path:
    """Return a copy of a folder of packages that lacks one."""
    for entry in packages.iterdir():
        if entry.name.lower().partition("-")[0] != module.lower():
            (folder / entry.name).symlink_to(entry.resolve())
    return folder


def remeasure(
    checkout: Path, packages: Path | None, *arguments: str, home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program in a checkout, on some packages alone, or on all that the tests have if None."""
    return subprocess.run(
        [sys.executable, *([] if packages is None else ["-S"]), "-m", "harness", *arguments],
        cwd=checkout,
        env=_environment(packages, home),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _environment(packages: Path | None, home: Path | None = None) -> dict[str, str]:
    """Return one without git, without anything of the user's."""
    return {
        "PATH": "",
        "HOME": str(home or "/nonexistent"),
        "TMPDIR": os.environ.get("TMPDIR", "/tmp") if home is None else str(home),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    } | ({} if packages is None else {"PYTHONPATH": str(packages)})


def test_nothing_else_can_be_imported(checkout: Path, bare: Path) -> None:
    program = (
        "import sys; from importlib.util import find_spec; from importlib.metadata import distributions\n"
        "print(*[name for name in sys.argv[1:] if find_spec(name)])\n"
        "print(*[found.name for found in distributions() if found.name == 'remeasure'])"
    )
    command = [sys.executable, "-S", "-c", program, *sorted(USES)]
    done = subprocess.run(command, cwd=checkout, env=_environment(bare), capture_output=True, text=True, check=True)
    importable, installed = done.stdout.splitlines()
    assert set(importable.split()) == set(USES) - OPTIONAL
    assert installed == ""


def test_papers_are_listed(checkout: Path, bare: Path) -> None:
    done = remeasure(checkout, bare, "list")
    assert done.returncode == ExitCode.OK
    assert done.stdout == remeasure(checkout, None, "list").stdout
    assert done.stderr == ""
    assert re.fullmatch(r"remeasure, version \d+\.\d+\.\d+\n", remeasure(checkout, bare, "--version").stdout)


def test_an_audit_finds_all_that_takes_no_prediction(checkout: Path, bare: Path) -> None:
    papers = ("deeplab", "dilation", "drn", "hdc")
    done, full = (remeasure(checkout, packages, "audit", *papers, "--json") for packages in (bare, None))
    assert (done.returncode, full.returncode) == (ExitCode.OK, ExitCode.OK), done.stderr
    assert done.stderr.splitlines() == [
        "no test of numbers against what other rows predict: python -m pip install scipy"
    ]
    silent = {rule.id for rule in BY_PREDICTION}
    lost = set()
    for audit, whole in zip(json.loads(done.stdout), json.loads(full.stdout), strict=True):
        findings = {found["fingerprint"] for found in audit["findings"]}
        assert findings <= {found["fingerprint"] for found in whole["findings"]}
        lost |= {found["rule"] for found in whole["findings"] if found["fingerprint"] not in findings}
        assert audit["verdicts"] == whole["verdicts"]
        assert audit["powerless"]["rules that need scipy, which is not installed"] == len(silent)
    assert lost
    assert lost <= silent


def test_a_measurement_is_the_same_to_the_bit_and_stands_elsewhere(checkout: Path, bare: Path, tmp_path: Path) -> None:
    """Measured in a bare checkout, copied into the ledger of another one that has everything."""
    home, out = tmp_path / "home", tmp_path / "out"
    home.mkdir()
    before = _files(checkout)
    folders = ("--ledger", str(out / "ledger"), "--reports", str(out / "reports"))
    done = remeasure(checkout, bare, "run", *UNIT, *folders, home=home)
    assert done.returncode == ExitCode.OK, done.stderr
    assert done.stderr.count("no report: python -m pip install scipy\n") == 1
    assert {path.parts[0] for path in _files(checkout) - before} == {".remeasure"}
    assert {path.parts[0] for path in _files(out)} == {"ledger"}
    assert _files(home) == set()

    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(checkout, elsewhere, ignore=shutil.ignore_patterns(".remeasure"))
    fresh = remeasure(elsewhere, None, "run", *UNIT, "--ledger", "fresh", "--reports", "reports")
    assert fresh.returncode == ExitCode.OK, fresh.stderr
    (elsewhere / "reports" / "drn" / "index.html").read_text(encoding="utf-8")
    one, other = _only(out / "ledger"), _only(elsewhere / "fresh")
    assert key_of(one.record) == key_of(other.record)
    assert one.record.arrays == other.record.arrays
    assert one.record.values == other.record.values
    assert _untimed(one) == _untimed(other)

    shutil.copytree(out / "ledger", elsewhere / "reports" / "ledger")
    for packages in (bare, None):
        made = json.loads(remeasure(elsewhere, packages, "plan", *UNIT, "--json").stdout)
        assert [(step["why"], step["record"]) for step in made["steps"]] == [("", one.path.stem)]


def _files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def _only(ledger: Path) -> Stored:
    (stored,) = Ledger(ledger).records("drn", verify_arrays=True)
    return stored


def _untimed(stored: Stored) -> Any:
    """Return a record without what tells when, where and how fast it was made."""
    log = tuple({name: value for name, value in row.items() if name != "seconds"} for row in stored.record.log)
    environment = replace(stored.record.environment, packages={})
    return replace(stored.record, log=log, started="", seconds=0.0, peak_memory=0.0, environment=environment)


@pytest.mark.parametrize(
    ("module", "package", "arguments"),
    [
        ("click", "click", ("list",)),
        ("msgspec", "msgspec", ("run", *UNIT)),
        ("numpy", "numpy", ("audit", "drn")),
        ("torch", "torch", ("run", *UNIT)),
        ("torchvision", "torchvision", ("run", *UNIT)),
        ("PIL", "pillow", ("run", *UNIT)),
        ("scipy", "scipy", ("report", "drn")),
        ("pooch", "pooch", ("data", "fetch", "imagenette", "--to", "data")),
    ],
)
def test_what_cannot_be_done_without_is_named(
    checkout: Path, bare: Path, tmp_path: Path, module: str, package: str, arguments: tuple[str, ...]
) -> None:
    done = remeasure(checkout, without(bare, module, tmp_path), *arguments)
    assert done.returncode == ExitCode.PACKAGE, done.stderr
    assert f"remeasure: {package} is not installed; it is needed for {USES[module]}" in done.stderr
    assert f"python -m pip install {package}\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_experiment_that_takes_scipy_says_so_before_it_trains(checkout: Path, bare: Path) -> None:
    done = remeasure(checkout, bare, "run", "deeplab", "--toy", "--only", "scenes")
    assert done.returncode == ExitCode.USAGE
    assert "scenes needs scipy: python -m pip install scipy" in done.stderr


def test_a_terminal_without_rich_gets_plain_lines(checkout: Path, bare: Path) -> None:
    reader, terminal = pty.openpty()
    command = [sys.executable, "-S", "-m", "harness", "list"]
    done = subprocess.run(command, cwd=checkout, env=_environment(bare), stdout=terminal, stderr=terminal, check=False)
    os.close(terminal)
    with os.fdopen(reader, "rb") as shown:
        lines = shown.read1(1 << 16).decode().splitlines()
    assert done.returncode == ExitCode.OK
    assert lines.count("no tables and progress bars: python -m pip install rich") == 1
    assert [line.split("\t")[0] for line in lines[3:]] == ["deeplab", "dilation", "drn", "hdc"]


def test_a_missing_module_that_is_no_package_of_ours_is_a_defect() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"harness\.nowhere"), required():
        import_module("harness.nowhere")


def test_the_documents_say_what_each_package_is_for() -> None:
    table = (ROOT / "docs/bare-checkout.md").read_text(encoding="utf-8").lower()
    for module in USES:
        assert module.rstrip("2").replace("PIL", "pillow") in table
