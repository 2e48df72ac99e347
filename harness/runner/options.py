"""What a user chose, checked before any work begins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from harness.errors import NothingMeasuredError, UsageError
from harness.experiment import Experiment, Options
from harness.statistics.evidence import Evidence

DEVICES = ("auto", "cpu", "cuda")


def settle(options: Options, here: bool = True) -> Options:
    """Check the options and decide the device: the result's ``device`` is "cpu" or "cuda".

    Args:
        here: Whether this machine measures; if another does, the device is as it was named.

    Raises:
        UsageError: No seed, no time, or a device that is unknown or not here.
    """
    if options.seeds is not None and options.seeds < 1:
        raise UsageError(
            f"seeds is {options.seeds}; at least 1 expected", "Leave it out for each experiment's own number."
        )
    if options.budget is not None and not (math.isfinite(options.budget) and options.budget > 0):
        raise UsageError(
            f"budget is {options.budget:g} s; more than 0 expected", "Leave it out to run the full recipe."
        )
    return replace(options, device=find_device(options.device)) if here else options


def find_device(name: str) -> str:
    """Return "cpu" or "cuda"; "auto" is the GPU where there is one.

    Raises:
        UsageError: The name is unknown, or there is no such device.
    """
    if name not in DEVICES:
        raise UsageError(f"unknown device {name!r}", f"Known devices: {', '.join(DEVICES)}.")
    if name == "cpu":
        return name
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise UsageError("no CUDA device is available to torch here", "Use --device cpu, or leave the option out.")
    return "cpu"


def select(
    experiments: Sequence[Experiment],
    only: Sequence[str],
    evidence: Evidence | None = None,
    only_seeds: Sequence[int] = (),
) -> tuple[Experiment, ...]:
    """Keep what was asked for, see :func:`named`, and lacks nothing to run.

    Raises:
        UsageError: Nothing is asked for, or an experiment that is named lacks something.
        NothingMeasuredError: Everything that was asked for lacks something.
    """
    asked = named(experiments, only, evidence, only_seeds)
    for experiment in asked:
        if experiment.key in only and experiment.needs:
            raise UsageError(f"the experiment {experiment.key} needs {experiment.needs}")
    kept = tuple(able for experiment in asked if (able := _able(experiment)).systems)
    if asked and not kept:
        message = "nothing that was asked for can run with these options"
        raise NothingMeasuredError(message, "\n".join(lacking(asked, only, evidence)))
    return kept


def named(
    experiments: Sequence[Experiment],
    only: Sequence[str],
    evidence: Evidence | None = None,
    only_seeds: Sequence[int] = (),
) -> tuple[Experiment, ...]:
    """Keep what ``only`` names, everything if it is empty, that gives ``evidence``, if any, of the seeds, if any.

    Keys of experiments choose among experiments, names of systems among systems. An experiment on part of the images
    counts as giving the evidence that all of them would.

    Raises:
        UsageError: A name is neither, or nothing is left.
    """
    experiments = [e for e in experiments if evidence is None or evidence in (e.evidence, e.part_of)]
    if evidence is not None and not experiments:
        raise UsageError(f"no experiment gives {evidence.value} evidence", "See remeasure plan for those there are.")
    keys = {experiment.key for experiment in experiments}
    systems = {system for experiment in experiments for system in experiment.systems}
    for name in only:
        if name not in keys | systems:
            known = sorted(systems) + sorted(keys)
            close = get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Known systems and experiments: {', '.join(known)}."
            raise UsageError(f"unknown system or experiment {name!r}", hint)
    wanted_keys = keys.intersection(only) or keys
    wanted_systems = systems.intersection(only) or systems
    chosen = [
        replace(experiment, systems=tuple(system for system in experiment.systems if system in wanted_systems))
        for experiment in experiments
        if experiment.key in wanted_keys
    ]
    chosen = [experiment for experiment in chosen if experiment.systems]
    if experiments and not chosen:
        raise UsageError(f"no experiment measures {' and '.join(only)} together", "Name fewer systems or experiments.")
    return _with_seeds(chosen, only_seeds) if only_seeds else tuple(chosen)


def lacking(experiments: Sequence[Experiment], only: Sequence[str], evidence: Evidence | None) -> tuple[str, ...]:
    """Say what experiments, or single systems of theirs, lack to run; for those that :func:`select` would choose.

    An experiment on part of the images lacks what that on all of them lacks; it is spoken of only if it is asked for.
    """
    keys = {experiment.key for experiment in experiments}.intersection(only)
    systems = {system for experiment in experiments for system in experiment.systems}.intersection(only)
    sentences: list[str] = []
    for experiment in experiments:
        asked = experiment.key in keys if keys else experiment.part_of is None or evidence is experiment.evidence
        if not asked or evidence not in (None, experiment.evidence, experiment.part_of):
            continue
        if experiment.needs:
            sentences.append(f"{experiment.key} needs {experiment.needs}.")
        sentences += [f"{name} lacks {what}." for name, what in experiment.lacks.items() if name in (systems or {name})]
    return tuple(dict.fromkeys(sentences))


def _with_seeds(experiments: Sequence[Experiment], seeds: Sequence[int]) -> tuple[Experiment, ...]:
    """Keep the seeds that are wanted, and the experiments that have any of them."""
    known = {seed for experiment in experiments for seed in experiment.seeds}
    for seed in seeds:
        if experiments and seed not in known:
            raise UsageError(f"nothing that was asked for has a seed {seed}", f"--seeds {seed + 1} gives it so many.")
    cut = (replace(e, seeds=tuple(seed for seed in e.seeds if seed in seeds)) for e in experiments)
    return tuple(experiment for experiment in cut if experiment.seeds)


def _able(experiment: Experiment) -> Experiment:
    """Return an experiment without the systems that cannot run; without any if it cannot."""
    able = () if experiment.needs else tuple(name for name in experiment.systems if name not in experiment.lacks)
    return replace(experiment, systems=able)
