"""``remeasure list``."""

from __future__ import annotations

import sys

import click

from harness.errors import ExitCode


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_papers(as_json: bool) -> None:
    """List the papers and how much of each is recorded.

    A paper that cannot be read is named, and the others are listed; the exit code is then that of its error.
    """
    from harness.claims.papers import find_paper, packages, unusable
    from harness.cli.console import print_json, print_table
    from harness.errors import RemeasureError

    for sentence in unusable():
        click.echo(sentence, err=True)
    papers, code = [], ExitCode.OK
    for key in packages():
        try:
            papers.append(find_paper(key))
        except RemeasureError as error:
            code = max(code, error.exit_code)
            click.echo(f"{key} is not listed: {error}", err=True)
    if as_json:
        print_json(
            [
                {
                    "key": paper.key,
                    "title": paper.title,
                    "venue": paper.venue,
                    "url": paper.url,
                    "claims": len(paper.claims),
                    "relations": len(paper.relations),
                    "references": len(paper.references),
                    "facts": len(paper.facts),
                }
                for paper in papers
            ]
        )
    else:
        rows = [
            (p.key, p.title, p.venue, str(len(p.claims)), str(len(p.relations)), str(len(p.references))) for p in papers
        ]
        print_table("Papers", ("key", "title", "venue", "claims", "relations", "references"), rows)
    sys.exit(code)
