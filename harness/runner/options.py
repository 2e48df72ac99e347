"""What a user chose, checked before any work begins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from harness.errors import UsageError
from harness.experiment import Experiment, Options

DEVICES = ("auto", "cpu", "cuda")


def settle(options: Options) -> Options:
    """Check the options and decide the device: the result's ``device`` is "cpu" or "cuda".

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
    return replace(options, device=find_device(options.device))


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


def select(experiments: Sequence[Experiment], only: Sequence[str]) -> tuple[Experiment, ...]:
    """Keep the experiments and systems that ``only`` names, all of them if it is empty, and that lack nothing to run.

    Keys of experiments choose among experiments, names of systems among systems.

    Raises:
        UsageError: A name is neither, an experiment that is named lacks something, or nothing is left.
    """
    keys = {experiment.key for experiment in experiments}
    systems = {system for experiment in experiments for system in experiment.systems}
    for name in only:
        lacking = next((e.needs for e in experiments if e.key == name and e.needs), "")
        if lacking:
            raise UsageError(f"the experiment {name} needs {lacking}")
        if name not in keys | systems:
            known = sorted(systems) + sorted(keys)
            close = get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Known systems and experiments: {', '.join(known)}."
            raise UsageError(f"unknown system or experiment {name!r}", hint)
    wanted_keys = keys.intersection(only) or keys
    wanted_systems = systems.intersection(only) or systems
    narrowed = (
        replace(experiment, systems=tuple(system for system in experiment.systems if system in wanted_systems))
        for experiment in experiments
        if experiment.key in wanted_keys and not experiment.needs
    )
    kept = tuple(experiment for experiment in narrowed if experiment.systems)
    if experiments and not kept:
        raise UsageError(f"no experiment measures {' and '.join(only)} together", "Name fewer systems or experiments.")
    return kept
