"""The nightly check: which metrics got worse, which improved, which are missing, from their own histories.

What happens to a metric of the machine on a night:

1. Its **level** is the median of the nights since it was accepted, or since hardware, software, recipe or data changed;
   its noise is their robust scale (:mod:`~harness.regression.noise`). Fewer than seven nights are no level.
2. What strays from it is measured **once more at once** (:func:`suspects`). Two measurements of a night are two
   independent *looks*, unless the night as a whole was off by the other metrics' word; then they are one, the milder.
3. A **step** takes several looks in a row that all stray: as many as it takes until outliers, at the rate at which this
   and the other metrics have shown them, no longer explain it. A confirmed step is found in its first night; one that
   moves all metrics together, or that nothing confirms, in its second or third.
4. A **drift** takes weeks that stray (:mod:`~harness.regression.drift`).
5. Over the night the false-discovery rate is held (:mod:`~harness.regression.discovery`), and each metric's chance of a
   false alarm. Worse and better are a family each.
6. What was found **stands**, and its nights stay out of the level, until it is accepted or two looks are back.

A metric of images is paired with its level image by image (:mod:`~harness.regression.paired`) and joins the families.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from harness.regression.model import Address, Decision, Level, Night, Series
from harness.regression.watch import Watch
from harness.regression.wording import missing

Tonight = dict[Address, Night]


def suspects(series: Sequence[Series], levels: Sequence[Level]) -> tuple[Address, ...]:
    """Return what should be measured once more at once, of the newest night's speeds and memory.

    Accuracy on fixed seeds repeats bit for bit, so measuring it again would tell nothing.
    """
    watch = Watch(series, levels)
    nights = _by_night(series)
    for _, night in nights[:-1]:
        watch.judge(night)
    return watch.suspects(nights[-1][1]) if nights else ()


def decide(series: Sequence[Series], levels: Sequence[Level], tonight: str = "") -> tuple[Decision, ...]:
    """Return what is to be said of each metric: its newest night's word, after all nights before were judged in turn.

    Args:
        series: Of all metrics together, since the false-discovery rate is that of a night.
        levels: Accepted levels.
        tonight: The night's start; if empty, that of the newest night of any series. What is expected and has no
            night then is missing, unless its end was accepted (:func:`ended`), and then nothing is said of it. What is
            not expected keeps the word of its newest night, and has none without nights.

    Raises:
        ValueError: Two series have one address, or a series' nights are not in order.
    """
    spoken: dict[Address, Decision] = {}
    newest = tonight
    for started, decisions in replay(series, levels):
        spoken |= {decision.address: decision for decision in decisions}
        newest = tonight or started
    for one in series:
        if one.expected and not (one.nights and one.nights[-1].started == newest):
            if ended(one.address.id, one.nights, levels):
                spoken.pop(one.address, None)
            else:
                spoken[one.address] = missing(one)
    return tuple(spoken[one.address] for one in series if one.address in spoken)


def ended(name: str, nights: Sequence[Night], levels: Sequence[Level]) -> bool:
    """Return whether somebody accepted that a metric is gone: its level counts from a night after its last."""
    last = nights[-1].started if nights else ""
    return any(level.address == name and level.since > last for level in levels)


def replay(series: Sequence[Series], levels: Sequence[Level]) -> Iterator[tuple[str, tuple[Decision, ...]]]:
    """Yield each night's start and what the rule says of all that it measured, the oldest night first.

    Each night is judged by earlier nights alone. A level counts from its ``since`` on, however late it was accepted.
    What was missing is not told, since histories do not say what was expected.

    Raises:
        ValueError: Two series have one address, or a series' nights are not in order.
    """
    watch = Watch(series, levels)
    for started, night in _by_night(series):
        yield started, watch.judge(night)


def _by_night(series: Sequence[Series]) -> list[tuple[str, Tonight]]:
    nights: dict[str, Tonight] = {}
    for one in series:
        starts = [night.started for night in one.nights]
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise ValueError(f"the nights of {one.address.id} are not in order")
        for night in one.nights:
            nights.setdefault(night.started, {})[one.address] = night
    return sorted(nights.items())
