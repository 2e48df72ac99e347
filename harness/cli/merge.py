"""``remeasure merge``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli.options import FOLDER, ledger_option


@click.command()
@click.argument("others", nargs=-1, required=True, type=FOLDER, metavar="LEDGER...")
@ledger_option
def merge(others: tuple[Path, ...], ledger: Path) -> None:
    """Add the records of every LEDGER, from other machines, to the one of --ledger: their union.

    A damaged record stays where it is and is named; the others are added all the same.
    """
    from harness.errors import ExitCode, UsageError
    from harness.ledger.merge import merge as union
    from harness.ledger.store import Ledger

    for other in others:
        if not other.is_dir():
            raise UsageError(f"{other} is no folder", "Give a ledger's folder, such as out/ledger.")
    damaged = 0
    for other in others:
        merged = union(Ledger(other), Ledger(ledger))
        for refused in merged.refused:
            click.echo(f"not added: {refused.path}: {refused.reason}", err=True)
        if not (merged.added or merged.present or merged.refused):
            raise UsageError(f"{other} holds no records", "Give a ledger's folder, such as out/ledger.")
        damaged += len(merged.refused)
        click.echo(f"{other}: {len(merged.added)} records added to {ledger}, {merged.present} were there")
    sys.exit(ExitCode.LEDGER if damaged else ExitCode.OK)
