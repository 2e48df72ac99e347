"""``remeasure import-table``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from harness.authoring.claims_text import Heading
    from harness.authoring.import_table import Wishes

FILE = click.Path(path_type=Path, dir_okay=False)
MOST_NOTES = 40


@click.command("import-table")
@click.argument("file", type=FILE)
@click.option("--format", "form", type=click.Choice(["csv", "markdown", "latex", "model-index"]), help="Of FILE.")
@click.option("--which", type=int, metavar="NUMBER", help="Of several tables in FILE, from 1.")
@click.option("--key", help="Of the paper; made of the file's name, if none is given.")
@click.option("--title", help="Of the paper; the file's name, if none is given.")
@click.option("--table", default="t1", show_default=True, help="The table's id.")
@click.option("--section", help='Where it stands in the paper, such as "Table 2"; the file\'s name, if not given.')
@click.option("--caption", default="", help="As printed.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="HEADER=METRIC[:UNIT[:DATASET[:PROTOCOL[:N]]]]",
    help='What a column is: "Top-1=top1-error:%:imagenet/val". "HEADER=-" leaves it out; "HEADER=METRIC,METRIC" is for '
    "cells such as 76.3/92.1. May be repeated.",
)
@click.option("--columns", "mapping", type=FILE, help="The same for many columns, as TOML (docs/claims.md).")
@click.option("--metric", help="Of columns whose header tells none.")
@click.option("--unit", help="Of the same columns.")
@click.option("--dataset", help="Of all columns that do not say otherwise.")
@click.option("--protocol", help="The same.")
@click.option("--n", help="Test images behind each number, the same.")
@click.option("--row", "names", multiple=True, metavar="HEADER", help="A column that names the rows; may be repeated.")
@click.option("--comma", type=click.Choice(["thousands", "decimal"]), help="What a comma in a number stands for.")
@click.option("--unclear", type=click.Choice(["error", "absent"]), default="error", show_default=True,
              help="What becomes of a cell that is not plainly one number.")  # fmt: skip
@click.option("--block", is_flag=True, help="Only the table, to paste into a claims file.")
@click.option("--out", type=FILE, help="Write a new file instead of printing.")
def import_table(file: Path, **options: Any) -> None:
    """Read a table of results in FILE into claims, and print a claims file that can be audited as it is.

    FILE is CSV, Markdown, LaTeX, or a model-index of Hugging Face. Each number keeps its digits; what was guessed or
    left out is said, and a cell that is not plainly one number is named.
    """
    from harness.authoring.claims_text import paper_text, table_text
    from harness.authoring.import_table import import_grid, read_grid
    from harness.errors import UsageError
    from harness.files import write_atomically

    out: Path | None = options["out"]
    if out is not None and out.exists():
        raise UsageError(f"{out} exists", "Name a new file: --out FILE")
    heading, key, title = _heading(file, options)
    grid = read_grid(file, options["form"], options["which"])
    imported = import_grid(grid, _wishes(options))
    text = table_text(heading, imported) if options["block"] else paper_text(key, title, heading, file.name, imported)
    _say(imported.notes)
    click.echo(f"{len(imported.rows)} rows of {len(imported.columns)} columns.", err=True)
    if out is None:
        click.echo(text, nl=False)
    else:
        write_atomically(out, text.encode("utf-8"))
        click.echo(f"{out}: remeasure audit {out}", err=True)


def _heading(file: Path, options: dict[str, Any]) -> tuple[Heading, str, str]:
    """Return what stands over the table, the paper's key and its title."""
    from harness.authoring.claims_text import Heading
    from harness.claims.document import SLUG, slug
    from harness.claims.expressions import ID
    from harness.errors import UsageError

    key = options["key"] or slug(file.stem) or "table"
    if not SLUG.fullmatch(key):
        raise UsageError(f"the key {key!r} must be lower-case letters, digits, '.', '+', '_' or '-'")
    table = options["table"]
    if not ID.fullmatch(f"{table}/row") or "/" in table:
        raise UsageError(f"the id {table!r} of the table must be lower-case and start with a letter, such as t1")
    heading = Heading(table, options["section"] or file.name, options["caption"])
    return heading, key, options["title"] or file.name


def _wishes(options: dict[str, Any]) -> Wishes:
    from harness.authoring.columns import FIELDS, check_settings, read_column_option
    from harness.authoring.import_table import Wishes
    from harness.authoring.mapping import read_mapping

    columns = read_mapping(options["mapping"]) if options["mapping"] is not None else {}
    columns.update(map(read_column_option, options["columns"]))
    defaults = {name: options[name] for name in FIELDS if options[name]}
    check_settings(defaults, "--metric, --unit, --n")
    return Wishes(columns, defaults, options["names"], options["comma"], options["unclear"] == "absent")


def _say(notes: Sequence[str]) -> None:
    for note in notes[:MOST_NOTES]:
        click.echo(note, err=True)
    if len(notes) > MOST_NOTES:
        click.echo(f"... and {len(notes) - MOST_NOTES} more notes", err=True)
