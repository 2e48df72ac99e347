"""Option types and options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
DURATION = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*(?P<unit>s|m|min|h|)")
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


def run_options(command: F) -> F:
    """Add what ``plan`` and ``run`` have in common."""
    for option in reversed(
        (
            click.option(
                "--data", type=FOLDER, help="A folder with real images (an Imagenette folder, or its parent)."
            ),
            click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda."),
            click.option(
                "--budget", type=Duration(), help="Fit the run into a time such as 5m by fewer seeds and epochs."
            ),
            click.option("--seeds", type=int, help="How many seeds; each experiment has its own default."),
            click.option("--only", multiple=True, help="A system or an experiment; may be repeated."),
            click.option(
                "--toy", is_flag=True, help="A few steps at the smallest size: tests the path, never a result."
            ),
        )
    ):
        command = option(command)
    return command


ledger_option = click.option(
    "--ledger", type=FOLDER, default=Path("reports/ledger"), show_default=True, help="Where records are kept."
)
reports_option = click.option(
    "--reports", type=FOLDER, default=Path("reports"), show_default=True, help="Where pages are written."
)
