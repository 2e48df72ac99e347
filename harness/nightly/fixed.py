"""What is measured every night whatever the ledger holds: without it a night could be compared with no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.experiment import Experiment
from harness.statistics.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Standing:
    """A part of the fixed set, chosen from each paper's experiments that can run here.

    Attributes:
        evidence: Of which kinds.
        cheapest: Take the one experiment that is expected to take least, not all.
        seeds: How many of its seeds, the first ones; None takes all.
        why: Why it is there.
    """

    evidence: frozenset[Evidence]
    cheapest: bool
    seeds: int | None
    why: str


FIXED = (
    Standing(
        frozenset({Evidence.TIMING}),
        cheapest=False,
        seeds=None,
        why="time and memory depend on the machine, so only tonight's say what they are tonight",
    ),
    Standing(
        frozenset(Evidence) - {Evidence.TIMING, Evidence.EXACT, Evidence.ARITHMETIC},
        cheapest=True,
        seeds=1,
        why="a training on a fixed seed ends as it did unless code, data or software changed; one finds that out",
    ),
)
"""The fixed set. What is derived exactly is not in it: it depends on the code alone, and is owed once that changes."""


def standing(
    experiments: Sequence[Experiment],
    seconds: Mapping[str, float],
    before: Iterable[str] = (),
    fixed: Sequence[Standing] = FIXED,
) -> tuple[Experiment, ...]:
    """Return the experiments of the fixed set, each cut to the seeds it is measured on.

    The cheapest one stays the choice of the night before as long as it can run, so that an estimate that moves a little
    does not end a history.

    Args:
        experiments: One paper's, those that can run here.
        seconds: What the first seeds of an experiment take, by its key; what is missing is not known.
        before: Keys of the experiments that the night before took.
    """
    kept = frozenset(before)
    chosen: list[Experiment] = []
    for part in fixed:
        able = [experiment for experiment in experiments if experiment.evidence in part.evidence]
        if part.cheapest and able:
            able = [min(able, key=lambda e: (e.key not in kept, seconds.get(e.key, float("inf"))))]
        chosen += [replace(experiment, seeds=experiment.seeds[: part.seeds]) for experiment in able]
    return tuple(chosen)
