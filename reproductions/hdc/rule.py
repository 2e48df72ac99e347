"""What the paper's rule M_2 <= K accepts and rejects, held against true coverage by trying every sequence.

The search goes over all sequences of dilations of the given lengths up to a largest rate and counts four outcomes.
It works on bit masks; :mod:`harness.architecture.coverage` is the second method that the tests hold it against.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.architecture.coverage import accepted
from reproductions.hdc.sequences import Space

Rates = tuple[int, ...]


@dataclass
class Tally:
    """How the sequences of a space fare.

    Attributes:
        accepted_covered, accepted_holed, rejected_covered, rejected_holed: How many the rule accepts or rejects and
            the stack covers completely or with holes.
        holed_example: The first accepted sequence with holes, in order of length and rates; empty if there is none.
        covered_example: The first rejected sequence without holes.
    """

    accepted_covered: int = 0
    accepted_holed: int = 0
    rejected_covered: int = 0
    rejected_holed: int = 0
    holed_example: Rates = field(default=())
    covered_example: Rates = field(default=())

    @property
    def sequences(self) -> int:
        return self.accepted_covered + self.accepted_holed + self.rejected_covered + self.rejected_holed

    def add(self, rates: Rates, *, passes: bool, covered: bool) -> None:
        match passes, covered:
            case True, True:
                self.accepted_covered += 1
            case True, False:
                self.accepted_holed += 1
                self.holed_example = self.holed_example or rates
            case False, True:
                self.rejected_covered += 1
                self.covered_example = self.covered_example or rates
            case _:
                self.rejected_holed += 1


def tally(space: Space) -> Tally:
    """Try every sequence of ``space``.

    Raises:
        ValueError: A length is below 2, for which the rule is not defined.
    """
    result = Tally()
    for length in space.lengths:
        for rates, mask in _sequences(space, length):
            size = 1 + (space.kernel - 1) * sum(rates)
            result.add(rates, passes=accepted(rates, space.kernel), covered=mask == (1 << size) - 1)
    return result


def _sequences(space: Space, length: int, rates: Rates = (), mask: int = 1) -> Iterator[tuple[Rates, int]]:
    """Yield each sequence that begins with ``rates``, and which cells it sees as the bits of a number."""
    if len(rates) == length:
        yield rates, mask
        return
    lowest = rates[-1] if rates and space.rising else 1
    highest = 1 if space.from_one and not rates else space.largest
    for rate in range(lowest, highest + 1):
        wider = mask
        for tap in range(1, space.kernel):
            wider |= mask << (tap * rate)
        yield from _sequences(space, length, (*rates, rate), wider)
