"""What joining records with claims needs to know of an experiment: plain data that outlives the experiment's code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.experiment import Experiment, Reach, systems_of
from harness.runner.identity import code_digest
from harness.statistics.evidence import Evidence


@dataclass(frozen=True)
class Declared:
    """An experiment without what measures it.

    Attributes:
        key, title, evidence, systems, reaches, recipe, command, split: As in :class:`~harness.experiment.Experiment`.
        code: Digest of the source that can change its outcome; records of other code do not count.
    """

    key: str
    title: str
    evidence: Evidence
    systems: tuple[str, ...]
    reaches: tuple[Reach, ...]
    recipe: Mapping[str, Any]
    command: str
    split: str
    code: str

    def measured(self) -> tuple[str, ...]:
        """Return every system that records may say something of: each system and, after it, its variants."""
        return systems_of(self.systems, self.recipe)


AnyExperiment = Experiment | Declared


def declare(experiment: AnyExperiment) -> Declared:
    """Return an experiment as data, with the digest of its source as it is now; data stays as it is.

    Raises:
        ModuleNotFoundError: It names a source that is not there.
    """
    if isinstance(experiment, Declared):
        return experiment
    return Declared(
        key=experiment.key,
        title=experiment.title,
        evidence=experiment.evidence,
        systems=experiment.systems,
        reaches=experiment.reaches,
        recipe=experiment.recipe,
        command=experiment.command,
        split=experiment.split,
        code=code_digest(experiment.source),
    )
