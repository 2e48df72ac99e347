"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

settings.register_profile("no wall clock", deadline=None)
settings.load_profile("no wall clock")

os.environ.setdefault("OMP_NUM_THREADS", "1")
for _name in [name for name in os.environ if name.startswith("PYTEST_XDIST_")]:
    del os.environ[_name]  # a pytest that a test starts is nobody's worker, and pytest-benchmark times nothing in one
SHARED = Path(__file__).resolve().parents[2] / "shared"
TOOLS = Path(os.environ.get("REMEASURE_TOOLS", "tools of nox -s tests"))
EVERYTHING = os.environ.get("REMEASURE_TEST_EVERYTHING") == "1"
"""Set where nothing may be skipped for want of a tool, as in continuous integration."""


def without(what: str) -> NoReturn:
    """Skip a test that lacks something from outside; fail it where nothing may be skipped."""
    if EVERYTHING:
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(autouse=True, scope="session")
def ctrl_c() -> Iterator[None]:
    """Let tests press Ctrl-C where they run in the background too: a shell has it ignored there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Bits are promised for a fixed number of threads."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def decoded_aside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep decoded images out of the working directory."""
    from harness.segmentation import sets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sets, "CACHE", tmp_path_factory.mktemp("images"))
        yield


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Return a function from a relative path to a file of the facts folder, skipping where it is missing."""

    def locate(relative: str) -> Path:
        path = SHARED / relative
        if not path.exists():
            pytest.skip(f"{relative} is not beside this checkout (expected at {path})")
        return path

    return locate


@pytest.fixture(scope="session")
def tools() -> Callable[[str], Path]:
    """Return a function from a pattern to the one file of the outside validators that it matches."""

    def locate(pattern: str) -> Path:
        found = sorted(TOOLS.glob(pattern)) if TOOLS.is_dir() else []
        return found[0] if found else without(f"{pattern} is not in {TOOLS}; nox -s tests installs it")

    return locate


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Return the browser that pages are opened in."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return Path(found) if found else without("no Chromium is installed (on Debian: apt-get install chromium)")
