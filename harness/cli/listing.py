"""``remeasure list``."""

from __future__ import annotations

import click


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_papers(as_json: bool) -> None:
    """List the papers and how much of each is recorded."""
    from harness.claims.papers import find_paper, packages
    from harness.cli.console import print_json, print_table

    papers = [find_paper(key) for key in packages()]
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
        return
    rows = [
        (p.key, p.title, p.venue, str(len(p.claims)), str(len(p.relations)), str(len(p.references))) for p in papers
    ]
    print_table("Papers", ("key", "title", "venue", "claims", "relations", "references"), rows)
