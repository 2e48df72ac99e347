"""What a night found, and how it ends: the one thing that all of its outputs are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.errors import ExitCode
from harness.ledger.record import Record
from harness.nightly.verdicts import Worse
from harness.nightly.work import Failed, Left
from harness.regression.model import FAILURES, Decision, Series, Word
from harness.wording.words import counted


@dataclass(frozen=True, slots=True)
class Made:
    """A record that the night made, and what it took."""

    what: str
    seconds: float
    digest: str


@dataclass(frozen=True, slots=True)
class Timed:
    """One system as tonight timed it.

    Attributes:
        id: Of the metric.
        seconds: Of each repeat, on ``batch`` images.
        machine: Processor, device and versions.
        digest: Of the record.
    """

    id: str
    paper: str
    experiment: str
    seconds: tuple[float, ...]
    batch: int
    machine: Mapping[str, str | int]
    digest: str


@dataclass(frozen=True)
class NightReport:
    """What a night measured, what it could not, and what is said of it.

    Attributes:
        started, ended: UTC, ISO 8601.
        device: By name, "cpu" where there is no accelerator.
        commit: Of the checkout; empty outside one. ``dirty``: whether files differed from it.
        command: That repeats the night.
        series: By the address's id, tonight last.
        records: Those of the nights in ``series``, by digest.
        in_session: Paper and key of the experiments that the benchmarks time.
        folders: The options that name folders, as they were given.
        made: In the first pass; ``confirmed`` are those that measured something once more.
        worse: Claims whose verdict got worse since the night before.
        against: Ids of all claims that the records speak against, those known before included.
        moved: What differs between tonight's conditions and those before, by the address's id; of new segments.
        timings: Times of tonight's, repeat by repeat.
        previous: When the night before started; empty if this is the first.
    """

    started: str
    ended: str
    device: str
    commit: str
    command: str
    made: tuple[Made, ...]
    confirmed: tuple[Made, ...]
    failed: tuple[Failed, ...]
    left: tuple[Left, ...]
    decisions: tuple[Decision, ...]
    series: Mapping[str, Series]
    worse: tuple[Worse, ...]
    against: tuple[str, ...]
    timings: tuple[Timed, ...] = ()
    previous: str = ""
    records: Mapping[str, Record] = field(default_factory=dict)
    in_session: frozenset[tuple[str, str]] = frozenset()
    folders: str = ""
    moved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dirty: bool = False

    def of(self, *words: Word) -> tuple[Decision, ...]:
        """Return the decisions with one of these words, in their order."""
        return tuple(decision for decision in self.decisions if decision.word in words)

    @property
    def alarms(self) -> tuple[Decision, ...]:
        """What is no pass: regressions first, then what is missing or could not be compared."""
        order = (Word.REGRESSION, Word.MISSING, Word.NOT_COMPARED)
        found = [decision for decision in self.decisions if decision.word in FAILURES]
        return tuple(sorted(found, key=lambda decision: order.index(decision.word)))

    @property
    def exit_code(self) -> ExitCode:
        """How the night ends; of several things that are wrong, the one that is told first.

        Where nothing at all was measured there is no comparison to speak of: 14 if something failed, else 8. Otherwise
        13 before 12 before 14. A metric that is missing because its own work failed is told as that failure.
        """
        if not self.made:
            return ExitCode.INFRASTRUCTURE if self.failed else ExitCode.NOTHING_MEASURED
        if any(not self.explained(decision) for decision in self.alarms):
            return ExitCode.REGRESSION
        if self.worse:
            return ExitCode.CLAIM_FAILED
        return ExitCode.INFRASTRUCTURE if self.failed else ExitCode.OK

    def explained(self, decision: Decision) -> bool:
        """Whether a metric is missing because what measures it failed tonight."""
        return decision.word is Word.MISSING and self.failure_behind(decision) is not None

    def failure_behind(self, decision: Decision) -> Failed | None:
        """Return what failed of the work that measures a metric; of a paper or the session, everything."""
        address = decision.address
        wanted = (address.paper, address.experiment, address.system)
        for failed in self.failed:
            for covered in failed.covers:
                if all(own in ("", other) for own, other in zip(covered, wanted, strict=True)):
                    return failed
        return None

    @property
    def headline(self) -> str:
        """One sentence that says how the night went."""
        found = [
            counted(len(self.of(Word.REGRESSION)), "regression"),
            counted(len(self.of(Word.MISSING)), "missing metric"),
            counted(len(self.of(Word.NOT_COMPARED)), "comparison that could not be made", "comparisons not made"),
            counted(len(self.worse), "claim with a worse verdict", "claims with worse verdicts"),
            counted(len(self.failed), "failure"),
        ]
        wrong = [text for text in found if not text.startswith("0 ")]
        if wrong:
            return f"{', '.join(wrong)}."
        if not self.made:
            return "Nothing was measured."
        compared = len(self.of(Word.STEADY, Word.IMPROVEMENT, Word.SUSPECT))
        if not compared:
            return f"Nothing to compare with yet: {counted(len(self.decisions), 'metric')} measured."
        if suspects := self.of(Word.SUSPECT):
            return f"No alarm: {counted(compared, 'metric')} compared, {len(suspects)} suspected."
        return f"Quiet: {counted(compared, 'metric')} compared, none got worse."
