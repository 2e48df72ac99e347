"""How long a unit takes here: from an earlier record on this machine, else from timing a few steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.experiment import Cost, Experiment, Progress, Unit
from harness.ledger import canonical
from harness.ledger.record import Environment, Record
from harness.ledger.store import Stored
from harness.runner.environment import same_machine
from harness.runner.work import Work, newest_first


@dataclass(frozen=True)
class Estimate:
    """A unit's cost and where it was taken from."""

    cost: Cost
    source: str

    def seconds(self, experiment: Experiment) -> float:
        """Return what a unit takes besides what it shares with others."""
        return self.cost.seconds(experiment.trade.epochs if experiment.trade is not None else 0)


Estimates = Mapping[tuple[str, str], Estimate]
"""By experiment and system; a pair of which nothing is known is missing."""


def estimates(
    systems: Iterable[tuple[Experiment, str]],
    records: Iterable[Stored],
    environment: Environment,
    *,
    device: str,
    progress: Progress,
) -> dict[tuple[str, str], Estimate]:
    """Estimate systems of experiments.

    An earlier record counts if it was made on this machine with the recipe of today; the newest wins.

    Args:
        systems: Each with its experiment; repeats are estimated once.
        device: "cpu" or "cuda", for what has to be timed.
    """
    here = newest_first(stored for stored in records if same_machine(stored.record.environment, environment))
    found: dict[tuple[str, str], Estimate] = {}
    wanted = {(experiment.key, system): experiment for experiment, system in systems}
    for position, ((name, system), experiment) in enumerate(wanted.items()):
        recorded = next(_recorded(here, experiment, system), None)
        if recorded is not None:
            found[name, system] = recorded
        elif experiment.cost is not None:
            progress(f"timing {system} ({name})", position, len(wanted))
            cost = experiment.cost(Unit(name, system, experiment.seeds[0]), device)
            found[name, system] = Estimate(cost, "timed here")
    return found


def unit_seconds(work: Iterable[Work], known: Estimates) -> tuple[float | None, ...]:
    """Return what each unit takes if they are done in this order in one go; None where that is not known."""
    begun: set[tuple[str, str]] = set()
    found: list[float | None] = []
    for item in work:
        name = item.unit.experiment, item.unit.system
        estimate = known.get(name)
        if estimate is None:
            found.append(None)
        else:
            found.append(estimate.seconds(item.experiment) + (0.0 if name in begun else estimate.cost.shared))
        begun.add(name)
    return tuple(found)


def expected(work: Sequence[Work], known: Estimates) -> tuple[float, frozenset[str]]:
    """Return the seconds that work takes, and the experiments of which some unit's time is unknown and not counted."""
    seconds = unit_seconds(work, known)
    unknown = (item.unit.experiment for item, one in zip(work, seconds, strict=True) if one is None)
    return sum(one for one in seconds if one is not None), frozenset(unknown)


def repeated(records: Iterable[Stored], experiment: Experiment, system: str) -> Iterator[Stored]:
    """Yield the complete records of a system that were made with the experiment's recipe of today."""
    recipe = canonical.digest(experiment.recipe)
    for stored in records:
        record = stored.record
        known = (record.experiment, record.system, record.complete) == (experiment.key, system, True)
        if known and canonical.digest(record.recipe) == recipe:
            yield stored


def _recorded(here: Iterable[Stored], experiment: Experiment, system: str) -> Iterator[Estimate]:
    for stored in repeated(here, experiment, system):
        cost = cost_of(stored.record, experiment)
        if cost is not None:
            yield Estimate(cost, f"record {stored.path.stem}")


def cost_of(record: Record, experiment: Experiment) -> Cost | None:
    """Split what a record took into the mean time of the epochs that can be traded and the rest.

    Rows of the log whose texts agree (their ``phase``) belong together; the phase of ``trade.epochs`` rows is meant.
    Returns None where there is none: then the split is not known.
    """
    if experiment.trade is None:
        return Cost(record.seconds)
    phases: defaultdict[frozenset[tuple[str, str]], list[float]] = defaultdict(list)
    for row in record.log:
        seconds = row.get("seconds")
        if "epoch" in row and isinstance(seconds, int | float):
            phases[frozenset((name, text) for name, text in row.items() if isinstance(text, str))].append(seconds)
    spent = next((sum(times) for times in phases.values() if len(times) == experiment.trade.epochs), None)
    return None if spent is None else Cost(max(record.seconds - spent, 0.0), spent / experiment.trade.epochs)
