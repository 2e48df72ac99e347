"""What an audit returns: a verdict for every relation, and findings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

from harness.audit.rules import Rule
from harness.claims.intervals import Interval
from harness.claims.model import Relation


class Severity(Enum):
    """``ERROR``: cannot be right as printed. ``WARNING``: probably is not. ``NOTE``: deserves a look."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


WARNING_BELOW = 0.01
NOTE_BELOW = 0.05


def graded(chance: float) -> Severity | None:
    """Grade what chance would rarely do: below 1 % a warning, below 5 % a note, else nothing.

    Args:
        chance: Probability of such an accident anywhere in the table, or the expected number of them.
    """
    if chance < WARNING_BELOW:
        return Severity.WARNING
    return Severity.NOTE if chance < NOTE_BELOW else None


class Outcome(Enum):
    """What arithmetic says of a relation.

    ``CONSISTENT``: holds for the printed decimals. ``WITHIN_ROUNDING``: holds for some values that round to them.
    ``INCONSISTENT``: holds for none. ``UNDECIDED``: rounding, or an uncertain copy, leaves it open.
    """

    CONSISTENT = "consistent"
    WITHIN_ROUNDING = "consistent within rounding"
    INCONSISTENT = "inconsistent"
    UNDECIDED = "undecided"
    NOT_CHECKABLE = "not checkable"


@dataclass(frozen=True, slots=True)
class RelationVerdict:
    """The verdict on one relation.

    Attributes:
        reason: Why it is not simply consistent, or what part of it could not be checked; empty if nothing is to say.
        left, right: What each side can be, given how its numbers were rounded; None if not checkable.
        left_face, right_face: Each side with the printed decimals taken as exact.
    """

    relation: Relation
    outcome: Outcome
    reason: str = ""
    left: Interval | None = None
    right: Interval | None = None
    left_face: Fraction | None = None
    right_face: Fraction | None = None

    @property
    def holds(self) -> bool:
        return self.outcome in (Outcome.CONSISTENT, Outcome.WITHIN_ROUNDING)


@dataclass(frozen=True, slots=True)
class Consequence:
    """What becomes of a relation when a suspect number is put right."""

    relation: str
    quote: str
    before: Outcome
    after: Outcome
    message: str
    conclusion: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a reader should know of.

    Attributes:
        claims: Ids of the claims involved, the accused one first.
        printed: The printed decimal of each.
        recomputed: What the first claim, or the relation's left side, should be; None where nothing says.
        line: In ``claims.toml``.
        relation: Id of the relation, None if the finding is about numbers alone.
        conclusion: What in the paper would change.
        consequences: Relations that change when the accused number is replaced by the recomputed or quoted one.
    """

    rule: Rule
    severity: Severity
    message: str
    line: int
    claims: tuple[str, ...]
    printed: tuple[str, ...]
    recomputed: Interval | None = None
    relation: str | None = None
    conclusion: str = ""
    consequences: tuple[Consequence, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Stable under rewording and moved lines; changes when a number involved does."""
        parts = [self.rule.id, self.relation, list(self.claims), list(self.printed)]
        return sha256(json.dumps(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Audit:
    """The audit of one paper.

    Attributes:
        path: The ``claims.toml``.
        claims: How many printed numbers it holds.
        findings: Most serious first, then in file order.
        verdicts: One for every relation, in file order.
        powerless: Why some detector could not speak: words to count.
        silent: Rules that nothing was held against, for a package is missing.
    """

    paper: str
    title: str
    path: Path
    claims: int
    findings: tuple[Finding, ...]
    verdicts: tuple[RelationVerdict, ...]
    powerless: Mapping[str, int]
    silent: tuple[Rule, ...] = ()

    @property
    def relations(self) -> int:
        return len(self.verdicts)

    @property
    def checked(self) -> int:
        return self.relations - self.count(Outcome.NOT_CHECKABLE)

    @property
    def consistent(self) -> int:
        return sum(verdict.holds for verdict in self.verdicts)

    def count(self, outcome: Outcome) -> int:
        return sum(verdict.outcome is outcome for verdict in self.verdicts)

    def by_severity(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity is severity)

    @property
    def not_checkable(self) -> Mapping[str, int]:
        """Why relations could not be checked, with how many for each reason."""
        reasons = (v.reason for v in self.verdicts if v.outcome is Outcome.NOT_CHECKABLE)
        return Counter(reasons)
