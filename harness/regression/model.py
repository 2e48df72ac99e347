"""What the nightly check compares, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from harness.claims.document import slug
from harness.claims.vocabulary import Direction
from harness.scoring.scores import Sample


class Kind(Enum):
    """What a metric's nights differ by: images and seeds, or the machine."""

    ACCURACY = "accuracy"
    SPEED = "speed"
    MEMORY = "memory"


class Address(NamedTuple):
    """Which metric of which system; ``label`` is the class a class's IoU is of, empty for all else."""

    paper: str
    experiment: str
    system: str
    metric: str
    label: str = ""

    @property
    def id(self) -> str:
        """The address as people type it: ``drn/throughput/resnet-18/rate``."""
        name = f"{self.metric}-{self.label}" if self.label else self.metric
        return f"{self.paper}/{self.experiment}/{slug(self.system)}/{name}"


@dataclass(frozen=True, slots=True)
class Night:
    """A metric as one night measured it.

    Attributes:
        started: UTC, ISO 8601; orders the nights.
        value: In the metric's unit: over seeds the mean, of timed repeats what their sample's score is.
        segment: Names all that must be equal for two nights to be compared: hardware, software, recipe, data.
        records: Digests of the records behind it.
        samples: Raw outcomes by seed, for metrics of images; empty for the others.
        again: The value of the confirmation that followed at once; None if there was none.
    """

    started: str
    value: float
    segment: str
    records: tuple[str, ...] = ()
    samples: Mapping[int, Sample] = field(default_factory=dict)
    again: float | None = None


@dataclass(frozen=True)
class Series:
    """A metric's nights, the oldest first.

    Attributes:
        expected: Whether tonight was to measure it; what is expected and not among the nights is missing.
    """

    address: Address
    kind: Kind
    unit: str
    better: Direction
    nights: tuple[Night, ...]
    expected: bool = True


@dataclass(frozen=True, slots=True)
class Level:
    """What somebody accepted as a metric's level: nights before ``since`` are history and no longer compared."""

    address: str
    since: str
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """Tonight against the accepted level.

    Attributes:
        estimate, low, high: Tonight minus the level, 95 % interval; of accuracy in the metric's unit, of speed and
            memory relative to the level (0.05 is 5 % more).
        p_worse, p_better: One-sided; how likely such a change, or a larger one, is where nothing changed.
    """

    estimate: float
    low: float
    high: float
    p_worse: float
    p_better: float


class Word(Enum):
    """What the check says of a metric. A suspect got worse tonight; another night tells it from a slow one."""

    STEADY = "steady"
    SUSPECT = "suspect"
    REGRESSION = "regression"
    IMPROVEMENT = "improvement"
    NEW_SEGMENT = "new segment"
    MISSING = "missing"
    NOT_COMPARED = "not compared"


FAILURES = frozenset({Word.REGRESSION, Word.MISSING, Word.NOT_COMPARED})
"""What is no pass: a metric that got worse, one that disappeared, a comparison that could not be made."""


class Shape(Enum):
    """How a level was left: at once, or bit by bit."""

    STEP = "step"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Decision:
    """The check's word on one metric, with the numbers it rests on.

    Attributes:
        level: What tonight was compared with, in the metric's unit; None where there was nothing to compare with.
        tonight: None if it is missing. Where the nights have not the same seeds, both are of those that were compared.
        change: None where nothing was compared.
        shape: None unless the level was left.
        since: When it was first left, as far as the history tells; empty unless it was.
        nights: How many nights of this segment the level rests on.
        reason: One sentence for a reader.
    """

    address: Address
    kind: Kind
    unit: str
    word: Word
    level: float | None
    tonight: float | None
    change: Change | None
    shape: Shape | None
    since: str
    nights: int
    reason: str
