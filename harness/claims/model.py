"""The typed content of a ``claims.toml``; built only by :mod:`harness.claims.load`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path

from harness.claims.expressions import Ids
from harness.claims.printed import Printed
from harness.claims.vocabulary import METRICS, Direction, Metric


class Transcription(Enum):
    """How sure the copy from the paper is."""

    TWO_SOURCES = "two-sources"
    ONE_SOURCE = "one-source"
    TEXT = "text"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the words stand in the paper, and where the copy was taken from."""

    section: str
    source: str
    transcription: Transcription
    line: int


@dataclass(frozen=True, slots=True)
class Claim:
    """One printed number with its address.

    Attributes:
        id: ``table/row/column`` or ``section/name``, unique within the paper.
        system: What the number describes, as printed ("DRN-C-26").
        n: Test images behind the number; None if unknown or not a test-set number.
        readings: Other values the print may stand for, where the copy is uncertain.
    """

    id: str
    printed: Printed
    metric: str
    unit: str
    system: str
    place: Place
    dataset: str | None = None
    protocol: str | None = None
    n: int | None = None
    quote: str = ""
    table: str | None = None
    row: str | None = None
    column: str | None = None
    readings: tuple[Printed, ...] = ()
    note: str = ""

    @property
    def definition(self) -> Metric:
        return METRICS[self.metric]

    @property
    def better(self) -> Direction | None:
        return self.definition.better


@dataclass(frozen=True, slots=True)
class Unprinted:
    """A quantity the prose speaks of without a number, so that a statement about it can be measured.

    Has what a measurement needs to know of a :class:`Claim`.
    """

    id: str
    system: str
    metric: str
    unit: str
    protocol: str | None = None
    column: str | None = None

    @property
    def definition(self) -> Metric:
        return METRICS[self.metric]


Operand = Claim | Unprinted
"""What the direction of a relation is about."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, as declared.

    Attributes:
        system: What its cells describe, with the row's name for ``{row}``: ``{row} + CRF``.
    """

    id: str
    title: str
    metric: str
    unit: str
    dataset: str | None = None
    protocol: str | None = None
    n: int | None = None
    group: str | None = None
    system: str = "{row}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table's shape; its numbers are claims with ids ``table/row/column``.

    Attributes:
        rows: Row slug to the row's name as printed, in printed order.
    """

    id: str
    caption: str
    columns: tuple[Column, ...]
    rows: Mapping[str, str]
    place: Place


@dataclass(frozen=True, slots=True)
class Relation:
    """What the prose says about numbers, for one case of its quantifier.

    Attributes:
        id: Unique within the paper; cases of one statement are ``statement#1``, ``#2`` ...
        statement: Id of the statement the case belongs to.
        left, op, right: ``left op right``; see :mod:`harness.claims.expressions`.
        universal: The word ("each", "all", "at least", "no") that makes one counter-example enough; None if absent.
        margin: For ``~``: how far apart "matches" or "similar" may be, in ``unit``, with ``margin_reason``.
        significant: The words claim more than an order ("significantly outperforms").
        direction: The comparison that a measurement on other data can support or contradict; None if none can.
        conclusion: What in the paper would change if the relation did not hold.
        unchecked: Why no arithmetic can decide it; None if some can.
    """

    id: str
    statement: str
    quote: str
    left: str
    op: str
    right: str
    unit: str
    place: Place
    universal: str | None = None
    margin: Printed | None = None
    margin_reason: str = ""
    significant: bool = False
    direction: str | None = None
    conclusion: str = ""
    note: str = ""
    unchecked: str | None = None


class ReferenceKind(Enum):
    """How an outside number relates to the paper's.

    ``AUTHORS``: the authors printed it elsewhere (their repository). ``ORIGIN``: the work the number is quoted from,
    or that publishes the same baseline. ``COPY``: someone else repeats the paper's numbers, rightly or wrongly.
    ``INDEPENDENT``: someone else measured again; may rightly differ.
    """

    AUTHORS = "authors"
    ORIGIN = "origin"
    COPY = "copy"
    INDEPENDENT = "independent"


@dataclass(frozen=True, slots=True)
class Reference:
    """A number printed elsewhere. ``claim`` is the id it stands beside, None where the paper prints no such number."""

    id: str
    printed: Printed
    system: str
    metric: str
    unit: str
    kind: ReferenceKind
    source: str
    claim: str | None
    line: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A setting the paper states (training, evaluation), as text with its words."""

    id: str
    value: str
    quote: str
    place: Place


@dataclass(frozen=True, slots=True)
class System:
    """What the claims file says of a row's system: the sequence it belongs to and its place in it.

    Attributes:
        family: Systems that differ only in ``layers`` ("ResNet", "DRN-A").
        layers: Depth as the name states it.
        counterpart: The baseline it was derived from.
        settings: What tells it from other systems, in the paper's words: ``{"CRF": "no", "training data": "fine"}``.
    """

    name: str
    family: str | None = None
    layers: int | None = None
    counterpart: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Paper:
    """Everything a ``claims.toml`` says."""

    key: str
    title: str
    authors: tuple[str, ...]
    year: int
    venue: str
    versions: tuple[str, ...]
    url: str
    path: Path
    tables: Mapping[str, Table]
    claims: Mapping[str, Claim]
    relations: tuple[Relation, ...]
    references: tuple[Reference, ...]
    facts: tuple[Fact, ...]
    systems: Mapping[str, System]
    sources: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    unprinted: Mapping[str, Unprinted] = field(default_factory=dict)

    @cached_property
    def operands(self) -> Mapping[str, Operand]:
        """Everything a direction may compare, by id."""
        return {**self.claims, **self.unprinted}

    @cached_property
    def ids(self) -> Ids:
        """The ids of the operands, ready for patterns."""
        return Ids(self.operands)

    def full_id(self, claim_id: str) -> str:
        """Return the address that is unique across papers: ``drn/t1/drn-c-26/top1-1crop``."""
        return f"{self.key}/{claim_id}"
