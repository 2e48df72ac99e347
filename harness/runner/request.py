"""What a user asks of a cluster: ``--slurm partition=gpu,gres=gpu:1,time=30``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from harness.errors import UsageError
from harness.experiment import Options
from harness.shards import Shard

Cluster = Literal["slurm", "local"]
TEXTS = (
    *("account", "comment", "constraint", "dependency", "exclude", "gres", "job_name", "mail_type", "mail_user"),
    *("mem", "mem_per_cpu", "mem_per_gpu", "nodelist", "partition", "qos", "wckey"),
)
NUMBERS = ("array_parallelism", "cpus_per_task", "gpus_per_node", "signal_delay_s", "time")
"""What submitit calls the options of ``sbatch`` that suit a job of one process; ``time`` is in minutes."""
LOCAL = {"time": "timeout_min", "gpus_per_node": "gpus_per_node"}
"""The parameters that jobs on this machine take, and what submitit calls them there."""
MINUTES = 60
"""Time limit of a job where none is given."""


@dataclass(frozen=True)
class Request:
    """Where the jobs of a run go.

    Attributes:
        cluster: "slurm", or "local" for processes on this machine.
        parameters: By the names that submitit's executor for this cluster has for them.
    """

    cluster: Cluster
    parameters: Mapping[str, int | str]


def read_request(text: str) -> Request:
    """Read ``partition=gpu,gres=gpu:1,time=30``, or ``local``; a comma within a value is kept.

    Raises:
        UsageError: A parameter is unknown, or a number is none.
    """
    parts = re.split(r",(?=\w+=)", text.strip())
    cluster: Cluster = "local" if parts[0] == "local" else "slurm"
    known = tuple(LOCAL) if cluster == "local" else TEXTS + NUMBERS
    given: dict[str, int | str] = {"time": MINUTES}
    for part in parts[1:] if cluster == "local" else parts:
        name, equals, value = part.partition("=")
        if not (equals and value):
            raise UsageError(f"--slurm: {part!r} is not of the form name=value", f"Known names: {', '.join(known)}.")
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Known names: {', '.join(known)}."
            raise UsageError(f"--slurm: unknown parameter {name!r}", hint)
        if name in NUMBERS and not (value.isdecimal() and int(value) > 0):
            raise UsageError(f"--slurm: {name} is {value!r}; a whole number above 0 expected", "time is in minutes.")
        given[name] = int(value) if name in NUMBERS else value
    if cluster == "local":
        given = {LOCAL[name]: value for name, value in given.items()}
    return Request(cluster, given)


def require_jobs(options: Options, again: bool, shard: Shard) -> None:
    """Check that a run can be split into jobs before anything is done.

    Raises:
        UsageError: It cannot.
    """
    if options.device not in ("cpu", "cuda"):
        message = f"--slurm needs the device of the machines that measure, not {options.device!r}"
        raise UsageError(message, "Add --device cuda or --device cpu.")
    if options.budget is not None:
        raise UsageError("--budget under --slurm", "Time would be measured on this machine: name --seeds instead.")
    if again:
        raise UsageError("--again under --slurm", "Jobs measure what the ledger lacks; name another one by --ledger.")
    if shard.world > 1:
        raise UsageError("--slurm under torchrun", "Start one process, or start torchrun in a job of your own.")
