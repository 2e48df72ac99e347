"""Trades seeds, then epochs, for time, and says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from harness.durations import duration
from harness.experiment import Experiment, Factory, Options

RESERVE = 0.1
"""Share of the budget kept free, since an estimate is one."""


class Traded(msgspec.Struct, frozen=True):
    """What a budget was traded for.

    Attributes:
        seeds, epochs: For :class:`~harness.experiment.Options`.
        seconds: What the work is expected to take.
        sentences: The trade in words.
        basis: Digest of what the estimates depend on; the trade holds as long as it does.
    """

    seeds: int | None
    epochs: dict[str, int]
    seconds: float
    sentences: tuple[str, ...]
    basis: str = ""

    def apply(self, options: Options) -> Options:
        return replace(options, seeds=self.seeds, epochs=self.epochs)


@dataclass(frozen=True)
class _Offer:
    """One way to spend the budget."""

    options: Options
    experiments: Sequence[Experiment]


def fit(factory: Factory, options: Options, expected: Callable[[Sequence[Experiment]], float]) -> Traded:
    """Choose the most seeds, then the most epochs, whose work fits the budget; else the least that means anything.

    Args:
        options: Settled, with a budget.
        expected: Seconds that the outstanding work of experiments takes here.
    """
    assert options.budget is not None
    room = options.budget * (1 - RESERVE)
    offers = _offers(factory, options)
    full = offer = next(offers)
    seconds = expected(offer.experiments)
    while seconds > room:
        cheaper = next(offers, None)
        if cheaper is None:
            break
        offer, seconds = cheaper, expected(cheaper.experiments)
    sentences = _sentences(full, offer, options.budget, expected(full.experiments), seconds)
    return Traded(offer.options.seeds, dict(offer.options.epochs), seconds, sentences)


def _offers(factory: Factory, options: Options) -> Iterator[_Offer]:
    """Yield what a budget may buy, the dearest first: fewer and fewer seeds, then fewer and fewer epochs.

    Seeds that were asked for one by one are not cut.
    """

    def offer(changed: Options) -> _Offer:
        return _Offer(changed, factory(changed))

    full = offer(options)
    yield full
    tradable = [experiment for experiment in full.experiments if experiment.trade is not None]
    most = 0 if options.only_seeds else max((len(experiment.seeds) for experiment in tradable), default=0)
    fewest = max((min(e.trade.fewest_seeds, most) for e in tradable if e.trade is not None), default=0)
    for seeds in range(most - 1, fewest - 1, -1):
        options = replace(options, seeds=seeds)
        yield offer(options)
    previous: Mapping[str, int] = {}
    longest = max((e.trade.epochs for e in tradable if e.trade is not None), default=0)
    for share in range(longest - 1, 0, -1):
        epochs = {
            e.key: max(e.trade.epochs * share // longest, min(e.trade.fewest_epochs, e.trade.epochs))
            for e in tradable
            if e.trade is not None
        }
        if epochs != previous:
            previous = epochs
            yield offer(replace(options, epochs=epochs))


def _sentences(full: _Offer, chosen: _Offer, budget: float, asked: float, seconds: float) -> tuple[str, ...]:
    if chosen is full:
        takes = f"With the full recipe, what is left to measure takes about {duration(seconds)}"
        if seconds > budget:
            return (f"{takes}: more than the budget of {duration(budget)}, but nothing in it can be cut.",)
        return (f"{takes}; the budget of {duration(budget)} cuts nothing.",)
    said = [f"The full recipe would take about {duration(asked)}. For a budget of {duration(budget)} it is cut:"]
    for before, after in zip(full.experiments, chosen.experiments, strict=True):
        if before.trade is None or after.trade is None:
            continue
        cuts = []
        if len(after.seeds) < len(before.seeds):
            floor = " (the fewest that show a spread)" if len(after.seeds) <= before.trade.fewest_seeds else ""
            cuts.append(f"{len(after.seeds)} of {len(before.seeds)} seeds{floor}")
        if after.trade.epochs < before.trade.epochs:
            floor = " (the fewest that mean anything)" if after.trade.epochs <= before.trade.fewest_epochs else ""
            cuts.append(f"{after.trade.epochs} of {before.trade.epochs} epochs{floor}")
        if cuts:
            said.append(f"{before.title}: {', '.join(cuts)}.")
    over = "; more than the budget, but less would mean nothing" if seconds > budget else ""
    said.append(f"This takes about {duration(seconds)}{over}.")
    return tuple(said)
