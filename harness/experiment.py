"""What a paper's ``experiments.py`` declares: which systems are measured how, and what that reaches. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.claims.papers import package_of
from harness.errors import UsageError
from harness.ledger.record import Data, Deviation, Evidence, Record, measured_systems
from harness.packages import USES
from harness.shards import ALONE, Shard
from harness.statistics.verdicts import Margin

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""


@dataclass(frozen=True)
class Outcome:
    """What measuring one unit gives; see :mod:`harness.ledger.record` for the arrays' names."""

    values: Mapping[str, int | float | str] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    log: tuple[dict[str, int | float | str], ...] = ()


@dataclass(frozen=True)
class Unit:
    """The piece of work that is recorded as a whole: one system, one seed."""

    experiment: str
    system: str
    seed: int


@dataclass(frozen=True)
class Reach:
    """Which printed numbers a measured metric stands beside.

    Attributes:
        metric: Name in :data:`harness.claims.vocabulary.METRICS`, the same for claim and measurement.
        protocol: The claims' protocol ("1-crop"); None matches claims that declare none.
        margin: How far from the print a measurement of the claim itself may lie and still reproduce it, in the claims'
            unit, and why; what measures on other data or hardware needs none.
    """

    metric: str
    protocol: str | None = None
    margin: Margin | None = None


@dataclass(frozen=True)
class Context:
    """What a unit's work may use.

    Attributes:
        scratch: A folder of the unit's own for checkpoints; whatever is there from an interrupted attempt is resumed.
        device: "cpu" or "cuda".
        shard: This process among those that share the unit's work; what any but the first measures is not kept.
    """

    scratch: Path
    device: str
    progress: Progress
    shard: Shard = ALONE


@dataclass(frozen=True)
class Cost:
    """Seconds one unit takes: ``setup``, and ``per_epoch`` for each epoch.

    Attributes:
        shared: What the first unit of a system takes on top, for what the others of it reuse.
    """

    setup: float
    per_epoch: float = 0.0
    shared: float = 0.0

    def seconds(self, epochs: int) -> float:
        return self.setup + epochs * self.per_epoch


@dataclass(frozen=True)
class Trade:
    """What a time budget may take away from an experiment.

    Attributes:
        epochs: As in the recipe.
        fewest_epochs: Below this the comparison means nothing.
        fewest_seeds: Below this the spread over seeds says nothing.
    """

    epochs: int
    fewest_epochs: int
    fewest_seeds: int


@dataclass(frozen=True)
class Experiment:
    """One controlled comparison: the same recipe for every system and seed.

    Attributes:
        recipe: Every setting that can change the outcome, as plain JSON; part of a record's identity.
        source: Packages and modules whose source can change the outcome; part of a record's identity.
        data: Called late, since it may have to read a folder; None for experiments without images.
        measure: Measures one unit; resumes from ``context.scratch``; must be a pure function of unit and recipe on
            the CPU.
        command: The command that runs it.
        cost: Estimates a unit on a device ("cpu" or "cuda") by timing a few of its steps, which takes seconds; called
            once per system. None where nothing can be timed.
        trade: What a budget may take away; None if the experiment has to run as it is.
        needs: What it lacks to run with the options at hand ("an Imagenette folder: --data DIR"); empty if nothing.
            It is declared all the same: its records stand in the report.
        lacks: The same for single systems, by name ("the file drn_c_42-9d336e8c.pth, from ..."); the others can run.
        part_of: For ``Evidence.SUBSET``, the evidence that all of the claim's test images would give.
        split: Of the test images, as claims name it ("cityscapes/val"): on claims of other images its records are no
            verdict. Empty for what needs no images of the claims.
        shared: Whether several processes can share a unit's training or images by ``context.shard``.
    """

    key: str
    title: str
    evidence: Evidence
    systems: tuple[str, ...]
    seeds: tuple[int, ...]
    reaches: tuple[Reach, ...]
    recipe: Mapping[str, Any]
    source: tuple[str, ...]
    deviations: tuple[Deviation, ...]
    measure: Callable[[Unit, Context], Outcome]
    command: str
    data: Callable[[Progress], Data] | None = None
    cost: Callable[[Unit, str], Cost] | None = None
    trade: Trade | None = None
    needs: str = ""
    lacks: Mapping[str, str] = field(default_factory=dict)
    part_of: Evidence | None = None
    split: str = ""
    shared: bool = False

    def measured(self) -> tuple[str, ...]:
        """Return every system that the units may say something of: each system and, after it, its variants."""
        return systems_of(self.systems, self.recipe)

    def units(self) -> tuple[Unit, ...]:
        """Return the work in the order it should be done: all systems of a seed before the next seed."""
        return tuple(Unit(self.key, system, seed) for seed in self.seeds for system in self.systems)


