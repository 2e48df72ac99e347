"""Option types and options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from harness.statistics.evidence import Evidence

if TYPE_CHECKING:
    from harness.runner.request import Request

DURATION = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*(?P<unit>s|m|min|h|)")
EVIDENCE = tuple(kind.value for kind in Evidence if kind is not Evidence.ARITHMETIC)
"""Kinds of evidence that a run can give; arithmetic needs none."""
SECONDS = {"s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class Duration(click.ParamType[float]):
    """A time such as ``90s``, ``5m`` or ``1.5h``; seconds where no unit is given."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = DURATION.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a time such as 90s, 5m or 1.5h", param, ctx)
        return float(match["amount"]) * SECONDS[match["unit"]]


FOLDER = click.Path(path_type=Path, file_okay=False)

RUN_OPTIONS = (
    click.argument("papers", nargs=-1, metavar="PAPER..."),
    click.option("--all", "every", is_flag=True, help="Every paper."),
    click.option("--data", type=FOLDER, help="A folder with real images (a data set's folder, or its parent)."),
    click.option("--weights", type=FOLDER, help="A folder with the authors' checkpoints."),
    click.option(
        "--evidence",
        type=click.Choice(EVIDENCE),
        metavar="KIND",
        help=f"Only experiments of one kind, on all or part of the paper's images: {', '.join(EVIDENCE)}.",
    ),
    click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda."),
    click.option("--budget", type=Duration(), help="Fit each paper's run into a time such as 5m: fewer seeds, epochs."),
    click.option("--seeds", type=int, help="How many seeds; each experiment has its own default."),
    click.option("--seed", "only_seeds", type=int, multiple=True, help="One of these seeds, from 0; may be repeated."),
    click.option("--only", multiple=True, help="A system or an experiment; may be repeated."),
    click.option(
        "--keep-views", type=FOLDER, help="Keep the outputs of networks there, for remeasure explain --views."
    ),
    click.option("--toy", is_flag=True, help="A few steps at the smallest size: tests the path, never a result."),
)


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the papers and options of ``plan`` and ``run``; the command gets them as ``papers`` and ``options``."""

    @wraps(command)
    def collected(
        *,
        papers: tuple[str, ...],
        every: bool,
        data: Path | None,
        weights: Path | None,
        evidence: str | None,
        device: str,
        budget: float | None,
        seeds: int | None,
        only_seeds: tuple[int, ...],
        only: tuple[str, ...],
        keep_views: Path | None,
        toy: bool,
        **others: Any,
    ) -> None:
        from harness.experiment import Options

        kind = None if evidence is None else Evidence(evidence)
        options = Options(
            data=data,
            device=device,
            budget=budget,
            seeds=seeds,
            only=only,
            toy=toy,
            weights=weights,
            evidence=kind,
            views=keep_views,
            only_seeds=only_seeds,
        )
        command(papers=_chosen(papers, every), options=options, **others)

    wrapped: Callable[..., None] = collected
    for option in reversed(RUN_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def _chosen(papers: tuple[str, ...], every: bool) -> tuple[str, ...]:
    """Return the papers a command is about, each once.

    Raises:
        UsageError: None is given, both papers and all are, or no paper has a key that was given.
    """
    from harness.claims.papers import package_of, packages
    from harness.errors import UsageError

    if every and papers:
        raise UsageError("both papers and --all are given", "Name papers, or give --all.")
    if every:
        return tuple(packages())
    if not papers:
        raise UsageError("no paper given", f"Known papers: {', '.join(packages())}; --all takes every one.")
    for paper in papers:
        package_of(paper)
    return tuple(dict.fromkeys(papers))


def _existing(context: click.Context, parameter: click.Parameter, folder: Path) -> Path:
    """Return a folder to read; the default may be missing, one that was named may not: it was misspelt."""
    given = parameter.name and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    if given and not folder.is_dir():
        raise click.BadParameter(f"there is no folder {folder}", context, parameter)
    return folder


LEDGER = Path("reports/ledger")

ledger_option = click.option("--ledger", type=FOLDER, default=LEDGER, show_default=True, help="Where records are kept.")
existing_ledger_option = click.option(
    "--ledger", type=FOLDER, default=LEDGER, show_default=True, callback=_existing, help="Where records are kept."
)
"""For commands that measure nothing: an empty ledger in the place of a misspelt one would look like a result."""
reports_option = click.option(
    "--reports", type=FOLDER, default=Path("reports"), show_default=True, help="Where pages are written."
)


def _read_slurm(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Request | None:
    if text is None:
        return None
    from harness.runner.request import read_request

    return read_request(text)


slurm_option = click.option(
    "--slurm",
    metavar="NAME=VALUE,...",
    callback=_read_slurm,
    help="Measure in jobs of a Slurm cluster, one unit each: partition=gpu,gres=gpu:1,time=30 (docs/clusters.md).",
)
