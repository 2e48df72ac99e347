"""``remeasure new-paper``."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import FOLDER


@click.command("new-paper")
@click.argument("key")
@click.option("--title", help="As printed; the key, if none is given.")
@click.option("--into", type=FOLDER, help="Make a distribution of its own there, instead of a folder in this checkout.")
def new_paper(key: str, title: str | None, into: Path | None) -> None:
    """Make a folder for the paper KEY that already runs, with an example to replace (docs/tutorial.md).

    KEY is a lower-case Python name such as drn. Nothing that exists is changed.
    """
    from harness.authoring.new_paper import new_paper as make

    folder = make(key, key if title is None else title, into)
    folder = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    click.echo(f"{folder}:")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        click.echo(f"  {path.relative_to(folder).as_posix()}")
    if into is not None:
        click.echo(f"\nInstall it beside remeasure:\n  python -m pip install --editable {folder}")
    click.echo("\nIt runs as it is:")
    for command in ("audit", "plan", "run", "report"):
        click.echo(f"  remeasure {command} {key}")
    click.echo("Then put the numbers of your paper into claims.toml.")
