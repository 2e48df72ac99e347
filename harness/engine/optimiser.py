"""Which parameters learn, how fast, and how a network stands while they do."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from harness.engine.recipe import Group, Training
from harness.errors import UsageError

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_EVERYTHING_ELSE = Group("")
_SHOWN = 6


def sgd(model: nn.Module, training: Training) -> torch.optim.SGD:
    """Return momentum SGD over the parameters that ask for gradients, a group for each of the recipe's.

    Raises:
        UsageError: No parameter learns, or a group's pattern is no regular expression or matches no parameter.
    """
    members = defaultdict(list)
    groups = group_of(model, training.groups)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            members[groups[name]].append(parameter)
    if not members:
        raise UsageError("no parameter of the network learns", "Leave out a group with rate 0.")
    return torch.optim.SGD(
        [
            {"params": parameters, "weight_decay": training.weight_decay * group.decay, "factor": group.rate}
            for group, parameters in members.items()
        ],
        lr=0.0,
        momentum=training.momentum,
    )


def set_rate(optimiser: torch.optim.SGD, rate: float) -> None:
    """Set the learning rate of the next step, times each group's factor."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]


@contextmanager
def learning(model: nn.Module, training: Training) -> Iterator[None]:
    """Put a network into training mode but for what the recipe freezes, which asks for no gradients meanwhile.

    At the end it is in evaluation mode, and as many parameters ask for gradients as before.

    Raises:
        UsageError: As :func:`sgd`.
    """
    norms = [module for module in model.modules() if isinstance(module, BATCH_NORMS)]
    still = norms if training.batch_norm == "frozen" else []
    groups = group_of(model, training.groups)
    fixed = {id(parameter) for norm in still for parameter in norm.parameters()}
    fixed |= {id(parameter) for name, parameter in model.named_parameters() if groups[name].rate == 0}
    frozen = [parameter for parameter in model.parameters() if parameter.requires_grad and id(parameter) in fixed]
    for parameter in frozen:
        parameter.requires_grad_(False)
    model.train()
    for norm in still:
        norm.eval()
    try:
        yield
    finally:
        model.eval()
        for parameter in frozen:
            parameter.requires_grad_(True)


def group_of(model: nn.Module, groups: tuple[Group, ...]) -> dict[str, Group]:
    """Return, by parameter name, the first group whose pattern matches the whole of it, else one with factors 1.

    Raises:
        UsageError: A pattern is no regular expression or matches no parameter.
    """
    names = [name for name, _ in model.named_parameters()]
    found: dict[str, Group] = {}
    for group in groups:
        try:
            matched = [name for name in names if re.fullmatch(group.pattern, name)]
        except re.error as error:
            raise UsageError(f"{group.pattern!r} is no regular expression: {error}") from error
        if not matched:
            shown = ", ".join(names[:: max(1, len(names) // _SHOWN)])
            raise UsageError(f"no parameter's name matches {group.pattern!r}", f"Some of the {len(names)}: {shown}.")
        for name in matched:
            found.setdefault(name, group)
    return {name: found.get(name, _EVERYTHING_ELSE) for name in names}
