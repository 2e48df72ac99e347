"""What tests of authoring share: a checkout to add papers to, and the program run in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def make_checkout(folder: Path) -> Path:
    """Make a folder that is a checkout of this project, without any paper in it."""
    (folder / "reproductions").mkdir(parents=True)
    (folder / "reproductions" / "__init__.py").write_bytes((ROOT / "reproductions" / "__init__.py").read_bytes())
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    (folder / "harness").symlink_to(ROOT / "harness", target_is_directory=True)
    return folder


def remeasure(*arguments: str, cwd: Path, path: tuple[Path, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the program of a checkout as a shell would; both streams as they come are its output.

    Args:
        path: Folders with installed distributions.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (cwd, *path))), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
