"""A deeper network that is worse than the next shallower one of its family, here and nowhere else.

Systems of a family differ only in depth. In each column of overall scores the neighbours in depth are compared. A pair
in which the deeper network is worse is reported where that is an exception both ways:

* down the column: every other pair improves, and there are at least four;
* across the paper: the same pair improves in more columns than not, so that the network itself is not to blame.

Only proportions of a known number of test images are compared, and the gap must be more than two independent samples
differ by chance (unpaired z test, 5 % over all pairs of the column). Nothing says that the number is wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from harness.audit.finding import Finding, Severity
from harness.audit.rules import MONOTONE
from harness.audit.wording import listing, probability
from harness.audit.worksheet import Worksheet, by_setting, whole
from harness.claims.model import Claim, Column, Table
from harness.claims.vocabulary import METRICS, Quantity
from harness.statistics.proportions import two_proportion_z

LEAST_OTHERS = 4
FAMILY_WISE = 0.05

Systems = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """Two neighbours in depth of one family, in one column."""

    shallower: Claim
    deeper: Claim

    @property
    def systems(self) -> Systems:
        return self.shallower.system, self.deeper.system

    @property
    def improves(self) -> bool:
        gain = self.deeper.printed.value - self.shallower.printed.value
        return gain < 0 if self.deeper.better == "lower" else gain > 0

    def p(self) -> float:
        """Two-sided p of the difference, unpaired; 1 where a share is outside 0 to 1."""
        n = self.deeper.n
        shares = [float(claim.printed.value / whole(claim.unit)) for claim in (self.shallower, self.deeper)]
        if n is None or not all(0 <= share <= 1 for share in shares):
            return 1.0
        return two_proportion_z(shares[0], n, shares[1], n).p


def detect(sheet: Worksheet) -> Iterator[Finding]:
    """Yield, for each table and pair of neighbours in depth, the columns in which it alone goes the wrong way."""
    columns = {table.id: _columns(sheet, table) for table in sheet.paper.tables.values()}
    gains: dict[Systems, list[bool]] = defaultdict(list)
    for step in (step for steps in columns.values() for column in steps for step in column):
        gains[step.systems].append(step.improves)
    for steps in columns.values():
        exceptions: dict[Systems, list[tuple[Step, int]]] = defaultdict(list)
        for column in steps:
            exception = _only_exception(column)
            if exception is not None and 2 * sum(gains[exception.systems]) > len(gains[exception.systems]):
                exceptions[exception.systems].append((exception, len(column) - 1))
        for systems, found in exceptions.items():
            yield _finding(sheet, found, sum(gains[systems]))


def _columns(sheet: Worksheet, table: Table) -> list[list[Step]]:
    """Return the neighbours in depth of each column that counts test images."""
    overall = (column for columns in by_setting(table) for column in columns.values())
    counted = (c for c in overall if METRICS[c.metric].quantity is Quantity.PROPORTION and c.n is not None)
    return [_steps(sheet, table, column) for column in counted]


def _steps(sheet: Worksheet, table: Table, column: Column) -> list[Step]:
    families: dict[str, list[tuple[int, Claim]]] = defaultdict(list)
    for claim in sheet.column(table, column):
        system = sheet.paper.systems.get(claim.system)
        if system is not None and system.family is not None and system.layers is not None:
            families[system.family].append((system.layers, claim))
    steps: list[Step] = []
    for members in families.values():
        members.sort(key=lambda member: member[0])
        steps.extend(Step(one, other) for (depth, one), (deeper, other) in pairwise(members) if depth < deeper)
    return steps


def _only_exception(steps: list[Step]) -> Step | None:
    worse = [step for step in steps if not step.improves]
    if len(worse) != 1 or len(steps) - 1 < LEAST_OTHERS:
        return None
    return worse[0] if worse[0].p() * len(steps) < FAMILY_WISE else None


def _finding(sheet: Worksheet, found: list[tuple[Step, int]], gains: int) -> Finding:
    steps = [step for step, _ in found]
    deeper, shallower = steps[0].deeper, steps[0].shallower
    values = listing(
        [
            f"{s.deeper.printed} against {s.shallower.printed} ({s.deeper.column}, p = {probability(s.p())} unpaired)"
            for s in steps
        ]
    )
    others = listing(sorted({str(count) for _, count in found}))
    involved = [claim for step in steps for claim in (step.deeper, step.shallower)]
    return Finding(
        rule=MONOTONE,
        severity=Severity.NOTE,
        message=(
            f"{deeper.system} is worse than {shallower.system}: {values}. The other {others} pairs of neighbours in "
            f"depth improve there, and this pair improves in {gains} other columns."
        ),
        line=deeper.place.line,
        claims=tuple(claim.id for claim in involved),
        printed=tuple(str(claim.printed) for claim in involved),
        conclusion=sheet.conclusion(claim.id for claim in involved),
    )
