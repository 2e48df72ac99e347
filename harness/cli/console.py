"""Printing for people and for machines: tables, progress, JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from harness.packages import missing

if TYPE_CHECKING:
    from harness.experiment import Progress

PLAIN_INTERVAL = 10.0


def print_json(value: Any) -> None:
    """Print dataclasses, structs and mappings as JSON, two spaces an indent."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode())


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table that fits the terminal; tab-separated, complete lines where there is none, or no rich."""
    if not sys.stdout.isatty() or missing("rich"):
        click.echo(title)
        for row in (columns, *rows):
            click.echo("\t".join(cell.replace("\n", " ") for cell in row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


@contextmanager
def progress() -> Iterator[Progress]:
    """Yield a progress callback: a bar on a terminal, now and then a line elsewhere or without rich."""
    if not sys.stderr.isatty() or missing("rich"):
        yield _plain_progress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def update(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield update


def _plain_progress() -> Progress:
    last = -PLAIN_INTERVAL
    shown = ""

    def update(what: str, done: int, total: int) -> None:
        nonlocal last, shown
        now = time.monotonic()
        if what != shown or done >= total or now - last >= PLAIN_INTERVAL:
            last, shown = now, what
            click.echo(f"{what}: {done}/{total}", err=True)

    return update