def systems_of(systems: Sequence[str], recipe: Mapping[str, Any]) -> tuple[str, ...]:
    """Return each system and, after it, the variants of it that a recipe names."""
    names = (name for system in systems for name in measured_systems(recipe, system).values())
    return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class Options:
    """What a user chose for a run.

    Attributes:
        data: A folder with real images; None runs on the embedded scenes only.
        budget: Seconds the run may take; None runs the full recipe.
        seeds: How many seeds; None takes the experiment's own number.
        only: Systems or keys of experiments to run; empty runs everything. Applied by the runner.
        only_seeds: Which of the seeds to run; empty runs all. Applied by the runner.
        toy: A few steps at the smallest size: a test of the path, never shown as a result.
        epochs: By experiment, how many epochs a budget leaves. The experiment puts them in its recipe
            and its ``trade``, and lists the cut as a deviation.
        weights: A folder with the authors' checkpoints.
        evidence: Run only experiments of this kind, on all or part of the images. Applied by the runner.
        views: A folder for network outputs, which experiments that evaluate whole images keep there; None: nowhere.
    """

    data: Path | None = None
    device: str = "auto"
    budget: float | None = None
    seeds: int | None = None
    only: tuple[str, ...] = ()
    toy: bool = False
    epochs: Mapping[str, int] = field(default_factory=dict)
    weights: Path | None = None
    evidence: Evidence | None = None
    views: Path | None = None
    only_seeds: tuple[int, ...] = ()


Factory = Callable[[Options], tuple[Experiment, ...]]
Photographs = Callable[[Record, NDArray[np.int32]], NDArray[np.uint8]]
"""From a record and places [P] in the images its maps show to those images, uint8 [P, H, W, 3]."""


def experiments_of(paper: str) -> Factory:
    """Return a paper's function from options to experiments: ``experiments`` in its package's ``experiments`` module.

    Raises:
        UsageError: No paper has this key, it declares no experiments, or they cannot be imported.
    """
    factory: Factory = _module(paper).experiments
    return factory


def photographs_of(paper: str, folder: Path) -> Photographs:
    """Return a paper's photographs for private reports: ``photographs(folder)`` of its ``experiments`` module.

    Raises:
        UsageError: No paper has this key, or its experiments use no photographs.
    """
    module = _module(paper)
    if not hasattr(module, "photographs"):
        raise UsageError(f"the experiments of {paper} use no photographs", "Leave out --private.")
    photographs: Photographs = module.photographs(folder)
    return photographs


def _module(paper: str) -> ModuleType:
    package = package_of(paper)
    try:
        if find_spec(f"{package}.experiments") is None:
            raise UsageError(f"{paper} declares no experiments", f"Add {package.replace('.', '/')}/experiments.py.")
        return import_module(f"{package}.experiments")
    except (ImportError, SyntaxError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name in USES:
            raise
        raise UsageError(f"the experiments of {paper} cannot be imported: {error}", f"Mend {package}.") from error
