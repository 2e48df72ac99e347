"""The packages that Remeasure imports: what each is for, and what a command goes on without where one is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

from harness.errors import MissingPackageError

USES: Mapping[str, str] = {
    "click": "the command line",
    "cryptography": "signatures",
    "filelock": "keeping two runs apart",
    "jinja2": "reports",
    "msgspec": "records",
    "numpy": "arrays",
    "pandas": "tables of results",
    "PIL": "images",
    "pooch": "downloads",
    "pyarrow": "Parquet files",
    "requests": "downloads",
    "rich": "tables and progress bars",
    "scipy": "confidence intervals, distances to boundaries and MATLAB files",
    "torch": "networks",
    "torchvision": "networks to compare with",
    "yaml": "YAML files",
}
"""What each package is for, by the name it is imported under."""

REPORTS = ("jinja2", "scipy")
"""What reports are made with."""

_NAMES = {"PIL": "pillow", "yaml": "pyyaml"}
"""As pip calls those that are imported under another name."""


@dataclass(frozen=True, slots=True)
class Feature:
    """What commands go on without.

    Attributes:
        what: In a few words.
        modules: All of which it takes.
        commands: That have it; empty for every one.
        terminal: Whether it shows on a terminal only.
    """

    what: str
    modules: tuple[str, ...]
    commands: tuple[str, ...] = ()
    terminal: bool = False


FEATURES = (
    Feature("report", REPORTS, ("run",)),
    Feature("experiment that scores bands around boundaries", ("scipy",), ("plan", "run")),
    Feature("test of numbers against what other rows predict", ("scipy",), ("audit",)),
    Feature("tables and progress bars", ("rich",), terminal=True),
)


def missing(*modules: str) -> tuple[str, ...]:
    """Return those of the modules that are not installed, as pip calls them."""
    return tuple(_NAMES.get(module, module) for module in modules if not _installed(module))


def switched_off(command: str, *, terminal: bool) -> Iterator[str]:
    """Yield a sentence for each feature that a command has to do without here.

    Args:
        command: Its name.
        terminal: Whether someone reads along.
    """
    for feature in FEATURES:
        concerned = command in (feature.commands or (command,)) and (terminal or not feature.terminal)
        if concerned and (packages := missing(*feature.modules)):
            yield f"no {feature.what}: {remedy(*packages)}"


def remedy(*packages: str) -> str:
    """Return the command that installs packages."""
    return f"python -m pip install {' '.join(packages)}"


def require(*modules: str) -> None:
    """Check that what a command cannot do without is here.

    Raises:
        MissingPackageError: One of the modules, named in :data:`USES`, is not installed.
    """
    for module in modules:
        if missing(module):
            raise _error(module)


@contextmanager
def required() -> Iterator[None]:
    """Say in a sentence which package is missing where an import of one fails.

    Raises:
        MissingPackageError: One of :data:`USES` cannot be imported, for it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name not in USES:
            raise
        raise _error(error.name) from error


def _error(module: str) -> MissingPackageError:
    package = _NAMES.get(module, module)
    return MissingPackageError(
        f"{package} is not installed; it is needed for {USES[module]}", f"Install it: {remedy(package)}"
    )


@cache
def _installed(module: str) -> bool:
    return find_spec(module) is not None
