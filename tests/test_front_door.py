"""What a newcomer meets first: the README's commands, the sessions, the licence, the package."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

from harness.claims.papers import packages

ROOT = Path(__file__).parents[1]


def test_every_session_the_readme_names_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"nox -s ([a-z-]+)", text))
    declared = set(
        re.findall(r"^def ([a-z]+)\(session", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert named <= declared | {f"reproduce-{key}" for key in packages()}


def test_ci_runs_the_readmes_test_command() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert re.search(r"nox -s .*\btests\b", script)


def test_every_dependency_has_a_lower_bound_that_the_constraints_meet() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line
    )
    for requirement in [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]:
        match = re.match(r"([a-z0-9-]+)>=([0-9.]+)", requirement)
        assert match, f"{requirement} has no lower bound"
        name, bound = match.groups()
        assert _version(pinned[name]) >= _version(bound), requirement


def test_documents_link_only_to_files_that_exist() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
